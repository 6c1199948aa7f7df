// Youth. Owns how a prior is made: stretches of what mature series have seen are lived through as if they were all that is known, and how the forecasts of such
// young series went is averaged. What the same series know when they are old would mislead: models that need seasons are the best of an old series and the worst of a young one.
// Y1 the same stretches give the same prior. Y2 its cost is that of the slots in the stretches, twice.

import { ratioUnit } from "./bands/borrowed.js";
import { meanOf, type PooledPrior } from "./pool.js";
import { quantileLevels, quantileOfSorted } from "./quantiles.js";
import { fitSeries } from "./rebuild.js";
import { createSeries, isRefitDue, lend, observe, type SeriesShape, type SeriesState } from "./series.js";
import { compileShape } from "./shape.js";

/** Undefined where there is nothing to learn from. */
export function poolYouths(shape: SeriesShape, stretches: readonly ArrayLike<number>[]): PooledPrior | undefined {
  const first = poolOnce(shape, stretches, undefined);
  // Shifts and losses are those of series that had the ratios to begin with.
  return first === undefined ? undefined : poolOnce(shape, stretches, first);
}

function poolOnce(
  shape: SeriesShape,
  stretches: readonly ArrayLike<number>[],
  prior: PooledPrior | undefined,
): PooledPrior | undefined {
  const { targets } = compileShape(shape);
  const ratios = Array.from({ length: targets }, (): number[] => []);
  const youths = stretches.map((values) => liveYouth(createSeries(shape, prior), values, ratios)).map(lend);
  if (ratios.some((of) => of.length === 0)) return undefined;
  return {
    models: meanOf(youths.map(({ models }) => models)),
    bands: meanOf(youths.map(({ bands }) => bands)),
    shifts: meanOf(youths.map(({ shifts }) => shifts)),
    ratios: Float64Array.from(ratios.flatMap(rowOf)),
    series: stretches.length,
  };
}

function rowOf(values: readonly number[]): number[] {
  const sorted = Float64Array.from(values).sort();
  return quantileLevels.map((level) => quantileOfSorted(sorted, sorted.length, level));
}

/** `ratios` takes what became of each target's forecasts. */
function liveYouth(state: SeriesState, values: ArrayLike<number>, ratios: readonly number[][]): SeriesState {
  const { shape, centres } = state;
  const said: Float64Array[] = [];
  let level = 0;
  for (let slot = 0; slot < values.length; slot++) {
    const value = values[slot] ?? Number.NaN;
    observe(state, slot, value);
    said.push(centres.slice());
    if (isRefitDue(state)) fitSeries(state);
    if (Number.isNaN(value)) continue;
    level = level === 0 ? value : 0.95 * level + 0.05 * value;
    const unit = ratioUnit(level);
    shape.delays.forEach((delay, target) => {
      const point = said[slot - delay]?.[target] ?? Number.NaN;
      let actual = value;
      if (target === shape.maxTarget)
        for (let back = 1; back < delay; back++) actual = Math.max(actual, values[slot - back] ?? Number.NaN);
      const ratio = Math.log((actual + unit) / (point + unit));
      if (!Number.isNaN(ratio)) ratios[target]?.push(ratio);
    });
  }
  return state;
}
