// Replay. Owns running a series over a recorded past and forecasting from given moments in it, by the code that forecasts live.
// O1 a forecast has seen the samples up to its origin's moment and no others: later samples, and the interval, come from nothing behind it.

import { fitSeries } from "./rebuild.js";
import { createSeries, forecast, isRefitDue, observe, type SeriesForecast, type SeriesState } from "./series.js";

export interface Sample {
  readonly atMs: number;
  readonly value: number;
}

export interface ReplayShape {
  readonly horizonSteps: number;
  readonly intervalMs: number;
  /** Only these models and bands, by the first part of their names. */
  readonly only?: readonly string[];
}

/** The most common distance between samples; the smallest of those, if several. Undefined if there is none. */
export function intervalOf(samples: readonly Sample[], untilMs: number): number | undefined {
  const counts = new Map<number, number>();
  for (let at = 1; at < samples.length; at++) {
    const [before, here] = [samples[at - 1], samples[at]];
    if (before === undefined || here === undefined || here.atMs > untilMs) break;
    const apartMs = here.atMs - before.atMs;
    if (apartMs > 0) counts.set(apartMs, (counts.get(apartMs) ?? 0) + 1);
  }
  let best: number | undefined;
  for (const [apartMs, count] of counts) {
    const most = best === undefined ? 0 : (counts.get(best) ?? 0);
    if (count > most || (count === most && best !== undefined && apartMs < best)) best = apartMs;
  }
  return best;
}

/** The slot of a moment, counted from the first sample. */
export function slotOf(atMs: number, firstMs: number, intervalMs: number): number {
  return Math.floor((atMs - firstMs) / intervalMs + 1e-6);
}

/** Forecasts from each origin (moments, ascending) over samples in order of time. `said` is called with the index of the origin. */
export function replay(
  samples: readonly Sample[],
  originsMs: readonly number[],
  shape: ReplayShape,
  said: (origin: number, forecast: SeriesForecast, state: SeriesState) => void,
): void {
  const { intervalMs, horizonSteps, only } = shape;
  const state = createSeries({ intervalMs, horizonSteps }, undefined, only);
  const firstMs = samples[0]?.atMs ?? 0;
  let next = 0;
  originsMs.forEach((originMs, origin) => {
    for (let sample = samples[next]; sample !== undefined && sample.atMs <= originMs; sample = samples[++next])
      take(state, slotOf(sample.atMs, firstMs, intervalMs), sample.value);
    const slot = slotOf(originMs, firstMs, intervalMs);
    // The origin itself may be a gap.
    if (state.past.last < slot) take(state, slot, Number.NaN);
    said(origin, forecast(state), state);
  });
}

function take(state: SeriesState, slot: number, value: number): void {
  observe(state, slot, value);
  if (isRefitDue(state)) fitSeries(state);
}
