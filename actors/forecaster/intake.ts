// Intake. Owns the load stream as it comes: which samples count, which series there are and whose, and when a slot is over.
// I1 a message that is no sample is counted and passed over. I2 a series is ours when the members say so; its past is read from the stream once.
// I3 series of fragments that are gone, and series nobody has asked for as long as history reaches, are forgotten.

import { limits } from "../../src/config/limits.js";
import type { Effect, Effects, LogRecord } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import type { Context } from "../../src/kernel/machine.js";
import { partsOfKey, type SeriesKey, type Slot, seriesKey } from "../../src/load/book.js";
import { decodeSample } from "../../src/load/sample.js";
import { partitionOfFragment } from "../../src/protocol/subjects.js";
import { rateOf } from "./learn.js";
import { createReplay, type Replayed } from "./replay.js";
import type { ForecasterState } from "./state.js";

/** A record of the stream: read at once, or in a later turn when there is much of it. */
export function onSample(state: ForecasterState, record: LogRecord, context: Context): void {
  if (state.drip.offer(record)) readSample(state, record, context);
}

export function readSample(state: ForecasterState, { bytes }: LogRecord, { wallMs }: Context): void {
  const sample = decodeSample(bytes);
  if (!sample.ok) {
    state.counts.foreign++;
    return;
  }
  for (const { fragment, table, group } of sample.value.cells) sight(state, seriesKey(fragment, group), table, wallMs);
  for (const [index, book] of state.books.entries()) {
    const taken = book.take(sample.value);
    if (taken.kind === "late") mend(state, index, taken.slot);
    if (index > 0 || taken.kind === "counted") continue;
    if (taken.kind === "duplicate") state.counts.duplicates++;
    else state.counts.strays++;
  }
}

/** Gaps of a slot that is over get their values after all. */
function mend(state: ForecasterState, index: number, slot: Slot): void {
  for (const key of slot.counts.keys()) {
    const entry = state.entries.get(key);
    const lane = entry?.lanes[index];
    if (entry === undefined || lane === undefined) continue;
    state.chores.mended.push({ entry, lane, slot: slot.slot, value: rateOf(state, entry, lane, slot) });
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
  if (!state.settled || !state.members.owns(key)) return;
  // Nobody asked before: there is no past to be read, unless a reading is under way that may find one.
  state.chores.adoptions.push({ key, table, start: state.replay === undefined ? "new" : "wait" });
}

/** Who is there has changed, or was looked at for the first time: what is ours now, and was not, needs its past. */
export function divide(state: ForecasterState): Effects {
  for (const key of [...state.entries.keys()]) if (!state.members.owns(key)) state.entries.delete(key);
  let gained = 0;
  for (const [key, { table }] of state.seen) {
    if (state.entries.has(key) || !state.members.owns(key)) continue;
    state.chores.adoptions.push({ key, table, start: "wait" });
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

/** What the past names is taken on too, though nobody may have asked since; what waited for a past gets it, or begins without. */
export function onReplayed(state: ForecasterState, { pasts, records }: Replayed, { wallMs }: Context): Effects {
  const again = state.replay?.again ?? false;
  state.replay = undefined;
  state.pasts = pasts;
  const keys = new Set([...state.seen.keys(), ...pasts.flatMap((past) => [...past.keys()])]);
  for (const key of keys) {
    if (!state.members.owns(key)) continue;
    const table = state.seen.get(key)?.table ?? tableOf(state, key);
    if (table === undefined) continue;
    if (!state.seen.has(key)) state.seen.set(key, { table, atMs: wallMs });
    state.chores.adoptions.push({ key, table, start: "past" });
  }
  const fields = { records, series: state.chores.adoptions.length };
  const effects: Effect[] = [{ kind: "log", level: "info", event: "pastRead", fields }];
  return again ? [...effects, ...readPast(state)] : effects;
}

function tableOf(state: ForecasterState, key: SeriesKey): number | undefined {
  const { fragment } = partsOfKey(key);
  return state.tails[partitionOfFragment(fragment)]?.view.fragments.get(fragment)?.table;
}

/** Closes what is over, as soon as every sample that has come is read. */
export function closeSlots(state: ForecasterState, { wallMs }: Context): void {
  if (!state.drip.isEmpty()) return;
  for (const [index, book] of state.books.entries())
    for (const slot of book.close(wallMs)) state.chores.slots.push({ index, slot, entries: state.entries.values() });
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
