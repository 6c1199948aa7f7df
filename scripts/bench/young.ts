#!/usr/bin/env node
// Bench of young series. Owns how well series of recorded traces are foreseen in their first slots, without a prior and with one that is pooled from the other series.
// Lenders are the other series of a trace, or those of all other traces where it has one alone; they lend from the first half of their traces, and young series begin in the second.

import { fitSeries } from "../../src/forecast/rebuild.js";
import { createSeries, forecast, isRefitDue, observe, type PooledPrior } from "../../src/forecast/series.js";
import { poolYouths } from "../../src/forecast/youth.js";
import { report } from "../cli/failure.js";
import { writeJson, writeTable } from "../cli/output.js";
import { geometricMean, meanScore, type Score, Tally } from "./forecast-score.js";
import { type JudgedSeries, readJudged, readPeriods, type TracesChoice, tracesCommand } from "./judged-series.js";

const horizonSteps = 12;
/** Ages up to which forecasts are judged together, in slots. */
const ages = [12, 24, 48, 96, 192, 288] as const;
const oldest = 288;
const judgedEvery = 3;
const birthsEach = 6;
const stretchesEach = 3;
const stretchSlots = 36;

interface Row {
  readonly ageSlots: number;
  readonly without: Score;
  readonly withPrior: Score;
  /** Geometric mean over the traces of the ratio of pinball losses. */
  readonly ratio: number;
}

type Tallies = ReadonlyMap<number, Tally>;

async function bench(choice: TracesChoice): Promise<void> {
  const series: JudgedSeries[] = [];
  for (const [name, [period = 1]] of await readPeriods(choice))
    series.push(...(await readJudged(name, choice, period)));
  const traces = [...new Set(series.map(({ trace }) => trace))];
  const judged = traces.map((trace) => series.filter((one) => one.trace === trace).map((one) => judge(one, series)));
  const rows = ages.map((ageSlots): Row => {
    const scores = (which: "without" | "withPrior"): Score[] =>
      judged.flatMap((ofTrace) => {
        const known = ofTrace
          .flatMap((one) => one[which].get(ageSlots)?.score() ?? [])
          .filter(({ pinball }) => pinball > 0);
        return known.length > 0 ? [meanScore(known)] : [];
      });
    const [without, withPrior] = [scores("without"), scores("withPrior")];
    const ratios = without.map(({ pinball }, at) => (withPrior[at]?.pinball ?? Number.NaN) / pinball);
    return { ageSlots, without: meanScore(without), withPrior: meanScore(withPrior), ratio: geometricMean(ratios) };
  });
  if (choice.json === true) await writeJson(rows);
  else await print(rows);
}

function judge(one: JudgedSeries, all: readonly JudgedSeries[]): { without: Tallies; withPrior: Tallies } {
  const mates = all.filter((other) => other !== one && other.trace === one.trace);
  const lenders = mates.length > 0 ? mates : all.filter(({ trace }) => trace !== one.trace);
  const shape = { intervalMs: one.intervalMs, horizonSteps };
  return { without: run(one, undefined), withPrior: run(one, poolYouths(shape, lenders.flatMap(stretchesOf))) };
}

function stretchesOf({ values }: JudgedSeries): (readonly number[])[] {
  return Array.from({ length: stretchesEach }, (_, at) => {
    const end = Math.floor((values.length * (at + 1)) / stretchesEach / 2);
    return values.slice(Math.max(0, end - stretchSlots), end);
  });
}

function run({ intervalMs, values, typicalError }: JudgedSeries, prior: PooledPrior | undefined): Tallies {
  const tallies = new Map(ages.map((age) => [age, new Tally(typicalError)]));
  const half = Math.floor(values.length / 2);
  const room = values.length - half - oldest - horizonSteps;
  for (let birth = 0; birth < (room < 0 ? 0 : birthsEach); birth++) {
    const first = half + Math.floor((room * birth) / birthsEach);
    const state = createSeries({ intervalMs, horizonSteps }, prior);
    for (let age = 1; age <= oldest; age++) {
      const slot = first + age - 1;
      observe(state, slot, values[slot] ?? Number.NaN);
      if (age % judgedEvery === 0)
        tallies
          .get(ages.find((upTo) => age <= upTo) ?? oldest)
          ?.add(forecast(state), values.slice(slot + 1, slot + 1 + horizonSteps));
      if (isRefitDue(state)) fitSeries(state);
    }
  }
  return tallies;
}

async function print(rows: readonly Row[]): Promise<void> {
  const share = (value: number): string => value.toFixed(3);
  await writeTable(
    [
      "slots known",
      "pinball with / without",
      "90 % without",
      "90 % with",
      "95 % without",
      "95 % with",
      "99 % without",
      "99 % with",
    ],
    rows.map(({ ageSlots, ratio, without, withPrior }, at) => [
      `${(ages[at - 1] ?? 0) + 1} to ${ageSlots}`,
      share(ratio),
      ...[
        (score: Score): number => score.cover90,
        ({ cover95 }: Score) => cover95,
        ({ cover99 }: Score) => cover99,
      ].flatMap((of) => [share(of(without)), share(of(withPrior))]),
    ]),
  );
}

const command = tracesCommand(
  "bench:young",
  "the first slots of series of recorded traces, without and with a pooled prior",
).parse();
try {
  await bench(command.opts<TracesChoice>());
} catch (error) {
  process.exitCode = report(error, command.opts<TracesChoice>().json === true);
}
