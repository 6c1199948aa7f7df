// Rows. Owns what a series says of the slots ahead: points of all models, their blend, what each band makes of it, and the rows of quantiles that come of that.
// R1 no model and no row blows up: nothing beyond a few times the highest of late.

import type { Outlook } from "./bands/band.js";
import { bandKinds, bandNames } from "./bands/registry.js";
import { blendMax, blendPoint, disagreement } from "./blend.js";
import { calibrateRow } from "./calibrate.js";
import { mixRow } from "./mixture.js";
import type { Past } from "./models/model.js";
import { modelKinds, modelNames } from "./models/registry.js";
import { pendingAt } from "./pending.js";
import { medianIndex, quantileCount, repairRow } from "./quantiles.js";
import type { SeriesState } from "./series.js";
import { anchorBefore } from "./shape.js";

/** The row of `points` at which each model's forecasts begin. */
const firstRows: readonly number[] = modelKinds.map((_, index) =>
  modelKinds.slice(0, index).reduce((sum, { names }) => sum + names.length, 0),
);
const countedSlots = 60;
const mostRounded = 12;
/** Outer quantiles are rounded outwards rather: most of a count's weight lies on its own side. */
const leaning = 0.2;
/** Quantiles, the blended point, and the seasonal naive. */
export const rowWidth = quantileCount + 2;
/** Rows of all bands, then their clues. */
export const bandWidth = bandKinds.length * (quantileCount + 1);
export const clueAt = bandKinds.length * quantileCount;

/** Forecasts from here, kept until their slots come. */
export function say(state: SeriesState, slot: number): void {
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
export function roundRow(row: Float64Array, from: number): void {
  for (let q = 0; q < quantileCount; q++) {
    const value = row[from + q] ?? 0;
    if (value < mostRounded)
      row[from + q] = Math.round(q < medianIndex ? value - leaning : q > medianIndex ? value + leaning : value);
  }
}

/** Whether the last slots were whole numbers. */
export function isCountingOf(past: Past): boolean {
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
export function writeRow(
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

export function weightsOf(state: SeriesState): { model: string; weight: number }[] {
  const { blend, shape } = state;
  return modelNames.map((model, index) => {
    let sum = 0;
    for (let target = 0; target < shape.maxTarget; target++) sum += blend.weights[target * blend.models + index] ?? 0;
    return { model, weight: sum / shape.maxTarget };
  });
}
