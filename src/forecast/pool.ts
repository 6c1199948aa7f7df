// Pool. Owns what a young series borrows from mature ones: what their models, bands and shifts have come to, averaged.
// P1 all of it is free of units: errors over the usual error, losses over the usual loss, shifts in standard normal units. So any series can lend to any other.
// P2 it counts as a few matured forecasts, and is outvoted by the series' own before long.

/** NaN where there is nothing to say. */
export interface Lent {
  /** [(target × models + model) × 3] error, slope and square of slope, per forecast. */
  readonly models: Float64Array;
  /** [(target × bands + band) × levels] loss per forecast. */
  readonly bands: Float64Array;
  /** [target × levels] */
  readonly shifts: Float64Array;
}

/** Means over the lenders. */
export interface PooledPrior extends Lent {
  /** [target × levels] logarithm of what came over the point forecast: see `borrowed.ts`. */
  readonly ratios: Float64Array;
  /** Stretches that it was made from. */
  readonly series: number;
}

/** For another thread: what is sent is gone here. */
export function copyPrior({ models, bands, shifts, ratios, series }: PooledPrior): PooledPrior {
  return { models: models.slice(), bands: bands.slice(), shifts: shifts.slice(), ratios: ratios.slice(), series };
}

/** The mean of each cell over the lenders that know it. */
export function meanOf(lent: readonly Float64Array[]): Float64Array {
  return Float64Array.from({ length: lent[0]?.length ?? 0 }, (_, cell) => {
    let sum = 0;
    let count = 0;
    for (const cells of lent) {
      const value = cells[cell] ?? Number.NaN;
      if (Number.isNaN(value)) continue;
      sum += value;
      count++;
    }
    return count > 0 ? sum / count : Number.NaN;
  });
}
