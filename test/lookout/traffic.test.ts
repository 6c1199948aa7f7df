import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { createReplicas } from "../../cluster/lookout/replicas.js";
import { createTraffic } from "../../cluster/lookout/traffic.js";
import { noLoad, type Sample } from "../../src/load/sample.js";
import { createTallies, noteIn } from "../../src/load/tally.js";
import type { Heartbeat, ReplicaStatus } from "../../src/protocol/control.js";

const base: Sample = {
  node: "n1",
  incarnation: "a",
  interval: 10,
  intervalMs: 1000,
  spanMs: 1000,
  part: 0,
  parts: 1,
  load: { ...noLoad, threadCpuMs: 200, refused: 3 },
  cells: [{ fragment: 16, table: 1, group: "shop", ops: [{ kind: 0, count: 50, bytes: 1, serviceMs: 5 }] }],
};

describe("traffic", () => {
  it("counts a sample once, whoever repeats it, and tells the last interval", () => {
    const traffic = createTraffic();
    const tallies = createTallies();
    noteIn(tallies.of(0, 1), 0, "done", 2);
    noteIn(tallies.of(0, 1), 0, "refused", 700);
    const sample = { ...base, tallies: tallies.take() };
    ok(traffic.take(sample));
    ok(!traffic.take(sample));
    ok(traffic.take({ ...sample, node: "n2", tallies: [] }));
    strictEqual(traffic.nodes().get("n1")?.operations, 50);
    strictEqual(traffic.nodes().get("n1")?.overloaded, 3);
    strictEqual(traffic.rates().get(16), 100);
    strictEqual(traffic.now().get("n1")?.cpuShare, 0.2);
    const [count] = [...traffic.tables()];
    deepStrictEqual(count?.ended, [1, 1, 0, 0]);
    strictEqual(count?.serviceMs, 702);
  });

  it("sums the parts of one interval, begins anew with the next, and forgets the rates of who fell silent", () => {
    const traffic = createTraffic();
    traffic.take({ ...base, parts: 2 });
    traffic.take({ ...base, part: 1, parts: 2 });
    strictEqual(traffic.now().get("n1")?.perSecond, 100);
    traffic.take({ ...base, interval: 11 });
    strictEqual(traffic.now().get("n1")?.perSecond, 50);
    traffic.take({ ...base, node: "n2", interval: 30, cells: [] });
    strictEqual(traffic.now().get("n1"), undefined);
    strictEqual(traffic.rates().get(16), undefined);
  });

  it("keeps an hour of a node's past, in buckets", () => {
    const traffic = createTraffic();
    for (let interval = 0; interval < 5_000; interval++) traffic.take({ ...base, interval });
    const past = traffic.past("n1");
    ok(past.length > 700 && past.length <= 722, String(past.length));
    ok(past.every(({ perSecond }) => Math.abs(perSecond - 50) < 1e-6));
  });
});

describe("replicas, as heartbeats tell them", () => {
  const status = (fragment: number, state: ReplicaStatus["state"], lsn: number): ReplicaStatus => ({
    fragment,
    state,
    sparse: false,
    epoch: 1,
    lsn,
    markerLsn: 0,
    durableSeq: 0,
    rows: 7,
    bytes: 70,
  });
  const beat = (node: string, statuses: readonly ReplicaStatus[], all = false): Heartbeat => ({
    kind: "heartbeat",
    node,
    incarnation: "a",
    zone: "z",
    weight: 1,
    storeId: "s",
    bootCount: 1,
    viewSeq: 1,
    statuses,
    all,
    incidents: [],
    leaving: false,
  });

  it("say how far the last copy is behind, and drop what a node no longer holds", () => {
    const replicas = createReplicas(() => true);
    replicas.take(beat("n1", [status(16, "serving", 90), status(32, "following", 5)], true), 1);
    replicas.take(beat("n2", [status(16, "following", 70)]), 2);
    replicas.take(beat("n3", [status(16, "following", 88)]), 2);
    deepStrictEqual(replicas.fragments().get(16), { rows: 7, bytes: 70, lagRecords: 20 });
    strictEqual(replicas.fragments().get(32)?.lagRecords, undefined);
    replicas.take(beat("n1", [status(16, "serving", 91)], true), 3);
    strictEqual(replicas.fragments().get(32), undefined);
    strictEqual(replicas.nodes().get("n2")?.heardAtMs, 2);
  });

  it("do not count a copy that moved away, although its node told of it last", () => {
    const holders = new Set(["n1", "n2"]);
    const replicas = createReplicas((node) => holders.has(node));
    replicas.take(beat("n1", [status(16, "serving", 90)], true), 1);
    replicas.take(beat("n2", [status(16, "following", 70)]), 2);
    strictEqual(replicas.fragments().get(16)?.lagRecords, 20);
    deepStrictEqual([...replicas.states("n2")], [["following", 1]]);
    holders.delete("n2");
    strictEqual(replicas.fragments().get(16)?.lagRecords, 0);
    deepStrictEqual([...replicas.states("n2")], []);
  });
});
