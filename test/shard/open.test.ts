import assert from "node:assert/strict";
import { FalseLog, fragment, get, Node, put, servingAlone } from "./replica-world.js";

/** `n1` has served at epoch 1 and is gone; `n2` and `n3` hold what it wrote. */
function orphaned(): { log: FalseLog; n1: Node; n2: Node; n3: Node } {
  const world = servingAlone();
  const { n1, n2, n3 } = world;
  n1.exec(put("a", 1));
  n1.exec(put("b", 2));
  for (const backup of [n2, n3]) backup.tail();
  for (const node of [n2, n3]) {
    node.trace = [];
    assert.equal(node.lsn, 3);
  }
  return world;
}

describe("shard: opening", () => {
  it("the first primary of a new fragment marks its epoch in the empty log", () => {
    const log = new FalseLog();
    const n1 = new Node("n1", log);
    n1.assign(1, "n1", []);
    assert.deepEqual(n1.trace, ["read the last record", "append after 0: lsn 1 epoch 1 epoch"]);
    assert.equal(n1.state, "serving");
  });

  it("waits for every live peer (O1), and serves only once its marker is in the log (O2)", () => {
    const { log, n2, n3 } = orphaned();
    n2.lease(1e9);
    n2.assign(2, "n2", ["n3"]);
    const read = n2.exec(get("a"));
    const written = n2.exec(put("c", 3));
    n2.pass(500);
    assert.equal(n2.state, "opening");
    assert.deepEqual(n2.trace, ["read the last record"]);
    n2.fates.push("held");
    n2.letAnswer(n3);
    assert.deepEqual(n2.trace.slice(1), ["append after 3: lsn 4 epoch 2 epoch"]);
    assert.deepEqual([n2.state, n2.outcome(read), n2.outcome(written)], ["opening", "waiting", "waiting"]);
    n2.release();
    assert.equal(n2.state, "serving");
    assert.deepEqual(n2.outcome(read), { n: 1 });
    assert.ok(Array.isArray(n2.outcome(written)));
    assert.deepEqual(log.story.slice(3), ["lsn 4 epoch 2 epoch", "lsn 5 epoch 2 1 change"]);
  });

  it("asks a silent peer again and again, and goes on once the ledger says that it is down", () => {
    const { n2 } = orphaned();
    n2.assign(2, "n2", ["n3"]);
    for (let round = 0; round < 3; round++) {
      assert.equal(n2.asks.length, 1, "one question under way");
      n2.timeOut();
      n2.pass(100);
    }
    assert.equal(n2.state, "opening");
    n2.assign(2, "n2", [], { all: ["n3"] });
    n2.pass(100);
    assert.equal(n2.state, "serving");
  });

  it("a peer that answers has promised silence: it serves no strong read of a lower epoch any more (I7)", () => {
    const { n1, n2 } = orphaned();
    assert.deepEqual(n1.outcome(n1.exec(get("a"))), { n: 1 });
    n2.assign(2, "n2", ["n1"]);
    n2.letAnswer(n1);
    assert.equal(n1.outcome(n1.exec(get("a"))), "NOT_PRIMARY");
  });

  it("reads what it lacks of the log before it marks", () => {
    const { n1, n2 } = orphaned();
    n1.exec(put("c", 3));
    n1.exec(put("d", 4));
    n2.assign(2, "n2", []);
    assert.deepEqual(n2.trace, [
      "read the last record",
      "read after 3",
      "read after 4",
      "append after 5: lsn 6 epoch 2 epoch",
    ]);
    assert.deepEqual(n2.sees("d"), { n: 4 });
  });

  it("takes over at once what the log delivers of its predecessor's last records", () => {
    const { log, n1, n2 } = orphaned();
    n2.assign(2, "n2", ["n1"]);
    n1.exec(put("c", 3));
    n2.tail(log.records.at(-1)?.seq);
    n2.letAnswer(n1);
    assert.deepEqual(n2.trace, ["read the last record", "append after 4: lsn 5 epoch 2 epoch"]);
    assert.deepEqual([n2.state, n2.sees("c"), n2.incidents], ["serving", { n: 3 }, []]);
  });

  it("puts its marker behind a record that was quicker, and asks nobody again", () => {
    const { log, n1, n2 } = orphaned();
    n2.assign(2, "n2", ["n1"]);
    n2.fates.push("held");
    n2.letAnswer(n1);
    n1.exec(put("c", 3));
    n2.release();
    assert.deepEqual(n2.trace, [
      "read the last record",
      "append after 3: lsn 4 epoch 2 epoch",
      "read after 3",
      "append after 4: lsn 5 epoch 2 epoch",
    ]);
    assert.deepEqual([n2.state, n2.asks.length, n2.sees("c")], ["serving", 0, { n: 3 }]);
    assert.deepEqual(log.story.slice(3), ["lsn 4 epoch 1 1 change", "lsn 5 epoch 2 epoch"]);
  });

  it("looks at the tail once more when a peer is beyond it: the read may have been the older one", () => {
    const { log, n1, n2, n3 } = orphaned();
    const before = log.read("last", 0);
    n1.exec(put("c", 3));
    n3.tail();
    n2.misreadings.push(before);
    n2.assign(2, "n2", ["n3"]);
    n2.letAnswer(n3);
    assert.deepEqual(n2.trace, [
      "read the last record",
      "read the last record",
      "read after 3",
      "append after 4: lsn 5 epoch 2 epoch",
    ]);
    assert.deepEqual(n2.incidents, []);
    assert.deepEqual(n2.sees("c"), { n: 3 });
  });

  it("goes on from its own rows with a rebase when the log is shorter (O3)", () => {
    const { log, n2, n3 } = orphaned();
    log.lose(2);
    n2.assign(2, "n2", ["n3"]);
    n2.letAnswer(n3);
    assert.deepEqual(log.story, ["lsn 1 epoch 1 epoch", "lsn 4 epoch 2 rebase"]);
    assert.deepEqual(n2.incidents, ["logRegressed healed"]);
    assert.deepEqual([n2.sees("a"), n2.sees("b")], [{ n: 1 }, { n: 2 }]);
    n3.tell({ kind: "logShaken" });
    n3.tail();
    assert.deepEqual([n3.state, n3.lsn, n3.sees("b")], ["following", 4, { n: 2 }]);
  });

  it("copies from the most advanced peer when that one holds more than the log and itself", () => {
    const { log, n1, n2, n3 } = orphaned();
    n1.exec(put("c", 3));
    n3.tail();
    log.lose(3);
    n2.assign(2, "n2", ["n3"]);
    n2.lease(1e9);
    for (let round = 0; round < 10 && !n2.is("serving"); round++) {
      n2.letAnswer(n3);
      n2.pass(100);
    }
    assert.equal(n2.state, "serving");
    assert.deepEqual(log.story, ["lsn 1 epoch 1 epoch", "lsn 5 epoch 2 rebase"]);
    assert.deepEqual(n2.outcome(n2.exec(get("c"))), { n: 3 });
  });

  it("a whole log that is gone is written anew from the replicas", () => {
    const { log, n2, n3 } = orphaned();
    log.lose(3);
    n2.assign(2, "n2", ["n3"]);
    n2.letAnswer(n3);
    assert.deepEqual(log.story, ["lsn 4 epoch 2 rebase"]);
    assert.deepEqual(n2.sees("a"), { n: 1 });
  });

  it("stays closed while the ledger knows of more history than anybody holds, and says who was not heard", () => {
    const { log, n1, n2, n3 } = orphaned();
    for (let n = 0; n < 4; n++) n1.exec(put("late", n));
    log.lose(4);
    n2.assign(2, "n2", ["n3"], { activatedLsn: 7, all: ["n1", "n3"] });
    n2.lease(1e9);
    const read = n2.exec(get("a"));
    for (let round = 0; round < 5; round++) {
      n2.letAnswer(n3);
      n2.pass(100);
    }
    assert.equal(n2.state, "faulted");
    assert.deepEqual(n2.incidents, ["logGap refused"], "said once");
    assert.match(
      n2.board.incidents[0]?.note ?? "",
      new RegExp(`fragment ${fragment} reached at least LSN 7.*n1 have not been heard`),
    );
    assert.equal(n2.outcome(read), "waiting");
    assert.equal(log.records.length, 3, "no mark in a history that is too short");
    n2.assign(2, "n2", ["n1", "n3"], { activatedLsn: 7 });
    for (let round = 0; round < 20 && !n2.is("serving"); round++) {
      n2.letAnswer(n1);
      n2.letAnswer(n3);
      n2.pass(100);
    }
    assert.equal(n2.state, "serving");
    assert.deepEqual(n2.outcome(n2.exec(get("late"))), { n: 3 });
    assert.deepEqual(log.story.at(-1), "lsn 8 epoch 2 rebase");
  });

  it("stays closed before a damaged last record, and opens when a peer can say what stood there", () => {
    const { log, n2 } = orphaned();
    log.rot();
    n2.assign(2, "n2", []);
    n2.pass(1000);
    assert.equal(n2.state, "faulted");
    assert.ok(n2.incidents.includes("recordCorrupt refused"), n2.incidents.join(", "));
  });

  it("a marker that another overtook ends the opening", () => {
    const { log, n2, n3 } = orphaned();
    n2.fates.push("held");
    n2.assign(2, "n2", []);
    n3.assign(3, "n3", []);
    assert.equal(n3.state, "serving");
    n2.release();
    assert.notEqual(n2.state, "serving");
    assert.deepEqual(log.story.at(-1), "lsn 4 epoch 3 epoch");
    n2.tail();
    n2.pass(5000);
    assert.deepEqual([n2.state, n2.lsn], ["following", 4]);
  });
});
