// Callers. Owns the clients of a replay: one connection for each region, which asks through the routers as any client would, when the arrivals say so.
// CA1 nobody waits for an answer before asking again (an open loop): a slow cluster is asked as much as a fast one. CA2 a refusal is not tried again: it is counted.

import { connect, type NatsConnection } from "nats";
import { z } from "zod";
import { type Random, seededRandom } from "../../src/kernel/random.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import { subjects } from "../../src/protocol/subjects.js";
import { createArrivals } from "./arrivals.js";
import type { Demand, Stream } from "./demand.js";
import type { Meter } from "./meter.js";

/** A client group: a user of its own. */
export interface Region {
  readonly user: string;
  readonly pass: string;
}

export interface CallersWish {
  readonly natsUrl: string;
  readonly demand: Demand;
  /** Recorded time at the beginning, and recorded time per real time. */
  readonly fromMs: number;
  readonly speed: number;
  readonly seed: number;
  readonly meter: Meter;
  readonly writeShare: number;
  readonly rowBytes: number;
}

/** Keys of a fragment are numbers from its place times this on. */
export const keysPerFragment = 1000;
export const rowsPerFragment = 500;
export const replayTable = "replay";
const tickMs = 2;
const patienceMs = 2000;
const mostUnderWay = 20_000;
const answerShape = z.object({ fault: z.object({ code: z.string() }).optional() });

export function userOf({ series, region }: Stream): string {
  return `s${series}r${region}`;
}

export function regionsOf({ streams }: Pick<Demand, "streams">): readonly Region[] {
  return [...new Set(streams.map(userOf))].map((user) => ({ user, pass: `password-of-${user}` }));
}

const fillers = new Map<number, string>();
/** About `bytes` long. */
export function rowOf(key: number, bytes: number): { readonly key: number; readonly text: string } {
  const text = fillers.get(bytes) ?? "x".repeat(bytes);
  fillers.set(bytes, text);
  return { key, text };
}

export class Callers {
  private beganMs = 0;
  private underWay = 0;
  private running: Promise<void> | undefined;
  private stopping = false;

  private constructor(
    private readonly wish: CallersWish,
    /** By stream. */
    private readonly links: readonly NatsConnection[],
  ) {}

  static async open(wish: CallersWish): Promise<Callers> {
    const { host } = new URL(wish.natsUrl);
    const links = new Map<string, Promise<NatsConnection>>();
    for (const { user, pass } of regionsOf(wish.demand))
      links.set(user, connect({ servers: host, user, pass, inboxPrefix: `_INBOX_${user}`, name: `replay-${user}` }));
    const ofStreams = wish.demand.streams.flatMap((stream) => links.get(userOf(stream)) ?? []);
    return new Callers(wish, await Promise.all(ofStreams));
  }

  start(): void {
    this.beganMs = performance.now();
    this.running = this.run();
  }

  /** Milliseconds since the beginning. */
  elapsedMs(): number {
    return performance.now() - this.beganMs;
  }

  async close(): Promise<void> {
    this.stopping = true;
    await this.running;
    await Promise.all([...new Set(this.links)].map((link) => link.close()));
  }

  private async run(): Promise<void> {
    const { demand, speed, fromMs, seed } = this.wish;
    const random = seededRandom(seed);
    const arrivals = demand.streams.map((stream, at) =>
      createArrivals((ms) => demand.rate(stream, fromMs + ms * speed), random.fork(`arrivals ${at}`)),
    );
    const draws = random.fork("keys");
    let lastMs = 0;
    while (!this.stopping) {
      await new Promise((resolve) => setTimeout(resolve, tickMs));
      const nowMs = this.elapsedMs();
      this.wish.meter.late(nowMs, nowMs - lastMs - tickMs);
      lastMs = nowMs;
      demand.streams.forEach((stream, at) => {
        for (const dueMs of arrivals[at]?.until(nowMs) ?? []) {
          void this.ask(stream, this.links[at], dueMs, draws);
        }
      });
    }
  }

  /** Writes a few of the rows that are there, as large as they are. */
  private async ask(stream: Stream, link: NatsConnection | undefined, dueMs: number, random: Random): Promise<void> {
    const { meter, writeShare, rowBytes } = this.wish;
    const key = stream.fragment * keysPerFragment + random.below(rowsPerFragment);
    const isWrite = random.next() < writeShare;
    if (link === undefined || this.underWay >= mostUnderWay) return meter.failed(dueMs);
    const body = isWrite ? { key, doc: rowOf(key, rowBytes), deadlineMs: patienceMs } : { key, deadlineMs: patienceMs };
    const subject = subjects.query(replayTable, isWrite ? "put" : "get");
    this.underWay++;
    const sentMs = performance.now();
    try {
      const answer = await link.request(subject, pack(body), { timeout: patienceMs + 500 });
      const tookMs = performance.now() - sentMs;
      const decoded = unpack(answer.data);
      const told = decoded.ok ? answerShape.safeParse(decoded.value) : undefined;
      if (told?.success !== true) meter.failed(dueMs);
      else if (told.data.fault === undefined) meter.served(dueMs, tookMs);
      else if (told.data.fault.code === "OVERLOADED") meter.refused(dueMs);
      else meter.failed(dueMs);
    } catch {
      meter.failed(dueMs);
    } finally {
      this.underWay--;
    }
  }
}
