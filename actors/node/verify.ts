// Verifying in the background. Owns when this node has the copies of the fragments that it leads compared: one after the other, again and again, at a low rate.
// R1 over time no more bytes are read than the pace says; one fragment is under way at a time. R2 what this node leads no more is not waited for.

import type { Effects } from "../../src/kernel/effect.js";
import type { FragmentId } from "../../src/protocol/subjects.js";
import type { NodeState, VerifyPace, VerifyRound } from "./state.js";

export const verifyTimer = "verify";
const tickMs = 1000;
const MiB = 1024 * 1024;
export const defaultPace: VerifyPace = { bytesPerSecond: 4 * MiB, everyMs: 3_600_000 };
/** A fragment that has just begun to serve is left alone for so long. */
const firstMs = 60_000;
/** A shard that was stopped in its turn does not answer: the round goes on without it. */
const patienceTicks = 300;
/** Small fragments cost more than their bytes: a record of the log, a worker's turn. */
const leastBytes = 64 * 1024;

export function createVerifyRound(): VerifyRound {
  return { dueTicks: new Map(), ticks: 0, current: undefined, currentTicks: 0, budgetBytes: 0 };
}

export function verifyTick(state: NodeState): Effects {
  const { bytesPerSecond, everyMs } = state.config.verify ?? defaultPace;
  if (bytesPerSecond <= 0) return [];
  const round = state.verifying;
  round.ticks++;
  round.currentTicks++;
  const perTick = (bytesPerSecond * tickMs) / 1000;
  round.budgetBytes = Math.min(Math.max(perTick, leastBytes), round.budgetBytes + perTick);
  if (round.currentTicks >= patienceTicks || !isLed(state, round.current)) round.current = undefined;
  return [{ kind: "wake", name: verifyTimer, afterMs: tickMs }, ...verifyNext(state, everyMs)];
}

function isLed({ board }: NodeState, fragment: FragmentId | undefined): boolean {
  return fragment !== undefined && board.statuses.get(fragment)?.state === "serving";
}

/** The fragment whose turn is longest overdue. */
function verifyNext({ verifying: round, board, shards }: NodeState, everyMs: number): Effects {
  if (round.current !== undefined || round.budgetBytes <= 0) return [];
  let next: { readonly fragment: FragmentId; readonly due: number; readonly bytes: number } | undefined;
  for (const { fragment, state: doing, bytes } of board.statuses.values()) {
    if (doing !== "serving") {
      round.dueTicks.delete(fragment);
      continue;
    }
    const due = round.dueTicks.get(fragment) ?? round.ticks + Math.ceil(Math.min(firstMs, everyMs) / tickMs);
    round.dueTicks.set(fragment, due);
    if (due <= round.ticks && due < (next?.due ?? Number.POSITIVE_INFINITY)) next = { fragment, due, bytes };
  }
  const slot = next === undefined ? undefined : shards.get(next.fragment);
  if (next === undefined || slot === undefined) return [];
  round.current = next.fragment;
  round.currentTicks = 0;
  round.budgetBytes -= Math.max(leastBytes, next.bytes);
  round.dueTicks.set(next.fragment, round.ticks + Math.ceil(everyMs / tickMs));
  return [{ kind: "tell", to: slot.actor, message: { kind: "verify" } }];
}

export function onVerifyDone({ verifying: round }: NodeState, fragment: FragmentId): Effects {
  if (round.current === fragment) round.current = undefined;
  return [];
}
