// Query. Owns the shapes of the query language after decoding: what clients may ask, checked and in one form.
// Decoders are in `decode.ts`; evaluation is in `filter.ts`, `projection.ts`, `patch.ts`, `aggregate.ts`.

import type { Bytes } from "../kernel/bytes.js";
import type { Position, RowKey } from "../table/table.js";

/** A value inside a document. Numbers are finite; int64 outside ±2^53 is refused. */
export type Value =
  | null
  | boolean
  | number
  | string
  | Date
  | Uint8Array
  | readonly Value[]
  | { readonly [field: string]: Value };
export type Document = { readonly [field: string]: Value };

/** `strong`: linearizable. `bounded`: at most `maxStaleMs` old. `any`: whatever the replica has. */
export type ReadLevel =
  | { readonly level: "strong" }
  | { readonly level: "any" }
  | { readonly level: "bounded"; readonly maxStaleMs: number };

export type Comparator = "eq" | "ne" | "lt" | "le" | "gt" | "ge";
/** A path is dotted on the wire (`address.city`), split here. */
export type FieldPath = readonly string[];

export type Filter =
  | { readonly op: Comparator; readonly field: FieldPath; readonly value: Value }
  | { readonly op: "in"; readonly field: FieldPath; readonly values: readonly Value[] }
  | { readonly op: "prefix"; readonly field: FieldPath; readonly value: string }
  | { readonly op: "exists"; readonly field: FieldPath; readonly value: boolean }
  | { readonly op: "contains"; readonly field: FieldPath; readonly value: Value }
  | { readonly op: "and" | "or"; readonly all: readonly Filter[] }
  | { readonly op: "not"; readonly of: Filter };

export type AggregateFn = "count" | "sum" | "min" | "max" | "avg";
export interface Aggregate {
  readonly fn: AggregateFn;
  /** Absent only for `count`, which then counts rows. */
  readonly field?: FieldPath;
  /** Name in the answer. */
  readonly as: string;
}

/** One change inside a batch, as asked. */
export type WriteAct = "put" | "insert" | "update" | "delete";
export interface WriteStep {
  readonly act: WriteAct;
  readonly position: Position;
  /** Encoded document (`put`, `insert`) or merge patch (`update`, RFC 7386); empty for `delete`. */
  readonly document: Bytes;
  /** Carried out only when the row has this version; 0 = only when there is no row. */
  readonly ifVersion?: number;
}

/** Which rows a scan or aggregate covers, before it is cut into positions. All bounds are key values. */
export interface KeyRange {
  /** Rows of this one partition key. With `from`/`to` those bound its sort key. */
  readonly partition?: RowKey[0];
  readonly from?: readonly RowKey[0][];
  readonly to?: readonly RowKey[0][];
}

/** A decoded client request. `deadlineMs` is the time the client grants, from now. */
export type Query = { readonly deadlineMs: number } & (
  | {
      readonly op: "get";
      readonly position: Position;
      readonly read: ReadLevel;
      readonly fields: readonly FieldPath[] | undefined;
    }
  | {
      readonly op: "getMany";
      readonly positions: readonly Position[];
      readonly read: ReadLevel;
      readonly fields: readonly FieldPath[] | undefined;
    }
  /** put, insert, update, delete (one step) and batch (several, of one fragment). No request id: the router draws one. */
  | {
      readonly op: "write";
      readonly requestId: string | undefined;
      readonly steps: readonly WriteStep[];
      readonly single: boolean;
    }
  | {
      readonly op: "scan";
      readonly from: Position;
      readonly to: Position | undefined;
      readonly reverse: boolean;
      readonly limit: number;
      readonly filter: Filter | undefined;
      readonly fields: readonly FieldPath[] | undefined;
      readonly read: ReadLevel;
      /** Of what was asked, before the cursor moved the range: binds the next cursor to this query (`cursor.ts`). */
      readonly fingerprint: Bytes;
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
  /** Long poll of the change feed: from the cursor, or from now. */
  | {
      readonly op: "watch";
      readonly after: WatchPlace;
      readonly waitMs: number;
      readonly limit: number;
      readonly filter: Filter | undefined;
      readonly fingerprint: Bytes;
    }
);

/** Where a watcher stands. Opaque to clients: a cursor string holds it. */
export interface WatchPlace {
  /** Ledger sequence of the view by which the marks were made; 0 = it begins now. */
  readonly viewSeq: number;
  readonly marks: readonly WatchMark[];
}

/** How far a watcher has read one fragment. */
export interface WatchMark {
  readonly fragment: number;
  readonly lsn: number;
  readonly seq: number;
}
