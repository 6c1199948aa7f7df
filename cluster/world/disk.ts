// Disk. Owns the reading of what is in a store's file, each value with its seal; nothing that does not fit its seal leaves here.

import type { RootDatabase } from "lmdb";
import type { StoreEntry } from "../../src/fragment/store.js";
import type { Bytes } from "../../src/kernel/bytes.js";
import type { Fault } from "../../src/kernel/fault.js";
import { markDamage } from "./damage.js";
import { unseal } from "./seal.js";

export type Database = RootDatabase<Buffer, Buffer>;
export type Bounds = NonNullable<Parameters<Database["getRange"]>[0]>;

export class Disk {
  onDamage: (why: Fault) => void = () => undefined;

  constructor(
    readonly db: Database,
    private readonly dir: string,
  ) {}

  get(key: Buffer): Bytes | undefined {
    const sealed = this.db.get(key);
    return sealed === undefined ? undefined : this.open(key, sealed);
  }

  *range(bounds: Bounds): Generator<StoreEntry> {
    for (const { key, value } of this.db.getRange(bounds)) yield { key, value: this.open(key, value) };
  }

  private open(key: Buffer, sealed: Buffer): Bytes {
    const value = unseal(key, sealed);
    if (value !== undefined) return value;
    const why = markDamage(this.dir, `the value at key ${key.toString("hex")} is not what was written`);
    this.onDamage(why);
    // Whoever was about to use the value must not go on.
    throw new Error(why.message);
  }
}
