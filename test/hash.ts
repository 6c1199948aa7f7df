// Test hash. Owns the Hash of tests: the same xxHash as in production, from WebAssembly.

import xxhash from "xxhash-wasm";
import type { Hash } from "../src/kernel/hash.js";

const api = await xxhash();

export const testHash: Hash = { h32: (bytes) => api.h32Raw(bytes), h64: (bytes) => api.h64Raw(bytes) };
