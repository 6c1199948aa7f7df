// Office. Owns the way from a won lease to leading, and out again.
// O1 the first record of a term is `leaderElected`, appended to a ledger that was read to its end: from then on no older leader can append (I8).
// O2 a ledger that lost records which this member knows is continued above them: a snapshot first, then the sequence leaps over every number ever given.

import type { Effect, Effects, ReplyTo, WorldMessage } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import { type Fault, fault } from "../../src/kernel/fault.js";
import type { Context } from "../../src/kernel/machine.js";
import type { LedgerEvent } from "../../src/ledger/event.js";
import { encodeLedgerRecord } from "../../src/ledger/record.js";
import type { AdminAnswer } from "../../src/protocol/control.js";
import { streams, subjects } from "../../src/protocol/subjects.js";
import type { LeaderState, Office } from "./state.js";

/** Far more than records can be under way: no member ever folded a number beyond it. */
const leap = 1000;
const retryMs = 100;
/** How long a hole in the ledger may be a matter of slow delivery. */
const holePatienceMs = 3000;

type Entering = Extract<Office, { kind: "entering" }>;

export function enter(state: LeaderState, context: Context): Effects {
  const office: Entering = {
    kind: "entering",
    step: "looking",
    ticket: 0,
    sinceMs: context.nowMs,
    lastSeq: -1,
    mended: false,
  };
  state.office = office;
  state.dirty = false;
  return look(state, office);
}

/** Reads where the ledger ends: the stream's last sequence, then the subject's last record. */
function look(state: LeaderState, office: Entering): Effects {
  office.step = "looking";
  office.lastSeq = -1;
  office.ticket = state.tickets.next();
  return [
    { kind: "readStream", stream: streams.ledger(state.config.partition), ticket: office.ticket },
    { kind: "wake", name: "office", afterMs: state.config.timing.askTimeoutMs },
  ];
}

const lookSoon: Effects = [{ kind: "wake", name: "office", afterMs: retryMs }];

/** Undefined: not for the way into office. */
export function onEntering(
  state: LeaderState,
  office: Entering,
  message: WorldMessage,
  context: Context,
): Effects | undefined {
  if (message.kind === "woke" && message.name === "office")
    return office.step === "looking" ? look(state, office) : none;
  if (message.kind === "streamRead" && message.ticket === office.ticket) {
    if (message.outcome.kind !== "state") return lookSoon;
    office.lastSeq = message.outcome.state.lastSeq;
    office.ticket = state.tickets.next();
    const { partition } = state.config;
    const log = { stream: streams.ledger(partition), subject: subjects.ledger(partition) };
    return [{ kind: "readLog", log, at: "last", seq: 0, ticket: office.ticket }];
  }
  if (message.kind === "logRead" && message.ticket === office.ticket && office.lastSeq >= 0) {
    const { outcome } = message;
    if (outcome.kind === "gone" || outcome.kind === "unknown") return lookSoon;
    state.fenceSeq = outcome.kind === "record" ? outcome.record.seq : 0;
    return onEndKnown(state, office, Math.max(office.lastSeq, state.fenceSeq), context);
  }
  return undefined;
}

function onEndKnown(state: LeaderState, office: Entering, lastSeq: number, context: Context): Effects {
  const { tail } = state;
  if (lastSeq === tail.view.seq) return elect(state, office, context);
  if (lastSeq < tail.view.seq) return mend(state, office, context);
  // The tail has still to read on, or cannot: then what lies in the hole is lost to everybody.
  if (tail.holeBefore === 0) office.sinceMs = context.nowMs;
  if (tail.holeBefore === 0 || context.nowMs - office.sinceMs < holePatienceMs) return lookSoon;
  const from = tail.view.seq + 1;
  const to = tail.holeBefore - 1;
  noteLoss(state, context, `records ${from} to ${to} of the cluster's ledger cannot be read; went on behind them`);
  office.sinceMs = context.nowMs;
  return [...tail.leap(to), ...lookSoon];
}

function mend(state: LeaderState, office: Entering, context: Context): Effects {
  const { tail, snapshots } = state;
  if (snapshots.busy) return lookSoon;
  // Mended already, and the trim that moves the stream's numbers has not been carried out yet, or got lost.
  if (office.mended) return [trimToView(state), ...lookSoon];
  office.step = "snapshot";
  noteLoss(
    state,
    context,
    `the cluster's ledger lost its end; continued from record ${tail.view.seq} as this member knew it`,
  );
  return [...tail.leap(tail.view.seq + leap), ...state.snapshots.write(tail.view)];
}

/** The snapshot of a mended ledger is stored, or was not. */
export function onMended(state: LeaderState, office: Entering, written: boolean): Effects {
  if (office.step !== "snapshot") return none;
  office.step = "looking";
  office.mended = written;
  return [...(written ? [trimToView(state)] : none), ...lookSoon];
}

/** A purge beyond the end of a stream moves the number that it gives next. */
function trimToView({ config, tail }: LeaderState): Effect {
  return { kind: "trimStream", stream: streams.ledger(config.partition), belowSeq: tail.view.seq + 1 };
}

function noteLoss(state: LeaderState, { wallMs }: Context, note: string): void {
  state.incidents.push({
    atMs: wallMs,
    node: state.config.member,
    what: "logRegressed",
    outcome: "noticed",
    fragments: [],
    note,
  });
}

function elect(state: LeaderState, office: Entering, { wallMs }: Context): Effects {
  office.step = "electing";
  const { config, tail } = state;
  state.term = Math.max(state.lease.term, tail.view.term + 1);
  const events: LedgerEvent[] = [{ kind: "leaderElected", term: state.term, member: config.member }];
  if (tail.view.logGroups === 0) {
    const { logGroups, partitions } = config;
    events.push({ kind: "clusterCreated", logGroups, partitions, createdMs: wallMs });
  }
  return submit(state, events, []);
}

export interface HeldReply {
  readonly to: ReplyTo;
  readonly body: AdminAnswer;
}

/** Sends a record; what depends on it waits for its ticket (I1). */
export function submit(state: LeaderState, events: readonly LedgerEvent[], replies: readonly HeldReply[]): Effects {
  const nonce = `${state.nonce}-${state.tickets.next()}`;
  const record = { term: state.term, member: state.config.member, nonce, events };
  const ticket = state.tickets.next();
  const held: Effects = replies.map(({ to, body }) => ({ kind: "reply", to, body, after: ticket }));
  const condemned = new Set(events.flatMap((event) => (event.kind === "nodeDown" ? [event.node] : [])));
  state.flight = { record, ticket, condemned };
  return [...held, ...state.appender.submit(encodeLedgerRecord(record), state.fenceSeq)];
}

/** Lays the office down: what waits is answered, the rest is forgotten. */
export function leave(state: LeaderState, why: Fault): Effects {
  const effects: Effect[] = [...state.appender.abandon(), ...state.snapshots.abandon()];
  if (state.flight !== undefined) effects.push({ kind: "settle", ticket: state.flight.ticket, fault: why });
  const notLeader = fault("NOT_LEADER", "this member no longer leads; the next leader answers, try again");
  for (const { from } of state.orders) effects.push({ kind: "reply", to: from, body: { fault: notLeader } });
  if (state.office.kind !== "standby")
    effects.push({ kind: "log", level: "info", event: "leaderLeft", fields: { term: state.term, why: why.message } });
  state.orders.length = 0;
  state.flight = undefined;
  state.office = { kind: "standby" };
  effects.push({ kind: "unwake", name: "office" }, { kind: "unwake", name: "tick" });
  return effects;
}
