import assert from "node:assert/strict";
import type { Effects, ReplyTo, Request } from "../../src/kernel/effect.js";
import { Kernel, type World } from "../../src/kernel/kernel.js";
import type { Actor, Message } from "../../src/kernel/machine.js";
import { seededRandom } from "../../src/kernel/random.js";

interface Seen {
  readonly replies: { to: ReplyTo; body: unknown }[];
  readonly crashed: string[];
  readonly forgotten: string[];
}

function setUp(): { kernel: Kernel; seen: Seen } {
  const seen: Seen = { replies: [], crashed: [], forgotten: [] };
  const world: World = {
    nowMs: () => 0,
    wallMs: () => 0,
    perform: () => {},
    reply: (to, body) => seen.replies.push({ to, body }),
    forget: (actor) => seen.forgotten.push(actor),
    crashed: (actor) => seen.crashed.push(actor),
    scheduled: () => {},
  };
  return { kernel: new Kernel(world, seededRandom(1)), seen };
}
const actor = (
  step: (message: Message & { readonly [key: string]: unknown }) => Effects,
  mailboxLimit = 10,
): Actor => ({ mailboxLimit, step: step as never });
const request = (reply: number): Request => ({ kind: "request", subject: "s", body: {}, from: { reply }, user: "" });

describe("the kernel", () => {
  it("holds a reply until its ticket is settled, and turns it into the fault when it was lost (I1)", () => {
    const { kernel, seen } = setUp();
    kernel.spawn(
      "a",
      actor((message) => {
        if (message.kind === "request")
          return [{ kind: "reply", to: (message as unknown as Request).from, body: "kept", after: 7 }];
        return [
          {
            kind: "settle",
            ticket: 7,
            ...(message.kind === "lost" ? { fault: { code: "UNKNOWN_OUTCOME", message: "?" } } : {}),
          },
        ];
      }),
    );
    kernel.request("a", request(1));
    kernel.run(10);
    assert.deepEqual(seen.replies, []);
    kernel.deliver("a", { kind: "stored" });
    kernel.run(10);
    assert.deepEqual(seen.replies, [{ to: { reply: 1 }, body: "kept" }]);
    kernel.request("a", request(2));
    kernel.deliver("a", { kind: "lost" });
    kernel.run(10);
    assert.deepEqual(seen.replies[1], { to: { reply: 2 }, body: { fault: { code: "UNKNOWN_OUTCOME", message: "?" } } });
  });

  it("answers OVERLOADED past the mailbox limit and UNAVAILABLE where nobody is", () => {
    const { kernel, seen } = setUp();
    kernel.spawn(
      "a",
      actor(() => [], 2),
    );
    for (let reply = 1; reply <= 3; reply++) kernel.request("a", request(reply));
    kernel.request("nobody", request(4));
    const codes = seen.replies.map(({ to, body }) => [to.reply, (body as { fault: { code: string } }).fault.code]);
    assert.deepEqual(codes, [
      [3, "OVERLOADED"],
      [4, "UNAVAILABLE"],
    ]);
    kernel.run(10);
    kernel.request("a", request(5));
    assert.equal(seen.replies.length, 2);
  });

  it("stops an actor that throws, its children with it, answers what it held, and tells the parent", () => {
    const { kernel, seen } = setUp();
    const heard: unknown[] = [];
    kernel.spawn(
      "parent",
      actor((message) => {
        if (message.kind === "childFailed") heard.push(message.id);
        if (message.kind !== "go") return [];
        const grandchild = actor(() => []);
        const child = actor((inner) => {
          if (inner.kind === "die") throw new Error("bug");
          if (inner.kind === "go") return [{ kind: "spawn", id: "grandchild", actor: grandchild }];
          return [{ kind: "reply", to: { reply: 9 }, body: 1, after: 1 }];
        });
        return [
          { kind: "spawn", id: "child", actor: child },
          { kind: "tell", to: "child", message: { kind: "go" } },
          { kind: "tell", to: "child", message: { kind: "hold" } },
          { kind: "tell", to: "child", message: { kind: "die" } },
        ];
      }),
    );
    kernel.deliver("parent", { kind: "go" });
    kernel.run(100);
    assert.deepEqual(heard, ["child"]);
    assert.deepEqual(kernel.actorIds(), ["parent"]);
    assert.deepEqual(seen.forgotten, ["child", "grandchild"]);
    assert.equal((seen.replies[0] as { body: { fault: { code: string } } }).body.fault.code, "UNKNOWN_OUTCOME");
    kernel.spawn(
      "orphan",
      actor(() => {
        throw new Error("bug");
      }),
    );
    kernel.deliver("orphan", { kind: "go" });
    kernel.run(1);
    assert.deepEqual(seen.crashed, ["orphan"]);
  });

  it("steps at most the budget and says how much is left", () => {
    const { kernel } = setUp();
    let steps = 0;
    kernel.spawn(
      "a",
      actor(() => {
        steps++;
        return [];
      }),
    );
    for (let i = 0; i < 10_000; i++) kernel.deliver("a", { kind: "m" });
    assert.equal(kernel.run(6000), 4000);
    assert.equal(kernel.run(6000), 0);
    assert.equal(steps, 10_000);
  });
});
