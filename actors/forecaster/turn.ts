// Turn. Owns the work that is done a little at a time: reading samples, taking series on, lessons. A step stays well under ten milliseconds, and a timer
// lies between two of them, so that everything else of the host gets its turn.

import type { Effect, Effects } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import type { Context } from "../../src/kernel/machine.js";
import { takeOn } from "./adopt.js";
import { pump } from "./fits.js";
import { readSample } from "./intake.js";
import { learn, nextLesson } from "./learn.js";
import { newsPerMessage, publish } from "./say.js";
import type { ForecasterState } from "./state.js";

export const turnTimer = "turn";
const adoptionsPerTurn = 12;
const lessonsPerTurn = 3;
const pauseMs = 1;

export function armTurn(state: ForecasterState): Effects {
  if (state.turnArmed || isIdle(state)) return none;
  state.turnArmed = true;
  return [{ kind: "wake", name: turnTimer, afterMs: pauseMs }];
}

function isIdle({ drip, chores }: ForecasterState): boolean {
  return drip.isEmpty() && chores.adoptions.length + chores.mended.length + chores.slots.length === 0;
}

/** Samples first: they never wait for forecasts. */
export function onTurn(state: ForecasterState, context: Context): Effects {
  state.turnArmed = false;
  const effects: Effect[] = [];
  if (!state.drip.isEmpty()) for (const record of state.drip.due()) readSample(state, record, context);
  else if (state.chores.adoptions.length > 0) {
    for (const adoption of state.chores.adoptions.splice(0, adoptionsPerTurn)) takeOn(state, adoption, context);
    effects.push(...pump(state, context));
  } else
    for (let taken = 0; taken < lessonsPerTurn; taken++) {
      const lesson = nextLesson(state);
      if (lesson === undefined) break;
      learn(state, lesson, context);
    }
  if (isIdle(state) || state.outgoing.length >= newsPerMessage) effects.push(...publish(state, context));
  return [...effects, ...armTurn(state)];
}
