// Shard. Owns one replica of one fragment: its place in the log, its rows, and, while it is primary, the order of all writes.
// H1 only the log's sequence decides who may write (I3); the ledger only says who should try.
// H2 every replica applies the same records in the same order (I4), one commit each (I6).
// The parts: `shard/open` (becoming primary), `shard/follow` (being a backup), `shard/write`, `shard/read`, `shard/changes`, `shard/copy`, `shard/catchup`;
// a sparse replica's are `shard/attach` and `shard/pull`, and `shard/source` on the other side.

import { limits } from "../src/config/limits.js";
import { bookkeepingKey } from "../src/fragment/layout.js";
import { emptyReplica, isSparse, isWhole, readBookkeeping } from "../src/fragment/replica.js";
import { createWindow } from "../src/fragment/window.js";
import { createAppender } from "../src/kernel/appender.js";
import type { Effect, Effects, Ticket } from "../src/kernel/effect.js";
import { type Actor, type Context, dispatch, type Handlers } from "../src/kernel/machine.js";
import { countingTickets } from "../src/kernel/tickets.js";
import type { Op } from "../src/protocol/exec.js";
import type { PeerAnswer } from "../src/protocol/peer.js";
import { streams, subjects } from "../src/protocol/subjects.js";
import type { PositionRange } from "../src/table/table.js";
import { reportedTogether } from "./shard/answer.js";
import { incident, loadWindow, onDurable, publishStatus } from "./shard/apply.js";
import { attachTimer, onAttachAnswer, onAttachTimer } from "./shard/attach.js";
import { expireWatchers, onWatcherRead, takeWatcher } from "./shard/changes.js";
import { copyTimer, onCopyAnswer, onCopyDurable, onCopyTimer } from "./shard/copy.js";
import { digestTimer, forgetDigest, onDigest, onDigestRequest } from "./shard/digest.js";
import {
  fallBehind,
  followTimer,
  onFollowAttach,
  onFollowCopy,
  onFollowFirst,
  onFollowOffer,
  onFollowRead,
  onFollowTail,
  onFollowTimer,
  onHeld,
  onTailRecord,
} from "./shard/follow.js";
import { noHeld } from "./shard/held.js";
import { latenessTimer, noLateness, onLatenessTimer } from "./shard/lateness.js";
import { onCopyRequest } from "./shard/lend.js";
import { onMendRequest, watchMending } from "./shard/mend.js";
import {
  onOpenCopy,
  onOpenRead,
  onOpenRecord,
  onOpenTail,
  onOpenTimer,
  onPeersChanged,
  onPosition,
  open,
  openTimer,
} from "./shard/open.js";
import {
  createPulls,
  onPullAnswer,
  onPullRetry,
  onPullTimer,
  pullOn,
  pullRetryTimer,
  pullTimer,
  wakeSlices,
} from "./shard/pull.js";
import {
  expireReads,
  onFreshAnswer,
  onFreshRequest,
  onResume,
  onSlice,
  proveFreshness,
  readerOf,
  resumeReads,
  takeRead,
} from "./shard/read.js";
import { onSurvey, prepare } from "./shard/reshape.js";
import { noteAccess } from "./shard/sample.js";
import { onScrubRead, startScrub } from "./shard/scrub.js";
import { onPullRequest, onWindowRequest } from "./shard/source.js";
import type { Assignment, ShardConfig, ShardMessage, ShardState, ShardWiring, Slot } from "./shard/state.js";
import {
  comparisonTimer,
  isOfComparison,
  onComparisonAnswer,
  onComparisonTimer,
  onOwnDigest,
  wantComparison,
} from "./shard/verify.js";
import { expireWrites, leaveOffice, onFlightDone, onLogFull, pump, takeWrite } from "./shard/write.js";

const expiryTimer = "expiry";
const expiryMs = 50;

/** A shard over what the store holds of the fragment; an empty replica when it holds nothing. `shelf` and `range` are used only then. */
export function createShard(
  config: ShardConfig,
  wiring: ShardWiring,
  shelf: number,
  range: PositionRange,
): Actor<ShardMessage> {
  const kept = wiring.store.get(bookkeepingKey(config.fragment));
  const found = kept === undefined ? undefined : readBookkeeping(config.fragment, kept);
  const log = { stream: streams.log(config.group), subject: subjects.log(config.group, config.fragment) };
  const tickets = countingTickets();
  const state: ShardState = {
    config,
    wiring,
    log,
    tickets,
    appender: createAppender(log, tickets, "append"),
    replica: found ?? emptyReplica(config.fragment, shelf, range),
    window: createWindow(),
    assignment: { epoch: 0, primary: "", activatedLsn: 0, livePeers: [], peers: [] },
    mode: { kind: "following" },
    promisedEpoch: 0,
    seenEpoch: 0,
    stepAtMs: 0,
    stepping: true,
    stampedAtMs: 0,
    flight: undefined,
    logFull: false,
    writes: [],
    writeBytes: 0,
    reads: [],
    slices: new Map(),
    nextSlice: 1,
    freshAtMs: Number.NEGATIVE_INFINITY,
    freshAsk: undefined,
    freshTarget: undefined,
    pulls: createPulls(config.copyBounds),
    loans: new Map(),
    lateness: noLateness(),
    held: noHeld(),
    recent: [],
    recentBytes: 0,
    watchedAtMs: Number.NEGATIVE_INFINITY,
    watchers: new Set(),
    wantCheckpoint: false,
    wantVerify: false,
    digest: undefined,
    comparison: undefined,
    verified: undefined,
    noRoom: false,
    damage: undefined,
    scrub: undefined,
    scrubbed: new Set(),
    durableSeq: found?.seq ?? 0,
    durableTicket: 0,
    durablePendingSeq: 0,
    expiryArmed: false,
    survey: undefined,
    refusal: undefined,
    awaited: undefined,
  };
  if (kept !== undefined && found === undefined) {
    state.replica.copying = true;
    incident(
      state,
      "storeCorrupt",
      "noticed",
      `the bookkeeping of fragment ${config.fragment} on ${config.node} is damaged; the replica is copied anew`,
    );
  }
  loadWindow(state);
  wiring.board.readers.set(config.fragment, readerOf(state));
  return { mailboxLimit: limits.mailbox, step: (message, context) => step(state, message, context) };
}

function step(state: ShardState, message: ShardMessage, context: Context): Effects {
  // Its replica here was taken over by the left neighbour: the node ends this shard any moment.
  if (state.wiring.board.gone.has(state.config.fragment)) return [];
  state.stepAtMs = context.nowMs;
  state.stepping = true;
  const effects = dispatch(handlers, state, message, context);
  state.stepping = false;
  watchMending(state);
  return reportedTogether(
    state,
    joined(effects, proveFreshness(state), pullOn(state), armExpiry(state), tellUrgent(state)),
  );
}

/** Most steps end with nothing of these: no list is made of nothing. */
function joined(first: Effects, ...others: readonly Effects[]): Effects {
  return others.every(({ length }) => length === 0) ? first : [first, ...others].flat();
}

function tellUrgent({ wiring, config }: ShardState): Effects {
  if (!wiring.board.urgent) return [];
  wiring.board.urgent = false;
  return [{ kind: "tell", to: config.parent, message: { kind: "statusUrgent" } }];
}

const handlers: Handlers<ShardState, ShardMessage> = {
  start: (state, _message, context) => {
    state.stampedAtMs = context.nowMs;
    publishStatus(state);
    return [];
  },
  assign: (state, { assignment }, context) => onAssign(state, assignment, context),
  exec: (state, message, context) => onExec(state, message, context),
  record: (state, { record }, context) => onRecord(state, record, context),
  logShaken: (state) => onLogShaken(state),
  peer: (state, message, context) => onPeer(state, message, context),
  checkpoint: (state, _message, context) => {
    state.wantCheckpoint = true;
    return pump(state, context);
  },
  scrubLog: (state) => startScrub(state),
  verify: (state, _message, context) => [...wantComparison(state), ...pump(state, context)],
  survey: (state) => onSurvey(state),
  neighbour: (state, _message, context) => onNeighbour(state, context),
  slice: (state, { id }, context) => onSlice(state, id, context),
  held: (state) => onHeldTurn(state),
  pump: (state, _message, context) => pump(state, context),
  pulled: (state, _message, context) => [...resumeReads(state), ...wakeSlices(state), ...pump(state, context)],
  resume: (state, _message, context) => onResume(state, context),
  appended: (state, message, context) => onAppenderMessage(state, message, context),
  logRead: (state, message, context) => onLogRead(state, message, context),
  answered: (state, message, context) => onAnswered(state, message, context),
  committed: (state, message, context) =>
    message.fault === undefined ? onCommitted(state, message.ticket, context) : [],
  woke: (state, message, context) => onWoke(state, message.name, context),
  streamRead: () => [],
  followed: () => [],
  followNews: () => [],
  computed: (state, message) => (onDigest(state, message.ticket, message.outcome) ? onOwnDigest(state) : []),
  childFailed: () => [],
};

/** The ledger moved on. A new epoch for this node opens; one for another node ends the office here. */
function onAssign(state: ShardState, assignment: Assignment, context: Context): Effects {
  const before = state.assignment;
  state.assignment = assignment;
  if (assignment.reshaped === true && state.replica.lsn === 0) state.replica.copying = true;
  const mine = assignment.primary === state.config.node;
  const office = state.mode.kind === "serving" || state.mode.kind === "opening";
  if (mine && (!office || assignment.epoch > before.epoch)) return open(state);
  if (!mine && office) return leaveOffice(state);
  if (!mine && before.epoch === 0) return fallBehind(state);
  if (state.mode.kind === "opening") return onPeersChanged(state, state.mode, context);
  // The primary's marker was delivered before this copy listened, and nothing else may come for long.
  if (state.mode.kind === "following" && assignment.activatedLsn > state.replica.lsn) return fallBehind(state);
  publishStatus(state);
  return [...prepare(state), ...pump(state, context)];
}

/** A neighbour here has come to its end: whatever waited for that goes on. */
function onNeighbour(state: ShardState, context: Context): Effects {
  const { mode } = state;
  if (mode.kind === "serving") return pump(state, context);
  if (mode.kind === "opening") return onOpenTimer(state, mode, context);
  return mode.kind === "behind" ? onFollowTimer(state, mode) : [];
}

function onExec(state: ShardState, message: Extract<ShardMessage, { kind: "exec" }>, context: Context): Effects {
  const { ops, places, job, part, deadlineAtMs } = message;
  const effects: Effect[] = [];
  const mine = state.assignment.primary === state.config.node;
  for (let at = 0; at < ops.length; at++) {
    const op = ops[at] as Op;
    if (mine) noteAccess(state, op, context.nowMs);
    const slot: Slot = { job, part, index: places[at] ?? at };
    for (const effect of take(state, op, slot, deadlineAtMs, context)) effects.push(effect);
  }
  for (const effect of pump(state, context)) effects.push(effect);
  return effects;
}

function take(state: ShardState, op: Op, slot: Slot, deadlineAtMs: number, context: Context): Effects {
  switch (op.op) {
    case "write":
      return takeWrite(state, { slot, op, deadlineAtMs, bytes: writeBytes(op) }, context);
    case "changes":
      return takeWatcher(state, slot, op, context);
    case "get":
    case "scan":
    case "aggregate":
      return takeRead(state, { slot, op, deadlineAtMs }, context);
  }
}

function writeBytes(op: Extract<Op, { op: "write" }>): number {
  return op.steps.reduce((sum, step) => sum + step.document.length + step.position.length + 32, 64);
}

/**
 * A primary's own records come back through the tail, too: the one in flight is stored then, also where its acknowledgement got lost. The backups apply it now, and
 * strong reads must not stay behind what they show. Another's record does not matter to a primary that serves before its own append is refused; one that opens
 * takes it over.
 */
function onRecord(
  state: ShardState,
  record: Extract<ShardMessage, { kind: "record" }>["record"],
  context: Context,
): Effects {
  if (state.mode.kind !== "serving" && state.mode.kind !== "opening") return onTailRecord(state, record);
  const progress = state.appender.seen(record);
  if (progress?.result !== undefined) return [...progress.effects, ...onFlightDone(state, progress.result, context)];
  return state.mode.kind === "opening" ? onOpenRecord(state, state.mode, record, context) : [];
}

/** Held records are a backup's; whoever became primary meanwhile reads the log itself. */
function onHeldTurn(state: ShardState): Effects {
  const { mode, held } = state;
  held.told = false;
  return mode.kind === "behind" && mode.copy === undefined && mode.attach === undefined ? onHeld(state, mode) : [];
}

function onLogShaken(state: ShardState): Effects {
  switch (state.mode.kind) {
    case "serving":
    case "opening":
      return state.flight === undefined ? open(state) : [];
    case "following":
      return fallBehind(state);
    case "behind":
      return [];
  }
}

function onPeer(
  state: ShardState,
  { request, from }: Extract<ShardMessage, { kind: "peer" }>,
  context: Context,
): Effects {
  switch (request.kind) {
    case "copy":
      return onCopyRequest(state, request, from);
    case "window":
      return onWindowRequest(state, request, from);
    case "pull":
      return onPullRequest(state, request, from);
    case "digest":
      return onDigestRequest(state, request, from);
    case "mend":
      return [
        { kind: "reply", to: from, body: { position: positionOf(state) } satisfies PeerAnswer },
        ...onMendRequest(state, request),
      ];
    case "fresh":
      return onFreshRequest(state, from, context);
    // Answered by the node, for all of its shards.
    case "hot":
      return [];
    case "position":
      state.promisedEpoch = Math.max(state.promisedEpoch, request.epoch);
      return [{ kind: "reply", to: from, body: { position: positionOf(state) } satisfies PeerAnswer }];
  }
}

function positionOf(state: ShardState): Extract<PeerAnswer, { position: unknown }>["position"] {
  const { fragment, lsn, epoch, hash } = state.replica;
  const { burden: busy } = state.wiring.board;
  const [partial, sparse] = [!isWhole(state.replica), isSparse(state.replica)];
  const position = { fragment, known: true, lsn, epoch, hash, partial, sparse };
  return busy > 0 ? { ...position, busy } : position;
}

function onAppenderMessage(
  state: ShardState,
  message: Extract<ShardMessage, { kind: "appended" | "logRead" | "woke" }>,
  context: Context,
): Effects {
  const progress = state.appender.on(message);
  if (progress === undefined) return [];
  if (progress.waiting === "full") return [...progress.effects, ...onLogFull(state)];
  return progress.result === undefined
    ? progress.effects
    : [...progress.effects, ...onFlightDone(state, progress.result, context)];
}

function onLogRead(state: ShardState, message: Extract<ShardMessage, { kind: "logRead" }>, context: Context): Effects {
  const watched = onWatcherRead(state, message.ticket, message.outcome);
  if (watched !== undefined) return watched;
  const { mode, scrub } = state;
  if (message.ticket === scrub?.ticket) return onScrubRead(state, scrub, message.outcome);
  if (mode.kind === "opening" && message.ticket === mode.tailTicket)
    return onOpenTail(state, mode, message.outcome, context);
  if (mode.kind === "opening" && message.ticket === mode.catchUp?.ticket)
    return onOpenRead(state, mode, message.outcome, context);
  if (mode.kind === "behind" && message.ticket === mode.tailTicket) return onFollowTail(state, mode, message.outcome);
  if (mode.kind === "behind" && message.ticket === mode.firstTicket) return onFollowFirst(state, mode, message.outcome);
  if (mode.kind === "behind" && message.ticket === mode.catchUp?.ticket)
    return onFollowRead(state, mode, message.outcome);
  return onAppenderMessage(state, message, context);
}

function onAnswered(
  state: ShardState,
  { ticket, outcome }: Extract<ShardMessage, { kind: "answered" }>,
  context: Context,
): Effects {
  const { mode } = state;
  if (ticket === state.freshAsk?.ticket) return onFreshAnswer(state, outcome);
  if (state.comparison !== undefined && isOfComparison(state.comparison, ticket))
    return onComparisonAnswer(state, state.comparison, ticket, outcome);
  if (mode.kind === "opening" && mode.asked.has(ticket)) return onPosition(state, mode, ticket, outcome, context);
  if (mode.kind === "opening" && mode.copy?.flights.has(ticket) === true)
    return onOpenCopy(state, mode, onCopyAnswer(state, mode.copy, ticket, outcome, context), context);
  if (mode.kind === "behind" && mode.search?.asked.has(ticket) === true)
    return onFollowOffer(state, mode, mode.search, ticket, outcome);
  if (mode.kind === "behind" && mode.copy?.flights.has(ticket) === true)
    return onFollowCopy(state, mode, onCopyAnswer(state, mode.copy, ticket, outcome, context));
  if (mode.kind === "behind" && mode.attach?.ticket === ticket)
    return onFollowAttach(state, mode, onAttachAnswer(state, mode.attach, outcome));
  return onPullAnswer(state, ticket, outcome, context) ?? [];
}

function onWoke(state: ShardState, name: string, context: Context): Effects {
  const { mode } = state;
  if (name === expiryTimer) return onExpiry(state, context);
  if (name === pullTimer) return onPullTimer(state);
  if (name === pullRetryTimer) return onPullRetry(state);
  if (name === digestTimer) return forgetDigest(state);
  if (name === comparisonTimer) return onComparisonTimer(state);
  if (name === latenessTimer) return onLatenessTimer(state, context);
  if (name === copyTimer) return onPacedCopy(state, context);
  if (name === attachTimer)
    return mode.kind === "behind" && mode.attach !== undefined
      ? onFollowAttach(state, mode, onAttachTimer(state, mode.attach))
      : [];
  if (name === openTimer) return mode.kind === "opening" ? onOpenTimer(state, mode, context) : [];
  if (name === followTimer) return mode.kind === "behind" ? onFollowTimer(state, mode) : [];
  return onAppenderMessage(state, { kind: "woke", name }, context);
}

function onCommitted(state: ShardState, ticket: Ticket, context: Context): Effects {
  if (ticket === state.durableTicket) return onDurable(state);
  const { mode } = state;
  const copy = mode.kind === "opening" || mode.kind === "behind" ? mode.copy : undefined;
  if (copy?.durable.ticket !== ticket) return [];
  const step = onCopyDurable(state, copy);
  if (mode.kind === "opening") return onOpenCopy(state, mode, step, context);
  return mode.kind === "behind" ? onFollowCopy(state, mode, step) : [];
}

function onPacedCopy(state: ShardState, context: Context): Effects {
  const { mode } = state;
  if (mode.kind === "opening" && mode.copy !== undefined)
    return onOpenCopy(state, mode, onCopyTimer(state, mode.copy), context);
  if (mode.kind === "behind" && mode.copy !== undefined)
    return onFollowCopy(state, mode, onCopyTimer(state, mode.copy));
  return [];
}

/** While anything waits, its deadlines are looked at every so often. */
function armExpiry(state: ShardState): Effects {
  const waits =
    state.reads.length > 0 ||
    state.watchers.size > 0 ||
    state.freshTarget !== undefined ||
    state.pulls.slices.size > 0 ||
    (state.writes.length > 0 && mayWait(state));
  if (!waits || state.expiryArmed) return [];
  state.expiryArmed = true;
  return [{ kind: "wake", name: expiryTimer, afterMs: expiryMs }];
}

function onExpiry(state: ShardState, context: Context): Effects {
  state.expiryArmed = false;
  const target = state.freshTarget;
  const isOver = target !== undefined && context.nowMs - target.askedAtMs > state.config.timing.askTimeoutMs;
  // A record that the primary told of did not come: the delivery has missed it.
  const missed = isOver && state.mode.kind === "following" && target.lsn > state.replica.lsn;
  const lookAgain = missed ? fallBehind(state) : [];
  if (isOver) state.freshTarget = undefined;
  return [
    ...lookAgain,
    ...expireReads(state, context.nowMs),
    ...expireWatchers(state, context.nowMs),
    ...(mayWait(state) ? expireWrites(state, context.nowMs) : []),
    ...wakeSlices(state),
  ];
}

/** Writes wait for the primary to open, or for rows; otherwise only for the record in flight. */
function mayWait({ mode, replica }: ShardState): boolean {
  return mode.kind !== "serving" || isSparse(replica);
}
