// Linearizable. Owns the search for an order of one key's operations that respects real time and the register model.
// Algorithm: Wing & Gong (1993) with Lowe's memoisation of (operations done, state) (2017); operations that may never have happened
// need not be placed. Lists are per key (Herlihy & Wing: linearizability is local).
// L1 a list that could not be decided within its budget is a violation, not a pass.

import type { Entry, Key, Verdict } from "./history.js";
import {
  emptyRegister,
  type RegisterOp,
  type RegisterState,
  registerOps,
  registerText,
  type Seen,
  seenBy,
  sightings,
  stepRegister,
} from "./register.js";

export type Decision =
  | { readonly kind: "linearizable" }
  | {
      readonly kind: "not" /** The most operations that could be put in order. */;
      readonly placed: number;
      readonly stuck: readonly RegisterOp[];
    }
  | { readonly kind: "undecided" };

export interface LinearizableOptions {
  /** Steps of the search allowed per key. */
  readonly budget: number;
  /** Fewer strong operations than this are too little to judge. */
  readonly needed: number;
  /** A copy of a request may be carried out after its answer: a write that was refused may still have happened later. */
  readonly lateTries: boolean;
}

const defaults: LinearizableOptions = { budget: 200_000, needed: 1, lateTries: false };

export function checkLinearizable(history: readonly Entry[], options: Partial<LinearizableOptions> = {}): Verdict {
  const { budget, needed, lateTries } = { ...defaults, ...options };
  const { seen } = sightings(history);
  const violations: string[] = [];
  let judged = 0;
  for (const [key, ops] of registerOps(history, seen, lateTries)) {
    const useful = withoutIdle(ops, seen);
    judged += useful.length;
    const short = decide(useful, budget);
    // What nobody saw may still be what an update or a condition found.
    const decision = short.kind === "linearizable" || useful.length === ops.length ? short : decide(ops, budget);
    if (decision.kind !== "linearizable") violations.push(explain(key, useful.length, decision));
  }
  return { checker: "linearizable", unit: "operations", judged, needed, violations };
}

/** Drops writes of unknown end that nobody saw, where no refusal could need them. A delete stays: a read of nothing may need it. */
function withoutIdle(ops: readonly RegisterOp[], seen: Seen): RegisterOp[] {
  const refusals = ops.some((op) => op.kind === "refusal");
  if (refusals) return [...ops];
  return ops.filter(
    (op) =>
      !(op.optional && op.kind === "write" && op.step.act !== "delete" && !Number.isFinite(seenBy(op.step, seen))),
  );
}

interface Frame {
  readonly at: number;
  readonly state: RegisterState;
  readonly ranked: number;
}

/** Decides one key's list. */
export function decide(unordered: readonly RegisterOp[], budget: number): Decision {
  const ops = [...unordered].sort((a, b) => a.invokeNs - b.invokeNs || a.id - b.id);
  const required = ops.filter((op) => !op.optional).length;
  const rankOf = versionRanks(ops);
  const done = new Uint8Array(ops.length);
  const bits = new Uint32Array((ops.length + 31) >> 5);
  const visited = new Set<string>();
  const stack: Frame[] = [];
  let state = emptyRegister;
  let ranked = 0;
  let placed = 0;
  let best = 0;
  let stuck: readonly RegisterOp[] = [];
  let first = 0;
  let from = 0;
  let steps = 0;
  for (;;) {
    if (placed === required) return { kind: "linearizable" };
    if (++steps > budget) return { kind: "undecided" };
    while (first < ops.length && done[first] === 1) first++;
    const limitNs = earliestReturn(ops, done, first);
    let chosen = -1;
    let next: RegisterState | undefined;
    for (let at = Math.max(from, first); at < ops.length; at++) {
      const op = ops[at];
      if (op === undefined || op.invokeNs > limitNs) break;
      if (done[at] === 1) continue;
      const rank = rankOf[at] ?? -1;
      if (rank >= 0 && rank !== ranked) continue;
      next = stepRegister(state, op);
      if (next === undefined) continue;
      mark(bits, at);
      const name = `${bits.join(",")}|${registerText(next)}`;
      if (!visited.has(name)) {
        visited.add(name);
        chosen = at;
        break;
      }
      mark(bits, at);
    }
    const op = chosen < 0 ? undefined : ops[chosen];
    if (op !== undefined && next !== undefined) {
      stack.push({ at: chosen, state, ranked });
      done[chosen] = 1;
      state = next;
      if ((rankOf[chosen] ?? -1) >= 0) ranked++;
      if (!op.optional) placed++;
      from = 0;
      continue;
    }
    if (placed >= best) {
      best = placed;
      stuck = candidates(ops, done, limitNs);
    }
    const frame = stack.pop();
    if (frame === undefined) return { kind: "not", placed: best, stuck };
    done[frame.at] = 0;
    mark(bits, frame.at);
    if (ops[frame.at]?.optional === false) placed--;
    state = frame.state;
    ranked = frame.ranked;
    first = 0;
    from = frame.at + 1;
  }
}

/** Versions grow along the order, so writes of known version have a fixed rank among themselves; -1 for all others. */
function versionRanks(ops: readonly RegisterOp[]): Int32Array {
  const ranks = new Int32Array(ops.length).fill(-1);
  const known = ops
    .map((op, at) => ({ at, version: op.kind === "write" ? op.version : undefined }))
    .filter((one): one is { at: number; version: number } => one.version !== undefined)
    .sort((a, b) => a.version - b.version);
  known.forEach(({ at }, rank) => {
    ranks[at] = rank;
  });
  return ranks;
}

/** Nothing invoked after this may come next: some operation had returned by then. */
function earliestReturn(ops: readonly RegisterOp[], done: Uint8Array, first: number): number {
  let earliest = Number.POSITIVE_INFINITY;
  for (let at = first; at < ops.length; at++) {
    const op = ops[at];
    if (op === undefined || op.invokeNs > earliest) break;
    if (done[at] === 0 && op.returnNs < earliest) earliest = op.returnNs;
  }
  return earliest;
}

function candidates(ops: readonly RegisterOp[], done: Uint8Array, limitNs: number): RegisterOp[] {
  return ops.filter((op, at) => done[at] === 0 && op.invokeNs <= limitNs).slice(0, 6);
}

function mark(bits: Uint32Array, at: number): void {
  bits[at >> 5] = (bits[at >> 5] ?? 0) ^ (1 << (at & 31));
}

function explain(key: Key, count: number, decision: Exclude<Decision, { kind: "linearizable" }>): string {
  if (decision.kind === "undecided") return `${key}: ${count} operations could not be decided within the budget`;
  const tried = decision.stuck.map(opText).join("; ");
  return `${key}: no order of ${count} operations fits; ${decision.placed} fit, then none of: ${tried}`;
}

export function opText(op: RegisterOp): string {
  const when = `[${seconds(op.invokeNs)}..${Number.isFinite(op.returnNs) ? seconds(op.returnNs) : "?"}]`;
  const who = `op ${op.id} client ${op.client} ${when}`;
  if (op.kind === "read") {
    const saw = op.row === undefined ? "nothing" : `v${op.row.version} ${JSON.stringify(op.row.fields)}`;
    return `${who} read ${saw}`;
  }
  const condition = op.step.ifVersion === undefined ? "" : ` if v${op.step.ifVersion}`;
  const act = `${op.step.act}${condition} ${JSON.stringify(op.step.fields)}`;
  return op.kind === "refusal" ? `${who} ${act} refused ${op.code}` : `${who} ${act} → v${op.version ?? "?"}`;
}

function seconds(ns: number): string {
  return (ns / 1e9).toFixed(4);
}
