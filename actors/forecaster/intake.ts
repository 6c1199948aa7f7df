// Intake. Owns the load stream as it comes: which samples count, which series there are and whose, and when a slot is over.
// I1 a message that is no sample is counted and passed over. I2 a series is ours when the members say so; its past is read from the stream once.
// I3 series of fragments that are gone, and series nobody has asked for as long as history reaches, are forgotten.

import { limits } from "../../src/config/limits.js";
import { createRanks } from "../../src/forecast/ranks.js";
import { createSeries } from "../../src/forecast/series.js";
import type { Effect, Effects, LogRecord } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import type { Context } from "../../src/kernel/machine.js";
import { partsOfKey, type SeriesKey, type Slot, seriesKey } from "../../src/load/book.js";
import { decodeSample } from "../../src/load/sample.js";
import { partitionOfFragment } from "../../src/protocol/subjects.js";
import { order, pump, shapeOf } from "./fits.js";
import { armTurn, onSlot, rateOf } from "./learn.js";
import { createReplay, type Replayed } from "./replay.js";
import type { ForecasterState, Lane } from "./state.js";

export function onSample(state: ForecasterState, { bytes }: LogRecord, { wallMs }: Context): Effects {
  const sample = decodeSample(bytes);
  if (!sample.ok) {
    state.counts.foreign++;
    return none;
  }
  for (const { fragment, table, group } of sample.value.cells) sight(state, seriesKey(fragment, group), table, wallMs);
  for (const [index, book] of state.books.entries()) {
    const taken = book.take(sample.value);
    if (taken.kind === "late") mend(state, index, taken.slot);
    if (index > 0 || taken.kind === "counted") continue;
    if (taken.kind === "duplicate") state.counts.duplicates++;
    else state.counts.strays++;
  }
  return armTurn(state);
}

/** Gaps of a slot that is over get their values after all. */
function mend(state: ForecasterState, index: number, slot: Slot): void {
  for (const key of slot.counts.keys()) {
    const entry = state.entries.get(key);
    const lane = entry?.lanes[index];
    if (entry === undefined || lane === undefined) continue;
    state.lessons.push({ entry, lane, slot: slot.slot, value: rateOf(state, entry, lane, slot) });
  }
}

function sight(state: ForecasterState, key: SeriesKey, table: number, wallMs: number): void {
  const known = state.seen.get(key);
  if (known !== undefined) {
    known.atMs = wallMs;
    return;
  }
  if (state.seen.size >= limits.forecastsKnown) return;
  state.seen.set(key, { table, atMs: wallMs });
  // Nobody asked before: there is no past to be read.
  if (state.settled && state.members.owns(key)) adopt(state, key, table, state.replay === undefined);
}

/** Makes a series ours. `isNew`: without a past; otherwise its past is read first. */
function adopt(state: ForecasterState, key: SeriesKey, table: number, isNew: boolean): void {
  if (state.entries.size >= limits.forecastSeries) {
    state.counts.refused++;
    return;
  }
  const { fragment, group } = partsOfKey(key);
  const lanes = state.horizons.map((horizon, index): Lane => {
    const lane: Lane = {
      horizon,
      index,
      ranks: createRanks(horizon.steps),
      series: undefined,
      waiting: [],
      fit: "none",
      fittedAtMs: Number.NEGATIVE_INFINITY,
      failures: 0,
      said: false,
    };
    if (isNew) lane.series = createSeries(shapeOf(lane));
    return lane;
  });
  state.entries.set(key, { key, fragment, table, group, lanes });
}

/** Who is there has changed, or was looked at for the first time: what is ours now, and was not, needs its past. */
export function divide(state: ForecasterState): Effects {
  for (const key of [...state.entries.keys()]) if (!state.members.owns(key)) state.entries.delete(key);
  let gained = 0;
  for (const [key, { table }] of state.seen) {
    if (state.entries.has(key) || !state.members.owns(key)) continue;
    adopt(state, key, table, false);
    gained++;
  }
  const first = !state.settled;
  state.settled = true;
  return first || gained > 0 ? readPast(state) : none;
}

function readPast(state: ForecasterState): Effects {
  if (state.replay !== undefined) {
    state.replay.again = true;
    return none;
  }
  const id = `forecaster/replay/${state.replays++}`;
  state.replay = { id, again: false };
  const ready = (key: SeriesKey): boolean =>
    state.entries.get(key)?.lanes.every(({ series }) => series !== undefined) === true;
  const replay = createReplay(id, "forecaster", state.horizons, (key) => state.members.owns(key) && !ready(key));
  return [
    { kind: "spawn", id, actor: replay },
    { kind: "tell", to: id, message: { kind: "start" } },
  ];
}

export function onReplayed(state: ForecasterState, { pasts, records }: Replayed, context: Context): Effects {
  const again = state.replay?.again ?? false;
  state.replay = undefined;
  state.pasts = pasts;
  for (const past of pasts) for (const key of past.keys()) recall(state, key, context);
  let rebuilding = 0;
  for (const entry of state.entries.values()) {
    for (const lane of entry.lanes) {
      if (lane.series !== undefined || lane.fit !== "none") continue;
      order(state, "rebuild", entry, lane, context);
      rebuilding++;
    }
  }
  const fields = { records, series: state.entries.size, rebuilding };
  const effects: Effect[] = [{ kind: "log", level: "info", event: "pastRead", fields }, ...pump(state, context)];
  return again ? [...effects, ...readPast(state)] : effects;
}

/** The past names a series that nobody has asked since: it is forecast all the same, as long as its fragment is there. */
function recall(state: ForecasterState, key: SeriesKey, { wallMs }: Context): void {
  if (state.entries.has(key) || !state.members.owns(key)) return;
  const table = tableOf(state, key);
  if (table === undefined) return;
  if (!state.seen.has(key)) state.seen.set(key, { table, atMs: wallMs });
  adopt(state, key, table, false);
}

function tableOf(state: ForecasterState, key: SeriesKey): number | undefined {
  const { fragment } = partsOfKey(key);
  return state.tails[partitionOfFragment(fragment)]?.view.fragments.get(fragment)?.table;
}

/** Closes what is over, and gives every series its lesson. */
export function closeSlots(state: ForecasterState, { wallMs }: Context): Effects {
  for (const [index, book] of state.books.entries()) for (const slot of book.close(wallMs)) onSlot(state, index, slot);
  return armTurn(state);
}

export function forgetOld(state: ForecasterState, { wallMs, nowMs }: Context): void {
  const reachMs = Math.max(...state.horizons.map(({ slotMs, historySlots }) => slotMs * historySlots));
  for (const [key, { atMs }] of state.seen) {
    if (wallMs - atMs <= reachMs && !isGone(state, key)) continue;
    state.seen.delete(key);
    state.entries.delete(key);
  }
  state.board.sweep(nowMs, Math.max(...state.horizons.map(({ slotMs }) => slotMs)) * 6);
}

/** The ledger has been read, and the fragment is not in it. */
function isGone(state: ForecasterState, key: SeriesKey): boolean {
  const { fragment } = partsOfKey(key);
  const tail = state.tails[partitionOfFragment(fragment)];
  return tail === undefined || (tail.loaded && tail.view.seq > 0 && !tail.view.fragments.has(fragment));
}
