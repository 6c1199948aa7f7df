// Replay: forecasts of a recorded past must not know what came after their origin, whatever the rest of the file looks like.

import assert from "node:assert/strict";
import fc from "fast-check";
import { quantileCount } from "../../src/forecast/quantiles.js";
import { intervalOf, type ReplayShape, replay, type Sample } from "../../src/forecast/replay.js";
import type { SeriesForecast } from "../../src/forecast/series.js";

const shape: ReplayShape = { horizonSteps: 6, intervalMs: 60_000 };

function samplesOf(values: readonly number[]): Sample[] {
  return values.map((value, at) => ({ atMs: 1_700_000_000_000 + at * shape.intervalMs, value }));
}

function forecasts(samples: readonly Sample[], origins: readonly number[]): SeriesForecast[] {
  const said: SeriesForecast[] = [];
  replay(
    samples,
    origins.map((at) => samples[at]?.atMs ?? 0),
    shape,
    (_origin, forecast) => said.push(forecast),
  );
  return said;
}

const loads = fc.array(fc.oneof(fc.nat(200), fc.constant(Number.NaN), fc.double({ min: 0, max: 1e9, noNaN: true })), {
  minLength: 40,
  maxLength: 120,
});

describe("forecasts of a recorded past", () => {
  it("don't change when what comes after their origin does", () => {
    fc.assert(
      fc.property(loads, loads, fc.nat(19), (before, after, late) => {
        const origin = 20 + late;
        const known = before.slice(0, origin + 1);
        const one = samplesOf([...known, ...before.slice(origin + 1)]);
        const other = samplesOf([...known, ...after]);
        assert.deepEqual(forecasts(one, [10, origin]), forecasts(other, [10, origin]));
        assert.deepEqual(forecasts(one, [10, origin]), forecasts(samplesOf(known), [10, origin]));
      }),
      { numRuns: 30 },
    );
  });

  it("take the interval from what lies before the origin only", () => {
    const samples = samplesOf([1, 2, 3, 4]);
    const denser = Array.from({ length: 50 }, (_, at) => ({
      atMs: (samples[3]?.atMs ?? 0) + 1000 * (at + 1),
      value: 1,
    }));
    assert.equal(intervalOf([...samples, ...denser], samples[3]?.atMs ?? 0), 60_000);
    assert.equal(intervalOf(samples.slice(0, 1), Number.POSITIVE_INFINITY), undefined);
    const gappy = samples.filter((_, at) => at !== 1);
    assert.equal(intervalOf([...gappy, ...samplesOf([0, 0, 0, 0, 0, 0]).slice(4)], Number.POSITIVE_INFINITY), 60_000);
  });

  it("hold out with constants, zeros, gaps, one sample and huge values", () => {
    const cases: readonly (readonly [string, readonly number[]])[] = [
      ["a constant", new Array<number>(100).fill(7)],
      ["zeros", new Array<number>(100).fill(0)],
      ["half gaps", Array.from({ length: 100 }, (_, at) => (at % 2 === 0 ? 10 + (at % 7) : Number.NaN))],
      ["one sample", [5]],
      ["nothing but gaps", new Array<number>(30).fill(Number.NaN)],
      ["10^12", Array.from({ length: 100 }, (_, at) => 1e12 * (1 + 0.1 * Math.sin(at)))],
    ];
    for (const [name, values] of cases) {
      const said = forecasts(samplesOf(values), [values.length - 1]);
      assert.equal(said.length, 1);
      const rows = [...(said[0]?.steps ?? []), ...(said[0]?.max ?? [])];
      assert.equal(rows.length, 7 * quantileCount);
      const most = Math.max(...values.filter((value) => !Number.isNaN(value)), 0);
      for (const value of rows) assert.ok(value >= 0 && value <= 4 * most, `${name}: ${value}`);
    }
    const constant = forecasts(samplesOf(new Array<number>(100).fill(7)), [99])[0];
    for (const value of constant?.steps ?? []) assert.ok(Math.abs(value - 7) < 0.35, `a constant of 7 became ${value}`);
  });
});
