#!/usr/bin/env node
// Calibration check. Owns the question whether forecasts keep their word: a load with a period of a minute runs for some minutes, every new forecast is
// noted, and what was answered in its steps afterwards, counted here and not by the cluster, is held against it.

import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import { type Client, connect, type ForecastAnswer } from "../../cluster/client/index.js";
import type { Farewell } from "../live/farewell.js";
import { runTrial } from "../live/farewell.js";
import { publish, say } from "../live/figures.js";
import { TrialCluster } from "../live/trial-cluster.js";
import { loadKeys, PeriodicLoad } from "./periodic-load.js";
import { judge, type Noted, type Verdict } from "./promises.js";

interface Choice {
  readonly url: string | undefined;
  readonly learnMs: number;
  readonly judgeMs: number;
  readonly rate: number;
  readonly seed: number;
  readonly isJson: boolean;
}

const table = "calibration";
const periodMs = 60_000;
const lookEveryMs = 1000;
const fragments = 4;

async function check(choice: Choice, farewell: Farewell): Promise<boolean> {
  const url = choice.url ?? (await ownCluster(farewell));
  const client = await connect(url);
  farewell.later(() => client.close());
  await prepare(client);
  const load = new PeriodicLoad(client, { table, rate: choice.rate, periodMs, seed: choice.seed });
  load.start();
  say(`a load of ${choice.rate} queries per second on average, with a period of ${periodMs / 1000} s`);
  say(`learning for ${minutes(choice.learnMs)}, then judging every forecast made in ${minutes(choice.judgeMs)}`);
  await sleep(choice.learnMs);
  const noted = await noteForecasts(client, choice.judgeMs);
  const stepMs = noted[0]?.stepMs ?? 0;
  const lastMs = Math.max(0, ...noted.map(({ atMs, steps }) => atMs + steps.length * stepMs));
  say(`${noted.length} forecasts noted; waiting until their last step is over`);
  await sleep(Math.max(0, lastMs - Date.now() + 500));
  await load.stop();
  const verdict = judge(noted, (fromMs, toMs) => load.rateBetween(fromMs, toMs));
  print(choice, verdict, load, await client.cluster.forecast({ table }));
  return verdict.judged > 0 && verdict.insideShare >= leastInside;
}

/** Below this share of a few dependent minutes inside the 90 % interval, something is wrong. */
const leastInside = 0.75;

async function ownCluster(farewell: Farewell): Promise<string> {
  say("starting a cluster with a sample every second");
  const more = ["--sample-interval", "1s"];
  const wish = { nodes: 3, natsServers: 1, isolation: "threads", restart: "always", more } as const;
  const cluster = await TrialCluster.prepare(farewell, wish);
  await cluster.start();
  farewell.later(() => cluster.stop());
  return cluster.ready.natsUrl;
}

async function prepare(client: Client): Promise<void> {
  const known = (await client.cluster.tables()).some(({ name }) => name === table);
  if (!known) await client.admin.createTable({ name: table, fragments });
  const rows = client.table(table);
  await Promise.all(Array.from({ length: loadKeys }, (_, key) => rows.put(`key${key}`, { key })));
}

/** Each forecast of the table's total once. */
async function noteForecasts(client: Client, forMs: number): Promise<Noted[]> {
  const noted = new Map<number, Noted>();
  const endMs = Date.now() + forMs;
  while (Date.now() < endMs) {
    await sleep(lookEveryMs);
    const answer = await client.cluster.forecast({ table });
    const { atMs, steps, max, series } = answer.total;
    // All series have come to the same slot: what is said of it is whole.
    const isWhole = series > 0 && answer.series.every((one) => one.atMs === atMs);
    if (isWhole && !noted.has(atMs))
      noted.set(atMs, { atMs, stepMs: answer.stepMs, levels: answer.levels, steps, max });
  }
  return [...noted.values()];
}

function print(choice: Choice, verdict: Verdict, load: PeriodicLoad, answer: ForecastAnswer): void {
  const { levels } = answer;
  const rows = [
    ...levels.map((level, q) => [
      `below the ${level * 100} % quantile`,
      percent(level),
      percent(verdict.below[q] ?? Number.NaN),
      percent(verdict.maxBelow[q] ?? Number.NaN),
      percent(answer.total.record.coverage[q] ?? Number.NaN),
    ]),
    ["in the 90 % interval", "90.0 %", percent(verdict.insideShare), percent(verdict.maxInsideShare), ""],
  ];
  publish(
    choice.isJson,
    ["what came was", "promised", "steps of the total", "peak of the total", "own record, per series"],
    rows,
    {
      verdict,
      refused: load.refused,
      record: answer.total.record,
    },
  );
  if (choice.isJson) return;
  say(`${verdict.judged} steps of ${verdict.forecasts} forecasts judged; ${load.refused} queries refused`);
  say(
    "steps of one forecast, and forecasts that follow each other, depend on each other: a few minutes are a small sample",
  );
}

function percent(share: number): string {
  return Number.isNaN(share) ? "" : `${(share * 100).toFixed(1)} %`;
}

function minutes(ms: number): string {
  return `${(ms / 60_000).toFixed(1)} min`;
}

function choose(): Choice {
  const command = new Command("check:calibration")
    .description(
      "Loads a cluster with a period of one minute and prints how often the minutes that followed fell into the forecast intervals.",
    )
    .option("--url <url>", "a cluster that runs already, with --sample-interval 1s; default: one of its own")
    .option("--learn <minutes>", "before anything is judged", "4")
    .option("--judge <minutes>", "how long forecasts are noted", "4")
    .option("--rate <count>", "queries per second, on average", "150")
    .option("--seed <number>", "draws the load", "1")
    .option("--json", "print the figures as JSON")
    .allowExcessArguments(false)
    .parse();
  const { url, learn, judge: judged, rate, seed, json } = command.opts<Record<string, string> & { json?: true }>();
  const [learnMs, judgeMs] = [Number(learn) * 60_000, Number(judged) * 60_000];
  if (!(learnMs >= 0) || !(judgeMs > 0) || !(Number(rate) > 0) || !Number.isInteger(Number(seed))) {
    process.stderr.write("CONFIG: --learn, --judge and --rate must be numbers above 0, --seed a whole number\n");
    process.exit(1);
  }
  return { url, learnMs, judgeMs, rate: Number(rate), seed: Number(seed), isJson: json === true };
}

const choice = choose();
await runTrial((farewell) => check(choice, farewell));
