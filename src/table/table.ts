// Table. Owns what a table is: its name, how its key space is cut, and its key types.

import type { Bytes } from "../kernel/bytes.js";

export type Partitioning = "hash" | "range";
/** `any` takes every key value. `tuple` is an array of the others. */
export type KeyType = "string" | "number" | "date" | "bytes" | "tuple" | "any";

export interface KeySchema {
  readonly partition: KeyType;
  /** Absent: rows have no sort key. */
  readonly sort?: KeyType;
}

export interface TableDef {
  /** Unique in its control partition for ever; never used again. */
  readonly id: number;
  readonly name: string;
  readonly partitioning: Partitioning;
  readonly key: KeySchema;
  /** How many copies of each fragment are wanted; fewer while fewer nodes live. */
  readonly replicas: number;
}

/** A key value as users hold it. Dates order by time, numbers by value, strings by UTF-8, arrays element-wise. */
export type KeyValue = string | number | Date | Uint8Array | readonly KeyValue[];
/** `[partition key]` or `[partition key, sort key]`. */
export type RowKey = readonly [KeyValue] | readonly [KeyValue, KeyValue];

/**
 * Where a row lies, order-preserving: for `range` tables the encoded key, for `hash` tables its 32-bit hash (big-endian) and then the encoded key.
 * Fragments are ranges of positions: `from` inclusive, `to` exclusive, undefined = no end.
 */
export type Position = Bytes;
export interface PositionRange {
  readonly from: Position;
  readonly to: Position | undefined;
}
