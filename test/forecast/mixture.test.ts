// Mixture: whose quantiles count, and where.

import { ok } from "node:assert/strict";
import { carveBlock, measureBlock } from "../../src/forecast/block.js";
import { beginMixture, carveMixture, judgeBands, mixRow } from "../../src/forecast/mixture.js";
import { quantileCount } from "../../src/forecast/quantiles.js";
import { compileShape } from "../../src/forecast/shape.js";

const shape = compileShape({ intervalMs: 10_000, horizonSteps: 12, historySlots: 256 });
const [first, last] = [0, shape.maxTarget - 1];

/** Rows of three bands that each say one value at all levels. */
function rowsOf(...values: readonly number[]): Float64Array {
  return Float64Array.from(values.flatMap((value) => new Array<number>(quantileCount).fill(value)));
}

function mixed(learn: (judge: (target: number, ...said: number[]) => void) => void): number {
  const block = new ArrayBuffer(measureBlock((from) => carveMixture(from, shape, 3)));
  const mixture = carveMixture(carveBlock(block), shape, 3);
  beginMixture(mixture);
  learn((target, ...said) => judgeBands(mixture, target, rowsOf(...said), 0, 100));
  const out = new Float64Array(quantileCount);
  ok(mixRow(mixture, last, rowsOf(110, 150, 200), 0, out, 0));
  return out[3] ?? Number.NaN;
}

describe("a mixture of bands", () => {
  it("is drawn to the bands that do well at other steps", () => {
    const alone = mixed((judge) => judge(last, 110, 110, 130));
    const drawn = mixed((judge) => {
      for (let round = 0; round < 20; round++) judge(first, 101, 150, 150);
      judge(last, 110, 110, 130);
    });
    ok(drawn < alone - 10, `${drawn}, and ${alone} by its own step alone`);
  });

  it("does not believe a band that was never judged at the step before those that were", () => {
    const value = mixed((judge) => {
      for (let round = 0; round < 20; round++) judge(first, 150, 150, 101);
      for (let round = 0; round < 4; round++) judge(last, 110, 150, Number.NaN);
    });
    ok(value < 115, `${value}: the third band says 200`);
  });
});
