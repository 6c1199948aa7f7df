// Run. Owns one run from its seed to its verdict: set up in calm, break things under load, heal, look at what is left.
// S1 same seed, same run, same hash. S2 a run passes only when every checker passed, and had enough to judge.

import { defaultTiming } from "../../src/config/limits.js";
import type { Hash } from "../../src/kernel/hash.js";
import { seededRandom } from "../../src/kernel/random.js";
import { subjects } from "../../src/protocol/subjects.js";
import { type Entry, passed, type Verdict } from "../../src/verify/history.js";
import { createWorkload, type WorkloadTable } from "../../src/verify/workload.js";
import type { Cast, Shape } from "./cast.js";
import { damageLeft } from "./check/damage.js";
import { judge } from "./check/judge.js";
import { unsettled } from "./check/replicas.js";
import { type Thrash, ThrashMeter } from "./check/thrash.js";
import { foldLedger, followLedgers } from "./check/views.js";
import { witnessOf } from "./check/witness.js";
import { Clients } from "./clients.js";
import { Faults } from "./faults.js";
import type { Mutant } from "./mutants.js";
import { calmProfile, drawProfile, type FaultKind, narrowed, type Profile } from "./profile.js";
import { Prophet, wildCapacityQps, wildCoolDownMs } from "./prophet.js";
import { Trace } from "./trace.js";
import { Watchers } from "./watchers.js";
import { World } from "./world.js";

export interface RunOptions {
  readonly seed: number;
  /** Virtual seconds under faults. */
  readonly seconds: number;
  readonly nodes: number;
  readonly cast: Cast;
  readonly hash: Hash;
  /** Gets the story line by line. */
  readonly tell?: ((line: string) => void) | undefined;
  /** A planted mistake. */
  readonly mutant?: Mutant | undefined;
  /** No faults at all: the plainest run. */
  readonly calm?: boolean;
  readonly only?: readonly FaultKind[] | undefined;
  /** Leaders plan, by forecasts of a load that jumps about. */
  readonly wild?: boolean | undefined;
}

export interface RunReport {
  readonly seed: number;
  readonly passed: boolean;
  readonly hash: string;
  readonly verdicts: readonly Verdict[];
  readonly events: number;
  readonly operations: number;
  readonly acknowledged: number;
  readonly codes: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  /** Splits and merges that were answered as done. */
  readonly reshaped: Readonly<Record<string, number>>;
  /** Requests of bursts that were refused for want of room. */
  readonly turnedAway: number;
  /** How often a leader died right after a ledger event, by kind of event. */
  readonly leaderCrashes: Readonly<Record<string, number>>;
  /** Who died in which phase of a move, and what became of moves: `strategy phase victim`, `strategy outcome`. */
  readonly moveCrashes: Readonly<Record<string, number>>;
  readonly moveEnds: Readonly<Record<string, number>>;
  /** Of a wild run: what the planner did. */
  readonly thrash: Thrash | undefined;
  readonly virtualS: number;
  readonly realMs: number;
  /** What else the command line must say to run this again. */
  readonly flags: string;
}

export interface Run {
  readonly report: RunReport;
  readonly history: readonly Entry[];
  readonly world: World;
}

/** Longest waits, virtual: for the tables at the start, for the clients' last operations, for replicas to agree. */
export const patience = { tablesMs: 30_000, clientsMs: 30_000, finalMs: 20_000, agreeMs: 20_000 } as const;
const afterFaultsMs = 3_000;
const agreeEveryMs = 1_000;
/** Share of runs whose tables are watched. */
const watchedRuns = 0.5;
/** Operations that even a stormy run must have got through for its checkers to mean something. */
const neededPerSecond = 2;

export function run(options: RunOptions): Run {
  const startedMs = performance.now();
  const trace = new Trace(options.tell);
  const random = seededRandom(options.seed);
  const drawn = options.calm === true ? calmProfile : profileOf(options.seed);
  const profile = narrowed(drawn, options.only);
  const shape = shapeOf(options, random.fork("shape").next(), profile);
  const world = new World({ seed: options.seed, shape, cast: options.cast, trace, tamper: options.mutant?.tamper?.() });
  options.mutant?.prepare?.(world);
  const tables = tablesFor(random.fork("tables").next());
  const workload = createWorkload(random.fork("workload"), {
    tables,
    hot: profile.hotKeys ? 0.6 : 0.1,
    maxStaleMs: 800,
    relaxed: 0.3,
  });
  const clients = new Clients(world, workload, random.fork("clients"), profile.thinkMs);
  const watchers = new Watchers(world, random.fork("watchers"));
  const late: string[] = [];
  const witness = witnessOf(world.log);
  const ledgers = followLedgers(witness, shape.partitions);
  const faults = new Faults(world, profile, random.fork("faults"), workload.finalReads(), tables, ledgers);
  const prophet = options.wild === true ? new Prophet(world, random.fork("prophet"), ledgers) : undefined;
  const jumps = profile.everyS.has("wallJump");
  const meter = prophet && new ThrashMeter(world, wildCoolDownMs, jumps, prophet.isThrifty);
  const fold = () =>
    Array.from({ length: shape.partitions }, (_, partition) => foldLedger(witness, partition, options.hash));

  world.open();
  const made = makeTables(world, tables);
  if (!waitFor(world, patience.tablesMs, () => made.done === tables.length))
    late.push("the tables were not made in time");
  clients.open(6);
  const watched = random.fork("watched").next() < watchedRuns;
  if (watched) watchers.open(tables.map(({ name }) => name));
  faults.start();
  prophet?.start();
  world.clock.runUntil(world.clock.nowMs + options.seconds * 1000);
  faults.stop();
  prophet?.stop();
  trace.note(world.clock.nowMs, "run", "faults end");
  world.clock.runUntil(world.clock.nowMs + afterFaultsMs);
  clients.stop();
  if (!waitFor(world, patience.clientsMs, () => clients.busy === 0))
    late.push("clients were still waiting for answers");
  watchers.stop();
  if (!waitFor(world, patience.clientsMs, () => watchers.busy === 0))
    late.push("change feeds did not come to their ends");
  const finals = { left: 0, failed: 0 };
  for (const plan of workload.finalReads()) {
    finals.left++;
    clients.run(0, plan, (entry) => {
      finals.left--;
      if (entry.ending !== "ok") finals.failed++;
    });
  }
  if (!waitFor(world, patience.finalMs, () => finals.left === 0) || finals.failed > 0)
    late.push(`${finals.left + finals.failed} of the final reads were not answered`);
  let waitsFor: string | undefined;
  for (let spentMs = 0; spentMs < patience.agreeMs; spentMs += agreeEveryMs) {
    waitsFor = unsettled(
      world,
      fold().map(({ view }) => view),
    );
    if (damageLeft(world) > 0) waitsFor ??= "a flipped bit was not found yet";
    if (waitsFor === undefined) break;
    world.clock.runUntil(world.clock.nowMs + agreeEveryMs);
  }
  if (waitsFor !== undefined) late.push(`replicas did not come to agree: ${waitsFor}`);
  const judged = judge({
    world,
    witness,
    folded: fold(),
    history: clients.history,
    hash: options.hash,
    late,
    faults,
    feeds: watchers.feeds,
    watched,
    lateTries: profile.link.duplicate > 0 || profile.link.straggle > 0,
    needed: Math.floor(options.seconds * neededPerSecond),
  });
  const verdicts = meter === undefined ? judged : [...judged, meter.verdict()];
  world.close();
  const report: RunReport = {
    seed: options.seed,
    passed: verdicts.every(passed),
    hash: trace.hash,
    verdicts,
    events: world.clock.steps,
    operations: clients.history.length,
    acknowledged: clients.history.filter((entry) => entry.ending === "ok").length,
    codes: Object.fromEntries(clients.codes),
    faults: Object.fromEntries(faults.counts),
    reshaped: Object.fromEntries(faults.reshaped),
    turnedAway: faults.turnedAway,
    leaderCrashes: Object.fromEntries(faults.leaderCrashes),
    moveCrashes: Object.fromEntries(faults.moveCrashes.counts),
    moveEnds: Object.fromEntries(faults.moveCrashes.ends),
    thrash: meter?.score,
    virtualS: Math.round(world.clock.nowMs / 1000),
    realMs: Math.round(performance.now() - startedMs),
    flags: flagsOf(options),
  };
  return { report, history: clients.history, world };
}

/** How hard the run of a seed is. */
export function profileOf(seed: number): Profile {
  return drawProfile(seededRandom(seed).fork("profile"));
}

function flagsOf({ seconds, nodes, calm, only, wild }: RunOptions): string {
  const flags = [`--seconds ${seconds}`, `--nodes ${nodes}`];
  if (calm === true) flags.push("--calm");
  if (wild === true) flags.push("--wild");
  if (only !== undefined) flags.push(`--only ${only.join(",")}`);
  return flags.join(" ");
}

/** Runs the world until `met`, at most `withinMs`; says whether it was met. */
export function waitFor(world: World, withinMs: number, met: () => boolean): boolean {
  world.clock.runUntil(world.clock.nowMs + withinMs, met);
  return met();
}

function shapeOf({ nodes, wild }: RunOptions, draw: number, { copy }: Profile): Shape {
  return {
    nodes,
    routers: 2,
    control: 3,
    partitions: draw < 0.3 ? 2 : 1,
    logGroups: 2,
    timing: defaultTiming,
    copyBounds: copy,
    snapshotEvery: 12,
    logRetainBytes: 24 * 1024,
    logTailKept: 20,
    routerRequests: 60,
    ceilingQps: wild === true ? wildCapacityQps : undefined,
  };
}

function tablesFor(draw: number): readonly WorkloadTable[] {
  const few = draw < 0.5;
  return [
    { name: "users", partitioning: "hash", partitions: few ? 3 : 8, sorts: few ? 3 : 6 },
    { name: "events", partitioning: "range", partitions: few ? 8 : 40, sorts: 0 },
  ];
}

function makeTables(world: World, tables: readonly WorkloadTable[]): { done: number } {
  const made = { done: 0 };
  for (const table of tables) {
    const body = {
      name: table.name,
      partitioning: table.partitioning,
      key: table.sorts === 0 ? { partition: "number" } : { partition: "string", sort: "number" },
      ...(table.partitioning === "hash" ? { fragments: 3 } : { splitAt: [Math.floor(table.partitions / 2)] }),
      replicas: 3,
      deadlineMs: 5000,
    };
    const ask = (): void =>
      world.network.ask("u0", subjects.cluster("createTable"), body, 6000, (outcome) => {
        const answer = outcome.kind === "answer" ? outcome.body : undefined;
        const text = JSON.stringify(answer ?? outcome.kind);
        world.options.trace.say(world.clock.nowMs, `u0 createTable ${table.name}: ${text}`);
        const there =
          typeof answer === "object" && answer !== null && (!("fault" in answer) || text.includes("TABLE_EXISTS"));
        if (there) made.done++;
        else world.clock.after(500, ask);
      });
    world.clock.after(200, ask);
  }
  return made;
}
