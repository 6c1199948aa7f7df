// Backtest. Owns `foreshard backtest --trace FILE`: the planner and the forecaster that run in the cluster, on a recorded past, against a simulated cluster.
// The cluster begins with no knowledge at all: the first day is told apart.

import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import type { Command } from "commander";
import { FaultError } from "../../cluster/client/index.js";
import { loadHash } from "../../cluster/world/hash.js";
import { intervalOf, type Sample } from "../../src/forecast/replay.js";
import { fault } from "../../src/kernel/fault.js";
import type { Hash } from "../../src/kernel/hash.js";
import { decodePolicy, type Policy } from "../../src/plan/policy.js";
import { createDemand, type Demand, type DemandShape, gapKinds, leadOf, onGrid, shuffled } from "../backtest/demand.js";
import { reportPage } from "../backtest/report.js";
import { live, type RunShape } from "../backtest/run.js";
import { foresay, type Sayings, saidSteps, truthOf } from "../backtest/sayings.js";
import { dayMs, type Outcome } from "../backtest/score.js";
import { listArgument } from "./arguments.js";
import { UsageError } from "./failure.js";
import { write, writeJson, writeTable } from "./output.js";
import { policyChange } from "./policy-fields.js";
import { readTrace } from "./trace-file.js";

const policyNames = ["static", "reactive", "predictive", "oracle"] as const;
type PolicyName = (typeof policyNames)[number];

interface Flags {
  readonly trace?: string;
  readonly series?: string;
  readonly interval?: string;
  readonly gaps: string;
  readonly days: string;
  readonly nodes: string;
  readonly capacity: string;
  readonly fill: string;
  readonly policies: string;
  readonly set: readonly string[];
  readonly fragments?: string;
  readonly groups: string;
  readonly lag: string;
  readonly home: string;
  readonly replicas: string;
  readonly fragmentGib: string;
  readonly reads: string;
  readonly window?: string;
  readonly shuffleDays?: string | true;
  readonly steady?: boolean;
  readonly json?: boolean;
  readonly report?: string;
}

const gib = 2 ** 30;
const mostStaticNodes = 64;
const usualFragments = 48;
const leastIntervalMs = 60_000;

export function addBacktestCommand(program: Command): void {
  program
    .command("backtest")
    .description("try the policies on a recorded past (CSV of timestamp_iso,series,value), against a simulated cluster")
    .option(
      "--trace <files>",
      "the recorded load; several files with commas between them are tenants beside each other, with equal shares",
    )
    .option("--series <names>", "only these series, with commas between them")
    .option("--interval <seconds>", "length of a slot (default: the finest of the traces, at least 60)")
    .option(
      "--gaps <kind>",
      `what a time without rows was, of ${gapKinds.join(", ")}: as before, no load, or no time at all`,
      "hold",
    )
    .option("--days <count>", "only so many days from the beginning", "21")
    .option("--nodes <count>", "nodes", "6")
    .option("--capacity <qps>", "queries per second that a node carries; the trace is scaled to it", "2000")
    .option("--fill <share>", "the peak's share of what all nodes carry together", "0.75")
    .option("--policies <names>", `of ${policyNames.join(", ")}`, policyNames.join(","))
    .option("--set <change...>", "fields of the policy, such as risk=0.1 consolidation.act=true", [])
    .option("--fragments <count>", "fragments that each series falls on (default: 48 in all, at least 4 each)")
    .option("--groups <count>", "client groups of each series", "4")
    .option("--lag <hours>", "hours by which the clients of each group live later than those of the one before", "6")
    .option("--home <share>", "share of each fragment's load that comes from one of the groups", "0.8")
    .option("--replicas <count>", "copies of each fragment", "1")
    .option("--fragment-gib <size>", "GiB of each copy", "10")
    .option("--reads <share>", "share of the load that any copy may answer", "0")
    .option("--window <seconds>", "length of a window and of a round of planning (default: 60, at most a slot)")
    .option("--shuffle-days [seed]", "hours in an order by chance (seed 1 if none is given): nothing can be foreseen")
    .option("--steady", "every series at its mean: nothing should move")
    .option("--json", "as JSON")
    .option("--report <file>", "write a page with plots")

    .action((flags: Flags) => backtest(flags));
}

async function backtest(flags: Flags): Promise<void> {
  if (flags.trace === undefined) throw new UsageError("backtest needs --trace FILE: the recorded load");
  const names = policiesOf(flags.policies);
  const town = townOf(flags);
  const demand = await demandOf(flags.trace, flags, town.nodes * town.capacityQps);
  const windowMs = windowOf(flags, demand);
  const shape: RunShape = { ...town, windowMs };
  const policy = policyFor(demand, windowMs, flags.set);
  const hash = await loadHash();
  const sayings = names.includes("predictive") ? foresayAll(demand, flags.steady === true) : [];
  const outcomes = names.map((name) => liveAs(name, demand, sayings, policy, shape, hash));
  const notes = [...notesOf(outcomes, demand, policy, shape, hash), ...restNotes(outcomes, flags)];
  const setting = settingOf(flags, demand, shape);
  const rows = outcomes.map(rowOf);
  if (flags.report !== undefined) {
    const { capacityQps } = shape;
    await writeFile(flags.report, reportPage({ setting, heads, rows, notes, outcomes, windowMs, capacityQps }));
  }
  clearProgress();
  if (flags.json === true) {
    const policies = outcomes.map(({ windows, ...rest }) => ({ ...rest, windows: windows.length }));
    return writeJson({ setting, policies, notes });
  }
  await write(`${setting}\n\n`);
  await writeTable(heads, rows);
  for (const text of notes) await write(`${text}\n`);
}

function townOf(flags: Flags): Omit<RunShape, "windowMs"> {
  return {
    nodes: number("--nodes", flags.nodes, 1, 1000, true),
    capacityQps: number("--capacity", flags.capacity, 1e-3, 1e9, false),
    replicas: number("--replicas", flags.replicas, 1, 9, true),
    fragmentBytes: number("--fragment-gib", flags.fragmentGib, 0, 1e6, false) * gib,
    spreadShare: number("--reads", flags.reads, 0, 1, false),
  };
}

function settingOf(flags: Flags, demand: Demand, shape: RunShape): string {
  const files = listArgument(flags.trace ?? "").map((path) => basename(path));
  const special = `${flags.shuffleDays === undefined ? "" : ", hours shuffled"}${flags.steady === true ? ", steady" : ""}`;
  return [
    `${files.join(", ")}: ${demand.series.length} series on ${demand.fragments} fragments, ${demand.parts.length} client groups ${flags.lag} h apart`,
    `${shape.nodes} nodes of ${shape.capacityQps} queries/s, peak at ${flags.fill} of them, ${shape.replicas} copies of ${flags.fragmentGib} GiB`,
    `${((demand.slots * demand.intervalMs) / dayMs).toFixed(1)} days in slots of ${demand.intervalMs / 1000} s and windows of ${shape.windowMs / 1000} s${special}`,
  ].join("; ");
}

const heads = [
  "POLICY",
  "VIOLATIONS",
  "FIRST DAY",
  "P99 MS",
  "REFUSED %",
  "COPIES",
  "HAND-OVERS",
  "SPLITS",
  "MERGES",
  "GIB MOVED",
  "MOST/ROUND %",
  "HASTY",
  "NODE-HOURS",
] as const;

function rowOf(outcome: Outcome): string[] {
  return [
    outcome.policy,
    String(outcome.violations),
    String(outcome.firstDayViolations),
    outcome.p99Ms.toFixed(1),
    (outcome.refusedShare * 100).toFixed(3),
    String(outcome.copies),
    String(outcome.handOvers),
    String(outcome.splits),
    String(outcome.merges),
    (outcome.bytes / gib).toFixed(0),
    (outcome.mostMovedShare * 100).toFixed(1),
    String(outcome.hasty),
    outcome.nodeHours.toFixed(0),
  ];
}

interface Named {
  readonly name: string;
  readonly samples: readonly Sample[];
  readonly ownMs: number;
  /** Series that were chosen of one trace share its part of the whole. */
  readonly path: string;
}

async function demandOf(paths: string, flags: Flags, totalQps: number): Promise<Demand> {
  const chosen = await seriesOf(listArgument(paths), flags.series);
  const intervalMs =
    flags.interval === undefined
      ? Math.max(leastIntervalMs, Math.min(...chosen.map(({ ownMs }) => ownMs)))
      : number("--interval", flags.interval, 1, 86_400, true) * 1000;
  const shape: DemandShape = {
    intervalMs,
    fragmentsPerSeries:
      flags.fragments === undefined
        ? Math.max(4, Math.ceil(usualFragments / chosen.length))
        : number("--fragments", flags.fragments, 1, 1024, true),
    groupsPerSeries: number("--groups", flags.groups, 1, 64, true),
    lagMs: number("--lag", flags.lag, 0, 24, false) * 3_600_000,
    homeShare: number("--home", flags.home, 0, 1, false),
  };
  const gaps = gapKinds.find((kind) => kind === flags.gaps);
  if (gaps === undefined)
    throw new UsageError(`--gaps is one of ${gapKinds.join(", ")}, not ${JSON.stringify(flags.gaps)}`);
  const daysSlots = Math.ceil((number("--days", flags.days, 0.1, 36_600, false) * dayMs) / intervalMs);
  const seed = flags.shuffleDays === undefined ? undefined : seedOf(flags.shuffleDays);
  const series = chosen.map(({ name, samples, ownMs, path }, at) => {
    const weight = 1 / chosen.filter((other) => other.path === path).length;
    const grid = { ...onGrid(name, samples, ownMs, intervalMs, gaps, daysSlots + leadOf(shape)), weight };
    if (flags.steady === true) return { ...grid, values: grid.values.map(() => 1) };
    return seed === undefined ? grid : shuffled(grid, intervalMs, seed + at);
  });
  const demand = createDemand(series, shape, totalQps * number("--fill", flags.fill, 0.01, 2, false));
  if (demand.slots >= 2 * saidSteps) return demand;
  const why = `the series share too short a time for a backtest; ${2 * saidSteps} slots beyond the lag of ${leadOf(shape)} are the least`;
  throw new FaultError(fault("BAD_DOCUMENT", `${paths}: ${why}`));
}

function seedOf(given: string | true): number {
  return given === true ? 1 : number("--shuffle-days", given, 0, 1e9, true);
}

async function seriesOf(paths: readonly string[], wanted: string | undefined): Promise<readonly Named[]> {
  const all: Named[] = [];
  for (const path of paths) {
    const trace = await readTrace(path);
    for (const [name, { samples }] of trace) {
      const ownMs = intervalOf(samples, Number.POSITIVE_INFINITY);
      if (ownMs === undefined)
        throw new FaultError(
          fault("BAD_DOCUMENT", `${path}: series ${JSON.stringify(name)} has fewer than two samples`),
        );
      all.push({ name, samples, ownMs, path });
    }
  }
  if (wanted === undefined) return all;
  const names = listArgument(wanted);
  const strange = names.find((name) => !all.some((one) => one.name === name));
  if (strange === undefined) return all.filter(({ name }) => names.includes(name));
  const there = all.slice(0, 8).map(({ name }) => name);
  throw new UsageError(`there is no series ${JSON.stringify(strange)}; there is ${there.join(", ")}`);
}

function windowOf({ window }: Flags, { intervalMs }: Demand): number {
  if (window === undefined) return Math.min(60_000, intervalMs);
  return Math.min(intervalMs, number("--window", window, 1, 3600, false) * 1000);
}

/** As in a cluster, but that rounds and horizon follow the trace. */
/** Of what is said the nearer half is planned for: of slots as long as those of recorded loads the further half is too vague to move data for. */
function policyFor({ intervalMs }: Demand, windowMs: number, changes: readonly string[]): Policy {
  const base = decodePolicy({ roundMs: windowMs, horizonMs: Math.min(dayMs, (saidSteps / 2) * intervalMs) });
  if (!base.ok) throw new FaultError(base.fault);
  const decoded = decodePolicy(changes.length === 0 ? {} : policyChange(changes), base.value);
  if (!decoded.ok) throw new FaultError(decoded.fault);
  return decoded.value;
}

function foresayAll({ series, intervalMs }: Demand, isSteady: boolean): Sayings[] {
  if (isSteady) return series.map(truthOf);
  return series.map((one, at) =>
    foresay(one, intervalMs, (slot) => {
      if (slot % 100 === 0)
        progress(`forecasting series ${at + 1} of ${series.length}: ${Math.round((100 * slot) / one.values.length)} %`);
    }),
  );
}

function liveAs(
  name: PolicyName,
  demand: Demand,
  said: readonly Sayings[],
  policy: Policy,
  shape: RunShape,
  hash: Hash,
): Outcome {
  const mode = name === "oracle" ? "predictive" : name;
  const sayings = name === "oracle" ? demand.series.map(truthOf) : name === "predictive" ? said : undefined;
  const told = (share: number): void => progress(`${name}: ${Math.round(share * 100)} %`);
  return live({ name, demand, sayings, policy: { ...policy, mode }, shape, hash, told });
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${text.padEnd(60)}`);
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${"".padEnd(60)}\r`);
}

function notesOf(outcomes: readonly Outcome[], demand: Demand, policy: Policy, shape: RunShape, hash: Hash): string[] {
  const by = new Map(outcomes.map((outcome) => [outcome.policy, outcome]));
  const [reactive, predictive, oracle] = [by.get("reactive"), by.get("predictive"), by.get("oracle")];
  if (predictive === undefined) return [];
  const notes: string[] = [];
  const fewer = (one: number, other: number): string =>
    other === 0 ? "-" : `${((1 - one / other) * 100).toFixed(1)} %`;
  if (reactive !== undefined)
    notes.push(
      `predictive against reactive: ${fewer(predictive.violations, reactive.violations)} fewer violations; after the first day ${fewer(laterOf(predictive), laterOf(reactive))} fewer (${laterOf(predictive)} against ${laterOf(reactive)})`,
    );
  if (oracle !== undefined) {
    const times =
      oracle.violations === 0 ? "" : `, ${(predictive.violations / oracle.violations).toFixed(2)} times as many`;
    notes.push(`predictive against the oracle: ${predictive.violations} against ${oracle.violations}${times}`);
  }
  const peak = staticPeak(predictive.violations, demand, policy, shape, hash);
  notes.push(
    peak === undefined
      ? `static does not get along with as few violations on any of up to ${mostStaticNodes} nodes`
      : `static needs ${peak.nodes} nodes for as few violations: ${peak.nodeHours.toFixed(0)} node-hours, of which predictive takes ${((100 * predictive.nodeHours) / peak.nodeHours).toFixed(0)} %`,
  );
  return notes;
}

/** Under a steady load: who went on moving after the first day. */
function restNotes(outcomes: readonly Outcome[], { steady }: Flags): string[] {
  if (steady !== true) return [];
  const later = outcomes.map(({ policy, begun }) => `${policy} ${begun.filter(({ atMs }) => atMs >= dayMs).length}`);
  return [`moves and splits begun after the first day: ${later.join(", ")}`];
}

function laterOf({ violations, firstDayViolations }: Outcome): number {
  return violations - firstDayViolations;
}

/** The smallest static cluster with no more violations. */
function staticPeak(
  violations: number,
  demand: Demand,
  policy: Policy,
  shape: RunShape,
  hash: Hash,
): { readonly nodes: number; readonly nodeHours: number } | undefined {
  for (let nodes = 1; nodes <= Math.min(mostStaticNodes, demand.fragments * shape.replicas); nodes++) {
    const fixed = { name: "static", demand, sayings: undefined, policy: { ...policy, mode: "static" as const }, hash };
    const outcome = live({ ...fixed, shape: { ...shape, nodes } });
    if (outcome.violations <= violations) return { nodes, nodeHours: outcome.nodeHours };
  }
  return undefined;
}

function policiesOf(text: string): readonly PolicyName[] {
  const given = listArgument(text);
  const strange = given.find((name) => !policyNames.some((known) => known === name));
  if (strange !== undefined || given.length === 0)
    throw new UsageError(`--policies knows ${policyNames.join(", ")}, not ${JSON.stringify(strange ?? text)}`);
  return policyNames.filter((name) => given.includes(name));
}

function number(name: string, text: string, least: number, most: number, isWhole: boolean): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= least && value <= most && (!isWhole || Number.isInteger(value))) return value;
  throw new UsageError(
    `${name} must be a ${isWhole ? "whole " : ""}number from ${least} to ${most}, not ${JSON.stringify(text)}`,
  );
}
