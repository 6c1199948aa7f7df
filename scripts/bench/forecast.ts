#!/usr/bin/env node
// Bench of forecasts. Owns how well and how dearly the forecaster foresees recorded traces, beside reference figures that were measured the same way.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { Command } from "commander";
import { parse } from "csv-parse/sync";
import { z } from "zod";
import { intervalOf, type Sample, slotOf } from "../../src/forecast/replay.js";
import { createSeries, forecast, isRefitDue, observe, refit } from "../../src/forecast/series.js";
import { report } from "../cli/failure.js";
import { writeJson, writeTable } from "../cli/output.js";
import { readOrigins, readTrace } from "../cli/trace-file.js";
import { median } from "../live/figures.js";
import { geometricMean, meanScore, type Score, Tally, typicalError } from "./forecast-score.js";

interface Choice {
  readonly traces: string;
  readonly origins: string;
  readonly config: string;
  readonly reference?: string;
  readonly only?: string;
  readonly json?: true;
}

const horizonSteps = 12;
/** The share of a series before its first origin, by which its typical error is measured. */
const early = 0.7;

const configForm = z.record(z.string(), z.object({ periods: z.array(z.number().int().positive()).min(1) }));

interface Measured extends Score {
  readonly trace: string;
  readonly updateMs: number;
  readonly refitMs: number;
  /** Pinball loss of each reference model. */
  readonly references: ReadonlyMap<string, number>;
}

async function bench(choice: Choice): Promise<void> {
  const config = configForm.parse(JSON.parse(await readFile(choice.config, "utf8")));
  const references = choice.reference === undefined ? new Map() : await readReferences(choice.reference);
  const names = choice.only?.split(",") ?? Object.keys(config);
  const measured: Measured[] = [];
  for (const name of names) {
    const one = await measure(name, choice, config[name]?.periods[0] ?? 1, references.get(name) ?? new Map());
    measured.push(one);
    if (choice.json !== true) process.stderr.write(`${name}: pinball ${one.pinball.toFixed(4)}\n`);
  }
  if (choice.json === true)
    await writeJson(measured.map((one) => ({ ...one, references: Object.fromEntries(one.references) })));
  else await print(measured, choice.reference);
}

async function measure(
  trace: string,
  { traces, origins: originsFolder }: Choice,
  period: number,
  references: ReadonlyMap<string, number>,
): Promise<Measured> {
  const path = join(traces, `${trace}.csv`);
  const [series, origins] = [await readTrace(path), await readOrigins(join(originsFolder, `${trace}.csv`), path)];
  const scores: Score[] = [];
  const updateMs: number[] = [];
  const refitMs: number[] = [];
  for (const [name, { samples }] of series) {
    const own = origins.filter((origin) => origin.series === name).map(({ atMs }) => atMs);
    if (own.length > 0) scores.push(run(samples, own, period, updateMs, refitMs));
  }
  return { trace, ...meanScore(scores), updateMs: median(updateMs) ?? 0, refitMs: median(refitMs) ?? 0, references };
}

/** As `replay` does, with the clock: every update is timed, and at each origin a full refit. */
function run(
  samples: readonly Sample[],
  originsMs: readonly number[],
  period: number,
  updateMs: number[],
  refitMs: number[],
): Score {
  const intervalMs = intervalOf(samples, originsMs[0] ?? 0) ?? 60_000;
  const firstMs = samples[0]?.atMs ?? 0;
  const values: number[] = [];
  for (const { atMs, value } of samples) values[slotOf(atMs, firstMs, intervalMs)] ??= value;
  const at = (slot: number): number => values[slot] ?? Number.NaN;
  const known = Array.from({ length: Math.ceil(values.length * early) }, (_, slot) => at(slot));
  const tally = new Tally(typicalError(known, period));
  const state = createSeries({ intervalMs, horizonSteps });
  let next = 0;
  for (const originMs of originsMs) {
    const origin = slotOf(originMs, firstMs, intervalMs);
    for (; next <= origin; next++) {
      const began = performance.now();
      observe(state, next, at(next));
      const said = forecast(state);
      updateMs.push(performance.now() - began);
      if (isRefitDue(state)) refit(state);
      if (next === origin)
        tally.add(
          said,
          Array.from({ length: horizonSteps }, (_, step) => at(origin + 1 + step)),
        );
    }
    const began = performance.now();
    refit(state, true);
    refitMs.push(performance.now() - began);
  }
  return tally.score();
}

/** CSV with the columns trace, model, pinball. */
async function readReferences(path: string): Promise<Map<string, Map<string, number>>> {
  const form = z.array(z.object({ trace: z.string(), model: z.string(), pinball: z.coerce.number() }));
  const rows = form.parse(parse(await readFile(path, "utf8"), { columns: true, skip_empty_lines: true }));
  const found = new Map<string, Map<string, number>>();
  for (const { trace, model, pinball } of rows)
    found.set(trace, (found.get(trace) ?? new Map<string, number>()).set(model, pinball));
  return found;
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

const command = new Command("bench:forecast")
  .description("pinball loss, coverage and cost over recorded traces")
  .requiredOption("--traces <folder>", "NAME.csv with timestamp_iso,series,value on a regular grid")
  .requiredOption("--origins <folder>", "NAME.csv with trace,series,origin_index,timestamp_iso")
  .requiredOption("--config <file>", 'JSON {NAME: {"periods": [slots of the main season, …]}}')
  .option("--reference <file>", "CSV with trace,model,pinball of other forecasters, measured the same way")
  .option("--only <names>", "these traces only, comma-separated")
  .option("--json", "print the figures as JSON")
  .parse();
try {
  await bench(command.opts<Choice>());
} catch (error) {
  process.exitCode = report(error, command.opts<Choice>().json === true);
}
