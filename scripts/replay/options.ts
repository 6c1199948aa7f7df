// Options. Owns what a person may choose of a replay, and how traces become the demand of it.

import { basename } from "node:path";
import { Command } from "commander";
import type { PolicyMode } from "../../src/plan/policy.js";
import { policyModes } from "../../src/plan/policy.js";
import { readTrace } from "../cli/trace-file.js";
import { rowsPerFragment } from "./callers.js";
import { createDemand, type Demand } from "./demand.js";
import { type OnGrid, onGrid, shuffled } from "./recorded.js";
import type { TrialWish } from "./trial.js";

export interface Choice {
  readonly traces: readonly string[];
  readonly series: number;
  readonly speed: number;
  readonly policies: readonly PolicyMode[];
  readonly nodes: number;
  readonly replicas: number;
  readonly ceiling: number;
  readonly fill: number;
  /** Undefined: so many that all series together have enough to be spread. */
  readonly fragments: number | undefined;
  readonly regions: number;
  readonly lagHours: number;
  readonly hours: number;
  readonly warmHours: number;
  readonly pastDays: number;
  readonly startDay: number;
  readonly writes: number;
  readonly fragmentMib: number;
  readonly copyRate: number;
  readonly seed: number;
  readonly shuffle: boolean;
  /** Planners may split fragments. */
  readonly splits: boolean;
  readonly isJson: boolean;
  readonly report: string | undefined;
  readonly images: string | undefined;
}

export interface Staged {
  readonly names: readonly string[];
  readonly demand: Demand;
  readonly wish: TrialWish;
  /** For people: how the traces were read. */
  readonly notes: readonly string[];
}

const hourMs = 3_600_000;
/** Recorded time of one sample: with the trace's days at this pace, a sample interval is what ten seconds are otherwise. */
const samplesPerDay = 720;
const leastSampleMs = 100;

export function choose(): Choice {
  const command = new Command("replay")
    .description(
      "Replays recorded loads at speed against real clusters, one for each policy, and prints what the clients of each saw: the same queries, the same nodes.",
    )
    .requiredOption(
      "--trace <file...>",
      "CSV files with timestamp_iso,series,value; several: tenants beside each other",
    )
    .option("--speed <times>", "how many times faster than recorded", "600")
    .option("--policies <names>", `with commas: ${policyModes.join(", ")}`, "static,reactive,predictive")
    .option("--nodes <count>", "of each cluster", "3")
    .option("--ceiling <queries>", "queries per second that each node lets in", "120")
    .option("--fill <share>", "of all ceilings, that the peak of all together fills", "0.6")
    .option("--hours <count>", "recorded time that is judged", "48")
    .option("--warm-hours <count>", "recorded time before that, in which the forecaster reads the past", "12")
    .option("--past-days <count>", "recorded time before that, written into FORESHARD_LOAD as history", "7")
    .option("--start-day <count>", "of the trace, at which the queries begin", "0")
    .option("--series <count>", "of each trace, at most", "4")
    .option("--fragments <count>", "of each series (default: 12 in all, at least 4 each)")
    .option("--regions <count>", "client groups of each series, in time zones of their own", "4")
    .option("--lag-hours <count>", "between one region and the next", "6")
    .option("--replicas <count>", "copies of each fragment", "1")
    .option("--fragment-mib <size>", "of each fragment", "4")
    .option("--copy-rate <MiB/s>", "copies go at most so fast: data has its weight", "1")
    .option("--writes <share>", "of the queries", "0.1")
    .option("--seed <number>", "draws the queries", "1")
    .option("--shuffle", "the hours of the traces in an order by chance: nothing can be foreseen")
    .option("--splits", "planners may split fragments (default: they stay as they are)")
    .option("--json", "print the figures as JSON")
    .option("--report <file>", "write a page with plots there")
    .option("--images <folder>", "write the plots there as SVG files")
    .allowExcessArguments(false)
    .parse();
  const given = command.opts<
    Record<string, string> & { trace: string[]; shuffle?: true; splits?: true; json?: true }
  >();
  const number = (name: string, least: number, most: number, isWhole = false): number => {
    const value = Number(given[name]);
    if (value >= least && value <= most && (!isWhole || Number.isInteger(value))) return value;
    return refuse(
      `--${kebab(name)} must be ${isWhole ? "a whole number" : "a number"} from ${least} to ${most}, not ${given[name]}`,
    );
  };
  const policies = String(given.policies).split(",");
  const isMode = (name: string): name is PolicyMode => policyModes.some((mode) => mode === name);
  const known = policies.filter(isMode);
  if (known.length < policies.length || known.length === 0)
    refuse(`--policies must be of ${policyModes.join(", ")}, with commas between them, not ${given.policies}`);
  const replicas = number("replicas", 1, 9, true);
  const nodes = number("nodes", 1, 16, true);
  if (replicas > nodes) refuse(`--replicas is ${replicas} with --nodes ${nodes}: choose at most as many`);
  return {
    traces: given.trace,
    series: number("series", 1, 32, true),
    speed: number("speed", 1, 864),
    policies: known,
    nodes,
    replicas,
    ceiling: number("ceiling", 10, 100_000),
    fill: number("fill", 0.01, 3),
    fragments: given.fragments === undefined ? undefined : number("fragments", 1, 64, true),
    regions: number("regions", 1, 24, true),
    lagHours: number("lagHours", 0, 24),
    hours: number("hours", 0.1, 24 * 365),
    warmHours: number("warmHours", 0, 24 * 7),
    pastDays: number("pastDays", 0, 30),
    startDay: number("startDay", 0, 10_000),
    writes: number("writes", 0, 1),
    fragmentMib: number("fragmentMib", 0.1, 64),
    copyRate: number("copyRate", 1, 10_000, true),
    seed: number("seed", 0, 2 ** 31, true),
    shuffle: given.shuffle === true,
    splits: given.splits === true,
    isJson: given.json === true,
    report: given.report,
    images: given.images,
  };
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function refuse(why: string): never {
  process.stderr.write(`CONFIG: ${why}\n`);
  process.exit(1);
}

/** Reads the traces and lays out the time: past, warm-up, judged. */
export async function stage(choice: Choice): Promise<Staged> {
  const grids: OnGrid[] = [];
  for (const path of choice.traces) {
    const chosen = [...(await readTrace(path))].slice(0, choice.series);
    for (const [name, { samples }] of chosen) {
      const title = `${basename(path).replace(/\.csv$/, "")}/${name}`;
      grids.push({ ...onGrid(title, samples), weight: 1 / chosen.length });
    }
  }
  const used = choice.shuffle ? grids.map((grid, at) => shuffled(grid, choice.seed + at)) : grids;
  const lagMs = choice.lagHours * hourMs;
  const leadMs = choice.pastDays * 24 * hourMs + (choice.regions - 1) * lagMs;
  const fromMs = Math.max(choice.startDay * 24 * hourMs, leadMs);
  const toMs = fromMs + (choice.warmHours + choice.hours) * hourMs;
  for (const { name, intervalMs, values } of used)
    if (values.length * intervalMs < toMs)
      refuse(
        `${name} has ${daysText(values.length * intervalMs)}, and ${daysText(toMs)} are wanted: choose fewer --hours, --past-days or --start-day`,
      );
  const demand = createDemand(used, {
    fragmentsPerSeries: choice.fragments ?? Math.max(leastFragments, Math.ceil(usualFragments / used.length)),
    regions: choice.regions,
    lagMs,
    peakQps: choice.nodes * choice.ceiling * choice.fill,
    fromMs: fromMs - choice.pastDays * 24 * hourMs,
    toMs,
  });
  return {
    names: used.map(({ name }) => name),
    demand,
    wish: wishOf(choice, demand, fromMs),
    notes: used.flatMap(noteOf),
  };
}

function wishOf(choice: Choice, demand: Demand, fromMs: number): TrialWish {
  const { speed, nodes, replicas, ceiling, seed } = choice;
  const sampleMs = Math.max(leastSampleMs, Math.round(86_400_000 / samplesPerDay / speed));
  return {
    demand,
    nodes,
    replicas,
    ceiling,
    writeShare: choice.writes,
    rowBytes: Math.round((choice.fragmentMib * 1024 * 1024) / rowsPerFragment),
    copyRate: choice.copyRate,
    seed,
    speed,
    sampleMs,
    fromMs,
    pastMs: (choice.pastDays * 24 * hourMs) / speed,
    warmMs: Math.ceil((choice.warmHours * hourMs) / speed / 1000) * 1000,
    judgedMs: Math.ceil((choice.hours * hourMs) / speed / 1000) * 1000,
    policy: { ...policyAt(sampleMs), splits: choice.splits },
    page: "off",
  };
}

const usualSampleMs = 10_000;
/** With fewer pieces nobody can fill nodes evenly, whatever is foreseen. */
const usualFragments = 12;
const leastFragments = 4;

/** The planner's times stand to the sample interval as they do by default. Fragments stay as they are: their number is part of the setting. */
export function policyAt(sampleMs: number): Readonly<Record<string, unknown>> {
  const scale = sampleMs / usualSampleMs;
  return {
    roundMs: Math.max(100, Math.round(10_000 * scale)),
    horizonMs: Math.max(1000, Math.round(hourMs * scale)),
    coolDownMs: Math.round(600_000 * scale),
    splitCoolDownMs: Math.round(300_000 * scale),
    splits: false,
  };
}

function daysText(ms: number): string {
  return `${(ms / 24 / hourMs).toFixed(1)} days`;
}

function noteOf({ name, isByRow }: OnGrid): string[] {
  return isByRow
    ? [`${name} stands still for more than a third of its time: its rows are read one after the other, without that`]
    : [];
}
