// Demand and queue. How a recorded past becomes load of a simulated cluster, and how long requests wait there.

import assert from "node:assert/strict";
import fc from "fast-check";
import { createDemand, type DemandShape, onGrid, shuffled } from "../../scripts/backtest/demand.js";
import { pass } from "../../scripts/backtest/queue.js";

const minuteMs = 60_000;
const hourMs = 3_600_000;
const shape: DemandShape = {
  intervalMs: 5 * minuteMs,
  fragmentsPerSeries: 5,
  groupsPerSeries: 3,
  lagMs: hourMs,
  homeShare: 0.8,
};

function samplesOf(values: readonly number[], everyMs: number): { atMs: number; value: number }[] {
  return values.flatMap((value, at) => (Number.isNaN(value) ? [] : [{ atMs: at * everyMs, value }]));
}

describe("backtest: demand", () => {
  it("puts coarse and fine samples on one grid without losing load", () => {
    const coarse = onGrid("a", samplesOf([10, 20, 30, 20], 10 * minuteMs), 10 * minuteMs, 5 * minuteMs, "hold", 1000);
    assert.equal(coarse.values.length, 8);
    assert.ok(coarse.values.every((value, at) => at === 0 || Math.abs(value - (coarse.values[at - 1] ?? 0)) <= 5.01));
    const fine = onGrid("b", samplesOf([1, 3, 5, 7, 9, 11], minuteMs), minuteMs, 2 * minuteMs, "hold", 1000);
    assert.deepEqual([...fine.values], [2, 6, 10]);
  });

  it("takes a time without rows for what it is told to be", () => {
    const samples = samplesOf([4, Number.NaN, Number.NaN, 8], minuteMs);
    const grid = (gaps: "hold" | "zero" | "skip"): number[] => [
      ...onGrid("a", samples, minuteMs, minuteMs, gaps, 99).values,
    ];
    assert.deepEqual(grid("hold"), [4, Number.NaN, Number.NaN, 8]);
    assert.deepEqual(grid("zero"), [4, 0, 0, 8]);
    assert.deepEqual(grid("skip"), [4, 8]);
  });

  it("splits the whole of a series over fragments and groups, and scales its peak", () => {
    const values = Float64Array.from({ length: 600 }, (_, at) => 100 + 80 * Math.sin(at / 20));
    const demand = createDemand([{ name: "a", values }], shape, 1000);
    assert.equal(demand.fragments, 5);
    assert.equal(demand.parts.length, 15);
    const totals = Array.from({ length: demand.slots }, (_, slot) =>
      demand.parts.reduce((sum, part) => sum + demand.rate(part, (slot + 0.5) * demand.intervalMs), 0),
    );
    assert.ok(Math.abs(Math.max(...totals) - 1000) < 10, `the peak is ${Math.max(...totals)}`);
    const shares = demand.parts.map(({ scale }) => scale);
    assert.ok(shares.every((scale) => scale > 0));
  });

  it("gives series the parts of the whole that they are said to have", () => {
    const values = Float64Array.from({ length: 600 }, (_, at) => 100 + 80 * Math.sin(at / 20));
    const recorded = [
      { name: "alone", values, weight: 1 },
      { name: "one", values: values.map((value) => value * 50), weight: 0.5 },
      { name: "two", values: values.map((value) => value / 50), weight: 0.5 },
    ];
    const { parts, series } = createDemand(recorded, shape, 1000);
    const loadOf = (at: number): number =>
      parts
        .filter((part) => part.series === at)
        .reduce((sum, { scale }) => sum + scale * (series[at]?.values.reduce((a, b) => a + b, 0) ?? 0), 0);
    const [alone, one, two] = [loadOf(0), loadOf(1), loadOf(2)];
    assert.ok(alone > 0);
    assert.ok(Math.abs(one / alone - 0.5) < 1e-9 && Math.abs(two / alone - 0.5) < 1e-9);
  });

  it("shuffles hours and keeps every value", () => {
    const values = Float64Array.from({ length: 120 }, (_, at) => at);
    const mixed = shuffled({ name: "a", values }, 5 * minuteMs, 7);
    assert.deepEqual(
      [...mixed.values].sort((a, b) => a - b),
      [...values],
    );
    assert.notDeepEqual([...mixed.values], [...values]);
    assert.deepEqual([...shuffled({ name: "a", values }, 5 * minuteMs, 7).values], [...mixed.values]);
  });
});

describe("backtest: queue", () => {
  const rate = fc.double({ min: 0, max: 10_000, noNaN: true });
  const capacity = fc.double({ min: 1, max: 10_000, noNaN: true });
  it("serves, keeps or refuses every request, and never keeps more than the gate's wait allows", () => {
    fc.assert(
      fc.property(rate, capacity, fc.double({ min: 0.1, max: 1, noNaN: true }), (asked, there, share) => {
        const { backlog, refused } = pass(0, asked, there, share, 60);
        const served = asked * 60 - backlog - refused;
        assert.ok(served <= there * share * 60 + 1e-6 && served >= -1e-6);
        assert.ok(backlog <= there * share * 0.04 + 1e-9);
      }),
    );
  });

  it("waits grow with the load and shrink with the capacity", () => {
    fc.assert(
      fc.property(rate, rate, capacity, capacity, (one, other, low, high) => {
        const wait = (asked: number, there: number): number => pass(0, asked, there, 1, 60).p99Ms;
        const [less, more] = [Math.min(one, other), Math.max(one, other)];
        const [small, large] = [Math.min(low, high), Math.max(low, high)];
        assert.ok(wait(less, small) <= wait(more, small) + 1e-6);
        assert.ok(wait(less, large) <= wait(less, small) + 1e-6);
      }),
    );
  });
});
