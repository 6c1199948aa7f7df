// Writers. Owns a closed-loop load on one fragment and what it noticed: how long each operation took, what failed, and how long each client waited
// between two successful writes.
// W1 a client asks again only when it was answered. W2 each client writes keys of its own, so that the last acknowledged value of each is known.

import { setTimeout as sleep } from "node:timers/promises";
import { type Client, connect, FaultError, type Table } from "../../../cluster/client/index.js";

export interface WritersWish {
  readonly clients: number;
  readonly rows: number;
  readonly valueBytes: number;
  readonly thinkMs: number;
}

interface Doc {
  readonly n: number;
  readonly filler: string;
}

/** One answered operation; times on the monotonic clock. */
interface Answered {
  readonly client: number;
  readonly isWrite: boolean;
  readonly beganMs: number;
  readonly endedMs: number;
}

export interface Gap {
  readonly ms: number;
  /** When it began. */
  readonly atMs: number;
}

/** What happened between two moments. */
export interface Stretch {
  readonly operations: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The longest time between two successful writes of one client. */
  readonly gap: Gap;
}

export class Writers {
  private readonly answered: Answered[] = [];
  private readonly failedAtMs: number[] = [];
  private readonly expected = new Map<string, number>();
  private readonly unsure = new Set<string>();
  private readonly filler: string;
  private stopped = false;
  private loops: Promise<void>[] = [];
  /** The first failures in words. */
  readonly why: string[] = [];

  constructor(
    private readonly libraries: readonly Client[],
    private readonly table: string,
    private readonly wish: WritersWish,
  ) {
    this.filler = "x".repeat(wish.valueBytes);
  }

  async fill(): Promise<void> {
    const { rows } = this.wish;
    const table = this.tableOf(0);
    for (let at = 0; at < rows; at += 500) {
      const some = Array.from({ length: Math.min(500, rows - at) }, (_, n) => at + n);
      await Promise.all(some.map((n) => table.put(`k${n}`, { n: 0, filler: this.filler })));
      for (const n of some) this.expected.set(`k${n}`, 0);
    }
  }

  start(): void {
    this.loops = Array.from({ length: this.wish.clients }, (_, client) => this.loop(client));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.loops);
  }

  /** Of everything that ended between the two moments; a gap counts when any of it lies between them. */
  between(fromMs: number, toMs: number): Stretch {
    const inside = this.answered.filter(({ endedMs }) => endedMs >= fromMs && endedMs < toMs);
    const times = inside.map(({ beganMs, endedMs }) => endedMs - beganMs).sort((a, b) => a - b);
    return {
      operations: inside.length,
      failed: this.failedAtMs.filter((atMs) => atMs >= fromMs && atMs < toMs).length,
      p50Ms: times[Math.floor(times.length * 0.5)] ?? Number.NaN,
      p99Ms: times[Math.floor(times.length * 0.99)] ?? Number.NaN,
      gap: this.longestGap(fromMs, toMs),
    };
  }

  /** Reads every row back. */
  async lost(): Promise<{ readonly acknowledged: number; readonly lost: number }> {
    const keys = [...this.expected.keys()];
    const table = this.tableOf(0);
    let lost = 0;
    for (let at = 0; at < keys.length; at += 500) {
      const some = keys.slice(at, at + 500);
      const rows = await table.getMany(some);
      some.forEach((key, index) => {
        const n = rows[index]?.doc.n;
        if (n !== this.expected.get(key) && !this.unsure.has(key)) lost++;
      });
    }
    return { acknowledged: this.answered.filter(({ isWrite }) => isWrite).length, lost };
  }

  private longestGap(fromMs: number, toMs: number): Gap {
    const last = new Map<number, number>();
    let longest: Gap = { ms: 0, atMs: fromMs };
    for (const { client, isWrite, endedMs } of this.answered) {
      if (!isWrite || endedMs < fromMs) continue;
      const since = last.get(client);
      if (since !== undefined && since < toMs && endedMs - since > longest.ms)
        longest = { ms: endedMs - since, atMs: since };
      last.set(client, endedMs);
    }
    return longest;
  }

  private tableOf(client: number): Table<Doc> {
    const library = this.libraries[client % this.libraries.length];
    if (library === undefined) throw new Error("no client is connected");
    return library.table<Doc>(this.table);
  }

  /** Three writes, then a strong read, and so on. */
  private async loop(client: number): Promise<void> {
    const { clients, rows, thinkMs } = this.wish;
    const table = this.tableOf(client);
    for (let turn = 1; !this.stopped; turn++) {
      const key = `k${(client + turn * clients) % (rows - (rows % clients))}`;
      const isWrite = turn % 4 !== 0;
      const beganMs = performance.now();
      try {
        if (isWrite) await table.put(key, { n: turn, filler: this.filler });
        else await table.get(key);
        if (isWrite) this.expected.set(key, turn);
        this.answered.push({ client, isWrite, beganMs, endedMs: performance.now() });
      } catch (error) {
        this.note(key, isWrite, error);
      }
      if (thinkMs > 0) await sleep(thinkMs);
    }
  }

  private note(key: string, isWrite: boolean, error: unknown): void {
    this.failedAtMs.push(performance.now());
    if (isWrite) this.unsure.add(key);
    if (this.why.length < 5)
      this.why.push(error instanceof FaultError ? `${error.code}: ${error.message}` : String(error));
  }
}

export function connectAll(count: number, servers: readonly string[]): Promise<Client[]> {
  return Promise.all(
    Array.from({ length: count }, (_, at) => connect({ servers: [...servers], name: `foreshard-bench-${at}` })),
  );
}
