// Book. Owns how samples of many nodes become one value per series and slot: queries per second, or nothing where nobody listened.
// B1 a sample counts once, however often and in whatever order it comes. B2 a slot is closed once, in order; what comes later for it is late.
// B3 no load and no news are different: a slot in which the nodes that hold a fragment said nothing is a gap of its series, not a zero.
// B4 what is remembered is bounded: open slots, message names per node, nodes.

import type { FragmentId, NodeId } from "../protocol/subjects.js";
import type { Sample } from "./sample.js";

/** `fragment/group` */
export type SeriesKey = string;

export function seriesKey(fragment: FragmentId, group: string): SeriesKey {
  return `${fragment}/${group}`;
}

export function partsOfKey(key: SeriesKey): { readonly fragment: FragmentId; readonly group: string } {
  const cut = key.indexOf("/");
  return { fragment: Number(key.slice(0, cut)), group: key.slice(cut + 1) };
}

export interface Slot {
  readonly slot: number;
  /** Milliseconds that each node listened within it. */
  readonly heardMs: ReadonlyMap<NodeId, number>;
  readonly counts: ReadonlyMap<SeriesKey, number>;
}

export type Taken =
  | { readonly kind: "counted" }
  /** Its slot was closed already: the slot as it is now, so that gaps in it can be filled. */
  | { readonly kind: "late"; readonly slot: Slot }
  | { readonly kind: "duplicate" }
  /** So old, or so far ahead, that it is of no use. */
  | { readonly kind: "stray" };

export interface LoadBook {
  take(sample: Sample): Taken;
  /** Slots that are over at `wallMs`, in order; each once. Empty ones between two are left out. */
  close(wallMs: number): Slot[];
}

interface Draft {
  readonly slot: number;
  readonly heardMs: Map<NodeId, number>;
  readonly counts: Map<SeriesKey, number>;
}

/** What one process of a node has sent of late. */
interface Sender {
  newest: number;
  readonly seen: Set<string>;
}

/** Closed slots that late samples can still mend. */
const slotsKept = 4;
/** A sample from further in the future than this many slots has a clock that cannot be right. */
const slotsAhead = 3;
const namesKept = 1024;
const sendersKept = 1024;

/** `waitMs`: how long after its end a slot stays open for the samples to arrive. */
export function createBook(slotMs: number, waitMs: number): LoadBook {
  const slots = new Map<number, Draft>();
  const senders = new Map<string, Sender>();
  let closedBefore = 0;
  let lastSlot = 0;

  function isKnown({ node, incarnation, interval, part }: Sample): boolean {
    const key = `${node} ${incarnation}`;
    let sender = senders.get(key);
    if (sender === undefined) {
      if (senders.size >= sendersKept) senders.delete(senders.keys().next().value ?? "");
      sender = { newest: interval, seen: new Set() };
      senders.set(key, sender);
    }
    const name = `${interval} ${part}`;
    if (sender.seen.has(name)) return true;
    sender.newest = Math.max(sender.newest, interval);
    sender.seen.add(name);
    if (sender.seen.size > namesKept) sender.seen.delete(sender.seen.values().next().value ?? "");
    return false;
  }

  function draftOf(slot: number): Draft {
    let draft = slots.get(slot);
    if (draft === undefined) {
      draft = { slot, heardMs: new Map(), counts: new Map() };
      slots.set(slot, draft);
    }
    return draft;
  }

  return {
    take(sample) {
      const slot = Math.floor((sample.interval * sample.intervalMs) / slotMs);
      if (lastSlot > 0 && (slot < closedBefore - slotsKept || slot > lastSlot + slotsAhead)) return { kind: "stray" };
      if (isKnown(sample)) return { kind: "duplicate" };
      const draft = draftOf(slot);
      if (sample.part === 0) draft.heardMs.set(sample.node, (draft.heardMs.get(sample.node) ?? 0) + sample.spanMs);
      for (const { fragment, group, ops } of sample.cells) {
        const key = seriesKey(fragment, group);
        let count = draft.counts.get(key) ?? 0;
        for (const op of ops) count += op.count;
        draft.counts.set(key, count);
      }
      return slot < closedBefore ? { kind: "late", slot: draft } : { kind: "counted" };
    },
    close(wallMs) {
      lastSlot = Math.floor(wallMs / slotMs);
      const over = Math.floor((wallMs - waitMs) / slotMs);
      if (over <= closedBefore) return [];
      const closed = [...slots.values()]
        .filter(({ slot }) => slot >= closedBefore && slot < over)
        .sort((a, b) => a.slot - b.slot);
      closedBefore = over;
      for (const slot of [...slots.keys()]) if (slot < closedBefore - slotsKept) slots.delete(slot);
      return closed;
    },
  };
}

/** Share of a slot that must have been listened to for its value to count. */
const leastHeard = 0.5;

/** Queries per second of a series in a slot; NaN when the nodes that hold the fragment did not say enough. */
export function rateIn(slot: Slot, slotMs: number, key: SeriesKey, holders: Iterable<NodeId>): number {
  let heardMs = 0;
  for (const node of holders) heardMs = Math.max(heardMs, slot.heardMs.get(node) ?? 0);
  return heardMs < leastHeard * slotMs ? Number.NaN : ((slot.counts.get(key) ?? 0) * 1000) / heardMs;
}
