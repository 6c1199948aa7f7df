// Crowd. Owns the load that keeps a picture of many fragments changing: a steady number of gets of random rows each second, so that every sample has other rates.

import type { Client } from "../../../cluster/client/index.js";
import { seededRandom } from "../../../src/kernel/random.js";
import type { Farewell } from "../../live/farewell.js";

const rowsEach = 8;
const atOnce = 128;
const everyMs = 100;
const getsEachTime = 200;

export interface Crowd {
  readonly getsPerSecond: number;
  /** Gets that were answered, and that failed. */
  answered(): number;
  failed(): number;
  stop(): Promise<void>;
}

export async function fill(client: Client, table: string, fragments: number): Promise<void> {
  const rows = client.table(table);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < fragments * rowsEach) {
      const key = `k${next++}`;
      await rows.put(key, { key });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

export function startCrowd(farewell: Farewell, client: Client, table: string, fragments: number, seed: number): Crowd {
  const rows = client.table(table);
  const random = seededRandom(seed);
  const under = new Set<Promise<unknown>>();
  let answered = 0;
  let failed = 0;
  const timer = setInterval(() => {
    // A cluster that is behind is not asked still more.
    if (under.size > 20) return;
    const keys = Array.from({ length: getsEachTime }, () => `k${random.below(fragments * rowsEach)}`);
    const one = rows
      .getMany(keys)
      .then(
        (found) => {
          answered += found.length;
        },
        () => {
          failed += keys.length;
        },
      )
      .finally(() => under.delete(one));
    under.add(one);
  }, everyMs);
  const stop = async (): Promise<void> => {
    clearInterval(timer);
    await Promise.all(under);
  };
  farewell.later(stop);
  return {
    getsPerSecond: (getsEachTime * 1000) / everyMs,
    answered: () => answered,
    failed: () => failed,
    stop,
  };
}
