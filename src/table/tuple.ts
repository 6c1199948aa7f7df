// Tuple. Owns the order-preserving encoding of key values; knows nothing of tables and positions (`key.ts`).
// The encoding is that of FoundationDB's tuple layer (design/tuple.md there) with its codes for bytes, strings, nested tuples and
// doubles; numbers are always doubles, and instants take one of the codes that it leaves to users.
// T1 comparing encodings byte by byte orders like comparing values: bytes < strings < tuples < numbers < dates, then by value.
// T2 one value has one encoding, and only that one decodes: -0 is 0, text is well-formed UTF-8, NaN and infinities do not exist.
// T3 no type code is 0x00 or 0xff, so `[prefix, prefix ++ ff)` holds exactly the keys that go on after whole values.

import { limits } from "../config/limits.js";
import { type Bytes, joinBytes } from "../kernel/bytes.js";
import { type Fault, fail, fault, ok, type Result } from "../kernel/fault.js";
import type { KeyValue } from "./table.js";

const code = { bytes: 0x01, string: 0x02, tuple: 0x05, number: 0x21, date: 0x40 } as const;
const end = 0x00;
const escapedZero = 0xff;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export interface KeyReader {
  readonly bytes: Bytes;
  at: number;
}

/** The next value, or undefined when none is encoded there (T2). */
export function readKeyValue(reader: KeyReader): KeyValue | undefined {
  return readValue(reader, 0);
}

/** Writes keys into one growing buffer; `reserved` bytes at the start are left for a hash. */
export interface KeyWriter {
  bytes: Uint8Array;
  length: number;
  readonly reserved: number;
}

export function keyWriter(reserved = 0): KeyWriter {
  return { bytes: new Uint8Array(64), length: reserved, reserved };
}

export function writtenBytes(writer: KeyWriter): Bytes {
  return writer.bytes.slice(0, writer.length);
}

/** Appends one value; says what is wrong with it, or nothing. */
export function writeKeyValue(writer: KeyWriter, value: KeyValue): Fault | undefined {
  return writeValue(writer, value, 0);
}

/**
 * Range of encodings whose value at this place starts with `prefix`: text and bytes by their beginning, tuples by their first elements.
 * BAD_KEY for numbers and dates, which have no beginning.
 */
export function keyPrefixRange(before: Bytes, prefix: KeyValue): Result<{ from: Bytes; to: Bytes }> {
  const writer = keyWriter();
  const mistake = writeKeyValue(writer, prefix);
  if (mistake !== undefined) return { ok: false, fault: mistake };
  if (typeof prefix === "number" || prefix instanceof Date)
    return fail(
      "BAD_KEY",
      "prefix must be text, bytes or the first elements of a tuple: numbers and dates have no beginning",
    );
  const open = joinBytes(before, writer.bytes.subarray(0, writer.length - 1));
  // A tuple's last element is whole: what follows it is a type code (T3). Text goes on with any byte but ff, which UTF-8 never holds;
  // an escaped zero reads 00 ff, and 00 stands first.
  if (!(prefix instanceof Uint8Array)) return ok({ from: open, to: joinBytes(open, new Uint8Array([0xff])) });
  return ok({ from: open, to: afterOpenBytes(open, before.length) });
}

/** Bytes may go on with ff: the next sibling is one up, and at the latest the next type code. */
function afterOpenBytes(open: Bytes, start: number): Bytes {
  for (let at = open.length - 1; at > start; at--) {
    if (open[at] === 0xff) continue;
    const next = open.slice(0, at + 1);
    next[at] = (open[at] as number) + 1;
    return next;
  }
  return joinBytes(open.subarray(0, start), new Uint8Array([code.bytes + 1]));
}

/** Everything that goes on after the whole values in `prefix` (T3). */
export function afterWholeValues(prefix: Bytes): Bytes {
  return joinBytes(prefix, new Uint8Array([0xff]));
}

function writeValue(writer: KeyWriter, value: KeyValue, depth: number): Fault | undefined {
  const mistake = writeTyped(writer, value, depth);
  if (mistake !== undefined) return mistake;
  return writer.length - writer.reserved > limits.keyBytes ? tooLarge() : undefined;
}

function writeTyped(writer: KeyWriter, value: KeyValue, depth: number): Fault | undefined {
  if (typeof value === "string") return writeText(writer, value);
  if (typeof value === "number") return writeNumber(writer, code.number, value, "a key number must be finite");
  if (value instanceof Date) return writeNumber(writer, code.date, value.getTime(), "a key date must be a valid date");
  if (value instanceof Uint8Array) return writeBytes(writer, value);
  if (Array.isArray(value)) return writeTuple(writer, value, depth);
  return fault("BAD_KEY", "a key value must be a string, number, date, bytes or an array of these");
}

function writeText(writer: KeyWriter, text: string): Fault | undefined {
  if (text.length > limits.keyBytes) return tooLarge();
  const bytes = room(writer, text.length * 4 + 2);
  let at = writer.length;
  bytes[at++] = code.string;
  for (let i = 0; i < text.length; i++) {
    let point = text.charCodeAt(i);
    if (point === 0) {
      bytes[at++] = 0;
      bytes[at++] = escapedZero;
    } else if (point < 0x80) {
      bytes[at++] = point;
    } else if (point < 0x800) {
      bytes[at++] = 0xc0 | (point >> 6);
      bytes[at++] = 0x80 | (point & 63);
    } else if (point < 0xd800 || point > 0xdfff) {
      bytes[at++] = 0xe0 | (point >> 12);
      bytes[at++] = 0x80 | ((point >> 6) & 63);
      bytes[at++] = 0x80 | (point & 63);
    } else {
      const low = text.charCodeAt(++i);
      if (point > 0xdbff || !(low >= 0xdc00 && low <= 0xdfff)) return loneSurrogate();
      point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
      bytes[at++] = 0xf0 | (point >> 18);
      bytes[at++] = 0x80 | ((point >> 12) & 63);
      bytes[at++] = 0x80 | ((point >> 6) & 63);
      bytes[at++] = 0x80 | (point & 63);
    }
  }
  bytes[at++] = end;
  writer.length = at;
  return undefined;
}

function writeBytes(writer: KeyWriter, value: Uint8Array): Fault | undefined {
  if (value.length > limits.keyBytes) return tooLarge();
  const bytes = room(writer, value.length * 2 + 2);
  let at = writer.length;
  bytes[at++] = code.bytes;
  for (const byte of value) {
    bytes[at++] = byte;
    if (byte === 0) bytes[at++] = escapedZero;
  }
  bytes[at++] = end;
  writer.length = at;
  return undefined;
}

/** IEEE 754 double, big-endian; the sign bit flipped, and all bits of negatives, so that bytes order like numbers. */
function writeNumber(writer: KeyWriter, type: number, value: number, rule: string): Fault | undefined {
  if (!Number.isFinite(value)) return fault("BAD_KEY", rule);
  const bytes = room(writer, 9);
  const at = writer.length;
  bytes[at] = type;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at + 1, 8);
  view.setFloat64(0, value + 0);
  const high = view.getUint32(0);
  if (high >= 0x80000000) {
    view.setUint32(0, ~high);
    view.setUint32(4, ~view.getUint32(4));
  } else {
    view.setUint32(0, high | 0x80000000);
  }
  writer.length = at + 9;
  return undefined;
}

function writeTuple(writer: KeyWriter, values: readonly KeyValue[], depth: number): Fault | undefined {
  if (depth === limits.keyDepth)
    return fault("TOO_DEEP", `tuples in a key may nest ${limits.keyDepth} deep`, { limit: limits.keyDepth });
  room(writer, 1)[writer.length++] = code.tuple;
  for (const value of values) {
    const mistake = writeValue(writer, value, depth + 1);
    if (mistake !== undefined) return mistake;
  }
  room(writer, 1)[writer.length++] = end;
  return undefined;
}

function room(writer: KeyWriter, extra: number): Uint8Array {
  const needed = writer.length + extra;
  if (needed > writer.bytes.length) {
    const larger = new Uint8Array(Math.max(needed, writer.bytes.length * 2));
    larger.set(writer.bytes.subarray(0, writer.length));
    writer.bytes = larger;
  }
  return writer.bytes;
}

function tooLarge(): Fault {
  return fault("KEY_TOO_LARGE", `a key may take ${limits.keyBytes} bytes encoded, partition and sort key together`, {
    limit: limits.keyBytes,
  });
}

function loneSurrogate(): Fault {
  return fault("BAD_KEY", "a key string must be well-formed Unicode: this one holds half of a surrogate pair");
}

function readValue(reader: KeyReader, depth: number): KeyValue | undefined {
  const type = reader.bytes[reader.at++];
  if (type === code.string) return readText(reader);
  if (type === code.number) return readNumber(reader);
  if (type === code.date) return readDate(reader);
  if (type === code.bytes) return readEscaped(reader);
  if (type === code.tuple) return depth === limits.keyDepth ? undefined : readTuple(reader, depth);
  return undefined;
}

function readText(reader: KeyReader): string | undefined {
  const raw = readEscaped(reader);
  if (raw === undefined) return undefined;
  try {
    return utf8.decode(raw);
  } catch {
    return undefined;
  }
}

function readEscaped(reader: KeyReader): Uint8Array | undefined {
  const { bytes } = reader;
  const start = reader.at;
  let zeros = 0;
  for (let at = start; at < bytes.length; at++) {
    if (bytes[at] !== 0) continue;
    if (bytes[at + 1] !== escapedZero) {
      reader.at = at + 1;
      return unescaped(bytes, start, at, zeros);
    }
    zeros++;
    at++;
  }
  return undefined;
}

function unescaped(bytes: Bytes, start: number, stop: number, zeros: number): Uint8Array {
  if (zeros === 0) return bytes.slice(start, stop);
  const plain = new Uint8Array(stop - start - zeros);
  for (let from = start, to = 0; from < stop; from++, to++) {
    plain[to] = bytes[from] as number;
    if (plain[to] === 0) from++;
  }
  return plain;
}

function readNumber(reader: KeyReader): number | undefined {
  const { bytes, at } = reader;
  if (at + 8 > bytes.length) return undefined;
  const view = new DataView(new ArrayBuffer(8));
  const flip = (bytes[at] as number) >= 0x80 ? 0 : 0xff;
  for (let i = 0; i < 8; i++) view.setUint8(i, (bytes[at + i] as number) ^ flip);
  if (flip === 0) view.setUint8(0, view.getUint8(0) ^ 0x80);
  reader.at = at + 8;
  const value = view.getFloat64(0);
  return Number.isFinite(value) && !Object.is(value, -0) ? value : undefined;
}

function readDate(reader: KeyReader): Date | undefined {
  const timeMs = readNumber(reader);
  if (timeMs === undefined || !Number.isInteger(timeMs)) return undefined;
  const date = new Date(timeMs);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function readTuple(reader: KeyReader, depth: number): readonly KeyValue[] | undefined {
  const values: KeyValue[] = [];
  while (reader.bytes[reader.at] !== end) {
    const value = readValue(reader, depth + 1);
    if (value === undefined) return undefined;
    values.push(value);
  }
  reader.at++;
  return values;
}
