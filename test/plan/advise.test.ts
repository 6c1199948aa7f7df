// Advise. How many nodes are said to be needed, and what is said where nothing can be known.

import { strict as assert } from "node:assert";
import { advise } from "../../src/plan/advise.js";
import type { PlanNode } from "../../src/plan/picture.js";
import { pictureOf } from "../../src/plan/plan.js";
import { gridOf, loadsOf, nodesOf, planFragment, policyOf, type TownFragment } from "./town.js";

const minuteMs = 60_000;
const grid = gridOf(6, minuteMs);
const policy = policyOf();

function adviceFor(nodes: readonly PlanNode[], fragments: readonly TownFragment[], given = policy) {
  const loads = loadsOf(fragments, grid, 0);
  return advise(
    pictureOf({ nowMs: 0, grid, nodes, fragments: fragments.map(planFragment), moves: [], loads }, given),
    given,
  );
}

const three = nodesOf({ n1: 100, n2: 100, n3: 100 });
const rising: TownFragment[] = ["n1", "n2"].map((node, at) => ({
  id: at + 1,
  places: [node],
  spread: 0,
  load: (atMs) => (atMs > 3 * minuteMs ? 225 : 50),
}));

describe("advise", () => {
  it("says step by step how many average nodes are needed, and how many are there", () => {
    const advice = adviceFor(three, rising);
    assert.equal(advice.length, 6);
    const [first, last] = [advice[0], advice.at(-1)];
    assert.ok(first !== undefined && last !== undefined);
    assert.ok(Math.abs(first.nodesNeeded - 1) < 0.01, `${first.nodesNeeded}`);
    assert.ok(Math.abs(last.nodesNeeded - 4.5) < 0.01, `${last.nodesNeeded}`);
    assert.equal(last.nodesThere, 3);
    assert.equal(last.atMs, 5 * minuteMs);
  });

  it("asks for more where the forecast is less sure, or nodes are full below their capacity", () => {
    const needed = (fragments: readonly TownFragment[], given = policy): number =>
      adviceFor(three, fragments, given).at(-1)?.nodesNeeded ?? 0;
    const vague = rising.map((one) => ({ ...one, spread: 0.3 }));
    assert.ok(needed(vague) > needed(rising));
    assert.ok(Math.abs(needed(rising, policyOf({ fullShare: 0.75 })) - 6) < 0.01);
  });

  it("counts no node that may take nothing, and none whose capacity is unknown", () => {
    const nodes = [
      ...three,
      { id: "n4", zone: "", capacity: 0, isOpen: true },
      { id: "n5", zone: "", capacity: 500, isOpen: false },
    ];
    assert.equal(adviceFor(nodes, rising).at(-1)?.nodesThere, 3);
  });

  it("says nothing where no capacity is known, and needs none where nothing is asked", () => {
    for (const capacity of [0, Number.NaN, -5, Number.POSITIVE_INFINITY])
      assert.deepEqual(adviceFor(nodesOf({ n1: capacity }), rising), []);
    assert.deepEqual(adviceFor([], rising), []);
    assert.equal(adviceFor(three, []).at(-1)?.nodesNeeded, 0);
  });
});
