// Copying. Owns both sides of copying a whole fragment from another replica, slice by slice.
// C1 the copy is fuzzy: slices are read while the source goes on. It is whole once the log is applied from where the source stood at the first slice
//    up to the furthest point at which a slice was read; records are effects, so applying them over newer rows ends at the same rows.
// C2 with the first slice the destination is emptied and marked `copying` in the same commit: a crash in between leaves a copy that knows it is none.
//    Not before: a sparse replica may need the very rows of this one to become the source that it asks.
// C4 the copy has the source's bounds; when they change in the middle (a split, a merge) it begins anew.
// C3 a source that is not whole itself refuses.

import { limits } from "../../src/config/limits.js";
import { bookkeepingKey, lsnOfWindowKey, markRange, rowKey, rowRange, windowRange } from "../../src/fragment/layout.js";
import { sameRange } from "../../src/fragment/range.js";
import { bookkeeping, isWhole } from "../../src/fragment/replica.js";
import { overlapping } from "../../src/fragment/reshape.js";
import { decodeWindowEntry } from "../../src/fragment/window.js";
import { afterBytes, type Bytes, emptyBytes, joinBytes, sameBytes } from "../../src/kernel/bytes.js";
import type { AskOutcome, Effect, Effects, ReplyTo, StoreClear, StoreWrite } from "../../src/kernel/effect.js";
import type { Hash } from "../../src/kernel/hash.js";
import type { CopySlice, PeerAnswer, PeerRequest, Shape } from "../../src/protocol/peer.js";
import { decodePeerAnswer } from "../../src/protocol/peer-codec.js";
import { type NodeId, subjects } from "../../src/protocol/subjects.js";
import { notWhole } from "./answer.js";
import { empty } from "./attach.js";
import { shapeOf, tellLeft } from "./reshape.js";
import type { CopyRun, ShardReport, ShardState } from "./state.js";

const sliceBytes = 256 * 1024;
const sliceRows = 2048;
const triesPerSlice = 5;
const rowsRoom = 0;
const windowRoom = 1;

export type CopyStep =
  | { readonly kind: "more"; readonly effects: Effects }
  | { readonly kind: "done"; readonly effects: Effects }
  | { readonly kind: "failed"; readonly effects: Effects; readonly why: string };

/** Asks for the first slice; a replica that holds something is emptied when it comes. */
export function startCopy(state: ShardState, source: NodeId): { readonly copy: CopyRun; readonly effects: Effects } {
  const { replica } = state;
  const copy: CopyRun = { source, cursor: emptyBytes, ticket: 0, tries: 0, start: undefined };
  if (replica.lsn > 0 && !replica.copying) return { copy, effects: [ask(state, copy)] };
  const clears = empty(state);
  return { copy, effects: [{ kind: "commit", writes: [bookkeeping(replica)], clears }, ask(state, copy)] };
}

function ask(state: ShardState, copy: CopyRun): Effect {
  copy.ticket = state.tickets.next();
  const body: PeerRequest = {
    kind: "copy",
    fragment: state.config.fragment,
    cursor: copy.cursor,
    maxBytes: sliceBytes,
  };
  return {
    kind: "ask",
    subject: subjects.peer(copy.source),
    body,
    timeoutMs: state.config.timing.askTimeoutMs * 2,
    ticket: copy.ticket,
  };
}

export function onCopyAnswer(state: ShardState, copy: CopyRun, outcome: AskOutcome): CopyStep {
  if (outcome.kind !== "answer") return again(state, copy, `${copy.source} did not answer`);
  const answer = decodePeerAnswer(outcome.body);
  if (!answer.ok) return again(state, copy, answer.fault.message);
  if ("fault" in answer.value) return again(state, copy, answer.value.fault.message);
  if (!("slice" in answer.value)) return again(state, copy, "an answer of another kind");
  const { slice } = answer.value;
  if (!sameBytes(slice.digest, digest(slice.entries, state.wiring.hash)))
    return again(state, copy, "a slice whose digest does not fit");
  copy.tries = 0;
  return take(state, copy, slice);
}

function again(state: ShardState, copy: CopyRun, why: string): CopyStep {
  copy.tries++;
  if (copy.tries >= triesPerSlice) return { kind: "failed", effects: [], why };
  return { kind: "more", effects: [ask(state, copy)] };
}

function take(state: ShardState, copy: CopyRun, slice: CopySlice): CopyStep {
  const { replica } = state;
  let clears: readonly StoreClear[] = [];
  let told: Effects = [];
  const writes: StoreWrite[] = [];
  if (copy.start === undefined) {
    const adopted = adopt(state, slice.shape);
    if (adopted === undefined)
      return { kind: "failed", effects: [], why: "another fragment here holds these rows still" };
    ({ clears, told } = adopted);
    writes.push(...adopted.writes);
  } else if (!sameRange(copy.start.shape, slice.shape)) {
    // C4: rows beyond the old bounds, or short of the new ones, would be of another time.
    return { kind: "failed", effects: [], why: "the source's bounds changed meanwhile" };
  }
  copy.start ??= { lsn: slice.lsn, seq: slice.seq, epoch: slice.epoch, hash: slice.hash, shape: slice.shape };
  replica.wholeLsn = Math.max(replica.wholeLsn, slice.lsn);
  for (const [key, value] of slice.entries) writes.push({ key: ownKey(state, key), value });
  for (const [key, value] of slice.entries) {
    if (key[0] === rowsRoom) countRow(state, key, value);
    else recall(state, key, value);
  }
  if (!slice.done) {
    copy.cursor = slice.nextCursor;
    if (clears.length > 0) writes.push(bookkeeping(replica));
    return { kind: "more", effects: [{ kind: "commit", writes, clears }, ...told, ask(state, copy)] };
  }
  const { shape, ...start } = copy.start;
  const { changedLsn, sealed, cut, joined } = shape;
  Object.assign(replica, start, { copying: false, changedLsn, sealed, cut, joined });
  writes.push(bookkeeping(replica));
  return { kind: "done", effects: [{ kind: "commit", writes, clears }, ...told, ...tellLeft(state)] };
}

interface Adopted {
  readonly writes: readonly StoreWrite[];
  readonly clears: readonly StoreClear[];
  readonly told: Effects;
}

/**
 * Empties the replica and takes the source's bounds over, and with them what is left here of fragments that were taken over. Undefined: another fragment here
 * lies within them, so the source is behind, or this node's ledger is.
 */
function adopt(state: ShardState, shape: Shape): Adopted | undefined {
  const { replica, wiring, config } = state;
  const range = { from: shape.from, to: shape.to };
  const others = overlapping(wiring.store, replica.fragment, replica.shelf, range);
  if (others.some(({ fragment }) => !wiring.board.retired.has(fragment))) return undefined;
  const emptied = empty(state);
  const changed = !sameRange(range, replica.range);
  replica.range = range;
  if (!changed && others.length === 0) return { writes: [], clears: emptied, told: [] };
  const gone = others.map(({ fragment }) => fragment);
  for (const fragment of gone) wiring.board.gone.add(fragment);
  const message: ShardReport = { kind: "reshaped", fragment: config.fragment, gone };
  return {
    writes: gone.map((fragment) => ({ key: bookkeepingKey(fragment), value: undefined })),
    clears: [...emptied, rowRange(replica.shelf, range), markRange(replica.shelf, range), ...gone.map(windowRange)],
    told: [{ kind: "tell", to: config.parent, message }],
  };
}

/** Bytes before the position in a row key beyond the room byte, and before the LSN in a window key. */
const shelfPrefix = 4;
const windowPrefix = 9;

function countRow(state: ShardState, key: Bytes, value: Bytes): void {
  state.replica.rows++;
  state.replica.bytes += key.length - 1 + value.length;
}

function recall(state: ShardState, key: Bytes, value: Bytes): void {
  const entry = decodeWindowEntry(value);
  if (entry === undefined) return;
  state.window.add({ lsn: lsnOfWindowKey(key), ...entry });
  state.replica.stampMs = Math.max(state.replica.stampMs, entry.stampMs);
  state.stampedAtMs = state.stepAtMs;
}

function ownKey(state: ShardState, relative: Bytes): Bytes {
  const rest = relative.subarray(1);
  if (relative[0] === rowsRoom) return rowKey(state.replica.shelf, rest);
  return joinBytes(windowRange(state.config.fragment).from.subarray(0, windowPrefix), rest);
}

/** The source's side: the slice after `cursor`. Cursor and keys are relative: a room byte, then the position, or the window's LSN. */
export function onCopyRequest(
  state: ShardState,
  request: Extract<PeerRequest, { kind: "copy" }>,
  from: ReplyTo,
): Effects {
  const { replica } = state;
  if (!isWhole(replica)) return [{ kind: "reply", to: from, body: { fault: notWhole(state) } satisfies PeerAnswer }];
  const entries: (readonly [Bytes, Bytes])[] = [];
  const maxBytes = Math.min(Math.max(1024, request.maxBytes), limits.replyBytes / 2);
  const room = request.cursor[0] ?? rowsRoom;
  const after = request.cursor.subarray(1);
  let nextCursor = room === rowsRoom ? rowsAfter(state, after, maxBytes, entries) : undefined;
  if (nextCursor === undefined)
    nextCursor = windowAfter(state, room === windowRoom ? after : emptyBytes, maxBytes, entries);
  const { fragment, lsn, seq, epoch, hash } = replica;
  const slice: CopySlice = {
    fragment,
    entries,
    nextCursor: nextCursor ?? emptyBytes,
    done: nextCursor === undefined,
    lsn,
    seq,
    epoch,
    hash,
    shape: shapeOf(replica),
    digest: digest(entries, state.wiring.hash),
  };
  return [{ kind: "reply", to: from, body: { slice } satisfies PeerAnswer }];
}

function rowsAfter(
  state: ShardState,
  after: Bytes,
  maxBytes: number,
  entries: (readonly [Bytes, Bytes])[],
): Bytes | undefined {
  const { replica } = state;
  const start = after.length === 0 ? replica.range.from : afterBytes(after);
  const { from, to } = rowRange(replica.shelf, { from: start, to: replica.range.to });
  return collect(state, from, to, 1 + shelfPrefix, rowsRoom, maxBytes, entries);
}

function windowAfter(
  state: ShardState,
  after: Bytes,
  maxBytes: number,
  entries: (readonly [Bytes, Bytes])[],
): Bytes | undefined {
  const range = windowRange(state.config.fragment);
  const from = after.length === 0 ? range.from : afterBytes(joinBytes(range.from.subarray(0, windowPrefix), after));
  return collect(state, from, range.to, windowPrefix, windowRoom, maxBytes, entries);
}

/** Cursor to go on from when the slice is full; undefined when the room is done. */
function collect(
  state: ShardState,
  from: Bytes,
  to: Bytes,
  prefix: number,
  room: number,
  maxBytes: number,
  entries: (readonly [Bytes, Bytes])[],
): Bytes | undefined {
  let bytes = entries.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  for (const { key, value } of state.wiring.store.range(from, to, false)) {
    const relative = joinBytes(Uint8Array.of(room), key.subarray(prefix));
    entries.push([relative, value.slice()]);
    bytes += relative.length + value.length;
    if (bytes >= maxBytes || entries.length >= sliceRows) return relative;
  }
  return undefined;
}

function digest(entries: readonly (readonly [Bytes, Bytes])[], hash: Hash): Bytes {
  const flat = joinBytes(...entries.flat());
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, hash.h64(flat));
  return bytes;
}
