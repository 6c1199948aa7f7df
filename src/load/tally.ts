// Tally. Owns what a node counts for people who watch: by table and kind of operation, how it ended and how long it took.
// T1 counting allocates nothing: a tally is looked up once per part of a batch, and each operation adds to three numbers of it.
// T2 fragments and client groups are not told apart, so its size follows the number of tables; tables that nobody asks go when there are too many.

import { limits } from "../config/limits.js";
import type { Retry } from "../kernel/fault.js";
import { loadKinds } from "./kinds.js";

/** How an operation ended. `refused`: for good, as the client asked for what cannot be. `again`: to be tried elsewhere or later. `unknown`: it may have happened. */
export const endings = ["done", "refused", "again", "unknown"] as const;
export type Ending = (typeof endings)[number];

/** Upper bounds of the classes of service time, milliseconds; what takes longer is in one more class. */
export const serviceBoundsMs = [0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500] as const;
const classes = serviceBoundsMs.length + 1;

/** Per kind: a count by ending, milliseconds of service of all but `again`, and the count of those by class of service time. */
export type Tally = Float64Array;
const perKind = endings.length + 1 + classes;

export interface TableTally {
  /** The table's control partition, and its number there. */
  readonly partition: number;
  readonly table: number;
  /** Index into `loadKinds`. */
  readonly kind: number;
  /** In the order of `endings`. */
  readonly ended: readonly number[];
  readonly serviceMs: number;
  /** In the order of `serviceBoundsMs`, and one for what took longer. */
  readonly byTime: readonly number[];
}

export interface Tallies {
  /** Valid for as long as an operation may last. */
  of(partition: number, table: number): Tally;
  /** What was counted since the last call; begins anew. */
  take(): TableTally[];
}

const endingOfRetry = { no: "refused", yes: "again", ask: "unknown" } as const satisfies Record<Retry, Ending>;

export function endingOf(retry: Retry | undefined): Ending {
  return retry === undefined ? "done" : endingOfRetry[retry];
}

export function noteIn(tally: Tally, kind: number, ending: Ending, serviceMs: number): void {
  const at = kind * perKind;
  add(tally, at + endings.indexOf(ending), 1);
  if (ending === "again") return;
  add(tally, at + endings.length, serviceMs);
  add(tally, at + endings.length + 1 + classOf(serviceMs), 1);
}

function classOf(serviceMs: number): number {
  let at = 0;
  while (at < serviceBoundsMs.length && serviceMs > (serviceBoundsMs[at] ?? 0)) at++;
  return at;
}

function add(tally: Tally, at: number, amount: number): void {
  tally[at] = (tally[at] ?? 0) + amount;
}

export function createTallies(): Tallies {
  const rows = new Map<number, Map<number, Tally>>();
  return {
    of(partition, table) {
      let tables = rows.get(partition);
      if (tables === undefined) {
        tables = new Map();
        rows.set(partition, tables);
      }
      let tally = tables.get(table);
      if (tally === undefined) {
        tally = new Float64Array(loadKinds.length * perKind);
        tables.set(table, tally);
      }
      return tally;
    },
    take() {
      const taken: TableTally[] = [];
      for (const [partition, tables] of rows) {
        for (const [table, tally] of tables) {
          const lines = linesOf(partition, table, tally);
          if (lines.length === 0 && tables.size > limits.tables) tables.delete(table);
          taken.push(...lines);
          tally.fill(0);
        }
      }
      return taken.slice(0, limits.sampleTallies);
    },
  };
}

function linesOf(partition: number, table: number, tally: Tally): TableTally[] {
  return loadKinds.flatMap((_, kind) => {
    const own = tally.subarray(kind * perKind, (kind + 1) * perKind);
    const ended = [...own.subarray(0, endings.length)];
    if (ended.every((count) => count === 0)) return [];
    const byTime = [...own.subarray(endings.length + 1)];
    return [{ partition, table, kind, ended, serviceMs: own[endings.length] ?? 0, byTime }];
  });
}

/** As it travels: plain numbers, service time in microseconds. */
export function tallyWire({ partition, table, kind, ended, serviceMs, byTime }: TableTally): readonly number[] {
  return [partition, table, kind, ...ended, Math.round(serviceMs * 1000), ...byTime];
}

/** Undefined: of another form. */
export function readTally(wire: unknown): TableTally | undefined {
  if (!Array.isArray(wire) || wire.length !== 3 + perKind) return undefined;
  const numbers: number[] = [];
  for (const one of wire) {
    if (!Number.isSafeInteger(one) || one < 0) return undefined;
    numbers.push(one);
  }
  const [partition = 0, table = 0, kind = 0] = numbers;
  if (kind >= loadKinds.length) return undefined;
  const rest = numbers.slice(3);
  return {
    partition,
    table,
    kind,
    ended: rest.slice(0, endings.length),
    serviceMs: (rest[endings.length] ?? 0) / 1000,
    byTime: rest.slice(endings.length + 1),
  };
}
