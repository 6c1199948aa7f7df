// Hash. Owns the implementation of the core's hash port: xxHash in WebAssembly.

import xxhash from "xxhash-wasm";
import type { Hash } from "../../src/kernel/hash.js";

export async function loadHash(): Promise<Hash> {
  const { h32Raw, h64Raw } = await xxhash();
  return { h32: (bytes) => h32Raw(bytes) >>> 0, h64: (bytes) => h64Raw(bytes) };
}
