// Rebuild. Owns how a series begins with a past: all of it is remembered, and only the last stretch is lived through again, forecast by forecast.
// A series lived through from its first slot would be a little better calibrated and cost a hundred times as much.

import type { PooledPrior } from "./pool.js";
import { createSeries, observe, preload, refit, type SeriesShape, type SeriesState } from "./series.js";

/** Slots that are forecast and judged anew. */
const livedSlots = 160;
/** Slots that the models learn from, one by one; those before are only looked back at. Nine days of five minutes. */
const learntSlots = 2592;
/** Below this many remembered slots there is nothing to fit. */
const fewest = 24;

/** `values` from slot `first` on; NaN where nothing is known. */
export function rebuildSeries(
  shape: SeriesShape,
  first: number,
  values: ArrayLike<number>,
  prior?: PooledPrior,
): SeriesState {
  const state = createSeries(shape, prior);
  const lived = Math.min(livedSlots, Math.ceil(values.length / 2));
  const remembered = values.length - lived;
  const past = Array.from({ length: remembered }, (_, at) => values[at] ?? Number.NaN);
  preload(state, first, past, learntSlots);
  if (remembered >= fewest) refit(state);
  for (let at = remembered; at < values.length; at++) observe(state, first + at, values[at] ?? Number.NaN);
  if (values.length >= fewest) refit(state);
  return state;
}
