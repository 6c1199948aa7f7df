// Forecaster state. Owns the shapes: what a forecaster knows of its series, of the other forecasters, and of the work it has given away.

import type { Timing } from "../../src/config/limits.js";
import type { Horizon } from "../../src/forecast/horizons.js";
import type { PooledPrior } from "../../src/forecast/pool.js";
import type { Trials } from "../../src/forecast/promise.js";
import type { RankRing } from "../../src/forecast/ranks.js";
import type { SeriesState } from "../../src/forecast/series.js";
import type { Request, Ticket, WorldMessage } from "../../src/kernel/effect.js";
import type { Tickets } from "../../src/kernel/tickets.js";
import type { Tail } from "../../src/ledger/tail.js";
import type { LoadBook, SeriesKey, Slot } from "../../src/load/book.js";
import type { Past, PastStretch } from "../../src/load/past.js";
import type { SeriesNews } from "../../src/protocol/forecast.js";
import type { FragmentId } from "../../src/protocol/subjects.js";
import type { Board } from "./board.js";
import type { Drip } from "./drip.js";
import type { Members } from "./members.js";
import type { Calendar } from "./profiles.js";
import type { Replayed } from "./replay.js";

export interface ForecasterConfig {
  /** A checked name, unique among the forecasters. */
  readonly id: string;
  readonly incarnation: string;
  readonly partitions: number;
  readonly sampleIntervalMs: number;
  readonly timing: Timing;
}

/** One series over one horizon. */
export interface Lane {
  readonly horizon: Horizon;
  readonly index: number;
  readonly ranks: RankRing;
  /** Undefined while its past is being rebuilt. */
  series: SeriesState | undefined;
  /** A past that is not in the stream under the series' own name: inherited. */
  past: PastStretch | undefined;
  /** Values that came meanwhile. */
  readonly waiting: { readonly slot: number; readonly value: number }[];
  fit: "none" | "queued" | "running";
  fittedAtMs: number;
  failures: number;
  /** The whole ring of ranks was said once. */
  said: boolean;
  /** What the last forecast expected of the next slot without promises, and where it was made. */
  usual: number;
  usualAt: number;
  /** Promises of declared profiles, and how they were kept. */
  trials: Trials;
  /** What was taken out of the last slots before they were learnt. */
  readonly taken: Map<number, number>;
}

export interface Entry {
  readonly key: SeriesKey;
  readonly fragment: FragmentId;
  readonly table: number;
  readonly group: string;
  readonly lanes: readonly Lane[];
}

/** A value to be learnt, when its turn comes. */
export interface Lesson {
  readonly entry: Entry;
  readonly lane: Lane;
  readonly slot: number;
  readonly value: number;
}

/** A slot that is over, and the series that have not had their lesson of it. */
export interface SlotLessons {
  readonly index: number;
  readonly slot: Slot;
  readonly entries: Iterator<Entry>;
}

/** A series that is to become ours: `new`, without a past; with the `past` that was read; or it has to `wait` for that. */
export interface Adoption {
  readonly key: SeriesKey;
  readonly table: number;
  readonly start: "new" | "wait" | "past";
}

/** What is to be done a little at a time. */
export interface Chores {
  adoptions: Adoption[];
  /** Values of slots that were closed before. */
  mended: Lesson[];
  slots: SlotLessons[];
}

export interface FitOrder {
  readonly entry: Entry;
  readonly lane: Lane;
  readonly queuedAtMs: number;
}

export interface FitBatch {
  readonly kind: "refit" | "rebuild";
  readonly orders: readonly FitOrder[];
  readonly sentAtMs: number;
}

export interface Pools {
  /** Undefined prior: nobody could lend when it was tried. */
  readonly made: Map<string, { readonly prior: PooledPrior | undefined; readonly madeAtMs: number }>;
  readonly wanted: Set<string>;
  running: { readonly ticket: Ticket; readonly name: string; readonly sentAtMs: number } | undefined;
}

export interface ForecasterState {
  readonly config: ForecasterConfig;
  readonly horizons: readonly Horizon[];
  readonly refitEveryMs: number;
  readonly tickets: Tickets;
  readonly tails: readonly Tail[];
  readonly members: Members;
  readonly books: readonly LoadBook[];
  readonly calendar: Calendar;
  readonly board: Board;
  readonly entries: Map<SeriesKey, Entry>;
  /** Every series that samples of late name, with the wall clock of the last one: also those of others. */
  readonly seen: Map<SeriesKey, { table: number; atMs: number }>;
  readonly drip: Drip;
  readonly chores: Chores;
  turnArmed: boolean;
  outgoing: SeriesNews[];
  /** What is lent to young series, by `horizon/table`. */
  readonly pools: Pools;
  readonly fits: { rebuilds: FitOrder[]; refits: FitOrder[]; readonly running: Map<Ticket, FitBatch>; failed: number };
  /** Pasts that the present rebuilding draws from. */
  pasts: readonly Past[];
  /** A reading of the stream is under way; `again`: another one is wanted after it. */
  replay: { readonly id: string; again: boolean } | undefined;
  replays: number;
  /** Nothing is forecast before the first look at who else is there. */
  settled: boolean;
  streamTicket: Ticket;
  counts: { foreign: number; duplicates: number; strays: number; refused: number };
}

export type ForecasterMessage =
  | { readonly kind: "start" }
  | { readonly kind: "stop"; readonly leave: boolean; readonly withinMs: number }
  | Request
  | Replayed
  | WorldMessage;
