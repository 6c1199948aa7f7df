// Keys. Owns which row an operation is about: uniform, zipfian (scattered over the key space), and latest, as YCSB draws them.
// Source: Cooper et al., "Benchmarking Cloud Serving Systems with YCSB" (SoCC 2010), §4; the zipfian draw is Gray et al.,
// "Quickly Generating Billion-Record Synthetic Databases" (SIGMOD 1994), §3.2.

import type { Random } from "../../../src/kernel/random.js";

export type Distribution = "uniform" | "zipfian" | "latest";

export interface KeyDraw {
  /** Index of a row that exists, from 0. `rows` may grow from call to call. */
  next(rows: number): number;
}

const theta = 0.99;
/** A prime that shares no factor with any table size used here: spreads the popular ranks over the key space. */
const stride = 1_000_003;

export function keyDraw(distribution: Distribution, random: Random, rows: number): KeyDraw {
  if (distribution === "uniform") return { next: (now) => Math.floor(random.next() * now) };
  const rank = zipfianRank(random, rows);
  if (distribution === "latest") return { next: (now) => now - 1 - (rank() % now) };
  return { next: (now) => (rank() * stride) % now };
}

/** Ranks from 0, the most popular first. */
function zipfianRank(random: Random, rows: number): () => number {
  const zeta = zetaOf(rows);
  const alpha = 1 / (1 - theta);
  const eta = (1 - (2 / rows) ** (1 - theta)) / (1 - zetaOf(2) / zeta);
  return () => {
    const share = random.next();
    const scaled = share * zeta;
    if (scaled < 1) return 0;
    if (scaled < 1 + 0.5 ** theta) return 1;
    return Math.min(rows - 1, Math.floor(rows * (eta * share - eta + 1) ** alpha));
  };
}

function zetaOf(rows: number): number {
  let sum = 0;
  for (let rank = 1; rank <= rows; rank++) sum += 1 / rank ** theta;
  return sum;
}

/** Keys of one length, in order of the index. */
export function keyOf(index: number): string {
  return `user${String(index).padStart(10, "0")}`;
}
