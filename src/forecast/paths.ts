// Paths. Owns joint sample paths: what may come in each series, drawn so that one path is one possible future of all of them, and the
// distribution of sums of series and of the largest value over the horizon. Peaks coincide in the paths as they did of late.
// J1 the paths of one series have its quantiles (each path takes one of `pathCount` equal strata per step).
// J2 adding or removing a series costs paths × steps additions. J3 same input and seed, same paths.

import { type Random, seededRandom } from "../kernel/random.js";
import { quantileCount, quantileLevels } from "./quantiles.js";
import { pathCount } from "./ranks.js";

/** [path × steps] */
export interface SeriesPaths {
  readonly steps: number;
  readonly values: Float32Array;
}

export interface PathSum {
  readonly steps: number;
  /** [path × steps] */
  readonly values: Float64Array;
}

/** How much of its rank a path keeps from step to step where nothing is known of the series' past. */
const persistence = 0.7;
const none: readonly boolean[] = [];
/** How much of such a draw all series have in common. */
const shared = 0.5;
const commonSeed = 0x51ed;
/** Prime to `pathCount`, so that every row is tried. */
const strides = [3, 7, 11, 13, 17, 19, 23, 27, 29, 31] as const;

/**
 * Paths of one series: `quantiles` is steps × levels, `cells` its ranks (see `RankRing`), possibly all unknown.
 * `seed` tells apart the series of one drawing; it matters only where ranks are unknown.
 */
export function drawPaths(
  steps: number,
  quantiles: ArrayLike<number>,
  cells: Uint8Array | undefined,
  seed: number,
): SeriesPaths {
  const values = new Float32Array(pathCount * steps);
  if (isCertain(steps, quantiles)) {
    for (let at = 0; at < values.length; at++) values[at] = stratumAt(quantiles, (at % steps) * quantileCount, 0);
    return { steps, values };
  }
  const known = cells === undefined ? none : wholeRows(steps, cells);
  const order = cells === undefined || known.length === 0 ? byDraw(steps, cells, seed) : byCell(steps, cells, known);
  for (let step = 0; step < steps; step++)
    for (let place = 0; place < pathCount; place++) {
      const path = order[step * pathCount + place] ?? 0;
      values[path * steps + step] = stratumAt(quantiles, step * quantileCount, place);
    }
  return { steps, values };
}

/** All quantiles of each step are the same: there is nothing to draw. */
function isCertain(steps: number, quantiles: ArrayLike<number>): boolean {
  for (let at = 0; at < steps * quantileCount; at++)
    if (quantiles[at] !== quantiles[at - (at % quantileCount)]) return false;
  return true;
}

/**
 * Paths by rank, step by step: [step × place]. A path of which nothing is known yet borrows the ranks of another moment, the same one in all series that
 * know it, so that they still rise together. Ranks are whole numbers: they are counted, not compared.
 */
function byCell(steps: number, cells: Uint8Array, known: readonly boolean[]): Uint8Array {
  const order = new Uint8Array(pathCount * steps);
  const lenders = new Int16Array(pathCount).fill(-1);
  const ranks = new Uint8Array(pathCount);
  const begins = new Uint16Array(cellValues + 1);
  for (let step = 0; step < steps; step++) {
    begins.fill(0);
    for (let path = 0; path < pathCount; path++) {
      let cell = cells[path * steps + step] ?? 0;
      if (cell === 0) {
        if (lenders[path] === -1) lenders[path] = lenderOf(path, known);
        cell = cells[(lenders[path] ?? 0) * steps + step] ?? 0;
      }
      ranks[path] = cell;
      begins[cell + 1] = (begins[cell + 1] ?? 0) + 1;
    }
    for (let cell = 0; cell < cellValues; cell++) begins[cell + 1] = (begins[cell + 1] ?? 0) + (begins[cell] ?? 0);
    for (let turn = 0; turn < pathCount; turn++) {
      const path = inOrder[turn] ?? 0;
      const cell = ranks[path] ?? 0;
      const place = begins[cell] ?? 0;
      begins[cell] = place + 1;
      order[step * pathCount + place] = path;
    }
  }
  return order;
}

const cellValues = 256;

/**
 * The same where no moment is known whole: what is lacking is drawn, half of each draw in common: to believe in independence would be to believe in small peaks.
 */
function byDraw(steps: number, cells: Uint8Array | undefined, seed: number): Uint8Array {
  const ranks = new Float64Array(pathCount * steps);
  const common = seededRandom(commonSeed);
  const own = seededRandom(seed);
  for (let path = 0; path < pathCount; path++) {
    const drawn = drift(steps, common, own);
    for (let step = 0; step < steps; step++) {
      const cell = cells?.[path * steps + step] ?? 0;
      ranks[step * pathCount + path] = cell > 0 ? (cell - 1) / 254 : (drawn[step] ?? 0.5);
    }
  }
  const order = new Uint8Array(pathCount * steps);
  const keys = new Float64Array(pathCount);
  for (let step = 0; step < steps; step++) {
    for (let path = 0; path < pathCount; path++) keys[path] = keyOf(ranks[step * pathCount + path] ?? 0, path);
    keys.sort();
    for (let place = 0; place < pathCount; place++) order[step * pathCount + place] = (keys[place] ?? 0) % pathSpan;
  }
  return order;
}

const pathSpan = 256;
const finestRank = 2 ** 30;

/** Sorts by rank, ties by an order that belongs to the path; the path is what is left over. */
function keyOf(rank: number, path: number): number {
  return (Math.round(rank * finestRank) * pathSpan + shuffled(path)) * pathSpan + path;
}

/** Rows all of whose steps are known, as flags; empty when none is. */
function wholeRows(steps: number, cells: Uint8Array): readonly boolean[] {
  const rows = Array.from({ length: pathCount }, (_, path) => {
    for (let step = 0; step < steps; step++) if (cells[path * steps + step] === 0) return false;
    return true;
  });
  return rows.includes(true) ? rows : [];
}

/** The first known row in an order that belongs to the path and not to the series. */
function lenderOf(path: number, known: readonly boolean[]): number {
  for (let tried = 0; tried < pathCount; tried++) {
    const row = (path * 83 + tried * (strides[path % strides.length] ?? 1)) % pathCount;
    if (known[row] === true) return row;
  }
  return -1;
}

/** Ranks along the horizon that keep some of themselves from step to step. */
function drift(steps: number, common: Random, own: Random): readonly number[] {
  const draw = (): number =>
    Math.sqrt(3) * (Math.sqrt(shared) * (2 * common.next() - 1) + Math.sqrt(1 - shared) * (2 * own.next() - 1));
  let level = draw();
  return Array.from({ length: steps }, () => {
    level = persistence * level + Math.sqrt(1 - persistence ** 2) * draw();
    return 1 / (1 + Math.exp(-1.702 * level));
  });
}

/** Breaks ties alike in all series, and in no order that means anything. */
function shuffled(path: number): number {
  return (path * 77) % pathCount;
}

const inOrder = ((): Uint8Array => {
  const order = new Uint8Array(pathCount);
  for (let path = 0; path < pathCount; path++) order[shuffled(path)] = path;
  return order;
})();

/** The value at `level` between the quantiles of a row; beyond the last one the tail is exponential, below the first it is straight. */
export function valueAt(rows: ArrayLike<number>, from: number, level: number): number {
  const first = rows[from] ?? 0;
  const firstLevel = quantileLevels[0];
  if (level <= firstLevel) {
    const end = Math.max(0, 2 * first - (rows[from + 1] ?? first));
    return end + (first - end) * (level / firstLevel);
  }
  for (let q = 1; q < quantileCount; q++) {
    const highLevel = quantileLevels[q] ?? 1;
    if (level > highLevel) continue;
    const low = rows[from + q - 1] ?? 0;
    const lowLevel = quantileLevels[q - 1] ?? 0;
    return low + ((rows[from + q] ?? low) - low) * ((level - lowLevel) / (highLevel - lowLevel));
  }
  const last = rows[from + quantileCount - 1] ?? 0;
  const before = rows[from + quantileCount - 2] ?? last;
  const lastLevel = quantileLevels[quantileCount - 1] ?? 1;
  const beforeLevel = quantileLevels[quantileCount - 2] ?? 0;
  const scale = (last - before) / Math.log((1 - beforeLevel) / (1 - lastLevel));
  return last + scale * Math.log((1 - lastLevel) / (1 - level));
}

/** The middle of one of `pathCount` equal strata, as `valueAt` reads it. */
function stratumAt(rows: ArrayLike<number>, from: number, place: number): number {
  const upper = strata.upper[place] ?? 0;
  if (upper === 0 || upper >= quantileCount) return valueAt(rows, from, (place + 0.5) / pathCount);
  const low = rows[from + upper - 1] ?? 0;
  return low + ((rows[from + upper] ?? low) - low) * (strata.share[place] ?? 0);
}

/** For each stratum the quantile at or above its middle, and how far it is on the way there from the one before. */
const strata = ((): { readonly upper: Uint8Array; readonly share: Float64Array } => {
  const upper = new Uint8Array(pathCount);
  const share = new Float64Array(pathCount);
  for (let place = 0; place < pathCount; place++) {
    const level = (place + 0.5) / pathCount;
    const at = quantileLevels.findIndex((high) => level <= high);
    upper[place] = at < 0 ? quantileCount : at;
    const low = quantileLevels[at - 1] ?? 0;
    share[place] = at > 0 ? (level - low) / ((quantileLevels[at] ?? 1) - low) : 0;
  }
  return { upper, share };
})();

export function emptySum(steps: number): PathSum {
  return { steps, values: new Float64Array(pathCount * steps) };
}

export function addPaths(sum: PathSum, paths: SeriesPaths): void {
  for (let at = 0; at < sum.values.length; at++) sum.values[at] = (sum.values[at] ?? 0) + (paths.values[at] ?? 0);
}

export function removePaths(sum: PathSum, paths: SeriesPaths): void {
  for (let at = 0; at < sum.values.length; at++) sum.values[at] = (sum.values[at] ?? 0) - (paths.values[at] ?? 0);
}

/** steps × levels. */
export function sumQuantiles({ steps, values }: PathSum): Float64Array {
  const rows = new Float64Array(steps * quantileCount);
  const column = new Float64Array(pathCount);
  for (let step = 0; step < steps; step++) {
    for (let path = 0; path < pathCount; path++) column[path] = values[path * steps + step] ?? 0;
    writeQuantiles(column, rows, step * quantileCount);
  }
  return rows;
}

/** Levels of the largest value over the horizon. */
export function maxQuantiles(sum: PathSum): Float64Array {
  const row = new Float64Array(quantileCount);
  writeQuantiles(peaks(sum), row, 0);
  return row;
}

/** Share of the paths above `capacity`: by step, and at any step of the horizon. */
export function exceedance(sum: PathSum, capacity: number): { readonly steps: Float64Array; readonly any: number } {
  const steps = new Float64Array(sum.steps);
  for (let at = 0; at < sum.values.length; at++)
    if ((sum.values[at] ?? 0) > capacity) steps[at % sum.steps] = (steps[at % sum.steps] ?? 0) + 1 / pathCount;
  return { steps, any: peaks(sum).filter((peak) => peak > capacity).length / pathCount };
}

function peaks({ steps, values }: PathSum): Float64Array {
  const peak = new Float64Array(pathCount);
  for (let path = 0; path < pathCount; path++) {
    let most = 0;
    for (let step = 0; step < steps; step++) most = Math.max(most, values[path * steps + step] ?? 0);
    peak[path] = most;
  }
  return peak;
}

/** Hazen's places: the strata's middles. What rounding left below zero is zero. */
function writeQuantiles(column: Float64Array, into: Float64Array, at: number): void {
  column.sort();
  for (let q = 0; q < quantileCount; q++) {
    const place = Math.min(Math.max((quantileLevels[q] ?? 0) * pathCount - 0.5, 0), pathCount - 1);
    const below = Math.floor(place);
    const low = column[below] ?? 0;
    const high = column[Math.min(below + 1, pathCount - 1)] ?? low;
    into[at + q] = Math.max(0, low + (high - low) * (place - below));
  }
}
