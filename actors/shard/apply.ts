// Applying. Owns the one way in which a record becomes rows: commit, window, memory of recent changes, status, watchers.
// A damaged or foreign record is an incident and a reason to look again, never a skip (P1).

import { limits } from "../../src/config/limits.js";
import { lsnOfWindowKey, tableShelf, windowRange } from "../../src/fragment/layout.js";
import { decodeRecord, type FragmentRecord } from "../../src/fragment/record.js";
import { applyRecord, isSettled, isSparse } from "../../src/fragment/replica.js";
import { createWindow, decodeWindowEntry } from "../../src/fragment/window.js";
import type { Effect, Effects, LogRecord, StoreClear } from "../../src/kernel/effect.js";
import type { Context } from "../../src/kernel/machine.js";
import type { Incident, IncidentKind } from "../../src/ledger/event.js";
import type { CopyProgress, ReplicaStatus } from "../../src/protocol/control.js";
import { type NodeId, partitionOfFragment } from "../../src/protocol/subjects.js";
import { dismissWatchers, serveWatchers } from "./changes.js";
import { startDigest } from "./digest.js";
import { afterReshape, countChanges, reshape } from "./reshape.js";
import type { CopyRun, ShardState } from "./state.js";

const recentRecords = 128;
const recentBytes = 1024 * 1024;
/** So long after the last poll of a watcher the next one is expected. */
const watchedForMs = 60_000;

/** Takes over `record` at `seq`; the caller has judged it `apply`. */
export function apply(state: ShardState, record: FragmentRecord, seq: number): Effects {
  countChanges(state, record);
  const bounds = reshape(state, record);
  const forgotten = state.window.add(record);
  const writes = [...bounds.writes, ...applyRecord(state.replica, record, seq, forgotten)];
  const effects: Effect[] = [commitEffect(state, writes, seq, bounds.clears)];
  state.stampedAtMs = state.stepAtMs;
  remember(state, record, seq);
  effects.push(...afterReshape(state, record));
  publishStatus(state);
  if (record.kind === "verify") effects.push(...startDigest(state, record.lsn));
  effects.push(...serveWatchers(state));
  if (state.replica.sealed) effects.push(...dismissWatchers(state));
  return effects;
}

/**
 * The stamp of this primary's next record: fragment time, which goes on from the last record's stamp by the monotonic clock. Request ids age by it, so a wall clock
 * that jumps must not move it; only a fragment's first record takes the wall clock.
 */
export function nextStampMs({ replica, stampedAtMs }: ShardState, { nowMs, wallMs }: Context): number {
  return replica.lsn === 0 ? wallMs : replica.stampMs + Math.max(0, nowMs - stampedAtMs);
}

/** One durability ticket under way at a time: it says how far the log may be trimmed. */
function commitEffect(
  state: ShardState,
  writes: readonly { key: Uint8Array; value: Uint8Array | undefined }[],
  seq: number,
  clears: readonly StoreClear[] = [],
): Effect {
  const commit: Effect = clears.length === 0 ? { kind: "commit", writes } : { kind: "commit", writes, clears };
  if (state.durableTicket !== 0) return commit;
  state.durableTicket = state.tickets.next();
  state.durablePendingSeq = seq;
  return { ...commit, ticket: state.durableTicket };
}

/** The store has caught up on disk; asks again when more was applied meanwhile. */
export function onDurable(state: ShardState): Effects {
  state.durableSeq = state.durablePendingSeq;
  state.durableTicket = 0;
  publishStatus(state);
  if (state.replica.seq === state.durableSeq) return [];
  return [commitEffect(state, [], state.replica.seq)];
}

/** What nobody watches is not remembered: the log has it for whoever comes, and thousands of records that live on would cost more than to make them did. */
function remember(state: ShardState, record: FragmentRecord, seq: number): void {
  const isWatched = state.watchers.size > 0 || state.stepAtMs - state.watchedAtMs < watchedForMs;
  if (!isWatched && !isSparse(state.replica)) {
    state.recent.length = 0;
    state.recentBytes = 0;
    return;
  }
  state.recent.push({ record, seq });
  state.recentBytes += sizeOf(record);
  while (state.recent.length > recentRecords || state.recentBytes > recentBytes) {
    const gone = state.recent.shift();
    if (gone === undefined) break;
    state.recentBytes -= sizeOf(gone.record);
  }
}

function sizeOf(record: FragmentRecord): number {
  return record.changes.reduce((sum, change) => sum + change.position.length + (change.document?.length ?? 0), 256);
}

/** The record in `log`, or an incident: the chain's checksum does not fit, or it is another fragment's. */
export function readRecord(state: ShardState, log: LogRecord): FragmentRecord | undefined {
  const decoded = decodeRecord(log.bytes, state.wiring.hash);
  if (decoded.ok && decoded.value.fragment === state.config.fragment) return decoded.value;
  const why = decoded.ok ? `it belongs to fragment ${decoded.value.fragment}` : decoded.fault.message;
  incident(
    state,
    "recordCorrupt",
    "noticed",
    `the record at sequence ${log.seq} of ${state.log.stream} cannot be used: ${why}`,
  );
  return undefined;
}

/** Rebuilds the request window from what the store holds. */
export function loadWindow(state: ShardState): void {
  state.window = createWindow();
  const { from, to } = windowRange(state.config.fragment);
  for (const { key, value } of state.wiring.store.range(from, to, false)) {
    const entry = decodeWindowEntry(value);
    if (entry !== undefined) state.window.restore({ lsn: lsnOfWindowKey(key), ...entry });
  }
}

/** `node`: where it is, when that is not here. */
export function incident(
  state: ShardState,
  what: IncidentKind,
  outcome: Incident["outcome"],
  note: string,
  node: NodeId = state.config.node,
): void {
  const { board } = state.wiring;
  if (board.incidents.length >= limits.tables) return;
  board.incidents.push({ node, what, outcome, fragments: [state.config.fragment], note });
}

/** Writes this replica's line on the node's board. */
export function publishStatus(state: ShardState): void {
  const { board } = state.wiring;
  const { replica, config } = state;
  const status: ReplicaStatus = {
    fragment: config.fragment,
    state: statusName(state),
    epoch: Math.max(state.assignment.epoch, replica.epoch, state.seenEpoch),
    lsn: replica.lsn,
    markerLsn: state.mode.kind === "serving" ? state.mode.markerLsn : 0,
    sparse: isSparse(replica),
    durableSeq: isSettled(replica) ? state.durableSeq : (replica.place?.seq ?? 0),
    rows: replica.rows,
    bytes: replica.bytes,
    ...(state.mode.kind === "serving" && state.verified !== undefined ? { verified: state.verified } : {}),
    ...(state.mode.kind === "serving" && board.mixes.has(config.fragment)
      ? { mix: board.mixes.get(config.fragment) }
      : {}),
    ...boundsOf(state),
    progress: progressOf(state),
  };
  if (isUrgent(board.statuses.get(config.fragment), status)) board.urgent = true;
  board.statuses.set(config.fragment, status);
  board.changed.add(config.fragment);
}

/** A step that moves, openings and repairs wait for. */
function isUrgent(before: ReplicaStatus | undefined, now: ReplicaStatus): boolean {
  if (before?.cut?.child !== now.cut?.child || before?.joined?.lsn !== now.joined?.lsn) return true;
  if (before?.refused?.child !== now.refused?.child) return true;
  return (
    before?.state !== now.state ||
    before.sparse !== now.sparse ||
    before.epoch !== now.epoch ||
    before.verified?.lsn !== now.verified?.lsn
  );
}

function progressOf(state: ShardState): CopyProgress | undefined {
  const { mode } = state;
  const copy = mode.kind === "behind" || mode.kind === "opening" ? mode.copy : undefined;
  if (copy !== undefined) return copyProgress(state, copy);
  return isSparse(state.replica) ? pullProgress(state) : undefined;
}

function copyProgress({ replica, stepAtMs }: ShardState, copy: CopyRun): CopyProgress {
  const spentMs = stepAtMs - copy.startedAtMs;
  const { totalRows, totalBytes, lagLsn } = copy;
  return {
    ...{ rows: replica.rows, bytes: replica.bytes, totalRows, totalBytes, lagLsn },
    bytesPerSecond: spentMs <= 0 ? 0 : Math.round((Math.max(0, replica.bytes - copy.bytesBefore) / spentMs) * 1000),
  };
}

function pullProgress({ replica, pulls, stepAtMs }: ShardState): CopyProgress {
  const spentMs = pulls.startedAtMs === 0 ? 0 : stepAtMs - pulls.startedAtMs;
  return {
    rows: pulls.rows,
    bytes: pulls.bytes,
    totalRows: Math.max(0, replica.rows),
    totalBytes: Math.max(0, replica.bytes),
    lagLsn: 0,
    bytesPerSecond: spentMs <= 0 ? 0 : Math.round((pulls.bytes / spentMs) * 1000),
  };
}

/** What the leader waits for while a split or merge is under way. */
function boundsOf({
  assignment,
  replica,
  refusal,
  config,
}: ShardState): Pick<ReplicaStatus, "cut" | "joined" | "refused" | "apart"> {
  const { split, absorb } = assignment;
  return {
    ...(split !== undefined && replica.cut?.child === split.child ? { cut: replica.cut } : {}),
    ...(split !== undefined && refusal?.child === split.child ? { refused: refusal } : {}),
    ...(absorb !== undefined && replica.joined?.right === absorb ? { joined: replica.joined } : {}),
    ...(replica.shelf === tableShelf(partitionOfFragment(config.fragment), config.table.id) ? {} : { apart: true }),
  };
}

function statusName(state: ShardState): ReplicaStatus["state"] {
  const { mode } = state;
  switch (mode.kind) {
    case "serving":
      return "serving";
    case "opening":
      return mode.stuck ? "faulted" : "opening";
    case "behind":
      if (state.noRoom && state.replica.copying) return "faulted";
      return mode.copy === undefined && mode.attach === undefined && mode.search === undefined ? "behind" : "copying";
    case "following":
      return isSparse(state.replica) ? "attached" : "following";
  }
}
