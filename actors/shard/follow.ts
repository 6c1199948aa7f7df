// Following. Owns a backup's way to the tail of the log: compare with the last record, read what is missing, copy when that is gone.
// F1 a backup never decides what the truth is: where its history and the log's differ it copies from the primary and reports it.
// F2 who holds nothing copies what would be long to read record by record; and reads all the same when no copy comes about and the log begins with the first record:
//    what only the log still has is not lost by waiting for a peer.
// F3 a server that lags may answer for the log: where more is known to be there than it says, it is asked again, some times.

import type { FragmentRecord } from "../../src/fragment/record.js";
import { bookkeeping, isSettled, judge } from "../../src/fragment/replica.js";
import type { AskOutcome, Effects, LogRecord, ReadOutcome, Ticket } from "../../src/kernel/effect.js";
import type { NodeId } from "../../src/protocol/subjects.js";
import { apply, incident, publishStatus, readRecord } from "./apply.js";
import { type AttachStep, empty, shouldAttach, startAttach } from "./attach.js";
import { type CatchUpStep, onCatchUpRead, startCatchUp } from "./catchup.js";
import { type CopyStep, isShortOfRoom, startCopy } from "./copy.js";
import { applyHeld, forgetHeld, hold, holdsNext } from "./held.js";
import { type LenderSearch, lenderAmong, onOffer, startSearch } from "./lender.js";
import { isReady } from "./reshape.js";
import type { Mode, ShardState } from "./state.js";

export type Behind = Extract<Mode, { kind: "behind" }>;
const retryMs = 300;
/** A replica that holds nothing reads so many records one by one, each of up to half a megabyte; more are copied. */
const recordsToRead = 16;
/** Copies that came to nothing, before the log is asked whether it has everything (F2). */
const copyTriesBeforeLog = 6;
/** Answers that say less than is known, before they are taken for the truth: the log may have lost it (F3). */
const doubtfulLooks = 10;
export const followTimer = "follow";

/** Starts (again) to find out where the log's tail is. */
export function fallBehind(state: ShardState): Effects {
  if (state.replica.sealed) return follow(state);
  const mode: Behind = {
    kind: "behind",
    tailTicket: 0,
    catchUp: undefined,
    copy: undefined,
    attach: undefined,
    copyTries: 0,
    search: undefined,
    firstTicket: 0,
    readsAll: false,
    looks: 0,
  };
  state.mode = mode;
  // What is damaged is not worth comparing with the log.
  if (state.damage !== undefined) state.replica.copying = true;
  publishStatus(state);
  return mustCopy(state) ? copyFromPeer(state, mode) : readTail(state, mode);
}

function mustCopy(state: ShardState): boolean {
  return state.replica.copying || shouldAttach(state);
}

/** Meanwhile the ledger told of other bounds: what the log answers is of no use any more. */
function copyInstead(state: ShardState, mode: Behind): Effects {
  return isCopying(mode) ? [] : copyFromPeer(state, mode);
}

function readTail(state: ShardState, mode: Behind): Effects {
  mode.tailTicket = state.tickets.next();
  return askLog(state, "last", 0, mode.tailTicket);
}

function askLog({ log }: ShardState, at: "last" | "next", seq: number, ticket: Ticket): Effects {
  return [
    { kind: "readLog", log, at, seq, ticket },
    { kind: "wake", name: followTimer, afterMs: retryMs * 10 },
  ];
}

export function onFollowTail(state: ShardState, mode: Behind, outcome: ReadOutcome): Effects {
  mode.tailTicket = 0;
  if (mustCopy(state)) return copyInstead(state, mode);
  switch (outcome.kind) {
    case "none":
      return atTail(state, mode);
    case "gone":
    case "unknown":
      return [{ kind: "wake", name: followTimer, afterMs: retryMs }];
    case "record":
      return compare(state, mode, outcome.record);
  }
}

function compare(state: ShardState, mode: Behind, log: LogRecord): Effects {
  const tail = readRecord(state, log);
  if (tail === undefined) return [{ kind: "wake", name: followTimer, afterMs: retryMs }];
  const verdict = judge(state.replica, tail);
  if (verdict === "old" || verdict === "staleEpoch") return atTail(state, mode);
  if (verdict === "apply")
    return isReady(state, tail) === "yes"
      ? [...apply(state, tail, log.seq), ...atTail(state, mode)]
      : halt(state, mode, tail);
  if (verdict === "diverged") return diverged(state, mode);
  if (isLongToRead(state, mode, tail)) return copyFromPeer(state, mode);
  const { catchUp, effects } = startCatchUp(state, tail.lsn);
  mode.catchUp = catchUp;
  return effects;
}

function isLongToRead({ replica, assignment }: ShardState, { readsAll }: Behind, tail: FragmentRecord): boolean {
  return replica.lsn === 0 && !readsAll && tail.lsn > recordsToRead && assignment.livePeers.length > 0;
}

/** The next record takes a neighbour over that is not at its end here: wait for it, or give up and copy (RE3). */
function halt(state: ShardState, mode: Behind, record: FragmentRecord): Effects {
  return isReady(state, record) === "never"
    ? copyFromPeer(state, mode)
    : [{ kind: "wake", name: followTimer, afterMs: retryMs }];
}

function atTail(state: ShardState, mode: Behind): Effects {
  if (holdsNext(state)) return goOn(state, mode);
  if (!isSettled(state.replica) || (isKnownToBeBehind(state) && mode.looks++ < doubtfulLooks))
    return [{ kind: "wake", name: followTimer, afterMs: retryMs }];
  return follow(state);
}

/** The log delivered a later record already, its primary told of one, or of one the ledger knows (F3). */
function isKnownToBeBehind({ replica, held, assignment, freshTarget }: ShardState): boolean {
  const known = Math.max(held.records.at(-1)?.lsn ?? 0, assignment.activatedLsn, freshTarget?.lsn ?? 0);
  return known > replica.lsn;
}

function follow(state: ShardState): Effects {
  state.mode = { kind: "following" };
  forgetHeld(state.held);
  publishStatus(state);
  return [{ kind: "unwake", name: followTimer }];
}

/** Same LSN, another record: what this replica holds beyond the common history was never in the log that the others follow. */
export function diverged(state: ShardState, mode: Behind): Effects {
  const { lsn } = state.replica;
  incident(
    state,
    "replicaDiverged",
    "noticed",
    `the copy on ${state.config.node} differs from the log at LSN ${lsn}; it is replaced by a copy from another replica`,
  );
  return copyFromPeer(state, mode);
}

export function onFollowRead(state: ShardState, mode: Behind, outcome: ReadOutcome): Effects {
  const { catchUp } = mode;
  if (catchUp === undefined) return [];
  return onStep(state, mode, onCatchUpRead(state, catchUp, outcome));
}

function onStep(state: ShardState, mode: Behind, step: CatchUpStep): Effects {
  switch (step.kind) {
    case "more":
      if (!holdsNext(state)) return step.effects;
      mode.catchUp = undefined;
      return [...step.effects, ...goOn(state, mode)];
    case "reached":
      mode.catchUp = undefined;
      return [...step.effects, ...goOn(state, mode)];
    case "later":
      mode.catchUp = undefined;
      return [...step.effects, { kind: "wake", name: followTimer, afterMs: retryMs }];
    case "gap":
      mode.catchUp = undefined;
      return [...step.effects, ...copyFromPeer(state, mode)];
  }
}

function isCopying({ copy, attach, search }: Behind): boolean {
  return copy !== undefined || attach !== undefined || search !== undefined;
}

/**
 * A whole copy comes from whoever has the least to do. A move by copy-on-write needs little, and from the primary first: the fewer records are between them, the
 * sooner it leads. What replaces a damaged copy comes from the primary, which is of the majority.
 */
function copyFromPeer(state: ShardState, mode: Behind): Effects {
  if (state.noRoom && isShortOfRoom(state)) return [{ kind: "wake", name: followTimer, afterMs: retryMs * 10 }];
  state.noRoom = false;
  if (mode.copyTries >= copyTriesBeforeLog && mayReadAll(state)) return readFirst(state, mode);
  if (isOrdinary(state) && state.assignment.livePeers.length > 1) {
    const { search, effects } = startSearch(state);
    mode.search = search;
    publishStatus(state);
    return effects;
  }
  return copyFrom(state, mode, sourceFor(state, mode.copyTries));
}

/** A peer told what burdens it, or did not: when all were heard, the copy begins. */
export function onFollowOffer(
  state: ShardState,
  mode: Behind,
  search: LenderSearch,
  ticket: Ticket,
  outcome: AskOutcome,
): Effects {
  if (!onOffer(search, ticket, outcome)) return [];
  mode.search = undefined;
  return copyFrom(state, mode, lenderAmong(state, search, mode.copyTries));
}

function copyFrom(state: ShardState, mode: Behind, source: NodeId | undefined): Effects {
  mode.copyTries++;
  if (source === undefined) return [{ kind: "wake", name: followTimer, afterMs: retryMs }];
  if (state.assignment.sparse !== undefined) {
    const { attach, effects } = startAttach(state, source);
    mode.attach = attach;
    publishStatus(state);
    return effects;
  }
  const { copy, effects } = startCopy(state, source);
  mode.copy = copy;
  publishStatus(state);
  return effects;
}

function isOrdinary({ assignment, damage }: ShardState): boolean {
  return assignment.sparse === undefined && damage === undefined;
}

/** Not where the log begins with other bounds than the fragment has now: its first records hold rows that are another's today, and on this node's shelf. */
function mayReadAll(state: ShardState): boolean {
  return isOrdinary(state) && state.assignment.reshaped !== true;
}

/** Does the log still have everything (F2)? */
function readFirst(state: ShardState, mode: Behind): Effects {
  mode.copyTries = 0;
  mode.firstTicket = state.tickets.next();
  return askLog(state, "next", 1, mode.firstTicket);
}

/** What was copied so far goes only when the log is known to have it too. */
export function onFollowFirst(state: ShardState, mode: Behind, outcome: ReadOutcome): Effects {
  mode.firstTicket = 0;
  const first = outcome.kind === "record" ? readRecord(state, outcome.record) : undefined;
  if (first?.lsn !== 1) return [{ kind: "wake", name: followTimer, afterMs: retryMs }];
  mode.readsAll = true;
  const clears = empty(state);
  state.replica.copying = false;
  publishStatus(state);
  return [{ kind: "commit", writes: [bookkeeping(state.replica)], clears }, ...readTail(state, mode)];
}

function sourceFor(state: ShardState, tries: number): NodeId | undefined {
  const { primary, livePeers } = state.assignment;
  const backups = livePeers.filter((node) => node !== primary);
  const primaries = livePeers.filter((node) => node === primary);
  const sources = [...primaries, ...backups];
  return sources[tries % Math.max(1, sources.length)];
}

export function onFollowCopy(state: ShardState, mode: Behind, step: CopyStep): Effects {
  switch (step.kind) {
    case "more":
      return step.effects;
    case "done":
      mode.copy = undefined;
      publishStatus(state);
      return [...step.effects, ...goOn(state, mode)];
    case "failed":
      mode.copy = undefined;
      publishStatus(state);
      return [...step.effects, { kind: "wake", name: followTimer, afterMs: retryMs }];
  }
}

export function onFollowAttach(state: ShardState, mode: Behind, step: AttachStep): Effects {
  if (step.kind === "more") return step.effects;
  mode.attach = undefined;
  publishStatus(state);
  if (step.kind === "failed") return [{ kind: "wake", name: followTimer, afterMs: retryMs }];
  return [...step.effects, ...goOn(state, mode)];
}

/** What is held first, in steps of its own, instead of reading the same from the log; then a look at how far the log goes. */
function goOn(state: ShardState, mode: Behind): Effects {
  if (!holdsNext(state)) return readTail(state, mode);
  if (state.held.told) return [];
  state.held.told = true;
  return [
    { kind: "tell", to: state.config.self, message: { kind: "held" } },
    { kind: "wake", name: followTimer, afterMs: retryMs * 10 },
  ];
}

/** The turn of what is held has come. */
export function onHeld(state: ShardState, mode: Behind): Effects {
  const applied = applyHeld(state);
  return state.held.told ? applied : [...applied, ...readTail(state, mode)];
}

/** The retry timer: whatever was under way and got no answer is started over. */
export function onFollowTimer(state: ShardState, mode: Behind): Effects {
  if (isCopying(mode) || mode.catchUp !== undefined) return [];
  return mustCopy(state) ? copyFromPeer(state, mode) : readTail(state, mode);
}

/** A record from the group's tail, for a replica that is not primary. */
export function onTailRecord(state: ShardState, log: LogRecord): Effects {
  const record = readRecord(state, log);
  if (record === undefined) return state.mode.kind === "following" ? fallBehind(state) : [];
  if (state.replica.copying) {
    hold(state, record, log);
    return [];
  }
  switch (judge(state.replica, record)) {
    case "apply":
      if (isReady(state, record) === "yes") return apply(state, record, log.seq);
      return state.mode.kind === "following" ? fallBehind(state) : [];
    case "old":
    case "staleEpoch":
      return [];
    case "gap":
      hold(state, record, log);
      return state.mode.kind === "following" ? fallBehind(state) : [];
    case "diverged":
      return state.mode.kind === "following" ? fallBehind(state) : [];
  }
}
