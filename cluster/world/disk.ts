// Disk. Owns the reading of what is in a store's file, each value with its seal; nothing that does not fit its seal leaves here.

import { open, type RootDatabase } from "lmdb";
import type { StoreEntry } from "../../src/fragment/store.js";
import type { Bytes } from "../../src/kernel/bytes.js";
import type { Fault } from "../../src/kernel/fault.js";
import { Blocks } from "./blocks.js";
import { markDamage } from "./damage.js";
import { unseal, unsealEntry } from "./seal.js";

export type Database = RootDatabase<Buffer, Buffer>;
export type Bounds = NonNullable<Parameters<Database["getRange"]>[0]>;

export function openDisk(dir: string): Disk {
  const blocks = new Blocks();
  const { encoder, keyEncoder } = blocks;
  const db = open<Buffer, Buffer>({
    path: dir,
    encoder,
    keyEncoder,
    // A commit is acknowledged after its sync; batches are ours, so overlapping them gains nothing.
    overlappingSync: false,
    // Likewise batches by turn; their promise is in nobody's hands, and its rejection would end the process.
    eventTurnBatching: false,
    cache: false,
  });
  return new Disk(db, dir, blocks);
}

export class Disk {
  onDamage: (why: Fault) => void = () => undefined;

  constructor(
    readonly db: Database,
    private readonly dir: string,
    private readonly blocks: Blocks,
  ) {}

  /** The value is the caller's for good. */
  get(key: Bytes): Bytes | undefined {
    // Of a key LMDB only copies the bytes, whatever kind of array they are in.
    const found = this.db.get(key as Buffer);
    return found === undefined ? undefined : this.open(key, found);
  }

  /** Likewise keys and values. */
  *range(bounds: Bounds): Generator<StoreEntry> {
    for (const { key, value } of this.db.getRange(bounds)) yield { key, value: this.open(key, value) };
  }

  /** Lends each entry, its value behind its key, until `visit` says false. */
  walk(bounds: Bounds, visit: (entry: Bytes, keyLength: number) => boolean): void {
    const { blocks } = this;
    try {
      blocks.isLending = true;
      for (const _lengths of this.db.getRange(bounds)) {
        // Whoever visits may read something else meanwhile.
        blocks.isLending = false;
        const entry =
          unsealEntry(blocks.lent, blocks.keyLength, blocks.entryLength) ??
          this.stop(blocks.lent.subarray(0, blocks.keyLength));
        if (!visit(entry, blocks.keyLength)) return;
        blocks.isLending = true;
      }
    } finally {
      blocks.isLending = false;
    }
  }

  private open(key: Bytes, sealed: Buffer): Bytes {
    return unseal(key, sealed) ?? this.stop(key);
  }

  private stop(key: Bytes): never {
    const why = markDamage(this.dir, `the value at key ${Buffer.from(key).toString("hex")} is not what was written`);
    this.onDamage(why);
    // Whoever was about to use the value must not go on.
    throw new Error(why.message);
  }
}
