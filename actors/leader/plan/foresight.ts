// Foresight. Owns what a leader knows of the load to come: the forecasts that forecasters say, series by series, as loads that a plan is made on.
// FO1 a series whose record is bad, whose history is short, or whose forecast is old, stays at its load of late: its fragment is then planned for as a reactive
//     system would (I12). FO2 means and tails come from the quantiles alone; paths are drawn only for what is looked at closely.

import { horizonNames, horizonSteps } from "../../../src/forecast/horizons.js";
import { valueAt } from "../../../src/forecast/paths.js";
import { highIndex, quantileCount } from "../../../src/forecast/quantiles.js";
import { pathCount } from "../../../src/forecast/ranks.js";
import type { Grid, Loads } from "../../../src/plan/loads.js";
import type { Policy } from "../../../src/plan/policy.js";
import type { RecordNews, SeriesNews } from "../../../src/protocol/forecast.js";
import type { FragmentId } from "../../../src/protocol/subjects.js";
import { type Board, type Posted, pathsOf } from "../../forecaster/board.js";

const short = horizonNames.indexOf("short");
const long = horizonNames.indexOf("long");

/** Steps of a plan, each with the horizon and the slot that tells of it. */
export interface Steps extends Grid {
  readonly slots: readonly { readonly horizon: number; readonly slot: number }[];
}

/** The short horizon's slots from the present one on, then those of the long one, as far as the policy looks. */
export function stepsAt(wallMs: number, slotMs: readonly number[], { horizonMs }: Policy): Steps {
  const endsMs: number[] = [];
  const slots: { horizon: number; slot: number }[] = [];
  for (const horizon of [short, long]) {
    const lengthMs = slotMs[horizon] ?? 0;
    if (lengthMs <= 0) continue;
    const first = Math.floor(wallMs / lengthMs);
    for (let slot = first; slot < first + horizonSteps; slot++) {
      const endMs = (slot + 1) * lengthMs - wallMs;
      const isFirst = endsMs.length === 0;
      if (endMs <= (endsMs.at(-1) ?? 0) || (!isFirst && endMs - lengthMs > horizonMs)) continue;
      endsMs.push(endMs);
      slots.push({ horizon, slot });
    }
  }
  return { endsMs, slots };
}

/** One series of a fragment, with those of its forecasts that may be believed. */
interface Line {
  readonly now: number;
  readonly lanes: readonly (Posted | undefined)[];
}

export interface Foresight {
  readonly loads: Loads;
  /** Series that are known, and those of them that are not believed, with the reason of the first ones. */
  readonly series: number;
  readonly doubted: readonly { readonly fragment: FragmentId; readonly group: string; readonly why: string }[];
  /** All together. */
  readonly nowTotal: number;
}

const doubtedTold = 20;
/** Queries per second by which nobody is misled: a series that rests is foretold a little worse than by saying "nothing". */
const negligible = 0.1;
/** A series that nobody has told of for so many of its slots bears no load that is known. */
const forgottenSlots = 60;

export function foresee(
  board: Board,
  fragments: readonly FragmentId[],
  slotMs: readonly number[],
  steps: Steps,
  wallMs: number,
  policy: Policy,
): Foresight {
  const doubted: Foresight["doubted"][number][] = [];
  let series = 0;
  let nowTotal = 0;
  const lines = fragments.map((fragment) => {
    const long_ = new Map(board.of([fragment], long).map((posted) => [posted.news.group, posted]));
    return board.of([fragment], short).flatMap((posted): Line[] => {
      const age = slotsSince(posted.news, slotMs[short] ?? 1, wallMs);
      if (age > forgottenSlots) return [];
      series++;
      const now = lastSeen(posted.news.recent);
      nowTotal += now;
      const why = doubt(posted.news, age, policy);
      if (why !== undefined) {
        if (doubted.length < doubtedTold) doubted.push({ fragment, group: posted.news.group, why });
        return [{ now, lanes: [] }];
      }
      const far = long_.get(posted.news.group);
      const isFar =
        far !== undefined && doubt(far.news, slotsSince(far.news, slotMs[long] ?? 1, wallMs), policy) === undefined;
      const lanes: (Posted | undefined)[] = [];
      lanes[short] = posted;
      lanes[long] = isFar ? far : undefined;
      return [{ now, lanes }];
    });
  });
  return { loads: loadsOf(lines, steps), series, doubted, nowTotal };
}

function slotsSince({ origin }: SeriesNews, slotMs: number, wallMs: number): number {
  return wallMs / slotMs - (origin + 1);
}

/** Why a forecast is not believed; undefined: it is. */
function doubt({ record, steps }: SeriesNews, age: number, policy: Policy): string | undefined {
  if (age > policy.staleSlots) return `the last forecast is ${Math.round(age)} slots old`;
  if (age < -horizonSteps) return "the forecast is of a time to come: clocks differ";
  if (!steps.every((value) => value >= 0 && value < 1e15)) return "the forecast is absurd";
  return doubtOfRecord(record, policy);
}

function doubtOfRecord(record: RecordNews, policy: Policy): string | undefined {
  if (record.matured < policy.leastMatured) return `only ${record.matured} of its forecasts could be judged so far`;
  const coverage = record.coverage[highIndex] ?? Number.NaN;
  if (Number.isNaN(coverage)) return "nothing is known of how often its 95 % quantile held";
  if (coverage < policy.leastCoverage95) return `its 95 % quantile held in ${Math.round(coverage * 100)} % only`;
  if (record.isDrifting) return "something has changed: its 90 % interval holds too seldom of late";
  if (record.pinball > policy.mostPinballRatio * record.naivePinball + negligible)
    return `it is ${(record.pinball / record.naivePinball).toFixed(2)} times as wrong as the seasonal naive`;
  return undefined;
}

function lastSeen(recent: Float32Array): number {
  for (let at = recent.length - 1; at >= 0; at--) {
    const value = recent[at] ?? Number.NaN;
    if (value >= 0) return value;
  }
  return 0;
}

function loadsOf(lines: readonly (readonly Line[])[], { slots }: Steps): Loads {
  const steps = slots.length;
  const nowOf = (at: number): number => (lines[at] ?? []).reduce((sum, { now }) => sum + now, 0);
  return {
    steps,
    samples: pathCount,
    now: nowOf,
    isForecast(at) {
      const foreseen = (lines[at] ?? []).reduce(
        (sum, { now, lanes }) => sum + (lanes[short] === undefined ? 0 : now),
        0,
      );
      return foreseen * 2 >= nowOf(at);
    },
    draw(at, into) {
      into.fill(0);
      for (const { now, lanes } of lines[at] ?? [])
        slots.forEach(({ horizon, slot }, step) => {
          const posted = lanes[horizon];
          if (posted === undefined)
            for (let p = 0; p < pathCount; p++) into[step * pathCount + p] = (into[step * pathCount + p] ?? 0) + now;
          else addTo(into, step * pathCount, posted, slot, 1);
        });
    },
    addStep(at, step, share, into) {
      const { horizon, slot } = slots[step] ?? { horizon: short, slot: 0 };
      for (const { now, lanes } of lines[at] ?? []) {
        const posted = lanes[horizon];
        if (posted === undefined)
          for (let path = 0; path < pathCount; path++) into[path] = (into[path] ?? 0) + share * now;
        else addTo(into, 0, posted, slot, share);
      }
    },
    summarise(at, tail, mean, upper) {
      const weights = weightsFor(tail);
      mean.fill(0);
      upper.fill(0);
      for (const { now, lanes } of lines[at] ?? [])
        slots.forEach(({ horizon, slot }, step) => {
          const posted = lanes[horizon];
          let [middle, high] = [now, now];
          if (posted !== undefined) {
            const row = rowOf(posted.news, slot) * quantileCount;
            middle = dot(posted.news.steps, row, weights.mean);
            high = dot(posted.news.steps, row, weights.upper);
          }
          mean[step] = (mean[step] ?? 0) + middle;
          upper[step] = (upper[step] ?? 0) + high;
        });
    },
  };
}

/** The row of a forecast that tells of a slot; a slot that is over, or beyond the end, is told by the nearest. */
function rowOf({ origin }: SeriesNews, slot: number): number {
  return Math.min(horizonSteps - 1, Math.max(0, slot - origin - 1));
}

function addTo(into: Float32Array | Float64Array, from: number, posted: Posted, slot: number, share: number): void {
  const { steps, values } = pathsOf(posted);
  const row = rowOf(posted.news, slot);
  for (let path = 0; path < pathCount; path++)
    into[from + path] = (into[from + path] ?? 0) + share * (values[path * steps + row] ?? 0);
}

interface Weights {
  readonly mean: Float64Array;
  readonly upper: Float64Array;
}
const known = new Map<number, Weights>();

/** The mean of all paths, and of the largest ones, are sums of the quantiles with these weights: paths are read between quantiles on straight lines. */
function weightsFor(tail: number): Weights {
  const there = known.get(tail);
  if (there !== undefined) return there;
  const made = {
    mean: levelsFrom(0),
    upper: levelsFrom(pathCount - tail),
  };
  known.set(tail, made);
  return made;
}

function levelsFrom(first: number): Float64Array {
  const weights = new Float64Array(quantileCount);
  for (let q = 0; q < quantileCount; q++) {
    const unit = new Float64Array(quantileCount);
    unit[q] = 1;
    for (let path = first; path < pathCount; path++)
      weights[q] = (weights[q] ?? 0) + valueAt(unit, 0, (path + 0.5) / pathCount) / (pathCount - first);
  }
  return weights;
}

function dot(rows: Float32Array, from: number, weights: Float64Array): number {
  let sum = 0;
  for (let q = 0; q < quantileCount; q++) sum += (rows[from + q] ?? 0) * (weights[q] ?? 0);
  return sum;
}
