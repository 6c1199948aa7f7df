// Changes. Owns the change feed of one fragment: long polls that are answered from the memory of recent records, or from the log.
// V2 a feed that another was merged into goes past that point only for a watcher that has read the other to its end: a row's changes keep their order.
// V3 when a fragment is sealed, whoever has read it to its end is told where that is.
// V1 a watcher sees every change after its LSN, in LSN order, or is told TRIMMED; never a gap.

import { limits } from "../../src/config/limits.js";
import { decodeRecord, type FragmentRecord, lsnBefore, versionOf } from "../../src/fragment/record.js";
import { latin1 } from "../../src/fragment/replica.js";
import type { Effect, Effects, ReadOutcome, Ticket } from "../../src/kernel/effect.js";
import { fault } from "../../src/kernel/fault.js";
import type { Context } from "../../src/kernel/machine.js";
import type { Change, Op } from "../../src/protocol/exec.js";
import { decodeDocument } from "../../src/query/document.js";
import { matches } from "../../src/query/filter.js";
import { answer, refuse } from "./answer.js";
import type { ShardState, Slot, Watcher } from "./state.js";

const watchersLimit = 1024;
const answerBytes = 256 * 1024;

export function takeWatcher(
  state: ShardState,
  slot: Slot,
  op: Extract<Op, { op: "changes" }>,
  context: Context,
): Effects {
  if (state.watchers.size >= watchersLimit) {
    return [
      refuse(
        state,
        slot,
        fault("OVERLOADED", "too many watchers on this fragment; try again later", { retryAfterMs: 1000 }),
      ),
    ];
  }
  state.watchedAtMs = context.nowMs;
  const { replica } = state;
  const fromNow = op.afterLsn < 0;
  const watcher: Watcher = {
    slot,
    limit: Math.min(op.limit, limits.watchChanges),
    filter: op.filter,
    ended: op.ended ?? [],
    untilMs: context.nowMs + Math.min(op.waitMs, limits.watchWaitMs),
    afterLsn: fromNow ? replica.lsn : op.afterLsn,
    afterSeq: fromNow ? replica.seq : op.afterSeq,
    ticket: 0,
    found: [],
    foundBytes: 0,
  };
  state.watchers.add(watcher);
  return serveOne(state, watcher, new Map());
}

/** Changes of records as all watchers without a filter see them, worked out once for all that are served in one turn. */
type Shared = Map<FragmentRecord, readonly Change[]>;

/** After new records: every watcher that waits looks again. */
export function serveWatchers(state: ShardState): Effects {
  if (state.watchers.size === 0) return [];
  const shared: Shared = new Map();
  return [...state.watchers].flatMap((watcher) => (watcher.ticket === 0 ? serveOne(state, watcher, shared) : []));
}

function serveOne(state: ShardState, watcher: Watcher, shared: Shared): Effects {
  const { recent } = state;
  const [oldest] = recent;
  const before = oldest === undefined ? state.replica.lsn : lsnBefore(oldest.record);
  if (watcher.afterLsn < before) return readOlder(state, watcher);
  // From the end: who waits has seen all but the last ones.
  const first = recent.findLastIndex(({ record }) => record.lsn <= watcher.afterLsn) + 1;
  for (const { record, seq } of recent.slice(first)) if (!collect(watcher, record, seq, shared)) break;
  return watcher.found.length > 0 ? finish(state, watcher) : [];
}

/** Nothing more is to come: whoever has read everything learns so at once (V3). */
export function dismissWatchers(state: ShardState): Effects {
  const done = [...state.watchers].filter(({ ticket, afterLsn }) => ticket === 0 && afterLsn >= state.replica.lsn);
  return done.flatMap((watcher) => finish(state, watcher));
}

/** False when the answer is full: the record stays for the next poll. A record is taken whole or not at all. */
function collect(watcher: Watcher, record: FragmentRecord, seq: number, shared: Shared): boolean {
  if (record.mark?.kind === "absorb" && !watcher.ended.includes(record.mark.right)) return false;
  const found = changesFor(watcher, record, shared);
  const bytes = found.reduce((sum, { document, position }) => sum + (document?.length ?? 0) + position.length, 0);
  const isOver = watcher.found.length + found.length > watcher.limit || watcher.foundBytes + bytes > answerBytes;
  if (watcher.found.length > 0 && isOver) return false;
  watcher.found.push(...found);
  watcher.foundBytes += bytes;
  watcher.afterLsn = record.lsn;
  watcher.afterSeq = seq;
  return true;
}

function changesFor({ filter }: Watcher, record: FragmentRecord, shared: Shared): readonly Change[] {
  if (filter !== undefined) return changesOf(record, filter);
  const known = shared.get(record) ?? changesOf(record, undefined);
  shared.set(record, known);
  return known;
}

/** The last change of each row in the record, as far as the filter lets it through; deletions always do. */
function changesOf(record: FragmentRecord, filter: Watcher["filter"]): readonly Change[] {
  const last = new Map<string, Change>();
  record.changes.forEach(({ position, document }, index) => {
    const name = latin1.decode(position);
    last.delete(name);
    if (document !== undefined && filter !== undefined && !matches(filter, decodeDocument(document))) return;
    last.set(name, { lsn: record.lsn, position, version: versionOf(record.lsn, index), document });
  });
  return [...last.values()];
}

function readOlder(state: ShardState, watcher: Watcher): Effects {
  watcher.ticket = state.tickets.next();
  return [{ kind: "readLog", log: state.log, at: "next", seq: watcher.afterSeq + 1, ticket: watcher.ticket }];
}

/** A read of the log for a watcher; undefined when the ticket is none's. */
export function onWatcherRead(state: ShardState, ticket: Ticket, outcome: ReadOutcome): Effects | undefined {
  const watcher = [...state.watchers].find((candidate) => candidate.ticket === ticket);
  if (watcher === undefined) return undefined;
  watcher.ticket = 0;
  if (outcome.kind === "unknown" || outcome.kind === "gone") return finish(state, watcher);
  const record = outcome.kind === "record" ? decodeRecord(outcome.record.bytes, state.wiring.hash) : undefined;
  if (record === undefined || !record.ok || outcome.kind !== "record") return trimmed(state, watcher);
  if (record.value.lsn <= watcher.afterLsn) {
    watcher.afterSeq = outcome.record.seq;
    return readOlder(state, watcher);
  }
  if (lsnBefore(record.value) !== watcher.afterLsn) return trimmed(state, watcher);
  const room = collect(watcher, record.value, outcome.record.seq, new Map());
  // Nothing found and yet no room: it waits at a merge (V2).
  if (!room && watcher.found.length === 0) return [];
  if (!room || watcher.found.length >= watcher.limit) return finish(state, watcher);
  return serveOne(state, watcher, new Map());
}

function trimmed(state: ShardState, watcher: Watcher): Effects {
  state.watchers.delete(watcher);
  const note = `the log no longer holds the changes after LSN ${watcher.afterLsn} of fragment ${state.config.fragment}; scan the table and watch from now`;
  return [refuse(state, watcher.slot, fault("TRIMMED", note, { fragment: state.config.fragment }))];
}

function finish(state: ShardState, watcher: Watcher): Effects {
  state.watchers.delete(watcher);
  const { found, afterLsn, afterSeq } = watcher;
  return [answer(state, watcher.slot, { op: "changes", changes: found, lastLsn: afterLsn, lastSeq: afterSeq })];
}

/** Polls whose time is over get an empty answer and their place. */
export function expireWatchers(state: ShardState, nowMs: number): Effects {
  const effects: Effect[] = [];
  for (const watcher of state.watchers)
    if (watcher.untilMs <= nowMs && watcher.ticket === 0) effects.push(...finish(state, watcher));
  return effects;
}
