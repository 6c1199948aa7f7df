// Forecaster world. Owns a small world for one real forecaster on a virtual clock, with the real worker pool: made series instead of a cluster's, and
// every turn of the event loop measured as the production world would take it.

import { createForecaster, forecasterActorId } from "../../actors/forecaster.js";
import { computeLimits, createCompute } from "../../cluster/world/compute.js";
import { loadHash } from "../../cluster/world/hash.js";
import { turnMs, turnStride } from "../../cluster/world/world.js";
import { defaultTiming, limits } from "../../src/config/limits.js";
import type { WorldMessage } from "../../src/kernel/effect.js";
import { Kernel, type Outward, type World } from "../../src/kernel/kernel.js";
import { seededRandom } from "../../src/kernel/random.js";
import type { LedgerEvent } from "../../src/ledger/event.js";
import { encodeLedgerRecord } from "../../src/ledger/record.js";
import type { LoadCell } from "../../src/load/sample.js";
import { noLoad, packSample } from "../../src/load/sample.js";
import { streams } from "../../src/protocol/subjects.js";
import { hashRange } from "../../src/table/key.js";

export const sampleMs = 10_000;
const epochMs = 1_700_000_000_000 - (1_700_000_000_000 % 300_000);
const groups = 16;
const node = "n1";

export class ForecasterWorld implements World {
  /** Processor time of the turns, and of the longest: what else runs on the machine does not count. */
  busyMs = 0;
  longestMs = 0;
  turns = 0;
  /** Fits that came back, and how long their threads had them. */
  fitted = 0;
  fitMs = 0;
  said = 0;
  private virtualMs = 0;
  private readonly timers = new Map<string, { name: string; atMs: number }>();
  private readonly compute = createCompute(computeLimits);
  private computing = 0;
  private readonly random = seededRandom(11);
  private seq = 1;

  private constructor(
    private readonly kernel: Kernel,
    private readonly series: number,
  ) {}

  static async open(series: number): Promise<ForecasterWorld> {
    const hash = await loadHash();
    // The kernel and its world know each other: the world is filled in behind the kernel's back.
    const holder: { world?: ForecasterWorld } = {};
    const world = (): ForecasterWorld => {
      if (holder.world === undefined) throw new Error("the world is not there yet");
      return holder.world;
    };
    const kernel = new Kernel(
      {
        nowMs: () => world().nowMs(),
        wallMs: () => world().wallMs(),
        perform: (_actor, effect) => world().perform(_actor, effect),
        reply: () => undefined,
        forget: () => undefined,
        crashed: (actor, error) => world().crashed(actor, error),
        scheduled: () => undefined,
      },
      seededRandom(1),
    );
    holder.world = new ForecasterWorld(kernel, series);
    const config = { id: "f1", incarnation: "1", partitions: 1, sampleIntervalMs: sampleMs, timing: defaultTiming };
    kernel.spawn(forecasterActorId, createForecaster(config, { hash }));
    kernel.deliver(forecasterActorId, { kind: "start" });
    await holder.world.pass(5_000);
    return holder.world;
  }

  nowMs(): number {
    return this.virtualMs;
  }
  wallMs(): number {
    return epochMs + this.virtualMs;
  }
  reply(): void {}
  forget(): void {}
  scheduled(): void {}
  crashed(actor: string, error: unknown): void {
    throw new Error(`${actor} failed: ${error instanceof Error ? error.stack : String(error)}`);
  }

  perform(actor: string, effect: Outward): void {
    const answer = (message: WorldMessage): void => this.kernel.deliver(actor, message);
    switch (effect.kind) {
      case "wake":
        return void this.timers.set(`${actor} ${effect.name}`, {
          name: effect.name,
          atMs: this.virtualMs + effect.afterMs,
        });
      case "readLog":
        return answer({ kind: "logRead", ticket: effect.ticket, outcome: { kind: "none" } });
      case "readStream": {
        const state = { firstSeq: 1, lastSeq: 0, messages: 0, bytes: 0, created: "now" };
        return answer({ kind: "streamRead", ticket: effect.ticket, outcome: { kind: "state", state } });
      }
      case "follow": {
        if (effect.stream === streams.load) return;
        const record = { seq: 1, bytes: this.ledger(), timeMs: 0 };
        return answer({ kind: "followed", stream: effect.stream, subject: "", record, pending: 0 });
      }
      case "compute": {
        const begunMs = performance.now();
        this.computing++;
        return this.compute.run(effect.job, effect.input, (outcome) => {
          this.computing--;
          this.fitMs += performance.now() - begunMs;
          if (outcome.ok) this.fitted++;
          answer({ kind: "computed", ticket: effect.ticket, outcome });
        });
      }
      case "publish":
        this.said++;
        return;
      default:
        return;
    }
  }

  /** A minute of samples, each as a node would cut it into messages. */
  async minute(): Promise<void> {
    for (let at = 0; at < 60_000; at += sampleMs) {
      await this.pass(sampleMs);
      const cells = this.cells();
      const parts = Math.ceil(cells.length / limits.sampleCells);
      for (let part = 0; part < parts; part++) {
        const bytes = packSample({
          node,
          incarnation: "i1",
          interval: Math.floor(this.wallMs() / sampleMs) - 1,
          intervalMs: sampleMs,
          spanMs: sampleMs,
          part,
          parts,
          load: noLoad,
          cells: cells.slice(part * limits.sampleCells, (part + 1) * limits.sampleCells),
        });
        const record = { seq: this.seq++, bytes, timeMs: this.wallMs() };
        this.kernel.deliver(forecasterActorId, {
          kind: "followed",
          stream: streams.load,
          subject: "",
          record,
          pending: 0,
        });
        this.turn();
      }
    }
  }

  /** Lets virtual time pass; what other threads do is waited for. */
  async pass(ms: number): Promise<void> {
    const endMs = this.virtualMs + ms;
    for (;;) {
      this.turn();
      while (this.computing > 0) await new Promise((resolve) => setTimeout(resolve, 1));
      this.turn();
      const due = [...this.timers].sort(([, a], [, b]) => a.atMs - b.atMs)[0];
      if (due === undefined || due[1].atMs > endMs) break;
      const [key, { name, atMs }] = due;
      this.virtualMs = Math.max(this.virtualMs, atMs);
      this.timers.delete(key);
      const actor = key.slice(0, key.length - name.length - 1);
      if (this.kernel.has(actor)) this.kernel.deliver(actor, { kind: "woke", name });
    }
    this.virtualMs = endMs;
  }

  close(): Promise<void> {
    return this.compute.close();
  }

  /** As `createWorld` does: strides until the turn is over, then others get theirs. */
  private turn(): void {
    let left = 1;
    while (left > 0) {
      const before = process.cpuUsage();
      const begunMs = performance.now();
      const endMs = begunMs + turnMs;
      while (left > 0 && performance.now() < endMs) left = this.kernel.run(turnStride);
      const { user, system } = process.cpuUsage(before);
      // The collector's helper threads use processors too: a turn is never longer than the clock says.
      const tookMs = Math.min((user + system) / 1000, performance.now() - begunMs);
      this.busyMs += tookMs;
      this.longestMs = Math.max(this.longestMs, tookMs);
      this.turns++;
    }
  }

  private cells(): LoadCell[] {
    const phase = (2 * Math.PI * (this.wallMs() % 86_400_000)) / 86_400_000;
    return Array.from({ length: this.series }, (_, index) => {
      const rate = 20 + 15 * Math.sin(phase + index) + 5 * this.random.next();
      const op = { kind: 0, count: Math.round((rate * sampleMs) / 1000), bytes: 1000, serviceMs: 10 };
      return { fragment: Math.floor(index / groups) * 16, table: 1, group: `group${index % groups}`, ops: [op] };
    });
  }

  private ledger(): Uint8Array {
    const fragments = hashRange(Math.ceil(this.series / groups)).map(({ from, to }, index) => ({
      id: index * 16,
      from,
      to,
      group: 0,
      replicas: [node],
    }));
    const events: LedgerEvent[] = [
      { kind: "clusterCreated", logGroups: 1, partitions: 1, createdMs: 1 },
      { kind: "nodeJoined", node, zone: "", weight: 1, storeId: node, bootCount: 1 },
      {
        kind: "tableCreated",
        table: { id: 1, name: "many", partitioning: "hash", key: { partition: "string" }, replicas: 1 },
        fragments,
      },
    ];
    return encodeLedgerRecord({ term: 1, member: "c1", nonce: "x", events });
  }
}
