// Table. Owns the typed view of one table: rows, writes, scans, aggregates and the change feed.
// The documents' type is the caller's word: the store checks shapes and limits, not types.

import type { KeyValue } from "../../src/table/table.js";
import { type Call, drawRequestId, type Fields, given } from "./call.js";
import { FaultError } from "./fault-error.js";

/** `"a"`, or `["a", "b"]` in a table with a sort key. A tuple as a whole key stands inside the key's array: `[["x", 1]]`. */
export type Key = KeyValue;
/** How fresh a read must be. */
export type Level = "strong" | "bounded" | "any";
/** As in `docs/PROTOCOL.md`: `{age: {ge: 18}, "address.city": "Oslo"}`, with `$and`, `$or`, `$not`. */
export type Filter = Readonly<Record<string, unknown>>;

/** A row as it was read; each write of it gives a larger version. */
export interface Row<Doc> {
  readonly key: Key;
  readonly version: number;
  readonly doc: Doc;
}
/** One change of the feed. Changes of one row come in their order; between fragments there is no order. */
export interface Change<Doc> {
  readonly key: Key;
  readonly version: number;
  /** Null: the row was deleted. */
  readonly doc: Doc | null;
}

export interface Deadline {
  /** How long the call may take in milliseconds, retries included; at most 60,000, 5,000 where it is absent. */
  readonly deadlineMs?: number;
}
export interface ReadOptions extends Deadline {
  /** `strong` (default): linearizable. `bounded`: at most `maxStaleMs` old. `any`: whatever a replica has. */
  readonly level?: Level;
  /** With `bounded`, milliseconds. */
  readonly maxStaleMs?: number;
}
export interface GetOptions extends ReadOptions {
  /** Paths to keep, dotted: `address.city`. */
  readonly fields?: readonly string[];
}
export interface WriteOptions extends Deadline {
  /** Only when the row has this version; 0 = only when there is none. */
  readonly ifVersion?: number;
  /** Drawn when absent. Writing again with the same one is carried out once. */
  readonly requestId?: string;
}
/** Which rows: all, those from `from` (inclusive) to `to` (exclusive), or whose key begins with `prefix`; and of them those that fit `filter`. */
export interface RangeOptions extends ReadOptions {
  /** Rows of one partition key; `from`, `to` and `prefix` then speak of the sort key. */
  readonly partition?: Key;
  readonly from?: Key;
  readonly to?: Key;
  readonly prefix?: Key;
  readonly filter?: Filter;
}
export interface ScanOptions extends RangeOptions {
  readonly reverse?: boolean;
  /** Rows in one page. */
  readonly limit?: number;
  readonly fields?: readonly string[];
}
/** Which rows `deleteRange` takes: those of the range that fit the filter. */
export interface DeleteRangeOptions extends Deadline {
  readonly partition?: Key;
  readonly from?: Key;
  readonly to?: Key;
  readonly prefix?: Key;
  readonly filter?: Filter;
}
export interface PageOptions extends ScanOptions {
  readonly cursor?: string | null;
}
export interface Page<Doc> {
  readonly rows: readonly Row<Doc>[];
  /** For the next page; null after the last one. */
  readonly cursor: string | null;
}
/** One result: only `count` goes without a field, and then counts rows. */
export interface AggregateAsk {
  readonly fn: "count" | "sum" | "min" | "max" | "avg";
  readonly field?: string;
  /** Name in the answer. */
  readonly as?: string;
}
export interface AggregateOptions extends RangeOptions {
  readonly aggregates: readonly AggregateAsk[];
  readonly groupBy?: readonly string[];
}
export interface AggregateAnswer {
  readonly groups: readonly Readonly<Record<string, unknown>>[];
  readonly rowsSeen: number;
}
export type BatchStep<Doc> =
  | { readonly op: "put" | "insert"; readonly key: Key; readonly doc: Doc; readonly ifVersion?: number }
  | { readonly op: "update"; readonly key: Key; readonly patch: Fields; readonly ifVersion?: number }
  | { readonly op: "delete"; readonly key: Key; readonly ifVersion?: number };
export interface WatchOptions {
  /** Where an earlier watch stopped; absent: from now on. */
  readonly cursor?: string;
  readonly filter?: Filter;
  /** How long one poll waits, in milliseconds. */
  readonly waitMs?: number;
  /** Ends the iteration. */
  readonly signal?: AbortSignal;
}

/** A page of keys needs nothing of the documents. */
const noField = "_";

/**
 * One table. Keys and documents are checked by the cluster, which throws `BAD_KEY`, `BAD_DOCUMENT`, `UNKNOWN_TABLE`, …; every call may throw `OVERLOADED`,
 * `UNAVAILABLE` and `DEADLINE_EXCEEDED`. Calls of one turn of the event loop travel together.
 */
export class Table<Doc extends object = Fields> {
  private readonly subject: string;

  constructor(
    private readonly call: Call,
    readonly name: string,
  ) {
    this.subject = `foreshard.query.${name}.`;
  }

  /** The row, or null where there is none. */
  get(key: Key, options?: GetOptions): Promise<Row<Doc> | null> {
    const body = options === undefined ? { key } : given({ key, ...options });
    return this.call(`${this.subject}get`, body).then(rowIn<Doc>);
  }

  /** Rows in the order of the keys, null where there is none; at most 1,000 keys. Each row is current at its own moment. */
  async getMany(keys: readonly Key[], options: GetOptions = {}): Promise<(Row<Doc> | null)[]> {
    const { rows } = await this.ask("getMany", { keys, ...options });
    return rows as (Row<Doc> | null)[];
  }

  /** Writes a row, whatever was there; with `ifVersion` only over that version, else `CONFLICT` with `detail.held`. */
  put(key: Key, doc: Doc, options: WriteOptions = {}): Promise<{ readonly version: number }> {
    return this.write("put", { key, doc, ...options });
  }

  /** Writes a row that must not be there yet: else `EXISTS`. */
  insert(key: Key, doc: Doc, options: Omit<WriteOptions, "ifVersion"> = {}): Promise<{ readonly version: number }> {
    return this.write("insert", { key, doc, ...options });
  }

  /** Merges a patch into a row (RFC 7386: null removes a field); `NOT_FOUND` where there is none. */
  update(key: Key, patch: Fields, options: WriteOptions = {}): Promise<{ readonly version: number }> {
    return this.write("update", { key, patch, ...options });
  }

  /** Deletes a row; one that is not there is no mistake. */
  delete(key: Key, options: WriteOptions = {}): Promise<{ readonly version: number }> {
    return this.write("delete", { key, ...options });
  }

  /** All steps or none, at most 1,000; they must lie in one fragment, as the rows of one partition key of a hash table do: else `SPANS_FRAGMENTS`. */
  async batch(
    ops: readonly BatchStep<Doc>[],
    options: Omit<WriteOptions, "ifVersion"> = {},
  ): Promise<{ readonly versions: readonly number[] }> {
    const { versions } = await this.ask("batch", {
      ops: ops.map(given),
      requestId: drawRequestId(),
      ...given(options),
    });
    return { versions: versions as number[] };
  }

  /** One page of a range, in key order; at most 10,000 rows, 1,000 where no `limit` is given, and about 2 MiB. */
  async page(options: PageOptions = {}): Promise<Page<Doc>> {
    const { rows, cursor } = await this.ask("scan", options);
    return { rows: rows as Row<Doc>[], cursor: cursor as string | null };
  }

  /** All rows of a range, in key order; the next page is fetched while this one is read. */
  async *scan(options: ScanOptions = {}): AsyncGenerator<Row<Doc>, void, undefined> {
    let next: Promise<Page<Doc>> | undefined = this.page(options);
    while (next !== undefined) {
      const { rows, cursor }: Page<Doc> = await next;
      next = cursor === null ? undefined : this.page({ ...options, cursor });
      // A page that nobody comes to read must not be an unhandled rejection.
      next?.catch(() => undefined);
      yield* rows;
    }
  }

  /**
   * Deletes the rows of a range that fit the filter, page by page: for retention and clearing away. Not atomic: a row that is written meanwhile stays, and an
   * error leaves the rows before it deleted, so it may be called again. `deadlineMs` is that of each page and each delete.
   */
  async deleteRange(range: DeleteRangeOptions): Promise<{ readonly deleted: number }> {
    const { deadlineMs, ...where } = range;
    const limits = deadlineMs === undefined ? {} : { deadlineMs };
    let deleted = 0;
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page: Page<Doc> = await this.page({
        ...where,
        ...limits,
        fields: [noField],
        ...(cursor ? { cursor } : {}),
      });
      const gone = await Promise.all(
        page.rows.map(({ key, version }) => this.deleteUnchanged(key, { ...limits, ifVersion: version })),
      );
      deleted += gone.filter(Boolean).length;
      cursor = page.cursor;
    }
    return { deleted };
  }

  /** False: it was written, or deleted, meanwhile. */
  private async deleteUnchanged(key: Key, options: WriteOptions): Promise<boolean> {
    try {
      await this.delete(key, options);
      return true;
    } catch (error) {
      if (error instanceof FaultError && error.code === "CONFLICT") return false;
      throw error;
    }
  }

  /** Computed on all fragments of the range at once and merged: `groups[i]` holds a result under each `as` (default `sum_amount`), and `group`, the values of `groupBy`. */
  async aggregate(options: AggregateOptions): Promise<AggregateAnswer> {
    const { groups, rowsSeen } = await this.ask("aggregate", options);
    return { groups: groups as AggregateAnswer["groups"], rowsSeen: Number(rowsSeen) };
  }

  /** The change feed: `for await (const change of table.watch())`; its `cursor` resumes it elsewhere. `TRIMMED` when changes after the cursor are no longer kept. */
  watch(options: WatchOptions = {}): Watch<Doc> {
    return new Watch<Doc>((body) => this.ask("watch", body), options);
  }

  private write(op: string, fields: object): Promise<{ readonly version: number }> {
    return this.call(this.subject + op, { requestId: drawRequestId(), ...given(fields) }).then(versionIn);
  }

  private ask(op: string, fields: object): Promise<Fields> {
    return this.call(this.subject + op, given(fields));
  }
}

function rowIn<Doc>({ row }: Fields): Row<Doc> | null {
  return row as Row<Doc> | null;
}

function versionIn({ version }: Fields): { readonly version: number } {
  return { version: Number(version) };
}

/** A running change feed. Each change comes once; after an error, `cursor` says where to go on. */
export class Watch<Doc> implements AsyncIterable<Change<Doc>> {
  private mark: string | undefined;

  constructor(
    private readonly poll: (body: object) => Promise<Fields>,
    private readonly options: WatchOptions,
  ) {
    this.mark = options.cursor;
  }

  /** After the last change that was handed out together with all before it; undefined before the first answer. */
  get cursor(): string | undefined {
    return this.mark;
  }

  /** Polls as long as it is read; ends when `signal` says so. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Change<Doc>, void, undefined> {
    const { filter, waitMs, signal } = this.options;
    while (signal?.aborted !== true) {
      const answer = await this.next({ cursor: this.mark, filter, waitMs });
      if (answer === undefined) return;
      yield* answer.changes as Change<Doc>[];
      this.mark = String(answer.cursor);
    }
  }

  /** The first poll has no cursor and returns at once: from its answer on, no change is missed. */
  private async next(body: {
    cursor: string | undefined;
    filter: Filter | undefined;
    waitMs: number | undefined;
  }): Promise<Fields | undefined> {
    const { signal } = this.options;
    const asked = this.poll(body.cursor === undefined ? { ...body, waitMs: 0 } : body);
    if (signal === undefined) return asked;
    let abort = (): void => undefined;
    const aborted = new Promise<undefined>((resolve) => {
      abort = () => resolve(undefined);
      signal.addEventListener("abort", abort, { once: true });
      if (signal.aborted) abort();
    });
    asked.catch(() => undefined);
    try {
      return await Promise.race([asked, aborted]);
    } finally {
      // A signal outlives many polls: each takes its listener with it.
      signal.removeEventListener("abort", abort);
    }
  }
}
