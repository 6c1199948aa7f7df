// Say. Owns what becomes of a series' forecast: its ranks are noted, and it is said to whoever listens and put on our own board.

import { isSeen, lastSlot, valueAt } from "../../src/forecast/history.js";
import { modelNames } from "../../src/forecast/models/registry.js";
import { addPromise, firstTrust, shiftMax } from "../../src/forecast/promise.js";
import { medianIndex, quantileCount } from "../../src/forecast/quantiles.js";
import { cellsOf, noteForecast, pathCount } from "../../src/forecast/ranks.js";
import { forecast, record, type SeriesState } from "../../src/forecast/series.js";
import type { Effect, Effects } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import type { Context } from "../../src/kernel/machine.js";
import type { ForecastNews, RecordNews, SeriesNews } from "../../src/protocol/forecast.js";
import { encodeNews } from "../../src/protocol/forecast-codec.js";
import { subjects } from "../../src/protocol/subjects.js";
import { profilesOf, promisedIn } from "./profiles.js";
import type { Entry, ForecasterState, Lane } from "./state.js";
import { stateNews } from "./status.js";

export const newsPerMessage = 48;
const recentSlots = 48;
/** Slots between two sayings of the whole ring of ranks. */
const ringEverySlots = 30;

/** Forecasts from where the series is now. */
export function say(state: ForecasterState, entry: Entry, lane: Lane, series: SeriesState): void {
  const { origin, steps, max, weights } = forecast(series);
  if (origin < 0) return;
  lane.usual = steps[medianIndex] ?? 0;
  lane.usualAt = origin;
  const profiles = promise(state, entry, lane, origin, steps, max);
  noteForecast(lane.ranks, origin, steps);
  const whole = !lane.said || (origin + entry.fragment) % ringEverySlots === 0;
  lane.said = true;
  state.outgoing.push({
    fragment: entry.fragment,
    table: entry.table,
    group: entry.group,
    horizon: lane.index,
    origin,
    steps: Float32Array.from(steps),
    max: Float32Array.from(max),
    recent: recentOf(lane, series),
    ranks: whole ? lane.ranks.cells.slice(0, pathCount * lane.horizon.steps) : cellsOf(lane.ranks, origin),
    weights: weights.map(({ weight }) => weight),
    record: recordNews(series),
    profiles,
  } satisfies SeriesNews);
}

/** Puts what is declared on top of what is forecast; gives the profiles that count within the horizon. */
function promise(
  state: ForecasterState,
  entry: Entry,
  lane: Lane,
  origin: number,
  steps: Float64Array,
  max: Float64Array,
): SeriesNews["profiles"] {
  if (profilesOf(state).length === 0) return [];
  const before = steps.slice();
  const trusts = new Map<string, number>();
  for (let step = 0; step < lane.horizon.steps; step++) {
    const row = step * quantileCount;
    for (const { name, rate } of promisedIn(state, entry, lane, origin + step + 1, before[row + medianIndex] ?? 0)) {
      const trust = lane.trials.trust.get(name) ?? firstTrust;
      trusts.set(name, trust);
      addPromise(steps, row, rate, trust);
    }
  }
  if (trusts.size > 0) shiftMax(max, before, steps);
  return [...trusts].map(([name, trust]) => ({ name, trust }));
}

/** As they were observed: what was promised and came is put back. */
function recentOf({ taken }: Lane, { history }: SeriesState): Float32Array {
  const last = lastSlot(history);
  return Float32Array.from({ length: recentSlots }, (_, at) => {
    const slot = last - recentSlots + 1 + at;
    return isSeen(history, slot) ? valueAt(history, slot) + (taken.get(slot) ?? 0) : Number.NaN;
  });
}

function recordNews(series: SeriesState): RecordNews {
  const { duplicate: _duplicate, ...news } = record(series);
  return news;
}

/** Says what is new to whoever listens, and puts it on our own board. */
export function publish(state: ForecasterState, context: Context): Effects {
  if (state.outgoing.length === 0) return none;
  const effects: Effect[] = [];
  const series = state.outgoing;
  state.outgoing = [];
  for (let at = 0; at < series.length; at += newsPerMessage) {
    const news: ForecastNews = {
      forecaster: stateNews(state, context),
      slotMs: state.horizons.map(({ slotMs }) => slotMs),
      models: modelNames,
      series: series.slice(at, at + newsPerMessage),
    };
    state.board.post(news, context.nowMs);
    effects.push({ kind: "publish", subject: subjects.forecasts, body: encodeNews(news) });
  }
  return effects;
}
