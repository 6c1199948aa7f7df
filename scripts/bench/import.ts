#!/usr/bin/env node
// Bench of imports. Owns the figures of real files: each is imported by the real command line into a range table keyed by series and time, then read
// back whole and aggregated by series, and compared with the file, exactly.
// Files are CSV with a head line that names `series`, a column that begins with `timestamp`, and `value`.

import { spawn } from "node:child_process";
import { symlink } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { type Client, connect } from "../../cluster/client/index.js";
import type { Farewell } from "../live/farewell.js";
import { publish, say } from "../live/figures.js";
import { TrialCluster } from "../live/trial-cluster.js";
import { type BenchChoice, runBench } from "./options.js";
import { readSeriesFile, type SeriesFile, type SeriesSums, sumsOf } from "./series-file.js";

interface Imported {
  readonly file: string;
  readonly rows: number;
  readonly rowsPerSecond: number;
  readonly rowsRead: number;
  readonly scanRowsPerSecond: number;
  readonly aggregateMs: number;
  /** What differs, in words; empty: equal. */
  readonly differences: readonly string[];
}

const commandLine = fileURLToPath(new URL("../foreshard.js", import.meta.url));
const fragments = 8;
const markRowsPerSecond = 20_000;
const differencesShown = 5;
const imported = z.object({ rows: z.number(), rowsPerSecond: z.number() });

async function importFiles({ arguments: files, isJson }: BenchChoice, farewell: Farewell): Promise<boolean> {
  const cluster = await TrialCluster.prepare(farewell, {
    nodes: 3,
    natsServers: 1,
    isolation: "threads",
    restart: "always",
  });
  await cluster.start();
  const client = await connect(cluster.ready.natsUrl);
  farewell.later(() => client.close());
  const results: Imported[] = [];
  for (const [at, path] of files.entries())
    results.push(await importOne(cluster, client, resolve(path), `series${at}`));
  await cluster.stop();
  publish(
    isJson,
    ["file", "rows", "rows/s acknowledged", `mark`, "scan rows/s", "aggregate", "compared with the file"],
    results.map((result) => [
      result.file,
      result.rows,
      result.rowsPerSecond,
      markRowsPerSecond,
      result.scanRowsPerSecond,
      `${result.aggregateMs} ms`,
      result.differences.length === 0 ? "equal" : `UNEQUAL: ${result.differences.join("; ")}`,
    ]),
    { results },
  );
  return results.every(({ differences }) => differences.length === 0);
}

async function importOne(cluster: TrialCluster, client: Client, path: string, table: string): Promise<Imported> {
  const source = await readSeriesFile(path);
  // The command keeps its mark beside the file: through a link that is the trial's own folder.
  const link = join(cluster.folder, `${table}.csv`);
  await symlink(path, link);
  await client.admin.createTable({
    name: table,
    partitioning: "range",
    key: { partition: "string", sort: "date" },
    splitAt: splitKeys(source),
  });
  say(`importing ${source.rows.length} rows of ${basename(path)}`);
  const { rows, rowsPerSecond } = imported.parse(
    JSON.parse(await foreshard(cluster, importArguments(table, link, source))),
  );
  const read = await compareRows(client, table, source);
  const sums = await compareSums(client, table, source);
  const count = rows === source.rows.length ? [] : [`${source.rows.length} rows in the file, ${rows} imported`];
  return {
    file: basename(path),
    rows,
    rowsPerSecond,
    rowsRead: read.rowsRead,
    scanRowsPerSecond: read.rowsPerSecond,
    aggregateMs: sums.tookMs,
    differences: [...count, ...read.differences, ...sums.differences].slice(0, differencesShown),
  };
}

function importArguments(table: string, link: string, { timeColumn }: SeriesFile): string[] {
  const types = `series:string,${timeColumn}:date,value:number`;
  return ["import", table, link, "--key", `series,${timeColumn}`, "--types", types];
}

/** Cuts that leave about as many rows in each fragment. */
function splitKeys({ rows }: SeriesFile): [string, Date][] {
  const sorted = [...rows].sort((a, b) => (a.series === b.series ? a.timeMs - b.timeMs : a.series < b.series ? -1 : 1));
  const cuts = Array.from(
    { length: fragments - 1 },
    (_, at) => sorted[Math.floor(((at + 1) * sorted.length) / fragments)],
  );
  return cuts.flatMap((row) => (row === undefined ? [] : [[row.series, new Date(row.timeMs)]]));
}

function foreshard(cluster: TrialCluster, words: readonly string[]): Promise<string> {
  return new Promise((settle, reject) => {
    const child = spawn(process.execPath, [commandLine, ...words, "--data-dir", cluster.dataDir, "--json"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) settle(text);
      else reject(new Error(`foreshard ${words.slice(0, 2).join(" ")} ended with ${code}: ${text}`));
    });
  });
}

interface StoredRow {
  readonly value: number;
}

async function compareRows(client: Client, table: string, source: SeriesFile) {
  const wanted = new Map(source.rows.map(({ series, timeMs, value }) => [`${series}\n${timeMs}`, value]));
  const differences: string[] = [];
  const beganMs = performance.now();
  let rowsRead = 0;
  for await (const { key, doc } of client.table<StoredRow>(table).scan({ limit: 5_000, deadlineMs: 30_000 })) {
    rowsRead++;
    const name = Array.isArray(key) && key[1] instanceof Date ? `${key[0]}\n${key[1].getTime()}` : String(key);
    if (wanted.get(name) !== doc.value)
      differences.push(`${name}: ${doc.value} stored, ${wanted.get(name)} in the file`);
    wanted.delete(name);
  }
  const seconds = (performance.now() - beganMs) / 1000;
  for (const name of wanted.keys()) differences.push(`${name} is missing`);
  return { rowsRead, differences, rowsPerSecond: Math.round(rowsRead / seconds) };
}

async function compareSums(client: Client, table: string, source: SeriesFile) {
  const beganMs = performance.now();
  const { groups } = await client.table(table).aggregate({
    groupBy: ["series"],
    aggregates: [
      { fn: "count", as: "count" },
      { fn: "sum", field: "value", as: "sum" },
      { fn: "min", field: "value", as: "min" },
      { fn: "max", field: "value", as: "max" },
    ],
    deadlineMs: 30_000,
  });
  const tookMs = Math.round(performance.now() - beganMs);
  const wanted = sumsOf(source);
  const differences: string[] = [];
  for (const group of groups) {
    const series = seriesOf(group);
    const sums = wanted.get(series);
    wanted.delete(series);
    if (sums === undefined || !sameSums(sums, group))
      differences.push(`series ${series}: ${JSON.stringify(group)} aggregated, ${JSON.stringify(sums)} in the file`);
  }
  for (const series of wanted.keys()) differences.push(`series ${series} is missing from the aggregate`);
  return { tookMs, differences };
}

function seriesOf(group: Readonly<Record<string, unknown>>): string {
  const named = group.group;
  if (Array.isArray(named)) return String(named[0]);
  return typeof named === "object" && named !== null && "series" in named ? String(named.series) : String(named);
}

function sameSums(sums: SeriesSums, group: Readonly<Record<string, unknown>>): boolean {
  const { count, sum, min, max } = sums;
  return group.count === count && group.sum === sum && group.min === min && group.max === max;
}

await runBench(
  {
    name: "bench:import",
    description: "Imports CSV files of series by the command line and compares scan and aggregate with them, exactly.",
    argument: { name: "<files...>", description: "CSV with the columns series, timestamp… and value" },
    tries: 1,
  },
  importFiles,
);
