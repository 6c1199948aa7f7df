// Borrowed band. Owns how far the truth fell from the forecasts of other series in their first slots, as ratios: all that a series has to go by in its own.
// It stays beside the series' own bands, and is outvoted where they know better.

import type { Carver } from "../block.js";
import type { Past } from "../models/model.js";
import type { PooledPrior } from "../pool.js";
import { quantileCount } from "../quantiles.js";
import type { Shape } from "../shape.js";
import type { Band, BandKind, Outlook } from "./band.js";

const levelKeep = 0.95;

export function borrowedBand(): BandKind {
  return { name: "borrowed", bind: (from, shape) => new BorrowedBand(from, shape) };
}

/** What is added to a value before a ratio is taken, so that ratios of small ones mean something. */
export function ratioUnit(level: number): number {
  return 0.1 * level + 1e-9;
}

class BorrowedBand implements Band {
  /** [level of late, 1 where something was lent] */
  private readonly levels: Float64Array;
  /** [target × levels] logarithms of ratios. */
  private readonly ratios: Float64Array;

  constructor(from: Carver, shape: Shape) {
    this.levels = from.f64(2);
    this.ratios = from.f64(shape.targets * quantileCount);
  }

  begin({ ratios }: PooledPrior): void {
    if (ratios.length !== this.ratios.length) return;
    this.ratios.set(ratios);
    this.levels[1] = 1;
  }

  look(past: Past, { points }: Outlook, rows: Float64Array): void {
    const { levels, ratios } = this;
    const value = past.at(past.last);
    levels[0] = (levels[0] ?? 0) === 0 ? value : levelKeep * (levels[0] ?? 0) + (1 - levelKeep) * value;
    if (levels[1] !== 1) return;
    const unit = ratioUnit(levels[0] ?? 0);
    for (let at = 0; at < ratios.length; at++) {
      const point = Math.max(points[Math.floor(at / quantileCount)] ?? 0, 0);
      rows[at] = Math.max((point + unit) * Math.exp(ratios[at] ?? 0) - unit, 0);
    }
  }
}
