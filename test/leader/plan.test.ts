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

/** Three nodes, and a fragment of one row on two of them, which is asked for `load` queries per second and will be. */
function cluster(load: number, mix?: Mix) {
  const sim = new Sim();
  sim.startMember("c1");
  for (const id of ["n1", "n2", "n3"]) sim.startNode(id).power = { qps: 0, capacityQps, basis: "configured" };
  sim.until("all nodes", () => [...sim.view().nodes.values()].filter(({ state }) => state === "up").length === 3);
  assert.ok("done" in sim.admin(createTable("users", 1, 2)));
  sim.until("the table serves", () => [...sim.view().fragments.values()].every((f) => f.activatedEpoch === f.epoch));
  const [fragment] = sim.view().fragments.keys();
  assert.ok(fragment !== undefined);
  let primary = sim.view().fragments.get(fragment)?.primary ?? "";
  const tell = (told: Mix | undefined): void => {
    primary = sim.view().fragments.get(fragment)?.primary ?? "";
    const status = { rows: 1, bytes: 1000, ...(told === undefined ? {} : { mix: told }) };
    for (const { id, odd } of sim.nodes.values()) odd.set(fragment, id === primary ? status : { rows: 1, bytes: 1000 });
  };
  tell(mix);
  const say = (): void => {
    const steps = new Float32Array(horizonSteps * quantileCount).fill(load);
    const series = {
      ...{ fragment, table: 1, group: "people", horizon: 0, steps, weights: [], profiles: [] },
      origin: Math.floor((1_700_000_000_000 + sim.nowMs) / slotMs) - 1,
      max: steps.slice(0, quantileCount),
      recent: Float32Array.of(load),
      ranks: new Uint8Array(pathCount * horizonSteps).fill(128),
      record: goodRecord,
    };
    sim.request(
      subjects.forecasts,
      encodeNews({ forecaster, slotMs: [slotMs, 6 * slotMs], models: [], series: [series] }),
      () => undefined,
    );
  };
  return { sim, fragment, tell, say };
}

/** What the leader has planned once it has had a round with what was said. */
function planned({ sim, say }: ReturnType<typeof cluster>): PlanAnswer {
  const since = 1_700_000_000_000 + sim.nowMs;
  for (let round = 0; round < 4; round++) {
    say();
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
});
