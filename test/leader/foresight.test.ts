// Foresight. Which forecasts a leader believes, and what it goes by where it does not.

import assert from "node:assert/strict";
import { createBoard } from "../../actors/forecaster/board.js";
import { type Foresight, foresee, stepsAt } from "../../actors/leader/plan/foresight.js";
import { horizonSteps } from "../../src/forecast/horizons.js";
import { quantileCount, quantileLevels } from "../../src/forecast/quantiles.js";
import { decodePolicy, defaultPolicy } from "../../src/plan/policy.js";
import { quietForecaster, type SeriesNews } from "../../src/protocol/forecast.js";
import { goodRecord } from "../forecast/records.js";

const slotMs = 10_000;
const wallMs = 1_000 * slotMs;
const now = 10;
const foreseen = 80;

function newsOf(more: Partial<SeriesNews> = {}): SeriesNews {
  return {
    fragment: 1,
    table: 1,
    group: "people",
    horizon: 0,
    origin: 999,
    steps: new Float32Array(horizonSteps * quantileCount).fill(foreseen),
    max: new Float32Array(quantileCount).fill(foreseen),
    recent: Float32Array.of(now),
    ranks: new Uint8Array(0),
    weights: [],
    record: goodRecord,
    profiles: [],
    ...more,
  };
}

const forecaster = quietForecaster("f1", "a");

function told(...series: SeriesNews[]): Foresight {
  const board = createBoard(100);
  for (const one of series) board.post({ forecaster, slotMs: [slotMs], models: [], series: [one] }, 0);
  const steps = stepsAt(wallMs, [slotMs], defaultPolicy);
  assert.ok(steps.endsMs.length >= 6, "there are steps to judge");
  return foresee(board, [1], [slotMs], steps, wallMs, defaultPolicy);
}

function upperOf({ loads }: Foresight): number {
  const [mean, upper] = [new Float32Array(loads.steps), new Float32Array(loads.steps)];
  loads.summarise(0, 5, mean, upper);
  return Math.max(...upper);
}

function close(value: number, to: number): void {
  assert.ok(Math.abs(value - to) < to * 1e-3 + 1e-6, `${value}, not ${to}`);
}

describe("foresight: what a leader believes", () => {
  it("believes a forecast of good record", () => {
    const foresight = told(newsOf());
    assert.deepEqual(foresight.doubted, []);
    assert.equal(foresight.loads.isForecast(0), true);
    close(upperOf(foresight), foreseen);
  });

  const young = { ...goodRecord, matured: defaultPolicy.leastMatured - 1 };
  const narrow = { ...goodRecord, coverage: quantileLevels.map(() => 0.5) };
  const unknown = { ...goodRecord, coverage: quantileLevels.map(() => Number.NaN) };
  const spoiled = (value: number): Float32Array => {
    const { steps } = newsOf();
    steps[7] = value;
    return steps;
  };
  const doubts: readonly (readonly [string, Partial<SeriesNews>, RegExp])[] = [
    ["is hours old", { origin: 600 }, /^$/],
    ["is some slots old", { origin: 990 }, /9 slots old/],
    ["is of a time to come", { origin: 1100 }, /clocks differ/],
    ["has a number that is none", { steps: spoiled(Number.NaN) }, /absurd/],
    ["is endless", { steps: spoiled(Number.POSITIVE_INFINITY) }, /absurd/],
    ["is beyond all measure", { steps: spoiled(1e20) }, /absurd/],
    ["is below zero", { steps: spoiled(-1) }, /absurd/],
    ["has too short a record", { record: young }, /239 of its forecasts/],
    ["has too narrow bands", { record: narrow }, /50 %/],
    ["has a record that says nothing", { record: unknown }, /nothing is known/],
    ["drifts", { record: { ...goodRecord, isDrifting: true } }, /something has changed/],
    ["is worse than the seasonal naive", { record: { ...goodRecord, pinball: 9 } }, /4.50 times as wrong/],
  ];
  for (const [what, more, why] of doubts)
    it(`goes by the load of late where a forecast ${what}`, () => {
      const foresight = told(newsOf(more));
      assert.match(foresight.doubted[0]?.why ?? "", why);
      assert.equal(foresight.loads.isForecast(0), foresight.series === 0);
      // Of what nobody told of for long nothing is known, the load of late neither.
      const expected = foresight.series === 0 ? 0 : now;
      close(foresight.nowTotal, expected);
      close(upperOf(foresight), expected);
    });

  it("a load of late that is missing counts as none", () => {
    assert.equal(told(newsOf({ recent: Float32Array.of(Number.NaN) })).nowTotal, 0);
    assert.equal(told(newsOf({ recent: new Float32Array(0) })).nowTotal, 0);
  });

  it("one group is believed and the other not: only its load is foreseen", () => {
    const foresight = told(newsOf(), newsOf({ group: "robots", record: young }));
    close(upperOf(foresight), foreseen + now);
    assert.deepEqual(
      foresight.doubted.map(({ group }) => group),
      ["robots"],
    );
  });

  it("a record is judged by the policy", () => {
    const strict = decodePolicy({ leastMatured: 10_000 });
    assert.ok(strict.ok);
    const board = createBoard(100);
    board.post({ forecaster, slotMs: [slotMs], models: [], series: [newsOf()] }, 0);
    const steps = stepsAt(wallMs, [slotMs], strict.value);
    assert.equal(foresee(board, [1], [slotMs], steps, wallMs, strict.value).doubted.length, 1);
  });
});
