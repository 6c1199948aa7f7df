// Register. Owns the model of one row: what every strong operation on its key may answer, given what was there before.
// The history of all keys is cut into one list of register operations per key; linearizability is local, so each list is judged alone.
// G1 a write whose unique fields were seen by any read has happened, whatever its client was told.
// G2 one write has one version: the same fields under two versions mean that a retry was applied twice.

import type { Entry, Fields, Key, Row, Step } from "./history.js";

export type RegisterOp = {
  readonly id: number;
  readonly client: number;
  readonly invokeNs: number;
  /** Infinity while its client never learned the end. */
  readonly returnNs: number;
  /** May never have happened. */
  readonly optional: boolean;
} & (
  | { readonly kind: "read"; readonly row: Row | undefined }
  | { readonly kind: "write"; readonly step: Step; readonly version: number | undefined }
  /** Refused for what the row was at that moment. */
  | { readonly kind: "refusal"; readonly step: Step; readonly code: string }
);

/** The row between two operations. `version` is undefined after a write whose version nobody learned. */
export interface RegisterState {
  readonly fields: Fields | undefined;
  readonly version: number | undefined;
  /** Highest version known to be behind us. */
  readonly floor: number;
}

export const emptyRegister: RegisterState = { fields: undefined, version: 0, floor: 0 };

/** The state after `op`, or undefined when `op` cannot follow `state`. */
export function stepRegister(state: RegisterState, op: RegisterOp): RegisterState | undefined {
  switch (op.kind) {
    case "read":
      return afterRead(state, op.row);
    case "refusal":
      return refusalFits(state, op.step, op.code) ? state : undefined;
    case "write":
      return afterWrite(state, op.step, op.version);
  }
}

function afterRead(state: RegisterState, row: Row | undefined): RegisterState | undefined {
  if (row === undefined) return state.fields === undefined ? state : undefined;
  if (state.fields === undefined || !sameFields(state.fields, row.fields)) return undefined;
  if (state.version === row.version) return state;
  if (state.version !== undefined || row.version <= state.floor) return undefined;
  return { fields: state.fields, version: row.version, floor: row.version };
}

function refusalFits(state: RegisterState, step: Step, code: string): boolean {
  switch (code) {
    case "EXISTS":
      return step.act === "insert" && state.fields !== undefined;
    case "NOT_FOUND":
      return state.fields === undefined;
    case "CONFLICT":
      return step.ifVersion !== undefined && !mayHold(state, step.ifVersion);
    default:
      return false;
  }
}

function afterWrite(state: RegisterState, step: Step, version: number | undefined): RegisterState | undefined {
  if (version !== undefined && version <= state.floor) return undefined;
  if (step.ifVersion !== undefined && !couldHold(state, step.ifVersion)) return undefined;
  const { fields } = state;
  if (step.act === "insert" && fields !== undefined) return undefined;
  if (step.act === "update" && fields === undefined) return undefined;
  const after = step.act === "delete" ? undefined : step.act === "update" ? { ...fields, ...step.fields } : step.fields;
  return { fields: after, version, floor: version ?? state.floor };
}

/** True when the row surely has `version` (0 = there is no row). */
function mayHold(state: RegisterState, version: number): boolean {
  if (version === 0) return state.fields === undefined;
  return state.fields !== undefined && state.version === version;
}

/** True when the row may have `version`: an unlearned version may be any above the floor. */
function couldHold(state: RegisterState, version: number): boolean {
  if (mayHold(state, version)) return true;
  return version !== 0 && state.fields !== undefined && state.version === undefined && version > state.floor;
}

export function sameFields(a: Fields, b: Fields): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

export function registerText(state: RegisterState): string {
  const fields = state.fields === undefined ? "-" : JSON.stringify(state.fields);
  return `${fields}|${state.version ?? "?"}|${state.floor}`;
}

export type Seen = ReadonlyMap<string, number>;

/** What the reads of a history saw of its writes. */
export interface Sightings {
  /** Tokens of written texts that some read saw, each with when the first such read returned: by then the write had happened. */
  readonly seen: Seen;
  /** Rows seen, each under its key and version. */
  readonly rows: number;
  readonly violations: readonly string[];
}

/** Names one text written to one field of one row. */
export function token(key: Key, field: string, text: string): string {
  return `${key}\n${field}\n${text}`;
}

function rowsRead(entry: Entry): (readonly [Key, Row])[] {
  const { input, output } = entry;
  if (output.op === "scan") return output.rows.map((row) => [row.key, row] as const);
  if (output.op !== "rows") return [];
  const keys = input.op === "get" ? [input.key] : input.op === "getMany" ? input.keys : [];
  const found: (readonly [Key, Row])[] = [];
  output.rows.forEach((row, at) => {
    const key = keys[at];
    if (row !== undefined && key !== undefined) found.push([key, row]);
  });
  return found;
}

/** Collects what was seen; complains of text that nobody wrote, of one version with two contents, and of one content under two versions. */
export function sightings(history: readonly Entry[]): Sightings {
  const written = new Set<string>();
  for (const { input } of history) {
    if (input.op !== "write") continue;
    for (const { key, fields } of input.steps)
      for (const [field, text] of Object.entries(fields)) written.add(token(key, field, text));
  }
  const seen = new Map<string, number>();
  const contents = new Map<string, string>();
  const versions = new Map<string, number>();
  const violations: string[] = [];
  for (const entry of history) {
    for (const [key, row] of rowsRead(entry)) {
      for (const [field, text] of Object.entries(row.fields)) {
        const name = token(key, field, text);
        seen.set(name, Math.min(entry.returnNs, seen.get(name) ?? Number.POSITIVE_INFINITY));
        if (!written.has(name)) violations.push(`op ${entry.id} read ${key}.${field} = ${text}, which nobody wrote`);
      }
      const content = contentText(row.fields);
      const before = contents.get(`${key}\n${row.version}`);
      if (before === undefined) contents.set(`${key}\n${row.version}`, content);
      else if (before !== content)
        violations.push(`op ${entry.id} read ${key} at version ${row.version} as ${content}, before it was ${before}`);
      const version = versions.get(`${key}\n${content}`);
      if (version === undefined) versions.set(`${key}\n${content}`, row.version);
      else if (version !== row.version)
        violations.push(
          `${key} ${content} was seen at versions ${version} and ${row.version} (op ${entry.id}): one write was applied twice`,
        );
    }
  }
  return { seen, rows: contents.size, violations };
}

function contentText(fields: Fields): string {
  return JSON.stringify(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** When a read that saw what the step wrote had returned; Infinity when none saw it. A delete leaves nothing to see. */
export function seenBy(step: Step, seen: Seen): number {
  return Object.entries(step.fields).reduce(
    (first, [field, text]) => Math.min(first, seen.get(token(step.key, field, text)) ?? first),
    Number.POSITIVE_INFINITY,
  );
}

/** The strong operations of the history, by key. */
export function registerOps(history: readonly Entry[], seen: Seen, lateTries = false): Map<Key, RegisterOp[]> {
  const byKey = new Map<Key, RegisterOp[]>();
  const add = (key: Key, op: RegisterOp): void => {
    const list = byKey.get(key);
    if (list === undefined) byKey.set(key, [op]);
    else list.push(op);
  };
  for (const entry of history) {
    const { input, output, ending } = entry;
    const when = { id: entry.id, client: entry.client, invokeNs: entry.invokeNs, returnNs: entry.returnNs };
    if (input.op === "write") {
      addWrite(entry, input.steps, when, seen, lateTries, add);
    } else if (ending === "ok" && output.op === "rows" && (input.op === "get" || input.op === "getMany")) {
      if (input.level !== "strong") continue;
      const keys = input.op === "get" ? [input.key] : input.keys;
      keys.forEach((key, at) => {
        add(key, { ...when, optional: false, kind: "read", row: output.rows[at] });
      });
    }
  }
  return byKey;
}

function addWrite(
  entry: Entry,
  steps: readonly Step[],
  when: { id: number; client: number; invokeNs: number; returnNs: number },
  seen: Seen,
  lateTries: boolean,
  add: (key: Key, op: RegisterOp) => void,
): void {
  const { output, ending } = entry;
  if (ending === "ok") {
    steps.forEach((step, at) => {
      const version = output.op === "versions" ? output.versions[at] : undefined;
      add(step.key, { ...when, optional: false, kind: "write", step, version });
    });
    return;
  }
  if (ending === "fail" && steps.length === 1 && output.op === "fault" && isRefusalCode(output.code))
    for (const step of steps) add(step.key, { ...when, optional: false, kind: "refusal", step, code: output.code });
  if (ending === "fail" && !lateTries) return;
  // A batch is all or nothing, and at once: when one step was seen, every step had happened.
  const returnNs = steps.reduce((first, step) => Math.min(first, seenBy(step, seen)), Number.POSITIVE_INFINITY);
  const open = { ...when, returnNs, optional: !Number.isFinite(returnNs) };
  for (const step of steps) add(step.key, { ...open, kind: "write", step, version: undefined });
}

/** Codes that say something about the row at that moment. */
function isRefusalCode(code: string): boolean {
  return code === "EXISTS" || code === "NOT_FOUND" || code === "CONFLICT";
}
