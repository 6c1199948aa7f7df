#!/usr/bin/env node
// Profile of speed. Owns where the processor's time goes while callers get or put: seconds per million operations, by process, thread and function.
// P1 every thread writes Node's own CPU profile; only samples of the measured time count. P2 profiling costs time itself: compare profiles with profiles.

import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { z } from "zod";
import { connect } from "../../cluster/client/index.js";
import { limits } from "../../src/config/limits.js";
import { type Farewell, runTrial } from "../live/farewell.js";
import { printTable, say } from "../live/figures.js";
import { threadsOf } from "../live/threads.js";
import { foreshardPeer } from "./peers/foreshard.js";
import type { PeerAddress, RunningPeer } from "./peers/peer.js";
import { Callers } from "./ycsb/callers.js";
import { keyOf } from "./ycsb/keys.js";
import { workloads } from "./ycsb/workloads.js";

interface Choice {
  readonly workload: string;
  readonly nodes: number;
  readonly callers: number;
  readonly values: number;
  readonly seconds: number;
  readonly fragments: number;
  readonly rows: number;
  readonly lines: number;
  readonly folder: string;
  readonly durability: "always" | "interval";
  readonly plain?: true;
  readonly node: readonly string[];
}

const profileSchema = z.object({
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({ functionName: z.string(), url: z.string(), lineNumber: z.number() }),
    }),
  ),
  startTime: z.number(),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
});

/** Microseconds of the monotonic clock, the same that profiles count in. */
const nowUs = (): number => Number(process.hrtime.bigint() / 1000n);

async function profile(choice: Choice, farewell: Farewell): Promise<boolean> {
  const workload = workloads.find(({ name }) => name === choice.workload);
  if (workload === undefined) throw new Error(`there is no workload ${choice.workload}`);
  await mkdir(choice.folder, { recursive: true });
  const profiling = ["--cpu-prof", "--cpu-prof-interval=500", `--cpu-prof-dir=${choice.folder}`];
  const nodeOptions = [...choice.node.map((option) => `--${option}`), ...(choice.plain === true ? [] : profiling)];
  const { rows, fragments, nodes, durability } = choice;
  const peer = foreshardPeer("foreshard", { rows, fragments, nodes, durability, nodeOptions });
  const running = await peer.start(farewell);
  const callers = Callers.start(farewell, 1, nodeOptions);
  await callers.tell(() => ({ kind: "connect", address: running.address }));
  await callers.tell(() => ({ kind: "load", from: 0, to: rows, valueBytes: choice.values }));
  const order = { kind: "run", workload, callers: choice.callers, rows, valueBytes: choice.values } as const;
  const share = { warmMs: 0, process: 0, processes: 1 };
  await callers.run(() => ({ ...order, ...share, runMs: choice.seconds * 500, seed: 1 }));
  const before = await look(running, choice);
  const fromUs = nowUs();
  const [outcome] = await callers.run(() => ({ ...order, ...share, runMs: choice.seconds * 1000, seed: 2 }));
  const toUs = nowUs();
  const after = await look(running, choice);
  if (outcome === undefined) return false;
  await callers.leave();
  await running.stop();
  const perMillion = 1e6 / outcome.operations;
  const text = (cpuMs: number): string => ((cpuMs / 1000) * perMillion).toFixed(1);
  say(`${workload.name}: ${Math.round(outcome.operations / choice.seconds)}/s`);
  const records = after.records - before.records;
  if (records > 2 * choice.fragments)
    say(`${(outcome.operations / records).toFixed(1)} operations per record of the log`);
  const threads = after.threads.map(({ id, name, userMs, systemMs }) => {
    const earlier = before.threads.find((one) => one.id === id) ?? { userMs: 0, systemMs: 0 };
    return { name, userMs: userMs - earlier.userMs, systemMs: systemMs - earlier.systemMs };
  });
  const total = threads.reduce((sum, { userMs, systemMs }) => sum + userMs + systemMs, outcome.cpuMs);
  const busy = threads
    .filter(({ userMs, systemMs }) => userMs + systemMs > total / 200)
    .sort((a, b) => b.userMs + b.systemMs - a.userMs - a.systemMs)
    .map(({ name, userMs, systemMs }) => [name, text(userMs), text(systemMs)]);
  const ends = [
    ["callers", text(outcome.cpuMs), ""],
    ["together", text(total), ""],
  ];
  printTable(["thread", "user s per 10^6", "system s per 10^6"], [...busy, ...ends]);
  for (const file of await readdir(choice.folder))
    await show(join(choice.folder, file), choice, { fromUs, toUs, perMillion });
  return outcome.failed === 0;
}

async function look(running: RunningPeer, { rows, fragments, values }: Choice) {
  const family = await running.family();
  const threads = (await Promise.all(family.map(({ pid }) => threadsOf(pid)))).flat();
  return { threads, records: await recordsAt(running.address, Math.floor(rows / fragments), fragments, values) };
}

/** How many records the logs of all fragments have by now: the version of a row that is written tells. */
async function recordsAt(address: PeerAddress, step: number, fragments: number, valueBytes: number): Promise<number> {
  if (address.kind !== "foreshard") return 0;
  const client = await connect(address.url);
  const table = client.table<{ value: string }>(address.table);
  const keys = Array.from({ length: fragments }, (_, at) => keyOf(at * step));
  const written = await Promise.all(keys.map((key) => table.put(key, { value: "x".repeat(valueBytes) })));
  await client.close();
  return written.reduce((sum, { version }) => sum + Math.floor(version / limits.recordWrites), 0);
}

interface Span {
  readonly fromUs: number;
  readonly toUs: number;
  readonly perMillion: number;
}

async function show(file: string, { lines }: Choice, { fromUs, toUs, perMillion }: Span): Promise<void> {
  const { nodes, startTime, samples, timeDeltas } = profileSchema.parse(JSON.parse(await readFile(file, "utf8")));
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const selfUs = new Map<string, number>();
  let atUs = startTime;
  samples.forEach((id, at) => {
    const tookUs = timeDeltas[at + 1] ?? 0;
    atUs += timeDeltas[at] ?? 0;
    const name = names.get(id) ?? "?";
    if (atUs >= fromUs && atUs < toUs && name !== "(idle)") selfUs.set(name, (selfUs.get(name) ?? 0) + tookUs);
  });
  const totalUs = [...selfUs.values()].reduce((sum, us) => sum + us, 0);
  const text = (us: number): string => ((us / 1e6) * perMillion).toFixed(2);
  if ((totalUs / 1e6) * perMillion < 0.5) return;
  const top = [...selfUs].sort((a, b) => b[1] - a[1]).slice(0, lines);
  printTable(
    [file.replace(/^.*\//, ""), `CPU s per 10^6: ${text(totalUs)}`],
    top.map(([name, us]) => [name, text(us)]),
  );
}

function nameOf({
  functionName,
  url,
  lineNumber,
}: z.infer<typeof profileSchema>["nodes"][number]["callFrame"]): string {
  if (url === "") return functionName;
  const file = url.replace(/^.*\/(dist|node_modules)\//, "");
  return `${functionName || "(anonymous)"} ${file}:${lineNumber + 1}`;
}

function whole(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError("a whole number of at least 1");
  return number;
}

const command = new Command("profile")
  .description("Where the processor's time goes while callers get or put, by thread and function.")
  .argument("<folder>", "where the profiles go, to be opened in a browser's tools as well; must be empty")
  .option("--workload <name>", `one of ${workloads.map(({ name }) => name).join(", ")}`, "get")
  .addOption(new Option("--nodes <count>", "nodes and copies").argParser(whole).default(3))
  .addOption(new Option("--callers <count>", "callers at once").argParser(whole).default(128))
  .addOption(new Option("--values <bytes>", "size of the values").argParser(whole).default(1000))
  .addOption(new Option("--seconds <count>", "measured time").argParser(whole).default(4))
  .addOption(new Option("--fragments <count>", "fragments of the table").argParser(whole).default(16))
  .addOption(new Option("--rows <count>", "rows in the table").argParser(whole).default(20_000))
  .addOption(new Option("--lines <count>", "functions shown of each thread").argParser(whole).default(30))
  .addOption(new Option("--durability <how>", "of the log").choices(["always", "interval"]).default("interval"))
  .option("--plain", "no profiles, only what each thread uses")
  .option("--node <options...>", "of Node itself, without the dashes before them", [])
  .allowExcessArguments(false)
  .parse();
const [folder = ""] = command.args;
await runTrial((farewell) => profile({ ...command.opts<Omit<Choice, "folder">>(), folder }, farewell));
