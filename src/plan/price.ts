// Price. Owns what an action costs (bytes, time, capacity of both ends meanwhile), until when it must be done and when it had best begin.
// PR1 what is begun in time is finished before the first step at risk. PR2 what cannot be any more is late, and gains only from its end on.
// PR3 what is put off is put off to another round: between two rounds nothing begins.

import type { Strategy } from "../ledger/move.js";
import type { Grid } from "./loads.js";
import type { Picture } from "./picture.js";
import { type Policy, stayMs } from "./policy.js";

export interface Price {
  readonly bytes: number;
  readonly lastsMs: number;
  /** Share of the capacity of both ends that is taken meanwhile. */
  readonly capacityShare: number;
}

export function priceOf(strategy: Strategy, bytes: number, { prices }: Policy): Price {
  if (strategy === "leader-only") return { bytes: 0, lastsMs: prices.handOverMs, capacityShare: 0 };
  const lastsMs = Math.max(prices.copyAtLeastMs, (bytes / prices.copyBytesPerSecond) * 1000);
  return { bytes, lastsMs, capacityShare: prices.copyShare };
}

/** When a step begins, from now. */
export function beginOf({ endsMs }: Grid, step: number): number {
  return step === 0 ? 0 : (endsMs[step - 1] ?? 0);
}

/** The first step of which most comes after `afterMs`. */
export function firstStepAfter(grid: Grid, afterMs: number): number {
  const step = grid.endsMs.findIndex((endMs, at) => (beginOf(grid, at) + endMs) / 2 >= afterMs);
  return step < 0 ? grid.endsMs.length : step;
}

/** Share of each step, as far as there is any, that lies between two moments. */
export function overlaps(grid: Grid, fromMs: number, endMs: number): readonly number[] {
  const shares: number[] = [];
  for (let step = 0; step < grid.endsMs.length && beginOf(grid, step) < endMs; step++) {
    const [begin, end] = [beginOf(grid, step), grid.endsMs[step] ?? 0];
    shares.push(Math.max(0, Math.min(end, endMs) - Math.max(begin, fromMs)) / Math.max(1, end - begin));
  }
  return shares;
}

export interface Timetable {
  /** From now. */
  readonly startMs: number;
  readonly deadlineMs: number;
  readonly isLate: boolean;
}

/** A trough must be this much lower than the present to be worth waiting for. */
const troughShare = 0.9;

/** Begins in the trough before the first step at risk, at the latest so that it ends in time, and not before that by more than the fragment then stays. */
export function timetable(
  picture: Picture,
  ends: readonly number[],
  firstAtRisk: number,
  lastsMs: number,
  policy: Policy,
): Timetable {
  const { grid } = picture.input;
  const { prices, roundMs } = policy;
  const deadlineMs = beginOf(grid, firstAtRisk);
  const latestMs = deadlineMs - lastsMs * prices.haste;
  if (latestMs < 0) return { startMs: 0, deadlineMs, isLate: deadlineMs < lastsMs };
  // What is begun much earlier rests on a forecast of much later, and cannot be mended when that changes.
  const earliestMs = Math.max(0, latestMs - stayMs(policy));
  const loadAt = (step: number): number =>
    ends.reduce((sum, node) => sum + (picture.mean[node * picture.steps + step] ?? 0), 0);
  const present = ends.reduce((sum, node) => sum + (picture.now[node] ?? 0), 0);
  let startMs = earliestMs;
  let least =
    (earliestMs === 0 ? Math.min(present, loadAt(0)) : loadAt(firstStepAfter(grid, earliestMs))) * troughShare;
  for (let step = 1; step < picture.steps && beginOf(grid, step) <= latestMs; step++) {
    if (beginOf(grid, step) < earliestMs || loadAt(step) >= least) continue;
    least = loadAt(step);
    startMs = beginOf(grid, step);
  }
  // What is to begin before the next round comes begins in this one: the next would put it off again.
  return { startMs: startMs < roundMs ? 0 : startMs, deadlineMs, isLate: false };
}
