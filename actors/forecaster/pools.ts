// Pools. Owns what young series of a table are lent by mature ones: made on another thread when a series of the table is born or made anew, kept for a day.
// PL1 no series waits for a prior: it begins without one, and begins again with it if it comes within its first slots. PL2 making one costs a bounded number of
//     slots however many series there are, and nothing per sample. PL3 the same series in the same state give the same prior.

import { firstSlot, historyCount, isSeen, lastSlot, slotsPushed, valueAt } from "../../src/forecast/history.js";
import type { PooledPrior } from "../../src/forecast/pool.js";
import type { SeriesShape, SeriesState } from "../../src/forecast/series.js";
import type { Effects, WorldMessage } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import type { Context } from "../../src/kernel/machine.js";
import type { Entry, ForecasterState, Lane } from "./state.js";

export interface PoolInput {
  readonly shape: SeriesShape;
  /** Float32Array of values, NaN = not known. */
  readonly stretches: readonly ArrayBuffer[];
}
export interface PoolOutput {
  readonly prior: PooledPrior | null;
}

/** A series that knows this many slots can lend. */
const matureSlots = 120;
const mostLenders = 8;
/** Of its own table; with fewer, those of all tables are asked. */
const fewestLenders = 3;
const stretchesEach = 3;
/** As much of a stretch as is lived through: the first slots of a series are those in which a prior counts. */
const stretchSlots = 36;
/** A younger series begins again when there is a prior. */
const newbornSlots = 12;
/** Fits of a series between two makings of a pool. */
const fitsPerPool = 24;
const mostPools = 256;

/** What a series of the table may begin with; wanted from now on, if there is none yet. */
export function priorFor({ pools }: ForecasterState, { index }: Lane, table: number): PooledPrior | undefined {
  const name = `${index}/${table}`;
  if (pools.wanted.size < mostPools) pools.wanted.add(name);
  return pools.made.get(name)?.prior;
}

/** Sends the next pool that is wanted and not made of late, if no work is under way. */
export function pumpPools(state: ForecasterState, { nowMs }: Context): Effects {
  const { pools } = state;
  for (const name of pools.wanted) {
    pools.wanted.delete(name);
    const known = pools.made.get(name);
    const keptMs = (known?.prior === undefined ? 1 : fitsPerPool) * state.refitEveryMs;
    if (known !== undefined && nowMs - known.madeAtMs < keptMs) continue;
    const [index = 0, table = 0] = name.split("/").map(Number);
    const lenders = lendersOf(state, index, table);
    const [first] = lenders;
    put(state, name, known?.prior, nowMs);
    if (first === undefined) continue;
    const ticket = state.tickets.next();
    pools.running = { ticket, name, sentAtMs: nowMs };
    const { intervalMs, horizonSteps, historySlots } = first.shape;
    const input: PoolInput = {
      shape: { intervalMs, horizonSteps, historySlots },
      stretches: lenders.flatMap(stretchesOf),
    };
    return [{ kind: "compute", job: "poolSeries", input, ticket }];
  }
  return none;
}

/** Gives the lanes that should begin again; undefined: it is no pool that was computed. */
export function onPooled(
  state: ForecasterState,
  { ticket, outcome }: Extract<WorldMessage, { kind: "computed" }>,
  { nowMs }: Context,
): readonly { readonly entry: Entry; readonly lane: Lane }[] | undefined {
  const { pools } = state;
  if (pools.running?.ticket !== ticket) return undefined;
  const { name } = pools.running;
  pools.running = undefined;
  const prior = outcome.ok ? priorIn(outcome.output) : undefined;
  const before = pools.made.get(name)?.prior;
  if (prior === undefined) return [];
  put(state, name, prior, nowMs);
  if (before !== undefined) return [];
  return [...state.entries.values()].flatMap((entry) =>
    entry.lanes
      .filter((lane) => `${lane.index}/${entry.table}` === name && lane.fit === "none" && isNewborn(lane.series))
      .map((lane) => ({ entry, lane })),
  );
}

function isNewborn(series: SeriesState | undefined): boolean {
  return series !== undefined && slotsPushed(series.history) < newbornSlots;
}

function put({ pools }: ForecasterState, name: string, prior: PooledPrior | undefined, madeAtMs: number): void {
  pools.made.delete(name);
  pools.made.set(name, { prior, madeAtMs });
  if (pools.made.size > mostPools) pools.made.delete(pools.made.keys().next().value ?? "");
}

/** Mature series of the table, or of all tables where it has too few; those longest known first. */
function lendersOf(state: ForecasterState, index: number, table: number): readonly SeriesState[] {
  const own: SeriesState[] = [];
  const others: SeriesState[] = [];
  for (const entry of state.entries.values()) {
    const series = entry.lanes[index]?.series;
    if (series === undefined || slotsPushed(series.history) < matureSlots) continue;
    if (entry.table === table) own.push(series);
    else if (others.length < mostLenders) others.push(series);
    if (own.length >= mostLenders) break;
  }
  return own.length >= fewestLenders ? own : [...own, ...others].slice(0, mostLenders);
}

/** The last slots, and some a third and two thirds of the history before. */
function stretchesOf({ history }: SeriesState): ArrayBuffer[] {
  const span = historyCount(history) - stretchSlots;
  return Array.from({ length: stretchesEach }, (_, at) => {
    const from = firstSlot(history) + Math.floor((span * (at + 1)) / stretchesEach);
    const length = Math.min(stretchSlots, lastSlot(history) - from + 1);
    return Float32Array.from({ length }, (_, slot) =>
      isSeen(history, from + slot) ? valueAt(history, from + slot) : Number.NaN,
    ).buffer;
  });
}

function priorIn(output: unknown): PooledPrior | undefined {
  if (typeof output !== "object" || output === null || !("prior" in output)) return undefined;
  return isPrior(output.prior) ? output.prior : undefined;
}

/** What comes back is our own: only null, and what is no prior at all, must be told apart. */
function isPrior(given: unknown): given is PooledPrior {
  if (typeof given !== "object" || given === null) return false;
  const cells: unknown[] = ["models", "bands", "shifts", "ratios"].map((name) => Reflect.get(given, name));
  return cells.every((one) => one instanceof Float64Array);
}
