// Reads. Owns the checks of everything that linearizability per key does not cover: reads with a bound, scans, counts, batches, retries.
// R1 a bounded read speaks of some moment not older than its bound; `any` only of something that was really written.
// R2 a scan shows each key at most once, in order; each row as it was at some moment of the scan; no row that stood still is missing.

import { limits } from "../config/limits.js";
import type { Entry, Input, Key, Verdict } from "./history.js";
import { sightings } from "./register.js";
import { contradiction, mustBeAbsent, mustExist, type Span, type Timeline, timelineOf } from "./timeline.js";

export interface ReadOptions {
  readonly needed: number;
  /** Added to every bound: how far clocks that measure it may be apart. */
  readonly toleranceMs: number;
  /** A copy of a request may be carried out after its answer: a write that was refused may still have happened later. */
  readonly lateTries: boolean;
}

const defaults: ReadOptions = { needed: 0, toleranceMs: 0, lateTries: false };

type Reading = Extract<Input, { readonly level: string }>;

/** Bounded and `any` reads of single rows. */
export function checkStaleReads(history: readonly Entry[], options: Partial<ReadOptions> = {}): Verdict {
  const { needed, toleranceMs, lateTries } = { ...defaults, ...options };
  const timeline = timelineOf(history, lateTries);
  const violations: string[] = [];
  let judged = 0;
  for (const entry of history) {
    const { input, output } = entry;
    if ((input.op !== "get" && input.op !== "getMany") || output.op !== "rows" || input.level === "strong") continue;
    const span = spanOf(entry, input, toleranceMs);
    const keys = input.op === "get" ? [input.key] : input.keys;
    keys.forEach((key, at) => {
      judged++;
      const why = contradiction(timeline.get(key) ?? [], output.rows[at], span);
      if (why !== undefined) violations.push(`op ${entry.id}, a ${levelText(input)} read of ${key}: ${why}`);
    });
  }
  return { checker: "stale reads", unit: "reads", judged, needed, violations };
}

export function checkScans(history: readonly Entry[], options: Partial<ReadOptions> = {}): Verdict {
  const { needed, toleranceMs, lateTries } = { ...defaults, ...options };
  const timeline = timelineOf(history, lateTries);
  const violations: string[] = [];
  let judged = 0;
  for (const entry of history) {
    const { input, output } = entry;
    if (input.op === "scan" && output.op === "scan") {
      judged += input.keys.length;
      const span = spanOf(entry, input, toleranceMs);
      for (const why of scanFaults(input.keys, output.rows, timeline, span))
        violations.push(`op ${entry.id}, a ${levelText(input)} scan: ${why}`);
    } else if (input.op === "count" && output.op === "count") {
      judged += input.keys.length;
      const why = countFault(input.keys, output.count, timeline, spanOf(entry, input, toleranceMs));
      if (why !== undefined) violations.push(`op ${entry.id}, a ${levelText(input)} count: ${why}`);
    }
  }
  return { checker: "scans and counts", unit: "keys covered", judged, needed, violations };
}

type Scanned = Extract<Entry["output"], { readonly op: "scan" }>["rows"];

function scanFaults(keys: readonly Key[], rows: Scanned, timeline: Timeline, span: Span): string[] {
  const faults: string[] = [];
  const placeOf = new Map(keys.map((key, place) => [key, place]));
  const found = new Set<Key>();
  let lastPlace = -1;
  for (const row of rows) {
    const place = placeOf.get(row.key);
    if (place === undefined) faults.push(`${row.key} is outside of the range`);
    else if (found.has(row.key)) faults.push(`${row.key} twice`);
    else if (place < lastPlace) faults.push(`${row.key} out of order`);
    lastPlace = place ?? lastPlace;
    found.add(row.key);
    const why = contradiction(timeline.get(row.key) ?? [], row, span);
    if (why !== undefined) faults.push(`${row.key}: ${why}`);
  }
  for (const key of keys) {
    if (found.has(key)) continue;
    const why = mustExist(timeline.get(key) ?? [], span);
    if (why !== undefined) faults.push(`${key} is missing: ${why}`);
  }
  return faults;
}

function countFault(keys: readonly Key[], count: number, timeline: Timeline, span: Span): string | undefined {
  const least = keys.filter((key) => mustExist(timeline.get(key) ?? [], span) !== undefined).length;
  const most = keys.filter((key) => !mustBeAbsent(timeline.get(key) ?? [], span)).length;
  return count >= least && count <= most ? undefined : `counted ${count}, only ${least} to ${most} are possible`;
}

/** A batch is one record of the log: the versions of its steps say so. That none was applied in part is judged by `checkLinearizable`. */
export function checkBatches(history: readonly Entry[], needed = 0): Verdict {
  const violations: string[] = [];
  let judged = 0;
  for (const { id, input, output } of history) {
    if (input.op !== "write" || input.steps.length < 2 || output.op !== "versions") continue;
    judged++;
    const { versions } = output;
    const records = new Set(versions.map((version) => Math.floor(version / limits.recordWrites)));
    if (versions.length !== input.steps.length || records.size !== 1)
      violations.push(`batch ${id} of ${input.steps.length} steps has versions ${versions.join(", ")}`);
  }
  return { checker: "batches", unit: "batches", judged, needed, violations };
}

/** A retried write has one effect: no row was ever seen with the same contents under two versions, or with two contents under one. */
export function checkAppliedOnce(history: readonly Entry[], needed = 0): Verdict {
  const retried = history.filter((entry) => entry.input.op === "write" && entry.tries > 1).length;
  return {
    checker: "applied once",
    unit: "retried writes",
    judged: retried,
    needed,
    violations: sightings(history).violations,
  };
}

function spanOf(entry: Entry, input: Reading, toleranceMs: number): Span {
  if (input.level === "strong") return { fromNs: entry.invokeNs, toNs: entry.returnNs };
  const backMs = input.level === "any" ? Number.POSITIVE_INFINITY : input.maxStaleMs + toleranceMs;
  return { fromNs: entry.invokeNs - backMs * 1e6, toNs: entry.returnNs };
}

function levelText(input: Reading): string {
  return input.level === "bounded" ? `bounded (${input.maxStaleMs} ms)` : input.level;
}
