// Risk. Owns the probability that a node's load exceeds its limit (the share of its capacity at which it is full), step by step, as it is and as it would be with more or less of a fragment.
// RI1 a node without a known capacity has no risk that anyone could state: it is neither relieved nor loaded.

import { limitOf, matrixOf, type Picture, pathsOf, summaryOf, workedOut } from "./picture.js";

/** P(load > limit) by step. `room`: share of the limit that is there (a copy takes some). */
export function riskOf(picture: Picture, node: number, room = 1): Float64Array {
  return workedOut(picture, node, `risk ${room}`, () =>
    countAbove(picture, matrixOf(picture, node), limitOf(picture, node) * room, undefined, 0),
  );
}

/** The same with `share` of a fragment's load more. */
export function riskWith(picture: Picture, node: number, fragment: number, share: number, room = 1): Float64Array {
  const capacity = limitOf(picture, node) * room;
  return countAbove(picture, matrixOf(picture, node), capacity, pathsOf(picture, fragment), share);
}

function countAbove(
  { steps, samples }: Picture,
  matrix: Float64Array,
  capacity: number,
  paths: Float32Array | undefined,
  share: number,
): Float64Array {
  const risks = new Float64Array(steps);
  if (capacity <= 0) return risks;
  // What is left of sums after taking away what was added is not load.
  const limit = capacity * (1 + 1e-9);
  for (let step = 0; step < steps; step++) {
    let above = 0;
    const end = (step + 1) * samples;
    if (paths === undefined) {
      for (let at = step * samples; at < end; at++) if ((matrix[at] ?? 0) > limit) above++;
    } else {
      for (let at = step * samples; at < end; at++) if ((matrix[at] ?? 0) + share * (paths[at] ?? 0) > limit) above++;
    }
    risks[step] = above / samples;
  }
  return risks;
}

/**
 * Load beyond the limit that is to be expected, by step, as a share of the limit. Unlike the probability it does not saturate: two nodes that are over their limit
 * are told apart, and evening them out makes the sum smaller.
 */
export function excessOf(picture: Picture, node: number, room = 1): Float64Array {
  return workedOut(picture, node, `excess ${room}`, () =>
    meanAbove(picture, matrixOf(picture, node), limitOf(picture, node) * room, undefined, 0),
  );
}

/** The same with `share` of a fragment's load more. */
export function excessWith(picture: Picture, node: number, fragment: number, share: number, room = 1): Float64Array {
  const capacity = limitOf(picture, node) * room;
  return meanAbove(picture, matrixOf(picture, node), capacity, pathsOf(picture, fragment), share);
}

function meanAbove(
  { steps, samples }: Picture,
  matrix: Float64Array,
  capacity: number,
  paths: Float32Array | undefined,
  share: number,
): Float64Array {
  const excess = new Float64Array(steps);
  if (capacity <= 0) return excess;
  for (let step = 0; step < steps; step++) {
    let sum = 0;
    for (let at = step * samples; at < (step + 1) * samples; at++) {
      const over = (matrix[at] ?? 0) + (paths === undefined ? 0 : share * (paths[at] ?? 0)) - capacity;
      if (over > 0) sum += over;
    }
    excess[step] = sum / (samples * capacity);
  }
  return excess;
}

/** False only where the risk is at most the tail's share at every step: no closer look is needed. */
export function mayExceed(picture: Picture, node: number, room = 1): boolean {
  const { steps, upper } = picture;
  const capacity = limitOf(picture, node) * room;
  if (capacity <= 0) return false;
  for (let step = 0; step < steps; step++) if ((upper[node * steps + step] ?? 0) > capacity) return true;
  return false;
}

/** The same with `share` of a fragment's load more. */
export function mayExceedWith(picture: Picture, node: number, fragment: number, share: number, room = 1): boolean {
  const { steps, upper } = picture;
  const capacity = limitOf(picture, node) * room;
  if (capacity <= 0) return true;
  const own = summaryOf(picture, fragment).upper;
  for (let step = 0; step < steps; step++)
    if ((upper[node * steps + step] ?? 0) + share * (own[step] ?? 0) > capacity) return true;
  return false;
}

export function largest(values: ArrayLike<number>): number {
  let most = 0;
  for (let at = 0; at < values.length; at++) most = Math.max(most, values[at] ?? 0);
  return most;
}

/** The load at one level of the samples of a step. */
export function quantileAt(picture: Picture, node: number, step: number, level: number): number {
  const { samples } = picture;
  const column = matrixOf(picture, node)
    .slice(step * samples, (step + 1) * samples)
    .sort();
  return Math.max(0, column[Math.min(samples - 1, Math.floor(level * samples))] ?? 0);
}
