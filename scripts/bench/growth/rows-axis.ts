// Rows axis. Owns how a table's size changes things: rate of filling, gets and puts, memory, disk, an aggregate over all rows, and starting again on the same folder.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { connect } from "../../../cluster/client/index.js";
import { TrialCluster } from "../../live/trial-cluster.js";
import { fill, splitsOf } from "../fill.js";
import { keyOf } from "../ycsb/keys.js";
import type { Axis, Figures, Ground } from "./axis.js";
import { askPoints, pointColumns, pointPlots } from "./callers.js";

const run = promisify(execFile);
const fragments = 16;
const valueBytes = 100;
const callers = 128;
const table = "rows";
const value = "x".repeat(valueBytes);

async function measure(rows: number, ground: Ground): Promise<Figures> {
  const { farewell } = ground;
  const cluster = await TrialCluster.prepare(farewell, {
    ...{ nodes: 1, natsServers: 1, isolation: "threads", restart: "never" },
    more: ["--durability", "interval"],
  });
  await cluster.start();
  const before = await memoryOf(cluster);
  const client = await connect(cluster.ready.natsUrl);
  const undo = farewell.later(() => client.close());
  const filling = { rows, fragments, keyOf, docOf: () => ({ value }), rowBytes: valueBytes + 50 };
  const splitAt = splitsOf(filling);
  await client.admin.createTable({ name: table, partitioning: "range", key: { partition: "string" }, splitAt });
  const all = client.table<{ value: string }>(table);
  const filledMs = await timed(() => fill(all, filling));
  const held = await memoryOf(cluster);
  const aggregateMs = await timed(() => all.aggregate({ aggregates: [{ fn: "count" }], deadlineMs: 60_000 }));
  const address = { kind: "foreshard", url: cluster.ready.natsUrl, table } as const;
  const points = await askPoints({ address, rows, valueBytes, callers, loads: false }, ground);
  await undo();
  await cluster.stop();
  const diskBytes = Number((await run("du", ["-sb", cluster.dataDir])).stdout.split("\t")[0]);
  await cluster.start();
  const { readyMs } = cluster;
  const served = await untilServed(cluster, rows);
  await cluster.stop();
  return {
    ...points,
    filled: (rows / filledMs) * 1000,
    rssMiB: held / 1048576,
    rssPerMillion: ((held - before) / 1048576 / rows) * 1e6,
    diskMiB: diskBytes / 1048576,
    counted: aggregateMs,
    ready: readyMs / 1000,
    served: (readyMs + served) / 1000,
  };
}

async function memoryOf(cluster: TrialCluster): Promise<number> {
  return (await cluster.family()).reduce((sum, { rssBytes }) => sum + rssBytes, 0);
}

/** From the ready word until a strong read of each fragment was answered. */
async function untilServed(cluster: TrialCluster, rows: number): Promise<number> {
  const client = await connect(cluster.ready.natsUrl);
  try {
    const all = client.table(table);
    const places = Array.from({ length: fragments }, (_, at) => Math.round((at * rows) / fragments));
    return await timed(() => Promise.all(places.map((at) => all.get(keyOf(at), { deadlineMs: 60_000 }))));
  } finally {
    await client.close();
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begunMs = performance.now();
  await work();
  return performance.now() - begunMs;
}

export const rowsAxis: Axis = {
  name: "rows",
  says: `rows of the table, values of ${valueBytes} B; one node, ${fragments} fragments`,
  steps: [10_000, 100_000, 1_000_000, 10_000_000],
  columns: [
    { key: "filled", title: "rows/s filled", digits: 0 },
    ...pointColumns,
    { key: "rssMiB", title: "resident MiB after filling", digits: 0 },
    { key: "rssPerMillion", title: "MiB more per million rows", digits: 0 },
    { key: "diskMiB", title: "MiB on disk", digits: 0 },
    { key: "counted", title: "count of all rows, ms", digits: 0 },
    { key: "ready", title: "ready again, s", digits: 2 },
    { key: "served", title: "all fragments served, s", digits: 2 },
  ],
  plots: [
    ...pointPlots,
    { name: "memory", title: "resident memory after filling, and files", unit: "MiB", keys: ["rssMiB", "diskMiB"] },
    { name: "start", title: "start on the same folder", unit: "s", keys: ["ready", "served"] },
  ],
  measure,
};
