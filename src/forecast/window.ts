// Window. Owns the last values of several targets, each kept ascending as well, so that their quantiles cost nothing.

import type { Carver } from "./block.js";
import { quantileCount, quantileLevels, quantileOfSorted } from "./quantiles.js";

export interface Window {
  readonly cap: number;
  /** [target × cap] in the order of arrival, and ascending. */
  readonly arrived: Float32Array;
  readonly sorted: Float32Array;
  /** Values that ever came, per target. */
  readonly counts: Float64Array;
}

export function carveWindow(from: Carver, targets: number, cap: number): Window {
  return { cap, arrived: from.f32(targets * cap), sorted: from.f32(targets * cap), counts: from.f64(targets) };
}

export function heldIn(window: Window, target: number): number {
  return Math.min(window.counts[target] ?? 0, window.cap);
}

export function addTo(window: Window, target: number, value: number): void {
  const { cap, arrived, counts } = window;
  const count = counts[target] ?? 0;
  const cell = target * cap + (count % cap);
  const sorted = window.sorted.subarray(target * cap, (target + 1) * cap);
  const held = Math.min(count, cap);
  const kept = count >= cap ? removeSorted(sorted, held, arrived[cell] ?? 0) : held;
  arrived[cell] = value;
  insertSorted(sorted, kept, arrived[cell] ?? 0);
  counts[target] = count + 1;
}

/** The eight quantiles of a target's values, into out; all 0 of nothing. */
export function quantilesOf(window: Window, target: number, out: Float64Array, at: number): void {
  const { cap, sorted } = window;
  const row = sorted.subarray(target * cap, (target + 1) * cap);
  const held = heldIn(window, target);
  for (let q = 0; q < quantileCount; q++) out[at + q] = quantileOfSorted(row, held, quantileLevels[q] ?? 0.5);
}

/** Gives the count without it. */
function removeSorted(sorted: Float32Array, count: number, value: number): number {
  const at = placeOf(sorted, count, value);
  sorted.copyWithin(at, at + 1, count);
  return count - 1;
}

function insertSorted(sorted: Float32Array, count: number, value: number): void {
  const at = placeOf(sorted, count, value);
  sorted.copyWithin(at + 1, at, count);
  sorted[at] = value;
}

/** The first place whose value is not below `value`. */
function placeOf(sorted: Float32Array, count: number, value: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
