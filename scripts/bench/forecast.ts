#!/usr/bin/env node
// Bench of forecasts. Owns how well and how dearly the forecaster foresees recorded traces, beside reference figures that were measured the same way.

import { performance } from "node:perf_hooks";
import { fitSeries } from "../../src/forecast/rebuild.js";
import { createSeries, forecast, isRefitDue, observe } from "../../src/forecast/series.js";
import { report } from "../cli/failure.js";
import { timesOf } from "../cli/forecast-trace.js";
import { writeJson, writeTable } from "../cli/output.js";
import { median } from "../live/figures.js";
import { geometricMean, meanScore, type Score, Tally } from "./forecast-score.js";
import {
  type JudgedSeries,
  readJudged,
  readPeriods,
  readReferences,
  type TracesChoice,
  tracesCommand,
} from "./judged-series.js";

const horizonSteps = 12;

interface Measured extends Score {
  readonly trace: string;
  readonly updateMs: number;
  readonly refitMs: number;
  /** Pinball loss of each reference model. */
  readonly references: ReadonlyMap<string, number>;
}

async function bench(choice: TracesChoice): Promise<void> {
  const references = await readReferences(choice.reference);
  const measured: Measured[] = [];
  for (const [name, [period = 1]] of await readPeriods(choice)) {
    const one = measure(name, await readJudged(name, choice, period), references.get(name) ?? new Map());
    measured.push(one);
    if (choice.json !== true) process.stderr.write(`${name}: pinball ${one.pinball.toFixed(4)}\n`);
  }
  if (choice.json === true)
    await writeJson(measured.map((one) => ({ ...one, references: Object.fromEntries(one.references) })));
  else await print(measured, choice.reference);
}

function measure(trace: string, series: readonly JudgedSeries[], references: ReadonlyMap<string, number>): Measured {
  const updateMs: number[] = [];
  const refitMs: number[] = [];
  const scores = series.map((one) => run(one, updateMs, refitMs));
  return { trace, ...meanScore(scores), updateMs: median(updateMs) ?? 0, refitMs: median(refitMs) ?? 0, references };
}

/** As `replay` does, with the clock: every update is timed, and at each origin a full refit, of a copy that nothing is forecast from. */
function run(
  { intervalMs, values, origins, typicalError }: JudgedSeries,
  updateMs: number[],
  refitMs: number[],
): Score {
  const at = (slot: number): number => values[slot] ?? Number.NaN;
  const tally = new Tally(typicalError);
  const state = createSeries({ intervalMs, horizonSteps });
  let next = 0;
  for (const origin of origins) {
    for (; next <= origin; next++) {
      const began = performance.now();
      observe(state, next, at(next));
      const said = forecast(state);
      updateMs.push(performance.now() - began);
      if (isRefitDue(state)) fitSeries(state);
      if (next === origin)
        tally.add(
          said,
          Array.from({ length: horizonSteps }, (_, step) => at(origin + 1 + step)),
        );
    }
    refitMs.push(timesOf(state).refitMs);
  }
  return tally.score();
}

async function print(measured: readonly Measured[], reference: string | undefined): Promise<void> {
  const models = [...new Set(measured.flatMap(({ references }) => [...references.keys()]))];
  const figure = (value: number | undefined, digits = 3): string => (value === undefined ? "-" : value.toFixed(digits));
  await writeTable(
    ["trace", "ours", ...models, "90 %", "95 %", "99 %", "max 95 %", "update ms", "refit ms"],
    measured.map((one) => [
      one.trace,
      figure(one.pinball, 4),
      ...models.map((model) => figure(one.references.get(model), 4)),
      figure(one.cover90),
      figure(one.cover95),
      figure(one.cover99),
      figure(one.maxCover95),
      figure(one.updateMs, 2),
      figure(one.refitMs, 1),
    ]),
  );
  const mean = meanScore(measured);
  process.stdout.write(
    `mean coverage: 90 % ${figure(mean.cover90)}, 95 % ${figure(mean.cover95)}, 99 % ${figure(mean.cover99)}, maximum 95 % ${figure(mean.maxCover95)}\n`,
  );
  if (reference === undefined) process.stdout.write("no --reference file was given: nothing to compare with\n");
  for (const model of models) {
    const ratios = measured.flatMap(({ pinball, references }) => {
      const theirs = references.get(model);
      return theirs === undefined ? [] : [pinball / theirs];
    });
    process.stdout.write(
      `ours / ${model}: ${figure(geometricMean(ratios))} (geometric mean over ${ratios.length} traces)\n`,
    );
  }
}

const command = tracesCommand("bench:forecast", "pinball loss, coverage and cost over recorded traces").parse();
try {
  await bench(command.opts<TracesChoice>());
} catch (error) {
  process.exitCode = report(error, command.opts<TracesChoice>().json === true);
}
