// Band. Owns the interface of a band: a way to say how the truth lies around the point forecast, or without it, as a row of quantiles.
// Another band is one file that makes a `BandKind`, and one line in registry.ts.

import type { Carver } from "../block.js";
import type { Past } from "../models/model.js";
import type { PooledPrior } from "../pool.js";
import type { Shape } from "../shape.js";

/** What is known at an origin beside the past: the blended points of the targets, and how far the models disagree. */
export interface Outlook {
  /** One per target. */
  readonly points: Float64Array;
  readonly disagreements: Float64Array;
}

export interface Band {
  /** A young series begins with what others lend it. */
  begin?(prior: PooledPrior): void;
  /** A forecast has matured: `point` and the `clue` that `look` gave for it, and what came. */
  judge?(past: Past, target: number, point: number, clue: number, actual: number): void;
  /** Learns the last slot, then looks ahead: writes the eight quantiles of each target into rows, NaN = nothing to say, and a clue per target. */
  look(past: Past, outlook: Outlook, rows: Float64Array, clues: Float64Array): void;
}

export interface BandKind {
  readonly name: string;
  bind(from: Carver, shape: Shape): Band;
}
