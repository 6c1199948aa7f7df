// Log. Owns the simulated log server: streams, the fence, reads, tails, and everything it was measured to do wrong.
// L1 an append is stored only when the subject's last sequence is the expected one, at the moment it reaches the server:
//    that may be long after the sender gave up. L2 an answer that does not come back in time is `unknown`.
// L3 appends are never judged on an older state; reads may be answered from one (a former leader of the stream).
// L4 a tail delivers in order and skips only what the stream no longer holds; the stream's last going back is told as `regressed`.

import type { AppendOutcome, LogRecord, LogSubject, ReadOutcome, StreamOutcome } from "../../src/kernel/effect.js";
import type { Random } from "../../src/kernel/random.js";
import { type Alarm, type Clock, epochMs } from "./clock.js";
import type { Network } from "./network.js";

export interface Stored extends LogRecord {
  readonly subject: string;
  /** Host that sent it: for the checkers, not for actors. */
  readonly writer: string;
}

interface Stream {
  readonly name: string;
  /** Records kept of one subject, the newest; 0 = all. */
  readonly keep: number;
  created: string;
  records: Stored[];
  firstSeq: number;
  lastSeq: number;
  last: Map<string, number>;
  bytes: number;
}

/** What the log server may do wrong just now; drawn per run, all zero when the faults stop. */
export interface LogWeather {
  /** Share of answers to appends and reads that are lost. */
  lostAcks: number;
  /** Share of appends refused as certainly not stored. */
  notStored: number;
  /** Share of appends that linger and land late, up to `lateMs`. */
  late: number;
  lateMs: number;
  /** Share of reads answered from an older prefix, up to `staleRecords` back. */
  staleReads: number;
  staleRecords: number;
  /** Longest delay of a tail behind the stream. */
  tailDelayMs: number;
  /** Share of tail deliveries that stall until the tail's own watchdog makes a new one. */
  tailStalls: number;
  syncMs: number;
}

export const calmLog: LogWeather = {
  lostAcks: 0,
  notStored: 0,
  late: 0,
  lateMs: 0,
  staleReads: 0,
  staleRecords: 0,
  tailDelayMs: 3,
  tailStalls: 0,
  syncMs: 0.5,
};

export type TailMessage =
  | {
      readonly kind: "followed";
      readonly stream: string;
      readonly subject: string;
      readonly record: LogRecord;
      readonly pending: number;
    }
  | {
      readonly kind: "followNews";
      readonly stream: string;
      readonly news: "idle" | "regressed" | "recreated" | "gone";
      readonly lastSeq: number;
      readonly created: string;
    };

interface Tail {
  readonly host: string;
  readonly stream: string;
  readonly deliver: (message: TailMessage) => void;
  nextSeq: number;
  /** When the last record delivered was stored; undefined: none was. */
  lastTimeMs: number | undefined;
  created: string | undefined;
  /** Deliveries never overtake each other. */
  lastDeliveryMs: number;
  pump: Alarm | undefined;
  pumpAtMs: number;
  closed: boolean;
  toldGone: boolean;
}

/** Where hosts reach the server, as a name on the network. */
export const logServer = "log";
const idleEveryMs = 1000;
const tailWatchdogMs = 1000;
const tailBatch = 64;

export class LogServer {
  weather: LogWeather = { ...calmLog };
  private readonly streams = new Map<string, Stream>();
  private readonly tails = new Map<string, Tail>();
  private readonly tailsOf = new Map<string, Set<Tail>>();
  private downUntilMs = 0;
  private pausedUntilMs = 0;
  private readonly streamPausedUntilMs = new Map<string, number>();
  private readonly fullUntilMs = new Map<string, number>();
  /** Called for every record that is stored, in order. */
  readonly onStored: ((stream: string, record: Stored) => void)[] = [];
  /** Lets a planted mistake look away from the fence. */
  fenced: (writer: string, log: LogSubject) => boolean = () => true;
  readonly counts = { stored: 0, refused: 0, unknown: 0, late: 0, stale: 0, lostRecords: 0 };

  constructor(
    private readonly clock: Clock,
    private readonly network: Network,
    private readonly random: Random,
  ) {}

  create(name: string, keep = 0): void {
    this.streams.set(name, {
      name,
      keep,
      created: this.stamp(),
      records: [],
      firstSeq: 1,
      lastSeq: 0,
      last: new Map(),
      bytes: 0,
    });
  }

  append(
    host: string,
    log: LogSubject,
    bytes: Uint8Array,
    expectedSeq: number,
    timeoutMs: number,
    answer: (outcome: AppendOutcome) => void,
  ): void {
    const kept = bytes.slice();
    const once = this.once(timeoutMs, { kind: "unknown" }, answer);
    const { notStored, late, lateMs } = this.weather;
    if (notStored > 0 && this.random.next() < notStored) {
      this.clock.after(this.network.transitMs(host, logServer), () =>
        once({ kind: "notStored", why: "no responders" }),
      );
      return;
    }
    const lingers = late > 0 && this.random.next() < late;
    if (lingers) this.counts.late++;
    this.travel(host, log.stream, lingers ? this.random.next() * lateMs : 0, (state) => {
      if (state === "down") return;
      const outcome = this.store(host, log, kept, expectedSeq);
      this.sendBack(host, this.weather.syncMs, () => once(outcome));
    });
  }

  read(
    host: string,
    log: LogSubject,
    at: "last" | "exact" | "next",
    seq: number,
    timeoutMs: number,
    answer: (outcome: ReadOutcome) => void,
  ): void {
    const once = this.once(timeoutMs, { kind: "unknown" }, answer);
    this.travel(host, log.stream, 0, (state) => {
      if (state === "down") return;
      const outcome = this.lookUp(log, at, seq);
      this.sendBack(host, 0, () => once(outcome));
    });
  }

  readStream(host: string, name: string, timeoutMs: number, answer: (outcome: StreamOutcome) => void): void {
    const once = this.once<StreamOutcome>(timeoutMs, { kind: "unknown" }, answer);
    this.travel(host, name, 0, (state) => {
      if (state === "down") return;
      const stream = this.streams.get(name);
      const outcome: StreamOutcome =
        stream === undefined
          ? { kind: "gone" }
          : {
              kind: "state",
              state: {
                firstSeq: stream.firstSeq,
                lastSeq: stream.lastSeq,
                messages: stream.records.length,
                bytes: stream.bytes,
                created: stream.created,
              },
            };
      this.sendBack(host, 0, () => once(outcome));
    });
  }

  trim(host: string, name: string, belowSeq: number): void {
    this.travel(host, name, 0, (state) => {
      const stream = this.streams.get(name);
      if (state === "down" || stream === undefined) return;
      this.dropHead(stream, belowSeq);
      // Beyond the end, a purge moves the number that is given next, as in the server.
      stream.lastSeq = Math.max(stream.lastSeq, belowSeq - 1);
    });
  }

  follow(host: string, actor: string, name: string, fromSeq: number, deliver: (message: TailMessage) => void): void {
    this.unfollow(host, actor, name);
    const tail: Tail = {
      host,
      stream: name,
      deliver,
      nextSeq: Math.max(1, fromSeq),
      lastTimeMs: undefined,
      created: undefined,
      lastDeliveryMs: 0,
      pump: undefined,
      pumpAtMs: 0,
      closed: false,
      toldGone: false,
    };
    this.tails.set(tailKey(host, actor, name), tail);
    const there = this.tailsOf.get(name);
    if (there === undefined) this.tailsOf.set(name, new Set([tail]));
    else there.add(tail);
    this.pumpAfter(tail, this.network.transitMs(host, logServer) * 2);
  }

  unfollow(host: string, actor: string, name: string): void {
    this.close(tailKey(host, actor, name));
  }

  forget(host: string, actor: string | undefined): void {
    const prefix = actor === undefined ? `${host}|` : `${host}|${actor}|`;
    for (const key of [...this.tails.keys()]) if (key.startsWith(prefix)) this.close(key);
  }

  // What the faults do.

  /** Stops answering; what is under way when it goes down is lost with it. */
  crash(forMs: number): void {
    this.downUntilMs = this.clock.nowMs + forMs;
  }

  /** Freezes: what arrives meanwhile is carried out afterwards. */
  pause(forMs: number): void {
    this.pausedUntilMs = this.clock.nowMs + forMs;
  }

  pauseStream(name: string, forMs: number): void {
    this.streamPausedUntilMs.set(name, this.clock.nowMs + forMs);
  }

  fill(name: string, forMs: number): void {
    this.fullUntilMs.set(name, this.clock.nowMs + forMs);
  }

  heal(): void {
    this.weather = { ...calmLog };
    this.downUntilMs = 0;
    this.pausedUntilMs = 0;
    this.streamPausedUntilMs.clear();
    this.fullUntilMs.clear();
  }

  /** Loses the newest `count` records of a stream, as a bit flip and a crash do; the last sequence moves back. */
  loseTail(name: string, count: number): number {
    const stream = this.streams.get(name);
    if (stream === undefined) return 0;
    const lost = stream.records.splice(Math.max(0, stream.records.length - count));
    const first = lost[0];
    if (first === undefined) return 0;
    stream.lastSeq = first.seq - 1;
    this.counts.lostRecords += lost.length;
    this.reindex(stream);
    return lost.length;
  }

  /** Loses one record in the middle: a tail skips it in silence. */
  loseOne(name: string, pick: number): number | undefined {
    const stream = this.streams.get(name);
    if (stream === undefined || stream.records.length < 3) return undefined;
    const at = 1 + Math.floor(pick * (stream.records.length - 2));
    const [lost] = stream.records.splice(at, 1);
    this.counts.lostRecords++;
    this.reindex(stream);
    return lost?.seq;
  }

  /** Deletes the stream and makes an empty one of the same name. */
  recreate(name: string): void {
    const stream = this.streams.get(name);
    if (stream === undefined) return;
    this.counts.lostRecords += stream.records.length;
    this.create(name, stream.keep);
  }

  streamNames(): string[] {
    return [...this.streams.keys()];
  }

  /** What the stream holds now, for checkers and faults. */
  records(name: string): readonly Stored[] {
    return this.streams.get(name)?.records ?? [];
  }

  private store(host: string, log: LogSubject, bytes: Uint8Array, expectedSeq: number): AppendOutcome {
    const stream = this.streams.get(log.stream);
    if (stream === undefined) return { kind: "gone" };
    const lastSeq = stream.last.get(log.subject) ?? 0;
    if (lastSeq !== expectedSeq && this.fenced(host, log)) {
      this.counts.refused++;
      return { kind: "refused", lastSeq };
    }
    if ((this.fullUntilMs.get(log.stream) ?? 0) > this.clock.nowMs)
      return { kind: "full", why: "maximum bytes exceeded" };
    const seq = stream.lastSeq + 1;
    const timeMs = epochMs + Math.floor(this.clock.nowMs);
    const record: Stored = { seq, bytes, timeMs, subject: log.subject, writer: host };
    stream.records.push(record);
    stream.lastSeq = seq;
    stream.last.set(log.subject, seq);
    stream.bytes += bytes.length;
    if (stream.keep > 0) this.dropOlder(stream, log.subject);
    this.counts.stored++;
    for (const told of this.onStored) told(log.stream, record);
    for (const tail of this.tailsOf.get(log.stream) ?? []) this.pumpAfter(tail, this.tailDelayMs());
    return { kind: "stored", seq };
  }

  private dropOlder(stream: Stream, subject: string): void {
    const there = stream.records.filter((record) => record.subject === subject);
    const old = new Set(there.slice(0, Math.max(0, there.length - stream.keep)));
    if (old.size === 0) return;
    stream.records = stream.records.filter((record) => !old.has(record));
    stream.firstSeq = stream.records[0]?.seq ?? stream.lastSeq;
  }

  private lookUp(log: LogSubject, at: "last" | "exact" | "next", seq: number): ReadOutcome {
    const stream = this.streams.get(log.stream);
    if (stream === undefined) return { kind: "gone" };
    const { staleReads, staleRecords } = this.weather;
    let { records } = stream;
    if (staleReads > 0 && stream.keep === 0 && this.random.next() < staleReads) {
      this.counts.stale++;
      records = records.slice(0, Math.max(0, records.length - this.random.below(staleRecords + 1)));
    }
    const record = find(records, log.subject, at, seq);
    if (record === undefined) return { kind: "none" };
    return { kind: "record", record: { seq: record.seq, bytes: record.bytes.slice(), timeMs: record.timeMs } };
  }

  private dropHead(stream: Stream, belowSeq: number): void {
    if (belowSeq <= stream.firstSeq) return;
    let count = 0;
    while (count < stream.records.length && (stream.records[count]?.seq ?? belowSeq) < belowSeq) count++;
    stream.records.splice(0, count);
    stream.firstSeq = belowSeq;
    this.reindex(stream);
  }

  /** The fence is what the stream still holds: a subject whose last record is gone starts from 0 (as the server does). */
  private reindex(stream: Stream): void {
    stream.last = new Map();
    stream.bytes = 0;
    for (const record of stream.records) {
      stream.last.set(record.subject, record.seq);
      stream.bytes += record.bytes.length;
    }
  }

  /** Brings a request to the server: held while the server or stream is frozen, late or never over a cut link. */
  private travel(host: string, stream: string, extraMs: number, arrive: (state: "up" | "down") => void): void {
    const cut = this.network.isBlocked(host, logServer);
    // A cut connection keeps what was written to it; some of it arrives when the link is back.
    if (cut && this.random.next() < 0.5) return;
    const delayMs = this.network.transitMs(host, logServer) + extraMs + (cut ? this.random.next() * 4000 : 0);
    this.clock.after(delayMs, () => {
      if (cut && this.network.isBlocked(host, logServer)) return;
      this.whenAwake(stream, arrive);
    });
  }

  private whenAwake(stream: string, arrive: (state: "up" | "down") => void): void {
    if (this.downUntilMs > this.clock.nowMs) return arrive("down");
    const wakeMs = Math.max(this.pausedUntilMs, this.streamPausedUntilMs.get(stream) ?? 0);
    if (wakeMs <= this.clock.nowMs) return arrive("up");
    this.clock.at(wakeMs + this.random.next(), () => this.whenAwake(stream, arrive));
  }

  private sendBack(host: string, extraMs: number, deliver: () => void): void {
    if (this.network.isBlocked(logServer, host)) return;
    if (this.weather.lostAcks > 0 && this.random.next() < this.weather.lostAcks) return;
    this.clock.after(extraMs + this.network.transitMs(logServer, host), deliver);
  }

  private once<T>(timeoutMs: number, late: T, answer: (outcome: T) => void): (outcome: T) => void {
    let open = true;
    const finish = (outcome: T): void => {
      if (!open) return;
      open = false;
      alarm.cancelled = true;
      answer(outcome);
    };
    const alarm = this.clock.after(timeoutMs, () => {
      this.counts.unknown++;
      finish(late);
    });
    return finish;
  }

  private tailDelayMs(): number {
    return this.random.next() * this.weather.tailDelayMs;
  }

  private pumpAfter(tail: Tail, delayMs: number): void {
    const atMs = this.clock.nowMs + delayMs;
    if (tail.pump !== undefined && !tail.pump.cancelled) {
      if (tail.pumpAtMs <= atMs) return;
      tail.pump.cancelled = true;
    }
    tail.pumpAtMs = atMs;
    tail.pump = this.clock.at(atMs, () => {
      tail.pump = undefined;
      if (!tail.closed) this.pump(tail);
    });
  }

  private pump(tail: Tail): void {
    const blocked =
      this.network.isBlocked(logServer, tail.host) ||
      this.network.isBlocked(tail.host, logServer) ||
      this.downUntilMs > this.clock.nowMs ||
      this.pausedUntilMs > this.clock.nowMs ||
      (this.streamPausedUntilMs.get(tail.stream) ?? 0) > this.clock.nowMs;
    if (blocked || (this.weather.tailStalls > 0 && this.random.next() < this.weather.tailStalls)) {
      this.pumpAfter(tail, tailWatchdogMs * (0.5 + this.random.next()));
      return;
    }
    const stream = this.streams.get(tail.stream);
    if (stream === undefined) {
      if (!tail.toldGone)
        this.tell(tail, { kind: "followNews", stream: tail.stream, news: "gone", lastSeq: 0, created: "" });
      tail.toldGone = true;
      this.pumpAfter(tail, tailWatchdogMs);
      return;
    }
    if (this.startsOver(tail, stream)) return;
    this.deliverNext(tail, stream);
  }

  private startsOver(tail: Tail, stream: Stream): boolean {
    const { created, lastSeq } = stream;
    const recreated = tail.created !== undefined && tail.created !== created;
    const regressed = lastSeq < tail.nextSeq - 1 || wasReplaced(tail, stream);
    tail.created = created;
    if (!recreated && !regressed) return false;
    tail.nextSeq = stream.firstSeq;
    tail.lastTimeMs = undefined;
    this.tell(tail, {
      kind: "followNews",
      stream: tail.stream,
      news: recreated ? "recreated" : "regressed",
      lastSeq,
      created,
    });
    this.pumpAfter(tail, this.tailDelayMs());
    return true;
  }

  private deliverNext(tail: Tail, stream: Stream): void {
    const { records } = stream;
    let at = firstAtOrAbove(records, tail.nextSeq);
    const end = Math.min(records.length, at + tailBatch);
    for (; at < end; at++) {
      const stored = records[at];
      if (stored === undefined) break;
      tail.nextSeq = stored.seq + 1;
      tail.lastTimeMs = stored.timeMs;
      const { seq, bytes, timeMs } = stored;
      const pending = records.length - at - 1;
      const record = { seq, bytes: bytes.slice(), timeMs };
      this.tell(tail, { kind: "followed", stream: tail.stream, subject: stored.subject, record, pending });
    }
    if (at < records.length) return this.pumpAfter(tail, this.tailDelayMs());
    const news = { kind: "followNews", stream: tail.stream, news: "idle", lastSeq: stream.lastSeq } as const;
    this.tell(tail, { ...news, created: stream.created });
    this.pumpAfter(tail, idleEveryMs * (0.8 + this.random.next() * 0.4));
  }

  private tell(tail: Tail, message: TailMessage): void {
    const atMs = Math.max(tail.lastDeliveryMs, this.clock.nowMs + this.network.transitMs(logServer, tail.host));
    tail.lastDeliveryMs = atMs;
    this.clock.at(atMs, () => {
      if (!tail.closed) tail.deliver(message);
    });
  }

  private close(key: string): void {
    const tail = this.tails.get(key);
    if (tail === undefined) return;
    this.tails.delete(key);
    this.tailsOf.get(tail.stream)?.delete(tail);
    tail.closed = true;
    if (tail.pump !== undefined) tail.pump.cancelled = true;
  }

  private stamp(): string {
    return `${epochMs + Math.floor(this.clock.nowMs)}-${this.random.hex(4)}`;
  }
}

function tailKey(host: string, actor: string, stream: string): string {
  return `${host}|${actor}|${stream}`;
}

function firstAtOrAbove(records: readonly Stored[], seq: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((records[middle]?.seq ?? seq) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

function find(
  records: readonly Stored[],
  subject: string,
  at: "last" | "exact" | "next",
  seq: number,
): Stored | undefined {
  if (at === "last") {
    for (let i = records.length - 1; i >= 0; i--) if (records[i]?.subject === subject) return records[i];
    return undefined;
  }
  for (let i = firstAtOrAbove(records, seq); i < records.length; i++) {
    const record = records[i];
    if (record === undefined || (at === "exact" && record.seq !== seq)) return undefined;
    if (record.subject === subject) return record;
  }
  return undefined;
}

/** Another record has the number of the last one delivered: the stream lost its end and gave it again. The product's tails look the same way. */
function wasReplaced(tail: Tail, { records, firstSeq }: Stream): boolean {
  const seq = tail.nextSeq - 1;
  if (tail.lastTimeMs === undefined || seq < firstSeq) return false;
  const there = records[firstAtOrAbove(records, seq)];
  return there?.seq === seq && there.timeMs !== tail.lastTimeMs;
}
