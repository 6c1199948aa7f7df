// Lease. Owns this member's part in the competition for one partition's leadership: watching the holder, taking over, renewing, giving back.
// L1 a claim is a compare-and-set on the record that was seen: of several candidates one wins.
// L2 the holder counts from before it sent the renewal and acts for `actingShare` of the lease; a candidate counts from when it saw the renewal and waits
//    for all of it. Both only on their own monotonic clocks, so two never act at once.
// L3 the wait is skipped only where the holder certainly does not act: it gave the lease back, its exit was seen, or it is this process.

import type { Timing } from "../../src/config/limits.js";
import { createAppender } from "../../src/kernel/appender.js";
import type { Effect, Effects, LogSubject, ReadOutcome, WorldMessage } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import type { Context } from "../../src/kernel/machine.js";
import type { Tickets } from "../../src/kernel/tickets.js";
import { decodeLeaseRecord, encodeLeaseRecord, type LeaseRecord } from "../../src/ledger/lease-record.js";
import { streams, subjects } from "../../src/protocol/subjects.js";
import type { LeaderConfig } from "./config.js";

export interface LeaseStep {
  readonly effects: Effects;
  readonly news?: "won" | "lost";
}

export interface LeaseWatch {
  /** False while the ledger is not loaded: nobody leads who does not know what to lead. */
  readonly ready: () => boolean;
  /** True when the ledger has never been written: then nobody can hold a lease that is not to be seen. */
  readonly unborn: () => boolean;
  /** Highest term known from the ledger. */
  readonly term: () => number;
  /** The exit of this process was seen. */
  readonly dead: (member: string, incarnation: string) => boolean;
}

export interface Lease {
  readonly term: number;
  /** This member may act as leader now. */
  holds(nowMs: number): boolean;
  start(context: Context): Effects;
  on(message: WorldMessage, context: Context): LeaseStep | undefined;
  /** Looks at once: something about the holder became known. */
  look(): Effects;
  /** Stops acting and competing; a held lease is given back. */
  release(): Effects;
  /** `release` is over: nothing is under way any more. */
  readonly isLeft: boolean;
}

/** Of the lease, how much its holder uses. The rest is for clocks that run at different rates and for steps that come late. */
export const actingShare = 0.7;

interface Seen {
  readonly seq: number;
  readonly record: LeaseRecord | undefined;
  readonly sinceMs: number;
  readonly staggerMs: number;
}

type Mode =
  | { readonly kind: "watching" }
  | { readonly kind: "claiming"; readonly record: LeaseRecord; readonly sentMs: number }
  | { readonly kind: "holding"; record: LeaseRecord; seq: number; sentMs: number; endsMs: number }
  | { readonly kind: "releasing"; readonly record: LeaseRecord; sent: boolean }
  | { readonly kind: "left" };

export function createLease(config: LeaderConfig, tickets: Tickets, watch: LeaseWatch): Lease {
  const { member, incarnation = "", partition, timing } = config;
  const log: LogSubject = { stream: streams.lease, subject: subjects.lease(partition) };
  const appender = createAppender(log, tickets, "lease/append");
  let mode: Mode = { kind: "watching" };
  let seen: Seen | undefined;
  let pollTicket = 0;
  let nonce = "";
  let term = 0;

  function poll(afterMs = timing.leaderRenewMs): Effects {
    pollTicket = tickets.next();
    return [
      { kind: "readLog", log, at: "last", seq: 0, ticket: pollTicket },
      { kind: "wake", name: "lease", afterMs },
    ];
  }
  function onPolled(outcome: ReadOutcome, context: Context): LeaseStep {
    if (outcome.kind === "gone" || outcome.kind === "unknown") return { effects: none };
    const seq = outcome.kind === "record" ? outcome.record.seq : 0;
    if (seen === undefined || seen.seq !== seq) {
      const decoded = outcome.kind === "record" ? decodeLeaseRecord(outcome.record.bytes) : undefined;
      const record = decoded?.ok === true ? decoded.value : undefined;
      seen = { seq, record, sinceMs: context.nowMs, staggerMs: staggerOf(config, context) };
    }
    if (!watch.ready()) return { effects: none };
    const leftMs = dueMs(seen) - context.nowMs;
    if (leftMs <= 0) return { effects: claim(seen, context) };
    return { effects: [{ kind: "wake", name: "lease", afterMs: Math.min(timing.leaderRenewMs, leftMs) }] };
  }
  function dueMs({ record, sinceMs, staggerMs }: Seen): number {
    if (record === undefined) return sinceMs + staggerMs + (watch.unborn() ? 0 : timing.leaderLeaseMs);
    if (record.nonce === nonce) return sinceMs;
    const dead = record.incarnation !== "" && watch.dead(record.member, record.incarnation);
    if (record.released || dead) return sinceMs + staggerMs;
    return sinceMs + timing.leaderLeaseMs + staggerMs;
  }
  function claim(from: Seen, context: Context): Effects {
    const record: LeaseRecord = {
      term: Math.max(from.record?.term ?? 0, watch.term()) + 1,
      member,
      incarnation,
      nonce,
      renewals: 0,
      released: false,
    };
    mode = { kind: "claiming", record, sentMs: context.nowMs };
    return [{ kind: "unwake", name: "lease" }, ...appender.submit(encodeLeaseRecord(record), from.seq)];
  }
  function watchAgain(): Effects {
    mode = { kind: "watching" };
    seen = undefined;
    return [...appender.abandon(), { kind: "unwake", name: "lease/end" }, ...poll()];
  }
  function onStored(seq: number, context: Context): LeaseStep {
    switch (mode.kind) {
      case "claiming":
        return onWon(mode.record, mode.sentMs, seq, context);
      case "holding":
        // It came too late: others may have been told that the lease is over.
        if (context.nowMs >= mode.endsMs) return { effects: watchAgain(), news: "lost" };
        mode.seq = seq;
        mode.endsMs = endOf(mode.sentMs, timing);
        return { effects: [endTimer(mode.endsMs, context)] };
      case "releasing":
        if (mode.sent) mode = { kind: "left" };
        else return { effects: giveBack(mode.record, seq) };
        return { effects: none };
      case "watching":
      case "left":
        return { effects: none };
    }
  }
  function onWon(record: LeaseRecord, sentMs: number, seq: number, context: Context): LeaseStep {
    const endsMs = endOf(sentMs, timing);
    if (context.nowMs >= endsMs) return { effects: watchAgain() };
    term = record.term;
    mode = { kind: "holding", record, seq, sentMs, endsMs };
    const renewMs = Math.max(0, sentMs + timing.leaderRenewMs - context.nowMs);
    return { effects: [endTimer(endsMs, context), { kind: "wake", name: "lease", afterMs: renewMs }], news: "won" };
  }
  function renew(held: Extract<Mode, { kind: "holding" }>, context: Context): Effects {
    const again: Effect = { kind: "wake", name: "lease", afterMs: timing.leaderRenewMs };
    if (appender.busy) return [again];
    held.record = { ...held.record, renewals: held.record.renewals + 1 };
    held.sentMs = context.nowMs;
    return [again, ...appender.submit(encodeLeaseRecord(held.record), held.seq)];
  }
  function giveBack(record: LeaseRecord, seq: number): Effects {
    mode = { kind: "releasing", record, sent: true };
    const last = { ...record, renewals: record.renewals + 1, released: true };
    return appender.submit(encodeLeaseRecord(last), seq);
  }
  function onLeaseTimer(context: Context): LeaseStep {
    if (mode.kind === "watching") return { effects: poll() };
    return { effects: mode.kind === "holding" ? renew(mode, context) : none };
  }
  function onEndTimer(context: Context): LeaseStep {
    if (mode.kind !== "holding") return { effects: none };
    if (context.nowMs < mode.endsMs) return { effects: [endTimer(mode.endsMs, context)] };
    return { effects: watchAgain(), news: "lost" };
  }

  return {
    get term() {
      return term;
    },
    holds: (nowMs) => mode.kind === "holding" && nowMs < mode.endsMs,
    start(context) {
      nonce = context.random.hex(8);
      return poll();
    },
    look: () => (mode.kind === "watching" ? poll() : none),
    get isLeft() {
      return mode.kind === "left";
    },
    release() {
      if (mode.kind === "claiming" || mode.kind === "watching") {
        mode = { kind: "left" };
        return [...appender.abandon(), { kind: "unwake", name: "lease" }];
      }
      if (mode.kind !== "holding") return none;
      const { record, seq } = mode;
      const off: Effects = [
        { kind: "unwake", name: "lease" },
        { kind: "unwake", name: "lease/end" },
      ];
      if (!appender.busy) return [...off, ...giveBack(record, seq)];
      mode = { kind: "releasing", record, sent: false };
      return off;
    },
    on(message, context) {
      if (message.kind === "logRead" && message.ticket === pollTicket)
        return mode.kind === "watching" ? onPolled(message.outcome, context) : { effects: none };
      if (message.kind === "woke" && message.name === "lease") return onLeaseTimer(context);
      if (message.kind === "woke" && message.name === "lease/end") return onEndTimer(context);
      const progress = appender.on(message);
      if (progress === undefined) return undefined;
      if (progress.result === undefined) return { effects: progress.effects };
      if (progress.result.kind === "stored") return onStored(progress.result.seq, context);
      if (mode.kind === "releasing" || mode.kind === "left") {
        mode = { kind: "left" };
        return { effects: none };
      }
      const held = mode.kind === "holding";
      return held ? { effects: watchAgain(), news: "lost" } : { effects: watchAgain() };
    },
  };
}

function endOf(sentMs: number, { leaderLeaseMs }: Timing): number {
  return sentMs + leaderLeaseMs * actingShare;
}

function endTimer(endsMs: number, { nowMs }: Context): Effect {
  return { kind: "wake", name: "lease/end", afterMs: Math.max(0, endsMs - nowMs) };
}

/** So that two candidates seldom claim at once, and so that the leaders of several partitions spread over the members. */
function staggerOf({ member, partition, partitions, timing }: LeaderConfig, { random }: Context): number {
  const number = Number(/\d+$/.exec(member)?.[0] ?? 0);
  const home = number % partitions === partition;
  return (home ? 0 : timing.leaderRenewMs) + (random.next() * timing.leaderRenewMs) / 4;
}
