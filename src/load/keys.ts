// Keys. Owns what is remembered of the keys that one fragment is asked for: a decaying sample, for the key that halves the load, and the heaviest keys.
// K1 one access in `every` is looked at, drawn evenly; the others cost one subtraction. K2 memory is bounded: `sampleKeys` places and `heavyKeys` counters.
// K3 the past fades: a place is overwritten by chance, and counters are halved every `fadeAfter` looks.
// Heavy keys: Metwally, Agrawal, El Abbadi, "Efficient computation of frequent and top-k elements in data streams" (space-saving): a count is too high by at most its `over`.

import { type Bytes, compareBytes } from "../kernel/bytes.js";

export interface KeyLoad {
  /** One access to `key`. */
  touch(key: Bytes, nowMs: number): void;
  /** Keys with the most accesses of late, heaviest first; `share` of all accesses, at least. */
  heaviest(limit: number): readonly HeavyKey[];
  /** Accesses per second of late. */
  perSecond(nowMs: number): number;
  /** The sampled keys in order; the same key once for each time it was drawn. */
  sample(): readonly Bytes[];
}

export interface HeavyKey {
  readonly key: Bytes;
  readonly share: number;
}

interface Counter {
  readonly name: string;
  readonly key: Bytes;
  count: number;
  over: number;
}

const every = 8;
const sampleKeys = 512;
const heavyKeys = 64;
const fadeAfter = 8192;
const rateWindowMs = 10_000;
const latin1 = new TextDecoder("latin1");

/** `seed` decides which accesses are drawn. */
export function createKeyLoad(seed: number): KeyLoad {
  const places: Bytes[] = [];
  const heavy = new Map<string, Counter>();
  /** The same counters: to find the smallest, which each new key does, a list is walked in a fraction of the time. */
  let counters: Counter[] = [];
  let state = (seed ^ 0x9e3779b9) >>> 0;
  let skip = 1;
  let looked = 0;
  let weight = 0;
  let sinceMs = 0;
  let counted = 0;
  let lastRate = 0;

  /** xorshift32: cheap, and even enough to draw places. */
  function draw(below: number): number {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  }

  function look(key: Bytes): void {
    const own = key.slice();
    if (places.length < sampleKeys) places.push(own);
    else places[draw(sampleKeys)] = own;
    count(own);
    weight++;
    if (++looked % fadeAfter === 0) fade();
  }

  function count(key: Bytes): void {
    const name = latin1.decode(key);
    const known = heavy.get(name);
    if (known !== undefined) {
      known.count++;
      return;
    }
    if (counters.length < heavyKeys) {
      add({ name, key, count: 1, over: 0 }, counters.length);
      return;
    }
    let at = 0;
    for (let i = 1; i < counters.length; i++) if (countAt(i) < countAt(at)) at = i;
    const fewest = countAt(at);
    heavy.delete((counters[at] as Counter).name);
    add({ name, key, count: fewest + 1, over: fewest }, at);
  }

  function countAt(at: number): number {
    return (counters[at] as Counter).count;
  }

  function add(counter: Counter, at: number): void {
    heavy.set(counter.name, counter);
    counters[at] = counter;
  }

  function fade(): void {
    weight /= 2;
    for (const counter of counters) {
      counter.count /= 2;
      counter.over /= 2;
      if (counter.count < 1) heavy.delete(counter.name);
    }
    counters = counters.filter(({ count: times }) => times >= 1);
  }

  function roll(nowMs: number): void {
    if (nowMs - sinceMs < rateWindowMs) return;
    // A window in which nothing began counts as quiet.
    lastRate = nowMs - sinceMs < 2 * rateWindowMs ? (counted * 1000) / (nowMs - sinceMs) : 0;
    counted = 0;
    sinceMs = nowMs;
  }

  return {
    touch(key, nowMs) {
      counted++;
      if (--skip > 0) return;
      skip = 1 + draw(2 * every - 1);
      roll(nowMs);
      look(key);
    },
    heaviest(limit) {
      return counters
        .map(({ key, count: times, over }) => ({ key, share: weight === 0 ? 0 : Math.max(0, times - over) / weight }))
        .sort((a, b) => b.share - a.share || compareBytes(a.key, b.key))
        .slice(0, limit);
    },
    perSecond(nowMs) {
      roll(nowMs);
      const spentMs = nowMs - sinceMs;
      return spentMs < 1000 ? lastRate : (counted * 1000 + lastRate * (rateWindowMs - spentMs)) / rateWindowMs;
    },
    sample: () => [...places].sort(compareBytes),
  };
}

/** Fewer say nothing about where the load lies. */
const leastSample = 64;

/**
 * The cut that comes closest to half of the sampled accesses on each side; `cutBefore` makes a cut of a key, or says that it is none.
 * Undefined: too few accesses, or none of the keys is a cut.
 */
export function halvingCut(sample: readonly Bytes[], cutBefore: (key: Bytes) => Bytes | undefined): Bytes | undefined {
  if (sample.length < leastSample) return undefined;
  let best: Bytes | undefined;
  let bestGap = sample.length;
  let last: Bytes | undefined;
  for (const [before, key] of sample.entries()) {
    const cut = cutBefore(key);
    if (cut === undefined || (last !== undefined && compareBytes(last, cut) === 0)) continue;
    last = cut;
    const gap = Math.abs(sample.length - 2 * before);
    if (gap >= bestGap) continue;
    best = cut;
    bestGap = gap;
  }
  return best;
}
