import assert from "node:assert/strict";
import { chunkDigest } from "../../src/fragment/chunk.js";
import { defaultCopyBounds } from "../../src/fragment/pace.js";
import { testHash } from "../hash.js";
import { child, FalseLog, finish, fragment, get, Node, put, servingAlone, write } from "./replica-world.js";

const rows = 3000;

/** `n1` holds more rows than fit into a slice, and its log is trimmed to the newest record: whoever is new must copy. */
function trimmed(chunkBytes = defaultCopyBounds.chunkBytes): { log: FalseLog; n1: Node; n2: Node; n3: Node } {
  const log = new FalseLog();
  const [n1, n2, n3] = ["n1", "n2", "n3"].map((id) => new Node(id, log, { ...defaultCopyBounds, chunkBytes })) as [
    Node,
    Node,
    Node,
  ];
  n1.assign(1, "n1", []);
  n1.lease(1e9);
  for (let from = 0; from < rows; from += 1000)
    n1.exec(...Array.from({ length: 1000 }, (_, n) => put(`k${from + n}`, from + n)));
  const newest = log.records.at(-1)?.seq ?? 0;
  n3.assign(1, "n1", ["n1"]);
  log.trim(newest);
  n2.assign(1, "n1", ["n1"]);
  assert.equal(n2.state, "copying");
  return { log, n1, n2, n3 };
}

function assertSame(a: Node, b: Node): void {
  for (const n of [0, 1, 999, 1500, rows - 1]) assert.deepEqual(a.sees(`k${n}`), b.sees(`k${n}`), `k${n}`);
  const count = (node: Node) => {
    const result = node.result(
      node.exec({
        op: "aggregate",
        from: new Uint8Array(0),
        to: undefined,
        filter: undefined,
        groupBy: [],
        aggregates: [{ fn: "count", as: "n" }],
        read: { level: "any" },
      }),
    );
    return result?.op === "aggregate" ? result.rowsSeen : result;
  };
  assert.equal(count(a), count(b));
  assert.equal(count(a), rows);
}

describe("shard: copying", () => {
  it("a replica behind the trimmed log copies in chunks, then follows", () => {
    const { n1, n2 } = trimmed();
    assert.ok(finish(n2, n1) >= 2, "several chunks");
    assert.deepEqual([n2.state, n2.lsn], ["following", n1.lsn]);
    assertSame(n2, n1);
  });

  it("the fragment's time comes with it, though the source's last record brought no request (C7)", () => {
    const { log, n1 } = servingAlone();
    for (let n = 0; n < 400; n++) n1.exec(put(`k${n}`, n));
    n1.pass(7000);
    n1.tell({ kind: "checkpoint" });
    assert.match(log.story.at(-1) ?? "", /checkpoint/);
    const n2 = new Node("n2", log);
    n2.assign(1, "n1", ["n1"]);
    finish(n2, n1);
    assert.deepEqual([n2.state, n2.lsn], ["following", n1.lsn]);
    assert.equal(n2.storedStampMs, n1.storedStampMs);
  });

  it("while it copies it serves nothing and is no source", () => {
    const { log, n1, n2 } = trimmed();
    n2.letAnswer(n1);
    assert.equal(n2.state, "copying");
    assert.equal(n2.sees("k1"), "UNAVAILABLE");
    assert.equal(n2.outcome(n2.exec(get("k1"))), "NOT_PRIMARY");
    const n4 = new Node("n4", log);
    n4.assign(1, "n1", ["n2"]);
    assert.equal(finish(n4, n2), 1, "refused once, then left alone for a while");
    assert.equal(n4.sees("k1"), "UNAVAILABLE");
  });

  it("what the log delivers meanwhile is held, and not read again record by record", () => {
    const { log, n1, n2 } = trimmed();
    n2.letAnswer(n1);
    const from = (log.records.at(-1)?.seq ?? 0) + 1;
    for (let n = 0; n < 100; n++) n1.exec(put(`k${n}`, -n));
    n2.tail(from);
    n2.trace = [];
    finish(n2, n1);
    assert.deepEqual([n2.state, n2.lsn], ["following", n1.lsn]);
    assert.deepEqual(n2.trace, ["read the last record"]);
    assert.deepEqual([n2.sees("k1"), n2.sees("k99")], [{ n: -1 }, { n: -99 }]);
    assertSame(n2, n1);
  });

  it("forgets the request ids that its source forgets while it is copied", () => {
    const { n1, n2 } = trimmed();
    for (let n = 0; n < 3000; n++) n1.exec(put("k0", n, `more-${n}`));
    for (let rounds = 0; rounds < 8; rounds++) {
      n2.letAnswer(n1, 1);
      n1.pass(40_000);
      n1.exec(put("k1", rounds, `late-${rounds}`));
      n2.tail((n2.lsn ?? 0) + 1);
    }
    finish(n2, n1);
    n2.pass(5000);
    finish(n2, n1);
    assert.deepEqual([n2.state, n2.lsn], ["following", n1.lsn]);
    assert.deepEqual(n2.remembered(fragment), n1.remembered(fragment));
  });

  it("a split that is held remembers every request before it, however the records before it come (H3)", () => {
    for (const missed of [1, 2, 3]) {
      const { log, n1, n2 } = servingAlone();
      const from = (log.records.at(-1)?.seq ?? 0) + 1;
      for (const [n, key] of ["a", "b", "c"].entries()) n1.exec(put(key, n));
      n1.assign(1, "n1", [], { splitAt: "b" });
      assert.equal(n1.remembered(child).length, 3, "the primary has split");
      // It notices that it missed something, cannot read the log at once, and is told of the rest meanwhile.
      n2.misreadings.push({ kind: "unknown" });
      n2.tail(from + missed);
      assert.equal(n2.state, "behind");
      n2.pass(5000);
      assert.deepEqual([n2.state, n2.lsn], ["following", n1.lsn]);
      assert.deepEqual(n2.remembered(child), n1.remembered(child), `${missed} records were missed`);
      assert.deepEqual(n2.remembered(fragment), n1.remembered(fragment));
    }
  });

  it("gives up when its disk runs short, empties itself, and begins again once there is room", () => {
    const { n1, n2 } = trimmed();
    n2.letAnswer(n1);
    assert.ok(n2.rows !== 0, "something was copied");
    n2.free = 1024;
    finish(n2, n1);
    assert.deepEqual([n2.state, n2.rows], ["faulted", 0]);
    assert.equal(finish(n2, n1), 0, "it asks for nothing meanwhile");
    n2.free = Number.POSITIVE_INFINITY;
    n2.pass(5000);
    finish(n2, n1);
    assert.deepEqual([n2.state, n2.lsn], ["following", n1.lsn]);
    assertSame(n2, n1);
  });

  it("reads from the log what came before what is held, and no more", () => {
    const { log, n1, n2 } = trimmed();
    n2.letAnswer(n1);
    n1.exec(put("k1", -1));
    n1.exec(put("k2", -2));
    const from = (log.records.at(-1)?.seq ?? 0) + 1;
    for (let n = 3; n < 10; n++) n1.exec(put(`k${n}`, -n));
    n2.tail(from);
    n2.trace = [];
    finish(n2, n1);
    assert.deepEqual([n2.state, n2.lsn], ["following", n1.lsn]);
    assert.equal(n2.trace.filter((line) => line.startsWith("read after")).length, 3, n2.trace.join("; "));
    assert.deepEqual([n2.sees("k1"), n2.sees("k9")], [{ n: -1 }, { n: -9 }]);
  });

  it("what is written meanwhile is there in the end: chunks, then the log (C1)", () => {
    const { n1, n2 } = trimmed();
    n2.letAnswer(n1);
    n1.exec(put("k0", -1), put("k2999", -2));
    n2.tail();
    finish(n2, n1);
    n2.pass(5000);
    assert.deepEqual([n2.state, n2.lsn], ["following", n1.lsn]);
    assert.deepEqual([n2.sees("k0"), n2.sees("k2999")], [{ n: -1 }, { n: -2 }]);
    assertSame(n2, n1);
  });

  it("a source that falls silent is tried again, then given up; the copy begins anew", () => {
    const { n1, n2 } = trimmed();
    n2.letAnswer(n1);
    for (let tries = 0; tries < 5; tries++) {
      n2.timeOut();
      n2.pass(20);
    }
    assert.equal(n2.asks.length, 0);
    n2.pass(1000);
    assert.equal(n2.asks.length, 1, "asks somebody again");
    n2.assign(1, "n1", ["n1"]);
    for (let round = 0; round < 20 && !n2.is("following"); round++) {
      finish(n2, n1);
      n2.timeOut();
      n2.pass(1000);
    }
    assert.equal(n2.state, "following");
    assertSame(n2, n1);
  });

  it("a process that ends in the middle of a copy knows afterwards that it holds none (C2)", () => {
    const { n1, n2 } = trimmed();
    n2.letAnswer(n1);
    n2.restart();
    n2.assign(1, "n1", ["n1"]);
    assert.equal(n2.state, "copying");
    assert.equal(n2.sees("k1"), "UNAVAILABLE");
    finish(n2, n1);
    assert.equal(n2.state, "following");
    assertSame(n2, n1);
  });

  it("goes on after a crash from the place that it had reached, also from another source (C3)", () => {
    const { log, n1, n2, n3 } = trimmed();
    n2.letAnswer(n1);
    n2.pass(10);
    n2.restart();
    n3.assign(1, "n1", ["n1"]);
    finish(n3, n1);
    assert.equal(n3.state, "following");
    n2.assign(1, "n1", ["n1", "n3"]);
    // Who has the least to do?
    for (const peer of [n1, n3]) assert.equal(n2.letAnswer(peer), 1);
    assert.equal(n2.state, "copying");
    const [first] = n2.asks;
    assert.ok(first !== undefined && (first.body as { cursor: Uint8Array }).cursor.length > 1, "not from the start");
    assert.equal(n2.asks[0]?.subject, "foreshard.node.n3.peer", "a backup before the primary");
    assert.equal(finish(n2, n3), 2, "of three chunks the first is there");
    assert.deepEqual([n2.state, n2.lsn], ["following", n1.lsn]);
    assertSame(n2, n1);
    assert.ok(log.records.length > 0);
  });

  it("does not go on from a source that is behind where the copy began (C3)", () => {
    const { n1, n2, n3 } = trimmed();
    n3.pass(3000);
    finish(n3, n1);
    assert.equal(n3.state, "following");
    n1.exec(put("k1", -1));
    assert.equal(n3.lsn, Number(n1.lsn) - 1, "n3 has not heard of it");
    n2.letAnswer(n1);
    n2.assign(1, "n1", ["n3"]);
    let asked = 0;
    for (let round = 0; round < 10; round++) {
      n2.timeOut();
      n2.pass(400);
      asked += finish(n2, n3);
    }
    assert.ok(asked > 0, "the source that is behind was tried");
    assert.ok(!n2.is("following"), "took rows from before its beginning");
    n2.assign(1, "n1", ["n1"]);
    for (let round = 0; round < 10 && !n2.is("following"); round++) {
      n2.timeOut();
      n2.pass(400);
      finish(n2, n1);
    }
    assert.deepEqual(n2.sees("k1"), { n: -1 });
    assertSame(n2, n1);
  });

  it("does not run ahead of a slow disk (C6)", () => {
    const { n1, n2 } = trimmed(512);
    n2.diskIsSlow = true;
    const ahead = finish(n2, n1);
    assert.ok(ahead >= 32 && ahead <= 40, `${ahead} chunks, and none on the disk`);
    assert.equal(n2.state, "copying");
    let more = 0;
    for (let rounds = 0; rounds < 50 && n2.state === "copying"; rounds++) {
      n2.sync();
      n2.settle();
      const some = finish(n2, n1);
      assert.ok(some <= 40, `${some} chunks after the disk had caught up once`);
      more += some;
    }
    assert.ok(more > ahead);
    n2.diskIsSlow = false;
    n2.sync();
    n2.pass(400);
    assert.equal(n2.state, "following");
    assertSame(n2, n1);
  });

  it("begins anew where the source's range has changed in between (C4)", () => {
    const { n1, n2 } = trimmed();
    n2.letAnswer(n1);
    n2.pass(20);
    const [ask] = n2.asks;
    assert.ok(ask !== undefined);
    const block = new Uint8Array(0);
    const narrower = {
      fragment,
      chunk: 1,
      block,
      cursor: (ask.body as { cursor: Uint8Array }).cursor,
      nextCursor: new Uint8Array(0),
      done: true,
      shape: { from: block, to: Uint8Array.of(9), changedLsn: 0, sealed: false, cut: undefined, joined: undefined },
    };
    const where = { rows: 0, bytes: 0, lsn: 9, seq: 9, epoch: 1, hash: new Uint8Array(8), lateMs: 0 };
    n2.answer(ask, { chunk: { ...narrower, ...where, digest: chunkDigest(block, testHash) } });
    n2.pass(400);
    const [anew] = n2.asks;
    assert.ok(anew !== undefined);
    const { chunk, cursor } = anew.body as { chunk: number; cursor: Uint8Array };
    assert.deepEqual([chunk, cursor.length], [0, 0]);
    finish(n2, n1);
    n2.pass(400);
    finish(n2, n1);
    assertSame(n2, n1);
  });

  it("takes chunks in in order, whatever order they come in; a session that the source forgot is begun again", () => {
    const { n1, n2 } = trimmed();
    n2.letAnswer(n1);
    n2.pass(35);
    assert.equal(n2.asks.length, 2, "the other two of three chunks are under way together");
    const late = n2.asks.shift();
    n1.restart();
    n1.assign(1, "n1", []);
    n1.lease(1e9);
    assert.equal(n2.letAnswer(n1), 1);
    if (late !== undefined) n2.asks.push(late);
    finish(n2, n1);
    assert.equal(n2.state, "following");
    assertSame(n2, n1);
  });

  it("loses no row when the source read a chunk twice and ended it elsewhere the second time (C5)", () => {
    const { n1, n2 } = trimmed();
    n2.letAnswer(n1);
    n2.pass(20);
    const [second] = n2.asks;
    assert.ok(second !== undefined && (second.body as { chunk: number }).chunk === 1);
    const answer = n1.answerTo(second);
    // The request comes once more, and rows have gone meanwhile: the chunk reaches further.
    for (let n = 0; n < 1000; n++) n1.exec(write("delete", `k${n}`, {}, `gone${n}`));
    n1.answerTo(second);
    n2.answer(second, answer);
    n2.tail();
    finish(n2, n1);
    n2.pass(5000);
    assert.deepEqual([n2.state, n2.lsn], ["following", n1.lsn]);
    for (let n = 0; n < rows; n++) assert.deepEqual(n2.sees(`k${n}`), n1.sees(`k${n}`), `k${n}`);
  });

  it("a slice that was bent on the way is asked for again", () => {
    const { n1, n2 } = trimmed();
    const [ask] = n2.asks;
    assert.ok(ask !== undefined);
    const bent = {
      fragment,
      chunk: 0,
      block: Uint8Array.of(0, 1, 0, 0, 0, 0, 7),
      cursor: new Uint8Array(0),
      nextCursor: new Uint8Array(0),
      done: true,
    };
    const where = { from: new Uint8Array(0), to: null, rows: 0, bytes: 0, lsn: 4, seq: 4, epoch: 1, lateMs: 0 };
    n2.answer(ask, { chunk: { ...bent, ...where, hash: new Uint8Array(8), digest: new Uint8Array(8) } });
    n2.pass(10);
    assert.equal(n2.asks.length, 1);
    finish(n2, n1);
    assertSame(n2, n1);
  });

  it("the request window comes with the copy: a retry at the new primary is carried out once (I5)", () => {
    const { n1, n2 } = trimmed();
    finish(n2, n1);
    n2.assign(2, "n2", ["n1"]);
    n2.lease(1e9);
    n2.letAnswer(n1);
    assert.equal(n2.state, "serving");
    const first = n1.outcome(n1.exec(get("k7")));
    assert.equal(first, "NOT_PRIMARY");
    const before = n2.lsn;
    assert.ok(Array.isArray(n2.outcome(n2.exec(put("k7", 7)))));
    assert.equal(n2.lsn, before, "answered from the window");
  });

  it("a copy that is not whole is no primary: it takes the rest from its peer first", () => {
    const { n1, n2 } = trimmed();
    n2.letAnswer(n1);
    n2.assign(2, "n2", ["n1"]);
    n2.lease(1e9);
    assert.equal(n2.state, "opening");
    for (let round = 0; round < 20 && !n2.is("serving"); round++) {
      finish(n2, n1);
      n2.pass(100);
    }
    assert.equal(n2.state, "serving");
    assertSame(n2, n1);
  });

  it("what was copied stays when the log has lost its beginning and the source is away", () => {
    const { log, n1, n2 } = trimmed(1024);
    n2.letAnswer(n1);
    const { rows: before } = n2;
    assert.ok(before !== undefined && before > 0 && before < rows);
    log.trim(log.records.at(-1)?.seq ?? 0);
    for (let round = 0; round < 40; round++) {
      n2.timeOut();
      n2.pass(300);
    }
    assert.ok((n2.rows ?? 0) >= before);
    finish(n2, n1);
    n2.pass(3000);
    finish(n2, n1);
    assertSame(n2, n1);
  });
});
