// Forecast messages. Owns what forecasters say to each other, to planners and to routers: who is alive, what is forecast, and what is asked of them.

import type { SeriesRecord } from "../forecast/account.js";
import type { HorizonName } from "../forecast/horizons.js";
import type { FragmentId } from "./subjects.js";

/** One series and horizon after a new slot. */
export interface SeriesNews {
  readonly fragment: FragmentId;
  readonly table: number;
  readonly group: string;
  /** Index into `horizonNames`. */
  readonly horizon: number;
  /** The last slot observed: the first step is the one after it. */
  readonly origin: number;
  /** steps × levels, queries per second. */
  readonly steps: Float32Array;
  /** Levels of the largest step. */
  readonly max: Float32Array;
  /** The last observed values, the newest last; NaN = a gap. */
  readonly recent: Float32Array;
  /** Ranks that the newest value had in its forecasts (`cellsOf`), or the whole ring. */
  readonly ranks: Uint8Array;
  /** In the order of the message's `models`. */
  readonly weights: readonly number[];
  readonly record: RecordNews;
  /** Declared demand in the steps, and how far it is trusted. */
  readonly profiles: readonly { readonly name: string; readonly trust: number }[];
}

export type RecordNews = Omit<SeriesRecord, "duplicate">;

/** How a forecaster does; seen by whoever asks for forecasts. */
export interface ForecasterState {
  readonly id: string;
  readonly incarnation: string;
  readonly series: number;
  /** Pasts (one per series and horizon) that are still being rebuilt. */
  readonly rebuilding: number;
  /** Series that wait for a fit, how long the first has waited, and fits that failed. */
  readonly fitsWaiting: number;
  readonly fitWaitMs: number;
  readonly fitsFailed: number;
  /** Messages of the load stream that were no samples, came twice, or were of no use. */
  readonly foreign: number;
  readonly duplicates: number;
  readonly strays: number;
}

/** One that has nothing to tell of itself. */
export function quietForecaster(id: string, incarnation = ""): ForecasterState {
  const nothing = { rebuilding: 0, fitsWaiting: 0, fitWaitMs: 0, fitsFailed: 0, foreign: 0, duplicates: 0, strays: 0 };
  return { id, incarnation, series: 0, ...nothing };
}

export interface ForecastNews {
  readonly forecaster: ForecasterState;
  readonly slotMs: readonly number[];
  readonly models: readonly string[];
  readonly series: readonly SeriesNews[];
}

export interface ForecasterAlive {
  readonly id: string;
  readonly incarnation: string;
  /** It ends by will: its series go to the others at once. */
  readonly leaving: boolean;
}

export interface ForecastQuery {
  readonly table: string;
  readonly fragments: readonly FragmentId[];
  readonly group: string | undefined;
  readonly horizon: HorizonName;
  readonly skip: number;
}
