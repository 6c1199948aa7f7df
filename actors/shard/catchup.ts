// Catching up. Owns reading the log record by record, from where the replica stands until a target LSN.
// The first try goes on after the replica's own sequence; if the chain does not continue there (the log lost its tail and numbers were given again),
// the second starts at the subject's first record. A chain that cannot be continued at all is a gap: only a copy helps.
// U1 a record of the past with rows beyond this replica's bounds is a gap, too: what was split off since is another's, who may have newer rows on the same shelf.
// U2 a replica that is to be copied applies nothing of the log until then, whatever it had asked for before it was told.

import { contains } from "../../src/fragment/range.js";
import type { FragmentRecord } from "../../src/fragment/record.js";
import { judge } from "../../src/fragment/replica.js";
import type { Effects, LogRecord, ReadOutcome } from "../../src/kernel/effect.js";
import { apply, readRecord } from "./apply.js";
import { isReady } from "./reshape.js";
import type { CatchUp, ShardState } from "./state.js";

export type CatchUpStep =
  | { readonly kind: "more"; readonly effects: Effects }
  | { readonly kind: "reached"; readonly effects: Effects }
  | { readonly kind: "gap"; readonly effects: Effects }
  /** No answer: try again later. */
  | { readonly kind: "later"; readonly effects: Effects };

export function startCatchUp(
  state: ShardState,
  targetLsn: number,
): { readonly catchUp: CatchUp; readonly effects: Effects } {
  const catchUp: CatchUp = { ticket: 0, fromStart: false, targetLsn };
  return { catchUp, effects: readNext(state, catchUp, state.replica.seq + 1) };
}

function readNext(state: ShardState, catchUp: CatchUp, seq: number): Effects {
  catchUp.ticket = state.tickets.next();
  return [{ kind: "readLog", log: state.log, at: "next", seq, ticket: catchUp.ticket }];
}

export function onCatchUpRead(state: ShardState, catchUp: CatchUp, outcome: ReadOutcome): CatchUpStep {
  if (state.replica.copying) return { kind: "gap", effects: [] };
  switch (outcome.kind) {
    case "record":
      return onNext(state, catchUp, outcome.record);
    case "none":
      return state.replica.lsn >= catchUp.targetLsn ? { kind: "reached", effects: [] } : fromStartOrGap(state, catchUp);
    case "gone":
    case "unknown":
      return { kind: "later", effects: [] };
  }
}

function onNext(state: ShardState, catchUp: CatchUp, log: LogRecord): CatchUpStep {
  const record = readRecord(state, log);
  if (record === undefined) return fromStartOrGap(state, catchUp);
  switch (judge(state.replica, record)) {
    case "apply":
      return goOn(state, catchUp, record, log);
    case "old":
    case "staleEpoch":
      // The log delivered on its own what was asked for.
      if (state.replica.lsn >= catchUp.targetLsn) return { kind: "reached", effects: [] };
      return { kind: "more", effects: readNext(state, catchUp, Math.max(log.seq, state.replica.seq) + 1) };
    case "gap":
    case "diverged":
      return fromStartOrGap(state, catchUp);
  }
}

function goOn(state: ShardState, catchUp: CatchUp, record: FragmentRecord, log: LogRecord): CatchUpStep {
  if (!isWithin(state, record)) return { kind: "gap", effects: [] };
  const ready = isReady(state, record);
  if (ready !== "yes") return { kind: ready === "wait" ? "later" : "gap", effects: [] };
  const effects = apply(state, record, log.seq);
  if (state.replica.lsn >= catchUp.targetLsn) return { kind: "reached", effects };
  return { kind: "more", effects: [...effects, ...readNext(state, catchUp, log.seq + 1)] };
}

function fromStartOrGap(state: ShardState, catchUp: CatchUp): CatchUpStep {
  if (catchUp.fromStart) return { kind: "gap", effects: [] };
  catchUp.fromStart = true;
  return { kind: "more", effects: readNext(state, catchUp, 1) };
}

/** U1 */
function isWithin({ replica }: ShardState, { changes }: FragmentRecord): boolean {
  return changes.every(({ position }) => contains(replica.range, position));
}
