// Rebuild. Owns how a series begins with a past, or begins anew with its own: all of it is remembered, and only the last stretch is lived through again,
// forecast by forecast. A series lived through from its first slot would be a little better calibrated and cost a hundred times as much.

import { historyCount, stretchOf } from "./history.js";
import type { PooledPrior } from "./pool.js";
import {
  createSeries,
  fewestFitted,
  foreseeSeasons,
  observe,
  preload,
  refit,
  type SeriesShape,
  type SeriesState,
} from "./series.js";

/** Slots that are forecast and judged anew. */
const livedSlots = 160;
/** Slots that the models learn from, one by one; those before are only looked back at. Nine days of five minutes. */
const learntSlots = 2592;
/** A season that is found later than this many times its length was not there before: what was learnt without it was right then. */
const youngSeasons = 4;
const mostRelived = 600;

/** `values` from slot `first` on; NaN where nothing is known. */
export function rebuildSeries(
  shape: SeriesShape,
  first: number,
  values: ArrayLike<number>,
  prior?: PooledPrior,
): SeriesState {
  return liveThrough(createSeries(shape, prior), first, values, Math.min(livedSlots, Math.ceil(values.length / 2)));
}

/**
 * Fits what is too dear for every slot. A young series that has found its season lives its past again with it: the errors of forecasts that knew of none
 * would make its intervals too wide, and its weights wrong, for many seasons. Its record stays that of what it said.
 */
export function fitSeries(state: SeriesState): void {
  const before = state.past.period(0);
  refit(state);
  const season = state.past.period(0);
  const count = historyCount(state.history);
  if (season === before || season === 0 || count > youngSeasons * season) return;
  const { first, values } = stretchOf(state.history);
  const anew = liveThrough(createSeries(state.shape), first, values, Math.min(count - season, mostRelived));
  anew.account.sums.set(state.account.sums);
  new Uint8Array(state.block).set(new Uint8Array(anew.block));
}

function liveThrough(state: SeriesState, first: number, values: ArrayLike<number>, lived: number): SeriesState {
  const remembered = values.length - lived;
  const past = Array.from({ length: remembered }, (_, at) => values[at] ?? Number.NaN);
  foreseeSeasons(state, first, values);
  preload(state, first, past, learntSlots);
  if (remembered >= fewestFitted) refit(state);
  for (let at = remembered; at < values.length; at++) observe(state, first + at, values[at] ?? Number.NaN);
  if (values.length >= fewestFitted) refit(state);
  return state;
}
