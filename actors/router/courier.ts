// Courier. Owns the operations on their way to nodes: gathers them per node, sends, hands results back, and tries again what may be tried again.
// C1 everything that was handed in during one turn for the same node and lane leaves as one message. While enough operations are under way to keep the node
//    busy, what comes is gathered for the next message, until an answer comes or for a moment: messages grow with the load, a lone request never waits.
//    After an answer the message leaves with the next flush, so that those who were just answered and ask again at once travel with those who were gathered;
//    and where messages of late were large, one that would be small waits for company, even on an idle node, for a part of the time that an answer takes.
// C2 every errand ends exactly once: with a result, with a fault, or by `cancel` of its trip.
// C3 a write that may have been carried out is only ever sent again with its own request id, and never reported as refused by time.
// C4 asks in flight per node and lane, operations per ask, and tries per errand have limits; what a node has too much of is held back (`restraint.ts`).

import { sameRange } from "../../src/fragment/range.js";
import type { AskOutcome, Effect, Effects, OnBehalf, Ticket } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import { type Fault, fault } from "../../src/kernel/fault.js";
import { IdMap } from "../../src/kernel/id-map.js";
import type { Context } from "../../src/kernel/machine.js";
import type { Tickets } from "../../src/kernel/tickets.js";
import type { FragmentView } from "../../src/ledger/view.js";
import type { ExecReply, FragmentOps, Op, OpResult } from "../../src/protocol/exec.js";
import { decodeExecReply, encodeExec } from "../../src/protocol/exec-codec.js";
import { type NodeId, subjects } from "../../src/protocol/subjects.js";
import type { RouterConfig } from "../router.js";
import { faultIn } from "./faults.js";
import type { Located, Locations, ViewSource } from "./locations.js";
import { createRestraint } from "./restraint.js";
import { type Verdict, verdictOf } from "./verdict.js";

/** `quick` operations share messages. `slow` ones (large answers) and `waiting` ones (late answers) travel alone. */
export type Lane = "quick" | "slow" | "waiting";

export type Result = Exclude<OpResult, { readonly op: "fault" }>;
export type Outcome =
  | { readonly result: Result; readonly fragment: FragmentView }
  | { readonly fault: Fault; readonly fragment: FragmentView | undefined };

export interface Errand {
  readonly table: Located;
  readonly access: "read" | "write";
  /** Client group of whoever asks. */
  readonly group: string;
  /** The world's name of the request, where it is traced. */
  readonly trace?: string | undefined;
  readonly lane: Lane;
  /** Any ready replica will do; otherwise the primary. */
  readonly anyReplica: boolean;
  /** Monotonic, of this host. */
  readonly deadlineMs: number;
  /** How long one try may take at most. */
  readonly tryMs: number;
  /** Encoded size, roughly. */
  readonly bytes: number;
  /** Where it goes; asked again at each try. */
  find(): FragmentView | undefined;
  /** Why it cannot go anywhere any more; asked again at each try. */
  ends?: ((trip: Trip) => Fault | undefined) | undefined;
  opFor(fragment: FragmentView): Op;
  done(outcome: Outcome, context: Context): Effects;
}

/** One errand under way. */
export interface Trip {
  readonly errand: Errand;
  /** True when a try of a write ended without an answer: it may have been carried out. */
  maybeDone: boolean;
  ended: boolean;
  sent: boolean;
  tries: number;
  overloads: number;
  /** How many may share a message with it; fewer after an answer that was too large for one. */
  most: number;
  /** A replica refused as too stale. */
  toPrimary: boolean;
  fragment: FragmentView | undefined;
  /** Where it was sent last. */
  node: NodeId;
  epochTried: number;
  dueMs: number;
  lastFault: Fault | undefined;
}

export interface Courier {
  submit(errand: Errand, context: Context): { readonly trip: Trip; readonly effects: Effects };
  /** Forgets a trip: its answer, if one comes, is dropped. */
  cancel(trip: Trip): void;
  flush(context: Context): Effects;
  /** The time of gathering is over. */
  gathered(context: Context): Effects;
  answered(ticket: Ticket, outcome: AskOutcome, context: Context): Effects | undefined;
  retry(context: Context): Effects;
  /** The view changed: what waits for that goes at once, what was not sent yet is addressed anew. */
  viewChanged(context: Context): Effects;
}

interface Queue {
  readonly node: NodeId;
  readonly lane: Lane;
  readonly access: "read" | "write";
  readonly subject: string;
  /** Of the last errand that had it made: with `core` reach a queue serves all tables. */
  readonly table: string;
  open: Trip[];
  asks: number;
  /** Operations in those asks. */
  opsUnderWay: number;
  /** How long answers took of late. */
  answerMs: number;
  /** How many operations messages had of late. */
  messageOps: number;
  sentMs: number;
  /** What is open is being gathered, until then at the latest. */
  gathersUntilMs: number | undefined;
}

/** Operations of one message for one fragment, sent in the same epoch for the same client group. */
interface Share {
  readonly fragment: FragmentView;
  readonly epoch: number;
  readonly group: number;
  readonly number: number;
  readonly trips: Trip[];
  readonly ops: Op[];
}

interface Shipment {
  readonly queue: Queue;
  readonly partition: number;
  /** In the order of the request's parts and ops. */
  readonly parts: readonly (readonly Trip[])[];
  readonly count: number;
  readonly sentMs: number;
}

interface LaneLimits {
  readonly asks: number;
  readonly ops: number;
  readonly bytes: number;
  readonly gather?: Gather;
}

/** When the next message is gathered, and how long. */
interface Gather {
  /** With fewer asks, and fewer operations in them, everything leaves at once. */
  readonly busyAsks: number;
  readonly busyOps: number;
  /** So many are worth a message of their own, busy or not. */
  readonly fullOps: number;
  /**
   * What is gathered waits no longer than answers of late took, within these bounds, for an answer to those before it, which may be slow for reasons of their own:
   * on a node that slows down messages grow instead of becoming more.
   */
  readonly leastMs: number;
  readonly mostMs: number;
  /** So long at most, and half the time of an answer, a small message waits for company on an idle node. */
  readonly companyMs: number;
}

/**
 * Reads: a message of some dozens costs little more per operation than one of hundreds, and two of them keep client and node busy at the same time.
 * Writes: what leaves together is committed together, one record per fragment, and a record costs as much as dozens of operations; so they gather longer.
 */
const readLimits: LaneLimits = {
  asks: 32,
  ops: 64,
  bytes: 512 * 1024,
  gather: { busyAsks: 2, busyOps: 8, fullOps: 32, leastMs: 2, mostMs: 8, companyMs: 2 },
};
const writeLimits: LaneLimits = {
  asks: 32,
  ops: 512,
  bytes: 512 * 1024,
  gather: { busyAsks: 2, busyOps: 8, fullOps: 256, leastMs: 2, mostMs: 25, companyMs: 8 },
};
/** How much the newest answer's time, and the newest message's size, weigh among those of late. */
const newestWeight = 0.25;
/** A queue that sent nothing for so long forgets that it was busy: whoever comes then is alone. */
const forgetMs = 50;
/** What a timer can tell apart. */
const shortestWaitMs = 1;
const slowLimits: LaneLimits = { asks: 64, ops: 1, bytes: 256 * 1024 };
const waitingLimits: LaneLimits = { asks: 4096, ops: 1, bytes: 256 * 1024 };

function limitsOf({ lane, access }: Pick<Queue, "lane" | "access">): LaneLimits {
  if (lane === "quick") return access === "write" ? writeLimits : readLimits;
  return lane === "slow" ? slowLimits : waitingLimits;
}

const mostTries = 64;
const mostOverloads = 3;
const firstPauseMs = 4;
const longestPauseMs = 150;

export const flushTimer = "router/flush";
export const gatherTimer = "router/gather";
export const retryTimer = "router/retry";

export function createCourier(
  config: RouterConfig,
  locations: Locations,
  source: ViewSource,
  tickets: Tickets,
): Courier {
  /** A client's own word is not listened to: the node takes what the server stamped. */
  const tellsGroups = config.reach === "core";
  const queues = new Map<string, Queue>();
  /** The queue that the last errand to a node went into: the next one mostly goes there too, and needs no name put together. */
  const lastQueues = new Map<NodeId, Queue>();
  const shipments = new IdMap<Shipment>();
  const paused = new Set<Trip>();
  const restraint = createRestraint();
  let flushArmed = false;
  let gatherAtMs = Number.POSITIVE_INFINITY;
  let retryAtMs = Number.POSITIVE_INFINITY;

  function queueFor(node: NodeId, errand: Errand): Queue {
    const { access, lane, table } = errand;
    const last = lastQueues.get(node);
    if (last !== undefined && last.access === access && last.lane === lane && last.table === table.def.name)
      return last;
    const subject = config.reach === "core" ? subjects.exec(node) : subjects.direct(table.def.name, access, node);
    const key = keyOf(errand, subject);
    let queue = queues.get(key);
    if (queue === undefined) {
      queue = {
        node,
        lane,
        access,
        subject,
        table: table.def.name,
        open: [],
        asks: 0,
        opsUnderWay: 0,
        answerMs: 0,
        messageOps: 0,
        sentMs: 0,
        gathersUntilMs: undefined,
      };
      queues.set(key, queue);
    }
    lastQueues.set(node, queue);
    return queue;
  }

  /** Sends, or gathers on, at the end of this turn. */
  function armFlush(): Effects {
    if (flushArmed) return none;
    flushArmed = true;
    return [{ kind: "wake", name: flushTimer, afterMs: 0 }];
  }

  /** Addresses a trip and puts it with the others that go there. */
  function place(trip: Trip, context: Context): Effects {
    const { errand } = trip;
    const fragment = errand.find();
    const why = errand.ends?.(trip);
    if (why !== undefined) return end(trip, { fault: why, fragment: trip.fragment }, context);
    trip.fragment = fragment;
    if (fragment === undefined)
      return pause(
        trip,
        0,
        fault("UNAVAILABLE", `no fragment of table ${errand.table.def.name} is known to hold this key yet`),
        context,
      );
    const node =
      errand.anyReplica && !trip.toPrimary
        ? locations.readerOf(errand.table, fragment, context.random)
        : fragment.primary;
    trip.node = node;
    if (errand.lane === "quick" && trip.tries === 0) {
      const tooMuch = restraint.refusal(node, errand.group, context.nowMs, context.random);
      if (tooMuch !== undefined) return end(trip, { fault: tooMuch, fragment }, context);
    }
    trip.epochTried = fragment.epoch;
    trip.sent = false;
    queueFor(node, errand).open.push(trip);
    return armFlush();
  }

  function pause(trip: Trip, atLeastMs: number, why: Fault, context: Context): Effects {
    trip.lastFault = why;
    trip.sent = false;
    trip.tries++;
    if (trip.tries > mostTries) return end(trip, { fault: why, fragment: trip.fragment }, context);
    const growing = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(trip.tries - 1, 6));
    trip.dueMs = context.nowMs + Math.max(atLeastMs, growing * (0.5 + context.random.next() / 2));
    paused.add(trip);
    return armRetry(trip.dueMs, context);
  }

  function armRetry(dueMs: number, context: Context): Effects {
    if (dueMs >= retryAtMs) return none;
    retryAtMs = dueMs;
    return [{ kind: "wake", name: retryTimer, afterMs: Math.max(1, Math.ceil(dueMs - context.nowMs)) }];
  }

  function end(trip: Trip, outcome: Outcome, context: Context): Effects {
    if (trip.ended) return none;
    trip.ended = true;
    return trip.errand.done(outcome, context);
  }

  /** Sends what waits for one node now, or gathers it for a moment (C1). */
  function sendOrGather(queue: Queue, context: Context): Effects {
    const { gather } = limitsOf(queue);
    if (gather === undefined || queue.open.length >= gather.fullOps) return pump(queue, context);
    const patienceMs = isIdle(queue, gather)
      ? companyMs(queue, gather, context)
      : Math.min(gather.mostMs, Math.max(gather.leastMs, queue.answerMs));
    if (patienceMs < shortestWaitMs) return pump(queue, context);
    queue.gathersUntilMs = Math.min(queue.gathersUntilMs ?? Number.POSITIVE_INFINITY, context.nowMs + patienceMs);
    return armGather(queue.gathersUntilMs, context);
  }

  function armGather(atMs: number, context: Context): Effects {
    if (atMs >= gatherAtMs) return none;
    gatherAtMs = atMs;
    return [{ kind: "wake", name: gatherTimer, afterMs: Math.max(shortestWaitMs, atMs - context.nowMs) }];
  }

  /** Sends what waits for one node, as far as the asks in flight allow. */
  function pump(queue: Queue, context: Context): Effects {
    const effects: Effect[] = [];
    const lane = limitsOf(queue);
    queue.gathersUntilMs = undefined;
    while (queue.open.length > 0 && queue.asks < lane.asks) {
      const load: Trip[] = [];
      let bytes = 0;
      let taken = 0;
      let most = lane.ops;
      for (const trip of queue.open) {
        most = Math.min(most, trip.most);
        if (load.length >= most || (load.length > 0 && bytes + trip.errand.bytes > lane.bytes)) break;
        taken++;
        if (trip.ended) continue;
        load.push(trip);
        bytes += trip.errand.bytes;
      }
      queue.open = taken === queue.open.length ? [] : queue.open.slice(taken);
      if (load.length > 0) effects.push(send(queue, load, context));
    }
    return effects;
  }

  function send(queue: Queue, load: readonly Trip[], context: Context): Effect {
    const shares: Share[] = [];
    const byFragment = new Map<FragmentView, Share[]>();
    const groups: string[] = [];
    let behalf: OnBehalf[] | undefined;
    let timeLeftMs = 1;
    let tryMs = 1;
    let partition = 0;
    for (const trip of load) {
      const fragment = trip.fragment;
      if (fragment === undefined) continue;
      const epoch = trip.errand.anyReplica && !trip.toPrimary ? 0 : trip.epochTried;
      let group = groups.indexOf(trip.errand.group);
      if (group < 0) group = groups.push(trip.errand.group) - 1;
      let same = byFragment.get(fragment);
      if (same === undefined) {
        same = [];
        byFragment.set(fragment, same);
      }
      let part = same.find((one) => one.epoch === epoch && one.group === group);
      if (part === undefined) {
        part = { fragment, epoch, group, number: shares.length, trips: [], ops: [] };
        same.push(part);
        shares.push(part);
      }
      trip.sent = true;
      const { trace } = trip.errand;
      if (trace !== undefined) {
        behalf ??= [];
        behalf.push({ trace, place: [part.number, part.ops.length] });
      }
      part.trips.push(trip);
      part.ops.push(trip.errand.opFor(fragment));
      partition = trip.errand.table.partition;
      const leftMs = Math.max(1, Math.ceil(trip.errand.deadlineMs - context.nowMs));
      timeLeftMs = Math.max(timeLeftMs, leftMs);
      tryMs = Math.max(tryMs, Math.min(leftMs, trip.errand.tryMs));
    }
    const parts: FragmentOps[] = [];
    const trips: Trip[][] = [];
    for (const part of shares) {
      const { fragment, epoch, ops, group } = part;
      parts.push(tellsGroups ? { fragment: fragment.id, epoch, ops, group } : { fragment: fragment.id, epoch, ops });
      trips.push(part.trips);
    }
    const ticket = tickets.next();
    shipments.set(ticket, { queue, partition, parts: trips, count: load.length, sentMs: context.nowMs });
    queue.asks++;
    queue.opsUnderWay += load.length;
    queue.messageOps += (load.length - queue.messageOps) * newestWeight;
    queue.sentMs = context.nowMs;
    const body = encodeExec(tellsGroups ? { timeLeftMs, parts, groups } : { timeLeftMs, parts });
    const ask = { kind: "ask", subject: queue.subject, body, timeoutMs: tryMs, ticket } as const;
    return behalf === undefined ? ask : { ...ask, behalf };
  }

  /** What one operation's answer means for its trip. */
  function settle(trip: Trip, result: OpResult, context: Context): Effects {
    if (result.op !== "fault") restraint.took(trip.node, trip.errand.group, context.nowMs);
    if (trip.ended) return none;
    if (result.op !== "fault") {
      if (trip.fragment === undefined) return none;
      return end(trip, { result, fragment: trip.fragment }, context);
    }
    return refused(trip, result.fault, verdictOf(result.fault), context);
  }

  function refused(trip: Trip, why: Fault, verdict: Verdict, context: Context): Effects {
    if (trip.ended) return none;
    switch (verdict.kind) {
      case "final":
        restraint.took(trip.node, trip.errand.group, context.nowMs);
        return end(trip, { fault: why, fragment: trip.fragment }, context);
      case "stale": {
        if (trip.toPrimary) return pause(trip, 0, why, context);
        trip.toPrimary = true;
        return place(trip, context);
      }
      case "overloaded": {
        trip.overloads++;
        const { retryAfterMs } = verdict;
        const mayAgain = restraint.refused(trip.node, trip.errand.group, retryAfterMs, context.nowMs);
        // An earlier try may have been carried out (C3): then a refusal says nothing, and it goes on until its time is over.
        const isOver = !trip.maybeDone && (!mayAgain || trip.overloads > mostOverloads);
        if (isOver) return end(trip, { fault: why, fragment: trip.fragment }, context);
        return pause(trip, retryAfterMs, why, context);
      }
      case "unknown":
        if (trip.errand.access === "write") trip.maybeDone = true;
        return pause(trip, 0, why, context);
      case "elsewhere":
        return [...pause(trip, 0, why, context), ...source.hint(trip.errand.table.partition, 0)];
    }
  }

  function everyTrip(shipment: Shipment, why: Fault, verdict: Verdict, context: Context): Effects {
    const effects: Effect[] = [];
    for (const trips of shipment.parts) for (const trip of trips) effects.push(...refused(trip, why, verdict, context));
    return effects;
  }

  /** The answers of one message did not fit into one: ask again in smaller messages. */
  function apart(shipment: Shipment, context: Context): Effects {
    const most = Math.max(1, Math.floor(shipment.count / 8));
    const effects: Effect[] = [];
    for (const trip of shipment.parts.flat()) {
      if (trip.ended) continue;
      trip.most = most;
      trip.maybeDone ||= trip.errand.access === "write";
      effects.push(...place(trip, context));
    }
    return effects;
  }

  function delivered(shipment: Shipment, reply: ExecReply, context: Context): Effects {
    const effects: Effect[] = [];
    const missing: OpResult = {
      op: "fault",
      fault: fault("INTERNAL", `node ${shipment.queue.node} left an operation unanswered`),
    };
    for (let part = 0; part < shipment.parts.length; part++) {
      const trips = shipment.parts[part] as readonly Trip[];
      const results = reply.results[part];
      for (let index = 0; index < trips.length; index++)
        for (const effect of settle(trips[index] as Trip, results?.[index] ?? missing, context)) effects.push(effect);
    }
    const known = reply.viewSeq[shipment.partition];
    if (known !== undefined && known > 0) effects.push(...source.hint(shipment.partition, known));
    return effects;
  }

  function onAnswer(shipment: Shipment, outcome: AskOutcome, context: Context): Effects {
    const { node } = shipment.queue;
    switch (outcome.kind) {
      case "nobody":
        return everyTrip(shipment, fault("UNAVAILABLE", `node ${node} is not there`), { kind: "elsewhere" }, context);
      case "timeout":
        return [
          ...everyTrip(
            shipment,
            fault("UNKNOWN_OUTCOME", `node ${node} did not answer in time`),
            { kind: "unknown" },
            context,
          ),
          ...source.hint(shipment.partition, 0),
        ];
      case "answer": {
        const refusal = faultIn(outcome.body);
        if (refusal?.code === "TOO_LARGE" && shipment.count > 1) return apart(shipment, context);
        if (refusal !== undefined) return everyTrip(shipment, refusal, verdictOf(refusal), context);
        const reply = decodeExecReply(outcome.body);
        if (!reply.ok) return everyTrip(shipment, reply.fault, { kind: "unknown" }, context);
        return delivered(shipment, reply.value, context);
      }
    }
  }

  return {
    submit(errand, context) {
      const trip: Trip = {
        errand,
        maybeDone: false,
        ended: false,
        sent: false,
        tries: 0,
        overloads: 0,
        most: limitsOf(errand).ops,
        toPrimary: false,
        fragment: undefined,
        node: "",
        epochTried: 0,
        dueMs: 0,
        lastFault: undefined,
      };
      return { trip, effects: place(trip, context) };
    },
    cancel(trip) {
      trip.ended = true;
      paused.delete(trip);
    },
    flush(context) {
      flushArmed = false;
      const effects: Effect[] = [];
      for (const queue of queues.values()) if (queue.open.length > 0) effects.push(...sendOrGather(queue, context));
      return effects;
    },
    gathered(context) {
      gatherAtMs = Number.POSITIVE_INFINITY;
      const effects: Effect[] = [];
      for (const queue of queues.values()) {
        if (queue.gathersUntilMs === undefined) continue;
        // Timers count whole milliseconds: one that fires a little early is on time.
        if (queue.gathersUntilMs <= context.nowMs + 0.5) effects.push(...pump(queue, context));
        else effects.push(...armGather(queue.gathersUntilMs, context));
      }
      return effects;
    },
    answered(ticket, outcome, context) {
      const shipment = shipments.get(ticket);
      if (shipment === undefined) return undefined;
      shipments.delete(ticket);
      const { queue } = shipment;
      queue.asks--;
      queue.opsUnderWay -= shipment.count;
      if (outcome.kind === "answer")
        queue.answerMs += (context.nowMs - shipment.sentMs - queue.answerMs) * newestWeight;
      const effects = onAnswer(shipment, outcome, context);
      return queue.open.length === 0 ? effects : [...effects, ...armFlush()];
    },
    retry(context) {
      retryAtMs = Number.POSITIVE_INFINITY;
      const effects: Effect[] = [];
      let nextMs = Number.POSITIVE_INFINITY;
      for (const trip of [...paused]) {
        if (trip.dueMs > context.nowMs) {
          nextMs = Math.min(nextMs, trip.dueMs);
          continue;
        }
        paused.delete(trip);
        effects.push(...place(trip, context));
      }
      if (nextMs < Number.POSITIVE_INFINITY) effects.push(...armRetry(nextMs, context));
      return effects;
    },
    viewChanged(context) {
      const effects: Effect[] = [];
      const moved: Trip[] = [];
      for (const queue of queues.values()) {
        moved.push(...queue.open.filter((trip) => !trip.ended));
        queue.open = [];
        queue.gathersUntilMs = undefined;
        if (queue.asks === 0) queues.delete(keyOf(queue, queue.subject));
      }
      lastQueues.clear();
      for (const trip of [...paused]) {
        if (!isNews(trip)) continue;
        paused.delete(trip);
        moved.push(trip);
      }
      for (const trip of moved) effects.push(...place(trip, context));
      return effects;
    },
  };
}

function isIdle(queue: Queue, { busyAsks, busyOps }: Gather): boolean {
  return queue.asks < busyAsks && queue.opsUnderWay < busyOps;
}

/** How long what is open should wait for company, although the node is idle. Not at all where messages were small, or nothing came for a while. */
function companyMs(queue: Queue, { busyOps, companyMs: mostMs }: Gather, { nowMs }: Context): number {
  if (nowMs - queue.sentMs > forgetMs) queue.messageOps = 0;
  const isEnough = queue.messageOps < busyOps || queue.open.length >= 2 * queue.messageOps;
  return isEnough ? 0 : Math.min(mostMs, queue.answerMs / 2);
}

function keyOf({ lane, access }: Pick<Queue, "lane" | "access">, subject: string): string {
  return `${lane} ${access} ${subject}`;
}

/** Whether the new view says something else than the one in which the trip was addressed: another fragment, other bounds, another primary. */
function isNews(trip: Trip): boolean {
  const fragment = trip.errand.find();
  if (fragment === undefined) return trip.errand.ends?.(trip) !== undefined;
  const tried = trip.fragment;
  return (
    tried === undefined || fragment.id !== tried.id || fragment.epoch !== trip.epochTried || !sameRange(fragment, tried)
  );
}
