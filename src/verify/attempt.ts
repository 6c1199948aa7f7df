// Attempt. Owns one client operation from its first try to the entry in the history: when to try again, and what is known in the end.
// A1 a write is tried again with the same request id until it is known, refused for good, or out of time; it is one entry.
// A2 a read is judged by its last try alone: earlier ones had no effect.
// A3 a scan goes on, page by page with the cursor it was given, until its range is read; it is one entry over all its pages.
// A4 a refusal that follows a try of unknown end proves nothing about that try: the write is then unknown.

import { isFaultCode, retryOf } from "../kernel/fault.js";
import type { Entry, Output, Row, ScannedRow } from "./history.js";
import { keyFromAnswer, type Plan } from "./workload.js";

/** What became of one try. `silence`: no answer in time. */
export type TryOutcome =
  | { readonly kind: "answer"; readonly body: unknown }
  | { readonly kind: "nobody" }
  | { readonly kind: "silence" };

export type Progress =
  | { readonly kind: "again"; readonly afterMs: number }
  | { readonly kind: "done"; readonly entry: Entry };

export interface Attempt {
  readonly table: string;
  readonly op: string;
  /** What to send next. */
  body(): Readonly<Record<string, unknown>>;
  /** Opens the next try; the clock is read before the request leaves. */
  begin(nowNs: number): void;
  /** Takes what became of the try; the clock is read after the answer came. */
  end(outcome: TryOutcome, nowNs: number): Progress;
}

export interface AttemptOptions {
  readonly client: number;
  readonly id: number;
  /** Time from the first try after which nothing is tried again. */
  readonly patienceMs: number;
}

const firstPauseMs = 20;
const longestPauseMs = 500;
/** A scan that shows more rows than any test has never ends. */
const mostRows = 1_000_000;
/** Codes that say something about the row, not about the cluster. */
const refusals: readonly string[] = ["CONFLICT", "EXISTS", "NOT_FOUND"];

export function createAttempt(plan: Plan, options: AttemptOptions): Attempt {
  const { client, id, patienceMs } = options;
  const { input } = plan;
  let firstNs: number | undefined;
  let lastNs = 0;
  let tries = 0;
  let unsure = false;
  let cursor: string | undefined;
  let pages: ScannedRow[] = [];

  function entry(ending: Entry["ending"], output: Output, nowNs: number): Progress {
    const invokeNs = input.op === "write" ? (firstNs ?? lastNs) : lastNs;
    return { kind: "done", entry: { client, id, input, ending, output, invokeNs, returnNs: nowNs, tries } };
  }
  /** The rows of another page: more is to come, or the scan is whole. */
  function paged(rows: readonly ScannedRow[], next: unknown, nowNs: number): Progress {
    pages = [...pages, ...rows];
    if (typeof next !== "string") return entry("ok", { op: "scan", rows: pages }, nowNs);
    if (pages.length > mostRows) return entry("fail", { op: "fault", code: "ENDLESS_SCAN" }, nowNs);
    cursor = next;
    return { kind: "again", afterMs: 0 };
  }
  function failed(code: string, nowNs: number): Progress {
    const retry = isFaultCode(code) ? retryOf(code) : "ask";
    const output: Output = { op: "fault", code };
    if (retry === "ask") unsure = true;
    if (retry === "no") return entry(unsure && input.op === "write" ? "unknown" : "fail", output, nowNs);
    const spentMs = (nowNs - (firstNs ?? nowNs)) / 1e6;
    if (spentMs < patienceMs)
      return { kind: "again", afterMs: Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(tries, 6)) };
    return entry(unsure && input.op === "write" ? "unknown" : "fail", output, nowNs);
  }

  return {
    table: plan.table,
    op: plan.op,
    body: () => (cursor === undefined ? plan.body : { ...plan.body, cursor }),
    begin(nowNs) {
      firstNs ??= nowNs;
      // Once a page was read, the scan began when that page was asked for.
      if (cursor === undefined) lastNs = nowNs;
      tries++;
    },
    end(outcome, nowNs) {
      if (outcome.kind === "nobody") return failed("UNAVAILABLE", nowNs);
      if (outcome.kind === "silence") return failed("DEADLINE_EXCEEDED", nowNs);
      const read = readAnswer(plan, outcome.body);
      if ("code" in read) return failed(read.code, nowNs);
      if (read.output.op === "scan") return paged(read.output.rows, read.cursor, nowNs);
      return entry("ok", read.output, nowNs);
    },
  };
}

/** True for an answer about the row that a correct client may get; any other final refusal is a mistake of the system or of the test. */
export function isRefusal(code: string): boolean {
  return refusals.includes(code);
}

type Answer = { readonly output: Output; readonly cursor: unknown } | { readonly code: string };

/** Makes an answer's body into what the checkers know. A body that makes no sense is a code of its own. */
function readAnswer(plan: Plan, body: unknown): Answer {
  const fields = fieldsOf(body);
  if (fields === undefined) return { code: "SENSELESS_ANSWER" };
  const code = fieldsOf(fields.fault)?.code;
  if (fields.fault !== undefined) return { code: typeof code === "string" ? code : "SENSELESS_ANSWER" };
  const output = outputOf(plan, fields);
  return output === undefined ? { code: "SENSELESS_ANSWER" } : { output, cursor: fields.cursor };
}

function outputOf(plan: Plan, fields: Fields): Output | undefined {
  switch (plan.input.op) {
    case "get":
      return { op: "rows", rows: [rowOf(fields.row)] };
    case "getMany": {
      const rows = fields.rows;
      return Array.isArray(rows) ? { op: "rows", rows: rows.map(rowOf) } : undefined;
    }
    case "write": {
      const versions = fields.versions ?? [fields.version];
      return Array.isArray(versions) ? { op: "versions", versions: versions.map(Number) } : undefined;
    }
    case "scan": {
      const rows = fields.rows;
      return Array.isArray(rows) ? { op: "scan", rows: rows.flatMap((row) => scannedOf(plan.table, row)) } : undefined;
    }
    case "count":
      return { op: "count", count: countOf(fields) };
  }
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

function rowOf(value: unknown): Row | undefined {
  const row = fieldsOf(value);
  if (row === undefined) return undefined;
  const fields: Record<string, string> = {};
  for (const [name, text] of Object.entries(fieldsOf(row.doc) ?? {})) fields[name] = String(text);
  return { version: Number(row.version), fields };
}

function scannedOf(table: string, value: unknown): ScannedRow[] {
  const row = rowOf(value);
  return row === undefined ? [] : [{ key: keyFromAnswer(table, fieldsOf(value)?.key), ...row }];
}

/** The one group's count; no group at all is a count of nothing. */
function countOf(fields: Fields): number {
  const groups = fields.groups;
  if (!Array.isArray(groups) || groups.length === 0) return 0;
  return Number(fieldsOf(groups[0])?.n);
}
