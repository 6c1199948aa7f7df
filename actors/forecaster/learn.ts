// Learn. Owns the way of a value: slot over → lesson → series → forecast → news.
// N1 the lessons of a series are taken in the order of their slots. N2 a series whose past is being rebuilt keeps its lessons until it is there.

import { limits } from "../../src/config/limits.js";
import { lastSlot, slotsPushed } from "../../src/forecast/history.js";
import { noteActual } from "../../src/forecast/ranks.js";
import { isRefitDue, observe } from "../../src/forecast/series.js";
import type { Context } from "../../src/kernel/machine.js";
import { rateIn, type Slot } from "../../src/load/book.js";
import { partitionOfFragment } from "../../src/protocol/subjects.js";
import { order } from "./fits.js";
import { profilesOf, promisedIn } from "./profiles.js";
import { say } from "./say.js";
import type { Entry, ForecasterState, Lane, Lesson } from "./state.js";

/** The next lesson there is; values of slots long over first. */
export function nextLesson(state: ForecasterState): Lesson | undefined {
  const { chores } = state;
  const mended = chores.mended.pop();
  if (mended !== undefined) return mended;
  for (let [job] = chores.slots; job !== undefined; [job] = chores.slots) {
    const { value: entry, done } = job.entries.next();
    const lane = done === true ? undefined : entry.lanes[job.index];
    if (lane !== undefined && done !== true)
      return { entry, lane, slot: job.slot.slot, value: rateOf(state, entry, lane, job.slot) };
    chores.slots.shift();
  }
  return undefined;
}

export function rateOf(state: ForecasterState, entry: Entry, lane: Lane, slot: Slot): number {
  const view = state.tails[partitionOfFragment(entry.fragment)]?.view;
  const holders = (view?.fragments.get(entry.fragment)?.replicas ?? []).map(({ node }) => node);
  return rateIn(slot, lane.horizon.slotMs, entry.key, holders);
}

const takenKept = 64;
/** A series that knows less is fitted as often as it pays: its seasons are still to be found. */
const youngSlots = 240;

/** What the series is to learn of a value: all that was not promised to come. */
export function plainOf(state: ForecasterState, entry: Entry, lane: Lane, slot: number, value: number): number {
  if (Number.isNaN(value) || profilesOf(state).length === 0) return value;
  const usual = lane.usualAt === slot - 1 ? lane.usual : value;
  const part = lane.trials.see(promisedIn(state, entry, lane, slot, usual), value, usual);
  if (part === 0) return value;
  lane.taken.set(slot, part);
  if (lane.taken.size > takenKept) lane.taken.delete(lane.taken.keys().next().value ?? 0);
  return value - part;
}

export function learn(state: ForecasterState, { entry, lane, slot, value }: Lesson, context: Context): void {
  if (state.entries.get(entry.key) !== entry) return;
  if (lane.series === undefined) {
    lane.waiting.push({ slot, value });
    if (lane.waiting.length > limits.forecastSlotsWaiting) lane.waiting.shift();
    return;
  }
  noteActual(lane.ranks, slot, value);
  const known = lastSlot(lane.series.history);
  if (observe(lane.series, slot, slot > known ? plainOf(state, entry, lane, slot, value) : value) !== "learnt") return;
  say(state, entry, lane, lane.series);
  const isYoung = slotsPushed(lane.series.history) < youngSlots;
  const hasWaited = isYoung || context.nowMs - lane.fittedAtMs >= state.refitEveryMs;
  if (lane.fit === "none" && isRefitDue(lane.series) && hasWaited) order(state, "refit", entry, lane, context);
}
