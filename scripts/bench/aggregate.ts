#!/usr/bin/env node
// Bench of aggregates. Owns the comparison with PostgreSQL: the same rows in both, the same question, on one core each; answers must be equal.
// PostgreSQL answers without parallel workers. Ours computes on the primaries of all fragments: with one node it has one thread for it, with three nodes three.

import { z } from "zod";
import { connect } from "../../cluster/client/index.js";
import type { Farewell } from "../live/farewell.js";
import { loadAverage, publish, say, spreadText } from "../live/figures.js";
import { TrialCluster } from "../live/trial-cluster.js";
import { fill, splitsOf } from "./fill.js";
import { type BenchChoice, runBench } from "./options.js";
import { postgresMissing, startPostgres } from "./peers/postgres.js";

const defaultRows = 1_000_000;
const fragments = 16;
const groups = 100;
const table = "sales";

interface Sale {
  readonly team: string;
  readonly amount: number;
}

const keyOf = (index: number): string => `sale${String(index).padStart(9, "0")}`;
const saleOf = (index: number): Sale => ({ team: `team${(index * 7919) % groups}`, amount: (index * 31) % 1000 });

/** A line of an answer: team, count, sum, least, most. */
type Line = readonly [string, number, number, number, number];

async function bench(choice: BenchChoice, farewell: Farewell): Promise<boolean> {
  const rows =
    choice.arguments[0] === undefined ? defaultRows : z.coerce.number().int().min(1000).parse(choice.arguments[0]);
  const why = await postgresMissing();
  if (why !== undefined) say(`missing: postgres: ${why}`);
  const ours = await measureOurs(rows, 1, choice.tries, farewell);
  const three = await measureOurs(rows, 3, choice.tries, farewell);
  const theirs = why === undefined ? await measurePostgres(rows, choice.tries, farewell) : undefined;
  const all = [ours, three, theirs ?? ours].map(({ lines }) => JSON.stringify(lines));
  const equal = new Set(all).size === 1;
  const facts = [
    ["rows", rows],
    ["ours, one node: group by, count, sum, min, max", spreadText(ours.groupedMs)],
    ["ours, one node: the same over all rows, no groups", spreadText(ours.wholeMs)],
    ["ours, one node: longest of all gets meanwhile", `${ours.longestGetMs.toFixed(0)} ms`],
    ["ours, three nodes, three copies: group by", spreadText(three.groupedMs)],
    ["ours, three nodes: the same over all rows", spreadText(three.wholeMs)],
    ["ours, three nodes: longest of all gets meanwhile", `${three.longestGetMs.toFixed(0)} ms`],
    ["PostgreSQL 15, no parallel workers: group by", theirs === undefined ? (why ?? "") : spreadText(theirs.groupedMs)],
    ["PostgreSQL 15: the same over all rows", theirs === undefined ? (why ?? "") : spreadText(theirs.wholeMs)],
    ["answers", equal ? "equal" : "UNEQUAL"],
    ["load average at the end", loadAverage().toFixed(1)],
  ] as const;
  publish(choice.isJson, ["what", "measured"], facts, {
    rows,
    ours,
    three,
    theirs: theirs ?? null,
    missing: why ?? null,
  });
  return equal;
}

interface Measured {
  readonly groupedMs: number[];
  readonly wholeMs: number[];
  readonly lines: readonly Line[];
}

interface OursMeasured extends Measured {
  /** Of gets that were asked one after the other while an aggregate by group was computed. */
  readonly longestGetMs: number;
}

async function measureOurs(rows: number, nodes: number, tries: number, farewell: Farewell): Promise<OursMeasured> {
  const cluster = await TrialCluster.prepare(farewell, {
    nodes,
    natsServers: 1,
    isolation: "threads",
    restart: "never",
    more: ["--durability", "interval"],
  });
  await cluster.start();
  const client = await connect(cluster.ready.natsUrl);
  const undo = farewell.later(() => client.close());
  const filling = { rows, fragments, keyOf, docOf: saleOf, rowBytes: 100 };
  const splitAt = splitsOf(filling);
  await client.admin.createTable({ name: table, partitioning: "range", key: { partition: "string" }, splitAt });
  const sales = client.table<Sale>(table);
  say(`writing ${rows} rows`);
  await fill(sales, filling);
  const aggregates = [
    { fn: "count", as: "count" },
    { fn: "sum", field: "amount", as: "sum" },
    { fn: "min", field: "amount", as: "min" },
    { fn: "max", field: "amount", as: "max" },
  ] as const;
  const grouped = () => sales.aggregate({ aggregates, groupBy: ["team"], deadlineMs: 60_000 });
  const first = await grouped();
  const groupedMs = await timesOf(tries, grouped);
  const wholeMs = await timesOf(tries, () => sales.aggregate({ aggregates, deadlineMs: 60_000 }));
  const longestGetMs = await longestDuring(grouped, () => sales.get(keyOf(0)));
  await undo();
  await cluster.stop();
  const lineSchema = z.object({
    group: z.tuple([z.string()]).or(z.record(z.string(), z.string())),
    ...{ count: z.number(), sum: z.number(), min: z.number(), max: z.number() },
  });
  const lines = first.groups.map((given): Line => {
    const { group, count, sum, min, max } = lineSchema.parse(given);
    return [Object.values(group)[0] ?? "", count, sum, min, max];
  });
  return { groupedMs, wholeMs, longestGetMs, lines: lines.sort(byTeam) };
}

async function measurePostgres(rows: number, tries: number, farewell: Farewell): Promise<Measured> {
  const postgres = await startPostgres(farewell);
  const last = rows - 1;
  await postgres.ask(
    `create table ${table} (id text primary key, doc jsonb not null);
     insert into ${table} select 'sale' || lpad(n::text, 9, '0'),
       jsonb_build_object('team', 'team' || (n::bigint * 7919) % ${groups}, 'amount', (n::bigint * 31) % 1000)
       from generate_series(0, ${last}) n;`,
  );
  await postgres.ask(`vacuum analyze ${table}`);
  const amount = "(doc->>'amount')::float8";
  const results = `count(*), sum(${amount}), min(${amount}), max(${amount})`;
  const grouped = `select doc->>'team', ${results} from ${table} group by 1`;
  const one = "set max_parallel_workers_per_gather = 0;";
  const text = await postgres.ask(`${one} ${grouped}`);
  const groupedMs = await timedBy(postgres.ask, tries, `${one} explain (analyze, timing off) ${grouped}`);
  const wholeMs = await timedBy(
    postgres.ask,
    tries,
    `${one} explain (analyze, timing off) select ${results} from ${table}`,
  );
  const lines = text
    .trim()
    .split("\n")
    .map((line): Line => {
      const [team = "", ...numbers] = line.split("|");
      const [count = 0, sum = 0, min = 0, max = 0] = numbers.map(Number);
      return [team, count, sum, min, max];
    });
  return { groupedMs, wholeMs, lines: lines.sort(byTeam) };
}

/** As the server itself counts: without the start of `psql`. */
async function timedBy(ask: (sql: string) => Promise<string>, tries: number, sql: string): Promise<number[]> {
  const times: number[] = [];
  for (let left = tries; left > 0; left--) {
    const found = /Execution Time: ([0-9.]+) ms/.exec(await ask(sql))?.[1];
    if (found === undefined) throw new Error("PostgreSQL did not say how long it took");
    times.push(Number(found));
  }
  return times;
}

async function longestDuring(work: () => Promise<unknown>, ask: () => Promise<unknown>): Promise<number> {
  let isDone = false;
  const working = work().finally(() => {
    isDone = true;
  });
  let longestMs = 0;
  while (!isDone) longestMs = Math.max(longestMs, ...(await timesOf(1, ask)));
  await working;
  return longestMs;
}

async function timesOf(tries: number, work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let left = tries; left > 0; left--) {
    const begunMs = performance.now();
    await work();
    times.push(performance.now() - begunMs);
  }
  return times;
}

function byTeam([a]: Line, [b]: Line): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

await runBench(
  {
    name: "bench:aggregate",
    description: "An aggregate over many rows here and in PostgreSQL 15, which must give the same answer.",
    argument: { name: "[rows]", description: `how many; ${defaultRows} where it is absent` },
    tries: 5,
  },
  bench,
);
