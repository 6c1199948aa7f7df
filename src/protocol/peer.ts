// Peer. Owns what replicas ask each other, node to node: positions before a primary opens, and copies of fragments.

import type { Bytes } from "../kernel/bytes.js";
import type { Fault } from "../kernel/fault.js";
import type { FragmentId } from "./subjects.js";

export type PeerRequest =
  /**
   * Where are you? Asked of every live peer by a primary of `epoch` before it opens. The answer is also a promise: whoever answers
   * serves no strong read at a lower epoch any more (I7), so a predecessor has handed over, and no log that lost its tail hides what a replica holds.
   */
  | { readonly kind: "position"; readonly fragment: FragmentId; readonly epoch: number }
  /** How far is the primary now? Answered only under its lease; lets a backup prove how fresh it is. */
  | { readonly kind: "fresh"; readonly fragment: FragmentId }
  /** The next slice of a fragment, in key order from `cursor` (empty at the start); at most `maxBytes`. */
  | { readonly kind: "copy"; readonly fragment: FragmentId; readonly cursor: Bytes; readonly maxBytes: number };

export interface ReplicaPosition {
  readonly fragment: FragmentId;
  readonly known: boolean;
  readonly lsn: number;
  readonly epoch: number;
  /** Hash of the record at `lsn`. */
  readonly hash: Bytes;
  /** A copy is under way here: not a source, and its LSN says nothing about completeness. */
  readonly partial: boolean;
}

export interface CopySlice {
  readonly fragment: FragmentId;
  /** Entries of the store relative to the replica: rows first, then the request window. */
  readonly entries: readonly (readonly [Bytes, Bytes])[];
  readonly nextCursor: Bytes;
  readonly done: boolean;
  /** Position of the source when it read this slice. The copy is whole once the log is applied up to the largest of them. */
  readonly lsn: number;
  readonly seq: number;
  readonly epoch: number;
  readonly hash: Bytes;
  /** XXH64 over the entries. */
  readonly digest: Bytes;
}

export type PeerAnswer =
  | { readonly position: ReplicaPosition }
  | { readonly freshLsn: number }
  | { readonly slice: CopySlice }
  | { readonly fault: Fault };
