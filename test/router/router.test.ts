import assert from "node:assert/strict";
import { clusterOpNames } from "../../actors/router/cluster-ops.js";
import { clusterOperations, tableOperations } from "../../cluster/door/operations.js";
import { limits } from "../../src/config/limits.js";
import { fault } from "../../src/kernel/fault.js";
import type { OpResult } from "../../src/protocol/exec.js";
import { encodeExec } from "../../src/protocol/exec-codec.js";
import { queryOps } from "../../src/query/decode.js";
import { encodeDocument } from "../../src/query/document.js";
import { execOf, ScriptedWorld } from "./scripted-world.js";

const encoded = encodeDocument({ n: 1, deep: { a: 1, b: 2 } });
assert.ok(encoded.ok);
const document = encoded.value;

const found: OpResult = { op: "get", row: { version: 5, document } };
const written: OpResult = { op: "write", versions: [9] };
const refused = (code: Parameters<typeof fault>[0], detail?: Record<string, number>): OpResult => ({
  op: "fault",
  fault: fault(code, "no", detail),
});

function ready(): ScriptedWorld {
  const world = new ScriptedWorld().begin();
  world.table({ name: "users", fragments: 4 });
  return world;
}

describe("router: single rows", () => {
  it("answers a get with key, version and document, projected", () => {
    const world = ready();
    const id = world.ask("foreshard.query.users.get", { key: "ann", fields: ["deep.a"] });
    assert.match(world.onlyAsk.subject, /^foreshard\.node\.n[123]\.exec$/);
    world.serve(world.onlyAsk, () => found);
    assert.deepEqual(world.body(id), { row: { key: "ann", version: 5, doc: { deep: { a: 1 } } } });
  });

  it("sends everything of one turn for one node as one message", () => {
    const world = ready();
    const ids = Array.from({ length: 64 }, (_, i) => world.request("foreshard.query.users.get", { key: `k${i}` }));
    world.settle();
    assert.equal(world.asks.length, 3);
    assert.equal(new Set(world.asks.map((ask) => ask.subject)).size, 3);
    world.serveAll(() => found);
    assert.ok(ids.every((id) => world.answered(id)));
  });

  it("gathers what comes while a node is busy: until an answer comes, and no longer than a moment", () => {
    const world = new ScriptedWorld().begin();
    world.table({ name: "users", fragments: 1 });
    const get = (key: string): number => world.ask("foreshard.query.users.get", { key });
    const lone = [get("a"), get("b")];
    assert.equal(world.asks.length, 2, "the first two leave at once");
    const gathered = [get("c"), get("d"), get("e")];
    assert.equal(world.asks.length, 2);
    const [first] = world.asks;
    assert.ok(first !== undefined);
    world.serve(first, () => found);
    assert.deepEqual(
      world.asks.map((ask) => execOf(ask).parts[0]?.ops.length),
      [1, 3],
      "an answer lets the gathered ones leave together",
    );
    const late = get("f");
    world.pass(2);
    assert.equal(world.asks.length, 3, "without an answer they leave after a moment");
    world.serveAll(() => found);
    assert.ok([...lone, ...gathered, late].every((id) => world.answered(id)));
  });

  it("lets no read wait behind the writes of the same node", () => {
    const world = new ScriptedWorld().begin();
    world.table({ name: "users", fragments: 1 });
    for (let at = 0; at < 8; at++) world.request("foreshard.query.users.put", { key: `k${at}`, doc: {} });
    world.settle();
    world.ask("foreshard.query.users.put", { key: "late", doc: {} });
    world.ask("foreshard.query.users.get", { key: "a" });
    assert.deepEqual(
      world.asks.map((ask) => execOf(ask).parts[0]?.ops.map(({ op }) => op)),
      [Array.from({ length: 8 }, () => "write"), ["get"]],
      "the write is gathered, the read leaves",
    );
  });

  it("gathers no longer than answers of late took, and at most a bound", () => {
    const world = new ScriptedWorld().begin();
    world.table({ name: "users", fragments: 1 });
    const puts = (count: number): void => {
      for (let at = 0; at < count; at++) world.request("foreshard.query.users.put", { key: `k${at}`, doc: {} });
      world.settle();
    };
    for (let round = 0; round < 40; round++) {
      puts(8);
      world.pass(200);
      world.serveAll(() => written);
    }
    puts(8);
    puts(1);
    world.pass(20);
    assert.equal(world.asks.length, 1, "answers took long of late: it waits for one");
    world.pass(5);
    assert.equal(world.asks.length, 2, "but not for ever");
  });

  it("lets a small message wait for company on an idle node only while messages are large and answers take a while", () => {
    const world = new ScriptedWorld().begin();
    world.table({ name: "users", fragments: 1 });
    const gets = (count: number): void => {
      for (let at = 0; at < count; at++) world.request("foreshard.query.users.get", { key: `k${at}` });
      world.settle();
    };
    gets(1);
    assert.equal(world.asks.length, 1, "the first of all waits for nobody");
    world.serveAll(() => found);
    for (let round = 0; round < 12; round++) {
      gets(40);
      world.pass(6);
      world.serveAll(() => found);
    }
    gets(5);
    assert.equal(world.asks.length, 0, "others are expected");
    world.pass(3);
    assert.equal(world.asks.length, 1, "they were waited for long enough");
    world.serveAll(() => found);
    world.pass(100);
    gets(1);
    assert.equal(world.asks.length, 1, "after a pause nobody is expected");
  });

  it("does not gather more than fills a message", () => {
    const world = new ScriptedWorld().begin();
    world.table({ name: "users", fragments: 1 });
    for (const key of ["a", "b"]) world.ask("foreshard.query.users.get", { key });
    for (let at = 0; at < 64; at++) world.request("foreshard.query.users.get", { key: `k${at}` });
    world.settle();
    assert.deepEqual(
      world.asks.map((ask) => execOf(ask).parts[0]?.ops.length),
      [1, 1, 64],
    );
  });

  it("tells the node which client group asks, as the server stamped it and the configuration names it", () => {
    const world = new ScriptedWorld({ clientGroups: { ada: "research" } }).begin();
    world.table({ name: "users", fragments: 1 });
    for (const user of ["ada", "bob", "", "ada"]) world.request("foreshard.query.users.get", { key: "ann" }, user);
    world.settle();
    const { groups, parts } = execOf(world.onlyAsk);
    assert.deepEqual(groups, ["research", "bob", "unnamed"]);
    assert.deepEqual(
      parts.map(({ group, ops }) => [group, ops.length]),
      [
        [0, 2],
        [1, 1],
        [2, 1],
      ],
    );
  });

  it("says on whose behalf each operation of a traced request travels, and nothing where none is traced", () => {
    const world = new ScriptedWorld().begin();
    world.table({ name: "users", fragments: 1 });
    const get = (key: string, user: string, trace?: string): number =>
      world.request("foreshard.query.users.get", { key }, user, trace);
    get("a", "ada");
    get("b", "ada", "first");
    get("c", "bob", "second");
    world.request("foreshard.query.users.getMany", { keys: ["d", "e"] }, "ada", "third");
    world.settle();
    assert.deepEqual(world.onlyAsk.behalf, [
      { trace: "first", place: [0, 1] },
      { trace: "second", place: [1, 0] },
      { trace: "third", place: [0, 2] },
      { trace: "third", place: [0, 3] },
    ]);
    world.serveAll(() => found);
    get("a", "ada");
    world.settle();
    assert.ok(!("behalf" in world.onlyAsk));
  });

  it("says it again with each try, and of what it passes on as a whole", () => {
    const world = ready();
    world.request("foreshard.query.users.get", { key: "ann" }, "", "first");
    world.settle();
    world.serve(world.onlyAsk, () => refused("NOT_PRIMARY"));
    world.pass(200);
    assert.deepEqual(world.onlyAsk.behalf, [{ trace: "first", place: [0, 0] }]);
    world.serveAll(() => found);
    world.request("foreshard.query._cluster.forecast", { table: "users" }, "", "second");
    world.settle();
    assert.deepEqual(world.onlyAsk.behalf, [{ trace: "second" }]);
  });

  it("says nothing of groups from inside a client", () => {
    const exec = { timeLeftMs: 5, parts: [{ fragment: 16, epoch: 1, ops: [] }] };
    assert.deepEqual(encodeExec(exec), [5, [[16, 1, []]]]);
  });

  it("goes to the new primary, with the new epoch and the same request id, after NOT_PRIMARY", () => {
    const world = ready();
    const id = world.ask("foreshard.query.users.put", { key: "ann", doc: { n: 2 } });
    const first = world.onlyAsk;
    const [part] = execOf(first).parts;
    assert.ok(part !== undefined);
    assert.equal(part.epoch, 1);
    world.serve(first, () => refused("NOT_PRIMARY"));
    assert.ok(!world.answered(id));
    const heir = first.subject.includes("n1") ? "n2" : "n1";
    world.append({
      kind: "primariesChanged",
      changes: [{ fragment: part.fragment, epoch: 2, primary: heir }],
      cause: "test",
    });
    const second = world.onlyAsk;
    assert.equal(second.subject, `foreshard.node.${heir}.exec`);
    const [again] = execOf(second).parts;
    assert.equal(again?.epoch, 2);
    assert.deepEqual(again?.ops, part.ops);
    world.serve(second, () => written);
    assert.deepEqual(world.body(id), { version: 9 });
  });

  it("keeps the request id that the client gave", () => {
    const world = ready();
    world.ask("foreshard.query.users.put", { key: "ann", doc: {}, requestId: "mine" });
    const op = execOf(world.onlyAsk).parts[0]?.ops[0];
    assert.ok(op?.op === "write");
    assert.equal(op.requestId, "mine");
  });

  it("reports a write without an answer as UNKNOWN_OUTCOME with its request id, a read as DEADLINE_EXCEEDED", () => {
    const world = ready();
    const write = world.ask("foreshard.query.users.put", { key: "ann", doc: {}, requestId: "mine", deadlineMs: 300 });
    const read = world.ask("foreshard.query.users.get", { key: "ann", deadlineMs: 300 });
    world.pass(290);
    assert.ok(!world.answered(write) && !world.answered(read));
    world.pass(50);
    assert.equal(world.fault(write).code, "UNKNOWN_OUTCOME");
    assert.equal(world.fault(write).detail?.requestId, "mine");
    assert.equal(world.fault(read).code, "DEADLINE_EXCEEDED");
  });

  it("a write that certainly reached nobody is a plain DEADLINE_EXCEEDED that says why", () => {
    const world = ready();
    const id = world.ask("foreshard.query.users.put", { key: "ann", doc: {}, deadlineMs: 200 });
    for (let i = 0; i < 300 && !world.answered(id); i++) {
      for (const ask of world.asks) world.answer(ask, { kind: "nobody" });
      world.pass(1);
    }
    assert.equal(world.fault(id).code, "DEADLINE_EXCEEDED");
    assert.match(world.fault(id).message, /is not there/);
  });

  it("tries a write again with the same request id after a time-out", () => {
    const world = ready();
    const id = world.ask("foreshard.query.users.put", { key: "ann", doc: {} });
    const before = execOf(world.onlyAsk).parts[0]?.ops[0];
    world.answer(world.onlyAsk, { kind: "timeout" });
    world.pass(200);
    const after = execOf(world.onlyAsk).parts[0]?.ops[0];
    assert.deepEqual(after, before);
    world.serve(world.onlyAsk, () => written);
    assert.deepEqual(world.body(id), { version: 9 });
  });

  it("spreads reads of level any over ready replicas on live nodes, and goes to the primary when one is too stale", () => {
    const world = ready();
    for (let i = 0; i < 60; i++) world.request("foreshard.query.users.get", { key: "ann", level: "any" });
    world.settle();
    assert.equal(world.asks.length, 3);
    for (const ask of world.asks) assert.ok(execOf(ask).parts.every((part) => part.epoch === 0));
    world.serveAll(() => found);
    const id = world.ask("foreshard.query.users.get", { key: "bob", level: "bounded", maxStaleMs: 100 });
    const stale = world.asks.at(-1);
    assert.ok(stale !== undefined);
    world.serve(stale, () => refused("TOO_STALE"));
    const primary = world.asks.at(-1);
    assert.ok(primary !== undefined);
    assert.equal(execOf(primary).parts[0]?.epoch, 1);
    world.serve(primary, () => found);
    assert.ok(world.answered(id));
  });

  it("passes OVERLOADED on after a few tries, with the time to wait", () => {
    const world = ready();
    const id = world.ask("foreshard.query.users.get", { key: "ann" });
    let tries = 0;
    for (; tries < 20 && !world.answered(id); tries++) {
      world.serveAll(() => refused("OVERLOADED", { retryAfterMs: 30 }));
      world.pass(200);
    }
    assert.ok(tries > 1 && tries < 10);
    assert.equal(world.fault(id).code, "OVERLOADED");
    assert.equal(world.fault(id).detail?.retryAfterMs, 30);
  });

  it("asks in smaller messages when the answers of one did not fit", () => {
    const world = ready();
    const ids = Array.from({ length: 100 }, (_, i) => world.request("foreshard.query.users.get", { key: `k${i}` }));
    world.settle();
    let largest = 0;
    for (let round = 0; world.asks.length > 0; round++) {
      assert.ok(round < 1000);
      const ask = world.asks[0];
      assert.ok(ask !== undefined);
      const ops = execOf(ask).parts.reduce((sum, part) => sum + part.ops.length, 0);
      if (ops > 5) world.answer(ask, { kind: "answer", body: { fault: fault("TOO_LARGE", "does not fit") } });
      else {
        largest = Math.max(largest, ops);
        world.serve(ask, () => found);
      }
    }
    assert.ok(largest > 0 && largest <= 5);
    for (const id of ids) assert.ok("row" in world.body(id));
  });

  it("answers getMany in the order of its keys", () => {
    const world = ready();
    const keys = ["c", "a", "b", "d"];
    const id = world.ask("foreshard.query.users.getMany", { keys });
    world.serveAll(() => found);
    const rows = world.body(id).rows as { key: string }[];
    assert.deepEqual(
      rows.map((row) => row.key),
      keys,
    );
  });

  it("refuses a batch over several fragments and names the keys", () => {
    const world = ready();
    const ops = Array.from({ length: 20 }, (_, i) => ({ op: "put", key: `k${i}`, doc: {} }));
    const id = world.ask("foreshard.query.users.batch", { ops });
    assert.equal(world.fault(id).code, "SPANS_FRAGMENTS");
    assert.match(world.fault(id).message, /"k\d+".* one partition key .* ifVersion/);
    assert.equal(world.asks.length, 0);
  });
});

describe("router: limits and refusals", () => {
  it("refuses what exceeds its requests in flight, and recovers", () => {
    const world = ready();
    const ids = Array.from({ length: limits.routerRequests + 10 }, (_, i) =>
      world.request("foreshard.query.users.get", { key: `k${i}` }),
    );
    world.settle();
    const refusals = ids.filter((id) => world.answered(id));
    assert.equal(refusals.length, 10);
    for (const id of refusals) {
      assert.equal(world.fault(id).code, "OVERLOADED");
      assert.ok(Number(world.fault(id).detail?.retryAfterMs) > 0);
    }
    world.serveAll(() => found);
    assert.ok(ids.every((id) => world.answered(id)));
    const later = world.ask("foreshard.query.users.get", { key: "x" });
    world.serveAll(() => found);
    assert.ok("row" in world.body(later));
  });

  it("denies an unknown table after a moment, and serves one that appears within it", () => {
    const world = ready();
    const wrong = world.ask("foreshard.query.nope.get", { key: "a" });
    const early = world.ask("foreshard.query.soon.get", { key: "a" });
    assert.ok(!world.answered(wrong));
    world.pass(50);
    world.table({ name: "soon" });
    assert.equal(world.asks.length, 1);
    world.serveAll(() => found);
    assert.ok("row" in world.body(early));
    world.pass(200);
    assert.equal(world.fault(wrong).code, "UNKNOWN_TABLE");
    assert.match(world.fault(wrong).message, /nope.*table create/);
  });

  it("lists the operations when one is unknown", () => {
    const world = ready();
    const table = world.ask("foreshard.query.users.frobnicate", {});
    assert.equal(world.fault(table).code, "UNKNOWN_OPERATION");
    assert.deepEqual(world.fault(table).detail?.operations, queryOps);
    const cluster = world.ask("foreshard.query._cluster.constructor", {});
    assert.equal(world.fault(cluster).code, "UNKNOWN_OPERATION");
    assert.deepEqual(world.fault(cluster).detail?.operations, clusterOpNames);
  });

  it("waits for the ledger before it denies anything", () => {
    const world = new ScriptedWorld();
    const id = world.ask("foreshard.query.users.get", { key: "a" });
    world.pass(1000);
    assert.ok(!world.answered(id));
    world.begin().table({ name: "users" });
    world.serveAll(() => found);
    assert.ok("row" in world.body(id));
  });

  it("announces exactly the operations that it has", () => {
    assert.deepEqual(Object.keys(tableOperations).sort(), [...queryOps].sort());
    assert.deepEqual(Object.keys(clusterOperations).sort(), [...clusterOpNames].sort());
  });

  it("ends gently: waits for what is under way, then tells the rest to go elsewhere", () => {
    const world = ready();
    const write = world.ask("foreshard.query.users.put", { key: "a", doc: {} });
    world.kernel.deliver("router", { kind: "stop" });
    world.pass(100);
    assert.ok(!world.answered(write));
    world.pass(300);
    assert.equal(world.fault(write).code, "UNKNOWN_OUTCOME");
    assert.ok(!world.kernel.has("router"));
  });
});

describe("router: administration", () => {
  it("makes a table: asks the leader, tries again while there is none, answers when the fragments serve", () => {
    const world = ready();
    const id = world.ask("foreshard.query._cluster.createTable", {
      name: "orders",
      key: { partition: "string", sort: "date" },
    });
    world.answer(world.onlyAsk, { kind: "nobody" });
    world.pass(100);
    assert.equal(world.onlyAsk.subject, "foreshard.control.0.admin");
    world.answer(world.onlyAsk, { kind: "answer", body: { done: true, viewSeq: 9 } });
    const fragments = world.table({ name: "orders", key: { partition: "string", sort: "date" } }, false);
    assert.ok(!world.answered(id));
    world.activate(fragments);
    assert.deepEqual(world.body(id), { table: "orders", fragments: 4, replicas: 3 });
  });

  it("takes a table that an unanswered try made for its own", () => {
    const world = ready();
    const id = world.ask("foreshard.query._cluster.createTable", { name: "orders", deadlineMs: 9000 });
    const first = world.onlyAsk;
    world.answer(first, { kind: "timeout" });
    world.table({ name: "orders" });
    world.pass(100);
    world.answer(world.onlyAsk, { kind: "answer", body: { fault: fault("TABLE_EXISTS", "there") } });
    assert.equal(world.body(id).table, "orders");
  });

  it("refuses bad tables with a sentence", () => {
    const world = ready();
    const cases: readonly (readonly [unknown, string])[] = [
      [{}, "BAD_REQUEST"],
      [{ name: "1x" }, "BAD_NAME"],
      [{ name: "a\r\nPUB x 0" }, "BAD_NAME"],
      [{ name: "ok", partitioning: "round" }, "BAD_REQUEST"],
      [{ name: "ok", fragments: 0 }, "BAD_REQUEST"],
      [{ name: "ok", replicas: 99 }, "BAD_REQUEST"],
      [{ name: "ok", key: { partition: "blob" } }, "BAD_REQUEST"],
      [{ name: "ok", splitAt: ["m"] }, "BAD_REQUEST"],
      [{ name: "ok", partitioning: "range", splitAt: ["m", "a"] }, "BAD_KEY"],
      [{ name: "ok", colour: "red" }, "BAD_REQUEST"],
    ];
    for (const [body, code] of cases) {
      const id = world.ask("foreshard.query._cluster.createTable", body);
      assert.equal(world.fault(id).code, code, JSON.stringify(body));
    }
    assert.equal(world.asks.length, 0);
  });

  it("tells tables, nodes, fragments and ring from its view", () => {
    const world = ready();
    const tables = world.ask("foreshard.query._cluster.tables", {});
    assert.deepEqual(world.body(tables).tables, [
      { name: "users", partitioning: "hash", key: { partition: "string" }, replicas: 3, fragments: 4, serving: 4 },
    ]);
    const told = world.ask("foreshard.query._cluster.nodes", {});
    const nodes = world.body(told).nodes as { id: string; primaries: number; replicas: number }[];
    assert.deepEqual(
      nodes.map(({ id, primaries, replicas }) => [id, primaries, replicas]),
      [
        ["n1", 2, 4],
        ["n2", 1, 4],
        ["n3", 1, 4],
      ],
    );
    const fragments = world.ask("foreshard.query._cluster.fragments", { table: "users" });
    assert.equal((world.body(fragments).fragments as unknown[]).length, 4);
    const missing = world.ask("foreshard.query._cluster.drain", { node: "n9" });
    assert.equal(world.fault(missing).code, "UNKNOWN_NODE");
  });
});
