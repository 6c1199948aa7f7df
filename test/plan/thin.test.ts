// Thin. When a copy that was added for reads is let go again, and when it stays.

import { strict as assert } from "node:assert";
import type { Action } from "../../src/plan/action.js";
import { gridOf, nodesOf, planFor, policyOf, type TownFragment, walk } from "./town.js";

const minuteMs = 60_000;
const nodes = nodesOf({ n1: 100, n2: 100, n3: 100 });

/** One key that all ask for, on every node; two of its copies were added for reads. */
function read(load: (atMs: number) => number, more: Partial<TownFragment> = {}): TownFragment {
  return { id: 1, places: ["n1", "n2", "n3"], spreadShare: 1, spare: 2, isSplittable: false, load, ...more };
}

function letGo(fragments: readonly TownFragment[], given: object = {}, nowMs = 0): Action[] {
  const { actions } = planFor(nodes, fragments, policyOf(given), nowMs, gridOf(12, minuteMs));
  return actions.filter(({ kind }) => kind === "removeReplica");
}

describe("plan: copies that were added for reads", () => {
  it("lets one go where the others bear all that is foreseen, and says why", () => {
    const [one, ...others] = letGo([read(() => 30)]);
    assert.deepEqual([one?.kind, one?.cause, others], ["removeReplica", "calm", []]);
    assert.notEqual(one?.from, "n1");
    assert.match(one?.why ?? "", /its other copies bear all that is foreseen/);
  });

  it("keeps it for a peak within the horizon, even one that is only possible", () => {
    assert.deepEqual(letGo([read((atMs) => (atMs > 6 * minuteMs ? 220 : 30))]), []);
    assert.deepEqual(letGo([read(() => 185, { spread: 0.3 })]), []);
    assert.equal(letGo([read(() => 185, { spread: 0 })]).length, 1);
  });

  it("never one that a table or a person asked for, one that was just made, or one that moves", () => {
    assert.deepEqual(letGo([read(() => 30, { spare: 0 })]), []);
    assert.deepEqual(letGo([read(() => 30, { places: ["n1"] })]), []);
    assert.deepEqual(letGo([read(() => 30, { movedMs: 0 })], { horizonMs: 30 * minuteMs }, 10 * minuteMs - 1), []);
    assert.equal(letGo([read(() => 30, { movedMs: 0 })], { horizonMs: 30 * minuteMs }, 10 * minuteMs).length, 1);
    assert.deepEqual(letGo([read(() => 30)], { mode: "reactive" }), []);
  });

  it("lets go of the one whose share the others bear best", () => {
    const fragments = [read(() => 120), { id: 2, places: ["n2"], load: () => 35 }];
    assert.equal(letGo(fragments)[0]?.from, "n2");
  });

  it("adds copies before a peak and lets them go after it, day by day, and in between does nothing", () => {
    const hour = 60 * minuteMs;
    const load = (atMs: number): number => (atMs % (12 * hour) >= 4 * hour && atMs % (12 * hour) < 6 * hour ? 150 : 20);
    const one = { ...read(load), places: ["n1"], spare: 0, spread: 0.02 };
    const policy = policyOf({ roundMs: 5 * minuteMs, horizonMs: 12 * minuteMs });
    const { begun, fragments } = walk(nodes, [one], policy, 3 * 12 * 12);
    const days = [0, 1, 2].map((day) =>
      begun.filter(({ atMs }) => Math.floor(atMs / (12 * hour)) === day).map(({ kind }) => kind),
    );
    for (const day of days) assert.deepEqual(day, ["addReplica", "removeReplica"]);
    assert.deepEqual(fragments[0]?.places, ["n1"]);
  });
});
