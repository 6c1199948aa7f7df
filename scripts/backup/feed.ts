// Feed. Owns the change feed of one table during a backup: the last change of each row from a place on, up to a cut.
// E1 at every turn of the event loop what is held is exactly what lies before `cursor`. E2 what is held has a limit, and so have tries after a failure.

import { type Change, type Client, FaultError, type Watch } from "../../cluster/client/index.js";
import { until } from "../../cluster/engine/until.js";
import { loadHash } from "../../cluster/world/hash.js";
import type { Hash } from "../../src/kernel/hash.js";
import { watchPlaceOf } from "../../src/query/cursor.js";
import type { WatchMark } from "../../src/query/query.js";
import { keyId } from "./contents.js";
import { refusal } from "./manifest.js";

const changesLimit = 2_000_000;
const triesLimit = 20;
const startLimitMs = 15_000;
const endLimitMs = 30_000;
const endTriesLimit = 4;

export interface FeedEnd {
  readonly cursor: string;
  readonly marks: readonly WatchMark[];
  readonly changes: readonly Change<object>[];
}

export class Feed {
  private readonly latest = new Map<string, Change<object>>();
  private readonly stop = new AbortController();
  private watch: Watch<object> | undefined;
  private failed: unknown;

  private constructor(
    private readonly client: Client,
    private readonly table: string,
    private readonly hash: Hash,
    private place: string | undefined,
  ) {}

  /** Follows from `since`, or from now on: once it settles, no change is missed. */
  static async open(client: Client, table: string, since?: string): Promise<Feed> {
    const feed = new Feed(client, table, await loadHash(), since);
    void feed.follow();
    const there = await until(() => feed.failed !== undefined || feed.cursor !== undefined, startLimitMs, 10);
    if (feed.failed !== undefined) throw feed.failed;
    if (!there) throw late(table, startLimitMs);
    return feed;
  }

  get cursor(): string | undefined {
    return this.watch?.cursor ?? this.place;
  }

  /** Follows on until everything of before this call is in, and ends there. */
  async end(): Promise<FeedEnd> {
    for (let tries = 0; tries < endTriesLimit; tries++) {
      // Marks of fragments that were merged away since are never reached; newer ones are.
      const marks = await marksNow(this.client, this.table);
      const there = await until(() => this.failed !== undefined || this.covers(marks), endLimitMs, 10);
      if (this.failed !== undefined) throw this.failed;
      const { cursor } = this;
      if (!there || cursor === undefined) continue;
      const changes = [...this.latest.values()];
      this.close();
      return { cursor, marks: this.marks, changes };
    }
    throw late(this.table, endTriesLimit * endLimitMs);
  }

  close(): void {
    this.stop.abort();
  }

  /** How far the table's fragments are in what is held. */
  get marks(): readonly WatchMark[] {
    return marksIn(this.cursor, this.hash);
  }

  private covers(wanted: readonly WatchMark[]): boolean {
    const lsns = new Map(this.marks.map(({ fragment, lsn }) => [fragment, lsn]));
    return wanted.every(({ fragment, lsn }) => (lsns.get(fragment) ?? -1) >= lsn);
  }

  private async follow(): Promise<void> {
    for (let tries = 0; !this.stop.signal.aborted; tries++) {
      try {
        await this.read();
      } catch (error) {
        if (tries >= triesLimit || !(error instanceof FaultError) || error.retry === "no") {
          this.failed = explained(error, this.table);
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
  }

  private async read(): Promise<void> {
    this.place = this.cursor;
    const { signal } = this.stop;
    const options = this.place === undefined ? { signal } : { signal, cursor: this.place };
    this.watch = this.client.table<object>(this.table).watch(options);
    for await (const change of this.watch) {
      if (signal.aborted) return;
      const id = keyId(change.key);
      this.latest.set(id, change);
      if (this.latest.size > changesLimit)
        throw refusal(`more than ${changesLimit} rows of ${this.table} changed; back it up faster (--rate)`);
    }
  }
}

/** How far the table's fragments are now. */
async function marksNow(client: Client, table: string): Promise<readonly WatchMark[]> {
  const feed = await Feed.open(client, table);
  feed.close();
  return feed.marks;
}

function marksIn(cursor: string | undefined, hash: Hash): readonly WatchMark[] {
  const place = watchPlaceOf(cursor, hash);
  if (!place.ok) throw refusal("this version cannot read the cluster's cursors: use the cluster's own");
  return place.value.marks;
}

function late(table: string, limitMs: number): Error {
  return refusal(`the changes of ${table} did not arrive within ${limitMs / 1000} s`);
}

function explained(error: unknown, table: string): unknown {
  if (!(error instanceof FaultError)) return error;
  if (error.code === "TRIMMED")
    return refusal(
      `the log no longer holds all changes of ${table}: make a full backup, faster (--rate) where this was one`,
    );
  return error.code === "BAD_CURSOR"
    ? refusal(`${table} is another table than the one of that backup: make a full one`)
    : error;
}
