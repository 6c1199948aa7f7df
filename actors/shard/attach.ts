// Attaching. Owns how a replica becomes a sparse one: it takes the request window from a whole replica, and stands from then on where that replica stood.
// AT1 what was here before is cleared with the first answer of a whole replica, in the commit that marks this one as being made: a crash in between leaves a copy that
//     knows it is none. AT2 the window is fuzzy like any copy: it is whole once the log is applied up to the furthest point at which a part of it was read.
// AT3 only a replica that holds nothing attaches, or one that would have to be copied anyway.
// AT4 it goes at the pace of copies: where a node suffers, the window waits.

import { lsnOfWindowKey, windowKey } from "../../src/fragment/layout.js";
import { adjustPace, costBytes, spend, waitMs } from "../../src/fragment/pace.js";
import { sameRange } from "../../src/fragment/range.js";
import { zeroHash } from "../../src/fragment/record.js";
import { bookkeeping } from "../../src/fragment/replica.js";
import { clearsOf } from "../../src/fragment/reshape.js";
import { createWindow, decodeWindowEntry } from "../../src/fragment/window.js";
import { emptyBytes, sameBytes } from "../../src/kernel/bytes.js";
import type { AskOutcome, Effect, Effects, StoreClear, StoreWrite } from "../../src/kernel/effect.js";
import type { PeerRequest, WindowSlice } from "../../src/protocol/peer.js";
import { decodePeerAnswer } from "../../src/protocol/peer-codec.js";
import { type NodeId, subjects } from "../../src/protocol/subjects.js";
import { armLateness, latenessOf } from "./lateness.js";
import { forgetPulls } from "./pull.js";
import { digestOf } from "./source.js";
import type { AttachRun, ShardState } from "./state.js";

export const attachTimer = "attach";
const sliceBytes = 64 * 1024;
const triesPerSlice = 5;

export type AttachStep =
  | { readonly kind: "more"; readonly effects: Effects }
  | { readonly kind: "done"; readonly effects: Effects }
  | { readonly kind: "failed"; readonly effects: Effects };

/** True for a replica that the ledger wants sparse and that has nothing yet (AT3). */
export function shouldAttach({ assignment, replica }: ShardState): boolean {
  return assignment.sparse !== undefined && (replica.copying || replica.lsn === 0);
}

export function startAttach(
  state: ShardState,
  source: NodeId,
): { readonly attach: AttachRun; readonly effects: Effects } {
  const attach: AttachRun = { source, after: emptyBytes, ticket: 0, tries: 0, start: undefined };
  return { attach, effects: [...armLateness(state), ask(state, attach)] };
}

/** The pace lets it go on. */
export function onAttachTimer(state: ShardState, attach: AttachRun): AttachStep {
  return { kind: "more", effects: attach.ticket === 0 ? [ask(state, attach)] : [] };
}

function ask(state: ShardState, attach: AttachRun): Effect {
  attach.ticket = state.tickets.next();
  const { fragment } = state.config;
  const body: PeerRequest = { kind: "window", fragment, after: attach.after, maxBytes: sliceBytes };
  const timeoutMs = state.config.timing.askTimeoutMs;
  return { kind: "ask", subject: subjects.peer(attach.source), body, timeoutMs, ticket: attach.ticket };
}

export function onAttachAnswer(state: ShardState, attach: AttachRun, outcome: AskOutcome): AttachStep {
  const answer = outcome.kind === "answer" ? decodePeerAnswer(outcome.body) : undefined;
  if (answer === undefined || !answer.ok || !("window" in answer.value)) return again(state, attach);
  const { window } = answer.value;
  if (!sameBytes(window.digest, digestOf(state.wiring.hash, window.entries))) return again(state, attach);
  attach.tries = 0;
  return take(state, attach, window);
}

function again(state: ShardState, attach: AttachRun): AttachStep {
  attach.tries++;
  if (attach.tries >= triesPerSlice) return { kind: "failed", effects: [] };
  return { kind: "more", effects: [ask(state, attach)] };
}

function take(state: ShardState, attach: AttachRun, window: WindowSlice): AttachStep {
  const { replica } = state;
  // A source that has not come to a split or merge yet, or this node's ledger has not: later.
  if (!sameRange(window.shape, replica.range)) return { kind: "failed", effects: [] };
  const clears = attach.start === undefined ? empty(state) : [];
  attach.start ??= window;
  replica.wholeLsn = Math.max(replica.wholeLsn, window.lsn);
  const writes: StoreWrite[] = [];
  for (const [key, value] of window.entries) writes.push(...recall(state, lsnOfWindowKey(key), value));
  const last = window.entries.at(-1);
  if (!window.done && last !== undefined) {
    attach.after = last[0];
    writes.push(bookkeeping(replica));
    return { kind: "more", effects: [{ kind: "commit", writes, clears }, ...askPaced(state, attach, window)] };
  }
  const { lsn, seq, epoch, hash, stampMs, rows, bytes } = attach.start;
  Object.assign(replica, { lsn, seq, epoch, hash, stampMs, rows, bytes, copying: false });
  const { changedLsn, cut, joined } = attach.start.shape;
  Object.assign(replica, { missing: [replica.range], baseLsn: lsn, changedLsn, cut, joined });
  state.stampedAtMs = state.stepAtMs;
  writes.push(bookkeeping(replica));
  return { kind: "done", effects: [{ kind: "commit", writes, clears }] };
}

function askPaced(state: ShardState, attach: AttachRun, { entries }: WindowSlice): Effects {
  const { pulls, stepAtMs } = state;
  const bytes = entries.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  adjustPace(pulls.pace, latenessOf(state), stepAtMs);
  spend(pulls.pace, costBytes(bytes, entries.length));
  const pauseMs = waitMs(pulls.pace, stepAtMs);
  if (pauseMs <= 0) return [...armLateness(state), ask(state, attach)];
  attach.ticket = 0;
  return [...armLateness(state), { kind: "wake", name: attachTimer, afterMs: Math.max(1, Math.ceil(pauseMs)) }];
}

function recall(state: ShardState, lsn: number, value: Uint8Array): StoreWrite[] {
  const entry = decodeWindowEntry(value);
  if (entry === undefined) return [];
  state.window.restore({ lsn, ...entry });
  return [{ key: windowKey(state.replica.fragment, lsn), value }];
}

/** The replica as if it had never been, marked as being made; gives what is to be cleared in the same commit. */
export function empty(state: ShardState): readonly StoreClear[] {
  const { replica } = state;
  Object.assign(replica, { lsn: 0, seq: 0, epoch: 0, hash: zeroHash, copying: true, wholeLsn: 0, stampMs: 0 });
  Object.assign(replica, { rows: 0, bytes: 0, missing: [], baseLsn: 0, place: undefined });
  state.window = createWindow();
  state.recent.length = 0;
  state.recentBytes = 0;
  state.durableSeq = 0;
  forgetPulls(state);
  Object.assign(replica, { changedLsn: 0, sealed: false, cut: undefined, joined: undefined });
  state.awaited = undefined;
  return clearsOf(state.wiring.store, replica, replica.range);
}
