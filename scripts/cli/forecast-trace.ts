// Forecasts of a trace. Owns `foreshard forecast --trace FILE`: the forecaster that runs in the cluster, over a recorded past, from given origins.
// Nothing behind an origin's moment is used for it, nor the distance of the samples there.

import { writeFile } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import { stringify } from "csv-stringify/sync";
import { FaultError } from "../../cluster/client/index.js";
import { quantileLevels } from "../../src/forecast/quantiles.js";
import { intervalOf, replay } from "../../src/forecast/replay.js";
import {
  forecast,
  partNames,
  refit,
  type SeriesForecast,
  type SeriesState,
  unpackSeries,
} from "../../src/forecast/series.js";
import { maxHorizonSteps } from "../../src/forecast/shape.js";
import { fault } from "../../src/kernel/fault.js";
import { listArgument } from "./arguments.js";
import { UsageError } from "./failure.js";
import { note } from "./output.js";
import { type Origin, readOrigins, readTrace, type TraceSeries } from "./trace-file.js";

export interface TraceOptions {
  readonly trace?: string;
  readonly origins?: string;
  readonly horizon?: string;
  readonly out?: string;
  readonly maxOut?: string;
  readonly models?: string;
  readonly timing?: string;
}

const defaultHorizonSteps = 12;
/** Taken where a series has but one sample before its first origin. */
const fallbackIntervalMs = 60_000;

interface Tables {
  readonly steps: (string | number)[][];
  readonly max: (string | number)[][];
  readonly timing: (string | number)[][];
}

export async function forecastTrace(path: string, options: TraceOptions): Promise<void> {
  const { origins: originsPath, out } = options;
  if (originsPath === undefined || out === undefined)
    throw new UsageError("--trace needs --origins FILE (from where to forecast) and --out FILE (where to write)");
  const horizonSteps = horizonOf(options.horizon);
  const only = onlyOf(options.models);
  const trace = await readTrace(path);
  const origins = await readOrigins(originsPath, path);
  const tables: Tables = {
    steps: [["trace", "series", "origin_index", "step", "quantile", "value"]],
    max: [["trace", "series", "origin_index", "quantile", "value"]],
    timing: [["trace", "series", "origin_index", "ms", "refit_ms", "forecast_ms"]],
  };
  for (const [series, asked] of bySeries(origins)) {
    const found = trace.get(series);
    if (found === undefined)
      throw new FaultError(fault("BAD_DOCUMENT", `${originsPath}: series ${JSON.stringify(series)} is not in ${path}`));
    tell(series, found);
    forecastSeries(found, asked, horizonSteps, only, options.timing !== undefined, tables);
  }
  await writeFile(out, stringify(tables.steps));
  if (options.maxOut !== undefined) await writeFile(options.maxOut, stringify(tables.max));
  if (options.timing !== undefined) await writeFile(options.timing, stringify(tables.timing));
}

function forecastSeries(
  { samples }: TraceSeries,
  origins: readonly Origin[],
  horizonSteps: number,
  only: readonly string[] | undefined,
  isTimed: boolean,
  { steps, max, timing }: Tables,
): void {
  const [first] = origins;
  if (first === undefined) return;
  const firstMs = samples[0]?.atMs ?? 0;
  const early = origins.find(({ atMs }) => atMs < firstMs);
  if (early !== undefined)
    throw new FaultError(
      fault(
        "BAD_DOCUMENT",
        `origin ${early.index} of series ${JSON.stringify(early.series)} is before its first sample`,
      ),
    );
  const intervalMs = intervalOf(samples, first.atMs) ?? fallbackIntervalMs;
  const shape = { intervalMs, horizonSteps, ...(only === undefined ? {} : { only }) };
  replay(
    samples,
    origins.map(({ atMs }) => atMs),
    shape,
    (at, said, state) => {
      const origin = origins[at];
      if (origin === undefined) return;
      const { trace, series, index } = origin;
      for (let step = 1; step <= horizonSteps; step++)
        quantileLevels.forEach((level, q) => {
          steps.push([
            trace,
            series,
            index,
            step,
            level,
            roundedAt(said.steps, (step - 1) * quantileLevels.length + q),
          ]);
        });
      quantileLevels.forEach((level, q) => {
        max.push([trace, series, index, level, roundedAt(said.max, q)]);
      });
      if (!isTimed) return;
      const { refitMs, forecastMs } = timesOf(state);
      timing.push([trace, series, index, ...[refitMs + forecastMs, refitMs, forecastMs].map(roundedMs)]);
    },
  );
}

function roundedAt(values: SeriesForecast["max"], at: number): number {
  return Number((values[at] ?? 0).toPrecision(9));
}

/** What a full refit and a forecast cost, on a copy: the forecasts must not depend on whether they are timed. */
export function timesOf(state: SeriesState): { readonly refitMs: number; readonly forecastMs: number } {
  const { intervalMs, horizonSteps, historySlots } = state.shape;
  const copy = unpackSeries({
    version: state.version,
    shape: { intervalMs, horizonSteps, historySlots },
    buffers: [state.block.slice(0)],
  });
  if (copy === undefined) throw new Error("a series that was packed a moment ago cannot be unpacked");
  const began = performance.now();
  refit(copy, true);
  const refitted = performance.now();
  forecast(copy);
  return { refitMs: refitted - began, forecastMs: performance.now() - refitted };
}

function roundedMs(ms: number): number {
  return Number(ms.toFixed(3));
}

function bySeries(origins: readonly Origin[]): ReadonlyMap<string, readonly Origin[]> {
  const found = new Map<string, Origin[]>();
  for (const origin of [...origins].sort((one, other) => one.atMs - other.atMs))
    found.set(origin.series, [...(found.get(origin.series) ?? []), origin]);
  return found;
}

function horizonOf(text: string | undefined): number {
  if (text === undefined) return defaultHorizonSteps;
  const steps = Number(text);
  if (Number.isInteger(steps) && steps >= 1 && steps <= maxHorizonSteps) return steps;
  throw new UsageError(
    `--horizon of a trace is a number of steps from 1 to ${maxHorizonSteps}, not ${JSON.stringify(text)}`,
  );
}

function onlyOf(text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return undefined;
  const only = listArgument(text);
  const known = [...new Set(partNames.map((name) => name.split(".")[0] ?? name))];
  const strange = only.find((name) => !partNames.some((part) => part === name || part.startsWith(`${name}.`)));
  if (strange !== undefined || only.length === 0)
    throw new UsageError(`--models knows ${known.join(", ")}, not ${JSON.stringify(strange ?? text)}`);
  return only;
}

function tell(series: string, { unsortedRows, repeatedRows }: TraceSeries): void {
  if (unsortedRows > 0) note(`series ${series}: ${unsortedRows} rows were out of order and have been sorted`);
  if (repeatedRows > 0) note(`series ${series}: ${repeatedRows} rows repeat a time; the first of each was kept`);
}
