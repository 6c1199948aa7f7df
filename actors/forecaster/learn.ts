// Learn. Owns the way of a value: slot closed → lesson → series → forecast → news. A few series a step, so that nothing holds the event loop.
// N1 the lessons of a series are taken in the order of their slots. N2 a series whose past is being rebuilt keeps its lessons until it is there.

import { limits } from "../../src/config/limits.js";
import { noteActual } from "../../src/forecast/ranks.js";
import { isRefitDue, observe } from "../../src/forecast/series.js";
import type { Effect, Effects } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import type { Context } from "../../src/kernel/machine.js";
import { rateIn, type Slot } from "../../src/load/book.js";
import { partitionOfFragment } from "../../src/protocol/subjects.js";
import { order } from "./fits.js";
import { newsPerMessage, publish, say } from "./say.js";
import type { Entry, ForecasterState, Lane } from "./state.js";

export const turnTimer = "turn";
/** Series in one step; a step should stay well under ten milliseconds. */
const lessonsPerTurn = 3;
const turnPauseMs = 1;

/** A slot is over: a lesson for each of our series over that horizon. */
export function onSlot(state: ForecasterState, index: number, slot: Slot): void {
  for (const entry of state.entries.values()) {
    const lane = entry.lanes[index];
    if (lane === undefined) continue;
    state.lessons.push({ entry, lane, slot: slot.slot, value: rateOf(state, entry, lane, slot) });
  }
}

export function rateOf(state: ForecasterState, entry: Entry, lane: Lane, slot: Slot): number {
  const view = state.tails[partitionOfFragment(entry.fragment)]?.view;
  const holders = (view?.fragments.get(entry.fragment)?.replicas ?? []).map(({ node }) => node);
  return rateIn(slot, lane.horizon.slotMs, entry.key, holders);
}

export function armTurn(state: ForecasterState): Effects {
  if (state.turnArmed || state.nextLesson >= state.lessons.length) return none;
  state.turnArmed = true;
  return [{ kind: "wake", name: turnTimer, afterMs: turnPauseMs }];
}

export function onTurn(state: ForecasterState, context: Context): Effects {
  state.turnArmed = false;
  for (let taken = 0; taken < lessonsPerTurn && state.nextLesson < state.lessons.length; taken++) {
    const lesson = state.lessons[state.nextLesson++];
    if (lesson === undefined || state.entries.get(lesson.entry.key) !== lesson.entry) continue;
    learn(state, lesson.entry, lesson.lane, lesson.slot, lesson.value, context);
  }
  const isLast = state.nextLesson >= state.lessons.length;
  if (isLast) {
    state.lessons.length = 0;
    state.nextLesson = 0;
  }
  const effects: Effect[] = [...armTurn(state)];
  if (isLast || state.outgoing.length >= newsPerMessage) effects.push(...publish(state, context));
  return effects;
}

function learn(state: ForecasterState, entry: Entry, lane: Lane, slot: number, value: number, context: Context): void {
  if (lane.series === undefined) {
    lane.waiting.push({ slot, value });
    if (lane.waiting.length > limits.forecastSlotsWaiting) lane.waiting.shift();
    return;
  }
  noteActual(lane.ranks, slot, value);
  if (observe(lane.series, slot, value) !== "learnt") return;
  say(state, entry, lane, lane.series);
  const hasWaited = context.nowMs - lane.fittedAtMs >= state.refitEveryMs;
  if (lane.fit === "none" && isRefitDue(lane.series) && hasWaited) order(state, "refit", entry, lane, context);
}
