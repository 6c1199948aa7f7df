// Data folder. Owns the folder that a cluster lives in: made private, named by its format, held by one cluster at a time.
// D1 a folder of a newer format is not touched, one of an older goes through `migration.ts` first. D2 what it was made with (servers, log groups, control partitions) stays.

import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { valueOfJson } from "../../src/protocol/json-text.js";
import { writePrivate } from "../engine/credentials.js";
import { lockFolder } from "./lock.js";
import { type Migration, migrate } from "./migration.js";
import { fixedByFolder, type StartOptions } from "./options.js";

export const dataFormat = 1;
/** What brings a folder of an earlier format to this one, oldest first. Format 1 is the first there was. */
const migrations: readonly Migration[] = [];

const made = z.object({
  format: z.literal(dataFormat),
  clusterId: z.string(),
  createdMs: z.number(),
  natsServers: z.union([z.literal(1), z.literal(3)]),
  logGroups: z.number().int(),
  controlPartitions: z.number().int(),
});

/** What was fixed when the folder was made. */
export type FolderFacts = Readonly<z.infer<typeof made>>;

export interface DataDir {
  /** Absolute, without links. */
  readonly path: string;
  readonly facts: FolderFacts;
  release(): Promise<void>;
}

type Fixed = Pick<StartOptions, "dataDir" | "natsServers" | "logGroups" | "controlPartitions">;

export async function openDataDir(wish: Fixed): Promise<Result<DataDir>> {
  const path = resolve(wish.dataDir);
  const writable = await makeFolder(path);
  if (!writable.ok) return writable;
  const real = await realpath(path);
  const lock = await lockFolder(real);
  if (!lock.ok) return lock;
  const facts = await factsOf(real, wish);
  if (facts.ok) return ok({ path: real, facts: facts.value, release: lock.value });
  await lock.value();
  return facts;
}

async function makeFolder(path: string): Promise<Result<void>> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const probe = join(path, `.write-${process.pid}`);
    await writeFile(probe, "");
    await rm(probe);
    return ok(undefined);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return fail("DATA_DIR", `the data folder ${path} cannot be made or written: ${why}; name another with --data-dir`);
  }
}

async function factsOf(path: string, wish: Fixed): Promise<Result<FolderFacts>> {
  const file = join(path, "foreshard.json");
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return makeFacts(path, file, wish);
  const content = await migrate({ path, file, content: valueOfJson(text), format: dataFormat, migrations });
  if (!content.ok) return content;
  const found = made.safeParse(content.value);
  if (found.success) return agree(found.data, wish, path);
  return fail("DATA_DIR", `${file} is damaged: put it back from a copy, or name another folder with --data-dir`);
}

async function makeFacts(path: string, file: string, wish: Fixed): Promise<Result<FolderFacts>> {
  const names = (await readdir(path)).filter((name) => !name.startsWith(".") && !name.startsWith("lock"));
  const strangers: string[] = [];
  for (const name of names) if (!(await isPrepared(path, name))) strangers.push(name);
  if (strangers.length > 0)
    return fail(
      "DATA_DIR",
      `${path} holds other files (${strangers.slice(0, 3).join(", ")}) and is no data folder: name an empty or new one with --data-dir`,
    );
  const facts: FolderFacts = {
    format: dataFormat,
    clusterId: randomBytes(8).toString("hex"),
    createdMs: Date.now(),
    natsServers: wish.natsServers ?? fixedByFolder.natsServers,
    logGroups: wish.logGroups ?? fixedByFolder.logGroups,
    controlPartitions: wish.controlPartitions ?? fixedByFolder.controlPartitions,
  };
  await writePrivate(file, `${JSON.stringify(facts, null, 2)}\n`);
  return ok(facts);
}

/** Folders of ours without a file in them: made ahead, to mount disks of their own there. */
async function isPrepared(path: string, name: string): Promise<boolean> {
  if (name !== "nats" && name !== "nodes") return false;
  const entries = await readdir(join(path, name), { recursive: true, withFileTypes: true }).catch(() => undefined);
  return entries?.every((entry) => entry.isDirectory()) ?? false;
}

function agree(facts: FolderFacts, wish: Fixed, path: string): Result<FolderFacts> {
  const names = ["natsServers", "logGroups", "controlPartitions"] as const;
  const changed = names.find((name) => wish[name] !== undefined && wish[name] !== facts[name]);
  if (changed === undefined) return ok(facts);
  return fail(
    "CONFIG",
    `the data folder ${path} was made with ${changed} ${facts[changed]} and cannot be opened with ${wish[changed]}: leave the option out, or name another folder with --data-dir`,
  );
}
