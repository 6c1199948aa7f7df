// Report. Owns how replays are summed up: one score for each policy, the table, JSON, and the plots.
// RP1 only judged windows count; those in which the load generator itself came late are told, not judged.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { MoveInfo } from "../../cluster/client/index.js";
import { publish, say } from "../live/figures.js";
import { type Band, chart, type Line, type Marks, standing } from "../plot/chart.js";
import { plotPage, policyColours } from "../plot/page.js";
import { rowsPerFragment } from "./callers.js";
import { type Meter, windowMs } from "./meter.js";
import type { Choice, Staged } from "./options.js";
import type { TrialResult, TrialWish } from "./trial.js";

export interface Score {
  readonly policy: string;
  readonly judged: number;
  readonly late: number;
  readonly violated: number;
  readonly withRefusals: number;
  readonly queries: number;
  readonly refused: number;
  readonly failed: number;
  readonly p99Ms: number;
  readonly moves: number;
  readonly copiedMiB: number;
  readonly forecasterCpu: number;
  readonly leaderCpu: number;
  readonly series: number;
  readonly doubted: number;
}

export function scoreOf(result: TrialResult, { warmMs, rowBytes }: TrialWish): Score {
  const windows = result.meter.windows().slice(warmMs / windowMs);
  const sum = (of: (at: (typeof windows)[number]) => number): number => windows.reduce((all, one) => all + of(one), 0);
  const moves = movesIn(result, warmMs);
  const copies = moves.filter(({ strategy }) => strategy !== "leader-only").length;
  return {
    policy: result.mode,
    judged: windows.filter(({ isLate }) => !isLate).length,
    late: windows.filter(({ isLate }) => isLate).length,
    violated: windows.filter(({ isViolated }) => isViolated).length,
    withRefusals: windows.filter(({ isLate, refused, failed }) => !isLate && refused + failed > 0).length,
    queries: sum(({ queries }) => queries),
    refused: sum(({ refused }) => refused),
    failed: sum(({ failed }) => failed),
    p99Ms: result.meter.quantile(0.99, warmMs / windowMs),
    moves: moves.length,
    copiedMiB: (copies * rowsPerFragment * rowBytes) / 2 ** 20,
    forecasterCpu: result.forecasterCpu,
    leaderCpu: result.leaderCpu,
    series: result.series,
    doubted: result.doubted,
  };
}

function movesIn({ moves, beganAtMs }: TrialResult, warmMs: number): readonly MoveInfo[] {
  return moves.filter(({ startedMs }) => startedMs - beganAtMs >= warmMs);
}

export function tellScores(choice: Choice, staged: Staged, results: readonly TrialResult[]): void {
  const scores = results.map((result) => scoreOf(result, staged.wish));
  const fewer = fewerThanReactive(scores);
  publish(choice.isJson, heads, scores.map(cellsOf), {
    traces: staged.names,
    choice: { ...choice, traces: choice.traces.length },
    scores,
    fewerThanReactive: fewer ?? null,
    moves: results.map(({ mode, moves, beganAtMs }) => ({
      policy: mode,
      moves: moves.map((move) => line(move, beganAtMs)),
    })),
    violations: results.map(({ mode, meter }) => ({ policy: mode, windows: violationsOf(meter, staged.wish) })),
  });
  if (choice.isJson) return;
  say("a violation is a window of 1 s with p99 above 50 ms or any refusal or failure, as the clients saw it");
  say("copied: moves with rows times the size of a fragment; CPU: shares of one core");
  if (fewer !== undefined)
    say(`predictive has ${(fewer * 100).toFixed(0)} % fewer violations than reactive at equal nodes (mark: 80 %)`);
  const unready = scores.find(({ doubted, series }) => doubted > 0 || series === 0);
  if (unready !== undefined)
    say(
      `when the judged time of ${unready.policy} began, ${unready.doubted} of ${unready.series} series were not believed yet`,
    );
}

/** The violated windows, by the seconds since the queries began. */
function violationsOf(meter: Meter, { warmMs }: TrialWish) {
  return meter
    .windows()
    .flatMap(({ isViolated, queries, refused, failed, p99Ms }, second) =>
      isViolated && second * windowMs >= warmMs ? [{ second, queries, refused, failed, p99Ms: Math.round(p99Ms) }] : [],
    );
}

function line(
  { fragment, strategy, from, to, startedMs, endedMs, cause, why, outcome, verdict }: MoveInfo,
  beganAtMs: number,
) {
  const tookMs = endedMs === undefined ? null : endedMs - startedMs;
  return { atMs: startedMs - beganAtMs, tookMs, fragment, strategy, from, to, cause, why, outcome, verdict };
}

function fewerThanReactive(scores: readonly Score[]): number | undefined {
  const [reactive, predictive] = ["reactive", "predictive"].map((name) => scores.find(({ policy }) => policy === name));
  if (reactive === undefined || predictive === undefined || reactive.violated === 0) return undefined;
  // Shares of what could be judged: the machine may have been late in one of the runs.
  return 1 - predictive.violated / predictive.judged / (reactive.violated / reactive.judged);
}

const heads = [
  "policy",
  "violated",
  "with refusals",
  "queries",
  "refused",
  "failed",
  "p99",
  "moves",
  "copied",
  "forecaster",
  "leader",
  "late, not judged",
];

function cellsOf(score: Score): (string | number)[] {
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  return [
    score.policy,
    `${score.violated} of ${score.judged}`,
    score.withRefusals,
    score.queries,
    score.refused,
    score.failed,
    `${score.p99Ms.toFixed(1)} ms`,
    score.moves,
    `${score.copiedMiB.toFixed(1)} MiB`,
    percent(score.forecasterCpu),
    percent(score.leaderCpu),
    score.late,
  ];
}

export async function writePlots(choice: Choice, staged: Staged, results: readonly TrialResult[]): Promise<void> {
  if (choice.report === undefined && choice.images === undefined) return;
  const plots = plotsOf(choice, staged, results);
  if (choice.images !== undefined) {
    await mkdir(choice.images, { recursive: true });
    for (const { name, svg } of plots) await writeFile(join(choice.images, `${name}.svg`), standing(svg));
    say(`plots: ${choice.images}`);
  }
  if (choice.report === undefined) return;
  const scores = results.map((result) => scoreOf(result, staged.wish));
  const page = plotPage({
    title: `Replay of ${staged.names.join(", ")}`,
    setting: settingText(choice, staged),
    heads,
    rows: scores.map((score) => cellsOf(score).map(String)),
    notes: [
      "A violation is a window of 1 s with p99 above 50 ms or any refusal or failure, as the clients saw it.",
      ...staged.notes,
    ],
    charts: plots.map(({ svg }) => svg),
  });
  await writeFile(choice.report, page);
  say(`report: ${choice.report}`);
}

export function settingText(
  { nodes, ceiling, fill, regions, lagHours, replicas, pastDays }: Choice,
  { names, demand, wish }: Staged,
): string {
  const fragments = demand.streams.length / names.length;
  return `${nodes} nodes with a ceiling of ${ceiling} queries per second each, the peak of all together at ${Math.round(fill * 100)} % of that; ${fragments} fragments for each series in ${replicas} ${replicas === 1 ? "copy" : "copies"}, ${regions} client groups ${lagHours} hours apart; ${wish.speed} times the recorded speed; ${pastDays} days of history were written into FORESHARD_LOAD before.`;
}

interface Plot {
  readonly name: string;
  readonly svg: string;
}

function plotsOf(choice: Choice, { wish }: Staged, results: readonly TrialResult[]): Plot[] {
  const total = (wish.warmMs + wish.judgedMs) / windowMs;
  const hours = (seconds: number): string => `${((seconds * windowMs * wish.speed) / 3_600_000).toFixed(0)} h`;
  const ends = { from: "0 h", to: hours(total) };
  return results.flatMap((result) => {
    const windows = result.meter.windows();
    const colour = policyColours[result.mode] ?? "#444444";
    const at = (ms: number): number => ms / (wish.warmMs + wish.judgedMs);
    const marks: Marks[] = [
      { name: "moves", colour: "#2c8a3c", at: result.moves.map(({ startedMs }) => at(startedMs - result.beganAtMs)) },
      {
        name: "violations",
        colour: "#c22222",
        at: windows.flatMap(({ isViolated }, second) => (isViolated ? [at((second + 0.5) * windowMs)] : [])),
      },
    ];
    const asked: Line = { name: "asked", colour, values: windows.map(({ queries }) => queries) };
    const foreseen = bandOf(result, total);
    const load = chart({
      title: `${result.mode}: queries of all clients`,
      unit: "per second",
      lines: [asked],
      bands: [foreseen],
      marks,
      level: { name: "ceilings of all nodes", value: choice.nodes * choice.ceiling },
      ...ends,
    });
    const nodes = chart({
      title: `${result.mode}: load of each node`,
      unit: "share of its ceiling",
      lines: nodeLines(result, total, choice.ceiling),
      marks,
      level: { name: "ceiling", value: 1 },
      ...ends,
    });
    const slow = chart({
      title: `${result.mode}: slowest of a hundred`,
      unit: "ms",
      lines: [{ name: "p99", colour, values: windows.map(({ p99Ms }) => p99Ms) }],
      level: { name: "limit", value: 50 },
      top: 150,
      ...ends,
    });
    return [
      { name: `${result.mode}-load`, svg: load },
      { name: `${result.mode}-nodes`, svg: nodes },
      { name: `${result.mode}-p99`, svg: slow },
    ];
  });
}

/** Steps ahead for which the forecast is drawn. */
const stepAhead = 4;

/** What was forecast of each second, five steps of the short horizon before. */
function bandOf({ glimpses, beganAtMs }: TrialResult, seconds: number): Band {
  const low = new Float64Array(seconds).fill(Number.NaN);
  const high = new Float64Array(seconds).fill(Number.NaN);
  for (const { forecast } of glimpses) {
    const step = forecast?.total.steps[stepAhead];
    if (forecast === undefined || step === undefined) continue;
    const fromMs = forecast.total.atMs + stepAhead * forecast.stepMs - beganAtMs;
    const first = Math.round(fromMs / windowMs);
    for (let at = Math.max(0, first); at < Math.min(seconds, first + Math.ceil(forecast.stepMs / windowMs)); at++) {
      low[at] = step[1] ?? Number.NaN;
      high[at] = step.at(-2) ?? Number.NaN;
    }
  }
  return { name: "5 to 95 % foreseen", colour: "#5b8def", low, high };
}

const nodeColours = ["#1a6fc2", "#c2571a", "#2c8a3c", "#8a5fb0", "#b8860b", "#444444"];

/** What the clients asked of the fragments that each node led. */
function nodeLines({ glimpses }: TrialResult, seconds: number, ceiling: number): Line[] {
  const names = [...new Set(glimpses.flatMap(({ loads }) => [...loads.keys()]))].sort();
  return names.map((name, at) => {
    const values = new Float64Array(seconds).fill(Number.NaN);
    for (const { elapsedMs, loads } of glimpses) {
      const second = Math.min(seconds - 1, Math.floor(elapsedMs / windowMs));
      values[second] = (loads.get(name) ?? 0) / ceiling;
    }
    for (let second = 1; second < seconds; second++)
      if (Number.isNaN(values[second] ?? 0)) values[second] = values[second - 1] ?? Number.NaN;
    return { name, colour: nodeColours[at % nodeColours.length] ?? "#444444", values };
  });
}
