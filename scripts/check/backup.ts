#!/usr/bin/env node
// Backup check. Owns the question what a backup of much data costs those who are served meanwhile: their p99 before, during and after it, and whether what is restored from it is the same.
// It exits 0 only when the p99 during the backup is at most 1.5 times the p99 without, digests are equal, everybody was answered, and no acknowledged write is lost.

import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Command, InvalidArgumentError } from "commander";
import { z } from "zod";
import { connect } from "../../cluster/client/index.js";
import { checkBackup } from "../backup/restore.js";
import { openDoor } from "../live/door.js";
import { type Farewell, runTrial } from "../live/farewell.js";
import { type KeptLine, publishKept, say, secondsText } from "../live/figures.js";
import { TrialCluster } from "../live/trial-cluster.js";
import { OpenCallers } from "./overload/callers.js";
import { addUp, quantileMs, type Second, writesOf } from "./overload/second.js";

const units = { MB: 1_000_000, GB: 1_000_000_000 } as const;

const command = new Command("check:backup")
  .description(
    "A table of a given size is backed up while it is asked and written to: the p99 of those who ask before, during and after, and a restore that is compared.",
  )
  .option("--size <size>", "bytes of documents, e.g. 200MB or 1GB", bytes, units.GB)
  .option("--rate <MiB>", "what the backup may read per second; absent: its default")
  .option("--restore-rate <MiB>", "what the restore may write and read per second", "32")
  .option("--load <number>", "queries per second meanwhile, one in 5 a write", Number, 300)
  .option("--seconds <number>", "how long is measured before and after", Number, 45)
  .option("--rounds <number>", "backups", Number, 1)
  .option("--json", "figures as JSON")
  .allowExcessArguments(false)
  .parse();
const options = command.opts<{
  size: number;
  rate?: string;
  restoreRate: string;
  load: number;
  seconds: number;
  rounds: number;
  json?: true;
}>();

function bytes(text: string): number {
  const found = /^(\d+)(MB|GB)$/.exec(text);
  if (found === null) throw new InvalidArgumentError("a size such as 200MB or 1GB");
  return Number(found[1]) * units[found[2] === "GB" ? "GB" : "MB"];
}

const run = promisify(execFile);
const program = fileURLToPath(new URL("../foreshard.js", import.meta.url));
const created = z.object({ table: z.string() });
const table = "bulk";
const restored = "bulk-again";
const documentBytes = 8_000;
const fillers = 128;
const deadlineMs = 5_000;
const mostRatio = 1.5;

interface Window {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
}

async function check(farewell: Farewell): Promise<boolean> {
  const wish = { nodes: 3, natsServers: 1, isolation: "threads", restart: "always" } as const;
  const cluster = await TrialCluster.prepare(farewell, wish);
  await cluster.start();
  farewell.later(() => cluster.stop());
  const door = await openDoor(cluster.gate);
  await door.cluster("createTable", { name: table, fragments: 12, deadlineMs: 30_000 }, created, 60_000);
  await door.close();
  const url = cluster.ready.natsUrl;
  await fill(url);
  const { servers, user, pass } = cluster.gate;
  const text = "x".repeat(200);
  const callers = await OpenCallers.start(farewell, 1, {
    servers: [...servers],
    user,
    pass,
    table,
    rows: 1000,
    text,
    writeEvery: 5,
    deadlineMs,
  });
  callers.setRate(options.load);
  await sleep(5_000);
  const windows: Window[] = [await idle("before")];
  const folders: string[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const folder = join(cluster.folder, `backup-${round}`);
    farewell.later(() => rm(folder, { recursive: true, force: true }));
    folders.push(folder);
    const more = options.rate === undefined ? [] : ["--rate", options.rate];
    windows.push(await during("backup", () => foreshard(url, ["backup", "--out", folder, "--tables", table, ...more])));
    windows.push(await idle("after"));
  }
  windows.push(
    await during("restore", () =>
      foreshard(url, [
        "restore",
        "--from",
        folders[0] ?? "",
        "--as",
        `${table}=${restored}`,
        "--rate",
        options.restoreRate,
      ]),
    ),
  );
  const rows = await callers.readBack();
  callers.setRate(0);
  await sleep(deadlineMs + 6_000);
  return judge(windows, callers, rows, folders[0] ?? "", await digests(url));
}

async function fill(url: string): Promise<void> {
  const client = await connect(url);
  const rows = Math.ceil(options.size / documentBytes);
  const beganMs = performance.now();
  let next = 0;
  const work = async (): Promise<void> => {
    for (let n = next++; n < rows; n = next++) {
      const text = `${n} `.padEnd(documentBytes - 30, String.fromCharCode(97 + (n % 26)));
      await client.table(table).put(`row/${n}`, { n, text }, { deadlineMs: 60_000 });
    }
  };
  await Promise.all(Array.from({ length: fillers }, work));
  await client.close();
  say(`${rows} rows of ${documentBytes} bytes written in ${secondsText(performance.now() - beganMs)}`);
}

async function idle(name: string): Promise<Window> {
  const fromMs = Date.now();
  await sleep(options.seconds * 1000);
  return { name, fromMs, toMs: Date.now() };
}

async function during(name: string, work: () => Promise<unknown>): Promise<Window> {
  const fromMs = Date.now();
  await work();
  const toMs = Date.now();
  say(`${name}: ${secondsText(toMs - fromMs)}`);
  return { name, fromMs, toMs };
}

async function foreshard(url: string, args: readonly string[]): Promise<void> {
  await run(process.execPath, [program, ...args, "--url", url], { maxBuffer: 64 * 1024 * 1024 });
}

interface Digests {
  readonly rows: number;
}

async function digests(url: string): Promise<Digests> {
  const client = await connect(url);
  const { groups } = await client.table(restored).aggregate({ aggregates: [{ fn: "count" }], deadlineMs: 60_000 });
  await client.close();
  return { rows: Number(groups[0]?.count) };
}

async function judge(
  windows: readonly Window[],
  callers: OpenCallers,
  rows: Awaited<ReturnType<OpenCallers["readBack"]>>,
  folder: string,
  again: Digests,
): Promise<boolean> {
  const of = (names: readonly string[]): Second =>
    addUp(
      windows.filter(({ name }) => names.includes(name)).flatMap(({ fromMs, toMs }) => callers.between(fromMs, toMs)),
    );
  const [without, backup, restore] = [of(["before", "after"]), of(["backup"]), of(["restore"])];
  const p99 = (second: Second): number => quantileMs(second, 0.99) ?? Number.NaN;
  const ratio = p99(backup) / p99(without);
  const manifest = (await checkBackup(folder, [table])).at(0);
  const unanswered = [without, backup, restore].reduce(
    (sum, { silent, wrong, late, refused }) => sum + silent + wrong + late + refused,
    0,
  );
  const line = (name: string, second: Second): readonly [string, string, boolean] => [
    name,
    `median ${(quantileMs(second, 0.5) ?? Number.NaN).toFixed(1)} ms, p99 ${p99(second).toFixed(1)} ms of ${second.ok} queries; of the writes among them ${(quantileMs(writesOf(second), 0.99) ?? Number.NaN).toFixed(1)} ms`,
    true,
  ];
  const lines: readonly KeptLine[] = [
    line("without", without),
    line("during the backup", backup),
    ["p99 during the backup by p99 without", ratio.toFixed(2), ratio <= mostRatio],
    line("during the restore", restore),
    ["refused, late or unanswered", String(unanswered), unanswered === 0],
    [
      "restored",
      `${again.rows} rows, ${manifest?.rows} in the backup; the restore compared digests (${manifest?.digest})`,
      again.rows === manifest?.rows,
    ],
    [
      "written rows read back",
      `${rows.rows} rows, ${rows.acknowledged} acknowledged writes; ${rows.lost} wrong, ${rows.unread} not read`,
      rows.lost + rows.unread === 0,
    ],
  ];
  return publishKept(options.json === true, lines, { windows, without, backup, restore, ratio, rows, again });
}

await runTrial(check);
