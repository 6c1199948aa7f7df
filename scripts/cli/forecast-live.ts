// Live forecasts. Owns how `foreshard forecast TABLE[/FRAGMENT]` shows what a running cluster expects: a plot, a table, and the record.

import asciichart from "asciichart";
import type {
  ForecastAnswer,
  ForecastRecord,
  ForecastWish,
  SeriesForecastInfo,
} from "../../cluster/client/forecasts.js";
import { UsageError } from "./failure.js";
import { note, write, writeJson, writeTable } from "./output.js";
import { type CommonOptions, deadlineOf, withClient } from "./session.js";
import { hasColour } from "./terminal.js";

export interface LiveOptions extends CommonOptions {
  readonly group?: string;
  readonly horizon?: string;
}

/** `users`, or `users/64`. */
export function targetOf(text: string): { readonly table: string; readonly fragment?: number } {
  const [table = "", fragment, ...more] = text.split("/");
  if (fragment === undefined) return { table };
  const id = Number(fragment);
  if (more.length > 0 || fragment === "" || !Number.isSafeInteger(id) || id < 0)
    throw new UsageError(
      `${JSON.stringify(text)} is no table or fragment; write users, or users/64 (see foreshard fragments)`,
    );
  return { table, fragment: id };
}

export async function showForecast(target: string, options: LiveOptions): Promise<void> {
  const { group, horizon = "short" } = options;
  if (horizon !== "short" && horizon !== "long")
    throw new UsageError(`--horizon is short or long, not ${JSON.stringify(horizon)}`);
  const wish: ForecastWish = {
    ...targetOf(target),
    ...deadlineOf(options),
    ...(group === undefined ? {} : { group }),
    horizon,
  };
  const answer = await withClient(options, (client) => client.cluster.forecast(wish));
  if (options.json === true) return writeJson(answer);
  if (answer.total.series === 0)
    return note("nothing is forecast here yet: nobody asked, or the first samples are still to come");
  await plot(answer);
  await steps(answer);
  await series(answer);
  await records(answer);
}

const plotRows = 12;
const median = 3;
const low = 0;
const high = 6;

/** The past, then the median between the ends of the 90 % interval. */
async function plot({ total, stepMs, horizon, table }: ForecastAnswer): Promise<void> {
  const known = withoutGaps(total.recent);
  // The library knows no gaps: the lines of the future run along the past first, and the past is drawn over them.
  const line = (level: number): number[] => [...known, ...total.steps.map((row) => row[level] ?? 0)];
  const chart = asciichart.plot([line(low), line(high), line(median), known], {
    height: plotRows,
    min: 0,
    ...(hasColour() ? { colors: [asciichart.blue, asciichart.blue, asciichart.green, asciichart.lightgray] } : {}),
    format: (value) => value.toFixed(1).padStart(9),
  });
  await write(`${chart}\n`);
  const where = `${table}: ${known.length} past values, then ${total.steps.length} steps of ${stepMs / 1000} s (${horizon})`;
  await write(`${where}: 5 %, 50 % and 95 % quantiles of queries per second\n\n`);
}

/** From the first value known on; a gap shows the value before it. */
function withoutGaps(recent: readonly (number | null)[]): number[] {
  const known: number[] = [];
  for (const value of recent) if (value !== null || known.length > 0) known.push(value ?? known.at(-1) ?? 0);
  return known;
}

async function steps({ total, stepMs, levels }: ForecastAnswer): Promise<void> {
  await writeTable(
    ["FROM", ...levels.map((level) => `${level * 100} %`)],
    [
      ...total.steps.map((row, step) => [timeOf(total.atMs + step * stepMs), ...row.map(short)]),
      ["highest", ...total.max.map(short)],
    ],
  );
  await write("\n");
}

async function series({ series: all, next, total }: ForecastAnswer): Promise<void> {
  const rows = [...all].sort((a, b) => (b.max[median] ?? 0) - (a.max[median] ?? 0));
  await writeTable(
    ["FRAGMENT", "GROUP", "NOW", "PEAK 50 %", "PEAK 95 %", "COVERS 90 %", "LOSS/NAIVE", "DRIFTS", "MODELS", "PROFILES"],
    rows.map((one) => [
      one.fragment,
      one.group,
      short(one.recent.at(-1) ?? undefined),
      short(one.max[median]),
      short(one.max[high]),
      insideOf(one.record),
      ratioOf(one.record),
      one.record.drifting > 0 ? "yes" : "no",
      modelsOf(one),
      one.profiles.map(({ name, trust }) => `${name} (trusted ${Math.round(trust * 100)} %)`).join(" "),
    ]),
  );
  if (next !== null) await write(`… and ${total.series - all.length} series more: see --json\n`);
  await write("\n");
}

async function records({ total, forecasters, levels }: ForecastAnswer): Promise<void> {
  const { record } = total;
  if (record.matured > 0) {
    const promised = levels.map((level, q) => `${level * 100} %: ${percent(record.coverage[q] ?? null)}`);
    await write(`record of ${record.matured} forecasts that came due (promised: kept): ${promised.join(", ")}\n`);
  } else await write("no forecast has come due yet\n");
  for (const { id, series: count, rebuilding, fitsWaiting, fitWaitMs, fitsFailed } of forecasters)
    await write(
      `forecaster ${id}: ${count} series, ${rebuilding} being rebuilt, ${fitsWaiting} fits waiting (first for ${fitWaitMs} ms), ${fitsFailed} failed\n`,
    );
}

function insideOf({ coverage }: ForecastRecord): string {
  const upper = coverage[high];
  const lower = coverage[low];
  return upper === null || upper === undefined || lower === null || lower === undefined ? "" : percent(upper - lower);
}

function ratioOf({ pinball, naivePinball }: ForecastRecord): string {
  return pinball === null || naivePinball === null || naivePinball === 0 ? "" : (pinball / naivePinball).toFixed(2);
}

/** The models that count. */
function modelsOf({ models }: SeriesForecastInfo): string {
  return Object.entries(models)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 3)
    .filter(([, weight]) => weight >= 0.05)
    .map(([name, weight]) => `${name} ${weight.toFixed(2)}`)
    .join(" ");
}

function short(value: number | undefined): string {
  return value === undefined ? "" : value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

function percent(share: number | null): string {
  return share === null ? "?" : `${(share * 100).toFixed(1)} %`;
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString().slice(11, 19);
}
