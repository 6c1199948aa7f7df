// Answer. Owns the shapes that clients read, and the one place where stored documents are decoded on their way out.

import { toHex } from "../../src/kernel/bytes.js";
import type { Change } from "../../src/protocol/exec.js";
import { decodeDocument } from "../../src/query/document.js";
import { type Projection, project } from "../../src/query/projection.js";
import type { Document } from "../../src/query/query.js";
import { keyOfPosition } from "../../src/table/key.js";
import type { KeyValue, Position, RowKey, TableDef } from "../../src/table/table.js";

/** `key` is a bare value where the table has no sort key, else `[partition, sort]`. */
export interface Row {
  readonly key: KeyValue | RowKey;
  readonly version: number;
  readonly doc: Document;
}

export interface ChangeRow {
  readonly key: KeyValue | RowKey;
  readonly version: number;
  /** Null: the row was deleted. */
  readonly doc: Document | null;
}

interface Stored {
  readonly version: number;
  readonly document: Uint8Array;
}

export function rowOf(table: TableDef, position: Position, row: Stored, projection: Projection | undefined): Row {
  return { key: keyOf(table, position), version: row.version, doc: documentOf(row.document, projection) };
}

export function changeOf(table: TableDef, change: Change): ChangeRow {
  const doc = change.document === undefined ? null : documentOf(change.document, undefined);
  return { key: keyOf(table, change.position), version: change.version, doc };
}

/** How a key reads in a message for a person. */
export function keyText(table: TableDef, position: Position): string {
  const key = keyOfPosition(table, position);
  return key.ok ? JSON.stringify(key.value.length === 1 ? key.value[0] : key.value) : toHex(position);
}

function keyOf(table: TableDef, position: Position): KeyValue | RowKey {
  const key = keyOfPosition(table, position);
  // What lies in the store was checked on its way in: bytes that do not decode are a bug.
  if (!key.ok) throw new Error(`a stored position does not decode: ${key.fault.message}`);
  const [partition] = key.value;
  return key.value.length === 1 && !Array.isArray(partition) ? partition : key.value;
}

function documentOf(bytes: Uint8Array, projection: Projection | undefined): Document {
  const document = decodeDocument(bytes);
  return projection === undefined ? document : project(projection, document);
}
