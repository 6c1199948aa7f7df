// Free space. Owns the reading of how much room a folder's disk has, at most ten times a second.

import { statfsSync } from "node:fs";
import { performance } from "node:perf_hooks";

const everyMs = 100;

/** Bytes that may still be written below `dir`; the last known number while the disk does not answer. */
export function freeSpaceOf(dir: string): () => number {
  let freeBytes = Number.MAX_SAFE_INTEGER;
  let readAtMs = Number.NEGATIVE_INFINITY;
  return () => {
    const nowMs = performance.now();
    if (nowMs - readAtMs < everyMs) return freeBytes;
    readAtMs = nowMs;
    try {
      const { bavail, bsize } = statfsSync(dir);
      freeBytes = bavail * bsize;
    } catch {
      // The folder is being taken away: nothing is known anew.
    }
    return freeBytes;
  };
}
