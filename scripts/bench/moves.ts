#!/usr/bin/env node
// Bench of moves. Owns the figures of "nobody notices": one fragment under a closed-loop load is moved by each strategy, and what its clients notice is
// held against the same load just before it, without a move.
// M1 with and without a move are measured in the same round, for the same time. M2 the cluster is real: each host a process, every write synced.

import { setTimeout as sleep } from "node:timers/promises";
import { Command, InvalidArgumentError, Option } from "commander";
import { type Client, connect, type MoveInfo } from "../../cluster/client/index.js";
import { type Strategy, strategies } from "../../src/ledger/move.js";
import { type Farewell, runTrial } from "../live/farewell.js";
import { loadAverage, median, publish, say } from "../live/figures.js";
import { TrialCluster } from "../live/trial-cluster.js";
import { endOf, type Phase, phasesOf } from "./moves/ends.js";
import { connectAll, type Stretch, Writers } from "./moves/writers.js";

interface Choice {
  readonly json?: true;
  readonly rounds: number;
  readonly seconds: number;
  readonly clients: number;
  readonly connections: number;
  readonly rows: number;
  readonly bytes: number;
  readonly think: number;
  readonly only?: Strategy;
}

interface Round {
  readonly strategy: Strategy;
  readonly round: number;
  readonly still: Stretch;
  readonly moved: Stretch;
  readonly moveMs: number;
  /** By the wall clock. */
  readonly startedMs: number;
  readonly phases: readonly Phase[];
  /** In which phase the longest gap began. */
  readonly gapIn: string;
  readonly outcome: string;
  /** Why it was not done. */
  readonly why: string;
  readonly load: number;
}

const table = "moving";

async function moves(choice: Choice, farewell: Farewell): Promise<boolean> {
  const cluster = await TrialCluster.prepare(farewell, {
    nodes: 4,
    natsServers: 1,
    isolation: "processes",
    restart: "always",
  });
  await cluster.start();
  const operator = await connect(cluster.ready.natsUrl);
  farewell.later(() => operator.close());
  await operator.admin.createTable({ name: table, fragments: 1, replicas: 2 });
  const libraries = await connectAll(choice.connections, [cluster.ready.natsUrl]);
  for (const library of libraries) farewell.later(() => library.close());
  const writers = new Writers(libraries, table, { ...choice, valueBytes: choice.bytes, thinkMs: choice.think });
  await writers.fill();
  writers.start();
  await sleep(1000);
  const rounds: Round[] = [];
  for (let round = 1; round <= choice.rounds; round++)
    for (const strategy of strategies) {
      if (choice.only !== undefined && choice.only !== strategy) continue;
      const one = await measure(operator, writers, strategy, round, choice.seconds * 1000);
      rounds.push(one);
      tell(one);
    }
  await writers.stop();
  const { acknowledged, lost } = await writers.lost();
  await cluster.stop();
  for (const line of writers.why) say(`failed: ${line}`);
  report(choice, rounds, acknowledged, lost);
  const failed = rounds.reduce((sum, { still, moved }) => sum + still.failed + moved.failed, 0) + writers.why.length;
  return lost === 0 && failed === 0 && acknowledged > 0 && rounds.every(({ outcome }) => outcome === "done");
}

async function measure(
  operator: Client,
  writers: Writers,
  strategy: Strategy,
  round: number,
  forMs: number,
): Promise<Round> {
  const to = await destination(operator, strategy);
  const stillMs = performance.now();
  await sleep(forMs);
  const beganMs = performance.now();
  const move = await operator.admin.move({ ...to, strategy, why: "bench" });
  const ended = await endOf(operator, move);
  const moveMs = (ended.endedMs ?? 0) - ended.startedMs;
  await sleep(Math.max(0, beganMs + forMs - performance.now()));
  const moved = writers.between(beganMs, beganMs + Math.max(forMs, moveMs + 500));
  const gapAtMs = performance.timeOrigin + moved.gap.atMs;
  return {
    strategy,
    round,
    still: writers.between(stillMs, beganMs),
    moved,
    moveMs,
    startedMs: ended.startedMs,
    phases: phasesOf(ended),
    gapIn: `${phaseAt(ended, gapAtMs)} ${(gapAtMs - ended.startedMs).toFixed(0)} ms after the order`,
    outcome: ended.outcome ?? "",
    why: ended.outcome === "done" ? "" : (ended.end ?? ""),
    load: loadAverage(),
  };
}

async function destination(
  operator: Client,
  strategy: Strategy,
): Promise<{ readonly table: string; readonly fragment: number; readonly to: string }> {
  const [fragment] = await operator.cluster.fragments(table);
  if (fragment === undefined) throw new Error("the table has no fragment");
  const held = fragment.replicas.map(({ node }) => node);
  const { nodes } = await operator.cluster.nodes();
  const free = nodes.map(({ id }) => id).filter((id) => !held.includes(id));
  const to = strategy === "leader-only" ? held.find((node) => node !== fragment.primary) : free[0];
  if (to === undefined) throw new Error("there is no node to move to");
  return { table, fragment: fragment.id, to };
}

function phaseAt({ phases, endedMs = 0 }: MoveInfo, atMs: number): string {
  if (atMs >= endedMs) return "after it,";
  return phases.filter((one) => one.atMs <= atMs).at(-1)?.phase ?? "before it,";
}

function tell({ strategy, round, still, moved, moveMs, phases, gapIn, outcome, why }: Round): void {
  const steps = phases.map(({ phase, ms }) => `${phase} ${ms}`).join(", ");
  say(
    `${strategy} ${round}: ${outcome}${why === "" ? "" : ` (${why})`} in ${moveMs} ms (${steps}); gap ${ms(still.gap.ms)} → ${ms(moved.gap.ms)} (${gapIn}); p99 ${ms(still.p99Ms)} → ${ms(moved.p99Ms)}`,
  );
}

function report(choice: Choice, rounds: readonly Round[], acknowledged: number, lost: number): void {
  const names = strategies.filter((strategy) => rounds.some((round) => round.strategy === strategy));
  const lines = names.map((strategy) =>
    line(
      strategy,
      rounds.filter((round) => round.strategy === strategy),
    ),
  );
  publish(
    choice.json === true,
    [
      "strategy",
      "operations",
      "failed",
      "p99 still",
      "p99 moving",
      "ratio (1.5)",
      "gap still",
      "gap moving (50 ms)",
      "phases, ms",
    ],
    [
      ...lines.map((one) => [
        one.strategy,
        one.operations,
        one.failed,
        ms(one.p99StillMs),
        ms(one.p99MovingMs),
        one.p99Ratio.toFixed(2),
        `${ms(one.gapStillMs)} (${one.gapsStillMs.map(whole).join(", ")})`,
        `${ms(one.gapMovingMs)} (${one.gapsMovingMs.map(whole).join(", ")})`,
        one.phases.map(({ phase, ms }) => `${phase} ${whole(ms)}`).join(", "),
      ]),
      ["lost", `${lost} of ${acknowledged}`, "", "", "", "", "", "", ""],
    ],
    { lines, rounds, acknowledged, lost },
  );
}

/** Medians over the rounds of one strategy. */
function line(strategy: Strategy, rounds: readonly Round[]) {
  const of = (pick: (round: Round) => number): number => median(rounds.map(pick)) ?? Number.NaN;
  const first = rounds[0]?.phases ?? [];
  return {
    strategy,
    operations: rounds.reduce((sum, { still, moved }) => sum + still.operations + moved.operations, 0),
    failed: rounds.reduce((sum, { still, moved }) => sum + still.failed + moved.failed, 0),
    p50StillMs: of(({ still }) => still.p50Ms),
    p50MovingMs: of(({ moved }) => moved.p50Ms),
    p99StillMs: of(({ still }) => still.p99Ms),
    p99MovingMs: of(({ moved }) => moved.p99Ms),
    p99Ratio: of(({ still, moved }) => moved.p99Ms / still.p99Ms),
    gapStillMs: of(({ still }) => still.gap.ms),
    gapMovingMs: of(({ moved }) => moved.gap.ms),
    gapsStillMs: rounds.map(({ still }) => still.gap.ms),
    gapsMovingMs: rounds.map(({ moved }) => moved.gap.ms),
    moveMs: of(({ moveMs }) => moveMs),
    load: of(({ load }) => load),
    phases: first.map(({ phase }, at) => ({ phase, ms: of(({ phases }) => phases[at]?.ms ?? Number.NaN) })),
  };
}

function ms(number: number): string {
  return `${number.toFixed(1)} ms`;
}

function whole(number: number): string {
  return number.toFixed(0);
}

function positive(text: string): number {
  const number = Number(text);
  if (!Number.isFinite(number) || number <= 0) throw new InvalidArgumentError("a number above 0 is needed");
  return number;
}

function notNegative(text: string): number {
  return text === "0" ? 0 : positive(text);
}

const command = new Command("bench:moves")
  .description("Moves one fragment under a closed-loop load, by each strategy, and prints what its clients notice.")
  .option("--json", "print the figures as JSON")
  .option("--rounds <count>", "how often each strategy is measured", positive, 5)
  .option("--seconds <seconds>", "how long each measurement lasts, without a move and with one", positive, 3)
  .option("--clients <count>", "callers, each waiting for its answer", positive, 8)
  .option("--connections <count>", "connections that they share", positive, 4)
  .option("--rows <count>", "rows of the fragment", positive, 20_000)
  .option("--bytes <count>", "bytes of each row's value", positive, 200)
  .option("--think <ms>", "pause of a caller between two operations", notNegative, 2)
  .addOption(new Option("--only <strategy>", "one strategy only").choices([...strategies]))
  .allowExcessArguments(false)
  .parse();
await runTrial((farewell) => moves(command.opts<Choice>(), farewell));
