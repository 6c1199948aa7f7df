import assert from "node:assert/strict";
import { versionOf } from "../../src/fragment/record.js";
import { get, put, servingAlone, write } from "./replica-world.js";

describe("shard: the way of a write", () => {
  it("gathers what arrives while a record is in flight, and answers when it is stored", () => {
    const { log, n1 } = servingAlone();
    n1.fates.push("held");
    const first = n1.exec(put("a", 1));
    const second = n1.exec(put("b", 2), put("c", 3));
    const third = n1.exec(put("a", 4));
    assert.deepEqual(n1.trace, ["append after 1: lsn 2 epoch 1 1 change"]);
    for (const job of [first, second, third]) assert.equal(n1.outcome(job), "waiting");
    assert.equal(n1.sees("a"), "no row", "nothing shows before it is stored");
    n1.release();
    assert.deepEqual(log.story, ["lsn 1 epoch 1 epoch", "lsn 2 epoch 1 1 change", "lsn 3 epoch 1 3 changes"]);
    assert.deepEqual(n1.outcome(first), [versionOf(2, 0)]);
    assert.deepEqual([n1.outcome(second, 0), n1.outcome(second, 1)], [[versionOf(3, 0)], [versionOf(3, 1)]]);
    assert.deepEqual(n1.outcome(third), [versionOf(3, 2)]);
    assert.deepEqual(n1.sees("a"), { n: 4 });
  });

  it("logs no refusal, and no repetition: a request id gets its first answer", () => {
    const { log, n1 } = servingAlone();
    const first = n1.exec(put("a", 1, "same"));
    const again = n1.exec(put("a", 1, "same"));
    const refused = n1.exec(
      write("insert", "a", {}, "x"),
      write("put", "b", {}, "y", 7),
      write("update", "b", {}, "z"),
    );
    assert.deepEqual(n1.outcome(again), n1.outcome(first));
    assert.deepEqual(
      [0, 1, 2].map((index) => n1.outcome(refused, index)),
      ["EXISTS", "CONFLICT", "NOT_FOUND"],
    );
    assert.equal(log.records.length, 2);
  });

  it("a full log refuses what is queued and what comes, and keeps at the record in flight until there is room", () => {
    const { log, n1 } = servingAlone();
    n1.fates.push("full", "full");
    const first = n1.exec(put("a", 1));
    const second = n1.exec(put("b", 2));
    assert.equal(n1.outcome(first), "waiting");
    assert.equal(n1.outcome(second), "LOG_FULL");
    n1.pass(1000);
    assert.deepEqual(n1.outcome(first), [versionOf(2, 0)]);
    assert.deepEqual(n1.outcome(n1.exec(put("b", 3))), [versionOf(3, 0)]);
    assert.equal(log.records.length, 3);
  });

  it("a condition that fails on a record in flight is answered only once that record is stored", () => {
    const { n1 } = servingAlone();
    n1.fates.push("held");
    n1.exec(put("a", 1));
    const refused = n1.exec(write("insert", "a", {}, "x"));
    assert.equal(n1.outcome(refused), "waiting");
    n1.release();
    assert.equal(n1.outcome(refused), "EXISTS");
  });

  it("an outcome that nobody heard: sent again, byte for byte, and recognised in the log", () => {
    const { log, n1 } = servingAlone();
    n1.fates.push("unheard");
    const job = n1.exec(put("a", 1));
    assert.equal(n1.outcome(job), "waiting");
    n1.pass(1000);
    assert.deepEqual(n1.trace, [
      "append after 1: lsn 2 epoch 1 1 change",
      "append after 1: lsn 2 epoch 1 1 change",
      "read after 1",
    ]);
    assert.equal(log.records.length, 2, "stored once");
    assert.deepEqual(n1.outcome(job), [versionOf(2, 0)]);
  });

  it("an outcome that nobody heard, and the log's own delivery: answered at once, and strong reads show it", () => {
    const { n1 } = servingAlone();
    n1.fates.push("unheard");
    const job = n1.exec(put("a", 1));
    assert.equal(n1.outcome(job), "waiting");
    n1.tail();
    assert.deepEqual(n1.outcome(job), [versionOf(2, 0)]);
    assert.deepEqual(n1.outcome(n1.exec(get("a"))), { n: 1 });
    n1.pass(1000);
    assert.deepEqual(n1.trace, ["append after 1: lsn 2 epoch 1 1 change"], "not sent again");
  });

  it("an append that was lost, again and again: sent until the log has it", () => {
    const { log, n1 } = servingAlone();
    n1.fates.push("lost", "lost", "lost", "lost");
    const job = n1.exec(put("a", 1));
    const later = n1.exec(put("a", 2));
    n1.pass(60);
    assert.equal(n1.outcome(job), "waiting");
    n1.pass(5000);
    assert.deepEqual(n1.outcome(job), [versionOf(2, 0)]);
    assert.deepEqual(n1.outcome(later), [versionOf(3, 0)]);
    assert.equal(log.records.length, 3);
  });

  it("a deposed primary: overtaken by a higher epoch it refuses what it had in flight, and follows", () => {
    const { log, n1, n2 } = servingAlone();
    n1.exec(put("a", 1));
    n2.tail();
    // n2 is made primary while n1 has not heard of it; n1 answers the question for its position, and promises silence.
    n2.assign(2, "n2", ["n1"]);
    n2.letAnswer(n1);
    n2.lease(1e9);
    assert.equal(n2.state, "serving");
    const job = n1.exec(put("a", 99, "late"));
    assert.equal(n1.outcome(job), "NOT_PRIMARY");
    assert.equal(n1.outcome(n1.exec(put("a", 100))), "NOT_PRIMARY");
    assert.deepEqual(log.story, ["lsn 1 epoch 1 epoch", "lsn 2 epoch 1 1 change", "lsn 3 epoch 2 epoch"]);
    const saved = n2.exec(put("a", 2, "late"));
    assert.deepEqual(n2.outcome(saved), [versionOf(4, 0)], "the same request id is carried out where it was not");
    n1.tail();
    assert.equal(n1.state, "following");
    assert.deepEqual(n1.sees("a"), { n: 2 });
    assert.deepEqual(n1.incidents, []);
  });

  it("a primary told by the ledger waits for its record in flight before it answers it", () => {
    const { n1 } = servingAlone();
    n1.fates.push("held");
    const flying = n1.exec(put("a", 1));
    const queued = n1.exec(put("b", 1));
    n1.assign(2, "n2", ["n2"]);
    assert.deepEqual([n1.outcome(flying), n1.outcome(queued)], ["waiting", "NOT_PRIMARY"]);
    n1.release();
    assert.deepEqual(n1.outcome(flying), [versionOf(2, 0)], "it was stored, so it counts");
  });

  it("the request window goes with the log to the next primary (I5)", () => {
    const { log, n1, n2 } = servingAlone();
    const first = n1.exec(put("a", 1, "once"));
    n2.tail();
    n2.assign(2, "n2", []);
    assert.deepEqual(n2.outcome(n2.exec(put("a", 1, "once"))), n1.outcome(first));
    n2.restart();
    n2.assign(2, "n2", []);
    assert.deepEqual(n2.outcome(n2.exec(put("a", 1, "once"))), n1.outcome(first), "also after a restart");
    const wrong = n2.exec({ op: "write", requestId: "once", steps: [0, 1].flatMap(() => stepsOf(put("a", 1))) });
    assert.equal(n2.outcome(wrong), "BAD_REQUEST");
    assert.equal(log.story.filter((line) => line.includes("change")).length, 1);
  });

  it("what waits in a queue past its deadline is refused, and not carried out", () => {
    const { log, n1 } = servingAlone();
    n1.fates.push("held");
    n1.exec(put("a", 1));
    const late = n1.exec(put("b", 1));
    n1.pass(6000);
    n1.release();
    assert.equal(n1.outcome(late), "DEADLINE_EXCEEDED");
    assert.equal(n1.outcome(n1.exec(get("b"))), "no row");
    assert.equal(log.records.length, 2);
  });

  it("a log that lost records under its primary: noticed at the next append, and healed from the replica", () => {
    const { log, n1 } = servingAlone();
    n1.exec(put("a", 1));
    n1.exec(put("b", 2));
    log.lose(1);
    const job = n1.exec(put("c", 3));
    n1.pass(1000);
    assert.deepEqual(n1.outcome(job), [versionOf(5, 0)]);
    assert.deepEqual(log.story.slice(2), ["lsn 4 epoch 1 rebase", "lsn 5 epoch 1 1 change"]);
    assert.deepEqual(n1.sees("b"), { n: 2 });
    assert.deepEqual(n1.incidents, ["logRegressed noticed", "logRegressed healed"]);
  });
});

function stepsOf(op: ReturnType<typeof put>) {
  assert.ok(op.op === "write");
  return op.steps;
}
