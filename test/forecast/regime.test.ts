// Regimes: after a level shift, an outage or a burst on made series the error is soon back near what it was, and nothing blows up.

import assert from "node:assert/strict";
import { fitSeries } from "../../src/forecast/rebuild.js";
import { createSeries, forecast, isRefitDue, observe, type SeriesState } from "../../src/forecast/series.js";
import { seededRandom } from "../../src/kernel/random.js";

const shape = { intervalMs: 300_000, horizonSteps: 12, historySlots: 2048 };
const period = 96;
const settledSlots = 8 * period;
const backWithinSlots = 24;

/** One draw of the noise says little of an error: these are judged together. */
const seeds = [5, 6, 7, 8, 9] as const;

/** A daily wave with noise, times the regime's factor at each slot. */
function seriesOf(factorAt: (slot: number) => number, slots: number, seed: number = seeds[0]): number[] {
  const random = seededRandom(seed);
  return Array.from({ length: slots }, (_, slot) => {
    const noise = 1 + 0.1 * (random.next() + random.next() - 1);
    return Math.round(1000 * factorAt(slot) * noise * (1 + 0.5 * Math.sin((2 * Math.PI * slot) / period)));
  });
}

/** Errors of the one-step median, each over what the slot holds at full level, and the last state. */
function live(values: readonly number[]): { errors: number[]; state: SeriesState; highs: number[] } {
  const state = createSeries(shape);
  const errors: number[] = [];
  const highs: number[] = [];
  values.forEach((value, slot) => {
    const { steps } = slot === 0 ? { steps: new Float64Array(8) } : forecast(state);
    errors.push(Math.abs(value - (steps[3] ?? 0)));
    highs.push(steps[7] ?? 0);
    observe(state, slot, value);
    if (isRefitDue(state)) fitSeries(state);
  });
  return { errors, state, highs };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

describe("forecasts after a change of regime", () => {
  const slots = settledSlots + 2 * period;
  const calm = seeds.map((seed) => live(seriesOf(() => 1, slots, seed)));
  const usual = mean(calm.map(({ errors }) => mean(errors.slice(settledSlots - period, settledSlots))));

  it("know the season before it", () => {
    assert.ok(usual > 0 && usual < 70, `the usual error is ${usual}`);
    for (const { state } of calm) assert.ok(Math.abs(state.past.period(0) - period) <= 1);
  });

  for (const [name, factorAt] of [
    ["a level shift to half", (slot: number) => (slot < settledSlots ? 1 : 0.5)],
    ["an outage of 36 slots", (slot: number) => (slot < settledSlots - 36 || slot >= settledSlots ? 1 : 0)],
  ] as const) {
    it(`are back within ${backWithinSlots} slots after ${name}`, () => {
      const level = factorAt(slots);
      const from = settledSlots + backWithinSlots;
      const after = mean(
        seeds.map((seed) => mean(live(seriesOf(factorAt, slots, seed)).errors.slice(from, from + period))),
      );
      assert.ok(after <= 1.5 * usual * Math.max(level, 1), `the error is ${after}, and was ${usual}`);
    });
  }

  it("widen in a burst, and never beyond a few times the highest seen", () => {
    const { highs } = live(seriesOf((slot) => (slot >= settledSlots && slot < settledSlots + 10 ? 20 : 1), slots));
    const before = Math.max(...highs.slice(settledSlots - period, settledSlots));
    assert.ok(Math.max(...highs.slice(settledSlots + 1, settledSlots + 12)) > 2 * before);
    assert.ok(Math.max(...highs) <= 3 * 30 * 1100);
  });
});
