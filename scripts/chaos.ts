#!/usr/bin/env node
// Chaos. Owns one run of the whole promise: a cluster of its own in processes, a seeded load, seeded faults, and a judgement of every answer.
// It exits 0 only when nothing acknowledged was lost, every check passed, every fault asked for struck, and everything was answered again after each.

import { writeFile } from "node:fs/promises";
import { z } from "zod";
import { seededRandom } from "../src/kernel/random.js";
import { entryLine } from "../src/verify/history-file.js";
import { dealBlows, type Healed } from "./chaos/blows.js";
import { needsOf } from "./chaos/catalogue.js";
import type { FaultKind, Stage } from "./chaos/fault.js";
import { type ChaosOptions, readOptions } from "./chaos/options.js";
import { floodTable, floodWriters } from "./chaos/pressure.js";
import { failings, type Outcome, printJson, printOutcome } from "./chaos/report.js";
import { type Farewell, runTrial } from "./live/farewell.js";
import { say, secondsText } from "./live/figures.js";
import { readIncidents } from "./live/locations.js";
import { type MoveCount, Mover } from "./live/mover.js";
import { Receipts, receiptKey } from "./live/receipts.js";
import { openScene, readBack, type Scene } from "./live/scene.js";
import { countOf } from "./live/verdicts.js";

const fragmentsPerTable = 6;
const diskMiB = 480;

async function chaos(options: ChaosOptions, farewell: Farewell): Promise<boolean> {
  const { nodes, natsServers, seed, clients, faults } = options;
  const needs = needsOf(faults);
  const wish = {
    nodes,
    natsServers,
    isolation: "processes",
    restart: "always",
    isWired: needs.has("wires"),
    ...(needs.has("disk") ? { diskMiB } : {}),
  } as const;
  const scene = await openScene(farewell, wish, { seed, clients, fragmentsPerTable });
  const impossible = impossibleHere(scene, faults);
  for (const [name, why] of impossible) say(`NOT TRIED: ${name}: ${why}`);
  const readyIn = secondsText(scene.cluster.readyMs);
  const possible = faults.filter(({ name }) => !impossible.has(name));
  say(
    `cluster of ${nodes} nodes and ${natsServers} nats-server(s) ready in ${readyIn}, ${possible.length} kinds of faults, seed ${seed}`,
  );
  const stage = await setStage(scene, options);
  const mover = options.moves ? new Mover(scene.door, seededRandom(seed).fork("moves")) : undefined;
  scene.start();
  mover?.start();
  const healed =
    possible.length === 0
      ? []
      : await dealBlows(stage, possible, options.durationMs, seededRandom(seed).fork("faults"));
  await mover?.stop();
  await scene.stop();
  return judge(options, stage, impossible, healed, mover?.count());
}

function impossibleHere({ cluster }: Scene, faults: readonly FaultKind[]): ReadonlyMap<string, string> {
  const { disk } = cluster;
  if (typeof disk !== "string") return new Map();
  return new Map(faults.filter(({ needs }) => needs.includes("disk")).map(({ name }) => [name, disk]));
}

async function setStage(scene: Scene, { durationMs, faults }: ChaosOptions): Promise<Stage> {
  const flood = new Receipts(scene.door, { table: floodTable, writers: floodWriters, rowsPerRequest: 1, thinkMs: 0 });
  if (faults.some(({ name }) => name === "overload")) {
    const wish = { name: floodTable, partitioning: "hash", key: receiptKey, fragments: fragmentsPerTable };
    await scene.door.cluster("createTable", { ...wish, deadlineMs: 30_000 }, z.unknown(), 60_000);
  }
  const beganMs = performance.now();
  return {
    scene,
    flood,
    tell(line) {
      const written = countOf(scene.load.history, true).acknowledged + scene.receipts.acknowledged();
      const clock = `${secondsText(performance.now() - beganMs)} of ${secondsText(durationMs)}`;
      say(`${clock.padStart(19)}  ${String(written).padStart(6)} writes  ${line}`);
    },
  };
}

async function judge(
  options: ChaosOptions,
  { scene, flood }: Stage,
  impossible: ReadonlyMap<string, string>,
  healed: readonly Healed[],
  moves: MoveCount | undefined,
): Promise<boolean> {
  say("reading everything back");
  const read = await readBack(scene, options.durationMs / 100);
  const { history } = scene.load;
  if (options.history !== undefined) await writeFile(options.history, `${history.map(entryLine).join("\n")}\n`);
  const outcome: Outcome = {
    ...read,
    flood: await floodCount(flood, options),
    seed: options.seed,
    history,
    asked: options.faults.map(({ name }) => name),
    impossible,
    healed,
    moves,
    incidents: await readIncidents(scene.door),
  };
  if (options.isJson) printJson(outcome);
  else printOutcome(outcome);
  const why = failings(outcome);
  for (const failing of why) say(`FAILED: ${failing}`);
  say(
    why.length === 0 ? `passed: nothing acknowledged was lost (seed ${options.seed})` : `again with: ${again(options)}`,
  );
  return why.length === 0;
}

function floodCount(flood: Receipts, { faults }: ChaosOptions): Promise<Outcome["flood"]> | Outcome["flood"] {
  if (faults.some(({ name }) => name === "overload")) return flood.compare();
  return { acknowledged: 0, failed: 0, unknown: 0, lost: 0, strange: 0, examples: [] };
}

function again({ durationMs, seed, nodes, natsServers, faultsText, clients, moves }: ChaosOptions): string {
  const words = {
    duration: `${durationMs / 1000}s`,
    seed,
    nodes,
    clients,
    "nats-servers": natsServers,
    faults: faultsText,
  };
  return `npm run chaos -- ${Object.entries(words)
    .map(([name, value]) => `--${name} ${value}`)
    .join(" ")}${moves ? " --moves" : ""}`;
}

const options = readOptions(process.argv);
if ("mistake" in options) {
  process.stderr.write(`CONFIG: ${options.mistake}\n`);
  process.exit(1);
}
await runTrial((farewell) => chaos(options, farewell));
