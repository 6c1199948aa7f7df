// Ranks. Owns where the truth fell within each of the last forecasts of a series, by origin and step: the material of joint paths.
// Row p of every series holds the origins whose slot is p modulo `pathCount`: the same row is the same moment in all series, and so what
// happens together in several series, and along a horizon, stays together (an empirical copula; Clark et al. 2004 call it the Schaake shuffle).
// K1 a cell is 0 while its slot has not come. K2 only forecasts that were made before their slot are ranked.

import { quantileCount, quantileLevels } from "./quantiles.js";

/** Paths that are drawn, and origins that are remembered. */
export const pathCount = 200;
const finest = 254;

export interface RankRing {
  readonly steps: number;
  /** [path × steps] 0 = unknown, else 1 + rank × 254. */
  readonly cells: Uint8Array;
  /** [origin mod steps × steps × levels] what was said from the last origins. */
  readonly said: Float32Array;
  readonly origins: Float64Array;
}

export function createRanks(steps: number): RankRing {
  return {
    steps,
    cells: new Uint8Array(pathCount * steps),
    said: new Float32Array(steps * steps * quantileCount),
    origins: new Float64Array(steps).fill(-1),
  };
}

/** A forecast was made at `origin`: `rows` holds steps × levels. */
export function noteForecast(ring: RankRing, origin: number, rows: ArrayLike<number>): void {
  const { steps, cells, said, origins } = ring;
  origins[origin % steps] = origin;
  said.set(Array.from(rows), (origin % steps) * steps * quantileCount);
  const row = (origin % pathCount) * steps;
  cells.fill(0, row, row + steps);
}

/** The truth of `slot`. */
export function noteActual(ring: RankRing, slot: number, value: number): void {
  const { steps, cells, said, origins } = ring;
  if (Number.isNaN(value)) return;
  for (let step = 1; step <= steps; step++) {
    const origin = slot - step;
    if (origin < 0 || origins[origin % steps] !== origin) continue;
    const row = ((origin % steps) * steps + step - 1) * quantileCount;
    cells[(origin % pathCount) * steps + step - 1] = 1 + Math.round(rankIn(said, row, value) * finest);
  }
}

/** Begins anew: what was said so far is neither ranked nor remembered. */
export function forgetRanks({ cells, origins }: RankRing): void {
  cells.fill(0);
  origins.fill(-1);
}

/** The cells that `noteActual(slot)` wrote, step by step: what a reader of the ring lacks. */
export function cellsOf({ steps, cells }: Pick<RankRing, "steps" | "cells">, slot: number): Uint8Array {
  return Uint8Array.from({ length: steps }, (_, at) => cells[cellAt(steps, slot, at)] ?? 0);
}

/** Puts such cells into a copy of the ring. */
export function putCells(into: Uint8Array, steps: number, slot: number, changed: Uint8Array): void {
  const cleared = (slot % pathCount) * steps;
  into.fill(0, cleared, cleared + steps);
  for (let at = 0; at < steps; at++) into[cellAt(steps, slot, at)] = changed[at] ?? 0;
}

function cellAt(steps: number, slot: number, at: number): number {
  const origin = Math.max(0, slot - at - 1);
  return (origin % pathCount) * steps + at;
}

/** Where `value` lies in a row of quantiles, 0 to 1; the middle of the levels that are equal to it. */
export function rankIn(rows: ArrayLike<number>, from: number, value: number): number {
  let below = -1;
  let upTo = -1;
  for (let q = 0; q < quantileCount; q++) {
    const quantile = rows[from + q] ?? 0;
    if (quantile < value) below = q;
    if (quantile <= value) upTo = q;
  }
  if (upTo > below) {
    // A stretch of quantiles equals the value: the truth lies anywhere from just above the last smaller one.
    const low = below < 0 ? 0 : levelAt(below);
    return (low + levelAt(upTo)) / 2;
  }
  const low = below < 0 ? 0 : (rows[from + below] ?? 0);
  const lowLevel = below < 0 ? 0 : levelAt(below);
  if (below === quantileCount - 1) return (levelAt(below) + 1) / 2;
  const high = rows[from + below + 1] ?? low;
  const share = high > low ? (value - low) / (high - low) : 0.5;
  return lowLevel + Math.min(1, Math.max(0, share)) * (levelAt(below + 1) - lowLevel);
}

function levelAt(q: number): number {
  return quantileLevels[q] ?? 1;
}
