// Promise. Owns what declared demand does to a forecast, what is left of an observation without it, and how far it is trusted. Pure arithmetic on numbers.
// D1 trust lies in [0, 1]; it shrinks strictly whenever a promise was kept worse than it was trusted, and never grows faster than it shrinks.
// D2 a series learns only what was not promised, so that a promise that is kept is not forecast twice; and no more is taken away than came.
// D3 a shifted row does not cross and is not negative, if the row before did not and was not.

import { quantileCount, quantileLevels } from "./quantiles.js";

/** Of a promise that nobody has seen kept or broken. */
export const firstTrust = 0.8;
const shrinking = 0.5;
const growing = 0.25;
/** A kept promise is met within this share of itself. */
const slack = 0.2;

/** Trust after a window in which `promised` was declared and `extra` came beyond the usual; both in one unit. */
export function judgePromise(trust: number, promised: number, extra: number): number {
  if (promised === 0) return trust;
  const kept = 1 - Math.min(1, Math.max(0, Math.abs(extra - promised) / Math.abs(promised) - slack) / (1 - slack));
  const next = trust + (kept < trust ? shrinking : growing) * (kept - trust);
  return Math.min(1, Math.max(0, next));
}

/** What of `value` was promised and came: to be taken away before the series learns the rest. `usual`: what was forecast without the promise. */
export function keptPart(value: number, usual: number, promised: number): number {
  const extra = value - usual;
  return promised > 0 ? Math.min(Math.max(extra, 0), promised) : Math.max(Math.min(extra, 0), promised);
}

/**
 * Adds a promise to a row of quantiles, in place: it comes with the probability `trust`, give or take `slack`, and else it does not. The upper
 * quantiles so count with all of it at once, the lower ones only when it is well trusted.
 */
export function addPromise(rows: Float64Array, from: number, promised: number, trust: number): void {
  if (promised === 0 || trust <= 0) return;
  let floor = 0;
  for (let q = 0; q < quantileCount; q++) {
    const shifted = (rows[from + q] ?? 0) + promised * shareAt(quantileLevels[q] ?? 0.5, trust, promised > 0);
    floor = Math.max(floor, shifted, 0);
    rows[from + q] = floor;
  }
}

/** Quantile of "comes or does not", as a share of the promise. */
function shareAt(level: number, trust: number, isMore: boolean): number {
  if (isMore) {
    const within = (level - (1 - trust)) / trust;
    return within <= 0 ? 0 : 1 - slack + 2 * slack * within;
  }
  const within = level / trust;
  return within >= 1 ? 0 : 1 + slack - 2 * slack * within;
}

/** Quantiles of the largest step after steps were shifted: what the largest had beyond each step's own quantiles, it keeps. */
export function shiftMax(max: Float64Array, before: ArrayLike<number>, after: ArrayLike<number>): void {
  let floor = 0;
  for (let q = 0; q < quantileCount; q++) {
    let beforeMost = 0;
    let afterMost = 0;
    for (let at = q; at < before.length; at += quantileCount) {
      beforeMost = Math.max(beforeMost, before[at] ?? 0);
      afterMost = Math.max(afterMost, after[at] ?? 0);
    }
    floor = Math.max(floor, (max[q] ?? 0) + afterMost - beforeMost, afterMost);
    max[q] = floor;
  }
}

export interface Relived {
  /** What is left for the series to learn. */
  readonly values: Float32Array;
  readonly trust: ReadonlyMap<string, number>;
}

export interface Promised {
  readonly name: string;
  readonly rate: number;
}

const usualSlots = 6;

/** A past lived through with its promises: what was declared and came is taken out, and each promise judged at the end of its windows. */
export function relive(
  first: number,
  values: ArrayLike<number>,
  promisedAt: (slot: number) => readonly Promised[],
): Relived {
  const plain = Float32Array.from(values);
  const trials = createTrials();
  const usual: number[] = [];
  for (let at = 0; at < plain.length; at++) {
    const value = plain[at] ?? Number.NaN;
    if (Number.isNaN(value)) continue;
    const promises = promisedAt(first + at);
    const mean = usual.length === 0 ? 0 : usual.reduce((sum, one) => sum + one, 0) / usual.length;
    plain[at] = value - trials.see(promises, value, mean);
    if (promises.length > 0) continue;
    usual.push(value);
    if (usual.length > usualSlots) usual.shift();
  }
  trials.see([], 0, 0);
  return { values: plain, trust: trials.trust };
}

export interface Trials {
  readonly trust: Map<string, number>;
  /** One observed slot: adds up the promises under way, judges those that are over; gives what of the value was promised. */
  see(promises: readonly Promised[], value: number, usual: number): number;
}

/** Judges promises window by window. */
export function createTrials(trust = new Map<string, number>()): Trials {
  const open = new Map<string, { promised: number; extra: number }>();
  return {
    trust,
    see(promises, value, usual) {
      for (const [name, { promised, extra }] of open) {
        if (promises.some((promise) => promise.name === name)) continue;
        trust.set(name, judgePromise(trust.get(name) ?? firstTrust, promised, extra));
        open.delete(name);
      }
      const all = promises.reduce((sum, { rate }) => sum + rate, 0);
      if (all === 0) return 0;
      for (const { name, rate } of promises) {
        const trial = open.get(name) ?? { promised: 0, extra: 0 };
        trial.promised += rate;
        trial.extra += (value - usual) * (rate / all);
        open.set(name, trial);
      }
      return keptPart(value, usual, all);
    },
  };
}
