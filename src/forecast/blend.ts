// Blend. Owns the weights of the point models and the point forecast that they make together.
// Each model's absolute error is averaged as its forecasts mature, the recent ones counting most; weights are a softmax of minus these errors
// over the error of the best, so that they don't depend on the unit.
// Beside that a weight follows where the blend itself would have erred less: a model that errs much, but against the others, is worth more than its own error says
// (gradient trick of online aggregation: Cesa-Bianchi & Lugosi 2006, ch. 2.5; rates by the sum of squares as in Wintenberger 2017, BOA). What is added to the exponent
// is a t-statistic: chance alone makes it about 1, whatever the unit and however few forecasts have matured.
// N1 weights of a target sum to 1 over the models that have something to say; a model that says nothing (NaN) costs nothing.

import type { Carver } from "./block.js";
import type { PooledPrior } from "./pool.js";
import { anchorBefore, type Shape } from "./shape.js";

export interface Blend {
  readonly models: number;
  /** [model × targets] sum of discounted absolute errors, and of the discounts. */
  readonly errors: Float32Array;
  readonly masses: Float32Array;
  /** [model × targets] discounted sums of how much worse the blend would have been with more of the model, and of the squares of that. */
  readonly slopes: Float32Array;
  readonly squares: Float32Array;
  /** [target × models] */
  readonly weights: Float32Array;
  /** Mean error of all models of late, per target. */
  readonly usual: Float64Array;
}

/** Matured forecasts after which an error counts half, per target. */
const halfLifeSlots = 300;
const sharpness = 8;
/** What one standard error of a slope counts in the exponent of a weight; no slope counts more than `mostPull`. */
const pull = 3.5;
const mostPull = 40;
/** One forecast moves a slope by no more than so many usual errors: an outage is one event, not a proof. */
const mostStep = 0.5;
/** Where all models err so many times more than usual, something happened that none of them knows of; it says nothing of them, unless it goes on until it is usual. */
const strange = 4;
/** However far a model is behind the best, in errors of that: some weight is left, so that it can be turned to. */
const mostBehind = 5;
/** Matured forecasts that the pooled prior is worth. */
const priorMass = 12;
/** Error, slope, square. */
const lentCells = 3;

export function carveBlend(from: Carver, shape: Shape, models: number): Blend {
  const cells = models * shape.targets;
  return {
    models,
    errors: from.f32(cells),
    masses: from.f32(cells),
    slopes: from.f32(cells),
    squares: from.f32(cells),
    weights: from.f32(cells),
    usual: from.f64(shape.targets),
  };
}

export function beginBlend(blend: Blend, lent?: PooledPrior["models"]): void {
  const { models, errors, masses, slopes, squares, weights } = blend;
  weights.fill(1 / models);
  if (lent?.length !== errors.length * lentCells) return;
  for (let cell = 0; cell < errors.length; cell++) {
    const [error = Number.NaN, slope = 0, square = 0] = lent.subarray(cell * lentCells, (cell + 1) * lentCells);
    if (Number.isNaN(error)) continue;
    errors[cell] = priorMass * error;
    slopes[cell] = priorMass * slope;
    squares[cell] = priorMass * square;
    masses[cell] = priorMass;
  }
  for (let target = 0; target < errors.length / models; target++) weigh(blend, target);
}

/** What a young series may borrow: see `PooledPrior`. */
export function lendBlend({ errors, masses, slopes, squares }: Blend): Float64Array {
  const lent = new Float64Array(errors.length * lentCells).fill(Number.NaN);
  for (let cell = 0; cell < errors.length; cell++) {
    const mass = masses[cell] ?? 0;
    if (mass < priorMass) continue;
    lent.set(
      [errors, slopes, squares].map((sums) => (sums[cell] ?? 0) / mass),
      cell * lentCells,
    );
  }
  return lent;
}

/** What `points` said of `target` is known now. */
export function judgePoints(
  blend: Blend,
  target: number,
  points: ArrayLike<number>,
  from: number,
  actual: number,
): void {
  const keep = 0.5 ** (1 / halfLifeSlots);
  const { models, errors, masses, slopes, squares, weights, usual } = blend;
  let sum = 0;
  let count = 0;
  let weighted = 0;
  let weight = 0;
  for (let model = 0; model < models; model++) {
    const point = points[from + model] ?? Number.NaN;
    if (Number.isNaN(point)) continue;
    sum += Math.abs(actual - point);
    count++;
    const own = weights[target * models + model] ?? 0;
    weighted += own * point;
    weight += own;
  }
  if (count === 0) return;
  const mean = sum / count;
  const before = usual[target] ?? 0;
  usual[target] = before === 0 ? mean : before + 0.01 * (mean - before);
  const unit = 0.5 * mean + 0.5 * (usual[target] ?? 0);
  if (!(unit > 0) || (before > 0 && mean > strange * before)) return;
  const blended = weight > 0 ? weighted / weight : actual;
  const side = Math.sign(blended - actual);
  for (let model = 0; model < models; model++) {
    const point = points[from + model] ?? Number.NaN;
    if (Number.isNaN(point)) continue;
    const cell = target * models + model;
    const step = clamp((side * (point - blended)) / unit, mostStep);
    slopes[cell] = (slopes[cell] ?? 0) * keep + step;
    squares[cell] = (squares[cell] ?? 0) * keep + step * step;
    errors[cell] = (errors[cell] ?? 0) * keep + Math.abs(actual - point) / unit;
    masses[cell] = (masses[cell] ?? 0) * keep + 1;
  }
  weigh(blend, target);
}

export function weigh(blend: Blend, target: number): void {
  const { models, errors, masses, slopes, squares, weights } = blend;
  const from = target * models;
  let best = Number.POSITIVE_INFINITY;
  for (let model = 0; model < models; model++) {
    const mass = masses[from + model] ?? 0;
    if (mass > 0) best = Math.min(best, (errors[from + model] ?? 0) / mass);
  }
  if (!(best < Number.POSITIVE_INFINITY)) return;
  let sum = 0;
  for (let model = 0; model < models; model++) {
    const mass = masses[from + model] ?? 0;
    const error = mass > 0 ? (errors[from + model] ?? 0) / mass : 2 * best;
    // An error of zero (a constant series) makes everything else worthless.
    const square = squares[from + model] ?? 0;
    const turned = square > 0 ? clamp((pull * (slopes[from + model] ?? 0)) / Math.sqrt(square), mostPull) : 0;
    const behind = sharpness * Math.min(error / best - 1, mostBehind);
    const weight = best > 0 ? Math.exp(-behind - turned) : error > 0 ? 0 : 1;
    weights[from + model] = weight;
    sum += weight;
  }
  for (let model = 0; model < models; model++) weights[from + model] = (weights[from + model] ?? 0) / sum;
}

/** The weighted mean of what the models say for a step; NaN if none says anything. `points` holds models × (horizon + 1). */
export function blendPoint(blend: Blend, shape: Shape, points: ArrayLike<number>, step: number): number {
  const { anchor, share } = anchorBefore(shape, step);
  return mean(blend, points, step - 1, shape.horizonSteps + 1, anchor, share === 0 ? anchor : anchor + 1, share);
}

export function blendMax(blend: Blend, shape: Shape, points: ArrayLike<number>): number {
  const target = shape.maxTarget;
  return mean(blend, points, shape.horizonSteps, shape.horizonSteps + 1, target, target, 0);
}

/** Weighted mean distance of the models from their blend. */
export function disagreement(blend: Blend, shape: Shape, points: ArrayLike<number>, target: number): number {
  const columns = shape.horizonSteps + 1;
  const column = target === shape.maxTarget ? shape.horizonSteps : (shape.delays[target] ?? 1) - 1;
  const point = mean(blend, points, column, columns, target, target, 0);
  let sum = 0;
  for (let model = 0; model < blend.models; model++) {
    const own = points[model * columns + column] ?? Number.NaN;
    if (!Number.isNaN(own)) sum += (blend.weights[target * blend.models + model] ?? 0) * Math.abs(own - point);
  }
  return sum;
}

function mean(
  blend: Blend,
  points: ArrayLike<number>,
  column: number,
  columns: number,
  target: number,
  next: number,
  share: number,
): number {
  const { models, weights } = blend;
  let sum = 0;
  let mass = 0;
  for (let model = 0; model < models; model++) {
    const point = points[model * columns + column] ?? Number.NaN;
    if (Number.isNaN(point)) continue;
    const weight =
      (1 - share) * (weights[target * models + model] ?? 0) + share * (weights[next * models + model] ?? 0);
    sum += weight * point;
    mass += weight;
  }
  return mass > 0 ? sum / mass : Number.NaN;
}

function clamp(value: number, most: number): number {
  return Math.max(-most, Math.min(most, value));
}
