#!/usr/bin/env node
// Chaos. Owns one run of the whole promise: a cluster of its own in processes, a seeded load, seeded kills, and a judgement of every answer.
// It exits 0 only when nothing acknowledged was lost, every check passed, and everything was answered again after every fault.

import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { type Random, seededRandom } from "../src/kernel/random.js";
import { entryLine } from "../src/verify/history.js";
import { carryOutFault, createFaultPlan, type PlannedBlow } from "./chaos/faults.js";
import { type ChaosOptions, readOptions } from "./chaos/options.js";
import { type Healed, hasPassed, type Outcome, printJson, printOutcome } from "./chaos/report.js";
import { type Farewell, runTrial } from "./live/farewell.js";
import { say, secondsText } from "./live/figures.js";
import { readIncidents } from "./live/locations.js";
import { openScene, readBack, type Scene } from "./live/scene.js";
import { countOf } from "./live/verdicts.js";

const fragmentsPerTable = 6;
const recoveryLimitMs = 45_000;
const firstBlowMs = 2_000;

async function chaos(options: ChaosOptions, farewell: Farewell): Promise<boolean> {
  const { nodes, natsServers, seed, clients } = options;
  const wish = { nodes, natsServers, isolation: "processes", restart: "always" } as const;
  const scene = await openScene(farewell, wish, { seed, clients, fragmentsPerTable });
  const readyIn = secondsText(scene.cluster.readyMs);
  say(`cluster of ${nodes} nodes and ${natsServers} nats-server(s) ready in ${readyIn}, seed ${seed}`);
  scene.start();
  const healed = await breakThings(scene, options, seededRandom(seed).fork("faults"));
  await scene.stop();
  return judge(options, scene, healed);
}

async function breakThings(
  scene: Scene,
  { durationMs, faults }: ChaosOptions,
  random: Random,
): Promise<readonly Healed[]> {
  const healed: Healed[] = [];
  const plan = createFaultPlan(random, faults);
  const beganMs = performance.now();
  const tell = (line: string): void => say(`${secondsText(performance.now() - beganMs).padStart(8)}  ${line}`);
  await sleep(firstBlowMs);
  while (performance.now() < beganMs + durationMs) {
    const blow = plan.next();
    await sleep(blow.afterMs);
    const struck = await strike(scene, blow);
    if (struck === undefined) continue;
    tell(struck.words);
    const { recoveredMs, fragments, slowest } = await scene.prober.recovery(struck.atMs, recoveryLimitMs);
    healed.push({ blow: blow.faults.map(({ kind }) => kind).join(" + "), recoveredMs });
    const acknowledged = countOf(scene.load.history, true).acknowledged + scene.receipts.acknowledged();
    const answered =
      recoveredMs === undefined
        ? `NOT answered again: ${slowest}`
        : `all ${fragments} fragments answered again after ${secondsText(recoveredMs)}, last the ${slowest}`;
    tell(`${answered}; ${acknowledged} writes acknowledged so far`);
    if (scene.cluster.hasEnded()) throw new Error(`the cluster ended:\n${await scene.cluster.lastWords()}`);
  }
  return healed;
}

/** `atMs`: when the last part was killed, or the first was frozen. */
async function strike(scene: Scene, blow: PlannedBlow): Promise<{ words: string; atMs: number } | undefined> {
  const words: string[] = [];
  let atMs = performance.now();
  for (const fault of blow.faults) {
    const beganMs = performance.now();
    const done = await carryOutFault(scene.cluster, scene.door, fault);
    if (done === undefined) continue;
    atMs = fault.kind === "pause" ? beganMs : performance.now();
    words.push(done);
  }
  return words.length === 0 ? undefined : { words: words.join(", then "), atMs };
}

async function judge(options: ChaosOptions, scene: Scene, healed: readonly Healed[]): Promise<boolean> {
  say("reading everything back");
  const read = await readBack(scene, options.durationMs / 100);
  const { history } = scene.load;
  if (options.history !== undefined) await writeFile(options.history, `${history.map(entryLine).join("\n")}\n`);
  const incidents = await readIncidents(scene.door);
  const outcome: Outcome = { ...read, seed: options.seed, history, healed, incidents };
  if (options.isJson) printJson(outcome);
  else printOutcome(outcome);
  const isPassed = hasPassed(outcome);
  const { durationMs, seed, nodes, natsServers } = options;
  const again = `npm run chaos -- --duration ${durationMs / 1000}s --seed ${seed} --nodes ${nodes} --nats-servers ${natsServers}`;
  say(isPassed ? `passed: nothing acknowledged was lost (seed ${seed})` : `FAILED; again with: ${again}`);
  return isPassed;
}

const options = readOptions(process.argv);
if ("mistake" in options) {
  process.stderr.write(`CONFIG: ${options.mistake}\n`);
  process.exit(1);
}
await runTrial((farewell) => chaos(options, farewell));
