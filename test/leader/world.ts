// Tiny world. Owns a virtual clock, streams in memory and some hosts that each run one leader in a real Kernel; enough for transcripts of elections and leases.
// A host can be paused (its messages wait, time goes on), killed, or cut off from the streams.

import { createLeader } from "../../actors/leader.js";
import type { Timing } from "../../src/config/limits.js";
import type {
  AppendOutcome,
  LogRecord,
  ReadOutcome,
  ReplyTo,
  StreamOutcome,
  WorldMessage,
} from "../../src/kernel/effect.js";
import { Kernel, type Outward, type World } from "../../src/kernel/kernel.js";
import { seededRandom } from "../../src/kernel/random.js";
import type { LedgerEvent, LedgerRecord } from "../../src/ledger/event.js";
import { emptyView, fold } from "../../src/ledger/fold.js";
import { decodeLedgerRecord } from "../../src/ledger/record.js";
import type { ClusterView, FragmentView } from "../../src/ledger/view.js";
import type { NodePower } from "../../src/load/power.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import type {
  AdminAnswer,
  AdminRequest,
  Heartbeat,
  HeartbeatAnswer,
  ReplicaStatus,
  Verified,
} from "../../src/protocol/control.js";
import { streams, subjects } from "../../src/protocol/subjects.js";
import { testHash } from "../hash.js";

export const timing: Timing = {
  leaderLeaseMs: 1500,
  leaderRenewMs: 300,
  heartbeatMs: 250,
  nodeLeaseMs: 1500,
  leaseMarginMs: 100,
  rebuildAfterMs: 5000,
  askTimeoutMs: 1000,
  appendTimeoutMs: 2000,
};

interface Stream {
  records: { readonly seq: number; readonly subject: string; readonly bytes: Uint8Array }[];
  lastSeq: number;
  created: string;
  /** Pretended size, for trimming. */
  bytes: number;
}

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class Streams {
  readonly all = new Map<string, Stream>();
  readonly trims: { readonly stream: string; readonly belowSeq: number }[] = [];
  onAppend: (stream: string) => void = () => undefined;

  at(name: string): Stream {
    const known = this.all.get(name);
    if (known !== undefined) return known;
    const made: Stream = { records: [], lastSeq: 0, created: "first", bytes: 0 };
    this.all.set(name, made);
    return made;
  }

  append(name: string, subject: string, bytes: Uint8Array, expectedSeq: number): AppendOutcome {
    const stream = this.at(name);
    const lastSeq = stream.records.findLast((record) => record.subject === subject)?.seq ?? 0;
    if (lastSeq !== expectedSeq) return { kind: "refused", lastSeq };
    const seq = ++stream.lastSeq;
    stream.records.push({ seq, subject, bytes });
    this.onAppend(name);
    return { kind: "stored", seq };
  }

  read(name: string, subject: string, at: "last" | "exact" | "next", seq: number): ReadOutcome {
    const found = this.at(name).records.filter((record) => record.subject === subject);
    const record =
      at === "last"
        ? found.at(-1)
        : found.find((candidate) => (at === "exact" ? candidate.seq === seq : candidate.seq >= seq));
    return record === undefined ? { kind: "none" } : { kind: "record", record: { ...record, timeMs: 0 } };
  }

  trim(name: string, belowSeq: number): void {
    const stream = this.at(name);
    this.trims.push({ stream: name, belowSeq });
    stream.records = stream.records.filter(({ seq }) => seq >= belowSeq);
    stream.lastSeq = Math.max(stream.lastSeq, belowSeq - 1);
  }

  state(name: string): StreamOutcome {
    const { records, lastSeq, created, bytes } = this.at(name);
    const firstSeq = records[0]?.seq ?? lastSeq + 1;
    return { kind: "state", state: { firstSeq, lastSeq, messages: records.length, bytes, created } };
  }
}

interface Follow {
  next: number;
}

class Host implements World {
  readonly kernel: Kernel;
  readonly follows = new Map<string, Follow>();
  private readonly timers = new Map<string, number>();
  paused = false;
  dead = false;
  /** No answers from the streams: appends and reads neither arrive nor answer. */
  cut = false;
  crash: unknown;
  private waiting: (() => void)[] = [];

  constructor(
    private readonly sim: Sim,
    readonly member: string,
    readonly incarnation: string,
    seed: number,
  ) {
    this.kernel = new Kernel(this, seededRandom(seed));
  }
  nowMs(): number {
    return this.sim.nowMs;
  }
  wallMs(): number {
    return 1_700_000_000_000 + this.sim.nowMs;
  }
  scheduled(): void {
    this.sim.after(0, () => this.whenAwake(() => this.run()));
  }
  whenAwake(act: () => void): void {
    if (this.dead) return;
    if (this.paused) this.waiting.push(act);
    else act();
  }
  resume(): void {
    this.paused = false;
    const waiting = this.waiting;
    this.waiting = [];
    for (const act of waiting) act();
  }
  private run(): void {
    while (this.kernel.run(1000) > 0);
  }
  deliver(message: WorldMessage | { readonly kind: string }): void {
    this.whenAwake(() => {
      this.kernel.deliver("leader", message);
    });
  }
  reply(to: ReplyTo, body: unknown): void {
    this.sim.replied(Number(to.reply), this.member, body);
  }
  forget(): void {}
  crashed(_actor: string, error: unknown): void {
    this.crash = error;
  }
  perform(_actor: string, effect: Outward): void {
    const { sim } = this;
    const { streams: store } = sim;
    switch (effect.kind) {
      case "append": {
        const { log, bytes, expectedSeq, ticket } = effect;
        if (this.cut)
          return this.later({ kind: "appended", ticket, outcome: { kind: "unknown" } }, timing.appendTimeoutMs);
        sim.appends.push(log.stream);
        sim.after(sim.appendMs, () => {
          const outcome = store.append(log.stream, log.subject, bytes, expectedSeq);
          this.later({ kind: "appended", ticket, outcome });
        });
        return;
      }
      case "readLog": {
        const { log, at, seq, ticket } = effect;
        if (this.cut) return this.later({ kind: "logRead", ticket, outcome: { kind: "unknown" } }, timing.askTimeoutMs);
        return this.later({ kind: "logRead", ticket, outcome: store.read(log.stream, log.subject, at, seq) });
      }
      case "readStream":
        return this.later({ kind: "streamRead", ticket: effect.ticket, outcome: store.state(effect.stream) });
      case "trimStream":
        return store.trim(effect.stream, effect.belowSeq);
      case "follow":
        this.follows.set(effect.stream, { next: effect.fromSeq });
        return sim.after(1, () => this.pump(effect.stream));
      case "unfollow":
        this.follows.delete(effect.stream);
        return;
      case "wake": {
        const key = effect.name;
        const atMs = sim.nowMs + effect.afterMs;
        this.timers.set(key, atMs);
        return sim.after(effect.afterMs, () => {
          if (this.timers.get(key) !== atMs) return;
          this.timers.delete(key);
          this.deliver({ kind: "woke", name: key });
        });
      }
      case "unwake":
        this.timers.delete(effect.name);
        return;
      case "publish":
        sim.published.push({ subject: effect.subject, body: effect.body });
        return;
      case "log":
        sim.lines.push({ atMs: sim.nowMs, member: this.member, event: effect.event });
        return;
      default:
        throw new Error(`the tiny world has no ${effect.kind}`);
    }
  }
  private later(message: WorldMessage, afterMs = 1): void {
    this.sim.after(afterMs, () => this.deliver(message));
  }
  /** Delivers what the follow of `stream` has not had yet. */
  pump(stream: string): void {
    const follow = this.follows.get(stream);
    if (follow === undefined || this.dead || this.cut) return;
    for (const { seq, subject, bytes } of this.sim.streams.at(stream).records) {
      if (seq < follow.next) continue;
      follow.next = seq + 1;
      const record: LogRecord = { seq, bytes, timeMs: 0 };
      this.deliver({ kind: "followed", stream, subject, record, pending: 0 });
    }
  }
}

export interface SimOptions {
  readonly seed?: number;
  readonly partition?: number;
  readonly partitions?: number;
  readonly logRetainBytes?: number;
  readonly snapshotEvery?: number;
}

export class Sim {
  nowMs = 0;
  /** How long an append is on its way to its stream. */
  appendMs = 1;
  /** Streams of all appends sent so far. */
  readonly appends: string[] = [];
  readonly streams = new Streams();
  /** What leaders told whoever listens. */
  readonly published: { readonly subject: string; readonly body: unknown }[] = [];
  readonly hosts = new Map<string, Host>();
  readonly nodes = new Map<string, ScriptedNode>();
  readonly lines: { readonly atMs: number; readonly member: string; readonly event: string }[] = [];
  private events: Event[] = [];
  private order = 0;
  private nextReply = 1;
  private readonly replies = new Map<number, (body: unknown, member: string) => void>();
  private starts = 0;

  constructor(readonly options: SimOptions = {}) {
    this.streams.onAppend = (stream) => {
      for (const host of this.hosts.values()) this.after(1, () => host.pump(stream));
    };
  }

  after(afterMs: number, run: () => void): void {
    this.events.push({ atMs: this.nowMs + afterMs, order: this.order++, run });
  }

  /** Lets `ms` of virtual time pass. */
  pass(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      let next: Event | undefined;
      for (const event of this.events)
        if (next === undefined || event.atMs < next.atMs || (event.atMs === next.atMs && event.order < next.order))
          next = event;
      if (next === undefined || next.atMs > endMs) break;
      this.events.splice(this.events.indexOf(next), 1);
      this.nowMs = next.atMs;
      next.run();
    }
    this.nowMs = endMs;
    for (const host of this.hosts.values()) if (host.crash !== undefined) throw host.crash;
  }

  /** Passes time until `wanted` holds; throws when it does not within `limitMs`. Returns how long it took. */
  until(what: string, wanted: () => boolean, limitMs = 20_000): number {
    const begunMs = this.nowMs;
    while (!wanted()) {
      if (this.nowMs - begunMs > limitMs) throw new Error(`not within ${limitMs} ms: ${what}`);
      this.pass(5);
    }
    return this.nowMs - begunMs;
  }

  startMember(member: string): Host {
    const incarnation = `${member}-${++this.starts}`;
    const host = new Host(this, member, incarnation, (this.options.seed ?? 1) * 1000 + this.starts);
    const { partition = 0, partitions = 1, snapshotEvery = 1000, logRetainBytes = 1e9 } = this.options;
    const config = {
      member,
      incarnation,
      partition,
      partitions,
      logGroups: 16,
      timing,
      snapshotEvery,
      logRetainBytes,
    };
    host.kernel.spawn("leader", createLeader(config, { hash: testHash }));
    this.hosts.set(member, host);
    host.deliver({ kind: "start" });
    return host;
  }

  kill(member: string): void {
    const host = this.host(member);
    host.dead = true;
  }

  host(member: string): Host {
    const host = this.hosts.get(member);
    if (host === undefined) throw new Error(`no member ${member}`);
    return host;
  }

  /** Sends a request to every member; the first answer counts. Undefined answers never come. */
  request(subject: string, body: unknown, answered: (body: unknown, member: string) => void): void {
    const travelled = unpack(pack(body));
    if (!travelled.ok) throw new Error(travelled.fault.message);
    for (const host of this.hosts.values()) {
      if (host.cut) continue;
      const reply = this.nextReply++;
      this.replies.set(reply, answered);
      this.after(1, () =>
        host.whenAwake(() =>
          host.kernel.request("leader", { kind: "request", subject, body: travelled.value, from: { reply }, user: "" }),
        ),
      );
    }
  }

  replied(reply: number, member: string, body: unknown): void {
    const answered = this.replies.get(reply);
    this.replies.delete(reply);
    this.after(1, () => answered?.(body, member));
  }

  /** Asks the leader and waits for its answer. */
  admin(request: AdminRequest, partition = this.options.partition ?? 0): AdminAnswer {
    let answer: AdminAnswer | undefined;
    this.request(subjects.admin(partition), request, (body) => {
      answer ??= body as AdminAnswer;
    });
    this.until("an answer of the leader", () => answer !== undefined);
    if (answer === undefined) throw new Error("no answer");
    return answer;
  }

  hostDied(node: string, incarnation: string): void {
    this.request(subjects.hostDied, { kind: "hostDied", node, incarnation }, () => undefined);
  }

  ledger(): { readonly seq: number; readonly record: LedgerRecord }[] {
    return this.streams.at(streams.ledger(this.options.partition ?? 0)).records.map(({ seq, bytes }) => {
      const record = decodeLedgerRecord(bytes);
      if (!record.ok) throw new Error(record.fault.message);
      return { seq, record: record.value };
    });
  }

  ledgerEvents(): LedgerEvent[] {
    return this.ledger().flatMap(({ record }) => record.events);
  }

  /** What the ledger folds to. */
  view(): ClusterView {
    const view = emptyView(this.options.partition ?? 0);
    for (const { seq, record } of this.ledger()) fold(view, seq, record);
    return view;
  }

  elected(): string[] {
    return this.ledgerEvents().flatMap((event) => (event.kind === "leaderElected" ? [event.member] : []));
  }

  startNode(id: string, what: Partial<NodeShape> = {}): ScriptedNode {
    const node = new ScriptedNode(
      this,
      id,
      { storeId: `disk-${id}`, bootCount: 1, zone: "", weight: 1, ...what },
      ++this.starts,
    );
    this.nodes.set(id, node);
    node.beat();
    return node;
  }
}

export interface NodeShape {
  storeId: string;
  bootCount: number;
  zone: string;
  weight: number;
}

/** A node that heartbeats, folds the ledger, and reports its replicas as the view has them: a primary serves at once, a backup follows at once. */
export class ScriptedNode {
  readonly incarnation: string;
  leaseUntilMs = 0;
  answer: HeartbeatAnswer | undefined;
  alive = true;
  /** Still running, but nothing it sends arrives. */
  mute = false;
  leaving = false;
  /** Replicas that do not report what the view would have them be. */
  readonly odd = new Map<number, Partial<ReplicaStatus>>();
  /** What the primary here finds when it is asked to compare digests; undefined: nothing comes of it. */
  compare: (fragment: FragmentView, lsn: number) => Verified | undefined = ({ replicas }, lsn) => ({
    lsn,
    agree: replicas.filter(({ state }) => state === "ready").map(({ node }) => node),
    differ: [],
  });
  private readonly verified = new Map<number, Verified>();
  private readonly appended = new Map<number, number>();
  freeBytes: number | undefined;
  /** What it says of its load and capacity. */
  power: NodePower | undefined;
  /** Longest lease granted to this process so far, by the node's own count. */
  grants = 0;

  constructor(
    private readonly sim: Sim,
    readonly id: string,
    readonly shape: NodeShape,
    start: number,
  ) {
    this.incarnation = `${id}-${start}`;
  }

  holdsLease(): boolean {
    return this.alive && this.sim.nowMs < this.leaseUntilMs;
  }

  beat(): void {
    if (!this.alive) return;
    const askedMs = this.sim.nowMs;
    const body = this.heartbeat();
    if (!this.mute)
      this.sim.request(subjects.heartbeat(this.sim.options.partition ?? 0), body, (got) => {
        if (!this.alive || this.mute) return;
        const answer = got as HeartbeatAnswer;
        this.answer = answer;
        for (const id of answer.verify) this.verify(id);
        if (answer.leaseMs === 0) return;
        this.grants++;
        this.leaseUntilMs = Math.max(this.leaseUntilMs, askedMs + answer.leaseMs);
      });
    this.sim.after(timing.heartbeatMs, () => this.beat());
  }

  /** Appends a record, as it were, and has every replica compare there. */
  private verify(id: number): void {
    const fragment = this.sim.view().fragments.get(id);
    if (fragment?.primary !== this.id) return;
    const lsn = fragment.epoch * 100 + (this.appended.get(id) ?? 0) + 1;
    this.appended.set(id, lsn - fragment.epoch * 100);
    const found = this.compare(fragment, lsn);
    if (found !== undefined) this.verified.set(id, found);
  }

  private heartbeat(): Heartbeat {
    const view = this.sim.view();
    const { storeId, bootCount, zone, weight } = this.shape;
    return {
      kind: "heartbeat",
      node: this.id,
      incarnation: this.incarnation,
      zone,
      weight,
      storeId,
      bootCount,
      viewSeq: view.seq,
      statuses: [...view.fragments.values()]
        .filter(({ replicas }) => replicas.some(({ node }) => node === this.id))
        .map(({ id, epoch, primary }) => ({
          fragment: id,
          state: primary === this.id ? ("serving" as const) : ("following" as const),
          epoch,
          lsn: epoch * 100 + (this.appended.get(id) ?? 0),
          markerLsn: epoch * 100,
          durableSeq: 100 + epoch,
          sparse: false,
          rows: 0,
          bytes: 0,
          verified: primary === this.id ? this.verified.get(id) : undefined,
          ...this.odd.get(id),
        })),
      all: true,
      incidents: [],
      leaving: this.leaving,
      freeBytes: this.freeBytes,
      power: this.power,
    };
  }
}

export function createTable(name = "users", fragments = 8, replicas = 0): AdminRequest {
  return {
    kind: "createTable",
    name,
    partitioning: "hash",
    key: { partition: "string" },
    fragments,
    splitAt: [],
    replicas,
  };
}
