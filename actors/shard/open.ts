// Opening. Owns the way from "the ledger says I am primary of epoch e" to serving.
// O1 every other replica whose node is up has answered where it is, and has promised silence below e (I7); a node that cannot answer is declared down by
//    the leader, which waits for its lease.
// O2 the marker of epoch e is in the log before anything is served: from then on an older primary's append fails (I3).
// O3 nobody asked holds more than this replica: what the log lost (bit rot, an older disk, a deleted stream) is taken from the most advanced replica and the
//    chain goes on with a `rebase` record. If a part of the history is nowhere, the fragment stays closed and says so.
// O4 a sparse replica opens like any other once it has applied all that is in the log; it is no copy for others, and what it alone holds is waited for until it is whole.

import { encodeRecord, type FragmentRecord, noChanges, type RecordKind, zeroHash } from "../../src/fragment/record.js";
import { isSettled, isSparse, judge } from "../../src/fragment/replica.js";
import { sameBytes } from "../../src/kernel/bytes.js";
import type { AskOutcome, Effect, Effects, LogRecord, ReadOutcome, Ticket } from "../../src/kernel/effect.js";
import type { Context } from "../../src/kernel/machine.js";
import type { PeerRequest, ReplicaPosition } from "../../src/protocol/peer.js";
import { decodePeerAnswer } from "../../src/protocol/peer-codec.js";
import { type NodeId, subjects } from "../../src/protocol/subjects.js";
import { refuseAll, wrongFragment } from "./answer.js";
import { apply, incident, nextStampMs, publishStatus, readRecord } from "./apply.js";
import { type CatchUpStep, onCatchUpRead, startCatchUp } from "./catchup.js";
import { type CopyStep, startCopy } from "./copy.js";
import { isReady } from "./reshape.js";
import type { Mode, ShardState, Tail } from "./state.js";
import { endComparison } from "./verify.js";

export type Opening = Extract<Mode, { kind: "opening" }>;
export const openTimer = "open";
const retryMs = 100;

/** Starts over: reads the tail and asks the live peers. What is queued stays queued. */
export function open(state: ShardState): Effects {
  if (state.replica.sealed) return rest(state);
  const mode: Opening = {
    kind: "opening",
    epoch: state.assignment.epoch,
    tail: undefined,
    delivered: undefined,
    tailTicket: 0,
    asked: new Map(),
    positions: new Map(),
    catchUp: undefined,
    copy: undefined,
    rechecked: false,
    stuck: state.mode.kind === "opening" && state.mode.stuck,
  };
  state.mode = mode;
  const ended = endComparison(state);
  publishStatus(state);
  return [
    ...ended,
    { kind: "unwake", name: "follow" },
    ...readTail(state, mode),
    ...askPeers(state, mode),
    { kind: "wake", name: openTimer, afterMs: retryMs },
  ];
}

/** A sealed fragment has no next record: nothing is served, its left neighbour takes it over. */
function rest(state: ShardState): Effects {
  const jobs = [...state.writes, ...state.reads];
  state.writes = [];
  state.writeBytes = 0;
  state.reads = [];
  state.mode = { kind: "following" };
  publishStatus(state);
  return [{ kind: "unwake", name: openTimer }, ...refuseAll(state, jobs, wrongFragment(state))];
}

function readTail(state: ShardState, mode: Opening): Effects {
  mode.tailTicket = state.tickets.next();
  return [{ kind: "readLog", log: state.log, at: "last", seq: 0, ticket: mode.tailTicket }];
}

function askPeers(state: ShardState, mode: Opening): Effects {
  const effects: Effect[] = [];
  for (const peer of state.assignment.livePeers) {
    if (mode.positions.has(peer) || [...mode.asked.values()].includes(peer)) continue;
    const ticket = state.tickets.next();
    mode.asked.set(ticket, peer);
    const body: PeerRequest = { kind: "position", fragment: state.config.fragment, epoch: mode.epoch };
    effects.push({
      kind: "ask",
      subject: subjects.peer(peer),
      body,
      timeoutMs: state.config.timing.askTimeoutMs / 2,
      ticket,
    });
  }
  return effects;
}

export function onOpenTail(state: ShardState, mode: Opening, outcome: ReadOutcome, context: Context): Effects {
  mode.tailTicket = 0;
  if (outcome.kind === "unknown" || outcome.kind === "gone") return [];
  if (outcome.kind === "none") mode.tail = emptyTail(state);
  else {
    const record = readRecord(state, outcome.record);
    if (record === undefined)
      return stuck(state, mode, "recordCorrupt", `the last record in ${state.log.stream} is damaged`);
    mode.tail = tailAt(record, outcome.record);
  }
  const { delivered } = mode;
  if (delivered !== undefined && delivered.lsn > mode.tail.lsn) mode.tail = delivered;
  return decide(state, mode, context);
}

/** A log without a record of this fragment: it begins at LSN 1, or behind the split that the fragment came from. */
function emptyTail({ assignment: { base } }: ShardState): Tail {
  return { lsn: base?.lsn ?? 0, epoch: 0, seq: 0, hash: base?.hash ?? zeroHash };
}

export function onPosition(
  state: ShardState,
  mode: Opening,
  ticket: Ticket,
  outcome: AskOutcome,
  context: Context,
): Effects {
  const peer = mode.asked.get(ticket);
  if (peer === undefined) return [];
  mode.asked.delete(ticket);
  if (outcome.kind !== "answer") return [];
  const answer = decodePeerAnswer(outcome.body);
  if (!answer.ok || !("position" in answer.value)) return [];
  mode.positions.set(peer, answer.value.position);
  return decide(state, mode, context);
}

/** Asks again whoever did not answer; the ledger may meanwhile have dropped some. */
export function onOpenTimer(state: ShardState, mode: Opening, context: Context): Effects {
  const again: Effect = { kind: "wake", name: openTimer, afterMs: retryMs };
  if (state.flight !== undefined || mode.catchUp !== undefined || mode.copy !== undefined) return [again];
  const tail = mode.tail === undefined && mode.tailTicket === 0 ? readTail(state, mode) : [];
  return [again, ...tail, ...askPeers(state, mode), ...decide(state, mode, context)];
}

/** The peers that must answer changed. */
export function onPeersChanged(state: ShardState, mode: Opening, context: Context): Effects {
  return [...askPeers(state, mode), ...decide(state, mode, context)];
}

/** What the predecessor still wrote comes with the log's tail: it is applied at once, and need not be asked for. */
export function onOpenRecord(state: ShardState, mode: Opening, log: LogRecord, context: Context): Effects {
  if (state.flight !== undefined || mode.copy !== undefined) return [];
  const record = readRecord(state, log);
  if (record === undefined || !extend(state, mode, record, log)) return [];
  return [...apply(state, record, log.seq), ...decide(state, mode, context)];
}

/** The marker came too late: the predecessor wrote once more. Where that record fits, the marker goes behind it; nobody has to be asked again. */
export function onMarkerOvertaken(
  state: ShardState,
  mode: Opening,
  log: LogRecord,
  context: Context,
): Effects | undefined {
  const record = readRecord(state, log);
  if (record === undefined || !extend(state, mode, record, log)) return undefined;
  return [...apply(state, record, log.seq), ...decide(state, mode, context)];
}

/** Whether `record` is the one that goes on from here, of this or an older epoch; then the log reaches that far. */
function extend(state: ShardState, mode: Opening, record: FragmentRecord, log: LogRecord): boolean {
  const { replica } = state;
  if (replica.copying || record.epoch > mode.epoch || judge(replica, record) !== "apply") return false;
  if (isReady(state, record) !== "yes") return false;
  mode.delivered = tailAt(record, log);
  if (mode.tail !== undefined && record.lsn > mode.tail.lsn) mode.tail = mode.delivered;
  return true;
}

function tailAt({ lsn, epoch, hash }: FragmentRecord, { seq }: LogRecord): Tail {
  return { lsn, epoch, seq, hash };
}

function decide(state: ShardState, mode: Opening, context: Context): Effects {
  const { tail } = mode;
  if (tail === undefined || state.flight !== undefined || mode.catchUp !== undefined || mode.copy !== undefined)
    return [];
  if (state.replica.sealed) return rest(state);
  if (state.assignment.livePeers.some((peer) => !mode.positions.has(peer)) && !isNewborn(state, mode, tail)) return [];
  const newest = newestEpoch(state, mode, tail);
  if (newest > mode.epoch) return waitForLedger(state, mode, newest);
  const best = bestPeer(mode);
  const own = isSettled(state.replica) ? state.replica.lsn : -1;
  if (sparsePeerBeyond(mode, Math.max(own, tail.lsn, best?.position.lsn ?? 0))) return askAgain(mode);
  const beyondLog = Math.max(own, best?.position.lsn ?? 0) > tail.lsn;
  if (beyondLog && !mode.rechecked) return recheckTail(state, mode);
  if (best !== undefined && best.position.lsn > Math.max(own, tail.lsn)) return copyFrom(state, mode, best.peer);
  if (tail.lsn > state.replica.lsn && !state.replica.copying) return catchUp(state, mode, tail.lsn);
  if (own < 0) return best === undefined ? waitForPeers(state, mode) : copyFrom(state, mode, best.peer);
  return openAt(state, mode, tail, best?.peer, context);
}

/** Just split off, and nobody served it before: no peer can hold more, or has to be silent. */
function isNewborn({ assignment, replica }: ShardState, mode: Opening, tail: Tail): boolean {
  const { base } = assignment;
  return base !== undefined && mode.epoch === 1 && tail.seq === 0 && isSettled(replica) && replica.lsn === base.lsn;
}

/** Highest epoch that anything shows: the log, this replica, what was promised, the peers. */
function newestEpoch(state: ShardState, mode: Opening, tail: Tail): number {
  const peers = [...mode.positions.values()].map(({ epoch }) => epoch);
  return Math.max(tail.epoch, state.replica.epoch, state.promisedEpoch, ...peers);
}

/** This node's view is older than the log: somebody was primary after the epoch that it knows. Its marker would stand behind theirs; wait for the ledger, and report the epoch: a ledger that lost its own tail has to go beyond it. */
function waitForLedger(state: ShardState, mode: Opening, newestEpoch: number): Effects {
  if (newestEpoch > state.seenEpoch) {
    state.seenEpoch = newestEpoch;
    publishStatus(state);
  }
  return askAgain(mode);
}

/** At the next turn of the timer everybody is asked anew. */
function askAgain(mode: Opening): Effects {
  mode.tail = undefined;
  mode.positions.clear();
  return [];
}

/** A sparse replica saw records that the log has lost and no whole replica holds: it becomes whole from these, and then they copy from it. */
function sparsePeerBeyond({ positions }: Opening, lsn: number): boolean {
  return [...positions.values()].some((position) => position.sparse && position.lsn > lsn);
}

/** A replica is beyond the tail that was read: perhaps the read was merely older than the replica's answer. Look once more. */
function recheckTail(state: ShardState, mode: Opening): Effects {
  mode.rechecked = true;
  mode.tail = undefined;
  return readTail(state, mode);
}

function bestPeer(mode: Opening): { readonly peer: NodeId; readonly position: ReplicaPosition } | undefined {
  let best: { readonly peer: NodeId; readonly position: ReplicaPosition } | undefined;
  for (const [peer, position] of mode.positions) {
    if (!position.known || position.partial) continue;
    if (best === undefined || position.lsn > best.position.lsn) best = { peer, position };
  }
  return best;
}

/** Here this replica is whole, at or beyond the log's tail, and nobody asked holds more. */
function openAt(state: ShardState, mode: Opening, tail: Tail, peer: NodeId | undefined, context: Context): Effects {
  const { replica, assignment } = state;
  if (replica.lsn < assignment.activatedLsn) return waitForPeers(state, mode);
  if (replica.lsn > tail.lsn) {
    incident(
      state,
      "logRegressed",
      "healed",
      `the log ended at LSN ${tail.lsn}, the replica on ${state.config.node} holds ${replica.lsn}; the log goes on from there`,
    );
    return mark(state, mode, "rebase", tail, context);
  }
  if (replica.lsn > 0 && !sameBytes(tail.hash, replica.hash)) {
    const note = `the copy on ${state.config.node} and the log hold different records at LSN ${replica.lsn}`;
    if (peer === undefined)
      return stuck(state, mode, "replicaDiverged", `${note}, and no other replica is there to compare`);
    const twin = [...mode.positions].find(
      ([, position]) => position.known && !position.partial && sameBytes(position.hash, tail.hash),
    );
    if (twin === undefined) return stuck(state, mode, "replicaDiverged", note);
    incident(
      state,
      "replicaDiverged",
      "healed",
      `${note}; it is replaced by the copy on ${twin[0]}, which agrees with the log`,
    );
    return copyFrom(state, mode, twin[0]);
  }
  return mark(state, mode, "epoch", tail, context);
}

/** The history is known to be longer than anything found so far: replicas that are down may hold it. */
function waitForPeers(state: ShardState, mode: Opening): Effects {
  const { peers, livePeers, activatedLsn } = state.assignment;
  const absent = peers.filter((peer) => !livePeers.includes(peer));
  const known = `fragment ${state.config.fragment} reached at least LSN ${activatedLsn}, and neither the log nor a replica that answers holds that much`;
  const hope =
    absent.length > 0
      ? `; replicas on ${absent.join(", ")} have not been heard`
      : "; restore a node's folder or the log from a copy";
  return stuck(state, mode, "logGap", known + hope);
}

/** Closed, with a reason for the operator; tried again from the start while it lasts. */
function stuck(
  state: ShardState,
  mode: Opening,
  what: "logGap" | "replicaDiverged" | "recordCorrupt",
  note: string,
): Effects {
  if (!mode.stuck) {
    mode.stuck = true;
    incident(state, what, "refused", note);
    publishStatus(state);
  }
  return askAgain(mode);
}

function catchUp(state: ShardState, mode: Opening, targetLsn: number): Effects {
  const started = startCatchUp(state, targetLsn);
  mode.catchUp = started.catchUp;
  return started.effects;
}

export function onOpenRead(state: ShardState, mode: Opening, outcome: ReadOutcome, context: Context): Effects {
  if (mode.catchUp === undefined) return [];
  return onStep(state, mode, onCatchUpRead(state, mode.catchUp, outcome), context);
}

function onStep(state: ShardState, mode: Opening, step: CatchUpStep, context: Context): Effects {
  if (step.kind === "more") return step.effects;
  mode.catchUp = undefined;
  if (step.kind === "reached") return [...step.effects, ...decide(state, mode, context)];
  if (step.kind === "later") return step.effects;
  const best = bestPeer(mode);
  if (best !== undefined && best.position.lsn > state.replica.lsn)
    return [...step.effects, ...copyFrom(state, mode, best.peer)];
  return stuck(
    state,
    mode,
    "logGap",
    `the log misses records after LSN ${state.replica.lsn} of fragment ${state.config.fragment}, and no replica that answers holds them`,
  );
}

/** A sparse replica gives up instead: the role goes to one that is whole, and this one attaches anew. */
function copyFrom(state: ShardState, mode: Opening, source: NodeId): Effects {
  if (isSparse(state.replica)) {
    mode.stuck = true;
    publishStatus(state);
    return askAgain(mode);
  }
  const started = startCopy(state, source);
  mode.copy = started.copy;
  publishStatus(state);
  return started.effects;
}

export function onOpenCopy(state: ShardState, mode: Opening, step: CopyStep, context: Context): Effects {
  if (step.kind === "more") return step.effects;
  mode.copy = undefined;
  mode.positions.clear();
  if (step.kind === "failed") return step.effects;
  publishStatus(state);
  return [...step.effects, ...askPeers(state, mode), ...decide(state, mode, context)];
}

function mark(
  state: ShardState,
  mode: Opening,
  kind: Extract<RecordKind, "epoch" | "rebase">,
  tail: Tail,
  context: Context,
): Effects {
  return submitMark(state, kind, mode.epoch, tail.seq, context);
}

/** Appends a record without rows: a marker of this primary's epoch, a rebase, or a checkpoint. */
export function submitMark(
  state: ShardState,
  kind: Exclude<RecordKind, "data">,
  epoch: number,
  expectedSeq: number,
  context: Context,
  says: Partial<FragmentRecord> = {},
): Effects {
  const body = {
    kind,
    fragment: state.config.fragment,
    epoch,
    lsn: state.replica.lsn + 1,
    stampMs: nextStampMs(state, context),
    writer: state.config.writer,
    previousHash: state.replica.hash,
    ...noChanges,
    ...says,
  };
  const encoded = encodeRecord(body, state.wiring.hash);
  const record: FragmentRecord = { ...body, hash: encoded.hash };
  state.flight = { record, bytes: encoded.bytes, answers: [], jobs: [] };
  return state.appender.submit(encoded.bytes, expectedSeq);
}
