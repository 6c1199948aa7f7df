// Pending. Owns forecasts that wait for their slots: for each target a ring as long as the target lies ahead.
// P1 what was written for a target at slot s is read back at slot s + delay, before the new forecast takes its place.

import type { Carver } from "./block.js";
import type { Shape } from "./shape.js";

export interface Pending {
  readonly width: number;
  readonly offsets: readonly number[];
  readonly delays: readonly number[];
  readonly values: Float32Array;
}

/** `width` numbers for each target and origin. */
export function carvePending(from: Carver, shape: Shape, width: number): Pending {
  const offsets: number[] = [];
  let length = 0;
  for (const delay of shape.delays) {
    offsets.push(length);
    length += delay * width;
  }
  return { width, offsets, delays: shape.delays, values: from.f32(length) };
}

/** Where the forecasts of `origin` for `target` begin in `values`. */
export function pendingAt(pending: Pending, target: number, origin: number): number {
  const delay = pending.delays[target] ?? 1;
  return (pending.offsets[target] ?? 0) + (origin % delay) * pending.width;
}
