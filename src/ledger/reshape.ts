// Reshape. Owns the words for fragments that change their bounds: splits and merges under way, what became of them, and fragments that were taken over.
// RS1 the log decides: a split or merge is recorded as done only after its record stands in the fragment's log, and cannot be taken back from then on.

import type { Bytes } from "../kernel/bytes.js";
import type { FragmentId } from "../protocol/subjects.js";

/** Where a fragment that came from a split begins: its log goes on after the parent's record at `lsn`. */
export interface Base {
  readonly parent: FragmentId;
  readonly lsn: number;
  /** Hash of that record. */
  readonly hash: Bytes;
}

export interface Split {
  readonly fragment: FragmentId;
  /** Its id is spent, whatever becomes of the split. */
  readonly child: FragmentId;
  /** Undefined: the primary chooses, by load. */
  readonly at: Bytes | undefined;
  readonly by: string;
  readonly startedMs: number;
}

export interface Merge {
  readonly left: FragmentId;
  readonly right: FragmentId;
  readonly by: string;
  readonly startedMs: number;
}

/** A fragment that its left neighbour took over. Remembered for slow replicas, and for watchers that had not read it to its end. */
export interface Taken {
  readonly right: FragmentId;
  readonly left: FragmentId;
  readonly group: number;
  /** LSN of the record in the left one's log that took it over. */
  readonly lsn: number;
  /** LSN of the right one's last record, and of the last that changed a row. */
  readonly rightLsn: number;
  readonly changedLsn: number;
}

export interface PastReshape {
  readonly kind: "split" | "merge";
  /** The one that was split, or the left one. */
  readonly fragment: FragmentId;
  /** The child, or the right one. */
  readonly other: FragmentId;
  readonly outcome: "done" | "cancelled";
  readonly by: string;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly why: string;
}

export const takenKept = 64;
export const pastReshapesKept = 100;
