// Periods. Owns finding the seasons of a series from its history; never looks at a calendar, because a history may leave out nights.
// The main season is a peak of the autocorrelation of the roots of the values. A longer season is a multiple of it whose autocorrelation stands out
// among the other multiples, as a week does among days.
// R1 a season is only found when the history holds it at least twice.

import { autocorrelation } from "./fourier.js";
import { type History, historyCount, lastSlot, valueAt } from "./history.js";

/** Seasons kept. */
export const longestPeriods = 3;
const fewestSlots = 24;
/** Slots looked at: enough for several weeks of 5 minutes. */
const mostSlots = 8192;
const leastPeriod = 4;

/** Lengths in slots, the main season first, 0 where there is none. */
export function findPeriods(history: History, out: Float64Array): void {
  out.fill(0);
  const count = Math.min(historyCount(history), mostSlots);
  if (count < fewestSlots) return;
  const values = rootsOf(history, count);
  const lags = Math.floor(count / 2);
  const acf = autocorrelation(values, lags);
  const main = mainPeriod(acf, count);
  if (main === 0) return;
  out[0] = main;
  out[1] = multipleOf(main, acf, count);
}

/** Square roots, less a running mean that takes trends and level shifts out. */
function rootsOf(history: History, count: number): Float64Array {
  const first = lastSlot(history) - count + 1;
  const values = new Float64Array(count);
  for (let at = 0; at < count; at++) values[at] = Math.sqrt(Math.max(valueAt(history, first + at), 0));
  return values;
}

function mainPeriod(acf: Float64Array, count: number): number {
  const lags = acf.length - 1;
  const bound = Math.max(0.1, 3 / Math.sqrt(count));
  // Past the first descent: neighbours are always alike.
  let from = 1;
  while (from < lags && (acf[from] ?? 0) > 0 && (acf[from + 1] ?? 0) <= (acf[from] ?? 0)) from++;
  let best = 0;
  let bestValue = bound;
  for (let lag = Math.max(from, leastPeriod); lag < lags; lag++) {
    const value = acf[lag] ?? 0;
    // A shorter period wins unless a longer one is clearly better: multiples of a period are peaks as well.
    if (value > bestValue * (best === 0 ? 1 : 1.1) && isPeak(acf, lag)) {
      best = lag;
      bestValue = value;
    }
  }
  return best;
}

function isPeak(acf: Float64Array, lag: number): boolean {
  const reach = Math.max(1, Math.floor(lag / 20));
  for (let away = 1; away <= reach; away++)
    if ((acf[lag - away] ?? -1) > (acf[lag] ?? 0) || (acf[lag + away] ?? -1) > (acf[lag] ?? 0)) return false;
  return true;
}

function multipleOf(main: number, acf: Float64Array, count: number): number {
  let best = 0;
  let bestGain = 2 / Math.sqrt(count / main);
  for (let times = 2; times <= 14 && times * main < acf.length; times++) {
    let others = 0;
    let most = Number.NEGATIVE_INFINITY;
    for (let other = 1; other < times; other++) {
      others += (acf[other * main] ?? 0) / (times - 1);
      most = Math.max(most, acf[other * main] ?? 0);
    }
    const gain = (acf[times * main] ?? 0) - others;
    if (gain > bestGain && (acf[times * main] ?? 0) > most) {
      best = times * main;
      bestGain = gain * 1.1;
    }
  }
  return best;
}
