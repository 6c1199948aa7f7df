// Store. Owns the port through which a node's actors read what the node holds. Reads are synchronous; changes leave as `commit` effects.
// S1 a read sees every commit of earlier steps, also those not yet on disk.
// S2 what is read is never changed by anybody: it may be kept, and answered as it is.
// S3 what `range` gives may lie in memory that many entries share: who keeps a few of many copies those.

import { type Bytes, joinBytes } from "../kernel/bytes.js";

export interface StoreEntry {
  readonly key: Bytes;
  readonly value: Bytes;
}

/** An entry is lent: its bytes, the value behind the key, change with the next one. False ends the walk. */
export type Visit = (entry: Bytes, keyLength: number) => boolean;

export interface Store {
  get(key: Bytes): Bytes | undefined;
  /** Entries with from <= key < to, in key order (or against it); stop iterating when you have enough. */
  range(from: Bytes, to: Bytes, reverse: boolean): Iterable<StoreEntry>;
  /** As `range`, forwards, without an object for each entry; absent where that is no gain: see `walk`. */
  walk?(from: Bytes, to: Bytes, visit: Visit): void;
  /** Room on its disk, as it was within the last seconds; absent where nobody can tell. */
  freeBytes?(): number;
}

export function walk(store: Store, from: Bytes, to: Bytes, visit: Visit): void {
  if (store.walk !== undefined) store.walk(from, to, visit);
  else visitEach(store.range(from, to, false), visit);
}

export function visitEach(entries: Iterable<StoreEntry>, visit: Visit): void {
  for (const { key, value } of entries) if (!visit(joinBytes(key, value), key.length)) return;
}
