// Adopt. Owns how a series becomes ours: new, or with a past that another thread makes a series of.

import { limits } from "../../src/config/limits.js";
import { createTrials } from "../../src/forecast/promise.js";
import { createRanks } from "../../src/forecast/ranks.js";
import { createSeries } from "../../src/forecast/series.js";
import type { Context } from "../../src/kernel/machine.js";
import { partsOfKey, type SeriesKey } from "../../src/load/book.js";
import { order, shapeOf } from "./fits.js";
import { priorFor } from "./pools.js";
import type { Adoption, Entry, ForecasterState, Lane } from "./state.js";

/** Carries an adoption out: the entry is made if there is none, and its past, where it has one, is put in line. */
export function takeOn(state: ForecasterState, { key, table, start }: Adoption, context: Context): void {
  if (!state.members.owns(key)) return;
  const entry = state.entries.get(key) ?? adopt(state, key, table, start === "new");
  if (entry === undefined || start !== "past") return;
  for (const lane of entry.lanes)
    if (lane.series === undefined && lane.fit === "none") order(state, "rebuild", entry, lane, context);
}

/** Undefined: there is no room for another. */
export function adopt(state: ForecasterState, key: SeriesKey, table: number, isNew: boolean): Entry | undefined {
  if (state.entries.size >= limits.forecastSeries) {
    state.counts.refused++;
    return undefined;
  }
  const { fragment, group } = partsOfKey(key);
  const lanes = state.horizons.map((horizon, index): Lane => {
    const lane: Lane = {
      horizon,
      index,
      ranks: createRanks(horizon.steps),
      series: undefined,
      past: undefined,
      waiting: [],
      fit: "none",
      fittedAtMs: Number.NEGATIVE_INFINITY,
      failures: 0,
      said: false,
      usual: 0,
      usualAt: -1,
      trials: createTrials(),
      taken: new Map(),
    };
    if (isNew) lane.series = createSeries(shapeOf(lane), priorFor(state, lane, table));
    return lane;
  });
  const entry: Entry = { key, fragment, table, group, lanes };
  state.entries.set(key, entry);
  return entry;
}
