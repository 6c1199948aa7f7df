// Series: what must hold for every history: order, sign, determinism, no look ahead, and state that survives a journey.

import assert from "node:assert/strict";
import fc from "fast-check";
import { quantileCount } from "../../src/forecast/quantiles.js";
import { fitSeries } from "../../src/forecast/rebuild.js";
import {
  createSeries,
  forecast,
  isRefitDue,
  observe,
  packSeries,
  record,
  type SeriesState,
  unpackSeries,
} from "../../src/forecast/series.js";

const shape = { intervalMs: 10_000, horizonSteps: 12, historySlots: 256 };

const value = fc.oneof(
  fc.nat(50),
  fc.double({ min: 0, max: 1e12, noNaN: true }),
  fc.constant(0),
  fc.constant(Number.NaN),
);
const histories = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), value), { minLength: 1, maxLength: 120 });

function live(state: SeriesState, slots: readonly (readonly [number, number])[], from = 1000): number {
  let slot = from;
  for (const [step, seen] of slots) {
    slot += step;
    observe(state, slot, seen);
    if (isRefitDue(state)) fitSeries(state);
  }
  return slot;
}

function assertRow(row: Float64Array, from: number): void {
  let before = 0;
  for (let q = 0; q < quantileCount; q++) {
    const here = row[from + q] ?? Number.NaN;
    assert.ok(Number.isFinite(here) && here >= before, `quantile ${q} is ${here} after ${before}`);
    before = here;
  }
}

describe("forecast series", () => {
  it("gives finite quantiles that never cross and are never negative", () => {
    fc.assert(
      fc.property(histories, (slots) => {
        const state = createSeries(shape);
        live(state, slots);
        const { steps, max } = forecast(state);
        for (let step = 0; step < shape.horizonSteps; step++) assertRow(steps, step * quantileCount);
        assertRow(max, 0);
      }),
    );
  });

  it("is the same for the same history, also after a journey through a pack", () => {
    fc.assert(
      fc.property(histories, histories, (before, after) => {
        const [one, other] = [createSeries(shape), createSeries(shape)];
        const slot = live(one, before);
        live(other, before);
        const packed = packSeries(other);
        const moved = unpackSeries({ ...packed, buffers: packed.buffers.map((buffer) => structuredClone(buffer)) });
        assert.ok(moved !== undefined);
        live(one, after, slot);
        live(moved, after, slot);
        assert.deepEqual(forecast(moved), forecast(one));
        assert.deepEqual(record(moved), record(one));
      }),
    );
  });

  it("takes late values into gaps only, and knows repeated ones", () => {
    const state = createSeries(shape);
    observe(state, 100, 5);
    observe(state, 103, 7);
    assert.equal(observe(state, 101, 6), "late");
    assert.equal(observe(state, 101, 9), "duplicate");
    assert.equal(observe(state, 103, 9), "duplicate");
    assert.equal(observe(state, 50, 9), "tooOld");
    assert.equal(state.past.at(101), 6);
    const { observed, missing, late, duplicate } = record(state);
    assert.deepEqual({ observed, missing, late, duplicate }, { observed: 2, missing: 2, late: 1, duplicate: 2 });
    assert.equal(forecast(state).origin, 103);
  });

  it("begins anew after a gap longer than its history", () => {
    const state = createSeries(shape);
    observe(state, 1, 5);
    observe(state, 1_000_000, 7);
    assert.equal(state.past.count, 1);
    const median = forecast(state).steps[3] ?? Number.NaN;
    assert.ok(median >= 0 && median <= 14, `the median is ${median}`);
  });

  it("refuses a pack of another size", () => {
    const packed = packSeries(createSeries(shape));
    assert.equal(unpackSeries({ ...packed, shape: { ...shape, historySlots: 512 } }), undefined);
    assert.equal(unpackSeries({ ...packed, version: 0 }), undefined);
  });
});
