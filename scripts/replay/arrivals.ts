// Arrivals. Owns when each query of a stream comes: a Poisson process whose rate follows the demand, seeded, so that every policy meets the same queries.
// AR1 what is drawn depends on the seed and the demand alone, not on when somebody asks.

import type { Random } from "../../src/kernel/random.js";

export interface Arrivals {
  /** Times, from the beginning of the replay, of all that come before `untilMs` and were not given yet. */
  until(untilMs: number): readonly number[];
}

const sliceMs = 20;

/** `rateAt`: queries per second at a time from the beginning. */
export function createArrivals(rateAt: (ms: number) => number, random: Random): Arrivals {
  let drawnMs = 0;
  let ahead: number[] = [];
  return {
    until(untilMs) {
      while (drawnMs < untilMs) {
        const count = poisson((rateAt(drawnMs + sliceMs / 2) * sliceMs) / 1000, random);
        const times = Array.from({ length: count }, () => drawnMs + random.next() * sliceMs);
        ahead.push(...times.sort((a, b) => a - b));
        drawnMs += sliceMs;
      }
      const due = ahead.filter((atMs) => atMs < untilMs);
      ahead = ahead.slice(due.length);
      return due;
    },
  };
}

/** Above this, exponentials underflow: a large count is the sum of smaller ones. */
const mostAtOnce = 200;

/** Knuth's way. */
export function poisson(mean: number, random: Random): number {
  let count = 0;
  for (let left = mean; left > 0; left -= mostAtOnce) {
    const limit = Math.exp(-Math.min(left, mostAtOnce));
    for (let product = random.next(); product > limit; product *= random.next()) count++;
  }
  return count;
}
