// Cut. When a fragment is split for its own load, and when its halves are joined again.

import { strict as assert } from "node:assert";
import type { Action } from "../../src/plan/action.js";
import { gridOf, nodesOf, planFor, policyOf, type TownFragment } from "./town.js";

const minuteMs = 60_000;
const nodes = nodesOf({ n1: 100, n2: 100, n3: 100 });
const rules = { splitShare: 0.2, joinShare: 0.5 };
const modes = ["reactive", "predictive"] as const;

function steady(id: number, load: number, more: Partial<TownFragment> = {}): TownFragment {
  return { id, places: ["n1"], load: () => load, spread: 0, ...more };
}

function cuts(fragments: readonly TownFragment[], policy: object, nowMs = 0): Action[] {
  const { actions } = planFor(nodes, fragments, policyOf({ ...rules, ...policy }), nowMs, gridOf(6, minuteMs));
  return actions.filter(({ kind }) => kind === "split" || kind === "merge");
}

function told(actions: readonly Action[]): (string | number)[][] {
  return actions.map((action) => [action.kind, action.fragment, ...(action.kind === "merge" ? [action.right] : [])]);
}

describe("plan: fragments that are too large a piece", () => {
  for (const mode of modes) {
    it(`${mode}: splits what alone bears more than its share of a node, however calm that node is, and says why`, () => {
      const [split, ...others] = cuts([steady(1, 21), steady(2, 19)], { mode });
      assert.deepEqual([split?.kind, split?.fragment, split?.cause, others], ["split", 1, "present", []]);
      assert.match(split?.why ?? "", /bears 21 alone, and 20 \(20 % of n1\) is the most for one piece/);
    });

    it(`${mode}: leaves alone what has one key, was just cut, is busy, or may not be split by the policy`, () => {
      assert.deepEqual(cuts([steady(1, 40, { isSplittable: false })], { mode }), []);
      assert.deepEqual(cuts([steady(1, 40)], { mode, splits: false }), []);
      const policy = { mode, splitCoolDownMs: minuteMs };
      assert.deepEqual(cuts([steady(1, 40, { cutMs: 0 })], policy, minuteMs - 1), []);
      assert.deepEqual(told(cuts([steady(1, 40, { cutMs: 0 })], policy, minuteMs)), [["split", 1]]);
    });

    it(`${mode}: joins halves that have cooled where they lie, and none between the two thresholds`, () => {
      const halves = (each: number, more: Partial<TownFragment> = {}): TownFragment[] => [
        steady(1, each, { next: 2 }),
        steady(2, each, more),
      ];
      assert.deepEqual(told(cuts(halves(4.9), { mode })), [["merge", 1, 2]]);
      assert.deepEqual(cuts(halves(5.1), { mode }), []);
      assert.deepEqual(cuts(halves(19), { mode }), []);
      assert.deepEqual(cuts(halves(1, { places: ["n2"] }), { mode }), []);
      assert.deepEqual(cuts(halves(1, { cutMs: 0 }), { mode, splitCoolDownMs: minuteMs }, minuteMs - 1), []);
      assert.deepEqual(cuts(halves(1), { mode, splits: false }), []);
      assert.deepEqual(cuts([steady(1, 1, { next: 99 })], { mode }), []);
    });
  }

  it("reactive moves a half in the round after, although the whole was split a moment ago", () => {
    const fragments = [
      steady(1, 45, { cutMs: 0, isForecast: false }),
      steady(2, 45, { cutMs: 0, isForecast: false }),
      steady(3, 5, { places: ["n2"], isForecast: false }),
    ];
    const { actions } = planFor(nodes, fragments, policyOf({ ...rules, mode: "reactive" }), minuteMs);
    assert.deepEqual(
      actions.map(({ kind, fragment }) => [kind, fragment]),
      [["moveReplica", 1]],
    );
  });

  it("predictive splits before the peak where a node may be overloaded, and leaves halves apart for a peak to come", () => {
    const later = (load: number, peak: number) => (atMs: number) => (atMs >= 4 * minuteMs ? peak : load);
    const rising = [
      { ...steady(1, 10), load: later(10, 60) },
      { ...steady(2, 10), load: later(10, 60) },
    ];
    const foreseen = cuts(rising, { mode: "predictive" });
    assert.deepEqual(told(foreseen), [
      ["split", 1],
      ["split", 2],
    ]);
    assert.ok(foreseen.every(({ cause, deadlineMs }) => cause === "forecast" && deadlineMs > 0));
    assert.deepEqual(cuts(rising, { mode: "reactive" }), []);
    const cool = [{ ...steady(1, 2), next: 2, load: later(2, 30) }, steady(2, 2)];
    assert.deepEqual(cuts(cool, { mode: "predictive" }), []);
    assert.deepEqual(told(cuts(cool, { mode: "reactive" })), [["merge", 1, 2]]);
  });
});
