// Forecasts. Owns the typed question for what the cluster expects to be asked, and the shape of the answer.

export interface ForecastWish {
  readonly table: string;
  readonly fragment?: number;
  readonly group?: string;
  /** `short` (default): twelve steps of a minute; `long`: twelve of five minutes, at the default sample interval. */
  readonly horizon?: "short" | "long";
  readonly skip?: number;
  readonly deadlineMs?: number;
}

/** How forecasts have done so far; null where nothing has matured yet. */
export interface ForecastRecord {
  /** Forecasts whose time has come. */
  readonly matured: number;
  /** Share of values at or below each quantile, in the order of `levels`; of the steps, and of the largest step. */
  readonly coverage: readonly (number | null)[];
  readonly maxCoverage: readonly (number | null)[];
  /** Mean pinball loss, and that of repeating the season before. */
  readonly pinball: number | null;
  readonly naivePinball: number | null;
  /** Series whose recent coverage is out of what chance allows. */
  readonly drifting: number;
  readonly observed: number;
  readonly missing: number;
  readonly late: number;
}

interface Foretold {
  /** Where the first step begins, milliseconds since 1970. */
  readonly atMs: number;
  /** Queries per second by step and level. */
  readonly steps: readonly (readonly number[])[];
  /** Of the largest step, by level. */
  readonly max: readonly number[];
  /** The last observed values, the newest last; null = nobody listened. */
  readonly recent: readonly (number | null)[];
  readonly record: ForecastRecord;
}

export interface SeriesForecastInfo extends Foretold {
  readonly fragment: number;
  readonly group: string;
  /** Weight of each model. */
  readonly models: Readonly<Record<string, number>>;
  readonly profiles: readonly { readonly name: string; readonly trust: number }[];
}

/** Demand that a client group declares in advance. */
export interface ProfileWish {
  readonly name: string;
  /** A client group, or `*`: a calendar event for all of them. */
  readonly group: string;
  readonly tables: readonly (string | { readonly table: string; readonly keys: readonly unknown[] })[];
  /** Five cron fields, or six with seconds first. */
  readonly schedule: string;
  /** Default `UTC`. */
  readonly timeZone?: string;
  /** Such as `30m`. */
  readonly duration: string;
  /** Queries per second by operation, all tables together. */
  readonly rates?: Readonly<Record<string, number>>;
  /** Of a calendar event: what is asked, times this. */
  readonly factor?: number;
  readonly expires: string;
  readonly deadlineMs?: number;
}

export type { ProfileLine as ProfileInfo } from "../../actors/router/profile-lines.js";

export interface ForecasterInfo {
  readonly id: string;
  readonly series: number;
  readonly rebuilding: number;
  readonly fitsWaiting: number;
  readonly fitWaitMs: number;
  readonly fitsFailed: number;
  readonly foreign: number;
  readonly duplicates: number;
  readonly strays: number;
}

export interface ForecastAnswer {
  readonly table: string;
  readonly horizon: "short" | "long";
  readonly stepMs: number;
  readonly levels: readonly number[];
  /** All series together, peaks coinciding as they did of late. */
  readonly total: Foretold & { readonly series: number; readonly summed: number };
  readonly series: readonly SeriesForecastInfo[];
  /** Ask again with `skip: next` for more series; null: these are all. */
  readonly next: number | null;
  readonly forecasters: readonly ForecasterInfo[];
}
