// Risk. Owns the probability that a node's load exceeds its limit (the share of its capacity at which it is full), step by step, as it is and as it would be with more or less of a fragment.
// RI1 a node without a known capacity has no risk that anyone could state: it is neither relieved nor loaded.

import { limitOf, matrixOf, type Picture, pathsOf, summaryOf, weightOn, workedOut } from "./picture.js";

/** What is made of the samples of one step, which stand from `from` to `end`. */
interface Measure {
  readonly name: string;
  of(loads: Float64Array, from: number, end: number, limit: number): number;
  /** The same with `share` of `more` on top. */
  with(loads: Float64Array, more: Float32Array, share: number, from: number, end: number, limit: number): number;
}

/** What is left of sums after taking away what was added is not load. */
const rounding = 1 + 1e-9;

const chance: Measure = {
  name: "risk",
  of(loads, from, end, limit) {
    const least = limit * rounding;
    let above = 0;
    for (let at = from; at < end; at++) if ((loads[at] ?? 0) > least) above++;
    return above / (end - from);
  },
  with(loads, more, share, from, end, limit) {
    const least = limit * rounding;
    let above = 0;
    for (let at = from; at < end; at++) if ((loads[at] ?? 0) + share * (more[at] ?? 0) > least) above++;
    return above / (end - from);
  },
};

const excess: Measure = {
  name: "excess",
  of(loads, from, end, limit) {
    let sum = 0;
    for (let at = from; at < end; at++) sum += Math.max(0, (loads[at] ?? 0) - limit);
    return sum / ((end - from) * limit);
  },
  with(loads, more, share, from, end, limit) {
    let sum = 0;
    for (let at = from; at < end; at++) sum += Math.max(0, (loads[at] ?? 0) + share * (more[at] ?? 0) - limit);
    return sum / ((end - from) * limit);
  },
};

/** P(load > limit) by step. `room`: share of the limit that is there (a copy takes some). */
export function riskOf(picture: Picture, node: number, room = 1): Float64Array {
  return asItIs(picture, node, room, chance);
}

/** The same for people: of a node that is surely calm, which means at most the tail's share, no samples are looked at, and its risk is told as none. */
export function riskTold(picture: Picture, node: number): Float64Array {
  return mayExceed(picture, node) ? riskOf(picture, node) : new Float64Array(picture.steps);
}

/** The same with `share` of a fragment's load more. */
export function riskWith(picture: Picture, node: number, fragment: number, share: number, room = 1): Float64Array {
  return withMore(picture, node, fragment, share, room, chance);
}

/**
 * Load beyond the limit that is to be expected, by step, as a share of the limit. Unlike the probability it does not saturate: two nodes that are over their limit
 * are told apart, and evening them out makes the sum smaller.
 */
export function excessOf(picture: Picture, node: number, room = 1): Float64Array {
  return asItIs(picture, node, room, excess);
}

/** The same with `share` of a fragment's load more. */
export function excessWith(picture: Picture, node: number, fragment: number, share: number): Float64Array {
  return withMore(picture, node, fragment, share, 1, excess);
}

function asItIs(picture: Picture, node: number, room: number, measure: Measure): Float64Array {
  const limit = limitOf(picture, node) * room;
  return workedOut(picture, node, `${measure.name} ${room}`, () => {
    const matrix = matrixOf(picture, node);
    return byStep(picture, limit, (from, end) => measure.of(matrix, from, end, limit));
  });
}

function withMore(
  picture: Picture,
  node: number,
  fragment: number,
  share: number,
  room: number,
  measure: Measure,
): Float64Array {
  if (share < 0) return withLess(picture, node, fragment, share, room, measure);
  const limit = limitOf(picture, node) * room;
  const matrix = matrixOf(picture, node);
  const paths = pathsOf(picture, fragment);
  return byStep(picture, limit, (from, end) => measure.with(matrix, paths, share, from, end, limit));
}

/**
 * What a node would bear without one of its own fragments is asked for each taker of it, and worked out once (not so of a fragment that it does not hold: that one's load may
 * change unnoticed). Where nothing is above the limit now, nothing will be.
 */
function withLess(
  picture: Picture,
  node: number,
  fragment: number,
  share: number,
  room: number,
  measure: Measure,
): Float64Array {
  return workedOut(picture, node, `${measure.name} ${fragment} ${share} ${room}`, () => {
    const limit = limitOf(picture, node) * room;
    const now = asItIs(picture, node, room, measure);
    const matrix = matrixOf(picture, node);
    const paths = pathsOf(picture, fragment);
    const { samples } = picture;
    return byStep(picture, limit, (from, end) =>
      now[from / samples] === 0 ? 0 : measure.with(matrix, paths, share, from, end, limit),
    );
  });
}

/** RI1: nothing where there is no limit. */
function byStep(
  { steps, samples }: Picture,
  limit: number,
  measured: (from: number, end: number) => number,
): Float64Array {
  const found = new Float64Array(steps);
  if (limit <= 0) return found;
  for (let step = 0; step < steps; step++) found[step] = measured(step * samples, (step + 1) * samples);
  return found;
}

/**
 * The risk exceeds a bound, which is not below the tail's share, at some step. Looks only at steps whose tail is beyond the limit, the fullest first, and at none
 * behind one that decides: of most nodes that may be at risk no matrix is made.
 */
export function isAtRisk(picture: Picture, node: number, bound: number): boolean {
  return (
    workedOut(picture, node, `at risk ${bound}`, () =>
      Float64Array.of(looksAtRisk(picture, node, bound) ? 1 : 0),
    )[0] === 1
  );
}

function looksAtRisk(picture: Picture, node: number, bound: number): boolean {
  const { steps, samples, upper, input } = picture;
  const limit = limitOf(picture, node);
  const tails = Array.from({ length: steps }, (_, step) => ({ step, tail: upper[node * steps + step] ?? 0 }))
    .filter(({ tail }) => tail > limit)
    .sort((a, b) => b.tail - a.tail || a.step - b.step);
  const held = (picture.held[node] ?? []).map((fragment) => ({ fragment, share: weightOn(picture, fragment, node) }));
  const loads = new Float64Array(samples);
  return tails.some(({ step }) => {
    loads.fill(0);
    for (const { fragment, share } of held) input.loads.addStep(fragment, step, share, loads);
    return chance.of(loads, 0, samples, limit) > bound;
  });
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
