// Packing. Owns msgpack that is written by hand, where the same few fields are written again and again: the bytes are those that `pack` would write.
// Each function writes at `at` and says where the next byte goes. Whoever calls sees to the room.

import type { Bytes } from "../kernel/bytes.js";

/** Most bytes of a number. */
export const packedNumberBytes = 9;

/** A whole number from 0 to 2^32 - 1 in its shortest form; anything else as float64. */
export function putNumber(bytes: Bytes, view: DataView, at: number, value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) {
    bytes[at] = 0xcb;
    view.setFloat64(at + 1, value);
    return at + packedNumberBytes;
  }
  if (value < 0x80) {
    bytes[at] = value;
    return at + 1;
  }
  if (value < 0x100) {
    bytes[at] = 0xcc;
    bytes[at + 1] = value;
    return at + 2;
  }
  if (value < 0x10000) {
    bytes[at] = 0xcd;
    view.setUint16(at + 1, value);
    return at + 3;
  }
  bytes[at] = 0xce;
  view.setUint32(at + 1, value);
  return at + 5;
}

/** ASCII, at most 255 characters. */
export function putAscii(bytes: Bytes, at: number, text: string): number {
  let next = at;
  if (text.length < 32) bytes[next++] = 0xa0 | text.length;
  else {
    bytes[next++] = 0xd9;
    bytes[next++] = text.length;
  }
  for (let i = 0; i < text.length; i++) bytes[next + i] = text.charCodeAt(i);
  return next + text.length;
}

/** The head of an array of at most 65,535 elements. */
export function putArrayHead(bytes: Bytes, view: DataView, at: number, length: number): number {
  if (length < 16) {
    bytes[at] = 0x90 | length;
    return at + 1;
  }
  bytes[at] = 0xdc;
  view.setUint16(at + 1, length);
  return at + 3;
}

/** The head of a map of at most 65,535 fields. */
export function mapHead(fields: number): Bytes {
  return fields < 16 ? Uint8Array.of(0x80 | fields) : Uint8Array.of(0xde, fields >> 8, fields & 255);
}
