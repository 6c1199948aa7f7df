// A leader's planning: what the nodes tell of load and capacity, and the forecasters of what comes, is what the plan rests on.

import assert from "node:assert/strict";
import type { PlanAnswer } from "../../cluster/client/index.js";
import { horizonSteps } from "../../src/forecast/horizons.js";
import { quantileCount } from "../../src/forecast/quantiles.js";
import { pathCount } from "../../src/forecast/ranks.js";
import type { Mix } from "../../src/load/mix.js";
import { quietForecaster } from "../../src/protocol/forecast.js";
import { encodeNews } from "../../src/protocol/forecast-codec.js";
import { subjects } from "../../src/protocol/subjects.js";
import { goodRecord } from "../forecast/records.js";
import { createTable, Sim } from "./world.js";

const slotMs = 10_000;
const capacityQps = 100;
const forecaster = quietForecaster("f1", "a");

/** Nodes, and a fragment of so many rows on two of them; each fragment is asked for `load` queries per second and will be. */
function cluster(load: number, mix?: Mix, rows = 1, nodes: readonly string[] = ["n1", "n2", "n3"]) {
  const sim = new Sim();
  sim.startMember("c1");
  for (const id of nodes) sim.startNode(id).power = { qps: 0, capacityQps, basis: "configured" };
  sim.until(
    "all nodes",
    () => [...sim.view().nodes.values()].filter(({ state }) => state === "up").length === nodes.length,
  );
  assert.ok("done" in sim.admin(createTable("users", 1, 2)));
  sim.until("the table serves", () => [...sim.view().fragments.values()].every((f) => f.activatedEpoch === f.epoch));
  const [fragment] = sim.view().fragments.keys();
  assert.ok(fragment !== undefined);
  let primary = sim.view().fragments.get(fragment)?.primary ?? "";
  const tell = (told: Mix | undefined): void => {
    primary = sim.view().fragments.get(fragment)?.primary ?? "";
    const status = { rows, bytes: 1000, ...(told === undefined ? {} : { mix: told }) };
    for (const { id, odd } of sim.nodes.values()) odd.set(fragment, id === primary ? status : { rows, bytes: 1000 });
  };
  tell(mix);
  const say = (now = load): void => {
    const steps = new Float32Array(horizonSteps * quantileCount).fill(now);
    const series = [...sim.view().fragments.keys()].map((id) => ({
      ...{ fragment: id, table: 1, group: "people", horizon: 0, steps, weights: [], profiles: [] },
      origin: Math.floor((1_700_000_000_000 + sim.nowMs) / slotMs) - 1,
      max: steps.slice(0, quantileCount),
      recent: Float32Array.of(now),
      ranks: new Uint8Array(pathCount * horizonSteps).fill(128),
      record: goodRecord,
    }));
    sim.request(
      subjects.forecasts,
      encodeNews({ forecaster, slotMs: [slotMs, 6 * slotMs], models: [], series }),
      () => undefined,
    );
  };
  return { sim, fragment, tell, say };
}

/** What the leader has planned once it has had a round with what was said. */
function planned({ sim, say }: ReturnType<typeof cluster>, load?: number): PlanAnswer {
  const since = 1_700_000_000_000 + sim.nowMs;
  for (let round = 0; round < 4; round++) {
    say(load);
    sim.pass(slotMs);
    const answer = sim.admin({ kind: "showPlan" });
    const told = "done" in answer ? (answer.plan as PlanAnswer | undefined) : undefined;
    if (told !== undefined && (told.atMs ?? 0) > since) return told;
  }
  throw new Error("the leader never planned");
}

describe("a leader's planning", () => {
  it("knows which share of the load any copy may answer: where it is much, another copy relieves the primary", () => {
    const one = cluster(180, { spread: 0.9, writes: 0.05 });
    const { actions = [] } = planned(one);
    assert.deepEqual(
      actions.map(({ kind, fragment }) => [kind, fragment]),
      [["addReplica", one.fragment]],
    );
    assert.equal(one.sim.view().fragments.get(one.fragment)?.replicasWanted, 3);
  });

  it("where all has to come from the primary, no copy helps: it says so", () => {
    for (const mix of [undefined, { spread: 0, writes: 0.5 }]) {
      const { actions = [], findings = [] } = planned(cluster(180, mix));
      assert.deepEqual(actions, []);
      assert.ok(findings.some(({ kind }) => kind === "cannotSplit"));
    }
  });

  it("counts what the copies answer as theirs, and remembers it while a new primary has not told yet", () => {
    const one = cluster(90, { spread: 1, writes: 0 });
    // Two copies with half of it each are calm, one with all of it would not be.
    assert.deepEqual(planned(one).findings, []);
    one.tell(undefined);
    assert.deepEqual(planned(one).findings, []);
    assert.ok((planned(cluster(90)).findings ?? []).length > 0);
  });

  for (const mode of ["reactive", "predictive"] as const)
    it(`${mode}: splits a fragment that alone bears much of its node, and joins the halves when they have cooled`, () => {
      const one = cluster(45, undefined, 100, ["n1", "n2"]);
      const { sim, fragment } = one;
      const policy = { mode, splitCoolDownMs: slotMs, splitShare: 0.4, joinShare: 0.5, reactive: { floorShare: 0.5 } };
      assert.ok("done" in sim.admin({ kind: "setPolicy", change: policy, by: "tester" }));
      planned(one);
      const { child = -1, by } = sim.view().splits.get(fragment) ?? {};
      assert.equal(by, "planner");
      const primary = sim.view().fragments.get(fragment)?.primary ?? "";
      const cut = { child, at: Uint8Array.of(0x40, 0, 0, 0), lsn: 9, hash: new Uint8Array(8).fill(7) };
      sim.nodes.get(primary)?.odd.set(fragment, { rows: 50, bytes: 500, cut });
      sim.until("the split is recorded", () => !sim.view().splits.has(fragment));
      // Between the thresholds nothing is joined.
      for (let round = 0; round < 3; round++) planned(one, 12);
      assert.equal(sim.view().merges.size, 0);
      for (let round = 0; round < 3 && sim.view().merges.size === 0; round++) planned(one, 9);
      assert.equal(sim.view().merges.get(fragment)?.right, child);
    });

  it("lets a copy that it added for reads go when the load has fallen, and none that a person asked for", () => {
    const mix = { spread: 0.9, writes: 0.05 };
    const one = cluster(180, mix);
    const { sim, fragment } = one;
    const copies = () => sim.view().fragments.get(fragment);
    assert.ok(
      "done" in sim.admin({ kind: "setPolicy", change: { coolDownMs: slotMs, horizonMs: slotMs }, by: "tester" }),
    );
    planned(one);
    assert.deepEqual([copies()?.replicasWanted, copies()?.replicasSpare], [3, 1]);
    sim.until("the third copy is there", () => copies()?.replicas.every(({ state }) => state === "ready") === true);
    one.tell(mix);
    for (let round = 0; round < 6 && copies()?.replicasWanted !== 0; round++) planned(one, 30);
    assert.deepEqual([copies()?.replicasWanted, copies()?.replicasSpare, copies()?.replicas.length], [0, 0, 2]);
    assert.ok("done" in sim.admin({ kind: "setReplicas", table: "users", fragment, count: 3 }));
    sim.until("three copies", () => copies()?.replicas.filter(({ state }) => state === "ready").length === 3);
    for (let round = 0; round < 4; round++) planned(one, 30);
    assert.deepEqual([copies()?.replicasWanted, copies()?.replicas.length], [3, 3]);
  });

  it("counts nothing on a copy whose node is down, though it is ready", () => {
    const one = cluster(120, { spread: 1, writes: 0 }, 1, ["n1", "n2"]);
    const { sim, fragment } = one;
    assert.deepEqual(planned(one).findings, []);
    const { primary = "", replicas = [] } = sim.view().fragments.get(fragment) ?? {};
    const other = replicas.find(({ node }) => node !== primary)?.node ?? "";
    const lost = sim.nodes.get(other) ?? assert.fail();
    lost.alive = false;
    sim.until("it is down", () => sim.view().nodes.get(other)?.state === "down");
    assert.equal(
      sim
        .view()
        .fragments.get(fragment)
        ?.replicas.find(({ node }) => node === other)?.state,
      "ready",
    );
    assert.ok((planned(one).risks ?? []).some(({ node, before }) => node === primary && Math.max(...before) > 0.5));
  });
});
