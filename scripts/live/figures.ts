// Figures. Owns how measured numbers are summed up and printed: medians, ranges, small tables, JSON.

import { loadavg } from "node:os";
import Table from "cli-table3";

/** Undefined of nothing. */
export function median(numbers: readonly number[]): number | undefined {
  const sorted = [...numbers].sort((a, b) => a - b);
  const high = sorted[sorted.length >> 1];
  const low = sorted[(sorted.length - 1) >> 1];
  return high === undefined || low === undefined ? undefined : (low + high) / 2;
}

/** The value below which `share` of them lie; undefined of nothing. */
export function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

export function secondsText(ms: number | undefined): string {
  return ms === undefined ? "never" : `${(ms / 1000).toFixed(2)} s`;
}

/** `median 1.20 s (0.90, 1.20, 2.10)`. */
export function spreadText(numbersMs: readonly (number | undefined)[]): string {
  const known = numbersMs.flatMap((number) => number ?? []);
  const all = numbersMs.map((number) => (number === undefined ? "never" : (number / 1000).toFixed(2))).join(", ");
  return `median ${secondsText(median(known))} (${all})`;
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(0)} MiB`;
}

/** Of the machine, over the last minute. */
export function loadAverage(): number {
  return loadavg()[0] ?? Number.NaN;
}

/** Rows of a table without head lines: what, how much, the mark. */
export function printTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  const table = new Table({ head: [...head], style: { head: [], border: [] }, wordWrap: true });
  for (const row of rows) table.push(row.map(String));
  process.stdout.write(`${table.toString()}\n`);
}

/** A table for people, or the same as one JSON value. */
export function publish(
  isJson: boolean,
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  facts: object,
): void {
  if (isJson) process.stdout.write(`${JSON.stringify(facts, null, 2)}\n`);
  else printTable(head, rows);
}

export type KeptLine = readonly [what: string, measured: string, isKept: boolean];

/** The same of what was measured and whether it keeps its mark. True where all do. */
export function publishKept(isJson: boolean, lines: readonly KeptLine[], facts: object): boolean {
  const head = ["", "measured", "kept"];
  publish(
    isJson,
    head,
    lines.map(([what, measured, isKept]) => [what, measured, isKept ? "yes" : "NO"]),
    facts,
  );
  return lines.every(([, , isKept]) => isKept);
}

/** Progress goes to stderr, so that figures can be piped. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
