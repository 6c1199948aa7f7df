// Ensemble. Owns a false world of several real forecasters: one virtual clock, one load stream, a bus, and worker threads that can fail.

import assert from "node:assert/strict";
import { createForecaster, forecasterActorId } from "../../actors/forecaster.js";
import { poolJob, rebuildJob, refitJob } from "../../cluster/workers/forecast-jobs.js";
import { defaultTiming } from "../../src/config/limits.js";
import type { LogRecord, ReplyTo, WorldMessage } from "../../src/kernel/effect.js";
import { type Fault, fault } from "../../src/kernel/fault.js";
import { Kernel, type Outward, type World } from "../../src/kernel/kernel.js";
import { seededRandom } from "../../src/kernel/random.js";
import type { LedgerEvent } from "../../src/ledger/event.js";
import { encodeLedgerRecord } from "../../src/ledger/record.js";
import { noLoad, packSample, type Sample } from "../../src/load/sample.js";
import type { ForecastQuery } from "../../src/protocol/forecast.js";
import { streams, subjects } from "../../src/protocol/subjects.js";
import { hashRange } from "../../src/table/key.js";
import { testHash } from "../hash.js";

export const intervalMs = 1000;
const jobs = new Map<string, typeof poolJob | typeof rebuildJob | typeof refitJob>([
  ["refitSeries", refitJob],
  ["rebuildSeries", rebuildJob],
  ["poolSeries", poolJob],
]);
const nodes = ["n1", "n2", "n3"] as const;
const epochMs = 1_700_000_000_000 - (1_700_000_000_000 % 30_000);

/** One table of `fragments` fragments, all on three nodes, n1 their primary. */
export class Ensemble {
  readonly stream: LogRecord[] = [];
  readonly members = new Map<string, Member>();
  /** Fails every job, or only how long it says. */
  computeFault: Fault | undefined;
  jobsRun = 0;
  nowMs = 0;
  private readonly ledger: LogRecord[] = [];

  constructor(fragments = 2) {
    const events = [
      { kind: "clusterCreated", logGroups: 1, partitions: 1, createdMs: 1 },
      ...nodes.map((node) => ({ kind: "nodeJoined", node, zone: "", weight: 1, storeId: node, bootCount: 1 }) as const),
      {
        kind: "tableCreated",
        table: { id: 1, name: "users", partitioning: "hash", key: { partition: "string" }, replicas: 3 },
        fragments: hashRange(fragments).map(({ from, to }, index) => ({
          id: index * 16,
          from,
          to,
          group: 0,
          replicas: [...nodes],
        })),
      },
    ] as const;
    this.append(...events);
  }

  /** Appends to the ledger, and tells who follows it. */
  append(...events: readonly LedgerEvent[]): void {
    const bytes = encodeLedgerRecord({ term: 1, member: "c1", nonce: "x", events });
    const record: LogRecord = { seq: this.ledger.length + 1, bytes, timeMs: 0 };
    this.ledger.push(record);
    for (const member of this.members.values()) member.hear(record, streams.ledger(0));
  }

  get wallMs(): number {
    return epochMs + this.nowMs;
  }

  begin(...ids: string[]): this {
    for (const id of ids) this.members.set(id, new Member(this, id));
    this.pass(0);
    return this;
  }

  kill(id: string): void {
    this.members.delete(id);
  }

  member(id: string): Member {
    const member = this.members.get(id);
    assert.ok(member, `no forecaster ${id}`);
    return member;
  }

  ledgerFor(stream: string): readonly LogRecord[] {
    return stream === streams.load ? this.stream : this.ledger;
  }

  /** Puts bytes into the load stream, and tells who follows it. */
  store(bytes: Uint8Array): void {
    const record: LogRecord = { seq: this.stream.length + 1, bytes, timeMs: this.wallMs };
    this.stream.push(record);
    for (const member of this.members.values()) member.hear(record);
  }

  /** What n1 was asked in the interval that ends now: operations by fragment and group. */
  sample(counts: Readonly<Record<string, number>>, more: Partial<Sample> = {}): Sample {
    return {
      node: "n1",
      incarnation: "i1",
      interval: Math.floor(this.wallMs / intervalMs) - 1,
      intervalMs,
      spanMs: intervalMs,
      part: 0,
      parts: 1,
      load: noLoad,
      cells: Object.entries(counts).map(([key, count]) => {
        const [fragment = "", group = ""] = key.split("/");
        return {
          fragment: Number(fragment),
          table: 1,
          group,
          ops: [{ kind: 0, count: Math.round(count), bytes: 0, serviceMs: 0 }],
        };
      }),
      ...more,
    };
  }

  /** Lets seconds pass, with a sample of n1 at the end of each. */
  live(seconds: number, load: (second: number) => Readonly<Record<string, number>> | undefined): void {
    for (let passed = 0; passed < seconds; passed++) {
      this.pass(intervalMs);
      const counts = load(Math.round(this.nowMs / 1000));
      if (counts !== undefined) this.store(packSample(this.sample(counts)));
      this.pass(0);
    }
  }

  pass(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      for (const member of [...this.members.values()]) member.settle();
      const due = Math.min(...[...this.members.values()].map((member) => member.nextAtMs()));
      if (due > endMs) break;
      this.nowMs = Math.max(this.nowMs, due);
      for (const member of [...this.members.values()]) member.wake();
    }
    this.nowMs = endMs;
  }

  publish(subject: string, body: unknown): void {
    for (const member of [...this.members.values()]) member.request(subject, body, { reply: "" });
  }
}

class Member implements World {
  private readonly kernel: Kernel;
  private readonly timers = new Map<string, { actor: string; name: string; atMs: number }>();
  private readonly follows = new Map<string, Set<string>>();
  private readonly replies = new Map<string, unknown>();
  private asked = 0;
  readonly logged: string[] = [];

  constructor(
    private readonly ensemble: Ensemble,
    readonly id: string,
  ) {
    this.kernel = new Kernel(this, seededRandom(3));
    const config = { id, incarnation: `${id}-1`, partitions: 1, sampleIntervalMs: intervalMs, timing: defaultTiming };
    this.kernel.spawn(forecasterActorId, createForecaster(config, { hash: testHash }));
    this.kernel.deliver(forecasterActorId, { kind: "start" });
  }

  nowMs = (): number => this.ensemble.nowMs;
  wallMs = (): number => this.ensemble.wallMs;
  scheduled(): void {}
  crashed(actor: string, error: unknown): void {
    throw new Error(`${this.id}: ${actor} failed: ${error instanceof Error ? error.stack : String(error)}`);
  }
  forget(actor: string): void {
    for (const [key, timer] of this.timers) if (timer.actor === actor) this.timers.delete(key);
    for (const actors of this.follows.values()) actors.delete(actor);
  }
  reply({ reply }: ReplyTo, body: unknown): void {
    this.replies.set(String(reply), body);
  }

  perform(actor: string, effect: Outward): void {
    const answer = (message: WorldMessage): void => this.kernel.deliver(actor, message);
    switch (effect.kind) {
      case "wake":
        return void this.timers.set(`${actor} ${effect.name}`, {
          actor,
          name: effect.name,
          atMs: this.ensemble.nowMs + effect.afterMs,
        });
      case "readLog":
        return answer({ kind: "logRead", ticket: effect.ticket, outcome: { kind: "none" } });
      case "readStream": {
        const { length } = this.ensemble.stream;
        const state = { firstSeq: 1, lastSeq: length, messages: length, bytes: 0, created: "now" };
        return answer({ kind: "streamRead", ticket: effect.ticket, outcome: { kind: "state", state } });
      }
      case "follow": {
        const records = this.ensemble.ledgerFor(effect.stream).filter(({ seq }) => seq >= effect.fromSeq);
        for (const [index, record] of records.entries())
          answer({
            kind: "followed",
            stream: effect.stream,
            subject: "",
            record,
            pending: records.length - index - 1,
          });
        const actors = this.follows.get(effect.stream) ?? new Set();
        this.follows.set(effect.stream, actors.add(actor));
        return;
      }
      case "unfollow":
        return void this.follows.get(effect.stream)?.delete(actor);
      case "publish":
        return this.ensemble.publish(effect.subject, effect.body);
      case "compute": {
        this.ensemble.jobsRun++;
        const { computeFault } = this.ensemble;
        const job = jobs.get(effect.job);
        assert.ok(job !== undefined, `no job is called ${effect.job}`);
        const result = computeFault === undefined ? job(effect.input) : { ok: false as const, fault: computeFault };
        return answer({
          kind: "computed",
          ticket: effect.ticket,
          outcome: result.ok ? { ok: true, output: result.value } : result,
        });
      }
      case "log":
        return void this.logged.push(effect.event);
      default:
        throw new Error(`a forecaster does no ${effect.kind}`);
    }
  }

  hear(record: LogRecord, stream: string = streams.load): void {
    for (const actor of this.follows.get(stream) ?? [])
      this.kernel.deliver(actor, { kind: "followed", stream, subject: "", record, pending: 0 });
  }

  request(subject: string, body: unknown, from: ReplyTo): void {
    this.kernel.request(forecasterActorId, { kind: "request", subject, body, from, user: "" });
  }

  /** The answer to a question, as far as it is there. */
  ask(query: Partial<ForecastQuery> = {}): Answer {
    const reply = `q${this.asked++}`;
    this.request(
      subjects.forecasterAsk,
      { table: "users", fragments: [0, 16], group: undefined, horizon: "short", skip: 0, ...query },
      { reply },
    );
    this.ensemble.pass(50);
    const body = this.replies.get(reply);
    assert.ok(typeof body === "object" && body !== null, "no answer");
    return body as Answer;
  }

  settle(): void {
    this.kernel.run(1_000_000);
  }

  nextAtMs(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...[...this.timers.values()].map(({ atMs }) => atMs));
  }

  wake(): void {
    for (const [key, { actor, name, atMs }] of [...this.timers]) {
      if (atMs > this.ensemble.nowMs) continue;
      this.timers.delete(key);
      this.kernel.deliver(actor, { kind: "woke", name });
    }
  }
}

export interface Answer {
  readonly fault?: Fault;
  readonly total: { readonly series: number; readonly steps: number[][]; readonly max: number[] };
  readonly series: readonly {
    readonly fragment: number;
    readonly group: string;
    readonly atMs: number;
    readonly steps: number[][];
    readonly recent: (number | null)[];
    readonly record: { readonly matured: number; readonly observed: number; readonly missing: number };
    readonly profiles: readonly { readonly name: string; readonly trust: number }[];
  }[];
  readonly forecasters: readonly {
    readonly id: string;
    readonly series: number;
    readonly foreign: number;
    readonly duplicates: number;
    readonly strays: number;
    readonly fitsFailed: number;
  }[];
}

export const threadDied = fault("UNAVAILABLE", "a worker thread ended before it was done");
