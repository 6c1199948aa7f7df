// Cursor. Owns the opaque strings with which clients go on where an answer stopped: base64url over checksum and msgpack.
// C1 a cursor works only for the table, the operation and the query (range, direction, filter) that it came from; anything else is BAD_CURSOR.
// C2 it holds no right: a forged one reaches only what its query could have asked for. Positions are clamped to the range by the reader.

import { limits } from "../config/limits.js";
import { type Bytes, joinBytes, sameBytes } from "../kernel/bytes.js";
import { fail, ok, type Result } from "../kernel/fault.js";
import type { Hash } from "../kernel/hash.js";
import { pack, unpack } from "../protocol/codec.js";
import { positionBytesLimit } from "../table/key.js";
import type { Position, TableDef } from "../table/table.js";
import { fromBase64Url, toBase64Url } from "./base64.js";
import type { WatchMark, WatchPlace } from "./query.js";

const checksumBytes = 8;
const longest = limits.documentBytes;

/** What a cursor of `query` is bound to; `query` is plain data, the same on every page. */
export function fingerprintOf(table: TableDef, query: unknown, hash: Hash): Bytes {
  return checksum(pack([table.id, table.name, query]), hash);
}

/** Goes on at `next`: the first position to read, or the exclusive end when the scan runs in reverse. */
export function encodeScanCursor(fingerprint: Bytes, next: Position, hash: Hash): string {
  return seal([fingerprint, next], hash);
}

export function decodeScanCursor(fingerprint: Bytes, cursor: unknown, hash: Hash): Result<Position> {
  const next = open(fingerprint, cursor, hash);
  if (!next.ok) return next;
  return next.value instanceof Uint8Array && next.value.length <= positionBytesLimit ? ok(next.value) : broken;
}

export function encodeWatchCursor(fingerprint: Bytes, { viewSeq, marks }: WatchPlace, hash: Hash): string {
  return seal([fingerprint, [viewSeq, marks.map(({ fragment, lsn, seq }) => [fragment, lsn, seq])]], hash);
}

export function decodeWatchCursor(fingerprint: Bytes, cursor: unknown, hash: Hash): Result<WatchPlace> {
  const given = open(fingerprint, cursor, hash);
  return given.ok ? placeIn(given.value) : given;
}

/** Where a watch stands, whichever table it is of: for whoever must know how far a feed has come. */
export function watchPlaceOf(cursor: unknown, hash: Hash): Result<WatchPlace> {
  const given = unseal(cursor, hash);
  return given.ok ? placeIn(given.value.inner) : given;
}

function placeIn(given: unknown): Result<WatchPlace> {
  if (!Array.isArray(given) || given.length !== 2) return broken;
  const [viewSeq, list] = given as readonly unknown[];
  if (!isCount(viewSeq) || !Array.isArray(list) || list.length > limits.fragmentsPerTable) return broken;
  const marks: WatchMark[] = [];
  for (const mark of list as readonly unknown[]) {
    if (!Array.isArray(mark) || mark.length !== 3 || !mark.every(isCount)) return broken;
    const [fragment, lsn, seq] = mark as [number, number, number];
    marks.push({ fragment, lsn, seq });
  }
  return ok({ viewSeq, marks });
}

const broken = fail(
  "BAD_CURSOR",
  "this is not a cursor; give the cursor of an earlier answer unchanged, or none to begin anew",
);
const foreign = fail(
  "BAD_CURSOR",
  "this cursor belongs to another table or query; repeat the query that gave it with the same range, direction and filter",
);

function seal(content: unknown, hash: Hash): string {
  const body = pack(content);
  return toBase64Url(joinBytes(checksum(body, hash), body));
}

function open(fingerprint: Bytes, cursor: unknown, hash: Hash): Result<unknown> {
  const given = unseal(cursor, hash);
  if (!given.ok) return given;
  return sameBytes(given.value.bound, fingerprint) ? ok(given.value.inner) : foreign;
}

function unseal(cursor: unknown, hash: Hash): Result<{ readonly bound: Bytes; readonly inner: unknown }> {
  if (typeof cursor !== "string" || cursor.length > longest) return broken;
  const bytes = fromBase64Url(cursor);
  if (bytes === undefined || bytes.length <= checksumBytes) return broken;
  const body = bytes.subarray(checksumBytes);
  if (!sameBytes(checksum(body, hash), bytes.subarray(0, checksumBytes))) return broken;
  const content = unpack(body);
  if (!content.ok || !Array.isArray(content.value) || content.value.length !== 2) return broken;
  const [bound, inner] = content.value as readonly unknown[];
  return bound instanceof Uint8Array ? ok({ bound, inner }) : broken;
}

function checksum(bytes: Bytes, hash: Hash): Bytes {
  const sum = new Uint8Array(checksumBytes);
  new DataView(sum.buffer).setBigUint64(0, hash.h64(bytes));
  return sum;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= -1;
}
