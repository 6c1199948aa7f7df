// Node. Owns one node's shards: starts and ends them as the ledger says, hands them the log, and gathers what they answer.
// It decides nothing about data: shards do. Parts: `node/reconcile` (ledger → shards), `node/heartbeat` (leases), `node/exec` (batches),
// `node/sampling` (what was asked of it).

import { limits } from "../src/config/limits.js";
import type { Effect, Effects, Request } from "../src/kernel/effect.js";
import { fault } from "../src/kernel/fault.js";
import { IdMap } from "../src/kernel/id-map.js";
import { type Actor, type Context, dispatch, type Handlers } from "../src/kernel/machine.js";
import { countingTickets } from "../src/kernel/tickets.js";
import type { LedgerEvent } from "../src/ledger/event.js";
import { createTail } from "../src/ledger/tail.js";
import { createPowerMeter } from "../src/load/power.js";
import type { PeerAnswer } from "../src/protocol/peer.js";
import { decodePeerRequest } from "../src/protocol/peer-codec.js";
import { fragmentOfSubject, streams, subjects } from "../src/protocol/subjects.js";
import { type Access, onDone, onExec } from "./node/exec.js";
import { createGate, gateTimer, openGate } from "./node/gate.js";
import { armUrgent, beat, beatTimer, onBeatAnswer, takeLease, urgentBeat, urgentTimer } from "./node/heartbeat.js";
import { answerHot } from "./node/hot.js";
import { noteMixes } from "./node/mixes.js";
import { onReshaped, onShardFailed, reconcile, respawn } from "./node/reconcile.js";
import { createSampling, sampleTimer } from "./node/sampling.js";
import { onScrubDone, scrubTick, scrubTimer } from "./node/scrub.js";
import type { NodeConfig, NodeMessage, NodeState, NodeWiring } from "./node/state.js";
import { createVerifyRound, onVerifyDone, verifyTick, verifyTimer } from "./node/verify.js";
import { createBoard } from "./shard/board.js";

export type { NodeConfig, NodeMessage, NodeWiring };

const leaveTimer = "leave";
const self = "node";

/** The node actor; to be spawned as `node` and sent `start`. */
export function createNode(config: NodeConfig, wiring: NodeWiring): Actor<NodeMessage> {
  const tickets = countingTickets();
  const { id, incarnation, sampleIntervalMs: intervalMs = 0, ceiling } = config;
  const power = createPowerMeter(ceiling);
  const state: NodeState = {
    config,
    wiring,
    board: createBoard(),
    tickets,
    partitions: Array.from({ length: config.partitions }, (_, partition) => ({
      tail: createTail({ partition, tickets }),
      granted: undefined,
      reportAll: true,
      answeredBy: undefined,
      seen: undefined,
      drained: false,
    })),
    shards: new Map(),
    groups: new Set(),
    jobs: new IdMap(),
    nextJob: 1,
    opsUnderWay: 0,
    opsOfUsers: new Map(),
    bytesUnderWay: 0,
    beats: new Map(),
    urgentArmed: false,
    beatAtMs: Number.NEGATIVE_INFINITY,
    scrub: { done: new Set(), current: undefined, currentTicks: 0, roundTicks: 0 },
    verifying: createVerifyRound(),
    sampling:
      intervalMs > 0
        ? createSampling({ id, incarnation, intervalMs }, tickets, wiring.gauges, power, (cells) =>
            noteMixes(state, cells),
          )
        : undefined,
    mixes: new Map(),
    power,
    gate: ceiling === undefined ? undefined : createGate(ceiling, power),
    leaving: false,
    leaveUntilMs: 0,
  };
  return { mailboxLimit: limits.mailbox, step: (message, context) => dispatch(handlers, state, message, context) };
}

const handlers: Handlers<NodeState, NodeMessage> = {
  start: (state, _message, context) => [
    ...state.partitions.flatMap(({ tail }) => tail.start()),
    ...beat(state, context),
    ...scrubTick(state),
    ...verifyTick(state),
    ...(state.sampling?.start(context) ?? []),
  ],
  stop: (state, message, context) => onStop(state, message, context),
  request: (state, message, context) => onRequest(state, message, context),
  execDone: (state, { done }, { nowMs }) => onDone(state, done, nowMs),
  statusUrgent: (state, _message, context) => armUrgent(state, context),
  reshaped: (state, { fragment, gone }) => onReshaped(state, fragment, gone),
  scrubDone: (state, { fragment }) => onScrubDone(state, fragment),
  verifyDone: (state, { fragment }) => onVerifyDone(state, fragment),
  followed: (state, message, context) => onTail(state, message, context) ?? onRecord(state, message),
  followNews: (state, message, context) => onTail(state, message, context) ?? onNews(state, message),
  logRead: (state, message, context) => onTail(state, message, context) ?? [],
  streamRead: (state, message, context) => onTail(state, message, context) ?? [],
  answered: (state, { ticket, outcome }) =>
    state.sampling?.answered(ticket, outcome) ?? onBeatAnswer(state, ticket, outcome) ?? leaveIfDrained(state),
  woke: (state, message, context) => onWoke(state, message, context),
  childFailed: (state, { id, error }) => onShardFailed(state, id, error),
  appended: () => [],
  committed: () => [],
  computed: () => [],
};

/** What the leader recorded and now waits to hear of: that it arrived, or to have something asked in the answer. */
const awaited: ReadonlySet<LedgerEvent["kind"]> = new Set(["moveStarted", "moveAdvanced", "replicasRemoved"]);

/** Messages of a ledger tail: the view may have advanced. */
function onTail(
  state: NodeState,
  message: Parameters<NodeState["partitions"][number]["tail"]["on"]>[0],
  context: Context,
): Effects | undefined {
  for (const [partition, own] of state.partitions.entries()) {
    const step = own.tail.on(message);
    if (step === undefined) continue;
    if (!step.advanced) return step.effects;
    takeLease(state, partition);
    const urgent = step.events.some(({ kind }) => awaited.has(kind)) ? armUrgent(state, context) : [];
    return [...step.effects, ...reconcile(state, partition), ...urgent];
  }
  return undefined;
}

/** A record of a log group: to its shard, if it is here. */
function onRecord(state: NodeState, message: Extract<NodeMessage, { kind: "followed" }>): Effects {
  const slot = state.shards.get(fragmentOfSubject(message.subject));
  return slot === undefined
    ? []
    : [{ kind: "tell", to: slot.actor, message: { kind: "record", record: message.record } }];
}

/** A log group is not what it was: every shard in it looks again. */
function onNews(state: NodeState, message: Extract<NodeMessage, { kind: "followNews" }>): Effects {
  if (message.news === "idle") return [];
  const effects: Effect[] = [
    {
      kind: "log",
      level: "warn",
      event: "logShaken",
      fields: { stream: message.stream, news: message.news, lastSeq: message.lastSeq },
    },
  ];
  for (const slot of state.shards.values()) {
    if (streams.log(slot.group) === message.stream)
      effects.push({ kind: "tell", to: slot.actor, message: { kind: "logShaken" } });
  }
  return effects;
}

function onRequest(state: NodeState, request: Request, context: Context): Effects {
  const { id } = state.config;
  if (request.subject === subjects.exec(id)) return onExec(state, request, undefined, context);
  if (request.subject === subjects.peer(id)) return onPeer(state, request, context);
  const access = accessOf(request.subject);
  if (access !== undefined) return onExec(state, request, access, context);
  return [
    {
      kind: "reply",
      to: request.from,
      body: { fault: fault("UNKNOWN_OPERATION", `node ${id} does not answer at this subject`) },
    },
  ];
}

/** `foreshard.query.<table>.<read|write>.<node>` */
function accessOf(subject: string): Access | undefined {
  const [, , table, access] = subject.split(".");
  if (table === undefined || (access !== "read" && access !== "write")) return undefined;
  return { table, write: access === "write" };
}

function onPeer(state: NodeState, request: Request, context: Context): Effects {
  const decoded = decodePeerRequest(request.body);
  if (!decoded.ok) return [{ kind: "reply", to: request.from, body: { fault: decoded.fault } satisfies PeerAnswer }];
  if (decoded.value.kind === "hot") return answerHot(state, decoded.value, request.from, context.nowMs);
  const slot = state.shards.get(decoded.value.fragment);
  if (slot !== undefined)
    return [{ kind: "tell", to: slot.actor, message: { kind: "peer", request: decoded.value, from: request.from } }];
  const why = fault("UNKNOWN_FRAGMENT", `fragment ${decoded.value.fragment} is not on ${state.config.id}`);
  return [{ kind: "reply", to: request.from, body: { fault: why } satisfies PeerAnswer }];
}

function onWoke(state: NodeState, message: Extract<NodeMessage, { kind: "woke" }>, context: Context): Effects {
  if (message.name === beatTimer) return [...beat(state, context), ...leaveIfDrained(state)];
  if (message.name === urgentTimer) return urgentBeat(state, context);
  if (message.name === gateTimer && state.gate !== undefined) return openGate(state, state.gate, context);
  if (message.name === scrubTimer) return scrubTick(state);
  if (message.name === verifyTimer) return verifyTick(state);
  if (message.name === sampleTimer) return onSampleTimer(state, context);
  if (message.name === leaveTimer) return [{ kind: "stop", id: self }];
  if (message.name.startsWith("respawn/")) return respawn(state, Number(message.name.slice("respawn/".length)));
  return onTail(state, message, context) ?? [];
}

function onSampleTimer(state: NodeState, context: Context): Effects {
  if (state.sampling === undefined) return [];
  const effects = state.sampling.tick(context);
  state.board.burden = state.sampling.burden();
  return effects;
}

function onStop(state: NodeState, message: Extract<NodeMessage, { kind: "stop" }>, context: Context): Effects {
  if (!message.leave || state.shards.size === 0) return [{ kind: "stop", id: self }];
  state.leaving = true;
  return [{ kind: "wake", name: leaveTimer, afterMs: message.withinMs }, ...beat(state, context)];
}

function leaveIfDrained(state: NodeState): Effects {
  if (!state.leaving || !state.partitions.every(({ drained }) => drained)) return [];
  return [{ kind: "stop", id: self }];
}
