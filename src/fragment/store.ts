// Store. Owns the port through which a node's actors read what the node holds. Reads are synchronous; changes leave as `commit` effects.
// S1 a read sees every commit of earlier steps, also those not yet on disk.
// S2 what `get` returns is never changed by anybody: it may be kept, and answered as it is.
// S3 what `range` gives is valid until the step ends: copy what you keep.

import type { Bytes } from "../kernel/bytes.js";

export interface StoreEntry {
  readonly key: Bytes;
  readonly value: Bytes;
}

export interface Store {
  get(key: Bytes): Bytes | undefined;
  /** Entries with from <= key < to, in key order (or against it); stop iterating when you have enough. */
  range(from: Bytes, to: Bytes, reverse: boolean): Iterable<StoreEntry>;
  /** Room on its disk, as it was within the last seconds; absent where nobody can tell. */
  freeBytes?(): number;
}
