// Past. Owns what the load stream told of slots that are over, kept small until series are made of it: counts where there were any, and who listened when.
// Q1 slots beyond the history that is wanted are forgotten. Q2 in whatever order slots come, and however many tell of the same one: their counts are added.

import type { SeriesKey, Slot } from "./book.js";

export interface PastStretch {
  readonly first: number;
  /** Queries per second; 0 where nobody asked, NaN where nobody listened. */
  readonly values: Float32Array;
}

export interface Past {
  add(slot: Slot): void;
  keys(): Iterable<SeriesKey>;
  /** From the first slot in which the series was asked to the last slot known; undefined: never asked. */
  stretch(key: SeriesKey): PastStretch | undefined;
}

interface Counts {
  readonly slots: number[];
  readonly counts: number[];
}

const leastHeard = 0.5;
/** So many entries back the same slot is looked for: slots come nearly in order. */
const lookBack = 8;

export function createPast(slotMs: number, historySlots: number, wants: (key: SeriesKey) => boolean): Past {
  /** The longest that any node listened, by slot. */
  const heardMs = new Map<number, number>();
  const series = new Map<SeriesKey, Counts>();
  let last = 0;

  function note(key: SeriesKey, slot: number, count: number): void {
    let known = series.get(key);
    if (known === undefined) {
      known = { slots: [], counts: [] };
      series.set(key, known);
    }
    const { slots, counts } = known;
    const same = slots.lastIndexOf(slot);
    if (same >= 0 && slots.length - same <= lookBack) counts[same] = (counts[same] ?? 0) + count;
    else {
      slots.push(slot);
      counts.push(count);
    }
    if (slots.length > 2 * historySlots) trim(known);
  }

  function trim({ slots, counts }: Counts): void {
    let kept = 0;
    slots.forEach((slot, at) => {
      if (slot <= last - historySlots) return;
      slots[kept] = slot;
      counts[kept++] = counts[at] ?? 0;
    });
    slots.length = kept;
    counts.length = kept;
  }

  return {
    add({ slot, heardMs: heard, counts }) {
      heardMs.set(slot, Math.max(heardMs.get(slot) ?? 0, ...heard.values()));
      last = Math.max(last, slot);
      if (heardMs.size > 2 * historySlots)
        for (const old of [...heardMs.keys()]) if (old <= last - historySlots) heardMs.delete(old);
      for (const [key, count] of counts) if (wants(key)) note(key, slot, count);
    },
    keys: () => series.keys(),
    stretch(key) {
      const known = series.get(key);
      if (known === undefined) return undefined;
      const oldest = last - historySlots + 1;
      const first = Math.max(
        oldest,
        known.slots.reduce((least, slot) => Math.min(least, slot), last),
      );
      const values = Float32Array.from({ length: last - first + 1 }, (_, at) =>
        (heardMs.get(first + at) ?? 0) < leastHeard * slotMs ? Number.NaN : 0,
      );
      for (let at = 0; at < known.slots.length; at++) {
        const into = (known.slots[at] ?? 0) - first;
        const heard = heardMs.get(first + into) ?? 0;
        if (into >= 0 && heard >= leastHeard * slotMs)
          values[into] = (values[into] ?? 0) + ((known.counts[at] ?? 0) * 1000) / heard;
      }
      return { first, values };
    },
  };
}
