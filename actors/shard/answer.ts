// Answers of a shard. Owns how results reach the node, and the faults that say "not here, not now".

import type { Effect, Effects } from "../../src/kernel/effect.js";
import { type Fault, fault } from "../../src/kernel/fault.js";
import type { OpResult } from "../../src/protocol/exec.js";
import type { Done, ReadJob, ShardReport, ShardState, Slot, WriteJob } from "./state.js";

export function report(state: ShardState, done: readonly Done[]): Effect {
  const message: ShardReport = { kind: "execDone", done };
  return { kind: "tell", to: state.config.parent, message };
}

/** Everything that one step reports reaches the node as one message. */
export function reportedTogether(state: ShardState, effects: Effects): Effects {
  let reports = 0;
  for (const effect of effects) if (isReport(effect)) reports++;
  if (reports < 2) return effects;
  const done: Done[] = [];
  const others: Effect[] = [];
  for (const effect of effects) {
    if (isReport(effect)) done.push(...effect.message.done);
    else others.push(effect);
  }
  return [...others, report(state, done)];
}

type Report = Extract<Effect, { kind: "tell" }> & { readonly message: Extract<ShardReport, { kind: "execDone" }> };

function isReport(effect: Effect): effect is Report {
  return effect.kind === "tell" && "kind" in effect.message && effect.message.kind === "execDone";
}

export function answer(state: ShardState, slot: Slot, result: OpResult): Effect {
  return report(state, [{ slot, result }]);
}

export function refuse(state: ShardState, slot: Slot, why: Fault): Effect {
  return answer(state, slot, { op: "fault", fault: why });
}

export function refuseAll(state: ShardState, jobs: readonly (ReadJob | WriteJob)[], why: Fault): Effects {
  if (jobs.length === 0) return [];
  return [
    report(
      state,
      jobs.map(({ slot }) => ({ slot, result: { op: "fault", fault: why } })),
    ),
  ];
}

export function notPrimary(state: ShardState): Fault {
  const { primary, epoch } = state.assignment;
  return fault("NOT_PRIMARY", `the primary of fragment ${state.config.fragment} is ${primary} since epoch ${epoch}`, {
    primary,
    epoch,
  });
}

/** `certain`: the primary says so, and it was not carried out before the fragment's bounds changed either. */
export function wrongFragment(state: ShardState, certain = false): Fault {
  const { fragment } = state.config;
  const note = `the key lies outside fragment ${fragment}; the location cache is old`;
  return fault("WRONG_FRAGMENT", note, certain ? { fragment, certain } : undefined);
}

export function noLease(): Fault {
  return fault("UNAVAILABLE", "the primary has no lease right now (its leader is unreachable or changing); try again");
}

export function deadlinePassed(): Fault {
  return fault("DEADLINE_EXCEEDED", "the deadline passed before the request was carried out");
}

export function notWhole(state: ShardState): Fault {
  return fault(
    "UNAVAILABLE",
    `the copy of fragment ${state.config.fragment} on ${state.config.node} is not complete yet; try another replica`,
  );
}

export function tooStale(maxStaleMs: number): Fault {
  return fault("TOO_STALE", `this replica cannot prove that it is at most ${maxStaleMs} ms old; ask the primary`);
}
