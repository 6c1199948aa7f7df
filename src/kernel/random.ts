// Random. Owns the seeded generator; every part draws from its own fork, so one part's draws never shift another's.
// Algorithm: sfc32 (Chris Doty-Humphrey, PractRand), seeded through splitmix32.

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform whole number in [0, below). */
  below(below: number): number;
  /** An independent generator named by `name`. Same seed and name, same draws. */
  fork(name: string): Random;
  /** `bytes` random bytes as lower-case hex. */
  hex(bytes: number): string;
}

export function seededRandom(seed: number): Random {
  const seeds = splitmix(seed >>> 0);
  let a = seeds();
  let b = seeds();
  let c = seeds();
  let counter = 1;
  const draw = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 12; i++) draw();
  const random: Random = {
    next: () => draw() / 4294967296,
    below: (below) => Math.floor((draw() / 4294967296) * below),
    fork: (name) => seededRandom(hashName(seed >>> 0, name)),
    hex: (bytes) => Array.from({ length: bytes }, () => (draw() & 255).toString(16).padStart(2, "0")).join(""),
  };
  return random;
}

function splitmix(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) | 0;
  };
}

function hashName(seed: number, name: string): number {
  let hash = seed ^ 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
