// Series file. Owns what a CSV file of series says, read here once more and apart from the import, so that the two can be compared.
// S1 of two rows with one series and time the later one counts, as in an import. S2 sums are exact: over BigInt, for files of whole numbers.

import { readFile } from "node:fs/promises";
import { parse } from "csv-parse/sync";
import { z } from "zod";
import { addToSum, createSum, roundedSum } from "../../src/query/exact-sum.js";

export interface SeriesRow {
  readonly series: string;
  readonly timeMs: number;
  readonly value: number;
}

export interface SeriesFile {
  readonly timeColumn: string;
  readonly rows: readonly SeriesRow[];
}

export interface SeriesSums {
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
}

const records = z.array(z.record(z.string(), z.string()));

export async function readSeriesFile(path: string): Promise<SeriesFile> {
  const lines = records.parse(parse(await readFile(path), { columns: true }));
  const timeColumn = Object.keys(lines[0] ?? {}).find((name) => name.startsWith("timestamp"));
  if (timeColumn === undefined) throw new Error(`${path} has no column that begins with "timestamp"`);
  const rows = lines.map((line): SeriesRow => {
    const row = { series: line.series ?? "", timeMs: Date.parse(line[timeColumn] ?? ""), value: Number(line.value) };
    if (row.series === "" || Number.isNaN(row.timeMs) || Number.isNaN(row.value))
      throw new Error(`${path} holds a line without series, time or value: ${JSON.stringify(line)}`);
    return row;
  });
  return { timeColumn, rows };
}

export function sumsOf({ rows }: SeriesFile): Map<string, SeriesSums> {
  const latest = new Map(rows.map((row) => [`${row.series}\n${row.timeMs}`, row]));
  const values = new Map<string, number[]>();
  for (const { series, value } of latest.values()) {
    const list = values.get(series);
    if (list === undefined) values.set(series, [value]);
    else list.push(value);
  }
  return new Map([...values].map(([series, list]) => [series, sumUp(list)]));
}

function sumUp(values: readonly number[]): SeriesSums {
  const min = values.reduce((a, b) => Math.min(a, b));
  const max = values.reduce((a, b) => Math.max(a, b));
  return { count: values.length, sum: exactSum(values), min, max };
}

function exactSum(values: readonly number[]): number {
  if (values.every(Number.isSafeInteger)) return Number(values.reduce((sum, value) => sum + BigInt(value), 0n));
  const sum = createSum();
  for (const value of values) addToSum(sum, value);
  return roundedSum(sum);
}
