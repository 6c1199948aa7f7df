// Forecaster. Owns its share of all series: what the load stream says of them, what comes next, and how well that was foretold.
// Any number of forecasters divide the series among themselves; each knows the forecasts of all, and answers for all.
// FC1 nothing here decides anything about data: a cluster without forecasters serves as before. FC2 a sample is never kept waiting by a fit.
// FC3 one that comes back, or takes over, reads the past of its series from the stream.

import { limits } from "../src/config/limits.js";
import { horizonsOf } from "../src/forecast/horizons.js";
import type { ActorId, Effect, Effects, Request, WorldMessage } from "../src/kernel/effect.js";
import { none } from "../src/kernel/effect.js";
import type { Hash } from "../src/kernel/hash.js";
import { type Actor, type Context, dispatch, type Handlers } from "../src/kernel/machine.js";
import { countingTickets } from "../src/kernel/tickets.js";
import type { LedgerEvent } from "../src/ledger/event.js";
import { createTail } from "../src/ledger/tail.js";
import { createBook } from "../src/load/book.js";
import type { ForecasterAlive } from "../src/protocol/forecast.js";
import { decodeAlive, decodeNews } from "../src/protocol/forecast-codec.js";
import { streams, subjects } from "../src/protocol/subjects.js";
import { drawSums, onAsked, type SumJob, sumTimer } from "./forecaster/answers.js";
import { createBoard } from "./forecaster/board.js";
import { createDrip } from "./forecaster/drip.js";
import { onComputed, pump } from "./forecaster/fits.js";
import { inheritMerge, inheritSplit } from "./forecaster/heirs.js";
import { closeSlots, divide, forgetOld, onReplayed, onSample } from "./forecaster/intake.js";
import { aliveEveryMs, createMembers } from "./forecaster/members.js";
import { Calendar, declare } from "./forecaster/profiles.js";
import type { ForecasterConfig, ForecasterMessage, ForecasterState } from "./forecaster/state.js";
import { armTurn, onTurn, turnTimer } from "./forecaster/turn.js";

export type { ForecasterConfig, ForecasterMessage } from "./forecaster/state.js";

export const forecasterActorId: ActorId = "forecaster";

const aliveTimer = "alive";
const closeTimer = "close";
const settleTimer = "settle";
const streamTimer = "stream";
const sweepTimer = "sweep";
/** Long enough to hear the others once or twice. */
const settleMs = 2 * aliveEveryMs + 250;
const streamRetryMs = 500;
const sweepMs = 60_000;
/** Sample intervals between two fits of a series: an hour at 10 s. */
const samplesPerFit = 360;

interface Own {
  readonly state: ForecasterState;
  readonly sums: SumJob[];
}

export function createForecaster(
  config: ForecasterConfig,
  { hash }: { readonly hash: Hash },
): Actor<ForecasterMessage> {
  const own: Own = { state: initialState(config, hash), sums: [] };
  return { mailboxLimit: limits.mailbox, step: (message, context) => dispatch(handlers, own, message, context) };
}

function initialState(config: ForecasterConfig, hash: Hash): ForecasterState {
  const tickets = countingTickets();
  const horizons = horizonsOf(config.sampleIntervalMs);
  return {
    config,
    horizons,
    refitEveryMs: samplesPerFit * config.sampleIntervalMs,
    tickets,
    tails: Array.from({ length: config.partitions }, (_, partition) => createTail({ partition, tickets })),
    members: createMembers(config.id, hash),
    // A slot waits for the samples of its last interval, and a little for their way.
    books: horizons.map(({ slotMs }) => createBook(slotMs, Math.min(slotMs, config.sampleIntervalMs + 500))),
    calendar: new Calendar(),
    board: createBoard(limits.forecastsKnown),
    entries: new Map(),
    seen: new Map(),
    drip: createDrip(),
    chores: { adoptions: [], mended: [], slots: [] },
    turnArmed: false,
    outgoing: [],
    pools: { made: new Map(), wanted: new Set(), running: undefined },
    fits: { rebuilds: [], refits: [], running: new Map(), failed: 0 },
    pasts: [],
    replay: undefined,
    replays: 0,
    settled: false,
    streamTicket: 0,
    counts: { foreign: 0, duplicates: 0, strays: 0, refused: 0 },
  };
}

const handlers: Handlers<Own, ForecasterMessage> = {
  start: ({ state }) => [
    ...state.tails.flatMap((tail) => tail.start()),
    ...findStream(state),
    ...sayAlive(state, false),
    wake(closeTimer, closeEveryMs(state)),
    wake(settleTimer, settleMs),
    wake(sweepTimer, sweepMs),
  ],
  stop: ({ state }) => [...sayAlive(state, true), { kind: "stop", id: forecasterActorId }],
  request: (own, request, context) => onRequest(own, request, context),
  replayed: ({ state }, message, context) => [...onReplayed(state, message, context), ...armTurn(state)],
  followed({ state }, message, context) {
    if (message.stream !== streams.load) return onTail(state, message, context);
    onSample(state, message.record, context);
    return armTurn(state);
  },
  followNews: ({ state }, message, context) =>
    message.stream === streams.load ? none : onTail(state, message, context),
  logRead: ({ state }, message, context) => onTail(state, message, context),
  streamRead: ({ state }, message, context) => onStream(state, message, context),
  computed: ({ state }, message, context) => onComputed(state, message, context),
  woke: (own, message, context) => onWoke(own, message, context),
  childFailed({ state }, { id, error }, context) {
    const effects: Effect[] = [{ kind: "log", level: "error", event: "replayFailed", fields: { id, error } }];
    // Without its past a series begins with what comes.
    return [...effects, ...onReplayed(state, { kind: "replayed", pasts: [], records: 0 }, context), ...armTurn(state)];
  },
  answered: () => none,
  appended: () => none,
  committed: () => none,
};

function onRequest({ state, sums }: Own, request: Request, context: Context): Effects {
  switch (request.subject) {
    case subjects.forecasterAlive: {
      const alive = decodeAlive(request.body);
      if (alive.ok) state.members.hear(alive.value, context.nowMs);
      return lookAround(state, context);
    }
    case subjects.forecasts: {
      const news = decodeNews(request.body);
      if (news.ok && news.value.forecaster.id !== state.config.id) state.board.post(news.value, context.nowMs);
      return none;
    }
    default:
      return onAsked(state, sums, request);
  }
}

function onWoke(own: Own, { name }: Extract<WorldMessage, { kind: "woke" }>, context: Context): Effects {
  const { state } = own;
  switch (name) {
    case turnTimer:
      return onTurn(state, context);
    case sumTimer:
      return drawSums(state, own.sums, context);
    case closeTimer:
      declare(state, context.wallMs);
      closeSlots(state, context);
      return [...armTurn(state), ...pump(state, context), wake(closeTimer, closeEveryMs(state))];
    case aliveTimer:
      return [...sayAlive(state, false), ...lookAround(state, context)];
    case settleTimer:
      state.members.changed(context.nowMs);
      return [...divide(state), ...armTurn(state)];
    case streamTimer:
      return findStream(state);
    case sweepTimer:
      forgetOld(state, context);
      return [wake(sweepTimer, sweepMs)];
    default:
      return onTail(state, { kind: "woke", name }, context);
  }
}

function lookAround(state: ForecasterState, { nowMs }: Context): Effects {
  if (!state.settled || !state.members.changed(nowMs)) return none;
  const fields = { members: state.members.ids() };
  return [{ kind: "log", level: "info", event: "forecastersChanged", fields }, ...divide(state), ...armTurn(state)];
}

function sayAlive(state: ForecasterState, leaving: boolean): Effects {
  const { id, incarnation } = state.config;
  const body: ForecasterAlive = { id, incarnation, leaving };
  const said: Effect = { kind: "publish", subject: subjects.forecasterAlive, body };
  return leaving ? [said] : [said, wake(aliveTimer, aliveEveryMs)];
}

/** Samples are followed from now on; those before are read by a replay. */
function findStream(state: ForecasterState): Effects {
  state.streamTicket = state.tickets.next();
  return [{ kind: "readStream", stream: streams.load, ticket: state.streamTicket }];
}

function onStream(
  state: ForecasterState,
  message: Extract<WorldMessage, { kind: "streamRead" }>,
  context: Context,
): Effects {
  if (message.ticket !== state.streamTicket) return onTail(state, message, context);
  const { outcome } = message;
  if (outcome.kind !== "state") return [wake(streamTimer, streamRetryMs)];
  return [{ kind: "follow", stream: streams.load, fromSeq: outcome.state.lastSeq + 1 }];
}

function onTail(state: ForecasterState, message: WorldMessage, context: Context): Effects {
  for (const tail of state.tails) {
    const step = tail.on(message);
    if (step === undefined) continue;
    // Before the first look around nothing is ours yet: what happened then is told by the stream.
    if (state.settled) for (const event of step.events) onEvent(state, event, context);
    return [...step.effects, ...armTurn(state)];
  }
  return none;
}

function onEvent(state: ForecasterState, event: LedgerEvent, context: Context): void {
  if (event.kind === "fragmentSplit") inheritSplit(state, event.fragment, event.child, context);
  if (event.kind === "fragmentsMerged") inheritMerge(state, event.left, event.right, context);
}

function closeEveryMs({ config }: ForecasterState): number {
  return Math.max(100, config.sampleIntervalMs / 2);
}

function wake(name: string, afterMs: number): Effect {
  return { kind: "wake", name, afterMs };
}
