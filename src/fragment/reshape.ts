// Reshape. Owns what a split or an absorbing record does to a replica, in one commit: bounds, bookkeeping of the other fragment, request ids.
// S1 a function of the record and the store alone: replicas that were equal stay equal. No row is read or moved.
// S2 replicas on one shelf never overlap: whoever takes a range over lets go of whoever had it, in the same commit.
// S3 both halves of a split remember every request of the whole, and a merged fragment those of both (I5): ages are carried over, the times of two fragments differ.

import { sameBytes } from "../kernel/bytes.js";
import type { StoreClear, StoreWrite } from "../kernel/effect.js";
import type { FragmentId } from "../protocol/subjects.js";
import type { PositionRange } from "../table/table.js";
import {
  bookkeepingKey,
  bookkeepingRange,
  fragmentOfKey,
  lsnOfWindowKey,
  markRange,
  rowRange,
  windowKey,
  windowRange,
} from "./layout.js";
import type { AbsorbMark, SplitMark } from "./mark.js";
import { intersect, within, withoutRange } from "./range.js";
import type { FragmentRecord, RequestMark } from "./record.js";
import { bookkeeping, emptyReplica, isWhole, type Replica, readBookkeeping } from "./replica.js";
import type { Store } from "./store.js";
import { createWindow, decodeWindowEntry, encodeWindowEntry, type RequestWindow } from "./window.js";

type Split = FragmentRecord & { readonly mark: SplitMark };
type Absorb = FragmentRecord & { readonly mark: AbsorbMark };

/** Cuts `replica` at the mark; the writes make the child's bookkeeping and window. Its rows lie where they are to lie. */
export function splitReplica(replica: Replica, record: Split, store: Store): StoreWrite[] {
  const { child, at } = record.mark;
  const made: Replica = {
    ...emptyReplica(child, replica.shelf, { from: at, to: replica.range.to }),
    lsn: record.lsn,
    hash: record.hash,
    stampMs: record.stampMs,
    wholeLsn: replica.wholeLsn,
    changedLsn: record.lsn,
    rows: -record.rowsDelta,
    bytes: -record.bytesDelta,
    missing: within(replica.missing, { from: at, to: replica.range.to }),
    baseLsn: replica.baseLsn,
  };
  replica.range = { from: replica.range.from, to: at };
  replica.missing = within(replica.missing, replica.range);
  replica.cut = { child, at, lsn: record.lsn, hash: record.hash };
  const writes: StoreWrite[] = [bookkeeping(made)];
  const { from, to } = windowRange(replica.fragment);
  for (const { key, value } of store.range(from, to, false))
    writes.push({ key: windowKey(child, lsnOfWindowKey(key)), value: value.slice() });
  return writes;
}

/** The right neighbour as this node holds it, if it ends exactly where the mark says; undefined: not yet, or never. */
export function rightOf(
  replica: Replica,
  { right, rightLsn, rightHash }: AbsorbMark,
  store: Store,
): Replica | undefined {
  const found = readReplica(store, right);
  if (found === undefined || found.shelf !== replica.shelf || found.lsn !== rightLsn || !isWhole(found))
    return undefined;
  return found.sealed && sameBytes(found.hash, rightHash) ? found : undefined;
}

export function readReplica(store: Store, fragment: FragmentId): Replica | undefined {
  const kept = store.get(bookkeepingKey(fragment));
  return kept === undefined ? undefined : readBookkeeping(fragment, kept);
}

export interface Absorbed {
  readonly window: RequestWindow;
  readonly writes: readonly StoreWrite[];
  readonly clears: readonly StoreClear[];
}

/** Joins `right` to `replica`; the caller has it from `rightOf`. */
export function absorbReplica(replica: Replica, right: Replica, record: Absorb, store: Store): Absorbed {
  replica.range = { from: replica.range.from, to: right.range.to };
  replica.changedLsn = record.lsn;
  replica.cut = undefined;
  replica.joined = {
    right: right.fragment,
    lsn: record.lsn,
    rightLsn: right.lsn,
    changedLsn: right.changedLsn,
  };
  const agedMs = record.stampMs - right.stampMs;
  const entries = mergeEntries(
    entriesOf(store, replica.fragment, 0),
    entriesOf(store, right.fragment, agedMs),
    record.lsn,
    record.stampMs,
  );
  const window = createWindow();
  const forgotten = new Set(entries.flatMap((entry) => window.add(entry)));
  const writes: StoreWrite[] = [{ key: bookkeepingKey(right.fragment), value: undefined }];
  for (const { lsn, stampMs, requests } of entries)
    if (!forgotten.has(lsn))
      writes.push({ key: windowKey(replica.fragment, lsn), value: encodeWindowEntry(stampMs, requests) });
  return { window, writes, clears: [windowRange(replica.fragment), windowRange(right.fragment)] };
}

export interface WindowEntry {
  readonly lsn: number;
  readonly stampMs: number;
  readonly requests: readonly RequestMark[];
}

function entriesOf(store: Store, fragment: FragmentId, agedMs: number): WindowEntry[] {
  const { from, to } = windowRange(fragment);
  const entries: WindowEntry[] = [];
  for (const { key, value } of store.range(from, to, false)) {
    const entry = decodeWindowEntry(value);
    const lsn = lsnOfWindowKey(key);
    if (entry !== undefined)
      entries.push({
        lsn,
        stampMs: entry.stampMs + agedMs,
        requests: entry.requests.map((mark) => ({ ...mark, lsn: mark.lsn ?? lsn })),
      });
  }
  return entries;
}

/** Both windows by age, numbered anew right below `lsn`; what both remember is remembered once. Where numbers do not suffice the oldest share one. */
export function mergeEntries(
  left: readonly WindowEntry[],
  right: readonly WindowEntry[],
  lsn: number,
  newestMs: number,
): WindowEntry[] {
  const known = new Set(left.flatMap(({ requests }) => requests.map(({ requestId }) => requestId)));
  const others = right.flatMap((entry) => {
    const requests = entry.requests.filter(({ requestId }) => !known.has(requestId));
    return requests.length === 0 ? [] : [{ ...entry, requests }];
  });
  const all = [...left.map((entry) => ({ entry, side: 0 })), ...others.map((entry) => ({ entry, side: 1 }))].sort(
    (a, b) => a.entry.stampMs - b.entry.stampMs || a.entry.lsn - b.entry.lsn || a.side - b.side,
  );
  const surplus = Math.max(0, all.length - (lsn - 1));
  const merged: WindowEntry[] = [];
  all.forEach(({ entry }, index) => {
    const stampMs = Math.min(newestMs, entry.stampMs);
    const last = merged.at(-1);
    if (index > 0 && index <= surplus && last !== undefined)
      merged[merged.length - 1] = { ...last, stampMs, requests: [...last.requests, ...entry.requests] };
    else merged.push({ lsn: 0, stampMs, requests: entry.requests });
  });
  const first = lsn - merged.length;
  return merged.map((entry, index) => ({ ...entry, lsn: first + index }));
}

/** Other fragments whose replicas on this node share a shelf and positions with `range`. */
export function overlapping(store: Store, fragment: FragmentId, shelf: number, range: PositionRange): Replica[] {
  return shelfMates(store, fragment, shelf).filter((other) => intersect(other.range, range) !== undefined);
}

function shelfMates(store: Store, fragment: FragmentId, shelf: number): Replica[] {
  const mates: Replica[] = [];
  for (const { key, value } of store.range(bookkeepingRange.from, bookkeepingRange.to, false)) {
    const other = fragmentOfKey(key);
    const replica = other === fragment ? undefined : readBookkeeping(other, value);
    if (replica !== undefined && replica.shelf === shelf) mates.push(replica);
  }
  return mates;
}

/** Everything that a node forgets with a replica: its rows, but never those that another replica on the shelf owns, and its request ids. */
export function clearsOf(store: Store, { fragment, shelf }: Replica, range: PositionRange): StoreClear[] {
  const others = overlapping(store, fragment, shelf, range).map((other) => other.range);
  const own = others.reduce<readonly PositionRange[]>(withoutRange, [range]);
  return [...own.flatMap((part) => [rowRange(shelf, part), markRange(shelf, part)]), windowRange(fragment)];
}
