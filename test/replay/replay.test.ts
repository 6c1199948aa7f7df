// Replay. The parts of a replay that need no cluster: traces on a grid, demand, arrivals, and what a client counts as a violation.

import { strict as assert } from "node:assert";
import fc from "fast-check";
import { dailyDemand, dayMs } from "../../scripts/demo/day.js";
import { clock } from "../../scripts/demo/screen.js";
import { createArrivals, poisson } from "../../scripts/replay/arrivals.js";
import { createDemand } from "../../scripts/replay/demand.js";
import { Meter } from "../../scripts/replay/meter.js";
import { onGrid, shuffled } from "../../scripts/replay/recorded.js";
import { seededRandom } from "../../src/kernel/random.js";

const hourMs = 3_600_000;

describe("replay: traces", () => {
  it("gaps have the value before them; a trace that mostly stands still is read row by row", () => {
    const at = (hour: number, value: number) => ({ atMs: hour * hourMs, value });
    const grid = onGrid("x", [at(0, 1), at(1, 2), at(3, 4), at(4, 5)]);
    assert.deepEqual([[...grid.values], grid.isByRow, grid.intervalMs], [[1, 2, 2, 4, 5], false, hourMs]);
    const closed = onGrid("x", [at(0, 1), at(1, 2), at(2, 3), at(24, 4), at(25, 5), at(26, 6)]);
    assert.deepEqual([[...closed.values], closed.isByRow], [[1, 2, 3, 4, 5, 6], true]);
  });

  it("shuffled hours are the same values in another order, the same for the same seed", () => {
    const grid = {
      name: "x",
      intervalMs: hourMs / 2,
      values: Float64Array.from({ length: 100 }, (_, at) => at),
      isByRow: false,
    };
    const mixed = shuffled(grid, 1).values;
    assert.deepEqual(mixed, shuffled(grid, 1).values);
    assert.notDeepEqual(mixed, grid.values);
    assert.deepEqual(
      [...mixed].sort((a, b) => a - b),
      [...grid.values],
    );
    for (let at = 0; at < 100; at += 2) assert.equal((mixed[at + 1] ?? 0) - (mixed[at] ?? 0), 1);
  });
});

describe("replay: demand", () => {
  it("fills the wished rate at its peak, and each region lives so many hours later", () => {
    const values = Float64Array.from({ length: 24 * 6 }, (_, at) => 10 + (at % 24));
    const series = [{ name: "x", intervalMs: hourMs, values }];
    const wish = {
      fragmentsPerSeries: 4,
      regions: 2,
      lagMs: 6 * hourMs,
      peakQps: 300,
      fromMs: 24 * hourMs,
      toMs: 120 * hourMs,
    };
    const { streams, rate } = createDemand(series, wish);
    assert.deepEqual(
      streams.map(({ region, fragment }) => [region, fragment]),
      [
        [0, 0],
        [1, 1],
        [0, 2],
        [1, 3],
      ],
    );
    const [here, later] = streams;
    assert.ok(here !== undefined && later !== undefined);
    const noonMs = 60 * hourMs;
    assert.ok(Math.abs(rate(here, noonMs) - rate(later, noonMs + 6 * hourMs)) < 1e-9);
    let peak = 0;
    for (let atMs = wish.fromMs; atMs < wish.toMs; atMs += hourMs)
      peak = Math.max(
        peak,
        streams.reduce((sum, stream) => sum + rate(stream, atMs), 0),
      );
    assert.ok(Math.abs(peak - 300) < 1, `the peak is ${peak}`);
  });

  it("the demo's day cannot be borne by one placement, but by one that changes", () => {
    const { streams, rate } = dailyDemand(3, 135);
    const limit = 85;
    const placements = Array.from({ length: 3 ** streams.length }, (_, at) =>
      streams.map((_stream, index) => Math.floor(at / 3 ** index) % 3),
    );
    const borne = (placement: readonly number[], atMs: number): boolean => {
      const loads = [0, 0, 0];
      streams.forEach((stream, index) => {
        const node = placement[index] ?? 0;
        loads[node] = (loads[node] ?? 0) + rate(stream, atMs);
      });
      return loads.every((load) => load <= limit);
    };
    const hours = Array.from({ length: 48 }, (_, at) => dayMs + (at * hourMs) / 2);
    assert.ok(placements.every((placement) => hours.some((atMs) => !borne(placement, atMs))));
    assert.ok(hours.every((atMs) => placements.some((placement) => borne(placement, atMs))));
  });

  it("the demo's clock goes through midnight, before and after the beginning", () => {
    const scale = { ceiling: 100, fullShare: 0.85, hoursPerSecond: 0.4, hourAtBegin: 0, regionOf: () => "" };
    assert.equal(clock(0, scale), "day 1 00:00");
    assert.equal(clock(61_250, scale), "day 2 00:30");
  });
});

describe("replay: arrivals", () => {
  it("depend on the seed alone, not on when they are asked for, and come as often as the rate says", () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 20 }), (seed, steps) => {
        const whole = createArrivals(() => 50, seededRandom(seed)).until(20_000);
        const piecemeal = createArrivals(() => 50, seededRandom(seed));
        const pieces: number[] = [];
        let atMs = 0;
        for (const step of steps) {
          atMs += step;
          pieces.push(...piecemeal.until(atMs));
        }
        pieces.push(...piecemeal.until(20_000));
        assert.deepEqual(pieces, whole);
        assert.ok(Math.abs(whole.length - 1000) < 200);
      }),
      { numRuns: 20 },
    );
  });

  it("large counts scatter around their mean", () => {
    const random = seededRandom(7);
    const drawn = Array.from({ length: 300 }, () => poisson(900, random));
    const mean = drawn.reduce((sum, one) => sum + one, 0) / drawn.length;
    const spread = Math.sqrt(drawn.reduce((sum, one) => sum + (one - mean) ** 2, 0) / drawn.length);
    assert.ok(Math.abs(mean - 900) < 8 && spread > 24 && spread < 36, `${mean} ± ${spread}`);
  });
});

describe("replay: meter", () => {
  it("a window is violated by one refusal, one failure, or its slowest hundredth; not when the generator was late", () => {
    const meter = new Meter(5);
    for (let query = 0; query < 400; query++) meter.served((query % 5) * 1000 + query, 5);
    meter.refused(0);
    meter.failed(1000);
    for (let query = 0; query < 5; query++) meter.served(2100, 80);
    meter.refused(4000);
    meter.late(4100, 40);
    const windows = meter.windows();
    assert.deepEqual(
      windows.map(({ isViolated }) => isViolated),
      [true, true, true, false, false],
    );
    assert.deepEqual(
      windows.map(({ isLate }) => isLate),
      [false, false, false, false, true],
    );
  });
});
