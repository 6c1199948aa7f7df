// Store. Owns one node's simulated disk: a sorted map whose commits are visible at once and durable only after a flush.
// D1 a crash takes back every commit that was not durable yet, newest first. D2 `committed` is answered only for durable commits, in order.

import type { Store, StoreEntry } from "../../src/fragment/store.js";
import type { StoreClear, StoreWrite } from "../../src/kernel/effect.js";

interface Undo {
  readonly key: string;
  readonly before: Uint8Array | undefined;
  /** The value before was a damaged one. */
  readonly flip: Flip | undefined;
}

interface Pending {
  readonly undo: Undo[];
  readonly durable: (() => void) | undefined;
}

/** What of a disk survives: taken as a copy by the faults that restore an old one. */
export interface DiskCopy {
  readonly storeId: string;
  readonly bootCount: number;
  readonly entries: ReadonlyMap<string, Uint8Array>;
}

/** A value that is not what was written: in production its seal says so, and the node stops. */
export class DamagedValue extends Error {}

/** A bit that was flipped, until another value stands there. */
export interface Flip {
  readonly key: string;
  readonly damaged: Uint8Array;
  ended: boolean;
}

export class SimStore implements Store {
  private values = new Map<string, Uint8Array>();
  private keys: string[] = [];
  private pending: Pending[] = [];
  commits = 0;
  /** Damaged values by key; every one there ever was is in `flips`. */
  private readonly damage = new Map<string, Flip>();
  readonly flips: Flip[] = [];
  /** An actor came upon a damaged value. */
  onDamage: () => void = () => {};

  constructor(
    public storeId: string,
    public bootCount = 0,
  ) {}

  /** Room that the disk pretends to have; undefined: it does not tell. */
  room: number | undefined;

  freeBytes(): number {
    return this.room ?? Number.MAX_SAFE_INTEGER;
  }

  get size(): number {
    return this.values.size;
  }

  /** True while a commit waits for its flush. */
  get dirty(): boolean {
    return this.pending.length > 0;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const name = spell(key);
    if (this.damage.has(name)) this.stumble();
    return this.values.get(name);
  }

  *range(from: Uint8Array, to: Uint8Array, reverse: boolean): Iterable<StoreEntry> {
    for (const entry of this.bareRange(from, to, reverse)) {
      if (this.damage.size > 0 && this.damage.has(spell(entry.key))) this.stumble();
      yield entry;
    }
  }

  /** What is there, damaged or not: as digests read it. */
  get bare(): Store {
    return {
      get: (key) => this.values.get(spell(key)),
      range: (from, to, reverse) => this.bareRange(from, to, reverse),
    };
  }

  private stumble(): never {
    this.onDamage();
    throw new DamagedValue("a value is not what was written");
  }

  private *bareRange(from: Uint8Array, to: Uint8Array, reverse: boolean): Iterable<StoreEntry> {
    const low = this.find(spell(from));
    const high = this.find(spell(to));
    const keys = this.keys.slice(low, high);
    if (reverse) keys.reverse();
    for (const key of keys) {
      const value = this.values.get(key);
      if (value !== undefined) yield { key: bytesOf(key), value };
    }
  }

  /** Applies one transaction. `durable` is called by the flush that makes it survive. */
  commit(writes: readonly StoreWrite[], clears: readonly StoreClear[], durable: (() => void) | undefined): void {
    const undo: Undo[] = [];
    for (const { from, to } of clears) {
      const low = this.find(spell(from));
      const high = this.find(spell(to));
      for (const key of this.keys.splice(low, Math.max(0, high - low))) {
        undo.push({ key, before: this.values.get(key), flip: this.damage.get(key) });
        this.values.delete(key);
        this.mended(key);
      }
    }
    for (const { key, value } of writes) {
      const name = spell(key);
      undo.push({ key: name, before: this.values.get(name), flip: this.damage.get(name) });
      this.mended(name);
      this.set(name, value === undefined ? undefined : value.slice());
    }
    this.pending.push({ undo, durable });
    this.commits++;
  }

  /** Everything committed so far survives from now on. */
  flush(): void {
    const done = this.pending;
    this.pending = [];
    for (const { durable } of done) durable?.();
  }

  /** The machine died: what was not flushed never happened. */
  crash(): void {
    for (const { undo } of this.pending.reverse())
      for (const { key, before, flip } of undo.reverse()) {
        this.set(key, before);
        if (flip === undefined) this.mended(key);
        else {
          flip.ended = false;
          this.damage.set(key, flip);
        }
      }
    this.pending = [];
  }

  /** A copy of what is on the disk now, unflushed commits included (call after `crash` or `flush`). */
  copy(): DiskCopy {
    return { storeId: this.storeId, bootCount: this.bootCount, entries: new Map(this.values) };
  }

  restore(disk: DiskCopy): void {
    this.storeId = disk.storeId;
    this.bootCount = disk.bootCount;
    this.values = new Map(disk.entries);
    this.keys = [...this.values.keys()].sort(byteOrder);
    this.pending = [];
    for (const key of [...this.damage.keys()]) this.mended(key);
  }

  wipe(storeId: string): void {
    this.restore({ storeId, bootCount: 0, entries: new Map() });
  }

  /** Flips one bit of a row's value, chosen by `pick` in [0, 1), behind everybody's back; says which key. Only what is on the disk already. */
  flipBit(pick: number, bit: number): string | undefined {
    const rows = this.keys.slice(this.find("\u0010"), this.find("\u0011"));
    const key = rows[Math.floor(pick * rows.length)];
    const value = key === undefined ? undefined : this.values.get(key);
    if (this.dirty || key === undefined || value === undefined || value.length === 0 || this.damage.has(key))
      return undefined;
    const damaged = value.slice();
    const at = bit % (value.length * 8);
    damaged[at >> 3] = (damaged[at >> 3] ?? 0) ^ (1 << (at & 7));
    this.values.set(key, damaged);
    const flip: Flip = { key, damaged, ended: false };
    this.damage.set(key, flip);
    this.flips.push(flip);
    return Buffer.from(key, "latin1").toString("hex");
  }

  private mended(key: string): void {
    const flip = this.damage.get(key);
    if (flip === undefined) return;
    flip.ended = true;
    this.damage.delete(key);
  }

  private set(key: string, value: Uint8Array | undefined): void {
    const known = this.values.has(key);
    if (value !== undefined) {
      this.values.set(key, value);
      if (!known) this.keys.splice(this.find(key), 0, key);
    } else if (known) {
      this.values.delete(key);
      this.keys.splice(this.find(key), 1);
    }
  }

  /** Index of the first key at or above `key`. */
  private find(key: string): number {
    let low = 0;
    let high = this.keys.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const probe = this.keys[middle];
      if (probe !== undefined && probe < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

// One character per byte: JavaScript's string order is then the order of the bytes.
function spell(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

function bytesOf(key: string): Uint8Array {
  return new Uint8Array(Buffer.from(key, "latin1"));
}

function byteOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
