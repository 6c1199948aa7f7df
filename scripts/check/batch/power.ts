// Power. Owns the question what of a batch is on the disk when the power goes in the middle of its commit: which files the server syncs meanwhile (as strace saw it),
// and what a server finds that is started on a disk that holds only what was synced.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../../../cluster/engine/until.js";
import { seededRandom } from "../../../src/kernel/random.js";
import { stream } from "./batch-log.js";
import { type Asked, afterDeath, type Finding, fences, type Ground, judge, many, notes, plant } from "./trials.js";

export interface Syncs {
  /** Of files of the stream, and of files where the server keeps a batch that is not committed. */
  readonly ofStream: number;
  readonly ofBatch: number;
}

const batchesDir = "batches";

/** Undefined where strace is missing or may not look at the server. */
export async function syncsOfOneBatch(ground: Ground, folder: string): Promise<Syncs | undefined> {
  const { log, servers } = ground;
  await plant(ground, many);
  const parts = await fences(log, many);
  const file = join(folder, "strace.txt");
  const watcher = await watch(servers.pid(0), file);
  if (watcher === undefined) return undefined;
  await log.batch(parts, log.fresh());
  await sleep(200);
  watcher.kill("SIGTERM");
  await once(watcher, "exit");
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => /f(data)?sync\(\d+<[^>]*>\)/.test(line));
  const ofBatch = lines.filter((line) => line.includes(`/${batchesDir}/`)).length;
  return { ofStream: lines.filter((line) => line.includes(`/${stream}/`)).length - ofBatch, ofBatch };
}

async function watch(pid: number, file: string): Promise<ChildProcess | undefined> {
  const args = ["-f", "-y", "-e", "trace=fsync,fdatasync", "-o", file, "-p", String(pid)];
  const child = spawn("strace", args, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  let isOver = false;
  child.once("error", () => {
    isOver = true;
  });
  child.once("exit", () => {
    isOver = true;
  });
  child.stderr?.setEncoding("utf8").on("data", (words: string) => {
    said += words;
  });
  await until(() => isOver || said.includes("attached"), 5000);
  return isOver ? undefined : child;
}

/** One server: power goes around the commit. What lies in the folder of batches was never synced, so it is not there afterwards. */
export const powerLost = (times: number) => {
  return async (ground: Ground): Promise<Finding> => {
    const { log, servers, seed } = ground;
    await plant(ground, many);
    const random = seededRandom(seed);
    const asked: Asked[] = [];
    for (let i = 0; i < times; i++) {
      const parts = await fences(log, many);
      const name = log.fresh();
      const done = log.batch(parts, name, 3000);
      await sleep(random.next() * 18);
      await servers.kill(0);
      asked.push({ name, size: parts.length, outcome: await afterDeath(done) });
      await forgetBatches(servers.storeDir(0));
      await servers.begin(0);
      await until(async () => (await log.all().catch(() => [])).length > 0, 20_000);
    }
    return judge(
      `power lost around the commit of ${many.length}`,
      asked,
      await log.all(),
      `files of ${batchesDir}/ gone; ${notes(asked)}`,
    );
  };
};

async function forgetBatches(storeDir: string): Promise<void> {
  const folders = await readdir(storeDir, { recursive: true, withFileTypes: true });
  const ours = folders.filter((one) => one.isDirectory() && one.name === batchesDir && one.parentPath.endsWith(stream));
  for (const { parentPath, name } of ours) await rm(join(parentPath, name), { recursive: true });
}
