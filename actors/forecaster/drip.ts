// Drip. Owns the messages of the load stream between their arrival and their reading: so many cells at a time, so that a flood of large samples
// never holds the event loop. D1 order is kept. D2 what waits is bounded: past it messages are read at once, which makes the stream wait.

import { limits } from "../../src/config/limits.js";
import type { LogRecord } from "../../src/kernel/effect.js";

/** About how many cells a record holds: each takes some twenty bytes. */
function cellsIn({ bytes }: LogRecord): number {
  return 1 + bytes.length / 20;
}

const cellsPerTurn = 600;

export interface Drip {
  /** True: read it now. False: it waits, and `due` gives it later. */
  offer(record: LogRecord): boolean;
  /** Begins a new turn: what may be read in it, one after the other. */
  due(): Iterable<LogRecord>;
  isEmpty(): boolean;
}

export function createDrip(): Drip {
  let waiting: LogRecord[] = [];
  let head = 0;
  let left = cellsPerTurn;

  return {
    offer(record) {
      const full = waiting.length - head >= limits.samplesQueued;
      if (!full && (head < waiting.length || left <= 0)) {
        waiting.push(record);
        return false;
      }
      left -= cellsIn(record);
      return true;
    },
    *due() {
      left = cellsPerTurn;
      while (left > 0 && head < waiting.length) {
        const record = waiting[head++];
        if (head > 1024) {
          waiting = waiting.slice(head);
          head = 0;
        }
        if (record === undefined) continue;
        left -= cellsIn(record);
        yield record;
      }
      if (head >= waiting.length) {
        waiting = [];
        head = 0;
      }
    },
    isEmpty: () => head >= waiting.length,
  };
}
