// Simulate. Owns the command `npm run simulate`: one seed with its story, or many on all cores.
//   -- --seed N [--trace]          one run        -- --seeds A..B        many, on all cores
//   --seconds 60  --nodes 5        size of a run  --json                 for machines
//   --mutants [names]              plants each mistake and shows the first seed that catches it
//   --coverage                     fails if somebody's death in some phase of a move was not met by these seeds
//   --minimise                     finds fewer faults and less time with which a seed still fails
//   --wild                         leaders plan, by forecasts of a load that jumps about; what they moved is told
//   --calm   --only crashNode,…    narrows a failing seed's faults       --history FILE    the clients' history as JSON lines

import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { loadHash } from "../../cluster/world/hash.js";
import { describe, passed } from "../../src/verify/history.js";
import { entryLine } from "../../src/verify/history-file.js";
import { realCast } from "./actors.js";
import type { Thrash } from "./check/thrash.js";
import { coverage } from "./move-cells.js";
import { type Mutant, mutants } from "./mutants.js";
import { allFaults, type FaultKind } from "./profile.js";
import { profileOf, type RunReport, run } from "./run.js";

interface Options {
  readonly seed?: number;
  readonly seeds?: readonly [number, number];
  readonly seconds: number;
  readonly nodes: number;
  readonly jobs: number;
  readonly json?: boolean;
  readonly trace?: boolean;
  readonly calm?: boolean;
  readonly wild?: boolean;
  readonly only?: readonly FaultKind[];
  readonly history?: string;
  readonly mutants?: readonly Mutant[] | true;
  readonly mutant?: Mutant;
  /** Set on the children of a run over many seeds: which share of them is theirs. */
  readonly untilFailure?: boolean;
  readonly minimise?: boolean;
  readonly coverage?: boolean;
  readonly share?: readonly [number, number];
}

const shownViolations = 5;
const shortestS = 3;
const progressEveryMs = 30_000;
/** Seeds after which a mistake that nobody noticed means that the checkers are blind. */
const mostMutantSeeds = 500;

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError("a whole number, please");
  return value;
}

function pair(mark: string): (text: string) => readonly [number, number] {
  return (text) => {
    const [from = "", to = ""] = text.split(mark);
    const range = [whole(from), whole(to)] as const;
    if (from === "" || to === "") throw new InvalidArgumentError(`two whole numbers with ${mark} between them, please`);
    return range;
  };
}

function faultKinds(text: string): readonly FaultKind[] {
  return text.split(",").map((word) => {
    const kind = allFaults.find((one) => one === word);
    if (kind === undefined) throw new InvalidArgumentError(`faults are ${allFaults.join(", ")}`);
    return kind;
  });
}

function mutantNames(text: string): readonly Mutant[] {
  return text.split(",").map((word) => {
    const mutant = mutants.find(({ name }) => name === word);
    if (mutant === undefined)
      throw new InvalidArgumentError(`mistakes are ${mutants.map(({ name }) => name).join(", ")}`);
    return mutant;
  });
}

const program = new Command("simulate")
  .description("Runs the whole cluster in a simulated world: one seed, one run.")
  .option("--seed <n>", "one run of this seed", whole)
  .option("--seeds <a..b>", "every seed from a to b, both included", pair(".."))
  .option("--seconds <n>", "virtual seconds under faults", whole, 60)
  .option("--nodes <n>", "nodes", whole, 5)
  .option("--jobs <n>", "processes at once", whole, availableParallelism())
  .option("--json", "one line of JSON per run")
  .option("--trace", "tell the story of the run")
  .option("--calm", "no faults")
  .option("--wild", "leaders plan, by forecasts of a load that jumps about")
  .option("--only <kinds>", "only these of the seed's faults", faultKinds)
  .option("--history <file>", "write the clients' history as JSON lines")
  .option("--mutants [names]", "plant each mistake, or only these; show the first seed that catches each", mutantNames)
  .option("--mutant <name>", "plant one mistake", (text) => mutantNames(text)[0])
  .option("--minimise", "of a seed that fails, find fewer faults and less time that still fail")
  .option("--coverage", "of many seeds, fail if no source, destination or leader died in some phase of a move")
  .option("--until-failure", "stop at the first seed that fails")
  .option("--share <i/n>", "of many seeds, only those that leave i when divided by n", pair("/"));

const options = program.parse().opts<Options>();
if (options.minimise === true) await minimise(options);
else if (options.mutants !== undefined) await runMutants(options, options.mutants === true ? mutants : options.mutants);
else if (options.seeds !== undefined && options.share === undefined) await runMany(options, options.seeds);
else if (options.seeds !== undefined && options.share !== undefined)
  await runShare(options, options.seeds, options.share);
else await runShare(options, [options.seed ?? 1, options.seed ?? 1], [0, 1]);

async function runShare(options: Options, [from, to]: readonly [number, number], share: readonly [number, number]) {
  const hash = await loadHash();
  const cast = realCast(hash);
  const { seconds, nodes, calm = false, only, mutant, wild } = options;
  const tell = options.trace === true ? (line: string) => process.stdout.write(`${line}\n`) : undefined;
  for (const seed of inOrder(from, to, mutant)) {
    if ((seed - from) % share[1] !== share[0]) continue;
    const { report, history } = run({ seed, seconds, nodes, cast, hash, tell, calm, only, mutant, wild });
    if (options.history !== undefined) writeFileSync(options.history, `${history.map(entryLine).join("\n")}\n`);
    process.stdout.write(`${options.json === true ? JSON.stringify(report) : story(report)}\n`);
    if (report.passed) continue;
    process.exitCode = 1;
    if (options.untilFailure === true) return;
  }
}

/** Leaves out one kind of fault after the other, then time, as long as the run still fails. */
async function minimise(options: Options): Promise<void> {
  const hash = await loadHash();
  const cast = realCast(hash);
  const { nodes, mutant, wild, seed = 1 } = options;
  const attempt = (only: readonly FaultKind[], seconds: number): RunReport =>
    run({ seed, seconds, nodes, cast, hash, only, mutant, wild }).report;
  let only = options.only ?? [...profileOf(seed).everyS.keys()];
  let { seconds } = options;
  let last = attempt(only, seconds);
  const keep = (report: RunReport): boolean => {
    process.stdout.write(`${report.passed ? "passes" : "fails "}  ${report.flags}\n`);
    if (!report.passed) last = report;
    return !report.passed;
  };
  if (!keep(last)) return;
  for (const kind of [...only]) {
    const fewer = only.filter((one) => one !== kind);
    if (keep(attempt(fewer, seconds))) only = fewer;
  }
  while (seconds > shortestS && keep(attempt(only, Math.ceil(seconds * 0.7)))) seconds = Math.ceil(seconds * 0.7);
  process.stdout.write(`${story(last)}\n`);
  process.exitCode = 1;
}

/** Seeds of runs with the faults that a mistake needs come first. */
function inOrder(from: number, to: number, mutant: Mutant | undefined): readonly number[] {
  const seeds = Array.from({ length: Math.max(0, to - from + 1) }, (_, at) => from + at);
  const needs = mutant?.needs ?? [];
  const likely = (seed: number): boolean => needs.some((kind) => profileOf(seed).everyS.has(kind));
  return needs.length === 0 ? seeds : [...seeds.filter(likely), ...seeds.filter((seed) => !likely(seed))];
}

/** Two mistakes at a time, each in a process of its own that ends at the first seed that catches it. */
async function runMutants(options: Options, chosen: readonly Mutant[]): Promise<void> {
  const [from, to] = options.seeds ?? [1, mostMutantSeeds];
  const waiting = [...chosen];
  let missed = 0;
  const worker = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const caught = await hunt(options, mutant.name, from, to);
      if (caught === undefined) missed++;
      const by = caught?.verdicts.filter((verdict) => !passed(verdict)).map(({ checker }) => checker);
      const end =
        caught === undefined
          ? `NOT CAUGHT in seeds ${from}..${to}`
          : `caught by seed ${caught.seed}: ${by?.join(", ")}`;
      process.stdout.write(`${mutant.name.padEnd(22)} ${end}\n${" ".repeat(23)}(${mutant.what})\n`);
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, worker));
  process.stdout.write(`${chosen.length - missed} of ${chosen.length} planted mistakes were caught\n`);
  if (missed > 0) process.exitCode = 1;
}

/** The first failing run of this mistake. */
function hunt(options: Options, name: string, from: number, to: number): Promise<RunReport | undefined> {
  const size = ["--seconds", String(options.seconds), "--nodes", String(options.nodes)];
  const args = ["--mutant", name, "--seeds", `${from}..${to}`, "--share", "0/1", "--until-failure", "--json", ...size];
  let caught: RunReport | undefined;
  return child(args, (line) => {
    const report = readReport(line);
    if (report !== undefined && !report.passed) caught ??= report;
  }).then(() => caught);
}

/** One child process per core, each with its share of the seeds. */
async function runMany(options: Options, [from, to]: readonly [number, number]): Promise<void> {
  const jobs = Math.max(1, Math.min(options.jobs, to - from + 1));
  const startedMs = performance.now();
  const failing: RunReport[] = [];
  const faults = new Map<string, number>();
  const leaderCrashes = new Map<string, number>();
  const moveCrashes = new Map<string, number>();
  const moveEnds = new Map<string, number>();
  const reshaped = new Map<string, number>();
  const thrashes: Thrash[] = [];
  let done = 0;
  let told = startedMs;
  let broken = false;
  const codes = await Promise.all(
    Array.from({ length: jobs }, (_, index) =>
      child([...process.argv.slice(2), "--json", "--share", `${index}/${jobs}`], (line) => {
        const report = readReport(line);
        if (report === undefined) return;
        done++;
        told = tellProgress(options, done, to - from + 1, failing.length, startedMs, told);
        addUp(faults, report.faults);
        addUp(leaderCrashes, report.leaderCrashes);
        addUp(moveCrashes, report.moveCrashes);
        addUp(moveEnds, report.moveEnds);
        addUp(reshaped, report.reshaped);
        if (report.thrash !== undefined) thrashes.push(report.thrash);
        if (options.json === true) process.stdout.write(`${line}\n`);
        if (report.passed) return;
        failing.push(report);
        if (options.json !== true) process.stdout.write(`${story(report)}\n`);
      }),
    ),
  );
  if (codes.some((code) => code !== 0 && code !== 1)) broken = true;
  const expected = to - from + 1;
  const spentS = ((performance.now() - startedMs) / 1000).toFixed(1);
  if (options.json !== true) {
    process.stdout.write(
      `faults: ${counted(faults)}\ncarried out: ${counted(reshaped)}\nleaders died right after: ${counted(leaderCrashes)}\n`,
    );
    process.stdout.write(`moves: ${counted(moveEnds)}\n`);
    if (thrashes.length > 0) process.stdout.write(`planner: ${thrashText(thrashes)}\n`);
    const { lines, missing } = coverage(moveCrashes);
    for (const line of lines) process.stdout.write(`  ${line}\n`);
    process.stdout.write(missing.length === 0 ? "  complete\n" : `  missing: ${missing.join(", ")}\n`);
    if (options.coverage === true && missing.length > 0) broken = true;
    const seeds = failing.map(({ seed }) => seed).sort((a, b) => a - b);
    process.stdout.write(
      `${done} of ${expected} seeds run in ${spentS} s, ${failing.length} failed${seeds.length > 0 ? `: ${seeds.join(" ")}` : ""}\n`,
    );
  }
  if (failing.length > 0 || broken || done !== expected) process.exitCode = 1;
}

/** A line on stderr now and then; gives when the last one was told. */
function tellProgress(
  { json }: Options,
  done: number,
  total: number,
  failed: number,
  startedMs: number,
  toldMs: number,
): number {
  const nowMs = performance.now();
  if (json === true || nowMs - toldMs < progressEveryMs) return toldMs;
  const leftMinutes = Math.ceil((((nowMs - startedMs) / done) * (total - done)) / 60_000);
  process.stderr.write(`${done} of ${total} seeds, ${failed} failed, about ${leftMinutes} min left\n`);
  return nowMs;
}

function addUp(sums: Map<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) sums.set(name, (sums.get(name) ?? 0) + count);
}

/** What planners did in all of these runs, and the worst of one. */
function thrashText(all: readonly Thrash[]): string {
  const sum = (of: (one: Thrash) => number): number => all.reduce((total, one) => total + of(one), 0);
  const most = (of: (one: Thrash) => number): number => Math.max(0, ...all.map(of));
  return [
    `${sum(({ moves }) => moves)} moves (${sum(({ copies }) => copies)} with a copy, at most ${most(({ copies }) => copies)} in a run) and ${sum(({ splits }) => splits)} splits`,
    `${sum(({ hasty }) => hasty)} within a cool-down (at most ${most(({ hasty }) => hasty)})`,
    `${sum(({ back }) => back)} back to where a copy had been`,
    `at most ${(most(({ mostShare }) => mostShare) * 100).toFixed(1)} % of the data in a round`,
  ].join(", ");
}

function counted(sums: ReadonlyMap<string, number>): string {
  const parts = [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, count]) => `${name} ${count}`);
  return parts.length === 0 ? "none" : parts.join(", ");
}

function child(args: readonly string[], onLine: (line: string) => void): Promise<number | null> {
  return new Promise((resolve) => {
    // A large nursery: nearly everything here dies young, and copying it out of a small one costs a tenth of a run.
    const running = spawn(process.execPath, ["--max-semi-space-size=64", fileURLToPath(import.meta.url), ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    createInterface({ input: running.stdout }).on("line", onLine);
    running.on("close", resolve);
  });
}

function readReport(line: string): RunReport | undefined {
  try {
    return JSON.parse(line) as RunReport;
  } catch {
    process.stderr.write(`${line}\n`);
    return undefined;
  }
}

function story(report: RunReport): string {
  const { seed, hash, verdicts, operations, acknowledged, virtualS, realMs, events } = report;
  const lines = [
    `seed ${seed} ${report.passed ? "passed" : "FAILED"}  hash ${hash}  ${virtualS} s in ${realMs} ms, ${events} events, ${acknowledged} of ${operations} operations acknowledged`,
    `  faults ${JSON.stringify(report.faults)}  answers ${JSON.stringify(report.codes)}`,
  ];
  if (report.thrash !== undefined) lines.push(`  planner ${thrashText([report.thrash])}`);
  for (const verdict of verdicts) {
    lines.push(`  ${passed(verdict) ? "✓" : "✗"} ${describe(verdict)}`);
    for (const violation of verdict.violations.slice(0, shownViolations)) lines.push(`      ${violation}`);
    const more = verdict.violations.length - shownViolations;
    if (more > 0) lines.push(`      … and ${more} more`);
  }
  if (!report.passed) lines.push(`  again: npm run simulate -- --seed ${seed} ${report.flags} --trace`);
  return lines.join("\n");
}
