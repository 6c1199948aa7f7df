#!/usr/bin/env node
// Bench of a recurrent network. Owns the answer to whether one pays: a network trained across all series on what lay before their first origin, judged at the
// same origins as the reference figures and, with --ours, as the forecaster's own (`bench:forecast --json`).

import { readFile } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import { z } from "zod";
import { highIndex, quantileCount } from "../../src/forecast/quantiles.js";
import { seededRandom } from "../../src/kernel/random.js";
import { report } from "../cli/failure.js";
import { writeJson, writeTable } from "../cli/output.js";
import { geometricMean, meanScore, type Score, Tally } from "./forecast-score.js";
import {
  type JudgedSeries,
  readJudged,
  readPeriods,
  readReferences,
  type TracesChoice,
  tracesCommand,
} from "./judged-series.js";
import { RecurrentForecaster } from "./recurrent/network.js";
import { howToInstall, loadTensors } from "./recurrent/tensors.js";
import { horizonSteps, Windows } from "./recurrent/windows.js";

interface Choice extends TracesChoice {
  readonly ours?: string;
  readonly batches: string;
  readonly seed: string;
}

const oursForm = z.array(z.object({ trace: z.string(), pinball: z.number() }));

interface Judged extends JudgedSeries {
  readonly windows: Windows;
}

async function bench(choice: Choice): Promise<boolean> {
  const tensors = await loadTensors();
  if (tensors === undefined) {
    process.stdout.write(`not measured: TensorFlow.js is not installed here; to repeat this bench: ${howToInstall}\n`);
    return true;
  }
  const judged: Judged[] = [];
  for (const [name, periods] of await readPeriods(choice))
    for (const series of await readJudged(name, choice, periods[0] ?? 1)) {
      const known = Math.min(...series.origins) + 1;
      judged.push({ ...series, windows: new Windows(series.values, known, periods) });
    }
  const names = [...new Set(judged.map(({ trace }) => trace))];
  const forecaster = new RecurrentForecaster(tensors);
  const began = performance.now();
  forecaster.train(
    judged.map(({ windows }) => windows),
    Number(choice.batches),
    seededRandom(Number(choice.seed)),
    (done, loss) => process.stderr.write(`${done} batches: loss ${loss.toFixed(4)}\n`),
  );
  const trainedMs = performance.now() - began;
  const scores = names.map((name) => ({
    trace: name,
    score: scoreOf(
      forecaster,
      judged.filter(({ trace }) => trace === name),
    ),
  }));
  await print(scores, choice, trainedMs);
  return true;
}

function scoreOf(forecaster: RecurrentForecaster, series: readonly Judged[]): Score {
  return meanScore(
    series.map(({ windows, origins, typicalError: error }) => {
      const tally = new Tally(error);
      for (const origin of origins) {
        const steps = forecaster.forecast(windows, origin);
        const max = new Float64Array(quantileCount);
        for (let step = 0; step < horizonSteps; step++)
          max[highIndex] = Math.max(max[highIndex] ?? 0, steps[step * quantileCount + highIndex] ?? 0);
        const actual = Array.from(
          { length: horizonSteps },
          (_, step) => windows.values[origin + 1 + step] ?? Number.NaN,
        );
        tally.add({ origin, steps, max, weights: [] }, actual);
      }
      return tally.score();
    }),
  );
}

async function print(
  scores: readonly { readonly trace: string; readonly score: Score }[],
  choice: Choice,
  trainedMs: number,
): Promise<void> {
  const references = await readReferences(choice.reference);
  const ours = choice.ours === undefined ? [] : oursForm.parse(JSON.parse(await readFile(choice.ours, "utf8")));
  const rows = scores.map(({ trace, score }) => ({
    trace,
    score,
    naive: references.get(trace)?.get("snaive"),
    spar: references.get(trace)?.get("spar"),
    ours: ours.find((row) => row.trace === trace)?.pinball,
  }));
  const ratio = (of: (row: (typeof rows)[number]) => number | undefined): number | undefined => {
    const ratios = rows.flatMap((row) => {
      const other = of(row);
      return other === undefined ? [] : [row.score.pinball / other];
    });
    return ratios.length === 0 ? undefined : geometricMean(ratios);
  };
  const ratios = {
    snaive: ratio(({ naive }) => naive),
    spar: ratio(({ spar }) => spar),
    ours: ratio((row) => row.ours),
  };
  if (choice.json === true) return writeJson({ rows, ratios, trainedMs });
  const figure = (value: number | undefined, digits: number): string =>
    value === undefined ? "-" : value.toFixed(digits);
  await writeTable(
    ["trace", "recurrent", "forecaster", "seasonal naive", "SPAR", "90 %", "95 %", "99 %"],
    rows.map(({ trace, score, naive, spar, ours: own }) => [
      trace,
      ...[score.pinball, own, naive, spar].map((value) => figure(value, 4)),
      ...[score.cover90, score.cover95, score.cover99].map((value) => figure(value, 3)),
    ]),
  );
  process.stdout.write(`trained on ${rows.length} traces in ${(trainedMs / 1000).toFixed(0)} s\n`);
  for (const [name, value] of Object.entries(ratios))
    if (value !== undefined) process.stdout.write(`recurrent / ${name}: ${value.toFixed(3)} (geometric mean)\n`);
}

const command = tracesCommand(
  "bench:recurrent",
  "whether a recurrent network, trained across series, forecasts better than what is there",
)
  .option("--ours <file>", "what bench:forecast --json printed")
  .option("--only <names>", "these traces only, comma-separated")
  .option("--batches <count>", "batches of 64 windows to learn from", "2000")
  .option("--seed <number>", "draws the windows", "1")
  .parse();
const choice = command.opts<Choice>();
try {
  process.exitCode = (await bench(choice)) ? 0 : 1;
} catch (error) {
  process.exitCode = report(error, choice.json === true);
}
