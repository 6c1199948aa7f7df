// Window. Owns the last values of several targets, and in which order they ascend, so that their quantiles cost little.
// W1 a window holds at most 256 values of a target: a place in it is one byte.

import type { Carver } from "./block.js";
import { quantileCount, quantileLevels, quantileOfSorted } from "./quantiles.js";

export interface Window {
  readonly cap: number;
  /** [target × cap] in the order of arrival. */
  readonly arrived: Float32Array;
  /** [target × cap] places of the values in that, by ascending value. */
  readonly ascending: Uint8Array;
  /** Values that ever came, per target. */
  readonly counts: Float64Array;
}

export function carveWindow(from: Carver, targets: number, cap: number): Window {
  return { cap, arrived: from.f32(targets * cap), ascending: from.u8(targets * cap), counts: from.f64(targets) };
}

export function heldIn(window: Window, target: number): number {
  return Math.min(window.counts[target] ?? 0, window.cap);
}

export function addTo(window: Window, target: number, value: number): void {
  const { cap, counts } = window;
  const values = window.arrived.subarray(target * cap, (target + 1) * cap);
  const ascending = window.ascending.subarray(target * cap, (target + 1) * cap);
  const count = counts[target] ?? 0;
  const place = count % cap;
  let held = Math.min(count, cap);
  if (count >= cap) {
    const old = ascending.indexOf(place);
    ascending.copyWithin(old, old + 1, held);
    held--;
  }
  values[place] = value;
  const at = rankOf(values, ascending, held, values[place] ?? 0);
  ascending.copyWithin(at + 1, at, held);
  ascending[at] = place;
  counts[target] = count + 1;
}

/** The eight quantiles of a target's values, into out; all 0 of nothing. */
export function quantilesOf(window: Window, target: number, out: Float64Array, at: number): void {
  const { cap, arrived, ascending } = window;
  const held = heldIn(window, target);
  const sorted = new Float64Array(held);
  for (let rank = 0; rank < held; rank++)
    sorted[rank] = arrived[target * cap + (ascending[target * cap + rank] ?? 0)] ?? 0;
  for (let q = 0; q < quantileCount; q++) out[at + q] = quantileOfSorted(sorted, held, quantileLevels[q] ?? 0.5);
}

/** The first rank whose value is not below `value`. */
function rankOf(values: Float32Array, ascending: Uint8Array, held: number, value: number): number {
  let low = 0;
  let high = held;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[ascending[middle] ?? 0] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
