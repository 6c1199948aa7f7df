// Trace file. Owns reading traces (`timestamp_iso,series,value`) and origins (`trace,series,origin_index,timestamp_iso`) from CSV files: what is wrong
// in them is a fault that names the row; what can be mended is mended and counted.
//   mended: rows out of order are sorted, a time that repeats keeps its first value (clocks that are set back do that), an empty value is a gap

import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { parse } from "csv-parse/sync";
import { FaultError } from "../../cluster/client/index.js";
import type { Sample } from "../../src/forecast/replay.js";
import { fault } from "../../src/kernel/fault.js";
import { parseInstant } from "../../src/table/instant.js";

export interface TraceSeries {
  readonly samples: readonly Sample[];
  readonly unsortedRows: number;
  readonly repeatedRows: number;
}

export interface Origin {
  readonly trace: string;
  readonly series: string;
  readonly index: string;
  readonly atMs: number;
}

/** Loads per second beyond this are taken for a mistake: sums of squares must stay finite. */
const mostValue = 1e100;

export async function readTrace(path: string): Promise<ReadonlyMap<string, TraceSeries>> {
  const rows = await readCsv(path, ["timestamp_iso", "series", "value"]);
  if (rows.length === 0) throw bad(path, "it has no rows below its head line");
  const found = new Map<string, Sample[]>();
  rows.forEach(([time = "", series = "", value = ""], at) => {
    const samples = found.get(series) ?? [];
    found.set(series, samples);
    samples.push({ atMs: instantMs(path, at + 2, time), value: loadOf(path, at + 2, value) });
  });
  return new Map([...found].map(([series, samples]) => [series, inOrder(samples)]));
}

/** The origins of one trace: those that name it, or all when the file names no other. */
export async function readOrigins(path: string, tracePath: string): Promise<readonly Origin[]> {
  const rows = await readCsv(path, ["trace", "series", "origin_index", "timestamp_iso"]);
  const origins = rows.map(([trace = "", series = "", index = "", time = ""], at) => ({
    trace,
    series,
    index,
    atMs: instantMs(path, at + 2, time),
  }));
  const name = basename(tracePath).replace(/\.csv$/, "");
  const own = origins.filter(({ trace }) => trace === name);
  if (own.length > 0) return own;
  if (new Set(origins.map(({ trace }) => trace)).size > 1)
    throw bad(path, `it has origins of several traces, and none of ${JSON.stringify(name)}`);
  if (origins.length === 0) throw bad(path, "it has no origins");
  return origins;
}

async function readCsv(path: string, columns: readonly string[]): Promise<string[][]> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw bad(path, `it cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  });
  const rows = parsed(path, text);
  const head = rows[0] ?? [];
  const places = columns.map((column) => {
    const at = head.indexOf(column);
    if (at < 0)
      throw bad(path, `it has no column ${JSON.stringify(column)}; its head line must name ${columns.join(",")}`);
    return at;
  });
  return rows.slice(1).map((row) => places.map((at) => row[at] ?? ""));
}

function parsed(path: string, text: string): string[][] {
  try {
    return parse(text, { bom: true, skip_empty_lines: true, trim: true });
  } catch (error) {
    throw bad(path, `it is no proper CSV: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A time without a zone is UTC. */
function instantMs(path: string, line: number, text: string): number {
  const spelt = text.replace(" ", "T");
  const time = parseInstant(spelt) ?? parseInstant(`${spelt}Z`);
  if (time === undefined)
    throw bad(path, `line ${line}: ${JSON.stringify(text)} is no time; write such as 2026-01-31T08:00:00Z`);
  return time.getTime();
}

function loadOf(path: string, line: number, text: string): number {
  if (text === "" || /^nan$/i.test(text)) return Number.NaN;
  const value = Number(text);
  if (!Number.isFinite(value) || value > mostValue)
    throw bad(path, `line ${line}: ${JSON.stringify(text)} is no number; a gap is an absent row or an empty value`);
  if (value < 0) throw bad(path, `line ${line}: ${text} is negative, and load cannot be`);
  return value;
}

function inOrder(samples: readonly Sample[]): TraceSeries {
  let unsortedRows = 0;
  for (let at = 1; at < samples.length; at++)
    if ((samples[at]?.atMs ?? 0) < (samples[at - 1]?.atMs ?? 0)) unsortedRows++;
  const sorted = unsortedRows === 0 ? samples : [...samples].sort((one, other) => one.atMs - other.atMs);
  const kept = sorted.filter((sample, at) => at === 0 || sample.atMs !== sorted[at - 1]?.atMs);
  return { samples: kept, unsortedRows, repeatedRows: sorted.length - kept.length };
}

function bad(path: string, why: string): FaultError {
  return new FaultError(fault("BAD_DOCUMENT", `${path}: ${why}`));
}
