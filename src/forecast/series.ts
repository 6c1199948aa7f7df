// Series. Owns the life of one forecast series: slots come in, quantiles of the next steps and of their maximum go out, and a record of how that went.
// It is the one door of this folder. Pure: no clock, no chance; all state lies in one block, which can be transferred or kept.
// F1 a forecast sees nothing after the last observed slot. F2 the same slots in the same order give the same forecast, to the bit.
// F3 residuals and losses are out of sample: a forecast is judged when its slot comes, never refitted before it is judged.
// F4 a slot is learnt once: late and repeated values never move the clock back.

import { type Account, carveAccount, count, judgeRow, recordOf, type SeriesRecord } from "./account.js";
import type { Band } from "./bands/band.js";
import { bandKinds, bandNames } from "./bands/registry.js";
import { type Blend, beginBlend, carveBlend, judgePoints, lendBlend } from "./blend.js";
import { type Carver, carveBlock, measureBlock } from "./block.js";
import { beginCalibration, type Calibration, carveCalibration, judgeCalibration } from "./calibrate.js";
import {
  carveHistory,
  clearHistory,
  fillLate,
  type History,
  isSeen,
  lastSlot,
  pushSlot,
  slotsPushed,
  valueAt,
} from "./history.js";
import { beginMixture, carveMixture, judgeBands, lendMixture, type Mixture } from "./mixture.js";
import { Past, type PointModel } from "./models/model.js";
import { modelKinds, modelNames } from "./models/registry.js";
import { carvePending, type Pending, pendingAt } from "./pending.js";
import { findPeriods, longestPeriods } from "./periods.js";
import type { Lent, PooledPrior } from "./pool.js";
import { quantileCount } from "./quantiles.js";
import { bandWidth, clueAt, isCountingOf, roundRow, rowWidth, say, weightsOf, writeRow } from "./rows.js";
import { compileShape, type SeriesShape, type Shape } from "./shape.js";

export type { SeriesRecord } from "./account.js";
export type { PooledPrior } from "./pool.js";
export type { SeriesShape } from "./shape.js";

export interface SeriesForecast {
  /** Slot of the last observed value. */
  readonly origin: number;
  /** Row major, horizonSteps × levels: never crossing, never negative. */
  readonly steps: Float64Array;
  /** Quantiles of the maximum over the horizon. */
  readonly max: Float64Array;
  /** Weights of the point models, averaged over the steps. */
  readonly weights: readonly { readonly model: string; readonly weight: number }[];
}

/** What became of a value: learnt, put in the place of a gap, or known already. */
export type Observed = "learnt" | "late" | "duplicate" | "tooOld";

export interface SeriesState {
  readonly version: number;
  readonly block: ArrayBuffer;
  /** Models and bands that must not speak. */
  readonly silent: ReadonlySet<string> | undefined;
  readonly past: Past;
  readonly shape: Shape;
  readonly history: History;
  /** [slots learnt since the last refit, refits, slots when seasons were last looked for, slot since which every slot was forecast from, and 1, highest value of late] */
  readonly marks: Float64Array;
  readonly models: readonly PointModel[];
  readonly blend: Blend;
  readonly bands: readonly Band[];
  readonly mixture: Mixture;
  readonly calibration: Calibration;
  readonly account: Account;
  /** [model × (horizonSteps + 1)] what the models say now. */
  readonly points: Float32Array;
  readonly pendingPoints: Pending;
  /** [target × levels] the rows said now, and the blended points they stand around. */
  readonly rows: Float64Array;
  readonly centres: Float64Array;
  /** [band × (levels + clue)] */
  readonly pendingBands: Pending;
  /** Quantiles, the blended point, and the seasonal naive. */
  readonly pendingRows: Pending;
}

export interface PackedSeries {
  readonly version: number;
  readonly shape: SeriesShape;
  readonly buffers: readonly ArrayBuffer[];
}

/** Every model and band, by its whole name. */
export const partNames: readonly string[] = [...modelNames, ...bandNames];

const packVersion = 3;
/** What the highest value of late loses per slot: half in about 5,000. */
const highestKeep = 0.99986;
/** Below this many slots there is nothing to fit. */
export const fewestFitted = 24;
const periodGrowth = 1.1;

/** `only` names the models and bands that may speak, by the first part of their names; it does not travel in a pack. */
export function createSeries(shape: SeriesShape, prior?: PooledPrior, only?: readonly string[]): SeriesState {
  const compiled = compileShape(shape);
  const block = new ArrayBuffer(measureBlock((from) => carve(from, compiled)));
  const state = bind(compiled, block, only === undefined ? undefined : silentOf(only));
  beginBlend(state.blend, prior?.models);
  beginMixture(state.mixture, prior?.bands);
  beginCalibration(state.calibration, prior?.shifts);
  if (prior !== undefined) for (const band of state.bands) band.begin?.(prior);
  return state;
}

/** What a young series can take from this one. */
export function lend({ blend, mixture, calibration }: SeriesState): Lent {
  return { models: lendBlend(blend), bands: lendMixture(mixture), shifts: calibration.shifts };
}

/** Takes the value of a slot; NaN = it is known to be missing. Slots between the last one and this one become gaps. */
export function observe(state: SeriesState, slot: number, value: number): Observed {
  const last = lastSlot(state.history);
  if (last >= 0 && slot <= last) return observeLate(state, slot, value);
  if (last >= 0 && slot - last > state.shape.historySlots) forgetPast(state);
  else for (let gap = last + 1; last >= 0 && gap < slot; gap++) learn(state, gap, Number.NaN, slot - gap);
  learn(state, slot, value >= 0 ? value : Number.NaN, 0);
  return "learnt";
}

/** Takes a past at once, for a series that has none yet: remembered, not judged, and learnt from its last `learnt` slots. Refit after it, and observe some more. */
export function preload(
  state: SeriesState,
  first: number,
  values: ArrayLike<number>,
  learnt: number = values.length,
): void {
  const { past, history, models } = state;
  for (let at = 0; at < values.length; at++) {
    const value = values[at] ?? Number.NaN;
    const wasSeen = value >= 0;
    pushSlot(history, first + at, wasSeen ? value : Number.NaN, past.period(0));
    state.marks[4] = Math.max(highestKeep * (state.marks[4] ?? 0), past.at(past.last));
    if (at >= values.length - learnt) for (const model of models) model.observe?.(past, wasSeen);
  }
  state.marks[0] = (state.marks[0] ?? 0) + values.length;
}

/** Looks for the seasons of a past that is about to be taken, so that all of it is learnt with them. For a series that has none yet. */
export function foreseeSeasons(state: SeriesState, first: number, values: ArrayLike<number>): void {
  for (let at = 0; at < values.length; at++) pushSlot(state.history, first + at, values[at] ?? Number.NaN, 0);
  lookForPeriods(state);
  clearHistory(state.history);
}

/** True when a refit would pay: when the history has grown by a quarter, later once per horizon. */
export function isRefitDue({ shape, marks, history }: SeriesState): boolean {
  const known = slotsPushed(history);
  const often = Math.max(shape.horizonSteps, 24);
  return known >= fewestFitted && (marks[0] ?? 0) >= Math.min(often, Math.max(6, known / 4));
}

/** Fits what is too dear for every slot; looks for seasons when that is due, or always if it is to be `full`. */
export function refit(state: SeriesState, full = false): void {
  if (full) state.marks[2] = 0;
  lookForPeriods(state);
  for (const model of state.models) model.refit?.(state.past);
  state.marks[0] = 0;
  state.marks[1] = (state.marks[1] ?? 0) + 1;
}

/** Seasons change seldom and are dear to look for: again only when the history has grown by a tenth. */
function lookForPeriods({ history, shape, past, marks }: SeriesState): void {
  const count = slotsPushed(history);
  if (count < periodGrowth * (marks[2] ?? 0)) return;
  marks[2] = count;
  findPeriods(history, shape.intervalMs, past.periods);
}

export function forecast(state: SeriesState): SeriesForecast {
  const { shape } = state;
  const steps = new Float64Array(shape.horizonSteps * quantileCount);
  const max = new Float64Array(quantileCount);
  const isCounting = isCountingOf(state.past);
  for (let step = 1; step <= shape.horizonSteps; step++) {
    writeRow(state, step, steps, (step - 1) * quantileCount);
    if (isCounting) roundRow(steps, (step - 1) * quantileCount);
  }
  max.set(state.rows.subarray(shape.maxTarget * quantileCount));
  return { origin: lastSlot(state.history), steps, max, weights: weightsOf(state) };
}

export function record(state: SeriesState): SeriesRecord {
  return recordOf(state.account);
}

/** All of the state; the buffers may be transferred, after which the state must not be used again. */
export function packSeries(state: SeriesState): PackedSeries {
  const { intervalMs, horizonSteps, historySlots } = state.shape;
  return { version: packVersion, shape: { intervalMs, horizonSteps, historySlots }, buffers: [state.block] };
}

/** Undefined when the pack is of another version or has another size: then the series begins anew from its samples. */
export function unpackSeries(packed: PackedSeries): SeriesState | undefined {
  const [block] = packed.buffers;
  if (packed.version !== packVersion || block === undefined) return undefined;
  const shape = compileShape(packed.shape);
  if (block.byteLength !== measureBlock((from) => carve(from, shape))) return undefined;
  return bind(shape, block);
}

interface Parts {
  readonly history: History;
  readonly periods: Float64Array;
  readonly marks: Float64Array;
  readonly models: readonly PointModel[];
  readonly blend: Blend;
  readonly bands: readonly Band[];
  readonly mixture: Mixture;
  readonly calibration: Calibration;
  readonly account: Account;
  readonly points: Float32Array;
  readonly rows: Float64Array;
  readonly centres: Float64Array;
  readonly pendingPoints: Pending;
  readonly pendingBands: Pending;
  readonly pendingRows: Pending;
}

function carve(from: Carver, shape: Shape): Parts {
  return {
    history: carveHistory(from, shape),
    periods: from.f64(longestPeriods),
    marks: from.f64(5),
    models: modelKinds.map((kind) => kind.bind(from, shape)),
    blend: carveBlend(from, shape, modelNames.length),
    bands: bandKinds.map((kind) => kind.bind(from, shape)),
    mixture: carveMixture(from, shape, bandKinds.length),
    calibration: carveCalibration(from, shape),
    account: carveAccount(from),
    points: from.f32(modelNames.length * (shape.horizonSteps + 1)),
    pendingPoints: carvePending(from, shape, modelNames.length),
    rows: from.f64(shape.targets * quantileCount),
    centres: from.f64(shape.targets),
    pendingBands: carvePending(from, shape, bandWidth),
    pendingRows: carvePending(from, shape, rowWidth),
  };
}

/** The models and bands that may not speak. If no model may, all do; if no band may, those around the point do. */
function silentOf(only: readonly string[]): ReadonlySet<string> {
  const may = (name: string): boolean => only.some((part) => name === part || name.startsWith(`${part}.`));
  const silent = (names: readonly string[]): readonly string[] =>
    names.some(may) ? names.filter((name) => !may(name)) : [];
  const bands = bandNames.some(may) ? silent(bandNames) : bandNames.filter((name) => !name.startsWith("residual."));
  return new Set([...silent(modelNames), ...bands]);
}

function bind(shape: Shape, block: ArrayBuffer, silent?: ReadonlySet<string>): SeriesState {
  const { periods, ...parts } = carve(carveBlock(block), shape);
  return { ...parts, version: packVersion, silent, block, shape, past: new Past(shape, parts.history, periods) };
}

/** Begins anew after a gap that is longer than the history; what was learnt about sizes and weights stays. */
function forgetPast(state: SeriesState): void {
  clearHistory(state.history);
  state.marks[2] = 0;
  state.marks[3] = 0;
}

function observeLate(state: SeriesState, slot: number, value: number): Observed {
  if (isSeen(state.history, slot) || Number.isNaN(value)) {
    count(state.account, "duplicate");
    return "duplicate";
  }
  if (!fillLate(state.history, slot, Math.max(value, 0))) return "tooOld";
  count(state.account, "late");
  return "late";
}

/** One slot: judge what was said about it, learn it, say what comes next (not in a gap that is known to last beyond the horizon). */
function learn(state: SeriesState, slot: number, value: number, gapAheadSlots: number): void {
  const { past, history, account } = state;
  const wasSeen = !Number.isNaN(value);
  const kept = pushSlot(history, slot, value, past.period(0));
  state.marks[4] = Math.max(highestKeep * (state.marks[4] ?? 0), kept);
  count(account, wasSeen ? "observed" : "missing");
  for (let target = 0; target < state.shape.targets; target++) judge(state, target, slot);
  for (const model of state.models) model.observe?.(past, wasSeen);
  if (gapAheadSlots > state.shape.horizonSteps) state.marks[3] = 0;
  else say(state, slot);
  state.marks[0] = (state.marks[0] ?? 0) + 1;
}

function judge(state: SeriesState, target: number, slot: number): void {
  const { shape, pendingPoints, pendingRows, blend, account } = state;
  const origin = slot - (shape.delays[target] ?? 1);
  // Nothing was said from there: a slot before the first one, in a long gap, or of a past that came at once.
  if ((state.marks[3] ?? 0) === 0 || origin < (state.marks[3] ?? 0) - 1) return;
  const actual = actualOf(state, target, slot);
  if (Number.isNaN(actual)) return;
  judgePoints(blend, target, pendingPoints.values, pendingAt(pendingPoints, target, origin), actual);
  const row = pendingAt(pendingRows, target, origin);
  const point = pendingRows.values[row + quantileCount] ?? Number.NaN;
  if (Number.isNaN(point)) return;
  const naive = pendingRows.values[row + quantileCount + 1] ?? Number.NaN;
  judgeRow(account, shape, target, pendingRows.values, row, actual, naive);
  judgeCalibration(state.calibration, target, pendingRows.values, row, actual);
  const at = pendingAt(state.pendingBands, target, origin);
  judgeBands(state.mixture, target, state.pendingBands.values, at, actual);
  state.bands.forEach((band, index) => {
    band.judge?.(state.past, target, point, state.pendingBands.values[at + clueAt + index] ?? 1, actual);
  });
}

/** What a target became at `slot`; NaN when it was not observed. */
function actualOf(state: SeriesState, target: number, slot: number): number {
  const { shape, history } = state;
  const from = target === shape.maxTarget ? slot - shape.horizonSteps + 1 : slot;
  let most = 0;
  for (let at = from; at <= slot; at++) {
    if (!isSeen(history, at)) return Number.NaN;
    most = Math.max(most, valueAt(history, at));
  }
  return most;
}
