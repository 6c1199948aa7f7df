// Series. Owns the life of one forecast series: slots come in, quantiles of the next steps and of their maximum go out, and a record of how that went.
// It is the one door of this folder. Pure: no clock, no chance; all state lies in one block, which can be transferred or kept.
// F1 a forecast sees nothing after the last observed slot. F2 the same slots in the same order give the same forecast, to the bit.
// F3 residuals and losses are out of sample: a forecast is judged when its slot comes, never refitted before it is judged.
// F4 a slot is learnt once: late and repeated values never move the clock back.

import { type Account, carveAccount, count, judgeRow, recordOf, type SeriesRecord } from "./account.js";
import type { Band, Outlook } from "./bands/band.js";
import { bandKinds, bandNames } from "./bands/registry.js";
import { type Blend, beginBlend, blendMax, blendPoint, carveBlend, disagreement, judgePoints } from "./blend.js";
import { type Carver, carveBlock, measureBlock } from "./block.js";
import { type Calibration, calibrateRow, carveCalibration, judgeCalibration } from "./calibrate.js";
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
import { beginMixture, carveMixture, judgeBands, type Mixture, mixRow } from "./mixture.js";
import { Past, type PointModel } from "./models/model.js";
import { modelKinds, modelNames } from "./models/registry.js";
import { carvePending, type Pending, pendingAt } from "./pending.js";
import { findPeriods, longestPeriods } from "./periods.js";
import type { PooledPrior } from "./pool.js";
import { medianIndex, quantileCount, repairRow } from "./quantiles.js";
import { anchorBefore, compileShape, type SeriesShape, type Shape } from "./shape.js";

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

const packVersion = 2;
/** What the highest value of late loses per slot: half in about 5,000. */
const highestKeep = 0.99986;
const countedSlots = 60;
const mostRounded = 12;
/** Outer quantiles are rounded outwards rather: most of a count's weight lies on its own side. */
const leaning = 0.2;
const periodGrowth = 1.1;
/** The row of `points` at which each model's forecasts begin. */
const firstRows: readonly number[] = modelKinds.map((_, index) =>
  modelKinds.slice(0, index).reduce((sum, { names }) => sum + names.length, 0),
);
const rowWidth = quantileCount + 2;
/** Rows of all bands, then their clues. */
const bandWidth = bandKinds.length * (quantileCount + 1);
const clueAt = bandKinds.length * quantileCount;

/** `only` names the models and bands that may speak, by the first part of their names; it does not travel in a pack. */
export function createSeries(shape: SeriesShape, prior?: PooledPrior, only?: readonly string[]): SeriesState {
  const compiled = compileShape(shape);
  const block = new ArrayBuffer(measureBlock((from) => carve(from, compiled)));
  const state = bind(compiled, block, only === undefined ? undefined : silentOf(only));
  beginBlend(state.blend, prior);
  beginMixture(state.mixture);
  return state;
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

/** True when a refit would pay: early in life often, later once per horizon. */
export function isRefitDue(state: SeriesState): boolean {
  const since = state.marks[0] ?? 0;
  const refits = state.marks[1] ?? 0;
  return since >= Math.max(state.shape.horizonSteps, 24) || (refits === 0 && since >= 24);
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

/** Forecasts from here, kept until their slots come. */
function say(state: SeriesState, slot: number): void {
  const { shape, models, points, rows, pendingRows, past } = state;
  const columns = shape.horizonSteps + 1;
  if (state.marks[3] === 0) state.marks[3] = slot + 1;
  const ceiling = 2 * (state.marks[4] ?? 0);
  points.fill(Number.NaN);
  models.forEach((model, index) => {
    const { names } = modelKinds[index] ?? { names: [] };
    const out = new Float64Array(names.length * columns).fill(Number.NaN);
    model.predict(past, out);
    names.forEach((name, row) => {
      if (state.silent?.has(name) === true) out.fill(Number.NaN, row * columns, (row + 1) * columns);
    });
    // No model may blow up: nothing beyond twice the highest of late.
    for (let at = 0; at < out.length; at++) out[at] = Math.min(Math.max(out[at] ?? Number.NaN, 0), ceiling);
    points.set(out, (firstRows[index] ?? 0) * columns);
  });
  for (let model = 0; model < modelNames.length; model++) {
    const from = model * columns;
    if (Number.isNaN(points[from + columns - 1] ?? 0))
      points[from + columns - 1] = largest(points.subarray(from, from + columns - 1));
  }
  keepPoints(state, slot);
  const outlook = outlookOf(state);
  const said = sayBands(state, slot, outlook);
  const isCounting = isCountingOf(past);
  for (let target = 0; target < shape.targets; target++) {
    const isMax = target === shape.maxTarget;
    const point = outlook.points[target] ?? 0;
    sayRow(state, target, point, said, isCounting, 1.5 * ceiling);
    const at = pendingAt(pendingRows, target, slot);
    for (let q = 0; q < quantileCount; q++) pendingRows.values[at + q] = rows[target * quantileCount + q] ?? 0;
    pendingRows.values[at + quantileCount] = point;
    pendingRows.values[at + quantileCount + 1] = isMax ? Number.NaN : naiveAt(past, slot + (shape.delays[target] ?? 1));
  }
}

function keepPoints({ shape, points, pendingPoints }: SeriesState, slot: number): void {
  const columns = shape.horizonSteps + 1;
  for (let target = 0; target < shape.targets; target++) {
    const column = target === shape.maxTarget ? columns : (shape.delays[target] ?? 1);
    const at = pendingAt(pendingPoints, target, slot);
    for (let model = 0; model < modelNames.length; model++)
      pendingPoints.values[at + model] = points[model * columns + column - 1] ?? Number.NaN;
  }
}

function outlookOf({ shape, blend, points, past }: SeriesState): Outlook {
  const outlook = { points: new Float64Array(shape.targets), disagreements: new Float64Array(shape.targets) };
  for (let target = 0; target < shape.targets; target++) {
    const step = target === shape.maxTarget ? 0 : (shape.delays[target] ?? 1);
    const point = step === 0 ? blendMax(blend, shape, points) : blendPoint(blend, shape, points, step);
    outlook.points[target] = Number.isNaN(point) ? past.at(past.last) : point;
    outlook.disagreements[target] = disagreement(blend, shape, points, target);
  }
  return outlook;
}

/** What each band says: [target × bandWidth]. */
function sayBands(
  { shape, bands, past, pendingBands, silent }: SeriesState,
  slot: number,
  outlook: Outlook,
): Float64Array {
  const said = new Float64Array(shape.targets * bandWidth).fill(Number.NaN);
  const rows = new Float64Array(shape.targets * quantileCount);
  const clues = new Float64Array(shape.targets);
  bands.forEach((band, index) => {
    rows.fill(Number.NaN);
    band.look(past, outlook, rows, clues);
    if (silent?.has(bandNames[index] ?? "") === true) rows.fill(Number.NaN);
    for (let target = 0; target < shape.targets; target++) {
      const at = target * bandWidth;
      said.set(rows.subarray(target * quantileCount, (target + 1) * quantileCount), at + index * quantileCount);
      said[at + clueAt + index] = clues[target] ?? 0;
    }
  });
  for (let target = 0; target < shape.targets; target++)
    pendingBands.values.set(
      said.subarray(target * bandWidth, (target + 1) * bandWidth),
      pendingAt(pendingBands, target, slot),
    );
  return said;
}

/** Small counts: a quantile between two whole numbers is never met, the nearer one often is. */
function roundRow(row: Float64Array, from: number): void {
  for (let q = 0; q < quantileCount; q++) {
    const value = row[from + q] ?? 0;
    if (value < mostRounded)
      row[from + q] = Math.round(q < medianIndex ? value - leaning : q > medianIndex ? value + leaning : value);
  }
}

/** Whether the last slots were whole numbers. */
function isCountingOf(past: Past): boolean {
  for (let back = 0; back < Math.min(countedSlots, past.count); back++)
    if (!Number.isInteger(past.at(past.last - back))) return false;
  return true;
}

function sayRow(
  { mixture, calibration, rows, centres }: SeriesState,
  target: number,
  point: number,
  said: Float64Array,
  isCounting: boolean,
  ceiling: number,
): void {
  const at = target * quantileCount;
  if (!mixRow(mixture, target, said, target * bandWidth, rows, at)) rows.fill(point, at, at + quantileCount);
  repairRow(rows, at);
  calibrateRow(calibration, target, rows, at);
  for (let q = 0; q < quantileCount; q++) rows[at + q] = Math.min(rows[at + q] ?? 0, ceiling);
  if (isCounting) roundRow(rows, at);
  centres[target] = point;
}

function naiveAt(past: Past, slot: number): number {
  const seasonal = past.seasonBefore(slot, past.period(0));
  return Number.isNaN(seasonal) ? past.at(past.last) : seasonal;
}

function largest(values: Float32Array): number {
  let most = Number.NaN;
  for (const value of values) {
    if (!(value <= most)) most = Number.isNaN(value) ? most : value;
  }
  return most;
}

/** The quantiles of a step: those of the anchors around it, moved to its own point. */
function writeRow(
  { blend, shape, points, rows, centres }: SeriesState,
  step: number,
  out: Float64Array,
  at: number,
): void {
  const { anchor, share } = anchorBefore(shape, step);
  const point = share === 0 ? (centres[anchor] ?? 0) : blendPoint(blend, shape, points, step);
  // What lies above the point moves with it, what lies below in proportion, so that a quantile of nothing stays nothing.
  const moved = (target: number, q: number): number => {
    const centre = centres[target] ?? 0;
    const row = rows[target * quantileCount + q] ?? 0;
    return centre > 0 ? row + ((Number.isNaN(point) ? centre : point) - centre) * Math.min(1, row / centre) : row;
  };
  for (let q = 0; q < quantileCount; q++) {
    const here = moved(anchor, q);
    out[at + q] = share === 0 ? here : here + share * (moved(anchor + 1, q) - here);
  }
  repairRow(out, at);
}

function weightsOf(state: SeriesState): { model: string; weight: number }[] {
  const { blend, shape } = state;
  return modelNames.map((model, index) => {
    let sum = 0;
    for (let target = 0; target < shape.maxTarget; target++) sum += blend.weights[target * blend.models + index] ?? 0;
    return { model, weight: sum / shape.maxTarget };
  });
}
