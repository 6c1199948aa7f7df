// Seasons: found where they are, and nowhere else.

import assert from "node:assert/strict";
import fc from "fast-check";
import { carveBlock, measureBlock } from "../../src/forecast/block.js";
import { carveHistory, pushSlot } from "../../src/forecast/history.js";
import { findPeriods, longestPeriods } from "../../src/forecast/periods.js";
import { compileShape } from "../../src/forecast/shape.js";
import { seededRandom } from "../../src/kernel/random.js";

const minuteMs = 60_000;

function periodsOf(values: readonly number[], intervalMs: number): readonly number[] {
  const shape = compileShape({ intervalMs, horizonSteps: 12, historySlots: 8640 });
  const block = new ArrayBuffer(measureBlock((from) => carveHistory(from, shape)));
  const history = carveHistory(carveBlock(block), shape);
  values.forEach((value, slot) => {
    pushSlot(history, slot, value, 0);
  });
  const out = new Float64Array(longestPeriods);
  findPeriods(history, intervalMs, out);
  return [...out];
}

function made(count: number, value: (slot: number, noise: number) => number): number[] {
  const random = seededRandom(11);
  return Array.from({ length: count }, (_, slot) => Math.max(0, value(slot, random.next() - 0.5)));
}

const turn = (slot: number, period: number): number => Math.sin((2 * Math.PI * slot) / period);

describe("seasons", () => {
  it("a day and a week of five minutes", () => {
    const weekly = made(8640, (slot, noise) => 100 + 60 * turn(slot, 288) + (slot % 2016 < 576 ? -35 : 0) + 20 * noise);
    assert.deepEqual(periodsOf(weekly, 5 * minuteMs).slice(0, 2), [288, 2016]);
  });

  it("a day of hours, under a trend", () => {
    const [day] = periodsOf(
      made(600, (slot, noise) => 100 + slot / 2 + 50 * turn(slot, 24) + 10 * noise),
      60 * minuteMs,
    );
    assert.equal(day, 24);
  });

  it("a minute of seconds, which no calendar knows", () => {
    const [minute] = periodsOf(
      made(400, (slot, noise) => 50 + 40 * turn(slot, 60) + 10 * noise),
      1000,
    );
    assert.ok(minute !== undefined && Math.abs(minute - 60) <= 1, `found ${minute}`);
  });

  it("bursts at a fixed time", () => {
    const [period] = periodsOf(
      made(2000, (slot, noise) => (slot % 96 < 4 ? 400 : 20) + 10 * noise),
      15 * minuteMs,
    );
    assert.equal(period, 96);
  });

  it("none in noise, in a constant, in zeros, in a line, in what is too short", () => {
    assert.equal(
      periodsOf(
        made(2000, (_, noise) => 100 + 80 * noise),
        minuteMs,
      )[0],
      0,
    );
    assert.equal(periodsOf(new Array<number>(2000).fill(7), minuteMs)[0], 0);
    assert.equal(periodsOf(new Array<number>(2000).fill(0), minuteMs)[0], 0);
    assert.equal(
      periodsOf(
        made(2000, (slot) => slot),
        minuteMs,
      )[0],
      0,
    );
    assert.equal(
      periodsOf(
        made(20, (slot) => 10 + 5 * turn(slot, 8)),
        minuteMs,
      )[0],
      0,
    );
  });

  it("do not depend on the unit", () => {
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 200 }), fc.double({ min: 0.01, max: 1e6, noNaN: true }), (period, unit) => {
        const curve = made(1200, (slot, noise) => 10 + 8 * turn(slot, period) + noise);
        const [found = 0] = periodsOf(curve, 1000);
        const [scaled = 0] = periodsOf(
          curve.map((value) => value * unit),
          1000,
        );
        assert.equal(scaled, found);
        assert.ok(Math.abs(found - period) <= Math.max(1, period / 20), `${period} was found as ${found}`);
      }),
      // 127: the peak moved over the bound between two bands, and twice the season was found.
      { numRuns: 40, examples: [[127, 0.01]] },
    );
  });
});
