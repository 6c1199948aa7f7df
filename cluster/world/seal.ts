// Seal. Owns the checksum that every value on a node's disk carries, so that a damaged one is never taken for what was written.
// E1 the checksum is of key and value together: a value that turns up under another key is damage too.
// It is the CRC-32 of zlib, four bytes behind the value, big-endian; LMDB itself checks nothing that it reads.

import { crc32 } from "node:zlib";
import type { Bytes } from "../../src/kernel/bytes.js";

const sealBytes = 4;

export function seal(key: Bytes, value: Bytes): Buffer {
  const sealed = Buffer.allocUnsafe(value.length + sealBytes);
  sealed.set(value);
  sealed.writeUInt32BE(crc32(value, crc32(key)), value.length);
  return sealed;
}

/** A view of the value inside, or undefined: it is damaged. */
export function unseal(key: Bytes, sealed: Buffer): Bytes | undefined {
  const length = sealed.length - sealBytes;
  if (length < 0) return undefined;
  const value = sealed.subarray(0, length);
  return crc32(value, crc32(key)) === sealed.readUInt32BE(length) ? value : undefined;
}
