// Mixture. Owns the weights of the bands, per target and quantile, by their pinball loss of late, and the row that they make together.
// Quantiles are averaged (not probabilities): the mean of two narrow bands that disagree stays narrow in between.

import type { Carver } from "./block.js";
import type { PooledPrior } from "./pool.js";
import { pinball, quantileCount, quantileLevels } from "./quantiles.js";
import type { Shape } from "./shape.js";

export interface Mixture {
  readonly bands: number;
  /** [(target × bands + band) × (levels + 1)] discounted losses per level, and the sum of the discounts. */
  readonly losses: Float32Array;
  /** [(target × bands + band) × levels] */
  readonly weights: Float32Array;
  /** Mean loss of all bands of late, per target. */
  readonly usual: Float64Array;
}

const width = quantileCount + 1;
const halfLifeSlots = 600;
const sharpness = 8;
/** How much a level's own loss counts beside that of all levels. */
const ownShare = 0.3;
/** How much a band's losses at the other steps count beside those at a step. */
const otherSteps = 0.4;
/** However far a band is behind, in losses of the best: some weight is left. */
const mostBehind = 3;
/** Matured forecasts that the pooled prior is worth. */
const priorMass = 12;

export function carveMixture(from: Carver, shape: Shape, bands: number): Mixture {
  const cells = shape.targets * bands;
  return {
    bands,
    losses: from.f32(cells * width),
    weights: from.f32(cells * quantileCount),
    usual: from.f64(shape.targets),
  };
}

export function beginMixture(mixture: Mixture, lent?: PooledPrior["bands"]): void {
  const { bands, losses, weights } = mixture;
  weights.fill(1 / bands);
  if (lent?.length !== weights.length) return;
  for (let cell = 0; cell < weights.length / quantileCount; cell++) {
    if (Number.isNaN(lent[cell * quantileCount] ?? Number.NaN)) continue;
    for (let q = 0; q < quantileCount; q++)
      losses[cell * width + q] = priorMass * (lent[cell * quantileCount + q] ?? 0);
    losses[cell * width + quantileCount] = priorMass;
  }
  for (let target = 0; target < weights.length / quantileCount / bands; target++) weigh(mixture, target);
}

/** What a young series may borrow: see `PooledPrior`. */
export function lendMixture({ losses, weights }: Mixture): Float64Array {
  return Float64Array.from(weights, (_, at) => {
    const cell = Math.floor(at / quantileCount) * width;
    const mass = losses[cell + quantileCount] ?? 0;
    return mass < priorMass ? Number.NaN : (losses[cell + (at % quantileCount)] ?? 0) / mass;
  });
}

/** `rows` holds bands × levels from `from` on. */
export function judgeBands(
  mixture: Mixture,
  target: number,
  rows: ArrayLike<number>,
  from: number,
  actual: number,
): void {
  const { bands, losses, usual } = mixture;
  const keep = 0.5 ** (1 / halfLifeSlots);
  let sum = 0;
  let said = 0;
  for (let band = 0; band < bands; band++) {
    const at = from + band * quantileCount;
    if (Number.isNaN(rows[at] ?? Number.NaN)) continue;
    for (let q = 0; q < quantileCount; q++) sum += pinball(actual, rows[at + q] ?? 0, quantileLevels[q] ?? 0.5);
    said++;
  }
  if (said === 0) return;
  const mean = sum / said / quantileCount;
  const before = usual[target] ?? 0;
  usual[target] = before === 0 ? mean : before + 0.01 * (mean - before);
  const unit = 0.5 * mean + 0.5 * (usual[target] ?? 0);
  if (!(unit > 0)) return;
  for (let band = 0; band < bands; band++) {
    const at = from + band * quantileCount;
    if (Number.isNaN(rows[at] ?? Number.NaN)) continue;
    const cell = (target * bands + band) * width;
    for (let q = 0; q < quantileCount; q++) {
      const loss = pinball(actual, rows[at + q] ?? 0, quantileLevels[q] ?? 0.5) / unit;
      losses[cell + q] = (losses[cell + q] ?? 0) * keep + loss;
    }
    losses[cell + quantileCount] = (losses[cell + quantileCount] ?? 0) * keep + 1;
  }
  weigh(mixture, target);
}

function weigh(mixture: Mixture, target: number): void {
  const { bands, weights } = mixture;
  const whole = behindAtAll(mixture, target);
  const own = new Float64Array(bands);
  for (let q = 0; q < quantileCount; q++) {
    for (let band = 0; band < bands; band++) own[band] = meanLoss(mixture, target, band, q);
    const best = least(own);
    let sum = 0;
    for (let band = 0; band < bands; band++) {
      const behind = (1 - ownShare) * (whole[band] ?? 0) + ownShare * over(own[band] ?? 0, best);
      const weight = Math.exp(-sharpness * (Number.isNaN(behind) ? 1 : Math.min(behind, mostBehind)));
      weights[(target * bands + band) * quantileCount + q] = weight;
      sum += weight;
    }
    for (let band = 0; band < bands; band++) {
      const cell = (target * bands + band) * quantileCount + q;
      weights[cell] = (weights[cell] ?? 0) / sum;
    }
  }
}

/** How far each band is behind the best over all levels: at the target, and on average at the other steps. What is best at one step is seldom bad at another. */
function behindAtAll(mixture: Mixture, target: number): Float64Array {
  const whole = behindOf(mixture, target);
  const steps = mixture.usual.length - 1;
  if (target === steps) return whole;
  const sums = new Float64Array(mixture.bands);
  const counts = new Float64Array(mixture.bands);
  for (let step = 0; step < steps; step++) {
    if (step === target) continue;
    for (const [band, behind] of behindOf(mixture, step).entries()) {
      if (Number.isNaN(behind)) continue;
      sums[band] = (sums[band] ?? 0) + Math.min(behind, mostBehind);
      counts[band] = (counts[band] ?? 0) + 1;
    }
  }
  const drawn = whole.map((behind, band) => {
    const others = (sums[band] ?? 0) / (counts[band] ?? 0);
    return Number.isNaN(others) ? behind : (1 - otherSteps) * Math.min(behind, mostBehind) + otherSteps * others;
  });
  // The best of those that have been judged at this step stays the best: one that has not must not overtake it by what it did elsewhere.
  const best = least(drawn);
  return drawn.map((behind) => behind - best);
}

function behindOf(mixture: Mixture, target: number): Float64Array {
  const totals = new Float64Array(mixture.bands);
  for (let band = 0; band < mixture.bands; band++)
    for (let q = 0; q < quantileCount; q++) totals[band] = (totals[band] ?? 0) + meanLoss(mixture, target, band, q);
  const best = least(totals);
  return totals.map((total) => over(total, best));
}

function meanLoss({ bands, losses }: Mixture, target: number, band: number, q: number): number {
  const cell = (target * bands + band) * width;
  const mass = losses[cell + quantileCount] ?? 0;
  return mass > 0 ? (losses[cell + q] ?? 0) / mass : Number.NaN;
}

/** The weighted mean of the bands that say something, into out. False if none does. */
export function mixRow(
  mixture: Mixture,
  target: number,
  rows: ArrayLike<number>,
  from: number,
  out: Float64Array,
  to: number,
): boolean {
  const { bands, weights } = mixture;
  let said = false;
  for (let q = 0; q < quantileCount; q++) {
    let sum = 0;
    let mass = 0;
    for (let band = 0; band < bands; band++) {
      const value = rows[from + band * quantileCount + q] ?? Number.NaN;
      if (Number.isNaN(value)) continue;
      const weight = weights[(target * bands + band) * quantileCount + q] ?? 0;
      sum += weight * value;
      mass += weight;
    }
    if (mass > 0) said = true;
    out[to + q] = mass > 0 ? sum / mass : 0;
  }
  return said;
}

function least(values: Float64Array): number {
  let low = Number.POSITIVE_INFINITY;
  for (const value of values) if (value < low) low = value;
  return low;
}

/** How far a loss is behind the best, in shares of it. */
function over(loss: number, best: number): number {
  if (best > 0) return loss / best - 1;
  return loss > 0 ? 1 : loss;
}
