// Tail. Owns the following of streams: one consumer at a time per actor and stream, watched, and made anew when it fails.
// T1 records of one follow arrive in stream order, none twice, none skipped while they are in the stream.
// T2 a consumer is trusted only after a look at its stream: one that was made again, or that ends before what was delivered, is told first (`followNews`), and the tail starts over from its first record.
// T3 silence, a gap, or a heartbeat that knows more than was delivered: the consumer is given up for a new one under a new name; the old name is never used again.
// T4 one tail at a time catches up on a long stretch of its stream: the windows of many consumers together would pass what the server holds back
//    for one connection (max_pending), and it would cut the connection.
// T5 nothing waits on a server that is gone: every call has a short time-out, every pause is bounded.
// T6 a new consumer begins with the last record delivered: if another record has its number now, the stream lost its end, and that is told like a regress.

import type { Msg, Subscription } from "nats";
import type { ActorId, StreamState, WorldMessage } from "../../src/kernel/effect.js";
import type { Connection } from "./connection.js";
import type { Inbox } from "./inbox.js";
import { type ApiAnswer, callApi, jsErrors } from "./jetstream.js";
import { streamOutcome } from "./log.js";

export interface TailPorts {
  readonly connection: Connection;
  readonly inbox: Inbox;
  /** Unique in the cluster: consumers carry it in their names. */
  readonly hostName: string;
  deliver(actor: ActorId, message: WorldMessage): void;
  /** True while the host has too much to do: the server is made to wait. */
  pressed(): boolean;
  /** Makes a lost stream again where that is allowed; false where not, or not yet. */
  restore(stream: string): Promise<boolean>;
  /** Random lower-case letters and digits: consumer names must never repeat. */
  freshName(): string;
}

export interface Tails {
  follow(actor: ActorId, stream: string, fromSeq: number): void;
  unfollow(actor: ActorId, stream: string): void;
  forget(actor: ActorId): void;
  count(): number;
  /** Consumers made since the start, first ones included. */
  made(): number;
  close(): void;
}

const heartbeatMs = 1000;
const silenceMs = 2600;
const watchEveryMs = 500;
const checkEveryMs = 8000;
const callTimeoutMs = 800;
const firstPauseMs = 100;
const longestPauseMs = 1000;
const restoreEveryMs = 1000;
const inactiveMs = 30_000;
const pressedPauseMs = 5;
/** A stretch estimated larger than this waits for its turn to catch up; the turn ends when fewer records than that are left. */
const longStretchBytes = 1024 * 1024;
const caughtUpRecords = 16;

type News = Extract<WorldMessage, { kind: "followNews" }>["news"];

interface Tail {
  readonly actor: ActorId;
  readonly stream: string;
  /** Stream sequence of the next record wanted. */
  nextSeq: number;
  /** When the record before it was stored, by the server's clock; undefined: none was delivered by this tail. */
  lastTimeMs: number | undefined;
  /** The record before it is another one now: the stream lost its end and gave the numbers again. */
  replaced: boolean;
  /** When the stream was created, once known. */
  created: string;
  consumer: Consumer | undefined;
  phase: "making" | "queued" | "running" | "pausing" | "ended";
  /** Counts the attempts to make a consumer: an answer to an earlier one is stale. */
  attempt: number;
  tries: number;
  pause: NodeJS.Timeout | undefined;
  checkedAtMs: number;
  restoredAtMs: number;
  toldGone: boolean;
}

/** One consumer, from its making to its end. Records that come before the look at the stream wait in `early`. */
interface Consumer {
  readonly name: string;
  readonly subscription: Subscription;
  trusted: boolean;
  early: Msg[];
  delivered: number;
  heardAtMs: number;
}

export function createTails(ports: TailPorts): Tails {
  const { connection, inbox } = ports;
  const tails = new Map<string, Tail>();
  /** Whose turn it is to catch up, and who waits for it. */
  let catching: Tail | undefined;
  let queue: Tail[] = [];
  let made = 0;
  let watchdog: NodeJS.Timeout | undefined;
  const nowMs = (): number => performance.now();

  const stopWatching = connection.onChange((up) => {
    if (up) for (const tail of tails.values()) again(tail, true);
  });

  function tell(tail: Tail, news: News, state: { lastSeq: number; created: string }): void {
    ports.deliver(tail.actor, { kind: "followNews", stream: tail.stream, news, ...state });
  }

  // Making a consumer: look at the stream, wait for the turn when much is to come, create, look again, trust.
  function make(tail: Tail): void {
    tail.phase = "making";
    tail.pause = undefined;
    const attempt = ++tail.attempt;
    look(tail, attempt, (state) => {
      if (stretchBytes(tail, state) > longStretchBytes) takeTurn(tail);
      else create(tail);
    });
  }

  function takeTurn(tail: Tail): void {
    if (catching === undefined) catching = tail;
    if (catching === tail) return create(tail);
    tail.phase = "queued";
    queue.push(tail);
  }

  function endTurn(tail: Tail): void {
    if (tail.phase === "queued") queue = queue.filter((other) => other !== tail);
    if (catching !== tail) return;
    catching = queue.shift();
    if (catching !== undefined) make(catching);
  }

  function create(tail: Tail): void {
    const consumer = subscribe(tail);
    const { attempt } = tail;
    tail.consumer = consumer;
    made++;
    // The last record delivered comes once more, to be compared (T6).
    const fromSeq = tail.lastTimeMs === undefined ? tail.nextSeq : tail.nextSeq - 1;
    const config = consumerConfig(consumer.name, consumer.subscription.getSubject(), fromSeq);
    const call = `CONSUMER.CREATE.${tail.stream}.${consumer.name}`;
    callApi(inbox, call, { stream_name: tail.stream, config, action: "create" }, callTimeoutMs, (answer) => {
      if (tail.attempt !== attempt) return;
      if (answer.kind !== "ok") return isGone(answer) ? onGone(tail) : again(tail, false);
      look(tail, attempt, (state) => {
        trust(tail, consumer);
        if (state.lastSeq !== tail.nextSeq - 1) return;
        endTurn(tail);
        tell(tail, "idle", state);
      });
    });
  }

  /** Asks for the stream's state; goes on with `then` when it is the stream that we knew, with all that was delivered. */
  function look(tail: Tail, attempt: number, then: (state: StreamState) => void): void {
    tail.checkedAtMs = nowMs();
    callApi(inbox, `STREAM.INFO.${tail.stream}`, undefined, callTimeoutMs, (answer) => {
      if (tail.attempt !== attempt) return;
      const outcome = streamOutcome(answer);
      if (outcome.kind === "gone") return onGone(tail);
      if (outcome.kind === "unknown") return tail.phase === "running" ? undefined : again(tail, false);
      const { state } = outcome;
      const known = tail.created;
      tail.created = state.created;
      tail.toldGone = false;
      if (known !== "" && known !== state.created) return startOver(tail, "recreated", state);
      if (tail.replaced || state.lastSeq < tail.nextSeq - 1) return startOver(tail, "regressed", state);
      then(state);
    });
  }

  function trust(tail: Tail, consumer: Consumer): void {
    consumer.trusted = true;
    consumer.heardAtMs = nowMs();
    tail.phase = "running";
    tail.tries = 0;
    const { early } = consumer;
    consumer.early = [];
    for (const msg of early) if (tail.consumer === consumer) onMessage(tail, consumer, msg);
  }

  function startOver(tail: Tail, news: News, state: StreamState): void {
    tail.nextSeq = Math.max(1, state.firstSeq);
    tail.lastTimeMs = undefined;
    tail.replaced = false;
    tell(tail, news, state);
    again(tail, true);
  }

  function onGone(tail: Tail): void {
    if (!tail.toldGone) tell(tail, "gone", { lastSeq: 0, created: tail.created });
    tail.toldGone = true;
    const due = nowMs() - tail.restoredAtMs >= restoreEveryMs;
    again(tail, false);
    if (!due) return;
    tail.restoredAtMs = nowMs();
    void ports.restore(tail.stream);
  }

  /** Gives the consumer up and makes another, at once or after a pause. */
  function again(tail: Tail, atOnce: boolean): void {
    if (tail.phase === "ended") return;
    tail.attempt++;
    endTurn(tail);
    dismiss(tail);
    clearTimeout(tail.pause);
    tail.phase = "pausing";
    const pauseMs = atOnce ? 0 : Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(tail.tries++, 4));
    tail.pause = setTimeout(make, pauseMs, tail);
  }

  function dismiss(tail: Tail): void {
    const { consumer } = tail;
    if (consumer === undefined) return;
    tail.consumer = undefined;
    if (connection.nats.isClosed()) return;
    consumer.subscription.unsubscribe();
    if (consumer.trusted)
      callApi(inbox, `CONSUMER.DELETE.${tail.stream}.${consumer.name}`, undefined, callTimeoutMs, () => undefined);
  }

  // Hearing.
  function subscribe(tail: Tail): Consumer {
    const name = `${ports.hostName}-${ports.freshName()}`;
    const subscription = connection.nats.subscribe(`${connection.inboxPrefix}.tail.${name}`, {
      callback: (error, msg) => {
        if (error !== null || tail.consumer !== consumer) return;
        if (consumer.trusted || isStatus(msg)) onMessage(tail, consumer, msg);
        else consumer.early.push(msg);
      },
    });
    const consumer: Consumer = { name, subscription, trusted: false, early: [], delivered: 0, heardAtMs: nowMs() };
    return consumer;
  }

  function onMessage(tail: Tail, consumer: Consumer, msg: Msg): void {
    consumer.heardAtMs = nowMs();
    if (isStatus(msg)) return onStatus(tail, consumer, msg);
    const place = placeOf(msg.reply ?? "");
    if (place === undefined || place.consumerSeq !== consumer.delivered + 1) return again(tail, true);
    consumer.delivered = place.consumerSeq;
    if (place.consumerSeq === 1 && place.streamSeq === tail.nextSeq - 1 && tail.lastTimeMs !== undefined) {
      if (place.timeMs === tail.lastTimeMs) return;
      tail.replaced = true;
      return again(tail, true);
    }
    if (place.streamSeq < tail.nextSeq) return again(tail, true);
    tail.nextSeq = place.streamSeq + 1;
    tail.lastTimeMs = place.timeMs;
    if (catching === tail && place.pending < caughtUpRecords) endTurn(tail);
    ports.deliver(tail.actor, {
      kind: "followed",
      stream: tail.stream,
      subject: msg.subject,
      record: { seq: place.streamSeq, bytes: msg.data, timeMs: place.timeMs },
      pending: place.pending,
    });
  }

  function onStatus(tail: Tail, consumer: Consumer, msg: Msg): void {
    if (msg.reply) return flow(tail, consumer, msg.reply);
    const stalled = msg.headers?.get("Nats-Consumer-Stalled");
    if (stalled) return flow(tail, consumer, stalled);
    if (!consumer.trusted) return;
    endTurn(tail);
    const deliveredThere = Number(msg.headers?.get("Nats-Last-Consumer") ?? "0");
    if (deliveredThere > consumer.delivered) return again(tail, true);
    // Beyond what was delivered, with no delivery missing: the server skipped records that it cannot read. The follower hears how far the stream goes.
    const passedThere = Number(msg.headers?.get("Nats-Last-Stream") ?? "0");
    tell(tail, "idle", { lastSeq: Math.max(passedThere, tail.nextSeq - 1), created: tail.created });
  }

  /** Flow control: the server goes on sending once this is answered. */
  function flow(tail: Tail, consumer: Consumer, subject: string): void {
    if (tail.consumer !== consumer || connection.nats.isClosed()) return;
    if (ports.pressed()) return void setTimeout(flow, pressedPauseMs, tail, consumer, subject);
    connection.nats.publish(subject);
  }

  // Watching: one timer for all.
  function watch(): void {
    const now = nowMs();
    if (!connection.isUp()) return;
    for (const tail of tails.values()) {
      const { consumer } = tail;
      if (tail.phase !== "running" || consumer === undefined) continue;
      if (now - consumer.heardAtMs > silenceMs) again(tail, true);
      else if (now - tail.checkedAtMs > checkEveryMs) look(tail, tail.attempt, () => undefined);
    }
  }

  function end(key: string): void {
    const tail = tails.get(key);
    if (tail === undefined) return;
    tails.delete(key);
    clearTimeout(tail.pause);
    tail.attempt++;
    endTurn(tail);
    dismiss(tail);
    tail.phase = "ended";
    if (tails.size === 0) {
      clearInterval(watchdog);
      watchdog = undefined;
    }
  }

  return {
    follow(actor, stream, fromSeq) {
      const key = keyOf(actor, stream);
      end(key);
      const tail: Tail = {
        actor,
        stream,
        nextSeq: Math.max(1, fromSeq),
        lastTimeMs: undefined,
        replaced: false,
        created: "",
        consumer: undefined,
        phase: "making",
        attempt: 0,
        tries: 0,
        pause: undefined,
        checkedAtMs: 0,
        restoredAtMs: Number.NEGATIVE_INFINITY,
        toldGone: false,
      };
      tails.set(key, tail);
      watchdog ??= setInterval(watch, watchEveryMs);
      make(tail);
    },
    unfollow: (actor, stream) => end(keyOf(actor, stream)),
    forget(actor) {
      for (const [key, tail] of [...tails]) if (tail.actor === actor) end(key);
    },
    count: () => tails.size,
    made: () => made,
    close() {
      stopWatching();
      for (const key of [...tails.keys()]) end(key);
    },
  };
}

/** About how many bytes of the stream are still to come. */
function stretchBytes(tail: Tail, state: StreamState): number {
  const records = state.lastSeq - Math.max(tail.nextSeq, state.firstSeq) + 1;
  return (Math.max(0, records) * state.bytes) / Math.max(1, state.messages);
}

function isGone(answer: ApiAnswer): boolean {
  return answer.kind === "error" && answer.error.errCode === jsErrors.streamNotFound;
}

function keyOf(actor: ActorId, stream: string): string {
  return `${actor} ${stream}`;
}

const nsPerMs = 1_000_000;

function consumerConfig(name: string, deliverSubject: string, fromSeq: number): object {
  return {
    name,
    deliver_subject: deliverSubject,
    deliver_policy: "by_start_sequence",
    opt_start_seq: fromSeq,
    ack_policy: "none",
    replay_policy: "instant",
    mem_storage: true,
    num_replicas: 1,
    flow_control: true,
    idle_heartbeat: heartbeatMs * nsPerMs,
    inactive_threshold: inactiveMs * nsPerMs,
  };
}

/** Heartbeats and flow control carry status 100 and no data. A record always has some: only of a message without are the headers worth decoding. */
function isStatus(msg: Msg): boolean {
  return msg.data.length === 0 && msg.headers?.code === 100;
}

interface Place {
  readonly streamSeq: number;
  readonly consumerSeq: number;
  readonly timeMs: number;
  readonly pending: number;
}

/** `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time ns>.<pending>[.<token>]` */
function placeOf(reply: string): Place | undefined {
  const tokens = reply.split(".");
  if (tokens[0] !== "$JS" || tokens[1] !== "ACK") return undefined;
  const at = tokens.length === 9 ? 5 : tokens.length >= 11 ? 7 : -1;
  if (at < 0) return undefined;
  const place = {
    streamSeq: Number(tokens[at]),
    consumerSeq: Number(tokens[at + 1]),
    timeMs: Math.floor(Number(tokens[at + 2]) / nsPerMs),
    pending: Number(tokens[at + 3]),
  };
  return Number.isSafeInteger(place.streamSeq) && Number.isSafeInteger(place.consumerSeq) ? place : undefined;
}
