import assert from "node:assert/strict";
import { get, type Node, put, servingAlone } from "./replica-world.js";

const bounded = (maxStaleMs: number) => ({ level: "bounded", maxStaleMs }) as const;

describe("shard: reads", () => {
  it("a strong read needs the lease, to the millisecond", () => {
    const { n1 } = servingAlone();
    n1.exec(put("a", 1));
    n1.lease(100);
    n1.pass(99);
    assert.deepEqual(n1.outcome(n1.exec(get("a"))), { n: 1 });
    n1.pass(1);
    assert.equal(n1.outcome(n1.exec(get("a"))), "UNAVAILABLE");
    assert.deepEqual(n1.sees("a"), { n: 1 }, "any takes what is there");
    n1.lease(100);
    assert.deepEqual(n1.outcome(n1.exec(get("a"))), { n: 1 });
  });

  it("a backup sends strong reads and writes away", () => {
    const { n2 } = servingAlone();
    assert.deepEqual([n2.outcome(n2.exec(get("a"))), n2.outcome(n2.exec(put("a", 1)))], ["NOT_PRIMARY", "NOT_PRIMARY"]);
  });

  it("a primary without lease is bounded by when the lease ended", () => {
    const { n1 } = servingAlone();
    n1.exec(put("a", 1));
    n1.lease(100);
    n1.pass(300);
    assert.deepEqual(n1.outcome(n1.exec(get("a", bounded(200)))), { n: 1 });
    assert.equal(n1.outcome(n1.exec(get("a", bounded(199)))), "UNAVAILABLE");
  });

  describe("bounded, from a backup", () => {
    function behindByOne(): { n1: Node; n2: Node } {
      const { n1, n2 } = servingAlone();
      n1.exec(put("a", 1));
      n2.tail();
      n1.exec(put("a", 2));
      return { n1, n2 };
    }

    it("asks the primary where it is, and answers once it has applied that much", () => {
      const { n1, n2 } = behindByOne();
      const job = n2.exec(get("a", bounded(500)));
      assert.equal(n2.letAnswer(n1), 1);
      assert.equal(n2.outcome(job), "waiting", "it lacks a record that the primary had");
      n2.tail();
      assert.deepEqual(n2.outcome(job), { n: 2 });
    });

    it("one question serves all who wait, and its proof counts from the asking", () => {
      const { n1, n2 } = behindByOne();
      n2.tail();
      const jobs = [1, 2, 3].map(() => n2.exec(get("a", bounded(300))));
      assert.equal(n2.asks.length, 1);
      n2.pass(200);
      n2.letAnswer(n1);
      for (const job of jobs) assert.deepEqual(n2.outcome(job), { n: 2 });
      n2.pass(100);
      assert.deepEqual(n2.outcome(n2.exec(get("a", bounded(300)))), { n: 2 }, "300 ms after it was asked");
      n2.pass(1);
      const stale = n2.exec(get("a", bounded(300)));
      assert.equal(n2.outcome(stale), "waiting", "the proof is too old");
      assert.equal(n2.asks.length, 1);
    });

    it("without an answer, or with a primary that has no lease, it is TOO_STALE", () => {
      const { n1, n2 } = behindByOne();
      const silent = n2.exec(get("a", bounded(500)));
      n2.timeOut();
      assert.equal(n2.outcome(silent), "TOO_STALE");
      n1.lease(0);
      const refused = n2.exec(get("a", bounded(500)));
      n2.letAnswer(n1);
      assert.equal(n2.outcome(refused), "TOO_STALE");
    });

    it("a proof that it never reaches does not hold a read beyond its deadline", () => {
      const { n1, n2 } = behindByOne();
      const job = n2.exec(get("a", bounded(500)));
      n2.letAnswer(n1);
      n2.pass(6000);
      assert.equal(n2.outcome(job), "DEADLINE_EXCEEDED");
    });
  });

  it("reads that wait for a primary to open are sent away when another is primary", () => {
    const { n2 } = servingAlone();
    n2.assign(2, "n2", ["n3"]);
    const job = n2.exec(get("a"));
    assert.equal(n2.outcome(job), "waiting");
    n2.assign(3, "n3", ["n3"]);
    assert.equal(n2.outcome(job), "NOT_PRIMARY");
  });

  it("a scan in slices stops where the lease stops", () => {
    const { n1 } = servingAlone();
    for (let batch = 0; batch < 3; batch++) n1.exec(...Array.from({ length: 300 }, (_, n) => put(`k${batch}-${n}`, n)));
    const scan = (limit: number) =>
      n1.exec({
        op: "scan",
        from: new Uint8Array(0),
        to: undefined,
        reverse: false,
        limit,
        maxBytes: 1e6,
        filter: undefined,
        fields: undefined,
        read: { level: "strong" },
      });
    const whole = n1.result(scan(1000));
    assert.ok(whole?.op === "scan" && whole.rows.length === 900 && whole.next === undefined);
    const page = n1.result(scan(10));
    assert.ok(page?.op === "scan" && page.rows.length === 10 && page.next !== undefined);
    n1.lease(0);
    assert.equal(n1.outcome(scan(1000)), "UNAVAILABLE");
  });
});
