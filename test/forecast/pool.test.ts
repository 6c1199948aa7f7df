// Pool: what young series borrow must make them better, and cost nobody else anything.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { PooledPrior } from "../../src/forecast/pool.js";
import { highIndex, lowIndex, pinball, quantileCount, quantileLevels } from "../../src/forecast/quantiles.js";
import { fitSeries } from "../../src/forecast/rebuild.js";
import {
  createSeries,
  forecast,
  isRefitDue,
  observe,
  record,
  refit,
  type SeriesState,
} from "../../src/forecast/series.js";
import { poolYouths } from "../../src/forecast/youth.js";
import { type Random, seededRandom } from "../../src/kernel/random.js";

const shape = { intervalMs: 10_000, horizonSteps: 12, historySlots: 512 };

/** Noise of a third around a level that is the series' own. */
function noisy(random: Random, slots: number): Float64Array {
  const level = 10 ** (1 + 3 * random.next());
  return Float64Array.from({ length: slots }, () => level * Math.exp(0.6 * (random.next() + random.next() - 1)));
}

interface Verdict {
  readonly loss: number;
  readonly inside: number;
}

/** How the forecasts of a series' first slots went, over the mean of the series. */
function judgeYouth(values: Float64Array, state: SeriesState, slots: number): Verdict {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let loss = 0;
  let inside = 0;
  for (let slot = 0; slot < slots; slot++) {
    observe(state, slot, values[slot] ?? Number.NaN);
    const { steps } = forecast(state);
    for (let step = 0; step < shape.horizonSteps; step++) {
      const actual = values[slot + step + 1] ?? 0;
      const row = steps.subarray(step * quantileCount, (step + 1) * quantileCount);
      for (const [q, level] of quantileLevels.entries()) loss += pinball(actual, row[q] ?? 0, level) / mean;
      if (actual >= (row[lowIndex] ?? 0) && actual <= (row[highIndex] ?? 0)) inside++;
    }
  }
  const judged = slots * shape.horizonSteps;
  return { loss: loss / judged / quantileCount, inside: inside / judged };
}

describe("a pooled prior", () => {
  const random = seededRandom(7);
  const lenders = Array.from({ length: 8 }, () => noisy(random, 36));
  const prior = poolYouths(shape, lenders);

  it("makes the first forecasts of a series better, and their intervals honest", () => {
    ok(prior !== undefined);
    const young = Array.from({ length: 40 }, () => noisy(random, 40));
    const judged = (lent: PooledPrior | undefined): Verdict => {
      const all = young.map((values) => judgeYouth(values, createSeries(shape, lent), 12));
      const mean = (of: (one: Verdict) => number): number => all.reduce((sum, one) => sum + of(one), 0) / all.length;
      return { loss: mean(({ loss }) => loss), inside: mean(({ inside }) => inside) };
    };
    const [without, withPrior] = [judged(undefined), judged(prior)];
    ok(withPrior.loss < 0.9 * without.loss, `pinball ${withPrior.loss} with a prior, ${without.loss} without`);
    ok(withPrior.inside > 0.75 && withPrior.inside < 0.97, `${withPrior.inside} inside with a prior`);
    ok(without.inside < withPrior.inside - 0.15, `${without.inside} inside without, ${withPrior.inside} with a prior`);
  });

  it("is outvoted by what a series knows itself", () => {
    ok(prior !== undefined);
    const quiet = seededRandom(11);
    const values = Float64Array.from({ length: 240 }, () => 1000 + 10 * quiet.next());
    const state = createSeries(shape, prior);
    judgeYouth(values, state, 228);
    const { steps } = forecast(state);
    const width = (steps[highIndex] ?? 0) - (steps[lowIndex] ?? 0);
    ok(width < 20, `the interval is still ${width} wide`);
  });

  it("is the same of the same stretches, and there is none of nothing", () => {
    deepStrictEqual(poolYouths(shape, lenders), prior);
    strictEqual(poolYouths(shape, []), undefined);
    strictEqual(poolYouths(shape, [new Float32Array(2)]), undefined);
    strictEqual(poolYouths(shape, [new Float32Array(36).fill(Number.NaN)]), undefined);
  });

  it("of series of nothing promises nothing", () => {
    const zeros = poolYouths(shape, [new Float32Array(36)]);
    const state = createSeries(shape, zeros);
    observe(state, 0, 0);
    ok(forecast(state).steps.every((value) => value === 0));
  });

  it("that does not fit the number of steps is left aside", () => {
    const other = createSeries({ ...shape, horizonSteps: 6 }, prior);
    const plain = createSeries({ ...shape, horizonSteps: 6 });
    for (let slot = 0; slot < 8; slot++) for (const state of [other, plain]) observe(state, slot, 5 + slot);
    deepStrictEqual(forecast(other), forecast(plain));
  });
});

describe("a young series that finds its season", () => {
  const period = 10;
  const wave = (slot: number, random: Random): number =>
    100 * (1 + 0.7 * Math.sin((2 * Math.PI * slot) / period)) + 10 * (random.next() - 0.5);

  it("is soon as sure as it may be, and keeps the record of what it said", () => {
    const random = seededRandom(5);
    const [state, other] = [createSeries(shape), createSeries(shape)];
    let found = -1;
    for (let slot = 0; slot < 60; slot++) {
      const value = wave(slot, random);
      for (const one of [state, other]) observe(one, slot, value);
      const before = record(state);
      if (isRefitDue(other)) refit(other);
      if (isRefitDue(state)) fitSeries(state);
      deepStrictEqual(record(state), before);
      if (found < 0 && state.past.period(0) > 0) found = slot;
    }
    deepStrictEqual([state.past.period(0), other.past.period(0)], [period, period]);
    ok(found <= 30, `found after ${found} slots`);
    const [width, otherWidth] = [widthOf(state), widthOf(other)];
    ok(
      width < 30 && width < 0.7 * otherWidth,
      `${width} wide, ${otherWidth} if what was before is kept; the noise is 10`,
    );
  });
});

/** Of the 90 % interval, on average over the steps. */
function widthOf(state: SeriesState): number {
  const { steps } = forecast(state);
  let sum = 0;
  for (let row = 0; row < steps.length; row += quantileCount)
    sum += (steps[row + highIndex] ?? 0) - (steps[row + lowIndex] ?? 0);
  return sum / shape.horizonSteps;
}
