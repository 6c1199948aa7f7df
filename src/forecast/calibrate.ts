// Calibrate. Owns the last correction of a row: adaptive conformal inference (Gibbs & Candès 2021) per target and quantile.
// Each quantile carries a shift in standard normal units, which moves up when the truth was above the quantile and down when it was not, in the
// proportion that keeps it still when the quantile is exceeded as often as it says. The shifted row is read from the row itself, so its width stays its own.
// C1 a shift never exceeds `mostShift`, so a long run of bad luck costs a bounded amount.

import type { Carver } from "./block.js";
import type { PooledPrior } from "./pool.js";
import { quantileCount, quantileLevels, repairRow } from "./quantiles.js";
import type { Shape } from "./shape.js";

/** Standard normal quantiles of the levels. */
const normals = [-1.6449, -1.2816, -0.6745, 0, 0.6745, 1.2816, 1.6449, 2.3263] as const;
const lowest = normals[0];
const highest = normals[quantileCount - 1] ?? 0;
const mostShift = 2.5;
const pace = 0.015;
/** The 0.99 quantile is exceeded too seldom to learn at the same pace: a shift of one would take thousands of slots. */
const rarePace = 0.045;
const rareLevel = 0.99;
/** How much of the lenders' mean shift a young series begins with. */
const lentShare = 1;

export interface Calibration {
  /** [target × levels] */
  readonly shifts: Float64Array;
}

export function carveCalibration(from: Carver, shape: Shape): Calibration {
  return { shifts: from.f64(shape.targets * quantileCount) };
}

export function beginCalibration({ shifts }: Calibration, lent?: PooledPrior["shifts"]): void {
  if (lent?.length !== shifts.length) return;
  for (let cell = 0; cell < shifts.length; cell++) shifts[cell] = lentShare * (lent[cell] ?? 0);
}

/** What the calibrated row of `target` said is known now. */
export function judgeCalibration(
  { shifts }: Calibration,
  target: number,
  row: ArrayLike<number>,
  from: number,
  actual: number,
): void {
  for (let q = 0; q < quantileCount; q++) {
    const value = row[from + q] ?? 0;
    const level = quantileLevels[q] ?? 0.5;
    // A tie counts as the level itself: counts that are often equal to their quantile must not push it away.
    const below = Math.abs(actual - value) <= 1e-6 * Math.abs(value) ? level : actual < value ? 1 : 0;
    const cell = target * quantileCount + q;
    const moved = (shifts[cell] ?? 0) + (level < rareLevel ? pace : rarePace) * (level - below);
    shifts[cell] = Math.min(Math.max(moved, -mostShift), mostShift);
  }
}

/** Replaces the row of `target` by its calibrated one. */
export function calibrateRow({ shifts }: Calibration, target: number, row: Float64Array, from: number): void {
  const before = row.slice(from, from + quantileCount);
  for (let q = 0; q < quantileCount; q++)
    row[from + q] = readAt(before, (normals[q] ?? 0) + (shifts[target * quantileCount + q] ?? 0));
  repairRow(row, from);
}

/** The value of a row at a place in standard normal units; beyond its ends the row goes on as steeply as from there to the next quartile. */
function readAt(row: Float64Array, place: number): number {
  const last = quantileCount - 1;
  if (place < lowest) return (row[0] ?? 0) - (lowest - place) * slope(row, 0, 2);
  if (place > highest) return (row[last] ?? 0) + (place - highest) * slope(row, last - 2, last);
  let below = 0;
  while (below < last - 1 && (normals[below + 1] ?? 0) <= place) below++;
  return (row[below] ?? 0) + (place - (normals[below] ?? 0)) * slope(row, below, below + 1);
}

function slope(row: Float64Array, from: number, to: number): number {
  return ((row[to] ?? 0) - (row[from] ?? 0)) / ((normals[to] ?? 0) - (normals[from] ?? 0));
}
