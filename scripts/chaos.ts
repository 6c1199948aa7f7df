#!/usr/bin/env node
// Chaos. Owns one run of the whole promise: a cluster of its own in processes, a seeded load, seeded kills, and a judgement of every answer.
// It exits 0 only when nothing acknowledged was lost, every check passed, and everything was answered again after every fault.

import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { loadHash } from "../cluster/world/hash.js";
import { type Random, seededRandom } from "../src/kernel/random.js";
import { entryLine } from "../src/verify/history.js";
import { createWorkload } from "../src/verify/workload.js";
import { carryOutFault, createFaultPlan, type PlannedBlow } from "./chaos/faults.js";
import { type ChaosOptions, readOptions } from "./chaos/options.js";
import { type Healed, hasPassed, type Outcome, printJson, printOutcome } from "./chaos/report.js";
import { createTables, receiptTable, workTables } from "./chaos/tables.js";
import { countOf, judgeHistory, lostRows } from "./chaos/verdicts.js";
import { type Door, openDoor } from "./live/door.js";
import { type Farewell, runTrial } from "./live/farewell.js";
import { say, secondsText } from "./live/figures.js";
import { openLibraryDoor } from "./live/library-door.js";
import { Load } from "./live/load.js";
import { probeKeys, readIncidents, readViews } from "./live/locations.js";
import { Prober } from "./live/prober.js";
import { Receipts } from "./live/receipts.js";
import { TrialCluster } from "./live/trial-cluster.js";

const fragmentsPerTable = 6;
const recoveryLimitMs = 45_000;
const firstBlowMs = 2_000;

interface Run {
  readonly cluster: TrialCluster;
  readonly door: Door;
  readonly load: Load;
  readonly receipts: Receipts;
  readonly prober: Prober;
  readonly healed: Healed[];
}

async function chaos(options: ChaosOptions, farewell: Farewell): Promise<boolean> {
  const random = seededRandom(options.seed);
  const { nodes, natsServers } = options;
  const cluster = await TrialCluster.prepare(farewell, {
    nodes,
    natsServers,
    isolation: "processes",
    restart: "always",
  });
  await cluster.start();
  say(
    `cluster of ${nodes} nodes and ${natsServers} nats-server(s) ready in ${secondsText(cluster.readyMs)}, seed ${options.seed}`,
  );

  const door = await openDoor(cluster.ready);
  farewell.later(() => door.close());
  await createTables(door, fragmentsPerTable);
  const load = await startLoad(cluster, door, random, options, farewell);
  const receipts = new Receipts(door, { table: receiptTable, writers: 3, rowsPerRequest: 1, thinkMs: 5 });
  receipts.start();
  const run: Run = { cluster, door, load, receipts, prober: await startProber(cluster, door, farewell), healed: [] };

  await breakThings(run, options, random.fork("faults"));
  await Promise.all([load.stop(), receipts.stop(), run.prober.stop()]);
  return judge(options, run);
}

async function startLoad(
  cluster: TrialCluster,
  door: Door,
  random: Random,
  { clients }: ChaosOptions,
  farewell: Farewell,
): Promise<Load> {
  const library = await openLibraryDoor(cluster.ready);
  farewell.later(() => library.close());
  const workload = createWorkload(random.fork("workload"), {
    tables: workTables,
    hot: 0.1,
    maxStaleMs: 2_000,
    relaxed: 0.25,
  });
  const load = new Load([door, library], workload, random.fork("think"), { clients, thinkMs: 15 });
  load.start();
  return load;
}

async function startProber(cluster: TrialCluster, door: Door, farewell: Farewell): Promise<Prober> {
  const keys = probeKeys(await readViews(door), await loadHash());
  const probeDoor = await openDoor(cluster.ready, "foreshard-trial-prober");
  farewell.later(() => probeDoor.close());
  const prober = new Prober(probeDoor, keys);
  prober.start();
  return prober;
}

async function breakThings(run: Run, { durationMs, faults }: ChaosOptions, random: Random): Promise<void> {
  const plan = createFaultPlan(random, faults);
  const beganMs = performance.now();
  const tell = (line: string): void => say(`${secondsText(performance.now() - beganMs).padStart(8)}  ${line}`);
  await sleep(firstBlowMs);
  while (performance.now() < beganMs + durationMs) {
    const blow = plan.next();
    await sleep(blow.afterMs);
    const struck = await strike(run, blow);
    if (struck === undefined) continue;
    tell(struck.words);
    const { recoveredMs, fragments, slowest } = await run.prober.recovery(struck.atMs, recoveryLimitMs);
    run.healed.push({ blow: blow.faults.map(({ kind }) => kind).join(" + "), recoveredMs });
    const acknowledged = countOf(run.load.history, true).acknowledged + run.receipts.acknowledged();
    const answered =
      recoveredMs === undefined
        ? `NOT answered again: ${slowest}`
        : `all ${fragments} fragments answered again after ${secondsText(recoveredMs)}, last the ${slowest}`;
    tell(`${answered}; ${acknowledged} writes acknowledged so far`);
    if (run.cluster.hasEnded()) throw new Error(`the cluster ended:\n${await run.cluster.lastWords()}`);
  }
}

/** `atMs`: when the last part was killed, or the first was frozen. */
async function strike(run: Run, blow: PlannedBlow): Promise<{ words: string; atMs: number } | undefined> {
  const words: string[] = [];
  let atMs = performance.now();
  for (const fault of blow.faults) {
    const beganMs = performance.now();
    const done = await carryOutFault(run.cluster, run.door, fault);
    if (done === undefined) continue;
    atMs = fault.kind === "pause" ? beganMs : performance.now();
    words.push(done);
  }
  return words.length === 0 ? undefined : { words: words.join(", then "), atMs };
}

async function judge(options: ChaosOptions, run: Run): Promise<boolean> {
  say("reading everything back");
  const finalReads = await run.load.finalReads();
  const { history } = run.load;
  if (options.history !== undefined) await writeFile(options.history, `${history.map(entryLine).join("\n")}\n`);
  const receipts = await run.receipts.compare();
  say(`judging ${history.length} operations`);
  const outcome: Outcome = {
    seed: options.seed,
    history,
    receipts,
    verdicts: judgeHistory(history, options.durationMs / 100),
    lost: lostRows(history, finalReads),
    healed: run.healed,
    incidents: await readIncidents(run.door),
  };
  if (options.isJson) printJson(outcome);
  else printOutcome(outcome);
  const isPassed = hasPassed(outcome);
  const again = `npm run chaos -- --duration ${options.durationMs / 1000}s --seed ${options.seed} --nodes ${options.nodes} --nats-servers ${options.natsServers}`;
  say(isPassed ? `passed: nothing acknowledged was lost (seed ${options.seed})` : `FAILED; again with: ${again}`);
  return isPassed;
}

const options = readOptions(process.argv);
if ("mistake" in options) {
  process.stderr.write(`CONFIG: ${options.mistake}\n`);
  process.exit(1);
}
await runTrial((farewell) => chaos(options, farewell));
