// Plain copy. Owns the yardstick of a copy: the same rows, read from the node's own LMDB and written into another one, in one process and nothing else.
// Both are synced: the time ends when the last row is on the disk. Transactions are as large as a node's.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "lmdb";
import { rowRange, tableShelf } from "../../../src/fragment/layout.js";
import { emptyBytes } from "../../../src/kernel/bytes.js";

export interface Plain {
  readonly rows: number;
  readonly bytes: number;
  readonly ms: number;
}

const transactionBytes = 4 * 1024 * 1024;

/** All rows of a table in the node's store; the node may run meanwhile, it is only read. */
export async function plainCopy(storeDir: string, partition: number, tableId: number): Promise<Plain> {
  const folder = await mkdtemp(join(tmpdir(), "foreshard-plain-"));
  const kind = { keyEncoding: "binary", encoding: "binary", cache: false } as const;
  const source = open<Buffer, Buffer>({ path: storeDir, readOnly: true, ...kind });
  const target = open<Buffer, Buffer>({ path: folder, overlappingSync: false, ...kind });
  try {
    const { from, to } = rowRange(tableShelf(partition, tableId), { from: emptyBytes, to: undefined });
    const beganMs = performance.now();
    let rows = 0;
    let bytes = 0;
    let some: { readonly key: Buffer; readonly value: Buffer }[] = [];
    let someBytes = 0;
    const flush = async (): Promise<void> => {
      const now = some;
      some = [];
      someBytes = 0;
      await target.transaction(() => {
        for (const { key, value } of now) target.put(key, value);
      });
    };
    for (const { key, value } of source.getRange({ start: Buffer.from(from), end: Buffer.from(to) })) {
      some.push({ key, value });
      rows++;
      bytes += key.length + value.length;
      someBytes += key.length + value.length;
      if (someBytes >= transactionBytes) await flush();
    }
    await flush();
    await target.flushed;
    return { rows, bytes, ms: performance.now() - beganMs };
  } finally {
    await source.close();
    await target.close();
    await rm(folder, { recursive: true, force: true });
  }
}
