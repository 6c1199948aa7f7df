// Seal. Owns the checksum that every value on a node's disk carries, so that a damaged one is never taken for what was written.
// E1 the checksum is of key and value together: a value that turns up under another key is damage too.
// It is the CRC-32 of zlib, four bytes behind the value, big-endian; LMDB itself checks nothing that it reads.

import { crc32 } from "node:zlib";
import type { Bytes } from "../../src/kernel/bytes.js";

const sealBytes = 4;

export function seal(key: Bytes, value: Bytes): Buffer {
  const sealed = Buffer.allocUnsafe(value.length + sealBytes);
  sealed.set(value);
  sealed.writeUInt32BE(checksum(key, value), value.length);
  return sealed;
}

/** A view of the value inside, or undefined: it is damaged. */
export function unseal(key: Bytes, sealed: Buffer): Bytes | undefined {
  const length = sealed.length - sealBytes;
  if (length < 0) return undefined;
  const value = sealed.subarray(0, length);
  return checksum(key, value) === sealed.readUInt32BE(length) ? value : undefined;
}

/** The same of an entry of `length` bytes whose sealed value lies right behind its key: key and value. */
export function unsealEntry(lent: Buffer, keyLength: number, length: number): Bytes | undefined {
  const end = length - sealBytes;
  if (end < keyLength) return undefined;
  const entry = new Uint8Array(lent.buffer, lent.byteOffset, end);
  return crc32(entry) === lent.readUInt32BE(end) ? entry : undefined;
}

/**
 * What is read from a disk mostly has the value right behind its key: then one call does for both, and a call costs as much as some hundreds of bytes.
 * An empty value adds nothing: zlib forgets what came before it where it has no address.
 */
function checksum(key: Bytes, value: Bytes): number {
  if (value.length === 0) return crc32(key);
  const isBehind = key.buffer === value.buffer && key.byteOffset + key.length === value.byteOffset;
  return isBehind
    ? crc32(new Uint8Array(key.buffer, key.byteOffset, key.length + value.length))
    : crc32(value, crc32(key));
}
