// Replica world. Owns false worlds around real kernels with one shard each, over one log that they share: nothing happens but what the test lets happen.
// Appends and reads of the log are carried out at once unless told otherwise; what is asked of peers waits until the test answers it.

import assert from "node:assert/strict";
import { createBoard } from "../../actors/shard/board.js";
import type { Assignment, Board, ShardMessage, ShardReport } from "../../actors/shard/state.js";
import { createShard } from "../../actors/shard.js";
import { defaultTiming } from "../../src/config/limits.js";
import { type DigestWish, digestJob, digestTree } from "../../src/fragment/digest.js";
import { bookkeepingKey, lsnOfWindowKey, rowKey, windowRange } from "../../src/fragment/layout.js";
import { defaultCopyBounds } from "../../src/fragment/pace.js";
import { decodeRecord } from "../../src/fragment/record.js";
import { readBookkeeping } from "../../src/fragment/replica.js";
import type { Store, StoreEntry } from "../../src/fragment/store.js";
import { decodeWindowEntry } from "../../src/fragment/window.js";
import { compareBytes, toHex } from "../../src/kernel/bytes.js";
import type { AppendOutcome, Effect, LogRecord, ReadOutcome, ReplyTo } from "../../src/kernel/effect.js";
import { Kernel, type Outward, type World } from "../../src/kernel/kernel.js";
import type { Actor, Message } from "../../src/kernel/machine.js";
import { seededRandom } from "../../src/kernel/random.js";
import type { Op, OpResult } from "../../src/protocol/exec.js";
import { decodePeerRequest } from "../../src/protocol/peer-codec.js";
import { decodeDocument, encodeDocument } from "../../src/query/document.js";
import type { ReadLevel, WriteAct } from "../../src/query/query.js";
import { positionOf } from "../../src/table/key.js";
import type { Position, TableDef } from "../../src/table/table.js";
import { testHash } from "../hash.js";
import { must } from "../results.js";

export const fragment = 16;
/** What a split makes. */
export const child = 32;
const table: TableDef = { id: 1, name: "t", partitioning: "range", key: { partition: "string" }, replicas: 3 };
const shelf = 1;
const everything = { from: new Uint8Array(0), to: undefined };

export const at = (key: string): Position => must(positionOf(table, [key], testHash));
export const get = (key: string, read: ReadLevel = { level: "strong" }): Op => ({ op: "get", position: at(key), read });
export function write(act: WriteAct, key: string, doc: object, requestId: string, ifVersion?: number): Op {
  const document = act === "delete" ? new Uint8Array(0) : must(encodeDocument(doc));
  const step = { act, position: at(key), document };
  return { op: "write", requestId, steps: [ifVersion === undefined ? step : { ...step, ifVersion }] };
}
export const put = (key: string, n: number, requestId = `${key}-${n}`): Op => write("put", key, { n }, requestId);

/** One fragment's subject, alone in its stream. */
export class FalseLog {
  private kept: LogRecord[] = [];
  private last = 0;

  append(bytes: Uint8Array, expectedSeq: number): AppendOutcome {
    if (expectedSeq !== (this.kept.at(-1)?.seq ?? 0)) return { kind: "refused", lastSeq: this.kept.at(-1)?.seq ?? 0 };
    this.kept.push({ seq: ++this.last, bytes: bytes.slice(), timeMs: 0 });
    return { kind: "stored", seq: this.last };
  }
  read(where: "last" | "exact" | "next", seq: number): ReadOutcome {
    const found =
      where === "last"
        ? this.kept.at(-1)
        : this.kept.find((one) => (where === "exact" ? one.seq === seq : one.seq >= seq));
    return found === undefined ? { kind: "none" } : { kind: "record", record: found };
  }
  /** The newest `count` are gone, and their numbers are given again, as after bit rot and a crash. */
  lose(count: number): void {
    this.kept = this.kept.slice(0, -count);
    this.last = this.kept.at(-1)?.seq ?? 0;
  }
  trim(belowSeq: number): void {
    this.kept = this.kept.filter(({ seq }) => seq >= belowSeq);
  }
  /** Flips a byte of the newest record. */
  rot(): void {
    const newest = this.kept.at(-1);
    assert.ok(newest !== undefined);
    newest.bytes[newest.bytes.length >> 1] = (newest.bytes[newest.bytes.length >> 1] ?? 0) ^ 255;
  }
  get records(): readonly LogRecord[] {
    return this.kept;
  }
  /** `epoch 1: marker` and the like, oldest first. */
  get story(): string[] {
    return this.kept.map(({ bytes }) => storyOf(bytes));
  }
}

function storyOf(bytes: Uint8Array): string {
  const { kind, lsn, epoch, changes } = must(decodeRecord(bytes, testHash));
  const what = kind === "data" ? `${changes.length} change${changes.length === 1 ? "" : "s"}` : kind;
  return `lsn ${lsn} epoch ${epoch} ${what}`;
}

class MapStore implements Store {
  free = Number.POSITIVE_INFINITY;
  freeBytes = (): number => this.free;
  private readonly entries = new Map<string, StoreEntry>();
  get(key: Uint8Array): Uint8Array | undefined {
    return this.entries.get(toHex(key))?.value;
  }
  *range(from: Uint8Array, to: Uint8Array, reverse: boolean): Iterable<StoreEntry> {
    const inside = [...this.entries.values()].filter(
      ({ key }) => compareBytes(key, from) >= 0 && compareBytes(key, to) < 0,
    );
    inside.sort((a, b) => compareBytes(a.key, b.key));
    yield* reverse ? inside.reverse() : inside;
  }
  commit({ writes, clears = [] }: Extract<Effect, { kind: "commit" }>): void {
    for (const { from, to } of clears)
      for (const { key } of [...this.range(from, to, false)]) this.entries.delete(toHex(key));
    for (const { key, value } of writes) {
      if (value === undefined) this.entries.delete(toHex(key));
      else this.entries.set(toHex(key), { key: key.slice(), value: value.slice() });
    }
  }
}

export type Ask = Extract<Effect, { kind: "ask" }>;
/** `stored` as it should be; `unheard`: stored, and nobody heard of it; `lost`: not stored, and nobody knows; `held`: until `release`. */
type Fate = "stored" | "unheard" | "lost" | "full" | "held";

/** One node with one replica. */
export class Node implements World {
  private kernel: Kernel;
  private readonly store = new MapStore();
  private readonly timers = new Map<string, number>();
  private readonly results = new Map<number, OpResult[]>();
  private readonly replies = new Map<number, unknown>();
  private readonly held: Extract<Effect, { kind: "append" }>[] = [];
  private readonly computing: Extract<Effect, { kind: "compute" }>[] = [];
  /** What each job found, on the store as it was when it was asked for. */
  private readonly digestAsOf: ReturnType<typeof digestTree>[] = [];
  /** What the node is told beside results. */
  readonly reports: string[] = [];
  private readonly unsynced: number[] = [];
  /** Commits reach the disk at `sync` only. */
  diskIsSlow = false;
  private jobs = 0;
  private boots = 0;
  clockMs = 1000;
  board: Board;
  asks: Ask[] = [];
  /** What becomes of the next appends; then all are stored. */
  readonly fates: Fate[] = [];
  /** Answers to the next reads of the log, instead of the truth. */
  readonly misreadings: ReadOutcome[] = [];
  /** Appends and reads of the log, in order. */
  trace: string[] = [];

  constructor(
    readonly id: string,
    private readonly log: FalseLog,
    private readonly copyBounds = defaultCopyBounds,
  ) {
    this.board = createBoard();
    this.kernel = this.boot();
  }

  /** Tells the shard that everything committed so far is on the disk. */
  sync(): void {
    for (const ticket of this.unsynced.splice(0)) this.kernel.deliver("shard", { kind: "committed", ticket });
  }

  /** What the disk has left. */
  set free(bytes: number) {
    this.store.free = bytes;
  }

  /** The process ends and starts again over what the store holds. */
  restart(): void {
    this.timers.clear();
    this.asks = [];
    this.held.length = 0;
    this.board = createBoard();
    this.kernel = this.boot();
  }

  private boot(): Kernel {
    const kernel = new Kernel(this, seededRandom(++this.boots));
    const parent: Actor<Message & ShardReport> = {
      mailboxLimit: 1,
      step: (report) => {
        if (report.kind !== "execDone") this.reports.push(report.kind);
        if (report.kind === "execDone")
          for (const { slot, result } of report.done) {
            const results = this.results.get(slot.job) ?? [];
            assert.equal(results[slot.index], undefined, "an operation was answered twice");
            results[slot.index] = result;
            this.results.set(slot.job, results);
          }
        return [];
      },
    };
    kernel.spawn("node", parent as Actor);
    const config = {
      fragment,
      table,
      node: this.id,
      writer: `${this.id}/boot${this.boots}`,
      group: 0,
      parent: "node",
      self: "shard",
      timing: defaultTiming,
      copyBounds: this.copyBounds,
    };
    kernel.spawn(
      "shard",
      createShard(config, { store: this.store, hash: testHash, board: this.board }, shelf, everything) as Actor,
    );
    kernel.deliver("shard", { kind: "start" });
    return kernel;
  }

  nowMs = (): number => this.clockMs;
  wallMs = (): number => 1_700_000_000_000 + this.clockMs;
  forget(): void {}
  scheduled(): void {}
  crashed(_actor: string, error: unknown): void {
    throw error;
  }
  reply(to: ReplyTo, body: unknown): void {
    assert.ok(typeof to.reply === "number" && !this.replies.has(to.reply));
    this.replies.set(to.reply, body);
  }

  perform(_actor: string, effect: Outward): void {
    switch (effect.kind) {
      case "append":
        this.trace.push(`append after ${effect.expectedSeq}: ${storyOf(effect.bytes)}`);
        return this.append(effect, this.fates.shift() ?? "stored");
      case "readLog": {
        this.trace.push(effect.at === "last" ? "read the last record" : `read after ${effect.seq - 1}`);
        const outcome = this.misreadings.shift() ?? this.log.read(effect.at, effect.seq);
        return this.kernel.deliver("shard", { kind: "logRead", ticket: effect.ticket, outcome });
      }
      case "ask":
        this.asks.push(effect);
        return;
      case "compute":
        assert.ok(effect.job === digestJob && effect.onStore === true);
        this.computing.push(effect);
        this.digestAsOf.push(digestTree(this.store, effect.input as DigestWish, testHash));
        return;
      case "wake":
        this.timers.set(effect.name, this.clockMs + effect.afterMs);
        return;
      case "unwake":
        this.timers.delete(effect.name);
        return;
      case "commit":
        this.store.commit(effect);
        if (effect.ticket !== undefined) this.unsynced.push(effect.ticket);
        if (!this.diskIsSlow) this.sync();
        return;
      default:
        return;
    }
  }

  /** A row is not what the log made it, behind everybody's back. */
  spoil(key: string): void {
    const where = rowKey(shelf, at(key));
    const value = this.store.get(where)?.slice();
    assert.ok(value !== undefined, `${this.id} holds ${key}`);
    value[7] = (value[7] ?? 0) ^ 1;
    this.store.commit({ kind: "commit", writes: [{ key: where, value }] });
  }
  /** What the shard waits for its digests with; undefined: it has none under way. */
  digests(): void {
    for (const effect of this.computing.splice(0)) {
      const tree = this.digestAsOf.shift();
      assert.ok(tree !== undefined);
      const outcome = tree.ok ? ({ ok: true, output: tree.value } as const) : tree;
      this.tell({ kind: "computed", ticket: effect.ticket, outcome });
    }
  }

  private append(effect: Extract<Effect, { kind: "append" }>, fate: Fate): void {
    if (fate === "held") return void this.held.push(effect);
    const outcome = fate === "lost" || fate === "full" ? undefined : this.log.append(effect.bytes, effect.expectedSeq);
    const heard: AppendOutcome =
      fate === "stored" && outcome !== undefined
        ? outcome
        : fate === "full"
          ? { kind: "full", why: "the disk is full" }
          : { kind: "unknown" };
    this.kernel.deliver("shard", { kind: "appended", ticket: effect.ticket, outcome: heard });
  }

  /** Carries out what was held, in order. */
  release(): void {
    for (const effect of this.held.splice(0)) this.append(effect, "stored");
    this.settle();
  }

  settle(): void {
    this.kernel.run(100_000);
  }
  tell(message: ShardMessage): void {
    this.kernel.deliver("shard", message);
    this.settle();
  }
  pass(ms: number): void {
    const endMs = this.clockMs + ms;
    for (;;) {
      const next = [...this.timers].sort(([, a], [, b]) => a - b)[0];
      if (next === undefined || next[1] > endMs) break;
      this.clockMs = Math.max(this.clockMs, next[1]);
      this.timers.delete(next[0]);
      this.tell({ kind: "woke", name: next[0] });
    }
    this.clockMs = endMs;
  }

  assign(
    epoch: number,
    primary: string,
    live: readonly string[],
    wish: {
      activatedLsn?: number;
      all?: readonly string[];
      sources?: readonly string[];
      splitAt?: string;
      reshaped?: boolean;
    } = {},
  ): void {
    const assignment: Assignment = {
      epoch,
      primary,
      activatedLsn: wish.activatedLsn ?? 0,
      livePeers: live,
      peers: wish.all ?? live,
      ...(wish.reshaped === undefined ? {} : { reshaped: wish.reshaped }),
      sparse: wish.sources === undefined ? undefined : { sources: wish.sources },
      split:
        wish.splitAt === undefined ? undefined : { fragment, child, at: at(wish.splitAt), by: "test", startedMs: 0 },
    };
    this.tell({ kind: "assign", assignment });
  }
  lease(forMs: number): void {
    this.board.leaseUntilMs[0] = this.clockMs + forMs;
  }

  /** Hands operations in; gives the number under which their results come. */
  exec(...ops: Op[]): number {
    const job = ++this.jobs;
    this.tell({
      kind: "exec",
      job,
      part: 0,
      epoch: 0,
      ops,
      places: [...ops.keys()],
      deadlineAtMs: this.clockMs + 5000,
    });
    return job;
  }
  /** The first result of `job`; undefined while it waits. */
  result(job: number, index = 0): OpResult | undefined {
    return this.results.get(job)?.[index];
  }
  /** In words: a version, a row, a fault's code, or `waiting`. */
  outcome(job: number, index = 0): unknown {
    const result = this.result(job, index);
    if (result === undefined) return "waiting";
    if (result.op === "fault") return result.fault.code;
    if (result.op === "write") return result.versions;
    if (result.op === "get") return result.row === undefined ? "no row" : decodeDocument(result.row.document);
    return result;
  }
  /** A read of this node's own rows, whatever its role. */
  sees(key: string): unknown {
    return this.outcome(this.exec(get(key, { level: "any" })));
  }

  /** Everything this replica has not seen of the log comes through the tail. */
  tail(from = 1): void {
    for (const record of this.log.records) if (record.seq >= from) this.tell({ kind: "record", record });
  }

  /** Lets `peer` answer what is asked of it, once each; gives how many were answered. */
  letAnswer(peer: Node, most = Number.POSITIVE_INFINITY): number {
    let count = 0;
    for (const ask of this.asks.filter(({ subject }) => subject === `foreshard.node.${peer.id}.peer`).slice(0, most)) {
      this.answer(ask, peer.answerTo(ask));
      count++;
    }
    return count;
  }
  answer(ask: Ask, body: unknown): void {
    this.asks = this.asks.filter((other) => other !== ask);
    this.tell({ kind: "answered", ticket: ask.ticket, outcome: { kind: "answer", body } });
  }
  /** Whoever is asked does not answer. */
  timeOut(): void {
    for (const ask of this.asks.splice(0))
      this.tell({ kind: "answered", ticket: ask.ticket, outcome: { kind: "timeout" } });
  }
  /** What this node answers to `ask` of another. */
  answerTo(ask: Ask): unknown {
    const reply = this.replies.size + 1;
    this.tell({ kind: "peer", request: must(decodePeerRequest(ask.body)), from: { reply } });
    const body = this.replies.get(reply);
    assert.ok(body !== undefined, `${this.id} answers its peers`);
    return body;
  }

  /** `opening`, `serving`, `faulted` and so on, as the leader is told. */
  get rows(): number | undefined {
    return this.board.statuses.get(fragment)?.rows;
  }
  get state(): string | undefined {
    return this.board.statuses.get(fragment)?.state;
  }
  is(state: string): boolean {
    return this.state === state;
  }
  /** The request ids that the store remembers for a fragment, by the record that they came in. */
  remembered(of: number): string[] {
    const { from, to } = windowRange(of);
    return [...this.store.range(from, to, false)].flatMap(({ key, value }) =>
      (decodeWindowEntry(value)?.requests ?? []).map(({ requestId }) => `${lsnOfWindowKey(key)} ${requestId}`),
    );
  }
  /** Whether the store has a row of this key on the table's shelf, within the replica's bounds or not. */
  stores(key: string): boolean {
    return this.store.get(rowKey(shelf, at(key))) !== undefined;
  }
  /** The fragment's time as the store has it. */
  get storedStampMs(): number | undefined {
    const kept = this.store.get(bookkeepingKey(fragment));
    return kept === undefined ? undefined : readBookkeeping(fragment, kept)?.stampMs;
  }
  /** Pieces of the key space that the stored replica lacks. */
  get missingRanges(): number {
    const kept = this.store.get(bookkeepingKey(fragment));
    return (kept === undefined ? undefined : readBookkeeping(fragment, kept))?.missing.length ?? 0;
  }
  /** Whether rows are missing here. */
  get sparse(): boolean | undefined {
    return this.board.statuses.get(fragment)?.sparse;
  }
  get verified(): unknown {
    return this.board.statuses.get(fragment)?.verified;
  }
  get lsn(): number | undefined {
    return this.board.statuses.get(fragment)?.lsn;
  }
  get incidents(): string[] {
    return this.board.incidents.map(({ what, outcome }) => `${what} ${outcome}`);
  }
}

/** `n1` serves at epoch 1 under a long lease, with no peer; the others follow. */
export function servingAlone(): { log: FalseLog; n1: Node; n2: Node; n3: Node } {
  const log = new FalseLog();
  const [n1, n2, n3] = ["n1", "n2", "n3"].map((id) => new Node(id, log)) as [Node, Node, Node];
  n1.assign(1, "n1", []);
  n1.lease(1e9);
  n2.assign(1, "n1", ["n1"]);
  n3.assign(1, "n1", ["n1"]);
  assert.equal(n1.state, "serving");
  n1.trace = [];
  return { log, n1, n2, n3 };
}

/** Lets the copy go on until nothing is asked any more; gives how many chunks the source was asked for. */
export function finish(destination: Node, source: Node): number {
  let chunks = 0;
  for (let idle = 0; idle < 4; ) {
    const answered = destination.letAnswer(source);
    chunks += answered;
    idle = answered > 0 ? 0 : idle + 1;
    assert.ok(chunks < 100, "the copy does not end");
    destination.pass(10);
  }
  return chunks;
}
