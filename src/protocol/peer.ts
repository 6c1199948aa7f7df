// Peer. Owns what replicas ask each other, node to node: positions before a primary opens, copies of fragments, and the rows that a sparse replica lacks.

import type { Part } from "../fragment/digest.js";
import type { Cut, Join } from "../fragment/replica.js";
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
  /** Which keys are hot in the fragments that this node leads? Asked by routers; of one table (`partition` and id) or of all. */
  | { readonly kind: "hot"; readonly table: { readonly partition: number; readonly id: number } | null }
  /**
   * Chunk `chunk` of a copy of a whole fragment: rows in key order, then the request window. Chunks are numbered within a session, which the asker names;
   * `cursor` is where this one begins (empty: at the start), null when the asker does not know it yet because the chunks before are still under way.
   */
  | {
      readonly kind: "copy";
      readonly fragment: FragmentId;
      readonly session: string;
      readonly chunk: number;
      readonly cursor: Bytes | null;
      readonly maxBytes: number;
    }
  /** The request window and the place in the log, to attach a sparse replica: entries after the one whose key is `after` (empty at the start). */
  | { readonly kind: "window"; readonly fragment: FragmentId; readonly after: Bytes; readonly maxBytes: number }
  /** What a sparse replica lacks: the rows at `positions`, and those of `range` from its start (or end). Answered by a whole replica at `baseLsn` or beyond. */
  | {
      readonly kind: "pull";
      readonly fragment: FragmentId;
      readonly baseLsn: number;
      readonly positions: readonly Bytes[];
      readonly range: PullRange | null;
      readonly maxBytes: number;
    }
  /** The digests of a range, as they were at the `verify` record at `lsn`; asked by the primary that appended it. */
  | {
      readonly kind: "digest";
      readonly fragment: FragmentId;
      readonly lsn: number;
      readonly from: Bytes;
      readonly to: Bytes | null;
    }
  /** The primary found that this copy differs from the majority at `lsn`: replace it. Answered with the position. */
  | { readonly kind: "mend"; readonly fragment: FragmentId; readonly lsn: number; readonly damage: Damage };

export interface PullRange {
  readonly from: Bytes;
  /** Null: to the end of the key space. */
  readonly to: Bytes | null;
  /** Begin at the end. */
  readonly reverse: boolean;
}

/** In what a copy differs from the majority. */
export interface Damage {
  /** Empty with `whole`: all of it has to be replaced. */
  readonly ranges: readonly { readonly from: Bytes; readonly to: Bytes | null }[];
  readonly whole: boolean;
  /** In words, for people. */
  readonly where: string;
}

export interface HotKeys {
  readonly fragment: FragmentId;
  /** Accesses of keys per second of late. */
  readonly perSecond: number;
  /** Position and share of the fragment's accesses, heaviest first. */
  readonly keys: readonly (readonly [Bytes, number])[];
}

export interface ReplicaPosition {
  readonly fragment: FragmentId;
  readonly known: boolean;
  readonly lsn: number;
  readonly epoch: number;
  /** Hash of the record at `lsn`. */
  readonly hash: Bytes;
  /** A copy is under way here: not a source, and its LSN says nothing about completeness. */
  readonly partial: boolean;
  /** Partial because rows are missing, not records: its LSN is true, and it becomes whole from other replicas. */
  readonly sparse: boolean;
  /** Share of a core that its host used of late; absent: none, or not known. */
  readonly busy?: number | undefined;
}

export interface Shape {
  readonly from: Bytes;
  readonly to: Bytes | undefined;
  readonly changedLsn: number;
  readonly sealed: boolean;
  readonly cut: Cut | undefined;
  readonly joined: Join | undefined;
}

export interface CopyChunk {
  readonly fragment: FragmentId;
  readonly chunk: number;
  /** Entries of the store, relative to the replica: see `src/fragment/chunk.ts`. */
  readonly block: Bytes;
  /** Where it begins; empty: where the replica does. */
  readonly cursor: Bytes;
  readonly nextCursor: Bytes;
  readonly done: boolean;
  /** The source's size. */
  readonly rows: number;
  readonly bytes: number;
  /** Position of the source when it read this chunk. The copy is whole once the log is applied up to the largest of them. */
  readonly lsn: number;
  readonly seq: number;
  readonly epoch: number;
  readonly hash: Bytes;
  /** The fragment's time there; 0: not told. */
  readonly stampMs: number;
  /** Bounds of the source, and what it says of its past splits and merges. */
  readonly shape: Shape;
  /** How late the source's timers fire. */
  readonly lateMs: number;
  /** XXH64 over the block. */
  readonly digest: Bytes;
}

/** The source does not know where the chunk begins: one before it has not been asked for, or the session was forgotten. */
export interface EarlyChunk {
  readonly fragment: FragmentId;
  readonly chunk: number;
}

export interface WindowSlice {
  readonly fragment: FragmentId;
  /** LSN key (eight bytes) and value of each entry. */
  readonly entries: readonly (readonly [Bytes, Bytes])[];
  readonly done: boolean;
  /** Position of the source when it read this slice, the fragment's time, and its size. */
  readonly lsn: number;
  readonly seq: number;
  readonly epoch: number;
  readonly hash: Bytes;
  readonly stampMs: number;
  readonly rows: number;
  readonly bytes: number;
  readonly shape: Shape;
  readonly digest: Bytes;
}

export interface PulledRows {
  readonly fragment: FragmentId;
  /** Position of the source when it read them. */
  readonly lsn: number;
  readonly hash: Bytes;
  /** For the first of the positions asked for (all that fit): the row as stored, or null where there is none. */
  readonly found: readonly (readonly [Bytes, Bytes | null])[];
  /** All rows of `covered`, the part of the range that was read. */
  readonly rows: readonly (readonly [Bytes, Bytes])[];
  readonly covered: { readonly from: Bytes; readonly to: Bytes | null } | null;
  /** How late the source's timers fire: what it is burdened with. */
  readonly lateMs: number;
  /** XXH64 over keys and values. */
  readonly digest: Bytes;
}

export interface DigestAnswer {
  readonly fragment: FragmentId;
  readonly lsn: number;
  /** `pending`: the record is not applied here yet, or the digests are being computed. `missed`: they were not computed, and will not be. */
  readonly state: "ready" | "pending" | "missed";
  readonly root: string;
  readonly window: string;
  readonly counts: string;
  readonly parts: readonly Part[];
}

export type PeerAnswer =
  | { readonly digest: DigestAnswer }
  | { readonly position: ReplicaPosition }
  | { readonly freshLsn: number }
  | { readonly chunk: CopyChunk }
  | { readonly early: EarlyChunk }
  | { readonly window: WindowSlice }
  | { readonly pulled: PulledRows }
  | { readonly hot: readonly HotKeys[] }
  | { readonly fault: Fault };
