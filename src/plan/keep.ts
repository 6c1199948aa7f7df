// Keep. Owns how a picture stays what a new one of the same places and loads would be: what a plan changed is put back as it was, what changes for good is summed up anew.
// KE1 to the last bit: what adding and taking away leaves of a sum would tip comparisons, and a plan on a kept picture would be another than one on a new picture.

import { bearAll, type Picture, placesOf, write } from "./picture.js";

/** All that one node bears. */
export interface Borne {
  readonly held: readonly number[];
  readonly mean: Float64Array;
  readonly upper: Float64Array;
  readonly now: number;
  readonly matrix: Float64Array | undefined;
  readonly worked: Map<string, Float64Array> | undefined;
}

export function borneBy({ held, mean, upper, now, matrices, worked, steps }: Picture, node: number): Borne {
  const row = node * steps;
  return {
    held: [...(held[node] ?? [])],
    mean: mean.slice(row, row + steps),
    upper: upper.slice(row, row + steps),
    now: now[node] ?? 0,
    matrix: matrices.get(node)?.slice(),
    worked: worked.get(node),
  };
}

export function putBack(picture: Picture, node: number, borne: Borne): void {
  const { held, mean, upper, now, matrices, worked, steps } = picture;
  held[node] = [...borne.held];
  mean.set(borne.mean, node * steps);
  upper.set(borne.upper, node * steps);
  now[node] = borne.now;
  if (borne.matrix === undefined) matrices.delete(node);
  else matrices.set(node, borne.matrix);
  if (borne.worked === undefined) worked.delete(node);
  else worked.set(node, borne.worked);
}

/** The fragment's load is another now. */
export function reload(picture: Picture, at: number): void {
  picture.drawn.delete(at);
  picture.summary.fragment = -1;
  for (const node of placesOf(picture, at)) sumUp(picture, node);
}

/** The fragment's copies are at `next` from now on, the primary first. */
export function rehouse(picture: Picture, at: number, next: readonly number[]): void {
  const touched = new Set([...placesOf(picture, at), ...next]);
  write(picture, at, next);
  for (const node of touched) {
    const others = (picture.held[node] ?? []).filter((held) => held !== at);
    picture.held[node] = next.includes(node) ? [...others, at].sort((a, b) => a - b) : others;
    sumUp(picture, node);
  }
}

function sumUp(picture: Picture, node: number): void {
  const { mean, upper, now, matrices, steps, held } = picture;
  mean.fill(0, node * steps, (node + 1) * steps);
  upper.fill(0, node * steps, (node + 1) * steps);
  now[node] = 0;
  matrices.delete(node);
  bearAll(picture, node, held[node] ?? []);
}
