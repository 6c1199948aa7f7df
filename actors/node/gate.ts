// Gate. Owns who of the operations that reach a node with a ceiling is let in now, waits a moment, or is refused with a time to come back.
// G1 an operation whose job was answered otherwise meanwhile (its shard is gone) is not begun any more.
// G2 a refusal is one of that operation alone: what else came in the same message goes on.
// G3 what waits is looked at again as soon as the budget allows, by one timer that is armed only while something waits.

import { limits } from "../../src/config/limits.js";
import type { Effect, Effects } from "../../src/kernel/effect.js";
import { type Fault, fault } from "../../src/kernel/fault.js";
import type { Context } from "../../src/kernel/machine.js";
import {
  type Admission,
  createAdmission,
  defaultBurstMs,
  defaultWaitMs,
  type Verdict,
} from "../../src/load/admission.js";
import { kindOf } from "../../src/load/kinds.js";
import { budgetPerS, type Ceiling, type PowerMeter, priceIn } from "../../src/load/power.js";
import type { Op } from "../../src/protocol/exec.js";
import type { Done } from "../shard/state.js";
import { dispatchPart, onDone } from "./exec.js";
import type { Job, NodeState } from "./state.js";

export const gateTimer = "gate";

/** One operation: its job, the part in it, and its place there. */
interface Place {
  readonly job: number;
  readonly part: number;
  readonly index: number;
}

export interface Gate {
  readonly admission: Admission<Place>;
  price(op: Op): number;
  armed: boolean;
}

export function createGate(ceiling: Ceiling, power: PowerMeter): Gate {
  return {
    admission: createAdmission({
      perSecond: budgetPerS(ceiling),
      burstMs: defaultBurstMs,
      waitMs: defaultWaitMs,
      mostWaiting: limits.nodeOpsWaiting,
    }),
    price: (op) => priceIn(ceiling, power.costs, kindOf(op)),
    armed: false,
  };
}

/** `groups`: who asks, by part. */
export function admitJob(
  state: NodeState,
  gate: Gate,
  id: number,
  job: Job,
  groups: readonly string[],
  context: Context,
): Effects {
  const verdicts: Verdict<Place>[] = [];
  job.parts.forEach(({ ops }, part) => {
    ops.forEach((op, index) => {
      const place = { job: id, part, index };
      verdicts.push(...gate.admission.offer(groups[part] ?? "", gate.price(op), place, context.nowMs));
    });
  });
  return [...carryOut(state, verdicts, context), ...arm(gate, context)];
}

/** The timer: some of what waits may go on. */
export function openGate(state: NodeState, gate: Gate, context: Context): Effects {
  gate.armed = false;
  return [...carryOut(state, gate.admission.pump(context.nowMs), context), ...arm(gate, context)];
}

function arm(gate: Gate, { nowMs }: Context): Effects {
  const nextMs = gate.admission.nextMs(nowMs);
  if (nextMs === undefined || gate.armed) return [];
  gate.armed = true;
  return [{ kind: "wake", name: gateTimer, afterMs: Math.max(1, Math.ceil(nextMs)) }];
}

function carryOut(state: NodeState, verdicts: readonly Verdict<Place>[], { nowMs }: Context): Effects {
  if (verdicts.length === 0) return [];
  const refused: Done[] = [];
  /** Places by job and part, in the order in which they were let in. */
  const admitted = new Map<string, { readonly job: number; readonly part: number; readonly places: number[] }>();
  for (const verdict of verdicts) {
    const { job, part, index } = verdict.item;
    if (!isOpen(state, verdict.item)) continue;
    if (verdict.kind === "refused") {
      refused.push({ slot: verdict.item, result: { op: "fault", fault: refusal(state, verdict.retryAfterMs) } });
      continue;
    }
    const key = `${job}/${part}`;
    const sharing = admitted.get(key);
    if (sharing === undefined) admitted.set(key, { job, part, places: [index] });
    else sharing.places.push(index);
  }
  const effects: Effect[] = [];
  for (const { job, part, places } of admitted.values()) {
    const held = state.jobs.get(job);
    if (held !== undefined) effects.push(...dispatchPart(state, job, held, part, places, nowMs));
  }
  state.sampling?.refused(refused.length);
  return refused.length === 0 ? effects : [...effects, ...onDone(state, refused)];
}

function isOpen({ jobs }: NodeState, { job, part, index }: Place): boolean {
  const results = jobs.get(job)?.results[part];
  return results !== undefined && results[index] === undefined;
}

function refusal({ config }: NodeState, retryAfterMs: number): Fault {
  return fault("OVERLOADED", `node ${config.id} is at its ceiling; try again in ${retryAfterMs} ms`, { retryAfterMs });
}
