// Account. Owns a series' own honest record: what its forecasts promised and what came, counted as they mature, the recent ones most.
// A1 only forecasts that were made before their slot was known are counted.

import type { Carver } from "./block.js";
import { pinball, quantileCount, quantileLevels } from "./quantiles.js";
import type { Shape } from "./shape.js";

export interface SeriesRecord {
  /** Matured step forecasts counted, ever. */
  readonly matured: number;
  /** Share of slots at or below each quantile, over the steps; NaN before anything matured. */
  readonly coverage: readonly number[];
  /** The same of the maximum over the horizon. */
  readonly maxCoverage: readonly number[];
  /** Mean pinball loss over levels and steps, in the unit of the series. */
  readonly pinball: number;
  /** That of the seasonal naive (last value before a season is found). */
  readonly naivePinball: number;
  /** Recent coverage of the 90 % interval is out of what chance allows. */
  readonly isDrifting: boolean;
  readonly observed: number;
  readonly missing: number;
  readonly late: number;
  readonly duplicate: number;
}

export interface Account {
  /** [coverage × levels, max coverage × levels, mass, max mass, pinball, naive pinball, naive mass, matured, fast inside, fast mass, observed, missing, late, duplicate] */
  readonly sums: Float64Array;
}

const at = {
  mass: 2 * quantileCount,
  maxMass: 2 * quantileCount + 1,
  pinball: 2 * quantileCount + 2,
  naive: 2 * quantileCount + 3,
  naiveMass: 2 * quantileCount + 4,
  matured: 2 * quantileCount + 5,
  fastInside: 2 * quantileCount + 6,
  fastMass: 2 * quantileCount + 7,
  observed: 2 * quantileCount + 8,
  missing: 2 * quantileCount + 9,
  late: 2 * quantileCount + 10,
  duplicate: 2 * quantileCount + 11,
} as const;
const cells = 2 * quantileCount + 12;

const slowKeep = 0.5 ** (1 / 2000);
const fastKeep = 0.5 ** (1 / 60);
/** Below this share of slots inside the 90 % interval, weighted by recency, something has changed. */
const driftShare = 0.7;
const driftMass = 20;

export function carveAccount(from: Carver): Account {
  return { sums: from.f64(cells) };
}

export function count(account: Account, what: "observed" | "missing" | "late" | "duplicate"): void {
  account.sums[at[what]] = (account.sums[at[what]] ?? 0) + 1;
}

/** A row of quantiles has matured. `naive` is what the seasonal naive said, NaN if it had nothing to say. */
export function judgeRow(
  account: Account,
  shape: Shape,
  target: number,
  row: ArrayLike<number>,
  from: number,
  actual: number,
  naive: number,
): void {
  const { sums } = account;
  const isMax = target === shape.maxTarget;
  const first = isMax ? quantileCount : 0;
  const mass = isMax ? at.maxMass : at.mass;
  let loss = 0;
  let naiveLoss = 0;
  for (let q = 0; q < quantileCount; q++) {
    const value = row[from + q] ?? 0;
    const level = quantileLevels[q] ?? 0.5;
    const below = actual <= value + 1e-9 + 1e-6 * Math.abs(value) ? 1 : 0;
    sums[first + q] = (sums[first + q] ?? 0) * slowKeep + below;
    loss += pinball(actual, value, level);
    naiveLoss += pinball(actual, naive, level);
  }
  sums[mass] = (sums[mass] ?? 0) * slowKeep + 1;
  if (isMax) return;
  sums[at.matured] = (sums[at.matured] ?? 0) + 1;
  sums[at.pinball] = (sums[at.pinball] ?? 0) * slowKeep + loss / quantileCount;
  const inside = actual >= (row[from] ?? 0) - 1e-9 && actual <= (row[from + 6] ?? 0) * (1 + 1e-6) + 1e-9 ? 1 : 0;
  sums[at.fastInside] = (sums[at.fastInside] ?? 0) * fastKeep + inside;
  sums[at.fastMass] = (sums[at.fastMass] ?? 0) * fastKeep + 1;
  if (Number.isNaN(naive)) return;
  sums[at.naive] = (sums[at.naive] ?? 0) * slowKeep + naiveLoss / quantileCount;
  sums[at.naiveMass] = (sums[at.naiveMass] ?? 0) * slowKeep + 1;
}

export function recordOf(account: Account): SeriesRecord {
  const sum = (cell: number): number => account.sums[cell] ?? 0;
  const shares = (first: number, mass: number): number[] =>
    quantileLevels.map((_, q) => (mass > 0 ? sum(first + q) / mass : Number.NaN));
  const mass = sum(at.mass);
  return {
    matured: sum(at.matured),
    coverage: shares(0, mass),
    maxCoverage: shares(quantileCount, sum(at.maxMass)),
    pinball: mass > 0 ? sum(at.pinball) / mass : Number.NaN,
    naivePinball: sum(at.naiveMass) > 0 ? sum(at.naive) / sum(at.naiveMass) : Number.NaN,
    isDrifting: sum(at.fastMass) > driftMass && sum(at.fastInside) / sum(at.fastMass) < driftShare,
    observed: sum(at.observed),
    missing: sum(at.missing),
    late: sum(at.late),
    duplicate: sum(at.duplicate),
  };
}
