#!/usr/bin/env node
// Overload check. Owns the question what a cluster does when it is asked for ten times what it can do: how much it still answers, how much memory it takes, what it refuses, and how
// soon it is as before. It exits 0 only when goodput, memory and recovery keep the promise, every question was answered, and no acknowledged write is lost.

import { setTimeout as sleep } from "node:timers/promises";
import { Command, InvalidArgumentError } from "commander";
import { z } from "zod";
import { openDoor } from "../live/door.js";
import { type Farewell, runTrial } from "../live/farewell.js";
import { type KeptLine, mebibytes, publishKept, say } from "../live/figures.js";
import { TrialCluster } from "../live/trial-cluster.js";
import { OpenCallers } from "./overload/callers.js";
import { MemoryGauge, totalOf } from "./overload/memory.js";
import { addUp, quantileMs, type Second } from "./overload/second.js";

const command = new Command("check:overload")
  .description(
    "Ten times the load that a cluster can bear, from clients in processes of their own: goodput, memory, refusals, and the time until all is as before.",
  )
  .option("--duration <time>", "how long the overload lasts, e.g. 300s", seconds, 60_000)
  .option("--times <number>", "how many times its peak the cluster is asked for", Number, 10)
  .option("--capacity <number>", "ceiling of each node, queries per second; 0: none", Number, 250)
  .option("--nodes <number>", "nodes", Number, 3)
  .option("--processes <number>", "processes of clients", Number, 2)
  .option("--isolation <how>", "threads or processes", "threads")
  .option("--peak <number>", "take this for the peak, in queries per second, instead of looking for it", Number)
  .option("--json", "figures as JSON")
  .allowExcessArguments(false)
  .parse();
const options = command.opts<{
  duration: number;
  times: number;
  peak?: number;
  capacity: number;
  nodes: number;
  processes: number;
  isolation: "threads" | "processes";
  json?: true;
}>();

/** Milliseconds. */
function seconds(text: string): number {
  const found = /^(\d+(?:\.\d+)?)s?$/.exec(text);
  if (found === null) throw new InvalidArgumentError("a number of seconds, e.g. 300s");
  return Number(found[1]) * 1000;
}

const created = z.object({ table: z.string() });
const table = "crowd";
const deadlineMs = 1000;
const stepMs = 6_000;
const calmMs = 15_000;
const calmShare = 0.5;
const leastGoodput = 0.8;
const recoveryLimitMs = 10_000;
/** Seconds in a row that are as before. */
const steady = 3;
/** The most that memory may grow between the first and the last third of the overload. */
const mostGrowth = 1.15;

async function check(farewell: Farewell): Promise<boolean> {
  const { nodes, capacity, isolation } = options;
  const more = ["--sample-interval", "10s", ...(capacity > 0 ? ["--capacity", String(capacity)] : [])];
  const cluster = await TrialCluster.prepare(farewell, { nodes, natsServers: 1, isolation, restart: "always", more });
  await cluster.start();
  farewell.later(() => cluster.stop());
  const door = await openDoor(cluster.gate);
  await door.cluster("createTable", { name: table, fragments: nodes * 4, deadlineMs: 30_000 }, created, 60_000);
  await door.close();
  const { servers, user, pass } = cluster.gate;
  const wish = {
    servers: [...servers],
    user,
    pass,
    table,
    rows: 1000,
    text: "x".repeat(200),
    writeEvery: 5,
    deadlineMs,
  };
  const callers = await OpenCallers.start(farewell, options.processes, wish);
  const memory = new MemoryGauge(cluster.pid);
  farewell.later(() => memory.stop());
  say(
    `${nodes} nodes${capacity > 0 ? ` with a ceiling of ${capacity} queries per second each` : ""}, ${options.processes} processes of clients, one write in 5, deadline ${deadlineMs} ms`,
  );
  const run = new Run(callers, memory);
  return run.judge(await run.all());
}

interface Phase {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
}

class Run {
  private peak = options.peak ?? 0;

  constructor(
    private readonly callers: OpenCallers,
    private readonly memory: MemoryGauge,
  ) {}

  async all(): Promise<readonly Phase[]> {
    if (options.peak === undefined) await this.findPeak();
    const calm = await this.phase("calm before", this.peak * calmShare, calmMs);
    const storm = await this.phase("overload", this.peak * options.times, options.duration);
    const after = await this.phase("calm after", this.peak * calmShare, recoveryLimitMs + calmMs);
    return [calm, storm, after];
  }

  /** The most that is answered in time, whatever is offered. */
  private async findPeak(): Promise<void> {
    let fruitless = 0;
    const begin = options.capacity > 0 ? (options.capacity * options.nodes) / 3 : 500;
    for (let rate = begin; fruitless < 3; rate *= 1.4) {
      const { fromMs, toMs } = await this.phase("", rate, stepMs);
      const got = await this.seconds(fromMs + 1000, toMs, deadlineMs + 1500);
      const sum = addUp(got);
      const goodput = sum.ok / got.length;
      say(
        `offered ${Math.round(sum.offered / got.length)}/s: ${Math.round(goodput)}/s answered in time, p99 ${ms(quantileMs(sum, 0.99))}`,
      );
      fruitless = goodput > this.peak * 1.03 ? 0 : fruitless + 1;
      this.peak = Math.max(this.peak, goodput);
    }
    say(`peak goodput: ${Math.round(this.peak)} per second`);
  }

  private async phase(name: string, perSecond: number, forMs: number): Promise<Phase> {
    this.callers.setRate(perSecond);
    const fromMs = Date.now();
    if (name !== "") say(`${name}: ${Math.round(perSecond)} per second for ${forMs / 1000} s`);
    await sleep(forMs);
    return { name, fromMs, toMs: Date.now() };
  }

  /** Seconds are told once nothing of them is under way. */
  private async seconds(fromMs: number, toMs: number, waitMs: number): Promise<readonly Second[]> {
    this.callers.setRate(0);
    await sleep(waitMs);
    return this.callers.between(fromMs, toMs);
  }

  async judge(phases: readonly Phase[]): Promise<boolean> {
    const [calm, storm, after] = phases;
    if (calm === undefined || storm === undefined || after === undefined) return false;
    const rows = await this.callers.readBack();
    await this.seconds(after.fromMs, after.toMs, deadlineMs + 6000);
    const inCalm = addUp(this.callers.between(calm.fromMs + 2000, calm.toMs));
    const stormSeconds = this.callers.between(storm.fromMs, storm.toMs);
    const inStorm = addUp(stormSeconds);
    const goodput = inStorm.ok / Math.max(1, stormSeconds.length);
    const usualMs = quantileMs(inCalm, 0.99) ?? Number.NaN;
    const back = recovered(this.callers.between(after.fromMs, after.toMs), usualMs);
    const thirdMs = (storm.toMs - storm.fromMs) / 3;
    const early = this.memory.most(storm.fromMs, storm.fromMs + thirdMs);
    const late = this.memory.most(storm.toMs - thirdMs, storm.toMs);
    const worst = Math.min(...stormSeconds.map(({ ok }) => ok));
    if (worst < goodput / 2)
      say(
        `answered in time, second by second: ${stormSeconds
          .slice(0, 60)
          .map(({ ok }) => ok)
          .join(" ")}`,
      );
    const lines: readonly KeptLine[] = [
      ["peak goodput", `${Math.round(this.peak)} per second`, this.peak > 0],
      [
        "offered in the overload",
        `${Math.round(inStorm.offered / stormSeconds.length)} per second, ${(inStorm.offered / stormSeconds.length / this.peak).toFixed(1)} × the peak`,
        true,
      ],
      [
        "goodput in it",
        `${Math.round(goodput)} per second, ${Math.round((100 * goodput) / this.peak)} % of the peak; the worst second ${worst}`,
        goodput >= leastGoodput * this.peak,
      ],
      [
        "latency of what was answered in it",
        `median ${ms(quantileMs(inStorm, 0.5))}, p99 ${ms(quantileMs(inStorm, 0.99))}`,
        true,
      ],
      ["refused, late", `${inStorm.refused}, ${inStorm.late}`, true],
      ["never answered, answered wrongly", `${inStorm.silent}, ${inStorm.wrong}`, inStorm.silent + inStorm.wrong === 0],
      ["memory, first third", memoryText(early), true],
      ["memory, last third", memoryText(late), totalOf(late) <= totalOf(early) * mostGrowth],
      ["p99 before", ms(usualMs), true],
      [
        "as before again",
        back === undefined ? "never" : `after ${back} s`,
        back !== undefined && back * 1000 <= recoveryLimitMs,
      ],
      [
        "rows read back",
        `${rows.rows} rows, ${rows.acknowledged} acknowledged writes; ${rows.lost} wrong, ${rows.unread} not read`,
        rows.lost + rows.unread === 0,
      ],
    ];
    return publishKept(options.json === true, lines, {
      peak: this.peak,
      storm: { ...inStorm, seconds: stormSeconds.length, goodput },
      okBySecond: stormSeconds.map(({ ok }) => ok),
      early: Object.fromEntries(early),
      late: Object.fromEntries(late),
      usualMs,
      recoveredS: back,
      rows,
    });
  }
}

/** Seconds from the end of the overload until `steady` seconds in a row had no refusal and a p99 of at most twice the usual, or 10 ms more. */
function recovered(seconds: readonly Second[], usualMs: number): number | undefined {
  const isUsual = (one: Second): boolean => {
    const p99 = quantileMs(one, 0.99);
    return p99 !== undefined && one.refused + one.late + one.silent === 0 && p99 <= Math.max(2 * usualMs, usualMs + 10);
  };
  const first = seconds.findIndex(
    (_, i) => i + steady <= seconds.length && seconds.slice(i, i + steady).every(isUsual),
  );
  return first < 0 ? undefined : first;
}

function memoryText(bytes: ReadonlyMap<string, number>): string {
  const named = [...bytes].map(([name, held]) => `${name} ${mebibytes(held)}`).join(", ");
  return `${mebibytes(totalOf(bytes))}: ${named}`;
}

function ms(value: number | undefined): string {
  return value === undefined || Number.isNaN(value)
    ? "none"
    : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

await runTrial(check);
