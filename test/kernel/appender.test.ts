import assert from "node:assert/strict";
import { createAppender } from "../../src/kernel/appender.js";
import type { Effect, WorldMessage } from "../../src/kernel/effect.js";
import { countingTickets } from "../../src/kernel/tickets.js";

const log = { stream: "S", subject: "s" };
const mine = Uint8Array.of(1, 2, 3);
const other = Uint8Array.of(9);
const record = (seq: number, bytes: Uint8Array) => ({ kind: "record", record: { seq, bytes, timeMs: 0 } }) as const;

function setUp() {
  const appender = createAppender(log, countingTickets(), "retry");
  let last: Effect | undefined = appender.submit(mine, 5)[0];
  const send = (message: WorldMessage) => {
    const progress = appender.on(message);
    assert.ok(progress);
    if (progress.effects.length > 0) last = progress.effects[0];
    return progress;
  };
  const ticket = () => (last !== undefined && "ticket" in last ? (last.ticket ?? 0) : 0);
  return { appender, send, ticket, last: () => last };
}

describe("the appender", () => {
  it("sends an append of unknown outcome again, byte for byte, until the fence says what became of it (A1)", () => {
    const { send, ticket, last } = setUp();
    assert.equal(send({ kind: "appended", ticket: ticket(), outcome: { kind: "unknown" } }).waiting, "unreachable");
    send({ kind: "woke", name: "retry" });
    assert.deepEqual(last(), { kind: "append", log, bytes: mine, expectedSeq: 5, ticket: ticket() });
    send({ kind: "appended", ticket: ticket(), outcome: { kind: "refused", lastSeq: 8 } });
    assert.deepEqual(last(), { kind: "readLog", log, at: "next", seq: 6, ticket: ticket() });
    const done = send({ kind: "logRead", ticket: ticket(), outcome: record(8, mine) });
    assert.deepEqual(done.result, { kind: "stored", seq: 8 });
  });

  it("is done when the log delivers the record under way, and ignores the acknowledgement that comes afterwards", () => {
    const { appender, ticket } = setUp();
    const late = ticket();
    assert.equal(appender.seen(record(6, other).record), undefined);
    assert.deepEqual(appender.seen(record(8, mine).record)?.result, { kind: "stored", seq: 8 });
    assert.ok(!appender.busy);
    assert.equal(appender.on({ kind: "appended", ticket: late, outcome: { kind: "unknown" } }), undefined);
    assert.equal(appender.seen(record(8, mine).record), undefined);
  });

  it("is overtaken when another record stands there, and regressed when the log is shorter than it was (A2)", () => {
    const first = setUp();
    first.send({ kind: "appended", ticket: first.ticket(), outcome: { kind: "refused", lastSeq: 8 } });
    const overtaken = first.send({ kind: "logRead", ticket: first.ticket(), outcome: record(7, other) });
    assert.equal(overtaken.result?.kind, "overtaken");
    const second = setUp();
    const regressed = second.send({
      kind: "appended",
      ticket: second.ticket(),
      outcome: { kind: "refused", lastSeq: 2 },
    });
    assert.deepEqual(regressed.result, { kind: "regressed", lastSeq: 2 });
  });

  it("ignores stale tickets and foreign timers, and does not give up on a full log", () => {
    const { appender, send, ticket } = setUp();
    assert.equal(appender.on({ kind: "appended", ticket: 999, outcome: { kind: "stored", seq: 6 } }), undefined);
    assert.equal(appender.on({ kind: "woke", name: "else" }), undefined);
    for (let i = 0; i < 20; i++) {
      assert.equal(
        send({ kind: "appended", ticket: ticket(), outcome: { kind: "full", why: "disk" } }).waiting,
        "full",
      );
      send({ kind: "woke", name: "retry" });
    }
    assert.deepEqual(send({ kind: "appended", ticket: ticket(), outcome: { kind: "stored", seq: 6 } }).result, {
      kind: "stored",
      seq: 6,
    });
    assert.equal(appender.busy, false);
  });
});
