// Topics. Owns the shape of what the page is told, topic by topic; only types, so that server and browser share them.
// P1 the newest message of a topic is enough to show it, but for `load` and `sizes`: there a message after the first holds only the rows that changed.

export interface Topics {
  readonly status: Status;
  readonly shape: Shape;
  readonly past: Past;
  readonly load: Load;
  readonly sizes: Sizes;
  readonly outlook: OutlookNews;
  readonly moves: Moves;
  readonly events: Events;
  readonly plan: Plan;
}
export type TopicName = keyof Topics;

export interface Status {
  readonly version: string;
  /** Empty: queries are served. */
  readonly trouble: string;
  readonly sampleMs: number;
  /** Orders can be given with the operator's token. */
  readonly orders: boolean;
}

export interface Shape {
  readonly nodes: readonly {
    readonly id: string;
    readonly zone: string;
    readonly state: "up" | "down";
    readonly draining: boolean;
  }[];
  readonly leaders: readonly { readonly partition: number; readonly term: number; readonly leader: string }[];
  readonly tables: readonly { readonly name: string; readonly partitioning: string; readonly replicas: number }[];
  /** Whose piece of the ring each of its parts is: indexes into `nodes`. */
  readonly arcs: readonly number[];
  readonly fragments: readonly FragmentRow[];
}

/** id, table (index), first key, primary (index), holders (indexes), serving (0, 1), place on the ring (0 to 1), epoch. */
export type FragmentRow = readonly [
  id: number,
  table: number,
  from: string,
  primary: number,
  holders: readonly number[],
  serving: 0 | 1,
  at: number,
  epoch: number,
];

/** Time, operations per second, share of a core. */
export type LoadPoint = readonly [atMs: number, perSecond: number, cpuShare: number];

export interface Past {
  readonly nodes: Readonly<Record<string, readonly LoadPoint[]>>;
}

export interface Load {
  readonly nodes: Readonly<Record<string, NodeLoadRow>>;
  /** Operations per second. */
  readonly fragments: Readonly<Record<number, number>>;
}
/** Time, operations per second, share of a core, event loop's delay (ms), capacity (per second, 0: unknown). */
export type NodeLoadRow = readonly [
  atMs: number,
  perSecond: number,
  cpuShare: number,
  loopDelayMs: number,
  capacity: number,
];

export interface Sizes {
  /** Rows, bytes, records that the last copy lacks (-1: nobody serves). */
  readonly fragments: Readonly<Record<number, readonly [rows: number, bytes: number, lag: number]>>;
}

export interface BandRow {
  readonly atMs: number;
  readonly stepMs: number;
  readonly low: readonly number[];
  readonly middle: readonly number[];
  readonly high: readonly number[];
  /** Probability that a step is above the capacity; null: no capacity known. */
  readonly risk: number | null;
}

export interface OutlookNews {
  readonly short: Readonly<Record<string, BandRow>>;
  readonly long: Readonly<Record<string, BandRow>>;
  /** Upper end (95 %) of the largest step of the short horizon, by fragment. */
  readonly peaks: Readonly<Record<number, number>>;
  readonly records: readonly RecordRow[];
  readonly forecasters: readonly {
    readonly id: string;
    readonly series: number;
    readonly rebuilding: number;
    readonly fitsWaiting: number;
    readonly fitsFailed: number;
  }[];
}

export interface RecordRow {
  readonly table: string;
  readonly horizon: "short" | "long";
  readonly series: number;
  readonly matured: number;
  /** Share of values in the 90 % interval, and at or below its upper end. */
  readonly inside: number | null;
  readonly below95: number | null;
  /** Loss over that of repeating the season before. */
  readonly ratio: number | null;
  readonly drifting: number;
}

export interface MoveRow {
  readonly move: number;
  readonly table: string;
  readonly fragment: number;
  readonly strategy: string;
  readonly from: string;
  readonly to: string;
  readonly cause: string;
  readonly by: string;
  readonly why: string;
  readonly phase: string;
  readonly startedMs: number;
  readonly waitsFor: string;
  readonly progress: {
    readonly rows: number;
    readonly totalRows: number;
    readonly bytes: number;
    readonly totalBytes: number;
    readonly bytesPerSecond: number;
  } | null;
  readonly outcome: string | null;
  readonly endedMs: number | null;
  readonly end: string | null;
}

export interface Moves {
  readonly underWay: readonly MoveRow[];
  /** Newest first. */
  readonly past: readonly MoveRow[];
}

export interface Events {
  /** Newest first. */
  readonly events: readonly { readonly atMs: number; readonly kind: string; readonly text: string }[];
}

export interface Plan {
  /** As the leader tells it; null: there is no plan. */
  readonly plan: unknown;
}

/** What is told of one fragment that somebody opened. */
export interface FragmentDetail {
  readonly id: number;
  readonly table: string;
  readonly from: string;
  readonly to: string;
  readonly epoch: number;
  readonly replicas: readonly {
    readonly node: string;
    readonly primary: boolean;
    readonly state: string;
    readonly lsn: number | null;
    readonly rows: number | null;
  }[];
  readonly series: readonly {
    readonly group: string;
    readonly horizon: "short" | "long";
    readonly stepMs: number;
    /** Where the first step begins; `recent` ends just before it. */
    readonly atMs: number;
    readonly recent: readonly (number | null)[];
    readonly low: readonly number[];
    readonly middle: readonly number[];
    readonly high: readonly number[];
    readonly models: readonly { readonly name: string; readonly weight: number }[];
    readonly profiles: readonly { readonly name: string; readonly trust: number }[];
    readonly matured: number;
    readonly ratio: number | null;
  }[];
  readonly moves: readonly MoveRow[];
}

export type Order =
  | { readonly order: "move"; readonly table: string; readonly fragment: number; readonly to: string }
  | { readonly order: "drain" | "undrain"; readonly node: string }
  | { readonly order: "cancelMove"; readonly move: number };
