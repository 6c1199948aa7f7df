// Strain. When a copy would break more at ends that are nearly full than it mends.

import { strict as assert } from "node:assert";
import { gridOf, nodesOf, planFor, policyOf, type TownFragment } from "./town.js";

const minuteMs = 60_000;
const nodes = nodesOf({ n1: 100, n2: 100 });
const gib = 2 ** 30;
/** A copy lasts five minutes and takes a tenth of both ends. */
const rules = {
  minimumGainPerGib: 0,
  splits: false,
  budget: { freeBytes: 2 ** 40 },
  prices: { copyBytesPerSecond: gib / 300, copyShare: 0.1 },
};

/** A light fragment and a heavy one on the first of two nodes. */
function plan(fullShare: number, light: number, heavy: number, heavyLater = heavy) {
  const fragments: TownFragment[] = [
    { id: 1, places: ["n1"], bytes: gib, spread: 0, load: () => light },
    { id: 2, places: ["n1"], bytes: gib, spread: 0, load: (atMs) => (atMs > 10 * minuteMs ? heavyLater : heavy) },
    { id: 3, places: ["n2"], bytes: gib, spread: 0, load: () => 20 },
  ];
  return planFor(nodes, fragments, policyOf({ ...rules, fullShare }), 0, gridOf(12, 5 * minuteMs));
}

describe("plan: copies at ends that are nearly full", () => {
  it("begins none that would overload its source while it lasts, and averts no overload later", () => {
    const { actions, rejected } = plan(0.9, 4, 89);
    assert.deepEqual(actions, []);
    assert.ok(
      rejected.some(
        ({ fragment, why }) => fragment === 1 && /copying would bring .* nodes that are nearly full/.test(why),
      ),
      JSON.stringify(rejected),
    );
  });

  it("begins it where the source has the room, or is overloaded already, or would be for longer without it", () => {
    for (const { actions } of [plan(0.83, 4, 80), plan(0.9, 4, 96), plan(0.9, 4, 89, 97)])
      assert.deepEqual(
        actions.map(({ kind, fragment }) => [kind, fragment]),
        [["moveReplica", 1]],
      );
  });

  it("takes the role first where that spares the source what the copy takes", () => {
    const [action] = plan(0.93, 10, 82, 85).actions;
    assert.ok(action?.kind === "moveReplica" && !action.isLate);
    assert.deepEqual([action.fragment, action.strategy], [1, "copy-on-write"]);
  });
});
