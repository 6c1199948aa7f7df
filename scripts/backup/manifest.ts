// Manifest. Owns the one file that makes a folder a backup: which tables, which files with which checksums, where the cut lies, and what the whole must add up to.
// M1 it is written last and whole: a folder without one is no backup. M2 it carries its own checksum. M3 another format is refused, never guessed at.

import { createHash } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { FaultError } from "../../cluster/client/index.js";
import { fault } from "../../src/kernel/fault.js";
import { valueOfJson } from "../../src/protocol/json-text.js";

export const backupFormat = 1;
const manifestName = "manifest.json";
/** Backups in one chain: a full one and those after it. */
const chainLimit = 1000;

const keyType = z.enum(["string", "number", "date", "bytes", "tuple", "any"]);
const count = z.number().int().min(0);
const file = z.object({
  name: z.string().regex(/^[A-Za-z0-9_-]+\.(rows|changes)\.\d{5}\.bin$/),
  records: count,
  bytes: count,
  sha256: z.string(),
});
const table = z.object({
  name: z.string(),
  partitioning: z.enum(["hash", "range"]),
  key: z.object({ partition: keyType, sort: keyType.optional() }),
  replicas: count,
  fragments: count,
  /** Cuts of a range table: base64 of msgpack, since keys may be bytes or dates. */
  splitAt: z.string(),
  /** Where the next incremental backup goes on. */
  cursor: z.string(),
  /** The cut: how far each fragment's log is in it. */
  marks: z.array(z.object({ fragment: count, lsn: z.number().int(), seq: z.number().int() })),
  /** It was not in the backup before this one: its rows are here. */
  full: z.boolean(),
  /** All its rows before its changes. */
  files: z.array(file),
  /** Of the table as restored from here, with what the backups before hold. */
  rows: count,
  digest: z.string(),
});
const manifest = z.object({
  format: z.literal(backupFormat),
  id: z.string(),
  madeBy: z.string(),
  beganMs: count,
  /** All that was acknowledged before `fromMs` is in; nothing that was asked after `toMs` is. */
  cut: z.object({ fromMs: count, toMs: count }),
  since: z.object({ id: z.string(), folder: z.string() }).nullable(),
  tables: z.array(table),
});

export type Manifest = z.output<typeof manifest>;
export type TableEntry = z.output<typeof table>;
export type FileEntry = z.output<typeof file>;

export interface Backup {
  readonly folder: string;
  readonly manifest: Manifest;
}

export async function writeManifest(folder: string, content: Manifest): Promise<void> {
  const draft = join(folder, `${manifestName}.new`);
  const text = JSON.stringify({ sha256: checksum(content), manifest: content }, null, 1);
  await writeFile(draft, `${text}\n`, { flush: true });
  await rename(draft, join(folder, manifestName));
}

export async function readBackup(folder: string): Promise<Backup> {
  const path = join(folder, manifestName);
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined)
    throw refusal(`${folder} is no backup: there is no ${manifestName}, which is written when a backup is complete`);
  const { sha256, manifest: content }: { sha256?: unknown; manifest?: unknown } = Object(valueOfJson(text));
  const { format }: { format?: unknown } = Object(content);
  if (typeof format === "number" && format !== backupFormat)
    throw refusal(
      `${path} has format ${format}; this version reads format ${backupFormat}: use the version that made it`,
    );
  const parsed = manifest.safeParse(content);
  if (!parsed.success || sha256 !== checksum(content)) throw damaged(path, "its checksum does not fit");
  return { folder, manifest: parsed.data };
}

/** The backup with those before it, the full one first. */
export async function readChain(folder: string): Promise<readonly Backup[]> {
  const chain = [await readBackup(resolve(folder))];
  for (let [first] = chain; first?.manifest.since != null; [first] = chain) {
    const { id, folder: before } = first.manifest.since;
    const backup = await readBackup(resolve(dirname(first.folder), before));
    if (backup.manifest.id !== id)
      throw refusal(`${first.folder} goes on from backup ${id}, but ${backup.folder} is ${backup.manifest.id}`);
    if (chain.unshift(backup) > chainLimit) throw refusal(`${folder} has more than ${chainLimit} backups before it`);
  }
  return chain;
}

export function damaged(path: string, why: string): FaultError {
  return new FaultError(fault("UNDECODABLE", `${path} is damaged: ${why}; restore from another copy of this backup`));
}

export function refusal(why: string): FaultError {
  return new FaultError(fault("NOT_POSSIBLE", why));
}

function checksum(content: unknown): string {
  return createHash("sha256").update(JSON.stringify(content)).digest("hex");
}
