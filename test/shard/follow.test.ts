// Following: a backup's way to the tail of the log where the log is long, or is answered for by a server that lags.

import assert from "node:assert/strict";
import { defaultCopyBounds } from "../../src/fragment/pace.js";
import { type FalseLog, finish, get, Node, put, servingAlone } from "./replica-world.js";

describe("shard: following a log that is long (F2)", () => {
  function long(): { log: FalseLog; n1: Node; n2: Node } {
    const { log, n1 } = servingAlone();
    for (let n = 0; n < 400; n++) n1.exec(put(`k${n}`, n));
    return { log, n1, n2: new Node("n2", log) };
  }
  const readRecords = ({ trace }: Node): number => trace.filter((what) => what.startsWith("read after")).length;

  it("a newcomer copies instead of reading it record by record", () => {
    const { n1, n2 } = long();
    n2.assign(1, "n1", ["n1"]);
    assert.equal(n2.state, "copying");
    finish(n2, n1);
    assert.deepEqual([n2.state, n2.lsn, readRecords(n2)], ["following", n1.lsn, 0]);
    assert.deepEqual(n2.sees("k399"), { n: 399 });
  });

  it("it reads after all when nobody gives it a copy", () => {
    const { log, n1, n2 } = long();
    const n3 = new Node("n3", log);
    // Two that lost their disks, and nobody else: each would wait for the other.
    n2.assign(1, "n1", ["n3"]);
    n3.assign(1, "n1", ["n2"]);
    for (let round = 0; round < 40; round++)
      for (const [one, other] of [
        [n2, n3],
        [n3, n2],
      ] as const) {
        one.letAnswer(other);
        one.pass(300);
      }
    for (const node of [n2, n3]) {
      assert.deepEqual([node.state, node.lsn], ["following", n1.lsn]);
      assert.deepEqual(node.sees("k399"), { n: 399 });
    }
  });

  it("it reads after all when its only source is gone in the middle of the copy", () => {
    const { n1, n2 } = long();
    n2.assign(1, "n1", ["n1"]);
    n2.letAnswer(n1);
    n2.assign(1, "n1", []);
    for (let round = 0; round < 40; round++) {
      n2.timeOut();
      n2.pass(300);
    }
    assert.deepEqual([n2.state, n2.lsn], ["following", n1.lsn]);
    assert.deepEqual(n2.sees("k399"), { n: 399 });
  });

  it("not where the log begins with other bounds: its first rows are another fragment's today, on the same shelf", () => {
    const { log, n1, n2 } = long();
    n1.assign(1, "n1", [], { splitAt: "k2" });
    n2.assign(1, "n1", ["n1"], { reshaped: true });
    for (let round = 0; round < 60; round++) {
      n2.timeOut();
      n2.pass(300);
    }
    assert.equal(readRecords(n2), 0);
    assert.equal(n2.state, "copying");
    // This one's ledger knows nothing of the split yet; it has the bounds from a source that went away in the middle of the copy.
    const n3 = new Node("n3", log, { ...defaultCopyBounds, chunkBytes: 512 });
    n3.assign(1, "n1", ["n1"]);
    n3.letAnswer(n1);
    assert.equal(n3.state, "copying");
    n3.assign(1, "n1", []);
    for (let round = 0; round < 60; round++) {
      n3.timeOut();
      n3.pass(300);
      assert.ok(!n3.stores("k3") && !n3.stores("k2"), "rows of another fragment");
    }
    assert.ok(readRecords(n3) > 0, "it tried");
    n3.assign(1, "n1", ["n1"]);
    for (let round = 0; round < 10; round++) {
      finish(n3, n1);
      n3.pass(3000);
    }
    assert.deepEqual([n3.state, n3.lsn], ["following", n1.lsn]);
  });
});

describe("shard: following while a server that lags answers for the log (F3)", () => {
  it("a record that was delivered is not forgotten because the log denies it", () => {
    const { log, n1, n2 } = servingAlone();
    for (let n = 0; n < 4; n++) n1.exec(put(`k${n}`, n));
    n2.misreadings.push({ kind: "none" }, { kind: "none" });
    n2.tail(log.records.at(-1)?.seq);
    assert.equal(n2.state, "behind");
    n2.pass(3000);
    assert.deepEqual([n2.state, n2.lsn], ["following", n1.lsn]);
  });

  it("a marker that the ledger knows is waited for, but not for ever", () => {
    const { log, n1 } = servingAlone();
    n1.exec(put("k", 1));
    const n2 = new Node("n2", log);
    n2.misreadings.push({ kind: "none" });
    n2.assign(1, "n1", ["n1"], { activatedLsn: 1 });
    assert.equal(n2.state, "behind");
    n2.pass(3000);
    assert.deepEqual([n2.state, n2.lsn], ["following", n1.lsn]);
    log.lose(log.records.length);
    const n3 = new Node("n3", log);
    n3.assign(1, "n1", ["n1"], { activatedLsn: 1 });
    n3.pass(20_000);
    assert.equal(n3.state, "following");
  });

  it("a marker that the ledger tells of later is looked for", () => {
    const { log, n1 } = servingAlone();
    const n2 = new Node("n2", log);
    n2.misreadings.push({ kind: "none" });
    n2.assign(1, "n1", ["n1"]);
    assert.deepEqual([n2.state, n2.lsn], ["following", 0]);
    n2.assign(1, "n1", ["n1"], { activatedLsn: 1 });
    assert.deepEqual([n2.state, n2.lsn], ["following", n1.lsn]);
  });

  it("what the primary told a reader of and never came is looked for", () => {
    const { n1, n2 } = servingAlone();
    n1.exec(put("k", 1));
    assert.ok((n2.lsn ?? 0) < (n1.lsn ?? 0), "the delivery missed it");
    n2.exec(get("k", { level: "bounded", maxStaleMs: 500 }));
    n2.letAnswer(n1);
    n2.pass(5000);
    assert.equal(n2.lsn, n1.lsn);
  });
});

describe("shard: whom a copy is asked of", () => {
  function long(): { n1: Node; n2: Node; n3: Node } {
    const { log, n1 } = servingAlone();
    const [n2, n3] = [new Node("n2", log), new Node("n3", log)];
    n3.assign(1, "n1", ["n1"]);
    for (let n = 0; n < 40; n++) {
      n1.exec(put(`k${n}`, n));
      n3.tail();
    }
    assert.deepEqual([n3.state, n3.lsn], ["following", n1.lsn]);
    n2.assign(1, "n1", ["n1", "n3"]);
    assert.equal(n2.state, "copying");
    return { n1, n2, n3 };
  }
  const asked = ({ asks }: Node): readonly string[] =>
    asks.map(({ subject, body }) => `${subject.split(".")[2]} ${(body as { kind: string }).kind}`);

  it("the least burdened of those who have everything", () => {
    const { n1, n2, n3 } = long();
    assert.deepEqual(asked(n2), ["n1 position", "n3 position"]);
    n3.board.burden = 0.9;
    n1.board.burden = 0.4;
    for (const peer of [n1, n3]) n2.letAnswer(peer);
    assert.deepEqual(asked(n2), ["n1 copy"]);
  });

  it("a backup, where the burdens differ by trifles", () => {
    const { n1, n2, n3 } = long();
    n3.board.burden = 0.42;
    n1.board.burden = 0.4;
    for (const peer of [n1, n3]) n2.letAnswer(peer);
    assert.deepEqual(asked(n2), ["n3 copy"]);
  });

  it("not whoever does not answer; somebody, when nobody does", () => {
    const { n1, n2 } = long();
    n2.letAnswer(n1);
    n2.timeOut();
    assert.deepEqual(asked(n2), ["n1 copy"]);
    const other = long();
    other.n2.timeOut();
    assert.equal(asked(other.n2).length, 1);
    assert.match(asked(other.n2)[0] ?? "", /copy$/);
  });

  it("nobody else has to be asked when there is one replica only", () => {
    const { n2 } = long();
    n2.assign(1, "n1", ["n1"]);
    n2.timeOut();
    finish(n2, n2);
    n2.restart();
    n2.assign(1, "n1", ["n1"]);
    assert.deepEqual(asked(n2), ["n1 copy"]);
  });
});
