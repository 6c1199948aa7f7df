// Document. Owns documents as bytes: what may be stored, and the way in and out. Checking walks the msgpack and builds nothing.
// D1 bytes that pass `checkDocument` decode, and decode alike everywhere: one spelling of each field, no duplicates, no ext but timestamps.
// D2 what `encodeDocument` returns passes `checkDocument`.

import { limits } from "../config/limits.js";
import type { Bytes } from "../kernel/bytes.js";
import { type Fault, fail, fault, ok, type Result } from "../kernel/fault.js";
import { packMessage, unpack } from "../protocol/codec.js";
import type { Document } from "./query.js";
import { cleanValue, documentTooLarge, forbiddenNames, isFields, tooDeep, tooManyNodes } from "./value.js";

/** BAD_DOCUMENT, DOCUMENT_TOO_LARGE, TOO_DEEP or TOO_LARGE (fields) when these bytes cannot be stored as a document or merge patch. */
export function checkDocument(bytes: Bytes): Result<void> {
  if (bytes.length > limits.documentBytes) return { ok: false, fault: documentTooLarge() };
  const walk = new MsgpackWalk(bytes);
  const first = bytes[0] ?? 0xc1;
  if ((first & 0xf0) !== 0x80 && first !== 0xde && first !== 0xdf) return fail("BAD_DOCUMENT", notAnObject);
  if (!walk.value(0)) return { ok: false, fault: walk.fault ?? fault("BAD_DOCUMENT", cutShort) };
  return walk.at === bytes.length ? ok(undefined) : fail("BAD_DOCUMENT", "bytes follow the end of the document");
}

/** Bytes of a document given as a value (D2). The faults of `cleanValue`; BAD_DOCUMENT when it is no object. */
export function encodeDocument(value: unknown): Result<Bytes> {
  if (!isFields(value)) return fail("BAD_DOCUMENT", notAnObject);
  const cleaned = cleanValue(value);
  if (!cleaned.ok) return cleaned;
  // No copy of its own: documents go on in a message or a record soon, and several share a block of the packer meanwhile.
  const { buffer, byteOffset, byteLength } = packMessage(cleaned.value);
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  return bytes.length > limits.documentBytes ? { ok: false, fault: documentTooLarge() } : ok(bytes);
}

/** The document in bytes that were checked when they came in; throws on others, because storing those is a bug. */
export function decodeDocument(bytes: Bytes): Document {
  const decoded = unpack(bytes);
  if (!decoded.ok || !isFields(decoded.value)) throw new Error("stored bytes are not a document");
  return decoded.value;
}

const notAnObject = "a document must be an object (a msgpack map) of fields";
const cutShort = "the document ends in the middle of a value";
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Up to this many names are compared pair by pair, which is quicker than a set. */
const pairwiseNames = 12;
const shortestForbidden = "__proto_".length;
const longestForbidden = "constructor".length;
/** Dates hold 100,000,000 days to either side of 1970 (ECMA-262, time values). */
const longestInstantSeconds = 8.64e12;

/** Names of one object so far: in a set, or as places in the bytes. */
interface NamesSeen {
  readonly set: Set<string> | undefined;
  readonly starts: number[];
  readonly ends: number[];
}

/** Msgpack specification: github.com/msgpack/msgpack/blob/master/spec.md. Each method says whether all is well so far. */
class MsgpackWalk {
  at = 0;
  fault: Fault | undefined;
  private nodes = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Bytes) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  value(depth: number): boolean {
    const type = this.bytes[this.at++];
    if (type === undefined) return false;
    if (type < 0x80 || type >= 0xe0) return true;
    if (type < 0x90) return this.map(type & 15, depth);
    if (type < 0xa0) return this.array(type & 15, depth);
    if (type < 0xc0) return this.text(type & 31);
    return this.wide(type, depth);
  }

  private wide(type: number, depth: number): boolean {
    switch (type) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        return true;
      case 0xc4:
        return this.skip(this.length(1));
      case 0xc5:
        return this.skip(this.length(2));
      case 0xc6:
        return this.skip(this.length(4));
      case 0xc7:
        return this.timestamp(this.length(1));
      case 0xca:
        return this.has(4) && this.finite(this.view.getFloat32(this.at), 4);
      case 0xcb:
        return this.has(8) && this.finite(this.view.getFloat64(this.at), 8);
      case 0xcc:
      case 0xd0:
        return this.skip(1);
      case 0xcd:
      case 0xd1:
        return this.skip(2);
      case 0xce:
      case 0xd2:
        return this.skip(4);
      case 0xcf:
        return this.has(8) && this.safe(this.view.getUint32(this.at));
      case 0xd3:
        return this.has(8) && this.safe(this.view.getInt32(this.at));
      case 0xd6:
        return this.timestamp(4);
      case 0xd7:
        return this.timestamp(8);
      case 0xd9:
        return this.text(this.length(1));
      case 0xda:
        return this.text(this.length(2));
      case 0xdb:
        return this.text(this.length(4));
      case 0xdc:
        return this.array(this.length(2), depth);
      case 0xdd:
        return this.array(this.length(4), depth);
      case 0xde:
        return this.map(this.length(2), depth);
      case 0xdf:
        return this.map(this.length(4), depth);
      case 0xc1:
        return this.refuse("byte 0xc1 has no meaning in msgpack");
      default:
        return this.refuse("the only msgpack extension a document may hold is the timestamp");
    }
  }

  private map(size: number, depth: number): boolean {
    if (size < 0 || !this.enter(size, depth)) return false;
    const names: NamesSeen = { set: size > pairwiseNames ? new Set() : undefined, starts: [], ends: [] };
    for (let i = 0; i < size; i++) {
      const start = this.name();
      if (start < 0) return false;
      if (this.seen(names, start)) return this.refuse("a field stands twice in one object");
      if (!this.value(depth + 1)) return false;
    }
    return true;
  }

  private array(size: number, depth: number): boolean {
    if (size < 0 || !this.enter(size, depth)) return false;
    for (let i = 0; i < size; i++) if (!this.value(depth + 1)) return false;
    return true;
  }

  private enter(size: number, depth: number): boolean {
    if (depth >= limits.documentDepth) return this.giveUp(tooDeep());
    this.nodes += size;
    return this.nodes <= limits.documentNodes || this.giveUp(tooManyNodes());
  }

  /** Where the text of the name begins (it ends at `at`), or -1. */
  private name(): number {
    const size = this.nameLength();
    if (size < 0) return size;
    if (size > limits.fieldNameBytes) {
      this.refuse(`a field name may take ${limits.fieldNameBytes} bytes; this one takes ${size}`);
      return -1;
    }
    const start = this.at;
    if (!this.text(size)) return -1;
    if (size < shortestForbidden || size > longestForbidden) return start;
    const name = this.latin(start);
    if (!forbiddenNames.has(name)) return start;
    this.refuse(`${name} is a name that no field may have`);
    return -1;
  }

  private nameLength(): number {
    const type = this.bytes[this.at++];
    if (type === undefined) return -1;
    if (type >= 0xa0 && type < 0xc0) return type & 31;
    if (type === 0xd9) return this.length(1);
    if (type === 0xda) return this.length(2);
    if (type === 0xdb) return this.length(4);
    this.refuse("field names must be strings");
    return -1;
  }

  private seen(names: NamesSeen, start: number): boolean {
    if (names.set !== undefined) return names.set.size === names.set.add(this.latin(start)).size;
    for (let i = 0; i < names.starts.length; i++)
      if (this.sameName(names.starts[i] ?? 0, names.ends[i] ?? 0, start)) return true;
    names.starts.push(start);
    names.ends.push(this.at);
    return false;
  }

  private sameName(from: number, to: number, start: number): boolean {
    if (to - from !== this.at - start) return false;
    for (let i = 0; i < to - from; i++) if (this.bytes[from + i] !== this.bytes[start + i]) return false;
    return true;
  }

  /** One character per byte: enough to tell names apart. */
  private latin(start: number): string {
    let text = "";
    for (let at = start; at < this.at; at++) text += String.fromCharCode(this.bytes[at] as number);
    return text;
  }

  private text(size: number): boolean {
    if (size < 0 || !this.has(size)) return false;
    const stop = this.at + size;
    for (let at = this.at; at < stop; at++) {
      if ((this.bytes[at] as number) < 0x80) continue;
      if (!this.utf8(at, stop)) return this.refuse("a string is not valid UTF-8");
      break;
    }
    this.at = stop;
    return true;
  }

  private utf8(start: number, stop: number): boolean {
    try {
      utf8.decode(this.bytes.subarray(start, stop));
      return true;
    } catch {
      return false;
    }
  }

  private finite(value: number, size: number): boolean {
    return Number.isFinite(value)
      ? this.skip(size)
      : this.refuse("numbers must be finite; NaN and infinities are not stored");
  }

  private safe(high: number): boolean {
    const low = this.view.getUint32(this.at + 4);
    if (Number.isSafeInteger(high * 2 ** 32 + low)) return this.skip(8);
    return this.refuse("an integer lies beyond ±(2^53-1); store it as a string");
  }

  /** Extension type -1 with 4, 8 or 12 bytes: seconds, nanoseconds and seconds, or both wide. */
  private timestamp(size: number): boolean {
    if (size < 0 || !this.has(1 + size)) return false;
    if (this.bytes[this.at] !== 0xff || (size !== 4 && size !== 8 && size !== 12))
      return this.refuse("the only msgpack extension a document may hold is the timestamp");
    const at = this.at + 1;
    const nanoseconds = size === 4 ? 0 : size === 8 ? this.view.getUint32(at) >>> 2 : this.view.getUint32(at);
    const seconds = size === 12 ? this.view.getInt32(at + 4) * 2 ** 32 + this.view.getUint32(at + 8) : 0;
    const inYears =
      seconds >= -longestInstantSeconds &&
      (seconds < longestInstantSeconds || (seconds === longestInstantSeconds && nanoseconds === 0));
    return inYears && nanoseconds <= 999_999_999
      ? this.skip(1 + size)
      : this.refuse("a timestamp lies outside the years that dates can hold");
  }

  /** A big-endian length of `size` bytes, or -1 when the bytes end before. */
  private length(size: 1 | 2 | 4): number {
    if (!this.has(size)) return -1;
    const at = this.at;
    this.at += size;
    return size === 1 ? this.view.getUint8(at) : size === 2 ? this.view.getUint16(at) : this.view.getUint32(at);
  }

  private has(size: number): boolean {
    return this.at + size <= this.bytes.length;
  }

  private skip(size: number): boolean {
    if (size < 0 || !this.has(size)) return false;
    this.at += size;
    return true;
  }

  private refuse(why: string): boolean {
    return this.giveUp(fault("BAD_DOCUMENT", why));
  }

  private giveUp(why: Fault): boolean {
    this.fault ??= why;
    return false;
  }
}
