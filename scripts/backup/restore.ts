// Restore. Owns the way back: a backup, with those before it, into tables that are not there yet, and the proof that they hold what it held.
// R1 every file is checked before anything is written. R2 a table that exists is never touched. R3 a restored table is read in full and its digest compared.
// R4 writing, and the reading afterwards, are held to `rateBytes` per second where that is given.

import { type Client, FaultError, type Key } from "../../cluster/client/index.js";
import { loadHash } from "../../cluster/world/hash.js";
import { fault } from "../../src/kernel/fault.js";
import type { Hash } from "../../src/kernel/hash.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import { fromBase64 } from "../../src/query/base64.js";
import { createRowWriter } from "../cli/row-writer.js";
import { contentsOf, Digest, digestOf, partsOf } from "./contents.js";
import { type Backup, damaged, readChain, refusal, type TableEntry } from "./manifest.js";
import { createPace, type Pace } from "./pace.js";
import { isKey } from "./record-file.js";
import { pageRows, rowsFor } from "./take.js";

export interface RestoreWish {
  readonly folder: string;
  /** None: all. */
  readonly tables: readonly string[] | undefined;
  /** New names, by the old ones. */
  readonly names: ReadonlyMap<string, string>;
  /** Of keys and documents, as they are stored; undefined: as fast as it goes. */
  readonly rateBytes?: number | undefined;
  told(rows: number): void;
}

export interface Restored {
  readonly table: string;
  readonly as: string;
  readonly rows: number;
  readonly digest: string;
}

const inFlightRows = 4000;
const deadlineMs = 30_000;
const createDeadlineMs = 60_000;

/** What `restore` would restore; throws where it could not. */
export async function checkBackup(folder: string, names: readonly string[] | undefined): Promise<readonly Restored[]> {
  const { chain, entries } = await opened(folder, names);
  await checkAll(chain, entries, await loadHash());
  return entries.map(({ name, rows, digest }) => ({ table: name, as: name, rows, digest }));
}

export async function restoreBackup(client: Client, wish: RestoreWish): Promise<readonly Restored[]> {
  const { chain, entries } = await opened(wish.folder, wish.tables);
  const hash = await loadHash();
  await checkAll(chain, entries, hash);
  const there = new Set((await client.cluster.tables()).map(({ name }) => name));
  const nameOf = ({ name }: TableEntry): string => wish.names.get(name) ?? name;
  checkNames(entries, wish.names);
  const taken = entries.map(nameOf).find((name) => there.has(name));
  if (taken !== undefined)
    throw new FaultError(
      fault(
        "TABLE_EXISTS",
        `there is a table ${taken} already: restore under another name (--as ${taken}=NEW), or drop it`,
      ),
    );
  const restored: Restored[] = [];
  const pace = wish.rateBytes === undefined ? undefined : createPace(wish.rateBytes);
  for (const entry of entries)
    restored.push(await restoreTable(client, { chain, entry, as: nameOf(entry), hash, pace, wish }));
  return restored;
}

async function opened(
  folder: string,
  names: readonly string[] | undefined,
): Promise<{ readonly chain: readonly Backup[]; readonly entries: readonly TableEntry[] }> {
  const chain = await readChain(folder);
  const all = chain.at(-1)?.manifest.tables ?? [];
  const missing = names?.find((name) => !all.some((entry) => entry.name === name));
  if (missing !== undefined)
    throw refusal(`${folder} holds no table ${missing}; it holds ${all.map(({ name }) => name).join(", ")}`);
  return { chain, entries: all.filter(({ name }) => names?.includes(name) ?? true) };
}

async function checkAll(chain: readonly Backup[], entries: readonly TableEntry[], hash: Hash): Promise<void> {
  for (const { name, rows, digest } of entries) {
    const found = await digestOf(partsOf(chain, name), hash);
    if (found.rows !== rows || found.text !== digest)
      throw damaged(
        name,
        `its files add up to ${found.rows} rows with digest ${found.text} instead of ${rows} with ${digest}`,
      );
  }
}

/** A new name is for a table that is restored, and for one only. */
function checkNames(entries: readonly TableEntry[], names: ReadonlyMap<string, string>): void {
  const stranger = [...names.keys()].find((old) => !entries.some(({ name }) => name === old));
  if (stranger !== undefined) throw refusal(`--as ${stranger}=…: no table ${stranger} is restored`);
  const wanted = entries.map(({ name }) => names.get(name) ?? name);
  const twice = wanted.find((name, at) => wanted.indexOf(name) < at);
  if (twice !== undefined) throw refusal(`two tables would be restored as ${twice}: give them different names`);
}

interface Job {
  readonly chain: readonly Backup[];
  readonly entry: TableEntry;
  readonly as: string;
  readonly hash: Hash;
  /** Undefined: as fast as it goes. */
  readonly pace: Pace | undefined;
  readonly wish: RestoreWish;
}

async function restoreTable(client: Client, { chain, entry, as, hash, pace, wish }: Job): Promise<Restored> {
  const { name, partitioning, key, replicas, fragments, rows, digest } = entry;
  const cut = partitioning === "range" ? { splitAt: cutsIn(entry) } : { fragments };
  const schema = key.sort === undefined ? { partition: key.partition } : { partition: key.partition, sort: key.sort };
  await client.admin.createTable({
    name: as,
    partitioning,
    key: schema,
    replicas,
    ...cut,
    deadlineMs: createDeadlineMs,
  });
  const writer = createRowWriter(client.table<object>(as), { inFlightRows, deadlineMs, skipped: 0 });
  let number = 0;
  let bytes = 0;
  for await (const block of contentsOf(partsOf(chain, name))) {
    for (const { key: rowKey, doc } of block) {
      if (doc === null) continue;
      const size = rowBytes(rowKey, doc);
      bytes += size;
      await pace?.spend(size);
      await writer.add({ number: ++number, key: rowKey, doc });
    }
    wish.told(block.length);
  }
  await writer.finish();
  const found = new Digest(hash);
  const limit = rowsFor(number, bytes, pageRows);
  for await (const row of client.table<object>(as).scan({ limit, deadlineMs })) {
    const size = found.add(row);
    await pace?.spend(size);
  }
  if (found.rows !== rows || found.text !== digest)
    throw new FaultError(
      fault(
        "INTERNAL",
        `${as} has ${found.rows} rows with digest ${found.text} instead of ${rows} with ${digest}: somebody wrote there meanwhile, or it must not be used; drop it and restore again`,
      ),
    );
  return { table: name, as, rows, digest };
}

function rowBytes(key: unknown, doc: unknown): number {
  return pack([key, doc]).length;
}

function cutsIn({ name, splitAt }: TableEntry): Key[] {
  const bytes = fromBase64(splitAt);
  const cuts = bytes === undefined ? undefined : unpack(bytes);
  if (cuts?.ok !== true || !Array.isArray(cuts.value) || !cuts.value.every(isKey))
    throw damaged(name, "its cuts cannot be read");
  return cuts.value;
}
