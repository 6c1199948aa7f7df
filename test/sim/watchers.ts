// Watchers. Owns the simulated readers of the change feeds: each follows one table, poll after poll, with the cursor that it was given.
// W1 a poll that fails is sent again with the same cursor. W2 a cursor that is refused as trimmed ends the feed, and another begins.

import type { Random } from "../../src/kernel/random.js";
import { subjects } from "../../src/protocol/subjects.js";
import type { Feed, FeedChange } from "../../src/verify/feed.js";
import { keyFromAnswer } from "../../src/verify/workload.js";
import type { World } from "./world.js";

const waitMs = 400;
const answerMs = 3500;
const againMs = 100;
const pageLimit = 50;

type Fields = Readonly<Record<string, unknown>>;

export class Watchers {
  readonly feeds: Feed[] = [];
  /** Feeds that ended because the log no longer held what came next. */
  trimmed = 0;
  private running = 0;
  private stopped = false;

  constructor(
    private readonly world: World,
    private readonly random: Random,
  ) {}

  get busy(): number {
    return this.running;
  }

  open(tables: readonly string[]): void {
    for (const table of tables) {
      this.running++;
      this.begin(table);
    }
  }

  /** All is well: each ends with the first poll after this that finds nothing more. */
  stop(): void {
    this.stopped = true;
  }

  private begin(table: string): void {
    this.poll(table, undefined, (cursor) => {
      const feed: Feed = { table, fromNs: this.nowNs(), toNs: 0, changes: [] };
      this.feeds.push(feed);
      this.goOn(feed, cursor);
    });
  }

  private goOn(feed: Feed, cursor: string): void {
    const last = this.stopped;
    const leftNs = this.nowNs();
    const polled = (next: string, changes: readonly FeedChange[]): void => {
      feed.changes.push(...changes);
      // A poll that found something may have left more behind.
      if (!last || changes.length > 0) return this.goOn(feed, next);
      feed.toNs = leftNs;
      this.running--;
    };
    this.poll(feed.table, cursor, polled);
  }

  private poll(table: string, cursor: string | undefined, then: (cursor: string, changes: FeedChange[]) => void): void {
    const { network, clock } = this.world;
    const body = { waitMs, limit: 1 + this.random.below(pageLimit), ...(cursor === undefined ? {} : { cursor }) };
    network.ask(`w${table}`, subjects.query(table, "watch"), body, answerMs, (outcome) => {
      const answer = fieldsOf(outcome.kind === "answer" ? outcome.body : undefined);
      if (fieldsOf(answer?.fault)?.code === "TRIMMED") {
        this.trimmed++;
        return this.begin(table);
      }
      if (typeof answer?.cursor === "string" && Array.isArray(answer.changes))
        return then(
          answer.cursor,
          answer.changes.map((change) => changeOf(table, change)),
        );
      clock.after(againMs, () => this.poll(table, cursor, then));
    });
  }

  private nowNs(): number {
    return Math.round(this.world.clock.nowMs * 1e6);
  }
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

function changeOf(table: string, change: unknown): FeedChange {
  const { key, version, doc } = fieldsOf(change) ?? {};
  const document = fieldsOf(doc);
  const fields =
    document === undefined
      ? undefined
      : Object.fromEntries(Object.entries(document).map(([name, text]) => [name, String(text)]));
  return { key: keyFromAnswer(table, key), version: Number(version), fields };
}
