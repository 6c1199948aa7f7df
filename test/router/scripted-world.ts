// Scripted world. Owns a false world around one real kernel and one real router: a clock that stands still until told, asks that the test answers.

import assert from "node:assert/strict";
import { createRouter, type RouterConfig, routerActorId } from "../../actors/router.js";
import { loadHash } from "../../cluster/world/hash.js";
import { defaultTiming } from "../../src/config/limits.js";
import type { ActorId, AskOutcome, OnBehalf, ReplyTo, Ticket } from "../../src/kernel/effect.js";
import { Kernel, type Outward, type World } from "../../src/kernel/kernel.js";
import { seededRandom } from "../../src/kernel/random.js";
import type { LedgerEvent } from "../../src/ledger/event.js";
import { encodeLedgerRecord } from "../../src/ledger/record.js";
import type { ExecReply, ExecRequest, OpResult } from "../../src/protocol/exec.js";
import { decodeExec, encodeExecReply } from "../../src/protocol/exec-codec.js";
import { streams, subjects } from "../../src/protocol/subjects.js";
import { hashRange, splitRange } from "../../src/table/key.js";
import type { KeySchema, Partitioning } from "../../src/table/table.js";

export const hash = await loadHash();

export interface Ask {
  readonly subject: string;
  readonly body: unknown;
  readonly timeoutMs: number;
  readonly ticket: Ticket;
  readonly behalf?: readonly OnBehalf[];
}

export interface TableWish {
  readonly name: string;
  readonly partitioning?: Partitioning;
  readonly key?: KeySchema;
  readonly fragments?: number;
  readonly splitAt?: readonly unknown[];
}

export const nodes = ["n1", "n2", "n3"] as const;

export class ScriptedWorld implements World {
  private clockMs = 1000;
  private readonly timers = new Map<string, number>();
  private readonly answers = new Map<string, unknown>();
  private replies = 0;
  private ledgerSeq = 0;
  private nextTable = 1;
  private nextFragment = 0;
  private following = false;
  readonly kernel: Kernel;
  asks: Ask[] = [];
  crash: unknown;

  constructor(config: Partial<RouterConfig> = {}) {
    this.kernel = new Kernel(this, seededRandom(7));
    const full: RouterConfig = { id: "r1", partitions: 1, timing: defaultTiming, reach: "core", ...config };
    this.kernel.spawn(routerActorId, createRouter(full, { hash }));
    this.kernel.deliver(routerActorId, { kind: "start" });
    this.settle();
  }

  nowMs = (): number => this.clockMs;
  wallMs = (): number => 1_700_000_000_000 + this.clockMs;
  forget(): void {}
  scheduled(): void {}
  crashed(_actor: ActorId, error: unknown): void {
    this.crash = error;
  }
  reply(to: ReplyTo, body: unknown): void {
    const key = String(to.reply);
    assert.ok(!this.answers.has(key), `request ${key} was answered twice`);
    this.answers.set(key, body);
  }
  perform(_actor: ActorId, effect: Outward): void {
    switch (effect.kind) {
      case "ask":
        this.asks.push(effect);
        return;
      case "wake":
        this.timers.set(effect.name, this.clockMs + effect.afterMs);
        return;
      case "unwake":
        this.timers.delete(effect.name);
        return;
      case "readLog":
        this.kernel.deliver(routerActorId, { kind: "logRead", ticket: effect.ticket, outcome: { kind: "none" } });
        return;
      case "follow":
        this.following = true;
        return;
      default:
        return;
    }
  }

  /** Runs everything that is due now, timers of this very moment included. */
  settle(): void {
    for (let round = 0; round < 1000; round++) {
      this.kernel.run(100_000);
      if (this.crash !== undefined) throw this.crash;
      const due = [...this.timers].filter(([, atMs]) => atMs <= this.clockMs);
      if (due.length === 0) return;
      for (const [name] of due) {
        this.timers.delete(name);
        this.kernel.deliver(routerActorId, { kind: "woke", name });
      }
    }
    assert.fail("the router wakes itself without end");
  }

  /** Lets time pass, stopping at every timer on the way. */
  pass(ms: number): void {
    const endMs = this.clockMs + ms;
    for (;;) {
      const nextMs = Math.min(...this.timers.values());
      if (nextMs > endMs) break;
      this.clockMs = Math.max(this.clockMs, nextMs);
      this.settle();
    }
    this.clockMs = endMs;
    this.settle();
  }

  append(...events: LedgerEvent[]): void {
    assert.ok(this.following, "the router follows the ledger");
    this.ledgerSeq++;
    const bytes = encodeLedgerRecord({ term: 1, member: "c1", nonce: `n${this.ledgerSeq}`, events });
    this.kernel.deliver(routerActorId, {
      kind: "followed",
      stream: streams.ledger(0),
      subject: subjects.ledger(0),
      record: { seq: this.ledgerSeq, bytes, timeMs: 0 },
      pending: 0,
    });
    this.settle();
  }

  /** A cluster of three nodes that are up. */
  begin(): this {
    this.append(
      { kind: "clusterCreated", logGroups: 4, partitions: 1, createdMs: 0 },
      { kind: "leaderElected", term: 1, member: "c1" },
      ...nodes.flatMap((node): LedgerEvent[] => [
        { kind: "nodeJoined", node, zone: "z", weight: 1, storeId: node, bootCount: 1 },
        { kind: "nodeUp", node, incarnation: `${node}-1`, bootCount: 1 },
      ]),
    );
    return this;
  }

  /** Adds a table whose fragment i has its primary on node i mod 3; gives the fragments' ids. */
  table(wish: TableWish, activated = true): number[] {
    const partitioning = wish.partitioning ?? "hash";
    const key = wish.key ?? { partition: "string" as const };
    const split = splitRange({ partitioning, key }, wish.splitAt ?? [], hash);
    assert.ok(split.ok);
    const ranges = partitioning === "hash" ? hashRange(wish.fragments ?? 4) : split.value;
    const fragments = ranges.map((range, index) => ({
      id: this.nextFragment++ * 16,
      ...range,
      group: 0,
      replicas: [0, 1, 2].map((step) => nodes[(index + step) % 3] ?? "n1"),
    }));
    const table = { id: this.nextTable++, name: wish.name, partitioning, key, replicas: 3 };
    this.append({ kind: "tableCreated", table, fragments });
    const ids = fragments.map(({ id }) => id);
    if (activated) this.activate(ids);
    return ids;
  }

  activate(fragments: readonly number[]): void {
    this.append({
      kind: "fragmentsActivated",
      activations: fragments.map((fragment) => ({ fragment, epoch: 1, lsn: 1 })),
    });
  }

  request(subject: string, body: unknown, user = "", trace?: string): number {
    const id = ++this.replies;
    const request = { kind: "request", subject, body, from: { reply: id }, user } as const;
    this.kernel.request(routerActorId, trace === undefined ? request : { ...request, trace });
    return id;
  }

  /** Hands in a request and runs until nothing is due. */
  ask(subject: string, body: unknown): number {
    const id = this.request(subject, body);
    this.settle();
    return id;
  }

  answer(ask: Ask, outcome: AskOutcome): void {
    this.asks = this.asks.filter((other) => other !== ask);
    this.kernel.deliver(routerActorId, { kind: "answered", ticket: ask.ticket, outcome });
    this.settle();
  }

  /** Answers an exec ask by what `serve` gives for each of its operations. */
  serve(ask: Ask, serve: (op: ExecRequest["parts"][number]["ops"][number], fragment: number) => OpResult): void {
    const { parts } = execOf(ask);
    const reply: ExecReply = {
      viewSeq: [this.ledgerSeq],
      results: parts.map((part) => part.ops.map((op) => serve(op, part.fragment))),
    };
    this.answer(ask, { kind: "answer", body: encodeExecReply(reply) });
  }

  /** Serves until the router asks no more. */
  serveAll(serve: Parameters<ScriptedWorld["serve"]>[1]): void {
    for (let round = 0; this.asks.length > 0; round++) {
      assert.ok(round < 10_000, "the router asks without end");
      const [ask] = this.asks;
      if (ask !== undefined) this.serve(ask, serve);
    }
  }

  answered(id: number): boolean {
    return this.answers.has(String(id));
  }

  body(id: number): Record<string, unknown> {
    const body = this.answers.get(String(id));
    assert.ok(typeof body === "object" && body !== null, `request ${id} has no answer`);
    return body as Record<string, unknown>;
  }

  fault(id: number): { code: string; message: string; detail?: Record<string, unknown> } {
    const { fault } = this.body(id);
    assert.ok(
      typeof fault === "object" && fault !== null,
      `request ${id} was not refused: ${JSON.stringify(this.body(id))}`,
    );
    return fault as { code: string; message: string };
  }

  get onlyAsk(): Ask {
    const [ask, ...more] = this.asks;
    assert.ok(ask !== undefined && more.length === 0, `expected one ask, found ${this.asks.length}`);
    return ask;
  }
}

export function execOf(ask: Ask): ExecRequest {
  const decoded = decodeExec(ask.body);
  assert.ok(decoded.ok, "the router sends what a node can decode");
  return decoded.value;
}
