// Layout. Owns where a node's store keeps what: the first byte names the room.
//   0x01            the store's own identity and boot count (kept by the world)
//   0x02 fragment   one replica's bookkeeping
//   0x03 fragment lsn   the request ids of one record (I5)
//   0x05 shelf position   a mark: what this sparse replica holds of the position, a row or none, is the truth (see `sparse`)
//   0x10 shelf position   one row: version (float64, big-endian), then the encoded document
// L1 rows of a table's replicas lie on one numbered shelf, in position order: a split or merge is a change of bookkeeping, no row moves. A replica's bookkeeping
//    names its shelf: stores of an earlier version hold replicas on shelves of their own.
// L2 all keys are binary and compare as bytes.

import { limits } from "../config/limits.js";
import { type Bytes, emptyBytes, joinBytes } from "../kernel/bytes.js";
import type { FragmentId } from "../protocol/subjects.js";
import type { Position, PositionRange } from "../table/table.js";

const bookkeepingRoom = 0x02;
const windowRoom = 0x03;
const markRoom = 0x05;
const rowRoom = 0x10;
const numberBytes = 8;
/** Where in a row's value its document begins. */
export const documentStart = numberBytes;
const shelfBytes = 4;

export const bookkeepingRange = { from: Uint8Array.of(bookkeepingRoom), to: Uint8Array.of(bookkeepingRoom + 1) };

export function bookkeepingKey(fragment: FragmentId): Bytes {
  return joinBytes(Uint8Array.of(bookkeepingRoom), number8(fragment));
}

export function windowKey(fragment: FragmentId, lsn: number): Bytes {
  return joinBytes(Uint8Array.of(windowRoom), number8(fragment), number8(lsn));
}

/** Above every shelf that an earlier version gave, which counted from 1. */
const firstTableShelf = 0x80000000;

/** The shelf of a table: its id is never used again. */
export function tableShelf(partition: number, tableId: number): number {
  return firstTableShelf + tableId * limits.controlPartitions + partition;
}

/** LSN of a window key, which is its last eight bytes. */
export function lsnOfWindowKey(key: Bytes): number {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return view.getUint32(key.byteLength - 8) * 4294967296 + view.getUint32(key.byteLength - 4);
}

/** Every window entry of a fragment. */
export function windowRange(fragment: FragmentId): { readonly from: Bytes; readonly to: Bytes } {
  return { from: windowKey(fragment, 0), to: windowKey(fragment + 1, 0) };
}

export function rowKeyBytes(position: Position): number {
  return 1 + shelfBytes + position.length;
}

/** Fills `into`, which has `rowKeyBytes(position)` bytes. */
export function writeRowKey(into: Bytes, shelf: number, position: Position): void {
  writeKey(into, rowRoom, shelf, position);
}

function writeKey(into: Bytes, room: number, shelf: number, position: Position): void {
  into[0] = room;
  into[1] = shelf >>> 24;
  into[2] = shelf >>> 16;
  into[3] = shelf >>> 8;
  into[4] = shelf;
  into.set(position, 1 + shelfBytes);
}

export function rowKey(shelf: number, position: Position): Bytes {
  const key = new Uint8Array(rowKeyBytes(position));
  writeRowKey(key, shelf, position);
  return key;
}

/** The keys of a shelf within a range of positions. */
export function rowRange(shelf: number, range: PositionRange): { readonly from: Bytes; readonly to: Bytes } {
  return {
    from: rowKey(shelf, range.from),
    to: range.to === undefined ? rowKey(shelf + 1, emptyBytes) : rowKey(shelf, range.to),
  };
}

export function markKey(shelf: number, position: Position): Bytes {
  const key = new Uint8Array(rowKeyBytes(position));
  writeKey(key, markRoom, shelf, position);
  return key;
}

/** The marks of a shelf within a range of positions. */
export function markRange(shelf: number, range: PositionRange): { readonly from: Bytes; readonly to: Bytes } {
  return {
    from: markKey(shelf, range.from),
    to: range.to === undefined ? markKey(shelf + 1, emptyBytes) : markKey(shelf, range.to),
  };
}

export function positionOfRowKey(key: Bytes): Position {
  return key.subarray(1 + shelfBytes);
}

/** The fragment of a bookkeeping key. */
export function fragmentOfKey(key: Bytes): FragmentId {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return view.getUint32(1) * 4294967296 + view.getUint32(5);
}

export function rowValueBytes(document: Bytes): number {
  return numberBytes + document.length;
}

/** Fills `into`, which has `rowValueBytes(document)` bytes. */
export function writeRowValue(into: Bytes, version: number, document: Bytes): void {
  new DataView(into.buffer, into.byteOffset).setFloat64(0, version);
  into.set(document, numberBytes);
}

export function rowValue(version: number, document: Bytes): Bytes {
  const value = new Uint8Array(rowValueBytes(document));
  writeRowValue(value, version, document);
  return value;
}

/** A version is read through here: a view of each value would cost more than the number. */
const number = new Uint8Array(numberBytes);
const numberView = new DataView(number.buffer);

export interface Row {
  readonly version: number;
  /** A view of the stored bytes. */
  readonly document: Bytes;
}

export function readRow(value: Bytes): Row {
  for (let at = 0; at < numberBytes; at++) number[at] = value[at] as number;
  return { version: numberView.getFloat64(0), document: value.subarray(numberBytes) };
}

/** Whole numbers up to 2^53 as eight bytes that order like the numbers. */
function number8(value: number): Bytes {
  const bytes = new Uint8Array(numberBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.floor(value / 4294967296));
  view.setUint32(4, value % 4294967296);
  return bytes;
}
