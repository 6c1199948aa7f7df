// Contents. Owns what a chain of backups says that a table holds: rows of the full backup, overridden by every later change, and the digest of that.
// T1 every file of the chain is read and checked. T2 a digest does not depend on the order of rows, nor on versions: a restored table has new ones.

import type { Hash } from "../../src/kernel/hash.js";
import { pack } from "../../src/protocol/codec.js";
import { type Backup, damaged, type TableEntry } from "./manifest.js";
import { type BackupRecord, readRecords } from "./record-file.js";

/** Sum of the hashes of all rows, and how many they are. */
export class Digest {
  rows = 0;
  private sum = 0n;

  constructor(private readonly hash: Hash) {}

  /** Gives the bytes of the row. */
  add({ key, doc }: Pick<BackupRecord, "key" | "doc">): number {
    const bytes = pack([key, doc]);
    this.rows++;
    this.sum = BigInt.asUintN(64, this.sum + this.hash.h64(bytes));
    return bytes.length;
  }
  get text(): string {
    return this.sum.toString(16).padStart(16, "0");
  }
}

/** A key as text, the same for equal keys only: dates, bytes and strings differ. */
export function keyId(key: unknown): string {
  return Buffer.from(pack(key)).toString("latin1");
}

interface Part {
  readonly folder: string;
  readonly entry: TableEntry;
}

/** The parts of the table's history, the one with its rows first. */
export function partsOf(chain: readonly Backup[], table: string): readonly Part[] {
  const parts = chain.flatMap(({ folder, manifest }) => {
    const entry = manifest.tables.find(({ name }) => name === table);
    return entry === undefined ? [] : [{ folder, entry }];
  });
  const first = parts.findLastIndex(({ entry }) => entry.full);
  return parts.slice(Math.max(0, first));
}

/** Every row that the table holds after the last part, block by block. */
export async function* contentsOf(parts: readonly Part[]): AsyncGenerator<readonly BackupRecord[]> {
  const latest = new Map<string, BackupRecord>();
  for (const { folder, entry } of parts)
    for (const file of filesOf(entry, "changes"))
      for await (const block of readRecords(folder, file))
        for (const change of block) latest.set(keyId(change.key), change);
  const [first] = parts;
  if (first === undefined) return;
  for (const file of filesOf(first.entry, "rows"))
    for await (const block of readRecords(first.folder, file)) {
      const kept = block.filter(({ key, version }) => {
        const change = latest.get(keyId(key));
        // A row cannot be newer than the end of its own feed.
        if (change !== undefined && change.version < version)
          throw damaged(file.name, "it holds a row that the cut does not reach");
        return change === undefined;
      });
      if (kept.length > 0) yield kept;
    }
  const changed = [...latest.values()].filter(({ doc }) => doc !== null);
  for (let at = 0; at < changed.length; at += changesAtOnce) yield changed.slice(at, at + changesAtOnce);
}

const changesAtOnce = 1000;

function filesOf({ files }: TableEntry, kind: "rows" | "changes"): TableEntry["files"] {
  return files.filter(({ name }) => name.includes(`.${kind}.`));
}

/** Reads everything once, so that nothing of a damaged backup is ever put anywhere. `spend` settles once so many bytes more may be read. */
export async function digestOf(
  parts: readonly Part[],
  hash: Hash,
  spend?: (bytes: number) => Promise<void>,
): Promise<Digest> {
  const digest = new Digest(hash);
  for await (const block of contentsOf(parts)) {
    let bytes = 0;
    for (const row of block) bytes += digest.add(row);
    await spend?.(bytes);
  }
  return digest;
}
