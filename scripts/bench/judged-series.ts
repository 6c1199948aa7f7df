// Judged series. Owns what the benches of forecasts read: recorded series on their slots, the origins they are judged from, and others' figures beside them.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { parse } from "csv-parse/sync";
import { z } from "zod";
import { intervalOf, slotOf } from "../../src/forecast/replay.js";
import { readOrigins, readTrace } from "../cli/trace-file.js";
import { typicalError } from "./forecast-score.js";

export interface TracesChoice {
  readonly traces: string;
  readonly origins: string;
  readonly config: string;
  readonly reference?: string;
  readonly only?: string;
  readonly json?: true;
}

export interface JudgedSeries {
  readonly trace: string;
  readonly intervalMs: number;
  /** By slot; NaN = not known. */
  readonly values: readonly number[];
  /** Slots of the origins, ascending. */
  readonly origins: readonly number[];
  readonly typicalError: number;
}

/** The share of a series before its first origin, by which its typical error is measured. */
const early = 0.7;
const fallbackIntervalMs = 60_000;
const configForm = z.record(z.string(), z.object({ periods: z.array(z.number().int().positive()).min(1) }));
const referenceForm = z.array(z.object({ trace: z.string(), model: z.string(), pinball: z.coerce.number() }));

export function tracesCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .requiredOption("--traces <folder>", "NAME.csv with timestamp_iso,series,value on a regular grid")
    .requiredOption("--origins <folder>", "NAME.csv with trace,series,origin_index,timestamp_iso")
    .requiredOption("--config <file>", 'JSON {NAME: {"periods": [slots of the main season, …]}}')
    .option("--reference <file>", "CSV with trace,model,pinball of other forecasters, measured the same way")
    .option("--only <names>", "these traces only, comma-separated")
    .option("--json", "print the figures as JSON");
}

/** Seasons of each chosen trace, in slots. */
export async function readPeriods({ config, only }: TracesChoice): Promise<ReadonlyMap<string, readonly number[]>> {
  const known = configForm.parse(JSON.parse(await readFile(config, "utf8")));
  const names = only?.split(",") ?? Object.keys(known);
  return new Map(names.map((name) => [name, known[name]?.periods ?? [1]]));
}

/** The series of a trace that have origins. `period`: the season whose naive forecast is the measure of errors. */
export async function readJudged(
  trace: string,
  { traces, origins: originsFolder }: TracesChoice,
  period: number,
): Promise<JudgedSeries[]> {
  const path = join(traces, `${trace}.csv`);
  const [series, origins] = [await readTrace(path), await readOrigins(join(originsFolder, `${trace}.csv`), path)];
  return [...series].flatMap(([name, { samples }]) => {
    const own = origins.filter((origin) => origin.series === name).map(({ atMs }) => atMs);
    if (own.length === 0) return [];
    const firstMs = samples[0]?.atMs ?? 0;
    const intervalMs = intervalOf(samples, own[0] ?? 0) ?? fallbackIntervalMs;
    const found: number[] = [];
    for (const { atMs, value } of samples) found[slotOf(atMs, firstMs, intervalMs)] ??= value;
    const values = Array.from(found, (value) => value ?? Number.NaN);
    const error = typicalError(values.slice(0, Math.ceil(values.length * early)), period);
    const slots = own.map((atMs) => slotOf(atMs, firstMs, intervalMs));
    return [{ trace, intervalMs, values, origins: slots, typicalError: error }];
  });
}

/** Pinball losses of others: by trace, then by model. */
export async function readReferences(path: string | undefined): Promise<Map<string, Map<string, number>>> {
  const found = new Map<string, Map<string, number>>();
  if (path === undefined) return found;
  const rows = referenceForm.parse(parse(await readFile(path, "utf8"), { columns: true, skip_empty_lines: true }));
  for (const { trace, model, pinball } of rows)
    found.set(trace, (found.get(trace) ?? new Map<string, number>()).set(model, pinball));
  return found;
}
