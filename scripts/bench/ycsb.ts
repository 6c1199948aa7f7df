#!/usr/bin/env node
// Bench of speed. Owns the comparison with what a user would take instead: Redis, a JetStream key-value bucket, and the bare echo, all on this machine.
// B1 one system runs at a time; rounds are interleaved, and ratios are taken within a round. B2 a peer that is not installed is said to be missing.

import { setTimeout as pause } from "node:timers/promises";
import { Command, InvalidArgumentError, Option } from "commander";
import { type Farewell, runTrial } from "../live/farewell.js";
import { median, publish, say } from "../live/figures.js";
import type { ProcessLine } from "../live/processes.js";
import { foreshardPeer } from "./peers/foreshard.js";
import { echoPeer, jetstreamPeer } from "./peers/nats.js";
import type { Peer } from "./peers/peer.js";
import { redisPeer } from "./peers/redis.js";
import { Callers } from "./ycsb/callers.js";
import type { Outcome } from "./ycsb/wire.js";
import { type Workload, workloads } from "./ycsb/workloads.js";

interface Choice {
  readonly json?: true;
  readonly rounds: number;
  readonly seconds: number;
  readonly warm: number;
  readonly callers: readonly number[];
  readonly values: readonly number[];
  readonly processes: readonly number[];
  readonly rows: number;
  readonly fragments: readonly number[];
  readonly only?: readonly string[];
  readonly systems?: readonly string[];
  readonly at?: number;
  readonly smoke?: true;
}

/** One system, one workload, one setting, one round. */
interface Line {
  readonly system: string;
  /** Of our table; the same system with other fragments stands in a line of its own. */
  readonly fragments: number;
  readonly workload: string;
  readonly callers: number;
  readonly processes: number;
  readonly valueBytes: number;
  readonly round: number;
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  /** Seconds of processor per million operations, callers and servers together. */
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly failed: number;
}

/** Which of ours stands beside which peers. */
const ratios: readonly { readonly ours: string; readonly peers: readonly string[] }[] = [
  { ours: "foreshard-3-interval", peers: ["redis-everysec", "kv-interval", "echo"] },
  { ours: "foreshard-3-always", peers: ["redis-always", "kv-always", "echo"] },
  { ours: "foreshard-1-interval", peers: ["redis-everysec", "kv-interval", "echo"] },
  { ours: "router-3-interval", peers: ["echo"] },
];

function peersOf({ rows }: Choice, fragments: number): readonly Peer[] {
  const ours = { rows, fragments };
  return [
    foreshardPeer("foreshard-3-interval", { ...ours, nodes: 3, durability: "interval" }),
    redisPeer("redis-everysec", "everysec"),
    jetstreamPeer("kv-interval", "interval"),
    echoPeer("echo"),
    foreshardPeer("foreshard-3-always", { ...ours, nodes: 3, durability: "always" }),
    redisPeer("redis-always", "always"),
    jetstreamPeer("kv-always", "always"),
    foreshardPeer("foreshard-1-interval", { ...ours, nodes: 1, durability: "interval" }),
    foreshardPeer("router-3-interval", { ...ours, nodes: 3, durability: "interval", raw: true }),
  ];
}

async function bench(choice: Choice, farewell: Farewell): Promise<boolean> {
  const chosen = workloads.filter(({ name }) => choice.only?.includes(name) ?? true);
  const lines: Line[] = [];
  const missing: string[] = [];
  const runs: { peer: Peer; fragments: number }[] = [];
  for (const [at, fragments] of choice.fragments.entries())
    for (const peer of peersOf(choice, fragments)) {
      if (choice.systems !== undefined && !choice.systems.includes(peer.name)) continue;
      // To the others our fragments make no difference.
      if (at > 0 && !peer.name.startsWith("foreshard") && !peer.name.startsWith("router")) continue;
      const why = await peer.missing();
      if (why === undefined) runs.push({ peer, fragments });
      else missing.push(`${peer.name}: ${why}`);
    }
  for (const line of missing) say(`missing: ${line}`);
  for (let round = 1; round <= choice.rounds; round++)
    for (const valueBytes of choice.values)
      for (const processes of choice.processes)
        for (const { peer, fragments } of runs)
          lines.push(...(await measure(peer, { chosen, choice, round, fragments, valueBytes, processes, farewell })));
  report(lines, missing, choice);
  return lines.every(({ failed }) => failed === 0);
}

interface Setting {
  readonly chosen: readonly Workload[];
  readonly choice: Choice;
  readonly round: number;
  readonly fragments: number;
  readonly valueBytes: number;
  readonly processes: number;
  readonly farewell: Farewell;
}

async function measure(
  peer: Peer,
  { chosen, choice, round, fragments, valueBytes, processes, farewell }: Setting,
): Promise<Line[]> {
  const possible = chosen.filter(({ mix }) =>
    Object.keys(mix).every((operation) => peer.offers.some((one) => one === operation)),
  );
  if (possible.length === 0) return [];
  const running = await peer.start(farewell);
  const { address } = running;
  const echo = address.kind === "echo" ? Callers.start(farewell, 1) : undefined;
  if (address.kind === "echo") await echo?.tell(() => ({ kind: "echo", url: address.url, valueBytes }));
  const callers = Callers.start(farewell, processes);
  await callers.tell(() => ({ kind: "connect", address }));
  const share = Math.ceil(choice.rows / processes);
  if (address.kind !== "echo")
    await callers.tell((at) => ({
      kind: "load",
      from: at * share,
      to: Math.min(choice.rows, (at + 1) * share),
      valueBytes,
    }));
  const lines: Line[] = [];
  /** At `perSecond`, or as fast as the callers go; the line's name says which. */
  const run = async (workload: Workload, count: number, name: string, perSecond?: number): Promise<Line> => {
    const warm = pause(choice.warm * 1000).then(() => running.family());
    const outcomes = await callers.run((at) => ({
      kind: "run",
      workload,
      callers: Math.max(1, Math.round(count / processes)),
      rows: choice.rows,
      valueBytes,
      warmMs: choice.warm * 1000,
      runMs: choice.seconds * 1000,
      seed: round * 100 + at,
      process: at,
      processes,
      ...(perSecond === undefined ? {} : { perSecond: perSecond / processes }),
    }));
    const after = await running.family();
    const before = await warm;
    const line: Line = {
      ...{ system: peer.name, fragments, workload: name, callers: count, processes, valueBytes, round },
      rssBytes: after.reduce((sum, process) => sum + process.rssBytes, 0),
      ...lineOf(outcomes, cpuOf(after) - cpuOf(before), choice.seconds),
    };
    say(
      `round ${round}: ${peer.name} ${name}, ${count} callers: ${Math.round(line.perSecond)}/s, p50 ${line.p50Us} us, p99 ${line.p99Us} us`,
    );
    const failure = outcomes.find(({ firstFailure }) => firstFailure !== undefined)?.firstFailure;
    if (failure !== undefined) say(`  ${line.failed} failed, the first: ${failure}`);
    return line;
  };
  for (const workload of possible)
    for (const count of choice.callers) {
      const line = await run(workload, count, workload.name);
      lines.push(line);
      if (choice.at === undefined) continue;
      lines.push(await run(workload, count, `${workload.name} at ${choice.at * 100} %`, line.perSecond * choice.at));
    }
  await callers.end();
  await echo?.end();
  await running.stop();
  return lines;
}

function lineOf(outcomes: readonly Outcome[], serverCpuMs: number, seconds: number) {
  const operations = sum(outcomes, (outcome) => outcome.operations);
  const all = outcomes.flatMap(({ sampleUs }) => sampleUs).sort((a, b) => a - b);
  const at = (share: number): number => all[Math.min(all.length - 1, Math.floor(share * all.length))] ?? 0;
  const cpuMs = serverCpuMs + sum(outcomes, (outcome) => outcome.cpuMs);
  return {
    perSecond: operations / seconds,
    p50Us: at(0.5),
    p99Us: at(0.99),
    p999Us: at(0.999),
    cpuSeconds: operations === 0 ? 0 : (cpuMs / 1000 / operations) * 1e6,
    failed: sum(outcomes, (outcome) => outcome.failed),
  };
}

function cpuOf(family: readonly ProcessLine[]): number {
  return sum(family, ({ cpuMs }) => cpuMs);
}

function sum<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((total, one) => total + of(one), 0);
}

function report(lines: readonly Line[], missing: readonly string[], { json, fragments }: Choice): void {
  const isJson = json === true;
  const nameOf = (line: Line): string =>
    fragments.length > 1 && ratios.some(({ ours }) => ours === line.system)
      ? `${line.system}, ${line.fragments} fragments`
      : line.system;
  const settings = [...new Set(lines.map(settingOf))];
  const rows = settings.flatMap((setting) => {
    const here = lines.filter((line) => settingOf(line) === setting);
    return [...new Set(here.map(nameOf))].map((system) => {
      const own = here.filter((line) => nameOf(line) === system);
      const mid = (of: (line: Line) => number): number => median(own.map(of)) ?? 0;
      return [
        setting,
        system,
        Math.round(mid((line) => line.perSecond)),
        ...[mid((line) => line.p50Us), mid((line) => line.p99Us), mid((line) => line.p999Us)].map((us) =>
          (us / 1000).toFixed(2),
        ),
        mid((line) => line.cpuSeconds).toFixed(0),
        `${Math.round(mid((line) => line.rssBytes) / 1048576)}`,
        ratioText(here, own),
      ];
    });
  });
  const head = [
    "workload",
    "system",
    "per s",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "CPU s per 10^6",
    "MiB",
    "times the peer's rate",
  ];
  publish(isJson, head, rows, { lines, missing });
  if (!isJson) for (const line of missing) process.stdout.write(`not measured: ${line}\n`);
}

function settingOf({ workload, callers, processes, valueBytes }: Line): string {
  return `${workload}, ${callers} callers${processes === 1 ? "" : ` in ${processes} processes`}, ${valueBytes} B`;
}

/** Medians of the ratios of each round. */
function ratioText(lines: readonly Line[], own: readonly Line[]): string {
  const peers = ratios.find(({ ours }) => ours === own[0]?.system)?.peers ?? [];
  return peers
    .flatMap((peer) => {
      const all = own.flatMap((line) => {
        const other = lines.find(({ system, round }) => system === peer && round === line.round);
        return other !== undefined && other.perSecond > 0 ? [line.perSecond / other.perSecond] : [];
      });
      const mid = median(all);
      return mid === undefined ? [] : [`${peer} ${mid.toFixed(2)}`];
    })
    .join(", ");
}

function whole(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError("a whole number of at least 1");
  return number;
}
function share(text: string): number {
  const number = Number(text);
  if (!(number > 0 && number <= 1)) throw new InvalidArgumentError("a number above 0, at most 1");
  return number;
}
const list = (text: string): number[] => text.split(",").map(whole);
const names = (text: string): string[] => text.split(",");

const command = new Command("bench")
  .description(
    "Measures gets, puts and YCSB A to F here and on Redis, a JetStream key-value bucket and bare NATS, in turn.",
  )
  .option("--json", "print every measurement as JSON")
  .addOption(new Option("--rounds <count>", "how often everything is measured").argParser(whole).default(3))
  .addOption(new Option("--seconds <count>", "measured time of each workload").argParser(whole).default(3))
  .addOption(
    new Option("--warm <count>", "seconds before that: servers in JavaScript run slowly at first")
      .argParser(whole)
      .default(5),
  )
  .addOption(new Option("--callers <counts>", "callers at once, e.g. 1,16,128,512").argParser(list).default([128]))
  .addOption(new Option("--values <bytes>", "sizes of the values").argParser(list).default([1000]))
  .addOption(
    new Option("--processes <counts>", "processes that the callers are divided among").argParser(list).default([1]),
  )
  .addOption(new Option("--rows <count>", "rows in the table").argParser(whole).default(20_000))
  .addOption(new Option("--fragments <counts>", "fragments of our table").argParser(list).default([16]))
  .addOption(new Option("--only <workloads>", `of ${workloads.map(({ name }) => name).join(",")}`).argParser(names))
  .addOption(new Option("--systems <names>", "of the systems, by name").argParser(names))
  .addOption(
    new Option("--at <share>", "after each, the same at this share of its rate, asked evenly: e.g. 0.7").argParser(
      share,
    ),
  )
  .option("--smoke", "one short round, to see that everything works")
  .allowExcessArguments(false)
  .parse();
const given = command.opts<Choice>();
const choice = given.smoke === true ? { ...given, rounds: 1, seconds: 2, warm: 1, rows: 1000, callers: [4] } : given;
await runTrial((farewell) => bench(choice, farewell));
