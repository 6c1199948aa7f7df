import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import {
  addPaths,
  drawPaths,
  emptySum,
  exceedance,
  maxQuantiles,
  removePaths,
  sumQuantiles,
} from "../../src/forecast/paths.js";
import { quantileCount, quantileLevels } from "../../src/forecast/quantiles.js";
import {
  cellsOf,
  createRanks,
  noteActual,
  noteForecast,
  pathCount,
  putCells,
  rankIn,
} from "../../src/forecast/ranks.js";
import { type Random, seededRandom } from "../../src/kernel/random.js";

const steps = 4;
/** Standard normal quantiles of the levels. */
const normals = [-1.645, -1.2816, -0.6745, 0, 0.6745, 1.2816, 1.645, 2.3263];

function normal(random: Random): number {
  let sum = 0;
  for (let i = 0; i < 12; i++) sum += random.next();
  return sum - 6;
}

/** Quantiles of a normal around 100, for each step. */
function rows(spread: number): Float64Array {
  return Float64Array.from(
    { length: steps * quantileCount },
    (_, at) => 100 + spread * (normals[at % quantileCount] ?? 0),
  );
}

/** A ring that saw `slots` of a series. */
function seen(values: readonly number[], spread: number) {
  const ring = createRanks(steps);
  values.forEach((value, slot) => {
    noteActual(ring, slot, value);
    noteForecast(ring, slot, rows(spread));
  });
  return ring;
}

function near(actual: number | undefined, wanted: number, share: number): void {
  ok(
    actual !== undefined && Math.abs(actual - wanted) <= share * Math.abs(wanted),
    `${actual}, wanted about ${wanted}`,
  );
}

const long = pathCount * 2;

describe("joint paths", () => {
  it("have the quantiles of their series, whatever is known of its ranks", () => {
    const increments = fc.array(fc.double({ min: 0, max: 50, noNaN: true }), {
      minLength: steps * quantileCount,
      maxLength: steps * quantileCount,
    });
    const cells = fc.option(fc.uint8Array({ minLength: pathCount * steps, maxLength: pathCount * steps }), {
      nil: undefined,
    });
    fc.assert(
      fc.property(increments, cells, fc.nat(), (given, known, seed) => {
        let sum = 0;
        const quantiles = given.map((more, at) => {
          sum = at % quantileCount === 0 ? more : sum + more;
          return sum;
        });
        const drawn = drawPaths(steps, quantiles, known, seed);
        deepStrictEqual(drawPaths(steps, quantiles, known, seed), drawn);
        const total = emptySum(steps);
        addPaths(total, drawn);
        sumQuantiles(total).forEach((value, at) => {
          const row = at - (at % quantileCount);
          const widest = (quantiles[row + quantileCount - 1] ?? 0) - (quantiles[row] ?? 0);
          // Strata are half a percent wide: at most that much of the steepest stretch.
          ok(Math.abs(value - (quantiles[at] ?? 0)) <= 0.08 * widest + 1e-3, `${value} and ${quantiles[at]}`);
        });
      }),
      { numRuns: 30 },
    );
  });

  it("know that independent series smooth each other out", () => {
    const random = seededRandom(5);
    const total = emptySum(steps);
    const count = 16;
    for (let series = 0; series < count; series++) {
      const values = Array.from({ length: long }, () => 100 + 10 * normal(random));
      addPaths(total, drawPaths(steps, rows(10), seen(values, 10).cells, series));
    }
    const found = sumQuantiles(total);
    // A sum of sixteen independent normals: 1600 ± 40.
    near(found[3], 1600, 0.01);
    near((found[6] ?? 0) - (found[3] ?? 0), 1.645 * 40, 0.3);
  });

  it("know that series which rise together peak together", () => {
    const random = seededRandom(6);
    const values = Array.from({ length: long }, () => 100 + 10 * normal(random));
    const total = emptySum(steps);
    for (let series = 0; series < 16; series++)
      addPaths(total, drawPaths(steps, rows(10), seen(values, 10).cells, series));
    const found = sumQuantiles(total);
    near(found[3], 1600, 0.01);
    near((found[6] ?? 0) - (found[3] ?? 0), 1.645 * 160, 0.05);
    near(exceedance(total, 1600 + 1.2816 * 160).steps[0], 0.1, 0.2);
  });

  it("hold to what they know when they know only a few moments", () => {
    const random = seededRandom(16);
    const values = Array.from({ length: 40 }, () => 100 + 10 * normal(random));
    const together = emptySum(steps);
    const apart = emptySum(steps);
    for (let series = 0; series < 16; series++) {
      addPaths(together, drawPaths(steps, rows(10), seen(values, 10).cells, series));
      const alone = Array.from({ length: 40 }, () => 100 + 10 * normal(random));
      addPaths(apart, drawPaths(steps, rows(10), seen(alone, 10).cells, series));
    }
    near((sumQuantiles(together)[6] ?? 0) - 1600, 1.645 * 160, 0.1);
    near((sumQuantiles(apart)[6] ?? 0) - 1600, 1.645 * 40, 0.6);
  });

  it("take it for likely that series rise together when nothing is known", () => {
    const total = emptySum(steps);
    for (let series = 0; series < 16; series++) addPaths(total, drawPaths(steps, rows(10), undefined, series));
    const width = (sumQuantiles(total)[6] ?? 0) - 1600;
    ok(width > 1.645 * 80 && width < 1.645 * 160, `${width}`);
  });

  it("know that series which rise by turns never peak together", () => {
    const random = seededRandom(7);
    const swings = Array.from({ length: long }, () => 10 * normal(random));
    const total = emptySum(steps);
    addPaths(
      total,
      drawPaths(
        steps,
        rows(10),
        seen(
          swings.map((swing) => 100 + swing),
          10,
        ).cells,
        1,
      ),
    );
    addPaths(
      total,
      drawPaths(
        steps,
        rows(10),
        seen(
          swings.map((swing) => 100 - swing),
          10,
        ).cells,
        2,
      ),
    );
    const found = sumQuantiles(total);
    ok((found[6] ?? 0) - (found[0] ?? 0) < 4, `${found[0]} to ${found[6]}`);
  });

  it("know the peak over the horizon: higher than at a step, unless the steps move as one", () => {
    const random = seededRandom(8);
    const loose = emptySum(steps);
    addPaths(
      loose,
      drawPaths(
        steps,
        rows(10),
        seen(
          Array.from({ length: long }, () => 100 + 10 * normal(random)),
          10,
        ).cells,
        1,
      ),
    );
    // The median of the largest of four independent normals lies at their 0.84 quantile.
    near(maxQuantiles(loose)[3], 100 + 10 * 0.998, 0.03);
    const stiff = emptySum(steps);
    const levels = Array.from({ length: long }, () => 100 + 10 * normal(random));
    const held = createRanks(steps);
    levels.forEach((level, at) => {
      const origin = at * steps;
      noteForecast(held, origin, rows(10));
      for (let step = 1; step <= steps; step++) noteActual(held, origin + step, level);
    });
    const known = new Uint8Array(pathCount * steps);
    for (let path = 0; path < pathCount; path++)
      known.set(held.cells.subarray((path - (path % 4)) * steps, (path - (path % 4)) * steps + steps), path * steps);
    addPaths(stiff, drawPaths(steps, rows(10), known, 1));
    near(maxQuantiles(stiff)[3], 100, 0.02);
  });

  it("forget a series that is taken out again", () => {
    const total = emptySum(steps);
    const kept = drawPaths(steps, rows(10), undefined, 1);
    const moved = drawPaths(steps, rows(30), undefined, 2);
    addPaths(total, kept);
    const before = sumQuantiles(total);
    addPaths(total, moved);
    removePaths(total, moved);
    for (const [at, value] of sumQuantiles(total).entries()) ok(Math.abs(value - (before[at] ?? 0)) < 1e-6);
  });
});

describe("ranks of the truth in its forecasts", () => {
  it("are the level whose quantile it is, and the middle of those that are equal", () => {
    const row = [10, 20, 30, 40, 50, 60, 70, 80];
    quantileLevels.forEach((level, q) => {
      // A single equal quantile: between the level below it and its own.
      const below = q === 0 ? 0 : (quantileLevels[q - 1] ?? 0);
      strictEqual(rankIn(row, 0, row[q] ?? 0), (below + level) / 2);
    });
    strictEqual(rankIn(row, 0, 35), 0.375);
    strictEqual(rankIn(row, 0, 1000), 0.995);
    strictEqual(rankIn([0, 0, 0, 0, 1, 2, 3, 4], 0, 0), 0.25);
    strictEqual(rankIn([0, 0, 0, 0, 0, 0, 0, 0], 0, 0), 0.495);
  });

  it("reach a reader cell by cell", () => {
    const random = seededRandom(9);
    const ring = createRanks(steps);
    const copy = new Uint8Array(pathCount * steps);
    for (let slot = 1000; slot < 1000 + 3 * pathCount; slot++) {
      noteActual(ring, slot, 100 + 10 * normal(random));
      noteForecast(ring, slot, rows(10));
      putCells(copy, steps, slot, cellsOf(ring, slot));
    }
    deepStrictEqual(copy, ring.cells);
  });

  it("count only what was said before, and nothing that was not observed", () => {
    const ring = createRanks(steps);
    noteActual(ring, 10, 100);
    ok(ring.cells.every((cell) => cell === 0));
    noteForecast(ring, 10, rows(10));
    noteActual(ring, 11, Number.NaN);
    noteActual(ring, 12, 100);
    deepStrictEqual([...ring.cells].filter((cell) => cell > 0).length, 1);
  });
});
