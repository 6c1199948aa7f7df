// Pace. Owns how fast a copy goes: as fast as both ends stand it, or as its deadline asks, whichever is more.
// How an end stands it is read off its own timers: one that fires late says that requests wait, too. Additive increase, multiplicative decrease (Chiu & Jain 1989).
// PA1 never above the ceiling, never below the floor, whatever deadline or lateness ask for.
// PA2 what is charged is what came, and something for each entry beside its bytes: small ones cost both ends as much as large ones.
// PA3 the slower a copy goes the smaller its chunks: each holds both ends up for about as long as it stands for.

export interface CopyBounds {
  readonly floorBytesPerS: number;
  readonly ceilingBytesPerS: number;
  /** Rows of one chunk, about: small enough that neither end is held up by it. */
  readonly chunkBytes: number;
}

const mib = 1024 * 1024;

export const defaultCopyBounds: CopyBounds = {
  floorBytesPerS: 2 * mib,
  ceilingBytesPerS: 256 * mib,
  chunkBytes: mib / 4,
};

export interface Pace {
  readonly limits: CopyBounds;
  /** What lateness allows, bytes per second. */
  bytesPerS: number;
  /** What the deadline asks for; 0 = nothing. */
  neededBytesPerS: number;
  /** May be sent now; below 0: has to be made up for. */
  credit: number;
  creditAtMs: number;
  adjustedAtMs: number;
}

/** A copy begins gently: it is up to any ceiling within a second where nothing suffers. */
const startBytesPerS = 8 * mib;
const adjustEveryMs = 50;
/** Timers of a node that has nothing else to do fire within this. */
const calmLateMs = 4;
const strainedLateMs = 12;
const growth = 1.25;
const stepBytesPerS = mib;
const decrease = 0.6;
/** Credit that a pause may save up, milliseconds of the present rate. */
const burstMs = 50;
/** So much of the present rate is one chunk. */
const chunkMs = 16;
const smallestChunkBytes = 32 * 1024;
/** What an entry costs beside its bytes, in bytes. */
const entryBytes = 64;
/** Entries of a chunk are the fewer the smaller it is, down to bytes like these for each. */
const leastEntryBytes = 128;
const fewestEntries = 64;
const mostEntries = 1024;

export function createPace(limits: CopyBounds, nowMs: number): Pace {
  const bytesPerS = clamp(limits, startBytesPerS);
  return { limits, bytesPerS, neededBytesPerS: 0, credit: 0, creditAtMs: nowMs, adjustedAtMs: nowMs };
}

/** `lateMs`: how late timers fire at the worse of both ends. */
export function adjustPace(pace: Pace, lateMs: number, nowMs: number): void {
  if (nowMs - pace.adjustedAtMs < adjustEveryMs) return;
  pace.adjustedAtMs = nowMs;
  if (lateMs >= strainedLateMs) pace.bytesPerS = clamp(pace.limits, pace.bytesPerS * decrease);
  else if (lateMs <= calmLateMs) pace.bytesPerS = clamp(pace.limits, pace.bytesPerS * growth + stepBytesPerS);
}

export function rateOf({ limits, bytesPerS, neededBytesPerS }: Pace): number {
  return clamp(limits, Math.max(bytesPerS, neededBytesPerS));
}

/** Milliseconds until the next chunk may be asked for; 0 = now. */
export function waitMs(pace: Pace, nowMs: number): number {
  const rate = rateOf(pace);
  pace.credit = Math.min((rate * burstMs) / 1000, pace.credit + ((nowMs - pace.creditAtMs) * rate) / 1000);
  pace.creditAtMs = nowMs;
  return pace.credit >= 0 ? 0 : (-pace.credit * 1000) / rate;
}

export function spend(pace: Pace, bytes: number): void {
  pace.credit -= bytes;
}

/** How large the next chunk is to be. */
export function chunkBytesOf(pace: Pace): number {
  const { chunkBytes } = pace.limits;
  return Math.min(chunkBytes, Math.max(smallestChunkBytes, Math.round((rateOf(pace) * chunkMs) / 1000)));
}

/** What `count` entries of `bytes` together are charged with. */
export function costBytes(bytes: number, count: number): number {
  return bytes + count * entryBytes;
}

/** Entries that a chunk of `bytes` may have: putting it together, and taking it in, stays within a few milliseconds however small they are. */
export function entriesWithin(bytes: number): number {
  return Math.min(mostEntries, Math.max(fewestEntries, Math.floor(bytes / leastEntryBytes)));
}

function clamp({ floorBytesPerS, ceilingBytesPerS }: CopyBounds, bytesPerS: number): number {
  return Math.min(ceilingBytesPerS, Math.max(floorBytesPerS, bytesPerS));
}
