// The production planner in a simulated cluster: what each policy makes of loads that are foreseen, steady, absurd, or too much.

import assert from "node:assert/strict";
import { createDemand, type Demand, type Series } from "../../scripts/backtest/demand.js";
import { live, type RunShape } from "../../scripts/backtest/run.js";
import { foresay, type Sayings, truthOf } from "../../scripts/backtest/sayings.js";
import type { Outcome } from "../../scripts/backtest/score.js";
import { decodePolicy, type Policy } from "../../src/plan/policy.js";
import { testHash } from "../hash.js";

const hourMs = 3_600_000;
const intervalMs = 900_000;
const slotsADay = 96;
const windowMs = 300_000;
const gib = 2 ** 30;
const town: RunShape = {
  nodes: 3,
  capacityQps: 2000,
  replicas: 1,
  fragmentBytes: 10 * gib,
  spreadShare: 0,
  windowMs,
};

function policyOf(mode: string, given: object = {}): Policy {
  const decoded = decodePolicy({ mode, roundMs: windowMs, horizonMs: 3 * hourMs, ...given });
  assert.ok(decoded.ok);
  return decoded.value;
}

/** Days of a tenant whose clients come in the morning, with a ramp of half an hour. */
function daily(days: number): Series {
  const values = Float64Array.from({ length: days * slotsADay }, (_, slot) => {
    const hour = (slot % slotsADay) / 4;
    return hour >= 8 && hour < 12 ? 100 : 20;
  });
  return { name: "daily", values };
}

function demandOf(series: Series, fill: number, fragmentsPerSeries = 12): Demand {
  const shape = { intervalMs, fragmentsPerSeries, groupsPerSeries: 4, lagMs: 6 * hourMs, homeShare: 1 };
  return createDemand([series], shape, town.nodes * town.capacityQps * fill);
}

function run(
  name: string,
  demand: Demand,
  sayings: readonly Sayings[] | undefined,
  more: Partial<RunShape> = {},
  given: object = {},
): Outcome {
  const policy = policyOf(name === "oracle" ? "predictive" : name, given);
  const outcome = live({ name, demand, sayings, policy, shape: { ...town, ...more }, hash: testHash });
  assert.ok(outcome.windows.length >= 100, "there is something to judge");
  assert.equal(outcome.hasty, 0, "no fragment moves twice within its cool-down");
  assert.ok(outcome.mostMovedShare <= 0.09, `a round moved ${outcome.mostMovedShare} of the data`);
  return outcome;
}

describe("backtest: policies", () => {
  it("who foresees the mornings is ready for them; who reacts is late every day; static never is", function () {
    this.timeout(300_000);
    const demand = demandOf(daily(4), 0.8);
    const fixed = run("static", demand, undefined);
    // In pieces as they are: small ones can be moved within moments of need, by whoever moves them.
    const whole = { splits: false };
    const reactive = run("reactive", demand, undefined, {}, whole);
    const oracle = run("oracle", demand, demand.series.map(truthOf), {}, whole);
    const said = demand.series.map((series) => foresay(series, intervalMs, () => undefined));
    const predictive = run("predictive", demand, said, {}, whole);
    assert.ok(reactive.violations > 50, `reactive: ${reactive.violations}`);
    assert.ok(fixed.violations > reactive.violations, `static: ${fixed.violations}`);
    assert.ok(
      oracle.violations * 5 <= reactive.violations,
      `oracle: ${oracle.violations} against ${reactive.violations}`,
    );
    const later = ({ violations, firstDayViolations }: Outcome): number => violations - firstDayViolations;
    assert.ok(
      later(predictive) * 5 <= later(reactive),
      `predictive after the first day: ${later(predictive)} against ${later(reactive)}`,
    );
    assert.ok(predictive.begun.some(({ cause, isLate }) => cause === "forecast" && !isLate));
  });

  it("under a steady load nothing moves after the first settling, for ten days", () => {
    const steady = { name: "steady", values: new Float64Array(12 * slotsADay).fill(50) };
    const demand = demandOf(steady, 0.6);
    for (const [name, sayings] of [
      ["reactive", undefined],
      ["predictive", demand.series.map(truthOf)],
    ] as const) {
      const { windows, lastMoveMs } = run(name, demand, sayings);
      assert.ok(windows.length * windowMs >= 10 * 24 * hourMs, "ten days");
      assert.ok(lastMoveMs < 6 * hourMs, `${name} moved at hour ${lastMoveMs / hourMs}`);
    }
  });
});

describe("backtest: bad input", function () {
  this.timeout(120_000);
  const demand = demandOf(daily(2), 0.8);
  let bound = 0;
  before(() => {
    bound = run("reactive", demand, undefined).violations;
  });
  function strange(change: (sayings: Sayings) => Partial<Sayings>): Sayings[] {
    return demand.series.map((series) => {
      const truth = truthOf(series);
      return { ...truth, ...change(truth) };
    });
  }
  const rows = (value: (at: number) => number): Float32Array => Float32Array.from({ length: 96 }, (_, at) => value(at));

  it("forecasts that are absurd, missing or of bad record count as none: it is as good as reacting", () => {
    const cases: Readonly<Record<string, Sayings[]>> = {
      absurd: strange(() => ({ rows: () => rows(() => Number.NaN) })),
      endless: strange(() => ({ rows: () => rows(() => Number.POSITIVE_INFINITY) })),
      young: strange(({ record }) => ({ record: (at) => ({ ...record(at), matured: 3 }) })),
      wrong: strange(({ record }) => ({ record: (at) => ({ ...record(at), pinball: 9, naivePinball: 1 }) })),
      narrow: strange(({ record }) => ({
        record: (at) => ({ ...record(at), coverage: record(at).coverage.map(() => 0.5) }),
      })),
    };
    for (const [what, sayings] of Object.entries(cases)) {
      const { violations } = run("predictive", demand, sayings);
      assert.ok(violations <= bound * 1.05 + 1, `${what}: ${violations} against ${bound}`);
    }
  });

  it("forecasts that are believed and wrong do bounded harm", () => {
    const inverted = strange(({ rows: said }) => ({ rows: (origin) => said(origin + 48) }));
    const { violations } = run("predictive", demand, inverted);
    assert.ok(violations <= bound * 3 + 20, `${violations} against ${bound}`);
  });

  it("without capacities nothing moves, and nothing fails", () => {
    assert.deepEqual(run("predictive", demand, demand.series.map(truthOf), { capacityQps: 0 }).begun, []);
  });

  it("where all nodes are overloaded data is not shuffled about", () => {
    const tooMuch = demandOf({ name: "flood", values: new Float64Array(2 * slotsADay).fill(50) }, 1.6);
    for (const name of ["reactive", "oracle"]) {
      const { begun, violations, windows } = run(name, tooMuch, tooMuch.series.map(truthOf));
      assert.equal(violations, windows.length);
      const moves = begun.filter(({ kind }) => kind !== "split");
      assert.ok(moves.length <= 12, `${name} began ${moves.length} moves`);
    }
  });

  it("one fragment hotter than any node is split, or left where it is", () => {
    const one = demandOf({ name: "hot", values: new Float64Array(2 * slotsADay).fill(50) }, 0.5, 1);
    const { splits, begun } = run("oracle", one, one.series.map(truthOf));
    assert.ok(splits > 0);
    const without = run("oracle", one, one.series.map(truthOf), {}, { splits: false });
    assert.equal(without.splits, 0);
    assert.ok(begun.length + without.begun.length < 60);
  });
});
