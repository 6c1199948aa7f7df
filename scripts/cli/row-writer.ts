// Row writer. Owns rows on their way into a table: groups, many in flight, and how far everything before is acknowledged.
// W1 `acknowledged` counts rows from the first on without a gap. W2 rows in flight are bounded. W3 of two rows with one key the later one
//    is sent only when the earlier one is acknowledged, so that the later one wins.

import type { BatchStep, FaultError, Table } from "../../cluster/client/index.js";
import type { SourceRow } from "./source-rows.js";

export interface RowWriter {
  /** Settles when there is room for more; rejects with the first fault. */
  add(row: SourceRow): Promise<void>;
  /** Sends what is left and waits for all of it. */
  finish(): Promise<void>;
  /** Rows acknowledged without a gap, those passed over included. */
  readonly acknowledged: number;
}

export interface RowWriterOptions {
  readonly inFlightRows: number;
  readonly deadlineMs: number;
  /** Rows that an earlier import has done. */
  readonly skipped: number;
}

/** A failed group of rows. */
export class RowFault extends Error {
  override readonly name = "RowFault";
  constructor(
    readonly fault: unknown,
    readonly first: number,
    readonly last: number,
  ) {
    super(`rows ${first} to ${last}`);
  }
}

/** Rows of one partition key go as one atomic batch: they lie in one fragment (or nearly always, where a range table is cut within one). */
const groupRows = 500;
const groupBytes = 128 * 1024;

interface Group {
  readonly partition: string;
  readonly rows: SourceRow[];
  /** `keyId` of each row. */
  readonly ids: string[];
  bytes: number;
}

export function createRowWriter(table: Table<object>, options: RowWriterOptions): RowWriter {
  let group: Group | undefined;
  let inFlight = 0;
  let failed: RowFault | undefined;
  let acknowledged = options.skipped;
  /** Ends of acknowledged groups that still wait for a group before them, by their first row. */
  const ahead = new Map<number, number>();
  const keysInFlight = new Set<string>();
  let wake: () => void = () => undefined;

  function changed(): Promise<void> {
    return new Promise((resolve) => {
      wake = resolve;
    });
  }
  async function until(ready: () => boolean): Promise<void> {
    while (!ready()) {
      if (failed !== undefined) throw failed;
      await changed();
    }
    if (failed !== undefined) throw failed;
  }

  function send(): void {
    const sent = group;
    group = undefined;
    if (sent === undefined) return;
    const first = sent.rows[0]?.number ?? 0;
    const last = sent.rows.at(-1)?.number ?? 0;
    inFlight += sent.rows.length;
    for (const id of sent.ids) keysInFlight.add(id);
    write(table, sent.rows, options.deadlineMs)
      .then(
        () => acknowledge(first, last),
        (fault: unknown) => {
          failed ??= new RowFault(fault, first, last);
        },
      )
      .finally(() => {
        inFlight -= sent.rows.length;
        for (const id of sent.ids) keysInFlight.delete(id);
        wake();
      });
  }
  function acknowledge(first: number, last: number): void {
    ahead.set(first, last);
    for (let end = ahead.get(acknowledged + 1); end !== undefined; end = ahead.get(acknowledged + 1)) {
      ahead.delete(acknowledged + 1);
      acknowledged = end;
    }
  }
  async function take(row: SourceRow): Promise<void> {
    const key = keyId(row);
    if (keysInFlight.has(key)) await until(() => !keysInFlight.has(key));
    const partition = partitionId(row);
    const bytes = roughBytes(row);
    if (
      group !== undefined &&
      (group.partition !== partition || group.rows.length >= groupRows || group.bytes + bytes > groupBytes)
    )
      send();
    group ??= { partition, rows: [], ids: [], bytes: 0 };
    group.rows.push(row);
    group.ids.push(key);
    group.bytes += bytes;
    if (inFlight + group.rows.length >= options.inFlightRows) {
      send();
      await until(() => inFlight < options.inFlightRows);
    }
  }

  return {
    add(row) {
      if (failed !== undefined) return Promise.reject(failed);
      return take(row);
    },
    async finish() {
      send();
      await until(() => inFlight === 0);
    },
    get acknowledged() {
      return acknowledged;
    },
  };
}

/** A group over a cut of a range table is halved until each part lies on one side; where a key comes twice the earlier part goes first (W3). */
async function write(table: Table<object>, rows: readonly SourceRow[], deadlineMs: number): Promise<void> {
  const [only] = rows;
  if (rows.length === 1 && only !== undefined) {
    await table.put(only.key, only.doc, { deadlineMs });
    return;
  }
  const steps = rows.map(({ key, doc }): BatchStep<object> => ({ op: "put", key, doc }));
  try {
    await table.batch(steps, { deadlineMs });
  } catch (error) {
    if (!isSpanning(error)) throw error;
    const half = rows.length >> 1;
    const first = write(table, rows.slice(0, half), deadlineMs);
    if (new Set(rows.map(keyId)).size < rows.length) await first;
    await Promise.all([first, write(table, rows.slice(half), deadlineMs)]);
  }
}

function isSpanning(error: unknown): error is FaultError {
  return error instanceof Error && "code" in error && error.code === "SPANS_FRAGMENTS";
}

function keyId({ key }: SourceRow): string {
  return JSON.stringify(key);
}

function partitionId({ key }: SourceRow): string {
  return JSON.stringify(Array.isArray(key) ? key[0] : key);
}

/** Of the fields: exact enough to keep a batch well under its limit. */
function roughBytes({ doc }: SourceRow): number {
  let bytes = 64;
  for (const [name, value] of Object.entries(doc))
    bytes +=
      name.length +
      (typeof value === "string"
        ? value.length * 2
        : typeof value === "object" && value !== null
          ? JSON.stringify(value).length * 2
          : 9);
  return bytes;
}
