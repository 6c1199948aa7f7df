// Point models: each does what it is there for on a series made for it, says nothing where it knows nothing, and tells no value that is not finite.

import assert from "node:assert/strict";
import fc from "fast-check";
import { carveBlock, measureBlock } from "../../src/forecast/block.js";
import { carveHistory, pushSlot } from "../../src/forecast/history.js";
import { harmonic } from "../../src/forecast/models/harmonic.js";
import { holtWinters } from "../../src/forecast/models/holt-winters.js";
import { lastValue } from "../../src/forecast/models/last-value.js";
import { type ModelKind, Past } from "../../src/forecast/models/model.js";
import { modelKinds } from "../../src/forecast/models/registry.js";
import { regression } from "../../src/forecast/models/regression.js";
import { seasonalNaive } from "../../src/forecast/models/seasonal-naive.js";
import { spar } from "../../src/forecast/models/spar.js";
import { longestPeriods } from "../../src/forecast/periods.js";
import { compileShape } from "../../src/forecast/shape.js";
import { seededRandom } from "../../src/kernel/random.js";

const shape = compileShape({ intervalMs: 60_000, horizonSteps: 12, historySlots: 4096 });
const refitEvery = 24;

/** What a model that lived through `values` says of the next steps; periods are given, not looked for. */
function forecastOf(kind: ModelKind, values: readonly number[], periods: readonly number[]): readonly number[] {
  const block = new ArrayBuffer(
    measureBlock((from) => {
      carveHistory(from, shape);
      kind.bind(from, shape);
    }),
  );
  const carver = carveBlock(block);
  const history = carveHistory(carver, shape);
  const periodsFound = new Float64Array(longestPeriods);
  const past = new Past(shape, history, periodsFound);
  const model = kind.bind(carver, shape);
  values.forEach((value, slot) => {
    pushSlot(history, slot, value, past.period(0));
    model.observe?.(past, !Number.isNaN(value));
    if (slot % refitEvery !== refitEvery - 1) return;
    // A season is only found when it was there twice.
    periods.forEach((period, at) => {
      if (past.count >= 2 * period) periodsFound[at] = period;
    });
    model.refit?.(past);
  });
  const out = new Float64Array(kind.names.length * (shape.horizonSteps + 1)).fill(Number.NaN);
  model.predict(past, out);
  return [...out.subarray(0, shape.horizonSteps)];
}

function made(count: number, value: (slot: number) => number): number[] {
  return Array.from({ length: count }, (_, slot) => value(slot));
}

/** Largest distance from the truth of the steps that come, over the height of the curve. */
function errorOf(kind: ModelKind, count: number, truth: (slot: number) => number, periods: readonly number[]): number {
  const past = made(count, truth);
  const height = Math.max(...past) - Math.min(...past);
  const said = forecastOf(kind, past, periods);
  return Math.max(...said.map((value, at) => Math.abs(value - truth(count + at)))) / height;
}

const wave = (slot: number): number => 100 + 60 * Math.sin((2 * Math.PI * slot) / 48);
const saw = (slot: number): number => 20 + (slot % 48);

describe("point models", () => {
  it("last value: goes on as it is, also behind a gap", () => {
    assert.deepEqual(forecastOf(lastValue, [3, 8, 5], []), new Array(12).fill(5));
    assert.deepEqual(forecastOf(lastValue, [3, 8, 5, Number.NaN], []), new Array(12).fill(5));
  });

  it("seasonal naive: a season repeats itself, however far ahead", () => {
    assert.ok(errorOf(seasonalNaive(0), 200, saw, [48]) < 1e-9);
    assert.ok(errorOf(seasonalNaive(1), 200, saw, [7, 48]) < 1e-9);
    // A season shorter than the horizon: the last one that is known.
    assert.deepEqual(
      forecastOf(
        seasonalNaive(0),
        made(30, (slot) => 1 + (slot % 5)),
        [5],
      ).slice(0, 6),
      [1, 2, 3, 4, 5, 1],
    );
    assert.ok(forecastOf(seasonalNaive(0), [1, 2, 3], [0]).every(Number.isNaN));
  });

  it("Holt-Winters: season and level together; a shift of the level is followed", () => {
    assert.ok(errorOf(holtWinters, 600, wave, [48]) < 0.03);
    const shifted = (slot: number): number => (Math.sqrt(wave(slot)) + (slot > 800 ? 6 : 0)) ** 2;
    assert.ok(errorOf(holtWinters, 1000, shifted, [48]) < 0.1);
  });

  it("harmonic regression: waves of two seasons and a trend", () => {
    const two = (slot: number): number =>
      (12 + 3 * Math.sin((2 * Math.PI * slot) / 48) + Math.cos((2 * Math.PI * slot) / 336)) ** 2;
    assert.ok(errorOf(harmonic, 2000, two, [48, 336]) < 0.02);
    const growing = (slot: number): number => (10 + slot / 500 + 2 * Math.sin((2 * Math.PI * slot) / 48)) ** 2;
    assert.ok(errorOf(harmonic, 2000, growing, [48]) < 0.05);
  });

  it("SPAR: a season plus what the last slots are off it, better than the season alone", () => {
    const random = seededRandom(7);
    let off = 0;
    const drift = made(3000, () => {
      off = 0.98 * off + 6 * (random.next() - 0.5);
      return off;
    });
    const truth = (slot: number): number => wave(slot) + (drift[slot] ?? 0);
    let own = 0;
    let naive = 0;
    for (let origin = 1500; origin < 2900; origin += 200) {
      const past = made(origin, truth);
      const pairs = [forecastOf(spar, past, [48]), forecastOf(seasonalNaive(0), past, [48])];
      const [a = 0, b = 0] = pairs.map((said) =>
        said.reduce((sum, value, at) => sum + Math.abs(value - truth(origin + at)), 0),
      );
      own += a;
      naive += b;
    }
    assert.ok(own < 0.8 * naive, `SPAR ${own.toFixed(0)}, the season alone ${naive.toFixed(0)}`);
  });

  it("regressions: learn a curve that no single one of their inputs is", () => {
    const mixed = (slot: number): number => saw(slot) + 0.5 * wave(slot);
    for (const kind of [regression("raw", [3000]), regression("root", [300, 3000]), regression("log", [300, 3000])])
      assert.ok(errorOf(kind, 1500, mixed, [48]) < 0.25, kind.names.join());
  });

  it("all: finite and not negative whatever they saw, or silent", () => {
    const value = fc.oneof(
      fc.constant(0),
      fc.nat(1000),
      fc.double({ min: 0, max: 1e12, noNaN: true }),
      fc.constant(Number.NaN),
    );
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 150 }), fc.constantFrom(0, 5, 24), (values, period) => {
        for (const kind of modelKinds)
          for (const said of forecastOf(kind, values, [period]))
            assert.ok(Number.isNaN(said) || (Number.isFinite(said) && said >= 0), `${kind.names.join()} says ${said}`);
      }),
      { numRuns: 20 },
    );
  });
});
