// Count band. Owns series of small whole numbers, mostly zeros: a negative binomial around a mean of late, as wide as the counts were scattered around it.

import type { Carver } from "../block.js";
import type { Past } from "../models/model.js";
import { quantileCount, quantileLevels } from "../quantiles.js";
import type { Shape } from "../shape.js";
import type { Band, BandKind, Outlook } from "./band.js";

const mostMean = 20;
const mostCount = 4000;
const meanKeep = 0.9;
const scatterKeep = 0.99;

export function countBand(): BandKind {
  return { name: "counts", bind: (from, shape) => new CountBand(from, shape) };
}

class CountBand implements Band {
  /** [mean of late, scatter over Poisson of late per target…] */
  private readonly levels: Float64Array;

  constructor(
    from: Carver,
    private readonly shape: Shape,
  ) {
    this.levels = from.f64(1 + shape.targets);
  }

  judge(_past: Past, target: number, _point: number, mean: number, actual: number): void {
    const { levels } = this;
    const scatter = Math.min((actual - mean) ** 2 / Math.max(mean, 0.05), 1e4);
    const before = levels[1 + target] ?? 0;
    levels[1 + target] = before === 0 ? Math.max(scatter, 1) : scatterKeep * before + (1 - scatterKeep) * scatter;
  }

  look(past: Past, { points }: Outlook, rows: Float64Array, means: Float64Array): void {
    const { levels, shape } = this;
    const value = past.at(past.last);
    levels[0] = past.pushed === 1 ? value : meanKeep * (levels[0] ?? 0) + (1 - meanKeep) * value;
    for (let target = 0; target < shape.targets; target++) {
      const isMax = target === shape.maxTarget;
      const point = points[target] ?? 0;
      const mean = Math.max(isMax ? point : 0.5 * (point + (levels[0] ?? 0)), 0.01);
      means[target] = mean;
      if (mean > mostMean) continue;
      writeCounts(mean, Math.max(levels[1 + target] ?? 1, 1.001), rows, target * quantileCount);
    }
  }
}

/** Quantiles of a negative binomial of that mean whose variance is `scatter` times it. */
function writeCounts(mean: number, scatter: number, rows: Float64Array, at: number): void {
  const size = mean / (scatter - 1);
  const share = 1 / scatter;
  let chance = Math.exp(size * Math.log(share));
  let below = chance;
  let count = 0;
  for (let q = 0; q < quantileCount; q++) {
    const level = quantileLevels[q] ?? 0.5;
    while (below < level && count < mostCount) {
      chance *= ((count + size) / (count + 1)) * (1 - share);
      below += chance;
      count++;
    }
    rows[at + q] = count;
  }
}
