// Hash. Owns the port through which the pure core hashes bytes (xxHash, XXH32 and XXH64, seed 0).
// The world hands an implementation in; the same bytes give the same number on every machine.

export interface Hash {
  /** XXH32 as an unsigned 32-bit number. */
  h32(bytes: Uint8Array): number;
  /** XXH64 as an unsigned 64-bit bigint. */
  h64(bytes: Uint8Array): bigint;
}
