// Overlay. Owns the commits that the store accepted and that are not on disk yet, as layers from old to new.
// O1 within a layer clears come before writes: a clear takes the layer's own earlier writes with it.
// O2 a newer layer hides an older one, and every layer hides the disk, key by key.
// Keys are held as latin1 strings: one character per byte, so that their order is the order of the bytes.

import type { StoreEntry } from "../../src/fragment/store.js";
import type { StoreClear, StoreWrite } from "../../src/kernel/effect.js";

export interface KeyRange {
  readonly from: string;
  readonly to: string;
}

/** What a layer says of a key: a value, gone, or nothing. */
export type Held = { readonly value: Uint8Array | undefined } | undefined;

const gone: Held = { value: undefined };
/** What an entry costs beside its key and value: map slot, object, array slot. */
const entryOverheadBytes = 100;

export function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}

export function keyBytes(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

/** Those of `keys` from `first` on, before `end`. */
interface Stretch {
  readonly keys: readonly string[];
  first: number;
  end: number;
}

export class Layer {
  readonly writes = new Map<string, StoreWrite>();
  readonly clears: KeyRange[] = [];
  private sizeBytes = 0;
  /** Keys of `writes` in order, and those that came since. */
  private sorted: string[] = [];
  private fresh: string[] = [];

  get bytes(): number {
    return this.sizeBytes;
  }
  get empty(): boolean {
    return this.writes.size === 0 && this.clears.length === 0;
  }

  add(writes: readonly StoreWrite[], clears: readonly StoreClear[]): void {
    for (const { from, to } of clears) this.clear({ from: keyText(from), to: keyText(to) });
    for (const write of writes) this.write(keyText(write.key), write);
  }

  get(key: string): Held {
    return this.writes.get(key) ?? (this.hides(key) ? gone : undefined);
  }

  /** True when a clear of this layer covers the key. */
  hides(key: string): boolean {
    return this.clears.some(({ from, to }) => from <= key && key < to);
  }

  /** Keys written in [from, to), in order: a stretch of all that were. */
  keys({ from, to }: KeyRange): Stretch {
    if (this.fresh.length > 0) {
      this.sorted = this.sorted.concat(this.fresh).sort();
      this.fresh = [];
    }
    return { keys: this.sorted, first: lowerBound(this.sorted, from), end: lowerBound(this.sorted, to) };
  }

  /** Kept as it came: it goes to the disk with its own key, without one made from the text again. */
  private write(key: string, write: StoreWrite): void {
    const before = this.writes.get(key);
    if (before === undefined) {
      this.fresh.push(key);
      this.sizeBytes += key.length + entryOverheadBytes;
    } else this.sizeBytes -= before.value?.byteLength ?? 0;
    this.sizeBytes += write.value?.byteLength ?? 0;
    this.writes.set(key, write);
  }

  private clear(range: KeyRange): void {
    if (range.from >= range.to) return;
    this.clears.push(range);
    this.sizeBytes += entryOverheadBytes;
    const { keys, first, end } = this.keys(range);
    if (first === end) return;
    for (const key of keys.slice(first, end)) {
      this.sizeBytes -= key.length + entryOverheadBytes + (this.writes.get(key)?.value?.byteLength ?? 0);
      this.writes.delete(key);
    }
    this.sorted.splice(first, end - first);
  }
}

/** Index of the first text that is not below `text`. */
function lowerBound(sorted: readonly string[], text: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as string) < text) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What the layers (old to new) say of a key; undefined: ask the disk. */
export function lookUp(layers: readonly Layer[], key: string): Held {
  for (let index = layers.length - 1; index >= 0; index--) {
    const held = layers[index]?.get(key);
    if (held !== undefined) return held;
  }
  return undefined;
}

/** An entry of the disk, its key as text too. */
export interface DiskEntry {
  readonly text: string;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Merges the disk's entries (in order, reversed when `reverse`) with the layers. */
export function* merge(
  layers: readonly Layer[],
  disk: Iterator<DiskEntry>,
  range: KeyRange,
  reverse: boolean,
): Generator<StoreEntry> {
  // Of a key that no layer wrote only a clear can tell something.
  const cleared = layers.filter(({ clears }) => clears.length > 0);
  const ahead = reverse ? (a: string, b: string) => a > b : (a: string, b: string) => a < b;
  try {
    let next = disk.next();
    for (const key of overlaidKeys(layers, range, reverse)) {
      for (; !next.done && ahead(next.value.text, key); next = disk.next())
        if (lookUp(cleared, next.value.text) === undefined) yield next.value;
      if (!next.done && next.value.text === key) next = disk.next();
      const value = lookUp(layers, key)?.value;
      if (value !== undefined) yield { key: keyBytes(key), value };
    }
    for (; !next.done; next = disk.next()) if (lookUp(cleared, next.value.text) === undefined) yield next.value;
  } finally {
    // Whoever stops early frees the disk's cursor.
    disk.return?.();
  }
}

/** True when nothing that the layers hold lies in the range: the disk alone answers. */
export function untouched(layers: readonly Layer[], range: KeyRange): boolean {
  return layers.every((layer) => {
    const { first, end } = layer.keys(range);
    return first === end && layer.clears.every(({ from, to }) => to <= range.from || range.to <= from);
  });
}

/** Every key that a layer wrote in the range, once, in the order wanted; found as it is asked for, since most who read stop early. */
function* overlaidKeys(layers: readonly Layer[], range: KeyRange, reverse: boolean): Generator<string> {
  const left = layers.map((layer) => layer.keys(range));
  const headOf = ({ keys, first, end }: Stretch): string | undefined =>
    first === end ? undefined : keys[reverse ? end - 1 : first];
  for (;;) {
    let next: string | undefined;
    for (const stretch of left) {
      const head = headOf(stretch);
      if (head !== undefined && (next === undefined || (reverse ? head > next : head < next))) next = head;
    }
    if (next === undefined) return;
    for (const stretch of left) {
      if (headOf(stretch) !== next) continue;
      if (reverse) stretch.end--;
      else stretch.first++;
    }
    yield next;
  }
}
