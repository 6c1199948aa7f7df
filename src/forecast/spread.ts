// Spread. Owns how far the truth falls from the point forecast: for each target the last residuals, out of sample, as their forecasts matured.

import type { Carver } from "./block.js";
import { quantileCount, quantileLevels, quantileOfSorted } from "./quantiles.js";
import { anchorBefore, type Shape } from "./shape.js";

export interface Spread {
  readonly cap: number;
  /** [target × cap] in the order of arrival, and ascending. */
  readonly arrived: Float32Array;
  readonly sorted: Float32Array;
  /** Residuals that ever came, per target. */
  readonly counts: Float64Array;
}

const residualsKept = 300;

export function carveSpread(from: Carver, shape: Shape): Spread {
  const cells = shape.targets * residualsKept;
  return { cap: residualsKept, arrived: from.f32(cells), sorted: from.f32(cells), counts: from.f64(shape.targets) };
}

export function addResidual(spread: Spread, target: number, residual: number): void {
  const { cap, arrived, counts } = spread;
  const count = counts[target] ?? 0;
  const cell = target * cap + (count % cap);
  const sorted = spread.sorted.subarray(target * cap, (target + 1) * cap);
  const held = Math.min(count, cap);
  const kept = count >= cap ? removeSorted(sorted, held, arrived[cell] ?? 0) : held;
  arrived[cell] = residual;
  insertSorted(sorted, kept, arrived[cell] ?? 0);
  counts[target] = count + 1;
}

/** Quantiles of the residuals at a step, into out. */
export function spreadAt(spread: Spread, shape: Shape, step: number, out: Float64Array): void {
  const { anchor, share } = anchorBefore(shape, step);
  for (let q = 0; q < quantileCount; q++) {
    const here = quantileOf(spread, anchor, q);
    out[q] = share === 0 ? here : here + share * (quantileOf(spread, anchor + 1, q) - here);
  }
}

export function spreadOfMax(spread: Spread, shape: Shape, out: Float64Array): void {
  for (let q = 0; q < quantileCount; q++) out[q] = quantileOf(spread, shape.maxTarget, q);
}

function quantileOf(spread: Spread, target: number, q: number): number {
  const { cap, sorted, counts } = spread;
  const row = sorted.subarray(target * cap, (target + 1) * cap);
  return quantileOfSorted(row, Math.min(counts[target] ?? 0, cap), quantileLevels[q] ?? 0.5);
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
