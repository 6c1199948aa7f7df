#!/usr/bin/env node
// Bench of a recurrent network. Owns the answer to whether one pays: a network trained across all series on what lay before their first origin, judged at the
// same origins as the reference figures and, with --ours, as the forecaster's own (`bench:forecast --json`).

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { Command } from "commander";
import { parse } from "csv-parse/sync";
import { z } from "zod";
import { highIndex, quantileCount } from "../../src/forecast/quantiles.js";
import { intervalOf, slotOf } from "../../src/forecast/replay.js";
import { seededRandom } from "../../src/kernel/random.js";
import { report } from "../cli/failure.js";
import { writeJson, writeTable } from "../cli/output.js";
import { readOrigins, readTrace } from "../cli/trace-file.js";
import { geometricMean, meanScore, type Score, Tally, typicalError } from "./forecast-score.js";
import { RecurrentForecaster } from "./recurrent/network.js";
import { howToInstall, loadTensors } from "./recurrent/tensors.js";
import { horizonSteps, Windows } from "./recurrent/windows.js";

interface Choice {
  readonly traces: string;
  readonly origins: string;
  readonly config: string;
  readonly reference?: string;
  readonly ours?: string;
  readonly only?: string;
  readonly batches: string;
  readonly seed: string;
  readonly json?: true;
}

const configForm = z.record(z.string(), z.object({ periods: z.array(z.number().int().positive()).min(1) }));
const oursForm = z.array(z.object({ trace: z.string(), pinball: z.number() }));
const referenceForm = z.array(z.object({ trace: z.string(), model: z.string(), pinball: z.coerce.number() }));

interface Judged {
  readonly trace: string;
  readonly windows: Windows;
  readonly origins: readonly number[];
  readonly typicalError: number;
}

async function bench(choice: Choice): Promise<boolean> {
  const tensors = await loadTensors();
  if (tensors === undefined) {
    process.stdout.write(`not measured: TensorFlow.js is not installed here; to repeat this bench: ${howToInstall}\n`);
    return true;
  }
  const config = configForm.parse(JSON.parse(await readFile(choice.config, "utf8")));
  const names = choice.only?.split(",") ?? Object.keys(config);
  const judged = (await Promise.all(names.map((name) => seriesOf(name, choice, config[name]?.periods ?? [1])))).flat();
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

async function seriesOf(trace: string, choice: Choice, periods: readonly number[]): Promise<Judged[]> {
  const path = join(choice.traces, `${trace}.csv`);
  const origins = await readOrigins(join(choice.origins, `${trace}.csv`), path);
  const found: Judged[] = [];
  for (const [series, { samples }] of await readTrace(path)) {
    const own = origins.filter((origin) => origin.series === series).map(({ atMs }) => atMs);
    const firstMs = samples[0]?.atMs ?? 0;
    const intervalMs = intervalOf(samples, own[0] ?? 0) ?? 60_000;
    const values: number[] = [];
    for (const { atMs, value } of samples) values[slotOf(atMs, firstMs, intervalMs)] ??= value;
    const all = Array.from(values, (value) => value ?? Number.NaN);
    const slots = own.map((atMs) => slotOf(atMs, firstMs, intervalMs));
    const known = Math.min(...slots) + 1;
    if (slots.length === 0) continue;
    const early = all.slice(0, Math.ceil(all.length * 0.7));
    found.push({
      trace,
      windows: new Windows(all, known, periods),
      origins: slots,
      typicalError: typicalError(early, periods[0] ?? 1),
    });
  }
  return found;
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
  const references =
    choice.reference === undefined
      ? []
      : referenceForm.parse(parse(await readFile(choice.reference, "utf8"), { columns: true, skip_empty_lines: true }));
  const ours = choice.ours === undefined ? [] : oursForm.parse(JSON.parse(await readFile(choice.ours, "utf8")));
  const rows = scores.map(({ trace, score }) => ({
    trace,
    score,
    naive: references.find((row) => row.trace === trace && row.model === "snaive")?.pinball,
    spar: references.find((row) => row.trace === trace && row.model === "spar")?.pinball,
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

const command = new Command("bench:recurrent")
  .description("whether a recurrent network, trained across series, forecasts better than what is there")
  .requiredOption("--traces <folder>", "NAME.csv with timestamp_iso,series,value on a regular grid")
  .requiredOption("--origins <folder>", "NAME.csv with trace,series,origin_index,timestamp_iso")
  .requiredOption("--config <file>", 'JSON {NAME: {"periods": [slots of the main season, …]}}')
  .option("--reference <file>", "CSV with trace,model,pinball of other forecasters, measured the same way")
  .option("--ours <file>", "what bench:forecast --json printed")
  .option("--only <names>", "these traces only, comma-separated")
  .option("--batches <count>", "batches of 64 windows to learn from", "2000")
  .option("--seed <number>", "draws the windows", "1")
  .option("--json", "print the figures as JSON")
  .parse();
const choice = command.opts<Choice>();
try {
  process.exitCode = (await bench(choice)) ? 0 : 1;
} catch (error) {
  process.exitCode = report(error, choice.json === true);
}
