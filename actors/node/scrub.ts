// Scrubbing. Owns the rounds in which this node has the logs of the fragments that it leads read from end to end: one at a time, each once a round.

import type { Effects } from "../../src/kernel/effect.js";
import type { FragmentId } from "../../src/protocol/subjects.js";
import type { NodeState } from "./state.js";

export const scrubTimer = "scrub";
const tickMs = 2000;
const roundTicks = 450;
/** A shard that was stopped in its turn does not answer: the round goes on without it. */
const patienceTicks = 30;

export function scrubTick(state: NodeState): Effects {
  const { scrub } = state;
  scrub.roundTicks++;
  scrub.currentTicks++;
  if (scrub.roundTicks >= roundTicks) {
    scrub.roundTicks = 0;
    scrub.done.clear();
  }
  if (scrub.current !== undefined && scrub.currentTicks >= patienceTicks) scrub.current = undefined;
  return [{ kind: "wake", name: scrubTimer, afterMs: tickMs }, ...scrubNext(state)];
}

/** The next fragment that serves and has not had its turn. */
function scrubNext(state: NodeState): Effects {
  const { scrub, board } = state;
  if (scrub.current !== undefined) return [];
  for (const { fragment, state: doing } of board.statuses.values()) {
    const slot = state.shards.get(fragment);
    if (doing !== "serving" || scrub.done.has(fragment) || slot === undefined) continue;
    scrub.current = fragment;
    scrub.currentTicks = 0;
    scrub.done.add(fragment);
    return [{ kind: "tell", to: slot.actor, message: { kind: "scrubLog" } }];
  }
  return [];
}

export function onScrubDone(state: NodeState, fragment: FragmentId): Effects {
  if (state.scrub.current !== fragment) return [];
  state.scrub.current = undefined;
  return scrubNext(state);
}
