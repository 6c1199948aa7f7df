// Sayings. Owns what forecasters would have said of each series, slot by slot, by the code that forecasts live; and what one would say who knows what comes.
// SA1 what is said from slot s has seen nothing behind s. SA2 sayings of one series stand for all its parts: forecasts of a share of a series are shares of its forecast.

import { medianIndex, quantileCount, quantileLevels } from "../../src/forecast/quantiles.js";
import { cellsOf, createRanks, noteActual, noteForecast } from "../../src/forecast/ranks.js";
import { fitSeries } from "../../src/forecast/rebuild.js";
import { createSeries, forecast, isRefitDue, observe, record } from "../../src/forecast/series.js";
import type { RecordNews } from "../../src/protocol/forecast.js";
import type { Series } from "./demand.js";

export const saidSteps = 12;
const width = saidSteps * quantileCount;

/** Sayings of one series, by the slot that was the last one observed. */
export interface Sayings {
  /** [steps × levels], in the unit of the series. */
  rows(origin: number): Float32Array;
  record(origin: number): RecordNews;
  /** What `cellsOf` tells of the ranks. */
  ranks(origin: number): Uint8Array;
}

/** Runs the forecaster over a series; NaN is a gap. `told` hears how many slots are done. */
export function foresay({ values }: Series, intervalMs: number, told: (slot: number) => void): Sayings {
  const rows = new Float32Array(values.length * width);
  const ranks = new Uint8Array(values.length * saidSteps);
  const records: RecordNews[] = [];
  const series = createSeries({ intervalMs, horizonSteps: saidSteps });
  const ring = createRanks(saidSteps);
  for (let slot = 0; slot < values.length; slot++) {
    const value = values[slot] ?? Number.NaN;
    observe(series, slot, value);
    noteActual(ring, slot, value);
    if (isRefitDue(series)) fitSeries(series);
    const said = forecast(series);
    if (said.origin === slot) noteForecast(ring, slot, said.steps);
    rows.set(said.steps, slot * width);
    ranks.set(cellsOf(ring, slot), slot * saidSteps);
    records.push(record(series));
    told(slot + 1);
  }
  return sayingsOf(rows, ranks, records);
}

function sayingsOf(rows: Float32Array, ranks: Uint8Array, records: readonly RecordNews[]): Sayings {
  return {
    rows: (origin) => rows.subarray(origin * width, (origin + 1) * width),
    ranks: (origin) => ranks.subarray(origin * saidSteps, (origin + 1) * saidSteps),
    record: (origin) => records[origin] ?? unknown,
  };
}

/** Who knows what comes: all quantiles are the highest that the load reaches within the step, which runs on straight lines between the middles of slots. */
export function truthOf({ values }: Series): Sayings {
  const at = (slot: number): number => values[Math.min(values.length - 1, Math.max(0, slot))] ?? 0;
  const row = new Float32Array(width);
  const none = new Uint8Array(saidSteps);
  return {
    rows(origin) {
      for (let step = 0; step < saidSteps; step++) {
        const slot = origin + 1 + step;
        const highest = Math.max(at(slot), (at(slot - 1) + at(slot)) / 2, (at(slot) + at(slot + 1)) / 2);
        row.fill(highest, step * quantileCount, (step + 1) * quantileCount);
      }
      return row;
    },
    ranks: () => none,
    record: () => flawless,
  };
}

const counts = { observed: 0, missing: 0, late: 0 };
const unknown: RecordNews = {
  ...counts,
  matured: 0,
  coverage: quantileLevels.map(() => Number.NaN),
  maxCoverage: quantileLevels.map(() => Number.NaN),
  pinball: 0,
  naivePinball: 0,
  isDrifting: false,
};
const flawless: RecordNews = {
  ...unknown,
  matured: 1e9,
  coverage: [...quantileLevels],
  maxCoverage: [...quantileLevels],
  naivePinball: 1,
};

/** The middle of what was said of the step right after `origin`, and its 90 % interval. */
export function firstStepOf(
  sayings: Sayings,
  origin: number,
): { readonly low: number; readonly middle: number; readonly high: number } {
  const rows = sayings.rows(origin);
  return { low: rows[0] ?? 0, middle: rows[medianIndex] ?? 0, high: rows[quantileLevels.indexOf(0.95)] ?? 0 };
}
