// Extract. Owns reading a few fields of a stored document: what nobody asks for is stepped over, not decoded.
// T1 a field reads as `decodeDocument` would have it. T2 for bytes that were checked when they came in; throws on others, because storing those is a bug.

import type { Bytes } from "../kernel/bytes.js";
import { unpack } from "../protocol/codec.js";
import type { Document, FieldPath, Filter, Value } from "./query.js";

const utf8 = new TextEncoder();
/** Longer text is quicker in the library. */
const shortText = 24;
const number = new DataView(new ArrayBuffer(8));

/** Reads the fields in which `paths` begin. */
export class FieldExtract {
  private readonly names: readonly { readonly name: string; readonly bytes: Bytes }[];

  constructor(paths: readonly FieldPath[]) {
    const names = new Set(paths.flatMap(([name]) => name ?? []));
    this.names = [...names].map((name) => ({ name, bytes: utf8.encode(name) }));
  }

  /** Of the document that begins at `start`. */
  from(bytes: Bytes, start = 0): Document {
    const found: Record<string, Value> = {};
    const cursor = new Cursor(bytes, start);
    let missing = this.names.length;
    for (let left = cursor.mapSize(); left > 0 && missing > 0; left--) {
      const name = this.nameAt(cursor);
      if (name === undefined) cursor.skip();
      else {
        found[name] = cursor.value();
        missing--;
      }
    }
    return found;
  }

  /** Steps over a name; undefined: it is none of those wanted. */
  private nameAt(cursor: Cursor): string | undefined {
    const length = cursor.textLength();
    const start = cursor.at;
    cursor.at += length;
    for (const { name, bytes } of this.names) if (bytes.length === length && cursor.has(bytes, start)) return name;
    return undefined;
  }
}

/** Fields that a filter looks at. */
export function fieldsOf(filter: Filter): readonly FieldPath[] {
  switch (filter.op) {
    case "and":
    case "or":
      return filter.all.flatMap(fieldsOf);
    case "not":
      return fieldsOf(filter.of);
    default:
      return [filter.field];
  }
}

/** Msgpack specification: github.com/msgpack/msgpack/blob/master/spec.md. */
class Cursor {
  constructor(
    private readonly bytes: Bytes,
    public at: number,
  ) {}

  mapSize(): number {
    const type = this.byte();
    if ((type & 0xf0) === 0x80) return type & 15;
    if (type === 0xde) return this.length(2);
    if (type === 0xdf) return this.length(4);
    return broken();
  }

  textLength(): number {
    const type = this.byte();
    if (type >= 0xa0 && type < 0xc0) return type & 31;
    if (type >= 0xd9 && type <= 0xdb) return this.length(1 << (type - 0xd9));
    return broken();
  }

  has(wanted: Bytes, start: number): boolean {
    for (let at = 0; at < wanted.length; at++) if (this.bytes[start + at] !== wanted[at]) return false;
    return true;
  }

  /** What documents mostly hold is read here, the rest by the library. */
  value(): Value {
    const start = this.at;
    const type = this.byte();
    if (type < 0x80) return type;
    if (type >= 0xa0 && type < 0xa0 + shortText) {
      const text = this.ascii(type & 31);
      if (text !== undefined) return text;
    } else if (type === 0xcb) return this.double();
    else if (type >= 0xcc && type <= 0xce) return this.length(1 << (type - 0xcc));
    this.at = start;
    this.skip();
    const decoded = unpack(this.bytes.subarray(start, this.at));
    return decoded.ok ? (decoded.value as Value) : broken();
  }

  /** Steps over one value, with all that it holds. */
  skip(): void {
    for (let left = 1; left > 0; left--) left += this.skipOne();
  }

  /** Returns how many values follow that belong to it. */
  private skipOne(): number {
    const type = this.byte();
    if (type < 0x80 || type >= 0xe0) return 0;
    if (type < 0x90) return (type & 15) * 2;
    if (type < 0xa0) return type & 15;
    if (type < 0xc0) return this.step(type & 31);
    if (type <= 0xc3) return type === 0xc1 ? broken() : 0;
    if (type <= 0xc6) return this.step(this.length(1 << (type - 0xc4)));
    if (type <= 0xc9) return this.step(this.length(1 << (type - 0xc7)) + 1);
    if (type <= 0xcb) return this.step(type === 0xca ? 4 : 8);
    if (type <= 0xcf) return this.step(1 << (type - 0xcc));
    if (type <= 0xd3) return this.step(1 << (type - 0xd0));
    if (type <= 0xd8) return this.step((1 << (type - 0xd4)) + 1);
    if (type <= 0xdb) return this.step(this.length(1 << (type - 0xd9)));
    if (type <= 0xdd) return this.length(type === 0xdc ? 2 : 4);
    return this.length(type === 0xde ? 2 : 4) * 2;
  }

  private step(bytes: number): number {
    this.at += bytes;
    return 0;
  }

  private byte(): number {
    return this.bytes[this.at++] ?? broken();
  }

  private length(size: number): number {
    let length = 0;
    for (let left = size; left > 0; left--) length = length * 256 + this.byte();
    return length;
  }

  /** Undefined: the text has other characters, too. */
  private ascii(length: number): string | undefined {
    let text = "";
    for (const stop = this.at + length; this.at < stop; ) {
      const unit = this.byte();
      if (unit >= 0x80) return undefined;
      text += String.fromCharCode(unit);
    }
    return text;
  }

  private double(): number {
    for (let at = 0; at < 8; at++) number.setUint8(at, this.byte());
    return number.getFloat64(0);
  }
}

function broken(): never {
  throw new Error("stored bytes are not a document");
}
