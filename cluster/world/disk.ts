// Disk. Owns the reading of what is in a store's file, each value with its seal; nothing that does not fit its seal leaves here.

import type { RootDatabase } from "lmdb";
import type { StoreEntry } from "../../src/fragment/store.js";
import type { Bytes } from "../../src/kernel/bytes.js";
import type { Fault } from "../../src/kernel/fault.js";
import { markDamage } from "./damage.js";
import { unseal } from "./seal.js";

export type Database = RootDatabase<Buffer, Buffer>;
export type Bounds = NonNullable<Parameters<Database["getRange"]>[0]>;

/** Values up to this size are cut from blocks: memory of its own for each would cost more than reading it. */
const largestCut = 4096;
const blockBytes = 64 * 1024;

export class Disk {
  private block = Buffer.allocUnsafeSlow(blockBytes);
  private used = 0;

  onDamage: (why: Fault) => void = () => undefined;

  constructor(
    readonly db: Database,
    private readonly dir: string,
  ) {}

  /** The value is the caller's for good. */
  get(key: Bytes): Bytes | undefined {
    // LMDB's own buffer, which the next read overwrites; of a key it only copies the bytes, whatever kind of array they are in.
    const found = this.db.getBinaryFast(key as Buffer);
    if (found === undefined) return undefined;
    const size = found.length;
    const room = this.room(size);
    room.set(new Uint8Array(found.buffer, found.byteOffset, size));
    return this.open(key, room);
  }

  private room(size: number): Buffer {
    if (size > largestCut) return Buffer.allocUnsafeSlow(size);
    if (this.used + size > blockBytes) {
      this.block = Buffer.allocUnsafeSlow(blockBytes);
      this.used = 0;
    }
    const room = this.block.subarray(this.used, this.used + size);
    this.used += size;
    return room;
  }

  *range(bounds: Bounds): Generator<StoreEntry> {
    for (const { key, value } of this.db.getRange(bounds)) yield { key, value: this.open(key, value) };
  }

  private open(key: Bytes, sealed: Buffer): Bytes {
    const value = unseal(key, sealed);
    if (value !== undefined) return value;
    const why = markDamage(this.dir, `the value at key ${Buffer.from(key).toString("hex")} is not what was written`);
    this.onDamage(why);
    // Whoever was about to use the value must not go on.
    throw new Error(why.message);
  }
}
