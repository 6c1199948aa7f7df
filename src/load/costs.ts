// Costs. Owns what one operation of each kind costs a node, learned from its own samples: CPU time of an interval on the counts of that interval.
// V1 no cost is below zero. V2 the last `intervalsKept` intervals are remembered, and no more.
// V3 where data are few, or kinds always come in the same proportion, costs keep the proportions of the prior and only their common size is learned.
// Least squares by `ml-regression`; the prior is a ridge: rows that say what each cost would be, worth `priorIntervals` intervals of data.

import { MultivariateLinearRegression } from "ml-regression";
import { loadKinds } from "./kinds.js";

/** One interval of a node. */
export interface WorkDone {
  readonly spanMs: number;
  readonly cpuMs: number;
  /** By index of `loadKinds`. */
  readonly counts: ArrayLike<number>;
}

export interface OpCosts {
  /** CPU milliseconds per second that the node takes with nothing to do. */
  readonly idleMsPerS: number;
  /** CPU milliseconds per operation, by index of `loadKinds`. */
  readonly perOpMs: readonly number[];
  /** Intervals with operations that this rests on; 0: it is the prior. */
  readonly intervals: number;
}

export interface CostBook {
  note(work: WorkDone): void;
  costs(): OpCosts;
}

/** What a node on one core of today takes, roughly, milliseconds: the order of `loadKinds`. Their proportions matter, their size is learned first. */
const priorMs: readonly number[] = [0.05, 0.15, 0.15, 0.17, 0.15, 0.6, 0.6, 1.5, 0.1];
const priorIdleMsPerS = 10;
const intervalsKept = 128;
const priorIntervals = 0.5;
/** Learning goes on at most this far from the prior's size: a broken gauge must not make a node infinitely strong or weak. */
const mostScale = 50;
const kinds = loadKinds.length;

export const priorCosts: OpCosts = { idleMsPerS: priorIdleMsPerS, perOpMs: priorMs, intervals: 0 };

export function createCostBook(): CostBook {
  const kept: WorkDone[] = [];
  return {
    note(work) {
      if (!(work.spanMs > 0) || !(work.cpuMs > 0) || !Number.isFinite(work.cpuMs)) return;
      kept.push({ ...work, counts: Float64Array.from(work.counts) });
      if (kept.length > intervalsKept) kept.shift();
    },
    costs: () => fitCosts(kept),
  };
}

export function fitCosts(works: readonly WorkDone[]): OpCosts {
  const busy = works.filter(({ counts }) => totalOf(counts) > 0);
  if (busy.length === 0) return { ...priorCosts, idleMsPerS: idleOf(works) };
  const prior = scaledPrior(works, busy);
  const solved = solveNonNegative(works, prior);
  return { idleMsPerS: solved[0] ?? 0, perOpMs: solved.slice(1), intervals: busy.length };
}

/** CPU milliseconds of a mix of operations, the node's own idling left out. */
export function costOf({ perOpMs }: OpCosts, counts: ArrayLike<number>): number {
  let sum = 0;
  for (let kind = 0; kind < kinds; kind++) sum += (counts[kind] ?? 0) * (perOpMs[kind] ?? 0);
  return sum;
}

/** The prior in the size that explains the CPU time of all intervals together. [idle per second, per kind] */
function scaledPrior(works: readonly WorkDone[], busy: readonly WorkDone[]): number[] {
  const idle = Math.min(priorIdleMsPerS, idleOf(works));
  let spent = 0;
  let expected = 0;
  for (const { cpuMs, spanMs, counts } of busy) {
    spent += Math.max(0, cpuMs - (idle * spanMs) / 1000);
    expected += costOf(priorCosts, counts);
  }
  const scale = Math.min(mostScale, Math.max(1 / mostScale, expected > 0 ? spent / expected : 1));
  return [idle, ...priorMs.map((ms) => ms * scale)];
}

/** The least CPU that any interval took: with nothing to do it cannot be more. */
function idleOf(works: readonly WorkDone[]): number {
  let least = priorIdleMsPerS;
  for (const { cpuMs, spanMs } of works) least = Math.min(least, (cpuMs * 1000) / spanMs);
  return least;
}

/** Least squares over the columns that stay at or above zero: a column whose cost comes out negative leaves, and the rest is solved again. */
function solveNonNegative(works: readonly WorkDone[], prior: readonly number[]): number[] {
  const weights = ridgeWeights(works);
  let columns = prior.map((_, column) => column).filter((column) => (weights[column] ?? 0) > 0);
  const solved = [...prior];
  for (let round = 0; round <= prior.length && columns.length > 0; round++) {
    const found = solve(works, prior, columns, weights);
    const negative = columns.filter((_, at) => !((found[at] ?? 0) >= 0));
    if (negative.length === 0) {
      columns.forEach((column, at) => {
        solved[column] = found[at] ?? 0;
      });
      return solved;
    }
    for (const column of negative) solved[column] = 0;
    columns = columns.filter((column) => !negative.includes(column));
  }
  return solved;
}

function solve(
  works: readonly WorkDone[],
  prior: readonly number[],
  columns: readonly number[],
  weights: readonly number[],
): number[] {
  const inputs = works.map((work) => columns.map((column) => columnOf(work, column)));
  const outputs = works.map(({ cpuMs }) => [cpuMs]);
  columns.forEach((column, at) => {
    const weight = weights[column] ?? 0;
    inputs.push(columns.map((_, other) => (other === at ? weight : 0)));
    outputs.push([weight * (prior[column] ?? 0)]);
  });
  const { weights: found } = new MultivariateLinearRegression(inputs, outputs, { intercept: false, statistics: false });
  return columns.map((_, at) => found[at]?.[0] ?? Number.NaN);
}

/** How much the prior of each column weighs: as `priorIntervals` intervals with its usual count. 0: the column never occurred. */
function ridgeWeights(works: readonly WorkDone[]): number[] {
  return Array.from({ length: kinds + 1 }, (_, column) => {
    let squares = 0;
    for (const work of works) squares += columnOf(work, column) ** 2;
    return Math.sqrt((priorIntervals * squares) / Math.max(1, works.length));
  });
}

function columnOf({ spanMs, counts }: WorkDone, column: number): number {
  return column === 0 ? spanMs / 1000 : (counts[column - 1] ?? 0);
}

function totalOf(counts: ArrayLike<number>): number {
  let sum = 0;
  for (let kind = 0; kind < kinds; kind++) sum += counts[kind] ?? 0;
  return sum;
}
