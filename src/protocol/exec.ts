// Exec. Owns what routers and nodes say to each other: batches of operations by fragment, and their results.
// Travels as nested msgpack arrays (see `encodeExec`); documents and positions are bytes and are never decoded on the way.

import type { Bytes } from "../kernel/bytes.js";
import type { Fault } from "../kernel/fault.js";
import type { Aggregate, FieldPath, Filter, ReadLevel, WriteStep } from "../query/query.js";
import type { Position } from "../table/table.js";
import type { FragmentId } from "./subjects.js";

export type Op =
  | { readonly op: "get"; readonly position: Position; readonly read: ReadLevel }
  /** All steps or none; one record of the log. Retried with the same `requestId` it is applied once (I5). */
  | { readonly op: "write"; readonly requestId: string; readonly steps: readonly WriteStep[] }
  | {
      readonly op: "scan";
      readonly from: Position;
      readonly to: Position | undefined;
      readonly reverse: boolean;
      readonly limit: number;
      /** Stops early once the rows found reach this size. */
      readonly maxBytes: number;
      readonly filter: Filter | undefined;
      readonly fields: readonly FieldPath[] | undefined;
      readonly read: ReadLevel;
    }
  | {
      readonly op: "aggregate";
      readonly from: Position;
      readonly to: Position | undefined;
      readonly filter: Filter | undefined;
      readonly groupBy: readonly FieldPath[];
      readonly aggregates: readonly Aggregate[];
      readonly read: ReadLevel;
    }
  /** Changes after `afterLsn`; waits up to `waitMs` for the first. `afterLsn` -1 = from now on. */
  | {
      readonly op: "changes";
      readonly afterLsn: number;
      readonly afterSeq: number;
      readonly waitMs: number;
      readonly limit: number;
      readonly filter: Filter | undefined;
      /** Fragments that were merged into this one, and that the reader has read to their ends: past a merge goes only who has. */
      readonly ended?: readonly FragmentId[];
    };

export interface FragmentOps {
  readonly fragment: FragmentId;
  /** The epoch that the sender's view shows, 0 = none. A hint for logs: who may serve is decided by the log's fence and the lease, never by what a sender believes. */
  readonly epoch: number;
  readonly ops: readonly Op[];
  /** Client group that asks: index into the request's `groups`. Absent: not told. */
  readonly group?: number;
}

export interface ExecRequest {
  /** Milliseconds left until the client's deadline when this was sent. */
  readonly timeLeftMs: number;
  readonly parts: readonly FragmentOps[];
  /** Only of routers: what a client says here is not listened to. */
  readonly groups?: readonly string[];
}

export interface ScanRow {
  readonly position: Position;
  readonly version: number;
  readonly document: Bytes;
}

/** What a row counts for where bytes of rows are limited: its parts, and what stands around them. */
export function scanRowBytes({ position, document }: ScanRow): number {
  return document.length + position.length + 16;
}

export interface Change {
  readonly lsn: number;
  readonly position: Position;
  readonly version: number;
  /** Undefined: deleted. */
  readonly document: Bytes | undefined;
}

/** One group of an aggregate before merging: see `src/query/aggregate.ts`. Encoded there. */
export type PartialGroups = Bytes;

export type OpResult =
  | { readonly op: "get"; readonly row: { readonly version: number; readonly document: Bytes } | undefined }
  /** Version of each step's row after the write (a delete gives the version the deletion has). */
  | { readonly op: "write"; readonly versions: readonly number[] }
  /** `next`: position to go on from (exclusive end when reverse), undefined when the fragment's part of the range is done. */
  | { readonly op: "scan"; readonly rows: readonly ScanRow[]; readonly next: Position | undefined }
  | { readonly op: "aggregate"; readonly groups: PartialGroups; readonly rowsSeen: number }
  | { readonly op: "changes"; readonly changes: readonly Change[]; readonly lastLsn: number; readonly lastSeq: number }
  | { readonly op: "fault"; readonly fault: Fault };

/** Results in the order of the request's parts and ops. */
export interface ExecReply {
  /** Ledger sequence (of the fragment's partition) the node has folded; a router behind it refreshes its view. */
  readonly viewSeq: readonly number[];
  readonly results: readonly (readonly OpResult[])[];
}
