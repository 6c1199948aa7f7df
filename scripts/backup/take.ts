// Take. Owns how a backup is made while the cluster serves: the change feeds of all tables are followed from before the first row is read until after the last one, then
// all end at one cut. Rows and changes together are, fragment by fragment, exactly what its log said there.
// B1 everything that was acknowledged before the cut begins is in; of what is written while it is taken (`cut` in the manifest), each fragment has what its log had.
// B2 nothing is a backup until all of it was read back from the files and added up. B3 reading is held to `rateBytes` per second.

import { randomUUID } from "node:crypto";
import { mkdir, readdir } from "node:fs/promises";
import { relative, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type Client, FaultError, type FragmentInfo, type Page, type TableInfo } from "../../cluster/client/index.js";
import { packageVersion } from "../../cluster/version.js";
import { loadHash } from "../../cluster/world/hash.js";
import { pack } from "../../src/protocol/codec.js";
import { toBase64 } from "../../src/query/base64.js";
import { digestOf, partsOf } from "./contents.js";
import { Feed, type FeedEnd } from "./feed.js";
import {
  type Backup,
  backupFormat,
  type FileEntry,
  type Manifest,
  readChain,
  refusal,
  type TableEntry,
  writeManifest,
} from "./manifest.js";
import { createPace, type Pace } from "./pace.js";
import { RecordWriter } from "./record-file.js";

export interface BackupWish {
  readonly folder: string;
  /** None: all. */
  readonly tables: readonly string[] | undefined;
  /** Folder of the backup that this one goes on from. */
  readonly since: string | undefined;
  readonly rateBytes: number;
  told(rows: number): void;
}

/** A page is so many rows at most, and about so many bytes: a node, and whoever asks it meanwhile, is held up by one page at a time. */
export const pageRows = 1000;
const pageBytes = 64 * 1024;
const firstRows = 16;
/** Reading the files again costs no node anything; it may go so many times as fast. */
const rereadTimes = 2;
const pageDeadlineMs = 30_000;
const triesLimit = 20;
const tryAgainMs = 250;
const blockRows = 1000;

export async function takeBackup(client: Client, wish: BackupWish): Promise<Manifest> {
  const beganMs = Date.now();
  const before = wish.since === undefined ? [] : await readChain(wish.since);
  await mkdir(wish.folder, { recursive: true });
  if ((await readdir(wish.folder)).length > 0) throw refusal(`${wish.folder} is not empty: name a new folder`);
  const drafts: Draft[] = [];
  const pace = createPace(wish.rateBytes);
  try {
    for (const table of await chosen(client, wish.tables))
      drafts.push(await begin(client, table, lastOf(before, table.name)));
    for (const draft of drafts) if (draft.last === undefined) await copyRows(client, draft, wish, pace);
    const fromMs = Date.now();
    const ended = await Promise.all(drafts.map(async (draft) => ({ ...draft, end: await draft.feed.end() })));
    const toMs = Date.now();
    const tables: TableEntry[] = [];
    for (const draft of ended) tables.push(await entryOf(client, draft, wish));
    const last = before.at(-1);
    const since = last === undefined ? null : sinceOf(wish.folder, last);
    const id = randomUUID();
    const madeBy = packageVersion();
    const draft = { format: backupFormat, id, madeBy, beganMs, cut: { fromMs, toMs }, since, tables } as const;
    const manifest = await addedUp(before, { folder: wish.folder, manifest: draft }, wish.rateBytes * rereadTimes);
    await writeManifest(wish.folder, manifest);
    return manifest;
  } finally {
    for (const { feed } of drafts) feed.close();
  }
}

interface Draft {
  readonly table: TableInfo;
  /** The table in the backup before this one. */
  readonly last: TableEntry | undefined;
  readonly feed: Feed;
  files: readonly FileEntry[];
}

async function chosen(client: Client, names: readonly string[] | undefined): Promise<readonly TableInfo[]> {
  if (names === undefined) return client.cluster.tables();
  return Promise.all(names.map(async (name) => (await client.cluster.table(name)).table));
}

async function begin(client: Client, table: TableInfo, last: TableEntry | undefined): Promise<Draft> {
  return { table, last, feed: await Feed.open(client, table.name, last?.cursor), files: [] };
}

function lastOf(before: readonly Backup[], table: string): TableEntry | undefined {
  return before.at(-1)?.manifest.tables.find(({ name }) => name === table);
}

function sinceOf(folder: string, { folder: last, manifest }: Backup): NonNullable<Manifest["since"]> {
  return { id: manifest.id, folder: relative(resolve(folder, ".."), last) };
}

async function copyRows(client: Client, draft: Draft, wish: BackupWish, pace: Pace): Promise<void> {
  const { name } = draft.table;
  const writer = new RecordWriter(wish.folder, name, "rows");
  let limit = firstRows;
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const { rows, cursor: next }: Page<object> = await pageOf(client, name, cursor, limit);
    const bytes = await writer.write(rows);
    limit = rowsFor(rows.length, bytes, limit);
    wish.told(rows.length);
    cursor = next;
    await pace.spend(bytes);
  }
  await writer.finish();
  draft.files = writer.files;
}

/** How many rows the next page may have, by what the last one weighed. */
export function rowsFor(rows: number, bytes: number, limit: number): number {
  if (rows === 0) return limit;
  return Math.min(pageRows, Math.max(1, Math.min(2 * limit, Math.round((pageBytes * rows) / bytes))));
}

/** A page again where the cluster says that trying again helps. */
async function pageOf(client: Client, table: string, cursor: string | undefined, limit: number): Promise<Page<object>> {
  const options = { limit, deadlineMs: pageDeadlineMs, ...(cursor === undefined ? {} : { cursor }) };
  for (let tries = 1; ; tries++) {
    try {
      return await client.table<object>(table).page(options);
    } catch (error) {
      if (tries >= triesLimit || !(error instanceof FaultError) || error.retry === "no") throw error;
      await wait(tryAgainMs);
    }
  }
}

async function entryOf(
  client: Client,
  { table, last, files, end }: Draft & { readonly end: FeedEnd },
  { folder }: BackupWish,
): Promise<TableEntry> {
  const writer = new RecordWriter(folder, table.name, "changes");
  for (let at = 0; at < end.changes.length; at += blockRows) await writer.write(end.changes.slice(at, at + blockRows));
  await writer.finish();
  const { name, partitioning, key, replicas } = table;
  const fragments = await client.cluster.fragments(name);
  return {
    name,
    partitioning,
    key,
    replicas,
    fragments: fragments.length,
    splitAt: toBase64(pack(partitioning === "range" ? cutsOf(fragments) : [])),
    cursor: end.cursor,
    marks: [...end.marks],
    full: last === undefined,
    files: [...files, ...writer.files],
    rows: 0,
    digest: "",
  };
}

function cutsOf(fragments: readonly FragmentInfo[]): readonly unknown[] {
  return fragments.flatMap(({ from }) => (from === null ? [] : [from]));
}

/** Reads all files, those of the backups before too (B2). */
async function addedUp(before: readonly Backup[], backup: Backup, rateBytes: number): Promise<Manifest> {
  const hash = await loadHash();
  const pace = createPace(rateBytes);
  const tables: TableEntry[] = [];
  for (const entry of backup.manifest.tables) {
    const digest = await digestOf(partsOf([...before, backup], entry.name), hash, (bytes) => pace.spend(bytes));
    tables.push({ ...entry, rows: digest.rows, digest: digest.text });
  }
  return { ...backup.manifest, tables };
}
