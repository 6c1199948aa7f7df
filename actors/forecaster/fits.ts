// Fits. Owns the work that goes to other threads: refits of series, and series made anew of their past. In batches, one under way at a time.
// F1 a fit never delays a sample: the series goes on as it is, and what it learnt meanwhile is learnt again by the fitted one.
// F2 a batch that fails, or never comes back, costs its series one fit; they go on forecasting. F3 when there is more to fit than time, each is
//    fitted less often: a series stands in the queue once, and how long the queue is, is shown.

import { isSeen, lastSlot, stretchOf, valueAt } from "../../src/forecast/history.js";
import { copyPrior, type PooledPrior } from "../../src/forecast/pool.js";
import { createTrials, relive } from "../../src/forecast/promise.js";
import { forgetRanks, noteActual } from "../../src/forecast/ranks.js";
import {
  createSeries,
  observe,
  type PackedSeries,
  packSeries,
  type SeriesShape,
  type SeriesState,
  unpackSeries,
} from "../../src/forecast/series.js";
import type { Effects, WorldMessage } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import type { Context } from "../../src/kernel/machine.js";
import { onPooled, priorFor, pumpPools } from "./pools.js";
import { profilesOf, promisedIn } from "./profiles.js";
import { publish, say } from "./say.js";
import type { Entry, FitBatch, FitOrder, ForecasterState, Lane } from "./state.js";

export interface RefitInput {
  readonly series: readonly PackedSeries[];
}
export interface RebuildInput {
  readonly series: readonly {
    readonly shape: SeriesShape;
    readonly first: number;
    readonly values: ArrayBuffer;
    readonly prior?: PooledPrior;
  }[];
}
/** In the order of the input; null = that one could not be fitted. */
export interface FitOutput {
  readonly series: readonly (PackedSeries | null)[];
}

const batchSize = 8;
/** A batch that is longer under way is given up. */
const batchLimitMs = 60_000;
/** Rebuilding that fails this often is given up: the series begins without a past. */
const rebuildsTried = 3;

export function order(
  state: ForecasterState,
  kind: FitBatch["kind"],
  entry: Entry,
  lane: Lane,
  { nowMs }: Context,
): void {
  lane.fit = "queued";
  const queue = kind === "refit" ? state.fits.refits : state.fits.rebuilds;
  if (kind === "rebuild") priorFor(state, lane, entry.table);
  queue.push({ entry, lane, queuedAtMs: nowMs });
}

/** Sends the next batch, if none is under way. Pasts come before refits: what has no forecast needs it most. */
export function pump(state: ForecasterState, context: Context): Effects {
  const { fits } = state;
  for (const [ticket, batch] of fits.running) {
    if (context.nowMs - batch.sentAtMs <= batchLimitMs) return none;
    fits.running.delete(ticket);
    giveUp(state, batch, context);
  }
  if (state.pools.running !== undefined && context.nowMs - state.pools.running.sentAtMs <= batchLimitMs) return none;
  state.pools.running = undefined;
  const pooling = pumpPools(state, context);
  if (pooling.length > 0) return pooling;
  const kind = fits.rebuilds.length > 0 ? "rebuild" : "refit";
  const orders = take(state, kind);
  if (orders.length === 0) return none;
  const ticket = state.tickets.next();
  fits.running.set(ticket, { kind, orders, sentAtMs: context.nowMs });
  for (const { lane } of orders) lane.fit = "running";
  const input = kind === "refit" ? refitInput(orders) : rebuildInput(state, orders);
  return [{ kind: "compute", job: kind === "refit" ? "refitSeries" : "rebuildSeries", input, ticket }];
}

function take(state: ForecasterState, kind: FitBatch["kind"]): FitOrder[] {
  const { fits } = state;
  const queue = kind === "refit" ? fits.refits : fits.rebuilds;
  const orders: FitOrder[] = [];
  let looked = 0;
  while (looked < queue.length && orders.length < batchSize) {
    const next = queue[looked++];
    if (next !== undefined && state.entries.get(next.entry.key) === next.entry) orders.push(next);
  }
  queue.splice(0, looked);
  return orders;
}

function refitInput(orders: readonly FitOrder[]): RefitInput {
  return {
    series: orders.flatMap(({ lane }) => {
      if (lane.series === undefined) return [];
      const packed = packSeries(lane.series);
      return [{ ...packed, buffers: packed.buffers.map((buffer) => buffer.slice(0)) }];
    }),
  };
}

function rebuildInput(state: ForecasterState, orders: readonly FitOrder[]): RebuildInput {
  return {
    series: orders.map(({ entry, lane }) => {
      const stretch = lane.past ?? state.pasts[lane.index]?.stretch(entry.key);
      lane.past = undefined;
      const first = stretch?.first ?? 0;
      const values = withoutPromises(state, entry, lane, first, stretch?.values ?? new Float32Array(0));
      const prior = priorFor(state, lane, entry.table);
      const whole = { shape: shapeOf(lane), first, values: values.slice().buffer };
      return prior === undefined ? whole : { ...whole, prior: copyPrior(prior) };
    }),
  };
}

/** What was declared and came is not learnt again; how it was kept is. */
function withoutPromises(
  state: ForecasterState,
  entry: Entry,
  lane: Lane,
  first: number,
  values: Float32Array,
): Float32Array {
  if (profilesOf(state).length === 0) return values;
  const mean = values.reduce((sum, value) => sum + (value || 0), 0) / Math.max(1, values.length);
  const relived = relive(first, values, (slot) => promisedIn(state, entry, lane, slot, mean));
  lane.trials = createTrials(new Map(relived.trust));
  return relived.values;
}

export function shapeOf({ horizon }: Lane): SeriesShape {
  return { intervalMs: horizon.slotMs, horizonSteps: horizon.steps, historySlots: horizon.historySlots };
}

export function onComputed(
  state: ForecasterState,
  { ticket, outcome }: Extract<WorldMessage, { kind: "computed" }>,
  context: Context,
): Effects {
  const newborn = onPooled(state, { kind: "computed", ticket, outcome }, context);
  if (newborn !== undefined) {
    for (const { entry, lane } of newborn) {
      if (lane.series !== undefined) lane.past = stretchOf(lane.series.history);
      order(state, "rebuild", entry, lane, context);
    }
    return pump(state, context);
  }
  const batch = state.fits.running.get(ticket);
  if (batch === undefined) return none;
  state.fits.running.delete(ticket);
  const output = outcome.ok ? readOutput(outcome.output) : undefined;
  if (output === undefined) {
    giveUp(state, batch, context);
    const fields = {
      kind: batch.kind,
      series: batch.orders.length,
      why: outcome.ok ? "no result" : outcome.fault.message,
    };
    return [{ kind: "log", level: "warn", event: "fitFailed", fields }, ...pump(state, context)];
  }
  for (const [index, fitOrder] of batch.orders.entries()) settle(state, batch.kind, fitOrder, output[index], context);
  if (state.fits.rebuilds.length === 0) state.pasts = [];
  return [...publish(state, context), ...pump(state, context)];
}

function giveUp(state: ForecasterState, batch: FitBatch, context: Context): void {
  for (const fitOrder of batch.orders) settle(state, batch.kind, fitOrder, undefined, context);
}

function settle(
  state: ForecasterState,
  kind: FitBatch["kind"],
  { entry, lane }: FitOrder,
  fitted: SeriesState | undefined,
  context: Context,
): void {
  if (state.entries.get(entry.key) !== entry) return;
  lane.fit = "none";
  lane.fittedAtMs = context.nowMs;
  if (fitted === undefined) {
    state.fits.failed++;
    lane.failures++;
    if (kind === "rebuild" && lane.failures < rebuildsTried) order(state, "rebuild", entry, lane, context);
    else if (kind === "rebuild")
      begin(state, entry, lane, createSeries(shapeOf(lane), priorFor(state, lane, entry.table)));
    return;
  }
  lane.failures = 0;
  if (kind === "rebuild") begin(state, entry, lane, lane.series === undefined ? fitted : caughtUp(fitted, lane.series));
  else if (lane.series !== undefined) {
    // What the errors had in common before the season was known says nothing of those to come.
    if (fitted.past.period(0) !== lane.series.past.period(0)) {
      forgetRanks(lane.ranks);
      lane.said = false;
    }
    lane.series = caughtUp(fitted, lane.series);
  }
}

/** A series is there: it learns what came while it was made. */
export function begin(state: ForecasterState, entry: Entry, lane: Lane, series: SeriesState): void {
  lane.series = series;
  for (const { slot, value } of lane.waiting.splice(0)) {
    noteActual(lane.ranks, slot, value);
    observe(series, slot, value);
  }
  say(state, entry, lane, series);
}

/** Slots that the fitted series has to learn; beyond that it is too old to be of use. */
const slotsBehind = 12;

function caughtUp(fitted: SeriesState, present: SeriesState): SeriesState {
  const from = lastSlot(fitted.history) + 1;
  const last = lastSlot(present.history);
  if (last - from >= slotsBehind) return present;
  for (let slot = from; slot <= last; slot++)
    observe(fitted, slot, isSeen(present.history, slot) ? valueAt(present.history, slot) : Number.NaN);
  return fitted;
}

function readOutput(output: unknown): readonly (SeriesState | undefined)[] | undefined {
  if (typeof output !== "object" || output === null || !("series" in output) || !Array.isArray(output.series))
    return undefined;
  const series: readonly unknown[] = output.series;
  return series.map((packed) => (isPacked(packed) ? unpackSeries(packed) : undefined));
}

/** What comes back is our own; only its outer form can be wrong, when versions are mixed. */
function isPacked(given: unknown): given is PackedSeries {
  if (typeof given !== "object" || given === null || !("buffers" in given) || !("shape" in given)) return false;
  return Array.isArray(given.buffers) && given.buffers.every((buffer) => buffer instanceof ArrayBuffer);
}
