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
  if (state.watchers.length >= watchersLimit) {
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
  };
  state.watchers.push(watcher);
  return serveOne(state, watcher);
}

/** After new records: every watcher that waits looks again. */
export function serveWatchers(state: ShardState): Effects {
  if (state.watchers.length === 0) return [];
  return [...state.watchers].flatMap((watcher) => (watcher.ticket === 0 ? serveOne(state, watcher) : []));
}

function serveOne(state: ShardState, watcher: Watcher): Effects {
  const [oldest] = state.recent;
  const before = oldest === undefined ? state.replica.lsn : lsnBefore(oldest.record);
  if (watcher.afterLsn < before) return readOlder(state, watcher);
  for (const { record, seq } of state.recent) {
    if (record.lsn <= watcher.afterLsn) continue;
    if (!collect(state, watcher, record, seq)) break;
  }
  return watcher.found.length > 0 ? finish(state, watcher) : [];
}

/** Nothing more is to come: whoever has read everything learns so at once (V3). */
export function dismissWatchers(state: ShardState): Effects {
  const done = state.watchers.filter((watcher) => watcher.ticket === 0 && watcher.afterLsn >= state.replica.lsn);
  return done.flatMap((watcher) => finish(state, watcher));
}

/** False when the answer is full: the record stays for the next poll. A record is taken whole or not at all. */
function collect(_state: ShardState, watcher: Watcher, record: FragmentRecord, seq: number): boolean {
  if (record.mark?.kind === "absorb" && !watcher.ended.includes(record.mark.right)) return false;
  const found = changesOf(record, watcher);
  const size = [...watcher.found, ...found].reduce(
    (sum, change) => sum + (change.document?.length ?? 0) + change.position.length,
    0,
  );
  const full = watcher.found.length > 0 && (watcher.found.length + found.length > watcher.limit || size > answerBytes);
  if (full) return false;
  watcher.found.push(...found);
  watcher.afterLsn = record.lsn;
  watcher.afterSeq = seq;
  return true;
}

/** The last change of each row in the record, as far as the filter lets it through; deletions always do. */
function changesOf(record: FragmentRecord, watcher: Watcher): Change[] {
  const last = new Map<string, Change>();
  record.changes.forEach(({ position, document }, index) => {
    const name = latin1.decode(position);
    last.delete(name);
    if (document !== undefined && watcher.filter !== undefined && !matches(watcher.filter, decodeDocument(document)))
      return;
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
  const watcher = state.watchers.find((candidate) => candidate.ticket === ticket);
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
  const room = collect(state, watcher, record.value, outcome.record.seq);
  // Nothing found and yet no room: it waits at a merge (V2).
  if (!room && watcher.found.length === 0) return [];
  if (!room || watcher.found.length >= watcher.limit) return finish(state, watcher);
  return serveOne(state, watcher);
}

function trimmed(state: ShardState, watcher: Watcher): Effects {
  drop(state, watcher);
  const note = `the log no longer holds the changes after LSN ${watcher.afterLsn} of fragment ${state.config.fragment}; scan the table and watch from now`;
  return [refuse(state, watcher.slot, fault("TRIMMED", note, { fragment: state.config.fragment }))];
}

function finish(state: ShardState, watcher: Watcher): Effects {
  drop(state, watcher);
  const { found, afterLsn, afterSeq } = watcher;
  return [answer(state, watcher.slot, { op: "changes", changes: found, lastLsn: afterLsn, lastSeq: afterSeq })];
}

function drop(state: ShardState, watcher: Watcher): void {
  state.watchers = state.watchers.filter((other) => other !== watcher);
}

/** Polls whose time is over get an empty answer and their place. */
export function expireWatchers(state: ShardState, nowMs: number): Effects {
  const effects: Effect[] = [];
  for (const watcher of state.watchers)
    if (watcher.untilMs <= nowMs && watcher.ticket === 0) effects.push(...finish(state, watcher));
  return effects;
}
