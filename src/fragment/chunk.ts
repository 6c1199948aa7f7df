// Chunk. Owns how entries of a store travel between replicas: one block of bytes, so that neither side makes an object for each byte string on the wire.
// An entry is u16 key length, u32 value length (big-endian), key, value; the key is relative: a room byte, then the position, or the window's LSN.
// B1 damage is a fault, never an exception: the block's digest (XXH64) is checked before its entries are read.

import type { Bytes } from "../kernel/bytes.js";
import { fail, ok, type Result } from "../kernel/fault.js";
import type { Hash } from "../kernel/hash.js";
import type { StoreEntry } from "./store.js";

export const rowsRoom = 0;
export const windowRoom = 1;

const headBytes = 6;

/** Puts entries into one block; `bytes` is what it has grown to. */
export interface ChunkWriter {
  readonly bytes: number;
  readonly count: number;
  /** `key` without what the receiver puts before it. The bytes are copied. */
  add(room: number, key: Bytes, value: Bytes): void;
  /** The block; a view, valid until the next `add`. */
  block(): Bytes;
}

export function chunkWriter(expectedBytes: number): ChunkWriter {
  let buffer = new Uint8Array(expectedBytes);
  let view = new DataView(buffer.buffer);
  let at = 0;
  let count = 0;
  function reserve(more: number): void {
    if (at + more <= buffer.length) return;
    const grown = new Uint8Array(Math.max(buffer.length * 2, at + more));
    grown.set(buffer.subarray(0, at));
    buffer = grown;
    view = new DataView(buffer.buffer);
  }
  return {
    get bytes() {
      return at;
    },
    get count() {
      return count;
    },
    add(room, key, value) {
      reserve(headBytes + 1 + key.length + value.length);
      view.setUint16(at, key.length + 1);
      view.setUint32(at + 2, value.length);
      buffer[at + headBytes] = room;
      buffer.set(key, at + headBytes + 1);
      buffer.set(value, at + headBytes + 1 + key.length);
      at += headBytes + 1 + key.length + value.length;
      count++;
    },
    block: () => buffer.subarray(0, at),
  };
}

/** Entries as views of `block`. */
export function readChunk(block: Bytes): Result<StoreEntry[]> {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const entries: StoreEntry[] = [];
  let at = 0;
  while (at < block.length) {
    if (at + headBytes > block.length) return endsEarly;
    const keyEnd = at + headBytes + view.getUint16(at);
    const valueEnd = keyEnd + view.getUint32(at + 2);
    if (keyEnd === at + headBytes || valueEnd > block.length) return endsEarly;
    entries.push({ key: block.subarray(at + headBytes, keyEnd), value: block.subarray(keyEnd, valueEnd) });
    at = valueEnd;
  }
  return ok(entries);
}

const endsEarly = fail("UNDECODABLE", "a chunk that ends in the middle of an entry");

export function chunkDigest(block: Bytes, hash: Hash): Bytes {
  const digest = new Uint8Array(8);
  new DataView(digest.buffer).setBigUint64(0, hash.h64(block));
  return digest;
}
