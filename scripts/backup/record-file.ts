// Record file. Owns the files of a backup: rows and changes as blocks of msgpack, each with its length before it, and the checksum of the whole.
// F1 a file is read only as it was written: length, number of records and SHA-256 fit, or it is refused by name.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import type { Key } from "../../cluster/client/index.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import { damaged, type FileEntry } from "./manifest.js";

/** A row, or the last change of one; without a document it was deleted. */
export interface BackupRecord {
  readonly key: Key;
  readonly version: number;
  readonly doc: object | null;
}

const fileBytes = 64 * 1024 * 1024;
/** A block is cut when it grows beyond this; it is larger only for one document. */
const blockBytes = 4 * 1024 * 1024;
const lengthBytes = 4;
/** What waits for the disk at most: much at once would hold up whoever else syncs there, such as the logs of a cluster on the same machine. */
const unsyncedBytes = 1024 * 1024;

/** Writes records of one kind of one table, file after file. */
export class RecordWriter {
  readonly files: FileEntry[] = [];
  private current: OpenFile | undefined;

  constructor(
    private readonly folder: string,
    private readonly table: string,
    private readonly kind: "rows" | "changes",
  ) {}

  /** Bytes written. */
  async write(records: readonly BackupRecord[]): Promise<number> {
    if (records.length === 0) return 0;
    const content = pack(records.map(({ key, version, doc }) => [key, version, doc]));
    if (content.length > blockBytes && records.length > 1) {
      const half = records.length >> 1;
      return (await this.write(records.slice(0, half))) + (await this.write(records.slice(half)));
    }
    const block = Buffer.alloc(lengthBytes + content.length);
    block.writeUInt32BE(content.length);
    block.set(content, lengthBytes);
    await this.append(block, records.length);
    return block.length;
  }

  private async append(block: Buffer, records: number): Promise<void> {
    this.current ??= await this.openNext();
    const { current } = this;
    await current.handle.appendFile(block);
    current.hash.update(block);
    current.records += records;
    current.bytes += block.length;
    current.unsynced += block.length;
    if (current.unsynced >= unsyncedBytes) {
      await current.handle.datasync();
      current.unsynced = 0;
    }
    if (current.bytes >= fileBytes) await this.finish();
  }

  async finish(): Promise<void> {
    if (this.current === undefined) return;
    const { name, handle, hash, records, bytes } = this.current;
    this.current = undefined;
    await handle.sync();
    await handle.close();
    this.files.push({ name, records, bytes, sha256: hash.digest("hex") });
  }

  private async openNext(): Promise<OpenFile> {
    const number = String(this.files.length + 1).padStart(5, "0");
    const name = `${this.table}.${this.kind}.${number}.bin`;
    return {
      name,
      handle: await open(join(this.folder, name), "wx"),
      hash: createHash("sha256"),
      records: 0,
      bytes: 0,
      unsynced: 0,
    };
  }
}

interface OpenFile {
  readonly name: string;
  readonly handle: FileHandle;
  readonly hash: ReturnType<typeof createHash>;
  records: number;
  bytes: number;
  unsynced: number;
}

/** Blocks of records as they were written. That the file is whole is known at its end: whoever must know before reads it twice. */
export async function* readRecords(folder: string, file: FileEntry): AsyncGenerator<readonly BackupRecord[]> {
  const path = join(folder, file.name);
  const hash = createHash("sha256");
  let records = 0;
  let bytes = 0;
  let held = Buffer.alloc(0);
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
      hash.update(chunk);
      bytes += chunk.length;
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      while (held.length >= lengthBytes) {
        const size = held.readUInt32BE();
        if (size > 2 * blockBytes) throw damaged(path, "a block has an impossible length");
        if (held.length < lengthBytes + size) break;
        const block = recordsIn(held.subarray(lengthBytes, lengthBytes + size), path);
        held = held.subarray(lengthBytes + size);
        records += block.length;
        yield block;
      }
    }
  } catch (error) {
    if (error instanceof Error && "syscall" in error) throw damaged(path, `it cannot be read (${error.message})`);
    throw error;
  }
  if (bytes !== file.bytes || held.length > 0) throw damaged(path, `it has ${bytes} bytes instead of ${file.bytes}`);
  if (records !== file.records || hash.digest("hex") !== file.sha256) throw damaged(path, "its SHA-256 does not fit");
}

function recordsIn(block: Uint8Array, path: string): readonly BackupRecord[] {
  const content = unpack(block);
  if (!content.ok || !Array.isArray(content.value)) throw damaged(path, "a block cannot be read");
  return content.value.map((record: unknown) => {
    const [key, version, doc]: readonly unknown[] = Array.isArray(record) ? record : [];
    if (!isKey(key) || typeof version !== "number" || typeof doc !== "object")
      throw damaged(path, "a block holds something that is no row");
    return { key, version, doc };
  });
}

/** The cluster checks it in full when the row is written. */
export function isKey(key: unknown): key is Key {
  const isPart = typeof key === "string" || typeof key === "number" || key instanceof Date || key instanceof Uint8Array;
  return isPart || Array.isArray(key);
}
