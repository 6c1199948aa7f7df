// Periods. Owns finding the seasons of a series from its history.
// A season is a peak of the autocorrelation of roots, extremes cut off, that stands out above the trough before it. Each band of lags is looked at with
// everything slower taken out, so that a trend or the year does not hide the week. The main season is the shortest that is nearly as strong as the
// strongest; a longer one is a multiple of it that stands out among its neighbours, as a week does among days. Seasons are found, not configured; but
// people live by days and weeks, so these need less proof, and a peak right beside one of them is taken for it.
// R1 a season is only found when the history holds it at least twice.

import { autocorrelation } from "./fourier.js";
import { type History, historyCount, lastSlot, valueAt } from "./history.js";

/** Seasons kept. */
export const longestPeriods = 3;
const fewestSlots = 24;
/** Slots looked at: four weeks of 5 minutes. */
const mostSlots = 8192;
const leastPeriod = 4;
const dayMs = 86_400_000;
/** Lags below each bound are looked at with everything slower than twice the bound taken out. */
const bands = [16, 128, 1024, 8192] as const;
/** A band reaches so far into the next one: what is taken out moves a peak by a few lags, and one at the bound would be in neither. */
const overlap = 1.05;
const multiples = [2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 24, 52] as const;
/** Autocorrelation and height over the trough that prove a season; less for the calendar's. */
const proof = 0.25;
const calendarProof = 0.05;
/** What a multiple other than seven must stand out by. */
const strangeProof = 0.1;
/** A season this strong beside the strongest is taken, if it is shorter. */
const nearlyAsStrong = 0.2;
/** A period this near to the calendar's is the calendar's. */
const nearness = 0.03;

interface Season {
  readonly period: number;
  /** Share of the variance explained. */
  readonly strength: number;
}

/** Lengths in slots, the main season first, 0 where there is none. */
export function findPeriods(history: History, intervalMs: number, out: Float64Array): void {
  out.fill(0);
  const count = Math.min(historyCount(history), mostSlots);
  if (count < fewestSlots) return;
  const values = tamed(history, count);
  const lags = Math.floor(count / 2);
  const acf = new Float64Array(lags + 1);
  const seasons: Season[] = [];
  const all = variance(values);
  let below = 1;
  for (const bound of bands) {
    if (below > lags) break;
    const until = Math.min(bound, lags + 1);
    const part = until > lags ? values : withoutSlow(values, 2 * bound);
    const correlations = autocorrelation(part, Math.min(lags, Math.ceil(until * 1.1)));
    acf.set(correlations.subarray(below, until), below);
    seasons.push(...seasonsOf(correlations, below, Math.ceil(until * overlap), count, variance(part) / all));
    below = until;
  }
  const main = mainPeriod(seasons, acf, count, calendarOf(intervalMs));
  out[0] = main;
  out[1] = main === 0 ? 0 : multipleOf(main, acf);
}

function variance(values: Float64Array): number {
  let sum = 0;
  let squares = 0;
  for (const value of values) {
    sum += value;
    squares += value * value;
  }
  return Math.max(squares / values.length - (sum / values.length) ** 2, 1e-300);
}

function calendarOf(intervalMs: number): number[] {
  return [dayMs / intervalMs, (7 * dayMs) / intervalMs].filter(
    (period) => Number.isInteger(period) && period >= leastPeriod,
  );
}

/** Square roots, cut off at three times their mean. */
function tamed(history: History, count: number): Float64Array {
  const first = lastSlot(history) - count + 1;
  const values = new Float64Array(count);
  let sum = 0;
  for (let at = 0; at < count; at++) {
    values[at] = Math.sqrt(Math.max(valueAt(history, first + at), 0));
    sum += values[at] ?? 0;
  }
  const ceiling = (3 * sum) / count;
  for (let at = 0; at < count; at++) values[at] = Math.min(values[at] ?? 0, ceiling);
  return values;
}

/** Less the mean of the `window` slots around. */
function withoutSlow(values: Float64Array, window: number): Float64Array {
  const count = values.length;
  const sums = new Float64Array(count + 1);
  for (let at = 0; at < count; at++) sums[at + 1] = (sums[at] ?? 0) + (values[at] ?? 0);
  const half = window >> 1;
  return values.map((value, at) => {
    const from = Math.max(0, at - half);
    const to = Math.min(count, at + half);
    return value - ((sums[to] ?? 0) - (sums[from] ?? 0)) / (to - from);
  });
}

function mainPeriod(seasons: readonly Season[], acf: Float64Array, count: number, calendar: readonly number[]): number {
  const strongest = seasons.reduce((most, { strength }) => Math.max(most, strength), 0);
  const found = seasons.find(({ strength }) => strength >= nearlyAsStrong * strongest)?.period ?? 0;
  for (const period of calendar) {
    if (found > 0 && Math.abs(found - period) <= Math.max(1, period * nearness)) return period;
    if (found > 0 && found < period) return found;
    if (period * 2 < count && heightAt(acf, period) > Math.max(calendarProof, 3 / Math.sqrt(count))) return period;
  }
  return found;
}

/** Peaks of a band that are proven, shortest first; their strength is the share of all variance that they explain. */
function seasonsOf(acf: Float64Array, from: number, until: number, count: number, share: number): Season[] {
  const noise = 4 / Math.sqrt(count);
  const seasons: Season[] = [];
  let trough = Number.POSITIVE_INFINITY;
  for (let lag = 1; lag < Math.min(until, acf.length - 1); lag++) {
    const value = acf[lag] ?? 0;
    trough = Math.min(trough, value);
    if (lag < Math.max(from, leastPeriod) || Math.min(value, value - trough) < Math.max(proof, noise)) continue;
    if (isPeak(acf, lag)) seasons.push({ period: lag, strength: value * share });
  }
  return seasons;
}

/** Height of a lag over the lowest of what lies half a period around it. */
function heightAt(acf: Float64Array, lag: number): number {
  let low = Number.POSITIVE_INFINITY;
  for (let at = Math.ceil(lag / 4); at < lag; at++) low = Math.min(low, acf[at] ?? 0);
  return Math.min(acf[lag] ?? 0, (acf[lag] ?? 0) - low);
}

function isPeak(acf: Float64Array, lag: number): boolean {
  const reach = Math.max(1, Math.floor(lag / 20));
  for (let away = 1; away <= reach; away++)
    if ((acf[lag - away] ?? -1) > (acf[lag] ?? 0) || (acf[lag + away] ?? -1) > (acf[lag] ?? 0)) return false;
  return true;
}

function multipleOf(main: number, acf: Float64Array): number {
  const at = (times: number): number => acf[times * main] ?? 0;
  // A week is what people's seasons most often are: it need only be better than the days in its middle.
  const middle = (at(2) + at(3) + at(4) + at(5)) / 4;
  if (8 * main < acf.length && at(7) > Math.max(middle + 0.01, calendarProof)) return 7 * main;
  let best = 0;
  let bestGain = strangeProof;
  for (const times of multiples) {
    if ((times + 1) * main >= acf.length) break;
    const gain = at(times) - Math.max(at(times - 1), at(times + 1));
    if (gain <= bestGain || at(times) < proof) continue;
    best = times * main;
    bestGain = 1.2 * gain;
  }
  return best;
}
