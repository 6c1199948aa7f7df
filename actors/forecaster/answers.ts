// Answers. Owns what a forecaster tells whoever asks: the series of some fragments, and their total from joint paths.
// A total over many series is drawn a few series a step. W1 questions under way are bounded; one more is answered OVERLOADED.

import { limits } from "../../src/config/limits.js";
import { horizonNames } from "../../src/forecast/horizons.js";
import { addPaths, emptySum, maxQuantiles, type PathSum, sumQuantiles } from "../../src/forecast/paths.js";
import { quantileCount, quantileLevels } from "../../src/forecast/quantiles.js";
import type { Effect, Effects, Request } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import { fault } from "../../src/kernel/fault.js";
import type { Context } from "../../src/kernel/machine.js";
import type { ForecastQuery, RecordNews } from "../../src/protocol/forecast.js";
import { decodeForecastQuery } from "../../src/protocol/forecast-codec.js";
import { type Posted, pathsOf } from "./board.js";
import type { ForecasterState } from "./state.js";

export const sumTimer = "sums";
const drawingsPerTurn = 12;

/** One question whose total is being drawn. */
export interface SumJob {
  readonly query: ForecastQuery;
  readonly from: Request["from"];
  readonly all: readonly Posted[];
  readonly largest: readonly Posted[];
  readonly sum: PathSum;
  next: number;
}

export function onAsked(state: ForecasterState, jobs: SumJob[], { body, from }: Request): Effects {
  const query = decodeForecastQuery(body);
  if (!query.ok) return [{ kind: "reply", to: from, body: { fault: query.fault } }];
  if (jobs.length >= limits.forecastAnswers) {
    const why = fault("OVERLOADED", "too many questions for forecasts at once; try again", { retryAfterMs: 200 });
    return [{ kind: "reply", to: from, body: { fault: why } }];
  }
  const { fragments, group, horizon } = query.value;
  const all = state.board
    .of(fragments, horizonNames.indexOf(horizon))
    .filter(({ news }) => group === undefined || news.group === group);
  const largest = [...all].sort((a, b) => sizeOf(b) - sizeOf(a)).slice(0, limits.forecastSumSeries);
  const steps = state.horizons.find(({ name }) => name === horizon)?.steps ?? 1;
  jobs.push({ query: query.value, from, all, largest, sum: emptySum(steps), next: 0 });
  return jobs.length === 1 ? [{ kind: "wake", name: sumTimer, afterMs: 0 }] : none;
}

function sizeOf({ news }: Posted): number {
  return news.max[quantileCount - 1] ?? 0;
}

export function drawSums(state: ForecasterState, jobs: SumJob[], context: Context): Effects {
  const [job] = jobs;
  if (job === undefined) return none;
  const effects: Effect[] = [];
  for (let drawn = 0; drawn < drawingsPerTurn && job.next < job.largest.length; drawn++) {
    const posted = job.largest[job.next++];
    if (posted !== undefined) addPaths(job.sum, pathsOf(posted));
  }
  if (job.next >= job.largest.length) {
    jobs.shift();
    effects.push({ kind: "reply", to: job.from, body: answerOf(state, job, context) });
  }
  return jobs.length === 0 ? effects : [...effects, { kind: "wake", name: sumTimer, afterMs: 1 }];
}

function answerOf(state: ForecasterState, { query, all, largest, sum }: SumJob, context: Context): object {
  const slotMs = state.horizons.find(({ name }) => name === query.horizon)?.slotMs ?? 0;
  const page = all.slice(query.skip, query.skip + limits.forecastPage);
  return {
    table: query.table,
    horizon: query.horizon,
    stepMs: slotMs,
    levels: quantileLevels,
    total: {
      series: all.length,
      summed: largest.length,
      atMs: (Math.max(0, ...all.map(({ news }) => news.origin)) + 1) * slotMs,
      steps: rowsOf(sumQuantiles(sum)),
      max: Array.from(maxQuantiles(sum)),
      recent: totalOf(all),
      record: recordOf(all.map(({ news }) => news.record)),
    },
    series: page.map((posted) => seriesOf(posted, slotMs)),
    next: query.skip + page.length < all.length ? query.skip + page.length : null,
    forecasters: state.board.forecasters(context.nowMs),
  };
}

function seriesOf({ news, models }: Posted, slotMs: number): object {
  return {
    fragment: news.fragment,
    group: news.group,
    /** Where the first step begins. */
    atMs: (news.origin + 1) * slotMs,
    steps: rowsOf(news.steps),
    max: Array.from(news.max),
    recent: Array.from(news.recent, orNull),
    models: Object.fromEntries(models.map((model, index) => [model, news.weights[index] ?? 0])),
    record: recordOf([news.record]),
    profiles: news.profiles,
  };
}

function rowsOf(rows: ArrayLike<number>): number[][] {
  return Array.from({ length: rows.length / quantileCount }, (_, step) =>
    Array.from({ length: quantileCount }, (_, q) => rows[step * quantileCount + q] ?? 0),
  );
}

/** The last values of all series together; null where any of them has a gap. */
function totalOf(all: readonly Posted[]): (number | null)[] {
  const newest = Math.max(0, ...all.map(({ news }) => news.origin));
  const [first] = all;
  if (first === undefined) return [];
  return Array.from(first.news.recent, (_, at) => {
    let sum = 0;
    for (const { news } of all) {
      const place = at + newest - news.origin;
      sum += place < news.recent.length ? (news.recent[place] ?? Number.NaN) : Number.NaN;
    }
    return orNull(sum);
  });
}

/** Of one series, or of several together: each counts by the forecasts that it has seen mature. */
function recordOf(records: readonly RecordNews[]): object {
  const matured = records.reduce((sum, record) => sum + record.matured, 0);
  const mean = (of: (record: RecordNews) => number): number | null => {
    const known = records.filter((record) => record.matured > 0 && !Number.isNaN(of(record)));
    const mass = known.reduce((sum, record) => sum + record.matured, 0);
    return mass === 0 ? null : known.reduce((sum, record) => sum + of(record) * record.matured, 0) / mass;
  };
  const total = (of: (record: RecordNews) => number): number => records.reduce((sum, record) => sum + of(record), 0);
  return {
    matured,
    coverage: quantileLevels.map((_, q) => mean(({ coverage }) => coverage[q] ?? Number.NaN)),
    maxCoverage: quantileLevels.map((_, q) => mean(({ maxCoverage }) => maxCoverage[q] ?? Number.NaN)),
    pinball: mean(({ pinball }) => pinball),
    naivePinball: mean(({ naivePinball }) => naivePinball),
    drifting: records.filter(({ isDrifting }) => isDrifting).length,
    observed: total(({ observed }) => observed),
    missing: total(({ missing }) => missing),
    late: total(({ late }) => late),
  };
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}
