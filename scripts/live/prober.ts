// Prober. Owns the question "is every fragment answered?": for each fragment one strong read and one write after the other, and when they succeeded.
// P1 a probe leaves no row behind: it reads, and deletes, a key that no row has (a delete is a record of the log like every write).
// P2 "answered again" is the moment after which every probe of every fragment is answered within `slowMs`: a fragment that answers once, by the
//    old lease, and then falls silent has not recovered.
// P3 on a machine that is busy with other things slow means slower than before: `calibrate` measures that while all is well.

import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Door } from "./door.js";
import type { ProbeKey } from "./locations.js";

export interface ProberOptions {
  /** Between two probes of one fragment. */
  readonly pauseMs: number;
  /** An answer that takes longer is an outage. */
  readonly slowMs: number;
  /** A recovery is believed once every fragment answered at once this long after the fault: longer than any lease. */
  readonly settleMs: number;
}

export interface Recovery {
  /** From the fault until everything was answered again; undefined: not within the limit. */
  readonly recoveredMs: number | undefined;
  /** The longest that any probe had to wait for its answer since the fault. */
  readonly longestMs: number;
  /** The probe that was answered last, as `read of orders/16`. */
  readonly slowest: string;
  readonly fragments: number;
}

export const usualProbing: ProberOptions = { pauseMs: 120, slowMs: 300, settleMs: 3_500 };

type Kind = "read" | "write";

/** The probes of one kind of one fragment. */
interface Chain {
  readonly key: ProbeKey;
  readonly kind: Kind;
  /** Start of the last probe that was answered at once. */
  quickAtMs: number;
  /** Of the probe under way, 0 when none is. */
  beganMs: number;
  readonly outages: { beganMs: number; endedMs: number }[];
  longestMs: number;
  lastFault: string;
}

const leastTryMs = 700;
const mostSlowMs = 1_500;
const betweenTriesMs = 20;
const outagesKept = 200;
const faultAnswer = z.object({ fault: z.object({ code: z.string() }) });

export class Prober {
  private readonly chains: Chain[];
  private stopped = false;
  private slowMs: number;
  private loops: Promise<void>[] = [];

  constructor(
    private readonly door: Door,
    keys: readonly ProbeKey[],
    private readonly options: ProberOptions = usualProbing,
    kinds: readonly Kind[] = ["read", "write"],
  ) {
    this.slowMs = options.slowMs;
    this.chains = keys.flatMap((key) => kinds.map((kind) => emptyChain(key, kind)));
  }

  start(): void {
    this.stopped = false;
    this.loops = this.chains.map((chain, at) => this.loop(chain, (at / this.chains.length) * this.options.pauseMs));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.loops);
  }

  /** Lets `forMs` pass and counts as slow from then on what takes twice as long as the slowest answer meanwhile. Returns that bound. */
  async calibrate(forMs: number): Promise<number> {
    for (const chain of this.chains) chain.longestMs = 0;
    await sleep(forMs);
    const longestMs = Math.max(0, ...this.chains.map((chain) => chain.longestMs));
    this.slowMs = Math.min(mostSlowMs, Math.max(this.options.slowMs, 2 * longestMs));
    return this.slowMs;
  }

  /** Settles once every fragment answers again, or `limitMs` after the fault's end. `endedAtMs`: of a fault that lasted. */
  async recovery(faultAtMs: number, limitMs: number, endedAtMs = faultAtMs): Promise<Recovery> {
    const settledAtMs = endedAtMs + this.options.settleMs;
    for (const chain of this.chains) chain.longestMs = 0;
    while (performance.now() < endedAtMs + limitMs) {
      await sleep(20);
      if (this.chains.every((chain) => chain.quickAtMs >= settledAtMs)) return this.verdict(faultAtMs);
    }
    const silent = this.chains.filter((chain) => chain.quickAtMs < settledAtMs);
    return { ...this.verdict(faultAtMs), recoveredMs: undefined, slowest: silent.slice(0, 3).map(nameOf).join(", ") };
  }

  private verdict(faultAtMs: number): Recovery {
    let last: { chain: Chain; endedMs: number } | undefined;
    let longestMs = Math.max(0, ...this.chains.map((chain) => chain.longestMs));
    for (const chain of this.chains) {
      for (const { beganMs, endedMs } of chain.outages) {
        if (endedMs <= faultAtMs) continue;
        longestMs = Math.max(longestMs, endedMs - Math.max(beganMs, faultAtMs));
        if (last === undefined || endedMs > last.endedMs) last = { chain, endedMs };
      }
    }
    const fragments = new Set(this.chains.map(({ key }) => key.fragment)).size;
    if (last !== undefined)
      return { recoveredMs: last.endedMs - faultAtMs, longestMs, slowest: nameOf(last.chain), fragments };
    const slowest = this.chains.reduce((a, b) => (b.longestMs > a.longestMs ? b : a));
    return { recoveredMs: slowest.longestMs, longestMs, slowest: nameOf(slowest), fragments };
  }

  private async loop(chain: Chain, offsetMs: number): Promise<void> {
    await sleep(offsetMs);
    while (!this.stopped) {
      const beganMs = performance.now();
      chain.beganMs = beganMs;
      const isAnswered = await this.probe(chain);
      const endedMs = performance.now();
      chain.beganMs = 0;
      chain.longestMs = Math.max(chain.longestMs, endedMs - beganMs);
      if (isAnswered && endedMs - beganMs <= this.slowMs) chain.quickAtMs = beganMs;
      else chain.outages.push({ beganMs, endedMs });
      if (chain.outages.length > outagesKept) chain.outages.shift();
      await sleep(this.options.pauseMs);
    }
  }

  /** Tries until it is answered. */
  private async probe(chain: Chain): Promise<boolean> {
    const { table, key } = chain.key;
    const op = chain.kind === "read" ? "get" : "delete";
    const tryMs = Math.max(leastTryMs, 2 * this.slowMs);
    const body = { key, deadlineMs: Math.round(tryMs) - 100 };
    while (!this.stopped) {
      const outcome = await this.door.query(table, op, body, tryMs);
      const refused = outcome.kind === "answer" ? faultAnswer.safeParse(outcome.body) : undefined;
      if (refused?.success === false) return true;
      chain.lastFault = refused?.data.fault.code ?? outcome.kind;
      await sleep(betweenTriesMs);
    }
    return false;
  }
}

function emptyChain(key: ProbeKey, kind: Kind): Chain {
  return { key, kind, quickAtMs: 0, beganMs: 0, outages: [], longestMs: 0, lastFault: "" };
}

function nameOf({ kind, key, lastFault }: Chain): string {
  return `${kind} of ${key.table}/${key.fragment}${lastFault === "" ? "" : ` (${lastFault})`}`;
}
