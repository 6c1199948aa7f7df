// Pace. Owns how fast a backup or a restore goes at most: bytes per second, over any time that is longer than a moment.
// PB1 what was not used is not saved up, beyond `savedMs`: after a stall it goes on at its rate. PB2 what is owed is waited for before the next bytes.

import { setTimeout as wait } from "node:timers/promises";

export interface PaceClock {
  nowMs(): number;
  wait(ms: number): Promise<void>;
}

export interface Pace {
  /** Settles once `bytes` more are within the rate. */
  spend(bytes: number): Promise<void>;
}

/** What a pause may save up, and below which a debt is not worth a timer. */
export const savedMs = 100;
export const leastWaitMs = 10;

const realClock: PaceClock = {
  nowMs: () => performance.now(),
  wait: async (ms) => {
    await wait(ms);
  },
};

export function createPace(bytesPerS: number, clock: PaceClock = realClock): Pace {
  /** When nothing is owed any more. */
  let freeAtMs = clock.nowMs();
  return {
    async spend(bytes) {
      const nowMs = clock.nowMs();
      freeAtMs = Math.max(freeAtMs, nowMs - savedMs) + (bytes / bytesPerS) * 1000;
      if (freeAtMs - nowMs >= leastWaitMs) await clock.wait(freeAtMs - nowMs);
    },
  };
}
