// Sponge. Owns a digest over any number of byte strings that never holds more than one block of them: XXH64, block after block, each with the digest so far before it.
// Every string is absorbed with its length before it, so that no two lists of strings look alike.

import type { Bytes } from "../kernel/bytes.js";
import type { Hash } from "../kernel/hash.js";

const blockBytes = 16 * 1024;
const headBytes = 8;
const utf8 = new TextEncoder();

export interface Sponge {
  absorb(bytes: Bytes): void;
  text(text: string): void;
  /** The digest of what was absorbed since the last squeeze, as 16 hexadecimal digits. */
  squeeze(): string;
}

export function createSponge(hash: Hash): Sponge {
  const block = new Uint8Array(headBytes + blockBytes);
  const view = new DataView(block.buffer);
  let at = headBytes;

  function fold(): bigint {
    const digest = hash.h64(block.subarray(0, at));
    view.setBigUint64(0, digest);
    at = headBytes;
    return digest;
  }
  function absorb(bytes: Bytes): void {
    if (at + 4 > block.length) fold();
    view.setUint32(at, bytes.length);
    at += 4;
    for (let taken = 0; taken < bytes.length; ) {
      if (at === block.length) fold();
      const more = Math.min(bytes.length - taken, block.length - at);
      block.set(bytes.subarray(taken, taken + more), at);
      taken += more;
      at += more;
    }
  }
  return {
    absorb,
    text: (text) => absorb(utf8.encode(text)),
    squeeze() {
      const digest = fold();
      view.setBigUint64(0, 0n);
      return digest.toString(16).padStart(16, "0");
    },
  };
}
