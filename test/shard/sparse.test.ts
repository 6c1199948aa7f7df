import assert from "node:assert/strict";
import type { Op, OpResult } from "../../src/protocol/exec.js";
import { type Ask, at, FalseLog, get, Node, put, write } from "./replica-world.js";

const rows = 600;
const key = (n: number): string => `k${String(n).padStart(4, "0")}`;

/** `n1` serves some hundred rows, `n3` is a backup, `n2` shall take over from `n1` before it has the rows. */
function world(): { log: FalseLog; n1: Node; n2: Node; n3: Node } {
  const log = new FalseLog();
  const [n1, n2, n3] = ["n1", "n2", "n3"].map((id) => new Node(id, log)) as [Node, Node, Node];
  n1.assign(1, "n1", []);
  n1.lease(1e9);
  n1.exec(...Array.from({ length: rows }, (_, n) => put(key(n), n)));
  n3.assign(1, "n1", ["n1"]);
  return { log, n1, n2, n3 };
}

const sources = { sources: ["n3", "n1"] };

function attached(): ReturnType<typeof world> {
  const made = world();
  const { n1, n2, n3 } = made;
  n2.assign(1, "n1", ["n1", "n3"], sources);
  assert.equal(n2.state, "copying");
  n2.letAnswer(n1);
  assert.deepEqual([n2.state, n2.sparse, n2.lsn], ["attached", true, n1.lsn]);
  n3.tail();
  return made;
}

/** The role went to `n2`; the background has not begun. */
function taken(): ReturnType<typeof world> {
  const made = attached();
  handOver(made);
  return made;
}

function handOver({ n1, n2, n3 }: ReturnType<typeof world>, epoch = 2): void {
  for (const node of [n1, n3]) node.assign(epoch, "n2", node === n1 ? ["n2", "n3"] : ["n1", "n2"]);
  n2.lease(1e9);
  n2.assign(epoch, "n2", ["n1", "n3"], sources);
  for (const peer of [n1, n3]) n2.letAnswer(peer);
  assert.deepEqual([n2.state, n2.sparse], ["serving", true]);
  for (const node of [n1, n3]) {
    node.tail();
    node.pass(5000);
  }
}

/** Everything that is asked is answered, and time passes, until `node` lacks nothing. */
function becomeWhole(node: Node, ...peers: readonly Node[]): void {
  for (let round = 0; round < 200 && node.sparse; round++) {
    node.pass(20);
    for (const peer of peers) node.letAnswer(peer);
    node.timeOut();
  }
  assert.equal(node.sparse, false);
}

const pulls = (node: Node): Ask[] => node.asks.filter(({ body }) => (body as { kind?: string }).kind === "pull");
const positionsOf = (ask: Ask | undefined): number =>
  (ask?.body as { positions: readonly Uint8Array[] } | undefined)?.positions.length ?? -1;

const scan = (from: string, to: string | undefined, wish: { reverse?: boolean; limit?: number } = {}) => ({
  ...{ op: "scan" as const, from: from === "" ? new Uint8Array(0) : at(from), to: to === undefined ? to : at(to) },
  ...{ reverse: wish.reverse ?? false, limit: wish.limit ?? 10_000, maxBytes: 1 << 20 },
  ...{ filter: undefined, fields: undefined, read: { level: "strong" as const } },
});
const count = {
  ...{ op: "aggregate" as const, from: new Uint8Array(0), to: undefined, filter: undefined, groupBy: [] },
  ...{ aggregates: [{ fn: "count" as const, as: "n" }], read: { level: "strong" as const } },
};
const stepsOf = (op: Op) => (op.op === "write" ? op.steps : []);
const scanned = (result: OpResult | undefined): number => (result?.op === "scan" ? result.rows.length : -1);
const counted = (result: OpResult | undefined): number => (result?.op === "aggregate" ? result.rowsSeen : -1);
const faultOf = (result: OpResult | undefined): string => (result?.op === "fault" ? result.fault.message : "");

describe("shard: a sparse replica", () => {
  it("attaches without rows and follows the log; it serves nothing and is no source", () => {
    const { log, n1, n2 } = attached();
    n1.exec(put(key(3), -3));
    n2.tail();
    assert.deepEqual([n2.state, n2.lsn], ["attached", n1.lsn]);
    assert.equal(n2.sees(key(3)), "UNAVAILABLE");
    assert.equal(n2.outcome(n2.exec(get(key(3)))), "NOT_PRIMARY");
    const n4 = new Node("n4", log);
    log.trim(log.records.at(-1)?.seq ?? 0);
    n4.assign(1, "n1", ["n2"]);
    for (let tries = 0; tries < 5; tries++) n4.letAnswer(n2);
    assert.notEqual(n4.state, "following");
  });

  it("takes the role at once, and fetches a row that is asked for: many in one question", () => {
    const { n1, n2 } = taken();
    assert.equal(pulls(n2).length, 0);
    const job = n2.exec(get(key(1)), get(key(2)), get("nowhere"), get(key(2)));
    assert.equal(n2.outcome(job), "waiting");
    assert.deepEqual(pulls(n2).map(positionsOf), [3]);
    n2.letAnswer(n1);
    n2.timeOut();
    assert.deepEqual(
      [0, 1, 2, 3].map((index) => n2.outcome(job, index)),
      ["waiting", "waiting", "waiting", "waiting"],
      "the first source named did not answer",
    );
    n2.pass(60);
    n2.letAnswer(n1);
    assert.deepEqual(
      [0, 1, 2, 3].map((index) => n2.outcome(job, index)),
      [{ n: 1 }, { n: 2 }, "no row", { n: 2 }],
    );
    assert.deepEqual(n2.outcome(n2.exec(get(key(2)))), { n: 2 }, "it is here now");
    assert.equal(n2.outcome(n2.exec(get("nowhere"))), "no row");
    assert.equal(pulls(n2).length, 0);
  });

  it("knows what was written while it followed, deletions too, without asking", () => {
    const made = attached();
    const { n1, n2 } = made;
    n1.exec(put(key(1), -1), write("delete", key(2), {}, "gone"), put("new", 7));
    n2.tail();
    handOver(made);
    assert.deepEqual(
      [key(1), key(2), "new"].map((name) => n2.outcome(n2.exec(get(name)))),
      [{ n: -1 }, "no row", { n: 7 }],
    );
    assert.equal(pulls(n2).length, 0);
  });

  it("decides writes on the rows that it fetched: conditions, patches, and one row's order", () => {
    const { n1, n2, n3 } = taken();
    const before = n1.result(n1.exec(get(key(4), { level: "any" })));
    const version = before?.op === "get" ? (before.row?.version ?? 0) : 0;
    const job = n2.exec(
      write("insert", key(1), { n: 0 }, "there"),
      write("insert", "new", { n: 1 }, "absent"),
      write("update", key(2), { more: true }, "patch"),
      put(key(3), 1, "first"),
      put(key(3), 2, "second"),
      write("put", key(4), { n: 44 }, "right", version),
      write("put", key(5), { n: 55 }, "wrong", version),
    );
    assert.deepEqual(
      [0, 1, 2, 3, 4, 5, 6].map((index) => n2.outcome(job, index)),
      Array(7).fill("waiting"),
    );
    n2.letAnswer(n3);
    assert.deepEqual([n2.outcome(job, 0), n2.outcome(job, 6)], ["EXISTS", "CONFLICT"]);
    for (const index of [1, 2, 3, 4, 5]) assert.ok(Array.isArray(n2.outcome(job, index)), `write ${index}`);
    assert.deepEqual(
      [key(1), "new", key(2), key(3), key(4)].map((name) => n2.outcome(n2.exec(get(name)))),
      [{ n: 1 }, { n: 1 }, { n: 2, more: true }, { n: 2 }, { n: 44 }],
    );
    n3.tail();
    assert.deepEqual(n3.sees(key(2)), { n: 2, more: true });
  });

  it("lets writes of rows that are here pass by those that wait, but not by one of the same row", () => {
    const { n2, n3 } = taken();
    const known = n2.exec(put("known", 1, "k1"));
    n2.letAnswer(n3);
    assert.ok(Array.isArray(n2.outcome(known)));
    const waits = n2.exec(put(key(1), 1, "w1"));
    const both = n2.exec({
      op: "write",
      requestId: "w2",
      steps: [...stepsOf(put("known", 2)), ...stepsOf(put(key(1), 2))],
    });
    const behind = n2.exec(put("known", 3, "k3"));
    const free = n2.exec(put("free", 1, "f"), put("known2", 1, "f2"));
    assert.deepEqual(
      [waits, both, behind, free].map((job) => n2.outcome(job)),
      Array(4).fill("waiting"),
    );
    const other = n2.exec(get("known"));
    assert.deepEqual(n2.outcome(other), { n: 1 });
    for (let round = 0; round < 3; round++) n2.letAnswer(n3);
    assert.deepEqual([n2.outcome(n2.exec(get("known"))), n2.outcome(n2.exec(get(key(1))))], [{ n: 3 }, { n: 2 }]);
  });

  it("scans and counts over rows that are missing, forwards and backwards", () => {
    const { n2, n3 } = taken();
    n2.exec(put(key(9), -9, "w"), write("delete", key(10), {}, "d"));
    n2.letAnswer(n3);
    const jobs = [
      n2.exec(scan("", undefined)),
      n2.exec(scan(key(5), key(25))),
      n2.exec(scan(key(5), key(25), { reverse: true })),
      n2.exec(scan("", undefined, { reverse: true, limit: 3 })),
    ];
    const counts = n2.exec(count);
    for (let round = 0; round < 20; round++) n2.letAnswer(n3);
    assert.deepEqual(
      jobs.map((job) => scanned(n2.result(job))),
      [rows - 1, 19, 19, 3],
    );
    assert.equal(counted(n2.result(counts)), rows - 1);
    const last = n2.result(jobs[3] ?? 0);
    assert.deepEqual(last?.op === "scan" ? last.rows[0]?.position : undefined, at(key(rows - 1)));
    assert.equal(n2.sparse, false, "the whole was scanned");
  });

  it("keeps what it lacks in a bounded number of pieces, wherever scans begin", () => {
    const { n2, n3 } = taken();
    for (let n = 3; n + 2 < rows; n += 6) {
      const job = n2.exec(scan(key(n), key(n + 2)));
      for (let round = 0; round < 5; round++) n2.letAnswer(n3);
      assert.equal(scanned(n2.result(job)), 2);
    }
    const kept = n2.missingRanges;
    assert.ok(kept > 20 && kept <= 32, `${kept} ranges`);
    becomeWhole(n2, n3);
    assert.equal(counted(n2.result(n2.exec(count))), rows);
  });

  it("becomes whole in the background, step by step, and is then a copy for others", () => {
    const { log, n1, n2, n3 } = taken();
    n2.exec(put(key(1), -1, "w"), write("delete", key(2), {}, "d"), put("new", 1, "n"));
    n2.letAnswer(n3);
    becomeWhole(n2, n3, n1);
    assert.equal(n2.state, "serving");
    assert.deepEqual(
      [key(1), key(2), key(3), "new"].map((name) => n2.outcome(n2.exec(get(name)))),
      [{ n: -1 }, "no row", { n: 3 }, { n: 1 }],
    );
    assert.equal(counted(n2.result(n2.exec(count))), rows);
    assert.equal(n2.board.statuses.get(16)?.rows, rows);
    log.trim(log.records.at(-1)?.seq ?? 0);
    const n4 = new Node("n4", log);
    n4.assign(2, "n2", ["n2"]);
    for (let round = 0; round < 10; round++) n4.letAnswer(n2);
    assert.deepEqual([n4.state, n4.sees(key(1)), n4.sees(key(3))], ["following", { n: -1 }, { n: 3 }]);
  });

  it("becomes whole as a backup too, and follows then like any other", () => {
    const { n1, n2, n3 } = attached();
    becomeWhole(n2, n1, n3);
    assert.deepEqual([n2.state, n2.sees(key(7))], ["following", { n: 7 }]);
  });

  it("goes on after a restart with what it has: as primary of a new epoch", () => {
    const made = taken();
    const { n2, n3 } = made;
    n2.exec(put(key(1), -1, "w"), write("delete", key(2), {}, "d"));
    n2.letAnswer(n3);
    n2.restart();
    handOver(made, 3);
    assert.deepEqual(
      [key(1), key(2)].map((name) => n2.outcome(n2.exec(get(name)))),
      [{ n: -1 }, "no row"],
    );
    becomeWhole(n2, n3);
    assert.equal(counted(n2.result(n2.exec(count))), rows - 1);
  });

  it("tells who waits UNAVAILABLE, with the reason, while no source answers; never an absent row", () => {
    const { n2, n3 } = taken();
    const job = n2.exec(get(key(1)), put(key(2), 2, "w"), scan(key(3), key(5)));
    for (let round = 0; round < 40 && n2.outcome(job) === "waiting"; round++) {
      n2.pass(60);
      n2.timeOut();
    }
    for (const index of [0, 1, 2]) {
      assert.equal(n2.outcome(job, index), "UNAVAILABLE");
      assert.match(faultOf(n2.result(job, index)), /moving to n2.*has not arrived.*does not answer/);
    }
    becomeWhole(n2, n3);
    assert.deepEqual(n2.outcome(n2.exec(get(key(1)))), { n: 1 });
  });

  it("holds what waits no longer than its deadline", () => {
    const { n2 } = taken();
    const job = n2.exec(get(key(1)), put(key(2), 2, "w"), scan(key(3), key(5)));
    n2.asks.length = 0;
    n2.pass(6000);
    for (const index of [0, 1, 2]) assert.equal(n2.outcome(job, index), "DEADLINE_EXCEEDED");
  });

  it("sends what waits away when the role goes elsewhere", () => {
    const { n2 } = taken();
    const job = n2.exec(get(key(1)), put(key(2), 2, "w"), scan(key(3), key(5)));
    n2.assign(3, "n1", ["n1", "n3"], sources);
    n2.pass(100);
    for (const index of [0, 1, 2]) assert.equal(n2.outcome(job, index), "NOT_PRIMARY");
  });

  it("takes nothing from a source of another history, nor rows that were bent on the way", () => {
    const { n2, n3 } = taken();
    n2.exec(get(key(1)));
    const [ask] = pulls(n2);
    assert.ok(ask !== undefined);
    const pulled = n3.answerTo(ask) as { pulled: { hash: Uint8Array; digest: Uint8Array } };
    n2.answer(ask, { pulled: { ...pulled.pulled, hash: new Uint8Array(8) } });
    n2.pass(60);
    const [second] = pulls(n2);
    assert.ok(second !== undefined);
    n2.answer(second, { pulled: { ...pulled.pulled, digest: new Uint8Array(8) } });
    assert.equal(n2.outcome(1), "waiting");
  });

  it("asks another when a source is behind the base, or not whole itself", () => {
    const made = world();
    const { n1, n2, n3 } = made;
    n1.exec(put(key(1), -1));
    assert.ok((n3.lsn ?? 0) < (n1.lsn ?? 0));
    n2.assign(1, "n1", ["n1", "n3"], sources);
    n2.letAnswer(n1);
    n2.assign(2, "n2", ["n1", "n3"], sources);
    n2.lease(1e9);
    for (const peer of [n1, n3]) n2.letAnswer(peer);
    const job = n2.exec(get(key(1)));
    n2.letAnswer(n3);
    assert.equal(n2.outcome(job), "waiting");
    n2.pass(60);
    n2.letAnswer(n1);
    assert.deepEqual(n2.outcome(job), { n: -1 });
  });

  it("a backup that cannot go on from the log attaches anew", () => {
    const { log, n1, n2 } = attached();
    n1.exec(put(key(1), -1));
    n1.exec(put(key(2), -2));
    log.trim(log.records.at(-1)?.seq ?? 0);
    n2.tail();
    assert.equal(n2.state, "copying");
    n2.letAnswer(n1);
    assert.deepEqual([n2.state, n2.lsn], ["attached", n1.lsn]);
    becomeWhole(n2, n1);
    assert.deepEqual([n2.sees(key(1)), n2.sees(key(3))], [{ n: -1 }, { n: 3 }]);
  });

  it("a primary whose log is shorter than its rows goes on; who cannot follow keeps its rows until this one is whole", () => {
    const { log, n1, n2, n3 } = taken();
    n2.exec(put("late1", 1));
    n2.letAnswer(n3);
    n3.tail();
    n2.exec(put("late2", 2));
    n2.letAnswer(n3);
    log.lose(2);
    n2.exec(put("late3", 3));
    n2.letAnswer(n3);
    for (let round = 0; round < 20 && !n2.is("serving"); round++) {
      for (const peer of [n1, n3]) n2.letAnswer(peer);
      n2.pass(100);
    }
    assert.ok(n2.incidents.includes("logRegressed healed"), n2.incidents.join());
    for (const node of [n1, n3]) node.tell({ kind: "logShaken" });
    for (const node of [n1, n3]) for (let tries = 0; tries < 5; tries++) node.letAnswer(n2);
    becomeWhole(n2, n1, n3);
    for (const node of [n1, n3])
      for (let round = 0; round < 20 && !node.is("following"); round++) {
        node.pass(500);
        for (const other of [n1, n2, n3]) if (other !== node) node.letAnswer(other);
      }
    for (const node of [n1, n3]) {
      assert.equal(node.state, "following", node.id);
      assert.deepEqual([node.sees("late2"), node.sees(key(5))], [{ n: 2 }, { n: 5 }]);
    }
    assert.deepEqual(n2.outcome(n2.exec(get("late1"))), { n: 1 });
  });

  it("does not open below what another replica holds: it gives the role up", () => {
    const made = attached();
    const { log, n1, n2, n3 } = made;
    n1.exec(put("late", 1));
    n3.tail();
    log.lose(1);
    n2.assign(2, "n2", ["n3"], sources);
    for (let round = 0; round < 5; round++) {
      n2.letAnswer(n3);
      n2.pass(100);
    }
    assert.deepEqual([n2.state, n2.sparse], ["faulted", true]);
  });

  it("a whole replica does not open below what a sparse one alone holds; it copies from it once that is whole", () => {
    const { log, n1, n2, n3 } = taken();
    n2.exec(put("late", 1));
    n2.letAnswer(n3);
    log.lose(1);
    n2.assign(3, "n3", ["n1", "n3"], sources);
    n3.lease(1e9);
    n3.assign(3, "n3", ["n2"]);
    for (let round = 0; round < 4; round++) {
      n3.letAnswer(n2);
      n3.pass(100);
    }
    assert.equal(n3.state, "opening");
    becomeWhole(n2, n3, n1);
    for (let round = 0; round < 40 && !n3.is("serving"); round++) {
      n3.letAnswer(n2);
      n3.pass(100);
    }
    assert.equal(n3.state, "serving");
    assert.deepEqual([n3.outcome(n3.exec(get("late"))), n3.sees(key(8))], [{ n: 1 }, { n: 8 }]);
  });
});
