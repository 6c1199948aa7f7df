// Receipts. Owns the plainest promise: a row that was acknowledged is there. Writers insert rows of their own, each once, singly or in batches,
// and keep the receipt; in the end the table is read as a whole and compared with the receipts.
// R1 a row's content follows from its key, so a receipt is one number. R2 a row without receipt may be there only if its end is unknown.

import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { createAttempt } from "../../src/verify/attempt.js";
import type { Ending, Step } from "../../src/verify/history.js";
import type { Plan } from "../../src/verify/workload.js";
import { carryOut } from "./carry-out.js";
import type { Door } from "./door.js";

export interface ReceiptOptions {
  readonly table: string;
  readonly writers: number;
  /** Rows in one request: 1 is an insert, more are a batch. */
  readonly rowsPerRequest: number;
  readonly thinkMs: number;
}

export interface ReceiptCount {
  readonly acknowledged: number;
  readonly failed: number;
  readonly unknown: number;
  /** Acknowledged and not there, or there with another content. */
  readonly lost: number;
  /** There, though nobody wrote it or its writer was told that it failed. */
  readonly strange: number;
  readonly examples: readonly string[];
}

/** As made for `createTable`: string partitions, number sort keys. */
export const receiptKey = { partition: "string", sort: "number" } as const;

const patienceMs = 20_000;
const rowsPerPartition = 50;
const pageRows = 2_000;
const shownExamples = 5;

const page = z.object({
  rows: z.array(z.object({ key: z.tuple([z.string(), z.number()]), doc: z.record(z.string(), z.unknown()) })),
  cursor: z.string().nullish(),
});

export class Receipts {
  /** How each request of a writer ended, by its number; the rows of request n of writer w follow from both. */
  private readonly endings: Ending[][];
  private stopped = false;
  private loops: Promise<void>[] = [];

  constructor(
    private readonly door: Door,
    private readonly options: ReceiptOptions,
  ) {
    this.endings = Array.from({ length: options.writers }, () => []);
  }

  /** `writers`: only so many of them. */
  start(writers = this.endings.length): void {
    this.stopped = false;
    this.loops = this.endings.slice(0, writers).map((endings, writer) => this.loop(writer, endings));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.loops);
    this.loops = [];
  }

  /** One of the rows that were acknowledged until now; undefined: there is none. */
  someAcknowledged(which: number): { readonly key: readonly [string, number]; readonly text: string } | undefined {
    const writer = which % this.endings.length;
    const requests = (this.endings[writer] ?? []).flatMap((ending, request) => (ending === "ok" ? [request] : []));
    const request = requests[Math.floor(which / this.endings.length) % Math.max(1, requests.length)];
    return request === undefined ? undefined : this.rowsOf(writer, request)[0];
  }

  /** Rows acknowledged so far. */
  acknowledged(): number {
    return this.count("ok");
  }

  /** Reads the whole table and compares; throws when it cannot be read within `limitMs`. */
  async compare(limitMs = 60_000): Promise<ReceiptCount> {
    const found = await this.readAll(performance.now() + limitMs);
    const examples: string[] = [];
    let lost = 0;
    for (const [writer, endings] of this.endings.entries()) {
      for (const [request, ending] of endings.entries()) {
        for (const { name, text } of this.rowsOf(writer, request)) {
          const there = found.get(name);
          if (ending !== "fail") found.delete(name);
          if (ending === "fail" || there === text || (ending === "unknown" && there === undefined)) continue;
          lost++;
          if (examples.length < shownExamples)
            examples.push(`${name}: ${ending}, ${there === undefined ? "not there" : `holds ${there}`}`);
        }
      }
    }
    for (const name of [...found.keys()].slice(0, shownExamples))
      examples.push(`${name}: nobody was told that it is stored`);
    return {
      acknowledged: this.count("ok"),
      failed: this.count("fail"),
      unknown: this.count("unknown"),
      lost,
      strange: found.size,
      examples,
    };
  }

  private count(ending: Ending): number {
    const requests = this.endings.reduce((sum, list) => sum + list.filter((each) => each === ending).length, 0);
    return requests * this.options.rowsPerRequest;
  }

  private async loop(writer: number, endings: Ending[]): Promise<void> {
    while (!this.stopped) {
      const request = endings.length;
      const attempt = createAttempt(this.planOf(writer, request), { client: writer, id: request, patienceMs });
      const { ending } = await carryOut(this.door, attempt);
      endings.push(ending);
      if (this.options.thinkMs > 0) await sleep(this.options.thinkMs);
    }
  }

  private planOf(writer: number, request: number): Plan {
    const { table } = this.options;
    const rows = this.rowsOf(writer, request);
    const requestId = `receipt-${writer}-${request}`;
    const steps = rows.map(({ name, text }): Step => ({ key: name, act: "insert", fields: { text } }));
    const ops = rows.map(({ key, text }) => ({ op: "insert", key, doc: { text } }));
    const [first] = rows;
    const single = rows.length === 1 && first !== undefined;
    return {
      table,
      op: single ? "insert" : "batch",
      body: single ? { key: first.key, doc: { text: first.text }, requestId } : { ops, requestId },
      input: { op: "write", steps, requestId },
    };
  }

  /** Rows of one request share a partition key: a batch lies within one fragment. */
  private rowsOf(writer: number, request: number): { key: [string, number]; name: string; text: string }[] {
    const { rowsPerRequest } = this.options;
    const partition = `w${writer}-${Math.floor((request * rowsPerRequest) / rowsPerPartition)}`;
    return Array.from({ length: rowsPerRequest }, (_, at) => {
      const sort = request * rowsPerRequest + at;
      return { key: [partition, sort], name: `${partition}/${sort}`, text: `row ${sort} of ${partition}` };
    });
  }

  private async readAll(endMs: number): Promise<Map<string, unknown>> {
    const found = new Map<string, unknown>();
    let cursor: string | null | undefined;
    for (;;) {
      const body = { limit: pageRows, deadlineMs: 10_000, ...(typeof cursor === "string" ? { cursor } : {}) };
      const outcome = await this.door.query(this.options.table, "scan", body, 11_000);
      const read = outcome.kind === "answer" ? page.safeParse(outcome.body) : undefined;
      if (read?.success !== true) {
        if (performance.now() > endMs) throw new Error(`the receipts cannot be read: ${JSON.stringify(outcome)}`);
        await sleep(250);
        continue;
      }
      for (const { key, doc } of read.data.rows) found.set(`${key[0]}/${key[1]}`, doc.text);
      cursor = read.data.cursor;
      if (typeof cursor !== "string") return found;
    }
  }
}
