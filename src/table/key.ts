// Key. Owns row keys as users hold them, their types, and the positions at which rows lie; the bytes of a value are in `tuple.ts`.
// P1 the position of a `range` table is the encoded key; that of a `hash` table has the hash of the encoded partition key before it,
//    so all rows of one partition key lie together, in the order of their sort keys.
// P2 a row has exactly one position: `checkPosition` accepts no other bytes.

import { limits } from "../config/limits.js";
import { type Bytes, compareBytes, emptyBytes, toHex } from "../kernel/bytes.js";
import { fail, ok, type Result } from "../kernel/fault.js";
import type { Hash } from "../kernel/hash.js";
import { parseInstant } from "./instant.js";
import type { KeySchema, KeyType, KeyValue, Position, PositionRange, RowKey, TableDef } from "./table.js";
import { afterWholeValues, keyPrefixRange, keyWriter, readKeyValue, writeKeyValue, writtenBytes } from "./tuple.js";

/** What of a table decides its positions. */
export type KeyedTable = Pick<TableDef, "partitioning" | "key">;

const hashBytes = 4;
/** No position, bound or cursor is longer: hash, key, and one byte for "just after". */
export const positionBytesLimit = hashBytes + limits.keyBytes + 2;

/** Encoded bytes of a whole key. BAD_KEY or TOO_DEEP for a value that no key can hold, KEY_TOO_LARGE beyond `limits.keyBytes`. */
export function encodeKey(key: RowKey): Result<Bytes> {
  const writer = keyWriter();
  for (const value of key) {
    const mistake = writeKeyValue(writer, value);
    if (mistake !== undefined) return { ok: false, fault: mistake };
  }
  return ok(writtenBytes(writer));
}

/** The key that `bytes` encode; BAD_KEY when they are not exactly one key of one or two values. */
export function decodeKey(bytes: Bytes): Result<RowKey> {
  return bytes.length > limits.keyBytes ? notAKey : readKey(bytes, 0);
}

/** Where the row of `key` lies in `table`. BAD_KEY says which part has the wrong type. */
export function positionOf(table: KeyedTable, key: RowKey, hash: Hash): Result<Position> {
  const mistake = keyMistake(table.key, key);
  return mistake === undefined ? encodePosition(table, key, hash) : fail("BAD_KEY", mistake);
}

/** The key whose row lies at `position`. BAD_KEY when it is no position of such a table; trusts the hash (see `checkPosition`). */
export function keyOfPosition(table: KeyedTable, position: Position): Result<RowKey> {
  const key = readKey(position, hashLength(table));
  if (!key.ok) return key;
  return keyMistake(table.key, key.value) === undefined ? key : notAPosition;
}

/** A position between rows as a person reads it: the key where one lies there, else the bytes in hexadecimal (a hash); `(start)` and `(end)` of the key space. */
export function boundText(table: KeyedTable, position: Position | undefined): string {
  if (position === undefined) return "(end)";
  if (position.length === 0) return "(start)";
  const key = keyOfPosition(table, position);
  const text = key.ok ? keyText(key.value) : `0x${toHex(position)}`;
  return text.length > boundLength ? `${text.slice(0, boundLength)}…` : text;
}

const boundLength = 120;

function keyText(key: RowKey): string {
  const parts = key.map((part) => (part instanceof Uint8Array ? `0x${toHex(part)}` : JSON.stringify(part)));
  return parts.join(" ");
}

/** P2, for positions that come from outside: the one position of a key of this table, hash included. */
export function checkPosition(table: KeyedTable, position: Position, hash: Hash): Result<RowKey> {
  if (position.length > hashLength(table) + limits.keyBytes) return notAPosition;
  const key = keyOfPosition(table, position);
  if (!key.ok || table.partitioning === "range") return key;
  const reader = { bytes: position, at: hashBytes };
  readKeyValue(reader);
  const asked = new DataView(position.buffer, position.byteOffset).getUint32(0);
  return hash.h32(position.subarray(hashBytes, reader.at)) === asked ? key : notAPosition;
}

/**
 * A key as clients write it: `"a"` or `["a"]`, `["a", "b"]` with a sort key. A tuple stands as an array inside: `[["x", 1]]`.
 * A string for a `date` is read as ISO-8601.
 */
export function decodeRowKey(table: KeyedTable, given: unknown): Result<RowKey> {
  const { partition, sort } = table.key;
  if (given === undefined) return fail("BAD_KEY", `the key is missing; give ${keyForm(table.key)}`);
  const parts: readonly unknown[] = Array.isArray(given) ? given : [given];
  const wanted = sort === undefined ? 1 : 2;
  if (parts.length !== wanted)
    return fail("BAD_KEY", `the key has ${countOf(parts.length)}; this table wants ${keyForm(table.key)}`);
  const first = decodeKeyValue(partition, parts[0], "the partition key");
  if (!first.ok) return first;
  if (sort === undefined) return ok([first.value]);
  const second = decodeKeyValue(sort, parts[1], "the sort key");
  return second.ok ? ok([first.value, second.value]) : second;
}

/** One key value of `type`; `name` tells the user which. */
export function decodeKeyValue(type: KeyType, given: unknown, name: string): Result<KeyValue> {
  const value = keyValueFrom(type, given, 0);
  if (value !== undefined) return ok(value);
  return fail("BAD_KEY", `${name} must be ${typeWords[type]}, but is ${describe(given)}`);
}

/** A bound of a range: a whole key, or only its partition key, which stands before all rows of that partition. */
export function decodeBound(table: KeyedTable, given: unknown, name: string): Result<readonly KeyValue[]> {
  const { partition, sort } = table.key;
  const parts: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (parts.length === 0 || parts.length > (sort === undefined ? 1 : 2))
    return fail("BAD_KEY", `${name} has ${countOf(parts.length)}; this table wants ${keyForm(table.key)}`);
  const first = decodeKeyValue(partition, parts[0], `the partition key in ${name}`);
  if (!first.ok || parts.length === 1 || sort === undefined) return first.ok ? ok([first.value]) : first;
  const second = decodeKeyValue(sort, parts[1], `the sort key in ${name}`);
  return second.ok ? ok([first.value, second.value]) : second;
}

/** Position at which keys that start with `values` begin; of `values` itself if it is a whole key. */
export function positionOfBound(table: KeyedTable, values: readonly KeyValue[], hash: Hash): Result<Position> {
  const [partition, sort] = values;
  if (partition === undefined) return ok(emptyBytes);
  return encodePosition(table, sort === undefined ? [partition] : [partition, sort], hash);
}

/** All rows of one partition key. */
export function rangeOfPartition(
  table: KeyedTable,
  partition: KeyValue,
  hash: Hash,
): Result<{ readonly from: Position; readonly to: Position }> {
  const mistake = valueMistake(table.key.partition, partition, "the partition key");
  if (mistake !== undefined) return fail("BAD_KEY", mistake);
  const from = encodePosition(table, [partition], hash);
  return from.ok ? ok({ from: from.value, to: afterWholeValues(from.value) }) : from;
}

/** Keys whose value after the position `before` (empty, or that of a partition key) starts with `prefix`. */
export function rangeOfPrefix(
  before: Position,
  prefix: KeyValue,
): Result<{ readonly from: Position; readonly to: Position }> {
  return keyPrefixRange(before, prefix);
}

/** The 32-bit hash space cut into `fragments` even ranges, in order, from the start of all positions to the end. */
export function hashRange(fragments: number): PositionRange[] {
  const cut = (index: number): Position => {
    const bytes = new Uint8Array(hashBytes);
    new DataView(bytes.buffer).setUint32(0, Math.floor((index * 2 ** 32) / fragments));
    return bytes;
  };
  return Array.from({ length: fragments }, (_, index) => ({
    from: index === 0 ? emptyBytes : cut(index),
    to: index + 1 === fragments ? undefined : cut(index + 1),
  }));
}

/** A `range` table cut at `splitAt`: one range more than cuts. BAD_KEY when the cuts do not ascend. */
export function splitRange(table: KeyedTable, splitAt: readonly unknown[], hash: Hash): Result<PositionRange[]> {
  const cuts: Position[] = [];
  for (const [index, given] of splitAt.entries()) {
    const bound = decodeBound(table, given, `splitAt[${index}]`);
    if (!bound.ok) return bound;
    const cut = positionOfBound(table, bound.value, hash);
    if (!cut.ok) return cut;
    const before = cuts.at(-1);
    if (before !== undefined && compareBytes(before, cut.value) >= 0)
      return fail("BAD_KEY", `splitAt must ascend: splitAt[${index}] does not come after the key before it`);
    cuts.push(cut.value);
  }
  return ok([emptyBytes, ...cuts].map((from, index) => ({ from, to: cuts[index] })));
}

const notAKey = fail("BAD_KEY", "these bytes are not an encoded key");
const notAPosition = fail("BAD_KEY", "these bytes are not a position of a key of this table");

function hashLength(table: KeyedTable): number {
  return table.partitioning === "hash" ? hashBytes : 0;
}

function encodePosition(table: KeyedTable, key: RowKey, hash: Hash): Result<Position> {
  const reserved = hashLength(table);
  const writer = keyWriter(reserved);
  let mistake = writeKeyValue(writer, key[0]);
  const partitionEnd = writer.length;
  if (mistake === undefined && key[1] !== undefined) mistake = writeKeyValue(writer, key[1]);
  if (mistake !== undefined) return { ok: false, fault: mistake };
  const position = writtenBytes(writer);
  if (reserved > 0) new DataView(position.buffer).setUint32(0, hash.h32(position.subarray(reserved, partitionEnd)));
  return ok(position);
}

function readKey(bytes: Bytes, at: number): Result<RowKey> {
  const reader = { bytes, at };
  const partition = readKeyValue(reader);
  if (partition === undefined) return notAKey;
  if (reader.at === bytes.length) return ok([partition]);
  const sort = readKeyValue(reader);
  return sort === undefined || reader.at !== bytes.length ? notAKey : ok([partition, sort]);
}

function keyMistake(schema: KeySchema, key: RowKey): string | undefined {
  if ((key[1] === undefined) !== (schema.sort === undefined))
    return `the key has ${countOf(key.length)}; this table wants ${keyForm(schema)}`;
  const mistake = valueMistake(schema.partition, key[0], "the partition key");
  if (mistake !== undefined || schema.sort === undefined || key[1] === undefined) return mistake;
  return valueMistake(schema.sort, key[1], "the sort key");
}

function valueMistake(type: KeyType, value: KeyValue, name: string): string | undefined {
  return type === "any" || typeOf(value) === type
    ? undefined
    : `${name} must be ${typeWords[type]}, but is ${describe(value)}`;
}

function typeOf(value: unknown): Exclude<KeyType, "any"> | undefined {
  if (typeof value === "string") return "string";
  if (typeof value === "number") return "number";
  if (value instanceof Date) return "date";
  if (value instanceof Uint8Array) return "bytes";
  return Array.isArray(value) ? "tuple" : undefined;
}

function keyValueFrom(type: KeyType, given: unknown, depth: number): KeyValue | undefined {
  if (type === "any" || type === "string") if (typeof given === "string") return given;
  if (type === "any" || type === "number") {
    if (typeof given === "number" && Number.isFinite(given)) return given;
    if (typeof given === "bigint" && Number.isSafeInteger(Number(given))) return Number(given);
  }
  if (type === "any" || type === "date") {
    if (given instanceof Date && !Number.isNaN(given.getTime())) return given;
    if (typeof given === "string") return parseInstant(given);
  }
  if (type === "any" || type === "bytes") if (given instanceof Uint8Array) return given;
  if (type === "any" || type === "tuple") if (Array.isArray(given)) return tupleFrom(given, depth);
  return undefined;
}

function tupleFrom(given: readonly unknown[], depth: number): KeyValue | undefined {
  if (given.length > limits.keyBytes || depth > limits.keyDepth) return undefined;
  const values: KeyValue[] = [];
  for (const element of given) {
    const value = keyValueFrom("any", element, depth + 1);
    if (value === undefined) return undefined;
    values.push(value);
  }
  return values;
}

const typeWords: Readonly<Record<KeyType, string>> = {
  string: "a string",
  number: "a finite number",
  date: "a date (in JSON: an ISO-8601 string with a zone, such as 2026-03-01T12:00:00Z)",
  bytes: 'bytes (in JSON: {"$bytes": "base64"})',
  tuple:
    'an array of strings, numbers, dates, bytes or arrays (as a whole key it stands inside the key\'s array: [["x", 1]])',
  any: "a string, finite number, valid date, bytes or an array of these",
};

function keyForm({ partition, sort }: KeySchema): string {
  return sort === undefined
    ? `a ${partition} partition key, alone or as [partition]`
    : `[partition, sort]: a ${partition} partition key and a ${sort} sort key`;
}

function countOf(parts: number): string {
  return parts === 1 ? "1 part" : `${parts} parts`;
}

function describe(given: unknown): string {
  if (given === undefined) return "missing";
  if (given === null) return "null";
  if (given instanceof Date) return Number.isNaN(given.getTime()) ? "an invalid date" : "a date";
  if (typeof given === "string") return given.length > 40 ? "a long string" : `the string ${JSON.stringify(given)}`;
  if (typeof given === "number" || typeof given === "bigint") return `the number ${given}`;
  if (given instanceof Uint8Array) return "bytes";
  if (Array.isArray(given)) return "an array";
  return typeof given === "object" ? "an object" : `a ${typeof given}`;
}
