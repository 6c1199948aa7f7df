// Leader. Owns one member's candidacy for, and work as, the leader of one control partition: only a leader appends to the ledger.
// It never holds table data, and it says nothing to nodes or operators while it does not lead: of several candidates only the leader answers.
// LD1 it acts only under its lease (L2), and its appends are fenced by the ledger's sequence (I8): the first gives order, the second gives safety.
// LD2 what a reply says is in the ledger before the reply leaves (I1).

import { limits } from "../src/config/limits.js";
import { createAppender } from "../src/kernel/appender.js";
import type { ActorId, Effect, Effects, Request, WorldMessage } from "../src/kernel/effect.js";
import { none } from "../src/kernel/effect.js";
import { type Fault, fault } from "../src/kernel/fault.js";
import type { Hash } from "../src/kernel/hash.js";
import type { Actor, Context } from "../src/kernel/machine.js";
import { countingTickets } from "../src/kernel/tickets.js";
import { createTail } from "../src/ledger/tail.js";
import type { AdminAnswer } from "../src/protocol/control.js";
import { decodeAdminRequest, decodeHeartbeat, decodeHostDied } from "../src/protocol/control-codec.js";
import { streams, subjects } from "../src/protocol/subjects.js";
import { type LeaderConfig, leaderConfigMistake } from "./leader/config.js";
import { govern } from "./leader/govern.js";
import { answerHeartbeat } from "./leader/heartbeat.js";
import { createLease } from "./leader/lease.js";
import { moveLines } from "./leader/moves/lines.js";
import { announceMoves, createMovesMemory } from "./leader/moves.js";
import { enter, leave, onEntering, onMended } from "./leader/office.js";
import { planTold } from "./leader/plan/told.js";
import { createPlannerMemory, hearForecasts } from "./leader/plan.js";
import { createSessions } from "./leader/sessions.js";
import { createSnapshotWriter } from "./leader/snapshots.js";
import type { LeaderMessage, LeaderState } from "./leader/state.js";
import { createTrimmer } from "./leader/trim.js";
import { verifyLines } from "./leader/verify.js";

export { type LeaderConfig, leaderConfigMistake } from "./leader/config.js";
export type { LeaderMessage } from "./leader/state.js";

const tickMs = 200;
const ordersWaiting = 256;
/** Changes are in a snapshot no later than this: it is the ledger's second copy. */
const snapshotPauseMs = 10_000;
const firstSnapshotMs = 500;

/** The name of a partition's leader within its host. */
export function leaderActorId(partition: number): ActorId {
  return `leader/${partition}`;
}

/** Throws when `config` cannot be (see `leaderConfigMistake`): a leader of the wrong partition would be no leader. */
export function createLeader(config: LeaderConfig, { hash }: { readonly hash: Hash }): Actor<LeaderMessage> {
  const mistake = leaderConfigMistake(config);
  if (mistake !== undefined) throw new Error(mistake);
  const state = initialState(config, hash);
  return { mailboxLimit: limits.mailbox, step: (message, context) => step(state, message, context) };
}

function initialState(config: LeaderConfig, hash: Hash): LeaderState {
  const { partition, timing } = config;
  const tickets = countingTickets();
  const tail = createTail({ partition, tickets });
  const sessions = createSessions(timing);
  const ledger = { stream: streams.ledger(partition), subject: subjects.ledger(partition) };
  return {
    config,
    hash,
    tickets,
    tail,
    sessions,
    lease: createLease(config, tickets, {
      ready: () => tail.loaded,
      unborn: () => tail.view.seq === 0,
      term: () => tail.view.term,
      dead: sessions.isDead,
    }),
    appender: createAppender(ledger, tickets, "ledger/append"),
    snapshots: createSnapshotWriter(partition, tickets),
    trimmer: createTrimmer(config, tickets),
    orders: [],
    incidents: [],
    moves: createMovesMemory(),
    planner: createPlannerMemory(),
    office: { kind: "standby" },
    flight: undefined,
    fenceSeq: 0,
    term: 0,
    dirty: false,
    balanceAtMs: 0,
    repairAtMs: 0,
    snapshotAtMs: 0,
    ring: undefined,
    nonce: "",
    stopped: false,
  };
}

function step(state: LeaderState, message: LeaderMessage, context: Context): Effects {
  const effects: Effect[] = [];
  if (state.office.kind !== "standby" && !state.lease.holds(context.nowMs)) effects.push(...leave(state, leaseOver));
  effects.push(...handle(state, message, context));
  effects.push(...govern(state, context));
  if (state.stopped && state.lease.isLeft) effects.push({ kind: "stop", id: leaderActorId(state.config.partition) });
  return effects;
}

const leaseOver = fault(
  "UNKNOWN_OUTCOME",
  "the leader lost its lease meanwhile; look whether it was done, or ask again",
);
const stopping = fault("UNKNOWN_OUTCOME", "the leader stopped meanwhile; look whether it was done, or ask again");

function handle(state: LeaderState, message: LeaderMessage, context: Context): Effects {
  switch (message.kind) {
    case "start":
      state.nonce = context.random.hex(8);
      return [...state.tail.start(), ...state.lease.start(context)];
    case "stop":
      state.stopped = true;
      return [...leave(state, stopping), ...state.lease.release()];
    case "request":
      return onRequest(state, message, context);
    default:
      return onWorld(state, message, context);
  }
}

function onRequest(state: LeaderState, request: Request, context: Context): Effects {
  const { partition, member } = state.config;
  switch (request.subject) {
    case subjects.heartbeat(partition):
    case subjects.heartbeatTo(partition, member):
      return state.office.kind === "leading" ? onHeartbeat(state, request, context) : none;
    case subjects.admin(partition):
      return state.office.kind === "leading" ? onAdmin(state, request) : none;
    case subjects.forecasts:
      return state.office.kind === "leading" ? hearForecasts(state, request.body, context) : none;
    case subjects.hostDied:
      return onHostDied(state, request);
    default:
      return none;
  }
}

function onHeartbeat(state: LeaderState, { body, from }: Request, context: Context): Effects {
  const heartbeat = decodeHeartbeat(body);
  if (!heartbeat.ok) return [refuse(from, heartbeat.fault)];
  return [{ kind: "reply", to: from, body: answerHeartbeat(state, heartbeat.value, context) }];
}

function onAdmin(state: LeaderState, { body, from }: Request): Effects {
  const request = decodeAdminRequest(body);
  if (!request.ok) return [refuse(from, request.fault)];
  if (request.value.kind === "listMoves") {
    const moves = moveLines(state, request.value.history);
    const answer: AdminAnswer = { done: true, viewSeq: state.tail.view.seq, moves };
    return [{ kind: "reply", to: from, body: answer }];
  }
  if (request.value.kind === "showPlan") {
    const answer: AdminAnswer = { done: true, viewSeq: state.tail.view.seq, plan: planTold(state) };
    return [{ kind: "reply", to: from, body: answer }];
  }
  if (request.value.kind === "verify") {
    const lines = verifyLines(state, request.value);
    if (!lines.ok) return [refuse(from, lines.fault)];
    const answer: AdminAnswer = { done: true, viewSeq: state.tail.view.seq, verify: lines.value };
    return [{ kind: "reply", to: from, body: answer }];
  }
  if (state.orders.length >= ordersWaiting)
    return [refuse(from, fault("OVERLOADED", "too many changes are waiting; try again later", { retryAfterMs: 200 }))];
  state.orders.push({ request: request.value, from });
  state.dirty = true;
  return none;
}

function onHostDied(state: LeaderState, { body }: Request): Effects {
  const died = decodeHostDied(body);
  if (!died.ok) return none;
  state.sessions.bury(died.value);
  state.dirty = true;
  return state.lease.look();
}

function refuse(to: Request["from"], why: Fault): Effect {
  return { kind: "reply", to, body: { fault: why } };
}

function onWorld(state: LeaderState, message: WorldMessage, context: Context): Effects {
  const lease = state.lease.on(message, context);
  if (lease !== undefined) return [...lease.effects, ...onLeaseNews(state, lease.news, context)];
  const tail = state.tail.on(message);
  if (tail !== undefined) return tail.effects;
  const snapshot = state.snapshots.on(message);
  if (snapshot !== undefined) {
    const { office } = state;
    if (office.kind !== "entering" || snapshot.written === undefined) return snapshot.effects;
    return [...snapshot.effects, ...onMended(state, office, snapshot.written)];
  }
  const append = state.appender.on(message);
  if (append !== undefined)
    return append.result === undefined ? append.effects : onAppendDone(state, append.result, context);
  const trim = state.trimmer.on(message, state.tail.view, state.sessions, context);
  if (trim !== undefined) return trim;
  if (state.office.kind === "entering") return onEntering(state, state.office, message, context) ?? none;
  if (message.kind === "woke" && message.name === "tick") return onTick(state, context);
  return none;
}

function onLeaseNews(state: LeaderState, news: "won" | "lost" | undefined, context: Context): Effects {
  if (news === undefined) return none;
  if (news === "lost") return state.office.kind === "standby" ? none : leave(state, leaseOver);
  state.sessions.begin(context.nowMs);
  state.incidents.length = 0;
  return enter(state, context);
}

type AppendResult = NonNullable<NonNullable<ReturnType<LeaderState["appender"]["on"]>>["result"]>;

function onAppendDone(state: LeaderState, result: AppendResult, context: Context): Effects {
  const { flight, tail } = state;
  if (flight === undefined) return none;
  if (result.kind !== "stored") return onNotStored(state, result.kind, context);
  state.flight = undefined;
  state.fenceSeq = result.seq;
  tail.fold(result.seq, flight.record);
  const released: Effect = { kind: "settle", ticket: flight.ticket };
  // Numbers were given that this member did not see: it reads the ledger to its end again.
  if (tail.view.seq !== result.seq) return [released, ...enter(state, context)];
  state.dirty = true;
  const news = announceMoves(state, flight.record.events);
  return [released, ...news, ...(state.office.kind === "entering" ? takeOffice(state, context) : none)];
}

/** Another record stands where ours should, or the ledger lost something: ours is not in, and the ledger has to be read again. */
function onNotStored(state: LeaderState, why: string, context: Context): Effects {
  const refused = fault("NOT_LEADER", "the leader was overtaken; nothing was done, try again");
  return [
    { kind: "log", level: "warn", event: "ledgerAppendRefused", fields: { term: state.term, why } },
    ...leave(state, refused),
    ...enter(state, context),
  ];
}

function takeOffice(state: LeaderState, { nowMs }: Context): Effects {
  state.office = { kind: "leading", sinceMs: nowMs };
  // The first one soon: it is the second copy of what this term begins with.
  state.snapshotAtMs = nowMs - snapshotPauseMs + firstSnapshotMs;
  state.balanceAtMs = nowMs + state.config.timing.nodeLeaseMs;
  const fields = { partition: state.config.partition, term: state.term };
  return [
    { kind: "unwake", name: "office" },
    { kind: "wake", name: "tick", afterMs: tickMs },
    { kind: "log", level: "info", event: "leaderElected", fields },
  ];
}

function onTick(state: LeaderState, context: Context): Effects {
  if (state.office.kind !== "leading") return none;
  state.dirty = true;
  return [
    { kind: "wake", name: "tick", afterMs: tickMs },
    ...state.trimmer.look(context),
    ...(snapshotDue(state, context) ? writeSnapshot(state, context) : none),
  ];
}

function snapshotDue({ snapshots, tail, config, snapshotAtMs }: LeaderState, { nowMs }: Context): boolean {
  if (snapshots.busy || tail.view.seq === snapshots.seq) return false;
  return tail.view.seq - snapshots.seq >= config.snapshotEvery
    ? nowMs - snapshotAtMs >= tickMs
    : nowMs - snapshotAtMs >= snapshotPauseMs;
}

function writeSnapshot(state: LeaderState, { nowMs }: Context): Effects {
  state.snapshotAtMs = nowMs;
  return state.snapshots.write(state.tail.view);
}
