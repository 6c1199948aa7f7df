// History. Owns the last slots of a series as a ring, its gaps and how they are filled; never looks ahead of the last slot.
// H1 a slot once observed does not change; a slot that was missing may be filled later by the true value (a late sample).
// H2 a gap is filled from the past only: the last value for short gaps, else the value a season earlier.

import type { Carver } from "./block.js";
import type { Shape } from "./shape.js";

/** A longer gap is filled with the season before. */
const shortGapSlots = 3;

export interface History {
  readonly cap: number;
  readonly values: Float32Array;
  /** One bit for each slot: whether it was observed. */
  readonly seen: Uint8Array;
  /** [slots pushed, slot of the last one, slots missing at the end] */
  readonly marks: Float64Array;
}

export function carveHistory(from: Carver, shape: Shape): History {
  const cap = shape.historySlots;
  return { cap, values: from.f32(cap), seen: from.u8(Math.ceil(cap / 8)), marks: from.f64(3) };
}

export function historyCount(history: History): number {
  return Math.min(history.marks[0] ?? 0, history.cap);
}

/** Slots pushed since the series began, beyond the cap too. */
export function slotsPushed(history: History): number {
  return history.marks[0] ?? 0;
}

/** The last slot, or -1 before the first. */
export function lastSlot(history: History): number {
  return (history.marks[0] ?? 0) === 0 ? -1 : (history.marks[1] ?? -1);
}

export function firstSlot(history: History): number {
  return lastSlot(history) - historyCount(history) + 1;
}

/** The value of a slot, filled where it was missing; NaN outside of the window. */
export function valueAt(history: History, slot: number): number {
  const last = lastSlot(history);
  if (slot > last || slot <= last - historyCount(history) || slot < 0) return Number.NaN;
  return history.values[slot % history.cap] ?? Number.NaN;
}

export function isSeen(history: History, slot: number): boolean {
  const last = lastSlot(history);
  return slot <= last && slot > last - historyCount(history) && bitOf(history, slot);
}

/** Puts the next slot; NaN means missing, and is filled with `season` slots before. Gives the value that stands there now. */
export function pushSlot(history: History, slot: number, value: number, season: number): number {
  const missing = Number.isNaN(value);
  const gap = missing ? (history.marks[2] ?? 0) + 1 : 0;
  const kept = missing ? fillOf(history, slot, gap, season) : value;
  history.values[slot % history.cap] = kept;
  mark(history, slot, !missing);
  history.marks[0] = (history.marks[0] ?? 0) + 1;
  history.marks[1] = slot;
  history.marks[2] = gap;
  return history.values[slot % history.cap] ?? 0;
}

/** All that is remembered; NaN where it was missing. */
export function stretchOf(history: History): { readonly first: number; readonly values: Float32Array } {
  const first = Math.max(0, firstSlot(history));
  const length = Math.max(0, lastSlot(history) - first + 1);
  const values = Float32Array.from({ length }, (_, at) =>
    isSeen(history, first + at) ? valueAt(history, first + at) : Number.NaN,
  );
  return { first, values };
}

/** A late sample takes the place of a fill. False if the slot was observed already, or is too old. */
export function fillLate(history: History, slot: number, value: number): boolean {
  const last = lastSlot(history);
  if (slot > last || slot <= last - historyCount(history) || isSeen(history, slot)) return false;
  history.values[slot % history.cap] = value;
  mark(history, slot, true);
  if (slot === last) history.marks[2] = 0;
  return true;
}

/** Forgets everything, as after a gap longer than the ring. */
export function clearHistory(history: History): void {
  history.marks.fill(0);
  history.seen.fill(0);
}

function bitOf({ seen, cap }: History, slot: number): boolean {
  const bit = slot % cap;
  return ((seen[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
}

function mark({ seen, cap }: History, slot: number, wasSeen: boolean): void {
  const bit = slot % cap;
  const before = seen[bit >> 3] ?? 0;
  seen[bit >> 3] = wasSeen ? before | (1 << (bit & 7)) : before & ~(1 << (bit & 7));
}

function fillOf(history: History, slot: number, gap: number, season: number): number {
  const earlier = gap > shortGapSlots && season > 1 ? valueAt(history, slot - season) : Number.NaN;
  const before = Number.isNaN(earlier) ? valueAt(history, slot - 1) : earlier;
  return Number.isNaN(before) ? 0 : before;
}
