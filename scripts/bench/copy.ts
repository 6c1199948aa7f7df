#!/usr/bin/env node
// Bench of copying. Owns the figures of one fragment that moves as fast as it can: beside the same rows copied between two LMDB environments in one
// process, and what it costs the two nodes meanwhile: how long an event loop was held up, how far memory grew.
// B1 the plain copy is made right after each move, of the same rows, so that the ratio is one of the same minute. B2 each host is a process.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Command, InvalidArgumentError } from "commander";
import { type Client, connect } from "../../cluster/client/index.js";
import { openDoor } from "../live/door.js";
import { type Farewell, runTrial } from "../live/farewell.js";
import { loadAverage, mebibytes, median, publish, say } from "../live/figures.js";
import { readViews } from "../live/locations.js";
import { TrialCluster } from "../live/trial-cluster.js";
import { plainCopy } from "./copy/plain.js";
import { type Cost, Watch } from "./copy/watch.js";
import { endOf, phasesOf } from "./moves/ends.js";

interface Choice {
  readonly json?: true;
  readonly rounds: number;
  /** At the pace that the nodes stand, as it is in use; else as fast as it goes. */
  readonly paced?: true;
  readonly bytes: number;
  readonly value: number;
}

interface Round {
  readonly rows: number;
  readonly bytes: number;
  readonly copyMs: number;
  readonly moveMs: number;
  readonly plainMs: number;
  readonly ratio: number;
  readonly source: Cost;
  readonly destination: Cost;
  /** As long before the move, without one. */
  readonly stillLoopMaxMs: number;
  readonly load: number;
}

const table = "copied";
const unpaced = ["--copy-floor", "10000", "--copy-ceiling", "10000"];
const stillMs = 5_000;
/** A machine that does other things, too, may take its time with a gigabyte. */
const patienceMs = 60_000;
const atOnce = 64;
const rowsPerBatch = 32;

async function copy(choice: Choice, farewell: Farewell): Promise<boolean> {
  const cluster = await TrialCluster.prepare(farewell, {
    nodes: 2,
    natsServers: 1,
    isolation: "processes",
    restart: "never",
    more: [...(choice.paced === true ? [] : unpaced), "--sample-interval", "500ms"],
  });
  await cluster.start();
  const client = await connect(cluster.ready.natsUrl);
  farewell.later(() => client.close());
  await client.admin.createTable({ name: table, fragments: 1, replicas: 1, partitioning: "range", key: "number" });
  const rows = Math.max(1, Math.round(choice.bytes / choice.value));
  await fill(client, rows, choice.value);
  const watch = await Watch.open(farewell, cluster);
  const rounds: Round[] = [];
  for (let round = 1; round <= choice.rounds; round++) {
    const one = await measure(cluster, client, watch);
    rounds.push(one);
    say(
      `${one.rows} rows, ${mebibytes(one.bytes)}: copied in ${one.copyMs} ms, plain ${one.plainMs.toFixed(0)} ms, ratio ${one.ratio.toFixed(2)}; loops ${one.source.loopMaxMs.toFixed(0)} and ${one.destination.loopMaxMs.toFixed(0)} ms`,
    );
  }
  const { groups } = await client
    .table(table)
    .aggregate({ aggregates: [{ fn: "count", as: "n" }], deadlineMs: patienceMs });
  const whole = groups[0]?.n === rows && rounds.every((one) => one.rows === rows);
  await cluster.stop();
  report(choice, rounds, rows, whole);
  return whole;
}

async function measure(cluster: TrialCluster, client: Client, watch: Watch): Promise<Round> {
  const [fragment] = await client.cluster.fragments(table);
  if (fragment === undefined) throw new Error("the table has no fragment");
  const from = fragment.primary;
  const to = from === "n1" ? "n2" : "n1";
  await watch.begin();
  await sleep(stillMs);
  const stillLoopMaxMs = Math.max(watch.cost(from).loopMaxMs, watch.cost(to).loopMaxMs);
  await watch.begin();
  const move = await client.admin.move({ table, fragment: fragment.id, to, strategy: "log-shipping", why: "bench" });
  const ended = await endOf(client, move);
  if (ended.outcome !== "done") throw new Error(`the move ended ${ended.outcome}: ${ended.end}`);
  // The nodes' last samples of it.
  await sleep(1200);
  const cost = { source: watch.cost(from), destination: watch.cost(to) };
  const { partition, id } = await tableOf(cluster);
  const plain = await plainCopy(join(cluster.dataDir, "nodes", to, "store"), partition, id);
  const copyMs = phasesOf(ended).find(({ phase }) => phase === "copying")?.ms ?? Number.NaN;
  return {
    rows: plain.rows,
    bytes: plain.bytes,
    copyMs,
    moveMs: (ended.endedMs ?? 0) - ended.startedMs,
    plainMs: plain.ms,
    ratio: plain.ms / copyMs,
    ...cost,
    stillLoopMaxMs,
    load: loadAverage(),
  };
}

async function tableOf(cluster: TrialCluster): Promise<{ readonly partition: number; readonly id: number }> {
  const door = await openDoor(cluster.gate);
  try {
    for (const view of await readViews(door))
      for (const { id, name } of view.tables.values()) if (name === table) return { partition: view.partition, id };
  } finally {
    await door.close();
  }
  throw new Error("no ledger knows the table");
}

async function fill(client: Client, rows: number, valueBytes: number): Promise<void> {
  const rowsOf = client.table<{ v: Uint8Array }>(table);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < rows) {
      const first = next;
      next = Math.min(rows, next + rowsPerBatch);
      const steps = Array.from({ length: next - first }, (_, at) => ({
        op: "put" as const,
        key: first + at,
        doc: { v: noise(first + at, valueBytes) },
      }));
      await rowsOf.batch(steps, { deadlineMs: patienceMs });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

/** Bytes that no two rows share. */
function noise(seed: number, length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let x = seed + 1;
  for (let at = 0; at < words.length; at++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    words[at] = x;
  }
  return new Uint8Array(words.buffer, 0, length);
}

function report(choice: Choice, rounds: readonly Round[], rows: number, whole: boolean): void {
  const of = (pick: (round: Round) => number): number => median(rounds.map(pick)) ?? Number.NaN;
  const perS = (pick: (round: Round) => number): string =>
    `${mebibytes(of((round) => (round.bytes / pick(round)) * 1000))}/s`;
  const most = (pick: (round: Round) => number): number => Math.max(...rounds.map(pick));
  publish(
    choice.json === true,
    ["what", "mark", "measured"],
    [
      ["rows, bytes", "-", `${rows}, ${mebibytes(of(({ bytes }) => bytes))}; all there: ${whole ? "yes" : "NO"}`],
      ["copied between two nodes, over NATS", "-", perS(({ copyMs }) => copyMs)],
      ["copied between two LMDB environments", "-", perS(({ plainMs }) => plainMs)],
      [
        "ratio",
        "0.5",
        `${of(({ ratio }) => ratio).toFixed(2)} (${rounds.map(({ ratio }) => ratio.toFixed(2)).join(", ")})`,
      ],
      ["whole move, verified twice", "-", `${(of(({ moveMs }) => moveMs) / 1000).toFixed(2)} s`],
      ["longest hold-up of an event loop, source", "20 ms", holdUps(rounds.map(({ source }) => source))],
      ["… destination", "20 ms", holdUps(rounds.map(({ destination }) => destination))],
      [
        `… of either in ${stillMs / 1000} s without a move`,
        "-",
        `${median(rounds.map(({ stillLoopMaxMs }) => stillLoopMaxMs))?.toFixed(1)} ms (${rounds.map(({ stillLoopMaxMs }) => stillLoopMaxMs.toFixed(0)).join(", ")})`,
      ],
      ["memory grown at most, source", "100 MiB", mebibytes(most(({ source }) => source.grownBytes))],
      ["… destination", "100 MiB", mebibytes(most(({ destination }) => destination.grownBytes))],
      ["load average", "-", of(({ load }) => load).toFixed(1)],
    ],
    { rows, whole, rounds },
  );
}

function holdUps(costs: readonly Cost[]): string {
  const each = costs.map(({ loopMaxMs, coreWaitMs }) => `${loopMaxMs.toFixed(0)} (${coreWaitMs.toFixed(0)})`);
  return `median ${median(costs.map(({ loopMaxMs }) => loopMaxMs))?.toFixed(1)} ms; each, and waiting for a core in that half second: ${each.join(", ")}`;
}

const units: Readonly<Record<string, number>> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

function size(text: string): number {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)([KMG]?)$/i.exec(text) ?? [];
  const bytes = Number(number) * (units[unit.toUpperCase()] ?? Number.NaN);
  if (!Number.isFinite(bytes) || bytes <= 0) throw new InvalidArgumentError("write e.g. 64M or 1G");
  return Math.round(bytes);
}

function count(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError("a whole number of at least 1 is needed");
  return number;
}

const command = new Command("bench:copy")
  .description("Moves one fragment, beside a plain copy of its rows between two LMDB environments.")
  .option("--json", "print the figures as JSON")
  .option("--paced", "at the pace that both nodes stand, as a move in use goes; else as fast as it goes")
  .option("--rounds <count>", "how often it is moved", count, 3)
  .option("--bytes <size>", "bytes of the fragment's values, e.g. 64M or 1G", size, size("64M"))
  .option("--value <size>", "bytes of one row's value", size, size("1K"))
  .allowExcessArguments(false)
  .parse();
await runTrial((farewell) => copy(command.opts<Choice>(), farewell));
