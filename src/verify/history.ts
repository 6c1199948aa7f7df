// History. Owns the record of what clients asked and were told: the one input of every checker, written by the simulator and by live runs.
// H1 an entry is opened before its request leaves and closed after its answer came, so that [invokeNs, returnNs] covers whatever it did.
// H2 `unknown` may have taken effect at any time from invokeNs on, or never; `fail` certainly had no effect.
// H3 one retried request is one entry, from its first try to its last answer.

/** What the checkers know of a row: its version and its fields, each a text that no other write ever wrote to that field. */
export interface Row {
  readonly version: number;
  readonly fields: Fields;
}
export type Fields = Readonly<Record<string, string>>;

/** A row's name over all tables: `table/partition/sort`. */
export type Key = string;

export interface Step {
  readonly key: Key;
  readonly act: "put" | "insert" | "update" | "delete";
  /** Fields written: all of them for put and insert, the changed ones for update. */
  readonly fields: Fields;
  /** 0 = only when there is no row. */
  readonly ifVersion?: number;
}

export type Level = "strong" | "bounded" | "any";

export type Input =
  | { readonly op: "get"; readonly key: Key; readonly level: Level; readonly maxStaleMs: number }
  | { readonly op: "getMany"; readonly keys: readonly Key[]; readonly level: Level; readonly maxStaleMs: number }
  | { readonly op: "write"; readonly steps: readonly Step[]; readonly requestId: string }
  /** `keys`: every key the workload ever uses inside the scanned range, in the table's order (or against it). */
  | { readonly op: "scan"; readonly keys: readonly Key[]; readonly level: Level; readonly maxStaleMs: number }
  | { readonly op: "count"; readonly keys: readonly Key[]; readonly level: Level; readonly maxStaleMs: number };

export type Output =
  | { readonly op: "rows"; readonly rows: readonly (Row | undefined)[] }
  | { readonly op: "versions"; readonly versions: readonly number[] }
  | { readonly op: "scan"; readonly rows: readonly ScannedRow[] }
  | { readonly op: "count"; readonly count: number }
  /** Why it failed, or why it is unknown. */
  | { readonly op: "fault"; readonly code: string };

export interface ScannedRow extends Row {
  readonly key: Key;
}

export type Ending = "ok" | "fail" | "unknown";

export interface Entry {
  readonly client: number;
  /** Unique in the history. */
  readonly id: number;
  readonly input: Input;
  readonly ending: Ending;
  readonly output: Output;
  readonly invokeNs: number;
  readonly returnNs: number;
  /** Requests sent for it; above 1 it was retried. */
  readonly tries: number;
}

/** What one checker found. A verdict with too little to judge is no pass: `judged` must reach `needed`. */
export interface Verdict {
  readonly checker: string;
  /** What was counted, e.g. `reads`. */
  readonly unit: string;
  readonly judged: number;
  readonly needed: number;
  readonly violations: readonly string[];
}

export function passed(verdict: Verdict): boolean {
  return verdict.violations.length === 0 && verdict.judged >= verdict.needed;
}

export function describe(verdict: Verdict): string {
  const { checker, judged, needed, unit, violations } = verdict;
  if (violations.length > 0) return `${checker}: ${violations.length} violation(s) over ${judged} ${unit}`;
  if (judged < needed) return `${checker}: only ${judged} ${unit}, at least ${needed} are needed to judge`;
  return `${checker}: ok, ${judged} ${unit}`;
}
