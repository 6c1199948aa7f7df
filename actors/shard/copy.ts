// Copying. Owns the destination's side of copying a whole fragment from another replica (the source's is `lend.ts`): numbered chunks, several in flight.
// C1 the copy is fuzzy: chunks are read while the source goes on. It is whole once the log is applied from where the source stood at the first chunk
//    up to the furthest point at which a chunk was read; records are effects, so applying them over newer rows ends at the same rows.
// C2 with the first chunk the destination is emptied and marked `copying` in the same commit: a crash in between leaves a copy that knows it is none.
//    Not before: a sparse replica may need the very rows of this one to become the source that it asks.
// C3 rows and the place that they reach are one commit: a copy that was interrupted goes on from there, and only from a source that is not behind where
//    the first chunk was read: what such a source lacks would never be applied here.
// C4 all chunks are of one range: where a split or merge changed the source's range, the copy begins anew.
// C5 each chunk begins where the one before it ends. A source that is asked for a chunk twice may end it elsewhere the second time, and begins the next one there:
//    such a chunk is asked for again, from where it has to begin.
// C6 a copy does not run ahead of the disk: only so many chunks are taken in and not on the disk yet.
// C7 the fragment's time comes with the copy: the source's last record need not have brought a request that would tell of it, and windows are joined by it.

import { limits } from "../../src/config/limits.js";
import { chunkDigest, readChunk, rowsRoom } from "../../src/fragment/chunk.js";
import {
  bookkeepingKey,
  lsnOfWindowKey,
  markRange,
  rowKeyBytes,
  rowRange,
  windowRange,
  writeRowKey,
} from "../../src/fragment/layout.js";
import { adjustPace, chunkBytesOf, costBytes, createPace, spend, waitMs } from "../../src/fragment/pace.js";
import { sameRange } from "../../src/fragment/range.js";
import { bookkeeping, type CopyPlace } from "../../src/fragment/replica.js";
import { clearsOf, overlapping } from "../../src/fragment/reshape.js";
import type { StoreEntry } from "../../src/fragment/store.js";
import { decodeWindowEntry } from "../../src/fragment/window.js";
import { type Bytes, emptyBytes, joinBytes, sameBytes } from "../../src/kernel/bytes.js";
import type { AskOutcome, Effect, Effects, StoreClear, StoreWrite, Ticket } from "../../src/kernel/effect.js";
import type { Context } from "../../src/kernel/machine.js";
import type { CopyChunk, PeerRequest, Shape } from "../../src/protocol/peer.js";
import { decodePeerAnswer } from "../../src/protocol/peer-codec.js";
import { type NodeId, subjects } from "../../src/protocol/subjects.js";
import { publishStatus } from "./apply.js";
import { empty } from "./attach.js";
import { armLateness, latenessOf } from "./lateness.js";
import { tellLeft } from "./reshape.js";
import type { CopyRun, ShardReport, ShardState } from "./state.js";

export const copyTimer = "copy";
/** Chunks asked for and not taken in yet: so much of a copy is in memory, whatever its size. */
const windowChunks = 4;
/** Chunks taken in and not on the disk yet (C6). */
const undurableChunks = 32;
const triesPerChunk = 5;
const windowPrefix = 9;

type Commit = Extract<Effect, { kind: "commit" }>;

export type CopyStep =
  | { readonly kind: "more"; readonly effects: Effects }
  | { readonly kind: "done"; readonly effects: Effects }
  | { readonly kind: "failed"; readonly effects: Effects; readonly why: string };

/** Goes on where an earlier copy ended, or begins; a replica that holds something is emptied when the first chunk comes. */
export function startCopy(state: ShardState, source: NodeId): { readonly copy: CopyRun; readonly effects: Effects } {
  const { replica, config, stepAtMs } = state;
  const copy: CopyRun = {
    source,
    session: `${config.node}/${state.tickets.next()}`,
    flights: new Map(),
    again: new Set(),
    arrived: new Map(),
    cursor: replica.place?.cursor ?? emptyBytes,
    nextAsk: 0,
    nextTake: 0,
    last: undefined,
    tries: 0,
    bytesBefore: replica.place === undefined ? 0 : replica.bytes,
    range: replica.place === undefined ? undefined : replica.range,
    pace: createPace(config.copyBounds, stepAtMs),
    lagLsn: 0,
    totalRows: 0,
    totalBytes: 0,
    startedAtMs: stepAtMs,
    taken: 0,
    durable: { ticket: 0, reaches: 0, taken: 0 },
  };
  if (replica.place === undefined && (replica.copying || replica.lsn === 0)) {
    const clears = empty(state);
    return { copy, effects: [{ kind: "commit", writes: [bookkeeping(replica)], clears }, ...askMore(state, copy)] };
  }
  return { copy, effects: askMore(state, copy) };
}

/** Asks for chunks until the window is full or the pace is spent. */
function askMore(state: ShardState, copy: CopyRun): Effects {
  const effects: Effect[] = [...armLateness(state)];
  for (;;) {
    const chunk = nextToAsk(copy);
    if (chunk === undefined) return effects;
    const pauseMs = waitMs(copy.pace, state.stepAtMs);
    if (pauseMs > 0) return [...effects, { kind: "wake", name: copyTimer, afterMs: Math.max(1, Math.ceil(pauseMs)) }];
    copy.again.delete(chunk);
    if (chunk === copy.nextAsk) copy.nextAsk++;
    effects.push(ask(state, copy, chunk));
  }
}

/** Chunks to be asked for again go first, once it is known where they begin; the first chunk of a session travels alone. */
function nextToAsk(copy: CopyRun): number | undefined {
  for (const chunk of copy.again) if (beginningOf(copy, chunk) !== undefined) return chunk;
  if (copy.taken === 0 && copy.nextAsk > 0) return undefined;
  if (copy.taken - copy.durable.taken >= undurableChunks) return undefined;
  const isOpen = copy.nextAsk - copy.nextTake < windowChunks && (copy.last === undefined || copy.nextAsk <= copy.last);
  return isOpen ? copy.nextAsk : undefined;
}

function beginningOf(copy: CopyRun, chunk: number): Bytes | undefined {
  return chunk === copy.nextTake ? copy.cursor : copy.arrived.get(chunk - 1)?.nextCursor;
}

function ask(state: ShardState, copy: CopyRun, chunk: number): Effect {
  const ticket = state.tickets.next();
  const maxBytes = chunkBytesOf(copy.pace);
  copy.flights.set(ticket, { chunk, chargedBytes: maxBytes });
  spend(copy.pace, maxBytes);
  const body: PeerRequest = {
    kind: "copy",
    fragment: state.config.fragment,
    session: copy.session,
    chunk,
    cursor: beginningOf(copy, chunk) ?? null,
    maxBytes,
  };
  const timeoutMs = state.config.timing.askTimeoutMs * 2;
  return { kind: "ask", subject: subjects.peer(copy.source), body, timeoutMs, ticket };
}

/** The disk has caught up with some of it (C6). */
export function onCopyDurable(state: ShardState, copy: CopyRun): CopyStep {
  const { durable } = copy;
  durable.ticket = 0;
  durable.taken = durable.reaches;
  const commit = durable.taken < copy.taken ? [asked(state, copy, { kind: "commit", writes: [] })] : [];
  return { kind: "more", effects: [...commit, ...askMore(state, copy)] };
}

/** One ticket is under way at a time: it comes back once everything taken in so far is on the disk. */
function asked({ tickets }: ShardState, copy: CopyRun, commit: Commit): Effect {
  const { durable } = copy;
  if (durable.ticket !== 0) return commit;
  durable.ticket = tickets.next();
  durable.reaches = copy.taken;
  return { ...commit, ticket: durable.ticket, soon: true };
}

/** The pace lets it go on. */
export function onCopyTimer(state: ShardState, copy: CopyRun): CopyStep {
  return { kind: "more", effects: askMore(state, copy) };
}

export function onCopyAnswer(
  state: ShardState,
  copy: CopyRun,
  ticket: Ticket,
  outcome: AskOutcome,
  context: Context,
): CopyStep {
  const flight = copy.flights.get(ticket);
  if (flight === undefined) return { kind: "more", effects: [] };
  const { chunk: number, chargedBytes } = flight;
  copy.flights.delete(ticket);
  spend(copy.pace, -chargedBytes);
  if (outcome.kind !== "answer") return again(state, copy, number, `${copy.source} did not answer`);
  const answer = decodePeerAnswer(outcome.body);
  if (!answer.ok) return again(state, copy, number, answer.fault.message);
  if ("fault" in answer.value) return failed(answer.value.fault.message);
  if ("early" in answer.value) {
    copy.again.add(number);
    return { kind: "more", effects: askMore(state, copy) };
  }
  if (!("chunk" in answer.value)) return again(state, copy, number, "an answer of another kind");
  const { chunk } = answer.value;
  if (isShortOfRoom(state)) return giveUp(state);
  if (chunk.chunk !== number || !sameBytes(chunk.digest, chunkDigest(chunk.block, state.wiring.hash)))
    return again(state, copy, number, "a chunk whose digest does not fit");
  return arrive(state, copy, chunk, context);
}

function again(state: ShardState, copy: CopyRun, chunk: number, why: string): CopyStep {
  copy.tries++;
  if (copy.tries >= triesPerChunk) return failed(why);
  copy.again.add(chunk);
  return { kind: "more", effects: askMore(state, copy) };
}

/** The disk is filling up, by this copy or by something else: the copy goes before the node has to. */
export function isShortOfRoom({ wiring }: ShardState): boolean {
  return (wiring.store.freeBytes?.() ?? Number.POSITIVE_INFINITY) < limits.copyFloorBytes;
}

function giveUp(state: ShardState): CopyStep {
  state.noRoom = true;
  const why = "the disk is nearly full";
  return { kind: "failed", effects: [...beginAnew(state), { kind: "unwake", name: copyTimer }], why };
}

function failed(why: string): CopyStep {
  return { kind: "failed", effects: [{ kind: "unwake", name: copyTimer }], why };
}

/** Chunks are taken in in order, whatever order they come in. */
function arrive(state: ShardState, copy: CopyRun, chunk: CopyChunk, context: Context): CopyStep {
  copy.tries = 0;
  if (chunk.done) copy.last = chunk.chunk;
  copy.arrived.set(chunk.chunk, chunk);
  adjustPace(copy.pace, Math.max(chunk.lateMs, latenessOf(state)), context.nowMs);
  copy.pace.neededBytesPerS = neededBytesPerS(state, chunk, context);
  const effects: Effect[] = [];
  for (let next = copy.arrived.get(copy.nextTake); next !== undefined; next = copy.arrived.get(copy.nextTake)) {
    if (!sameBytes(next.cursor, copy.cursor)) {
      askAgain(copy, copy.nextTake);
      break;
    }
    const mistake = mistakeIn(state, copy, next);
    if (mistake !== undefined) return { kind: "failed", effects: [...effects, ...mistake.effects], why: mistake.why };
    const taken = take(state, copy, next);
    if (typeof taken === "string") return { kind: "failed", effects, why: taken };
    copy.taken++;
    effects.push(asked(state, copy, taken.commit), ...taken.told);
    copy.arrived.delete(copy.nextTake);
    copy.nextTake++;
    copy.cursor = next.nextCursor;
    if (next.done) return { kind: "done", effects: [...effects, { kind: "unwake", name: copyTimer }] };
  }
  publishStatus(state);
  return { kind: "more", effects: [...effects, ...askMore(state, copy)] };
}

/** A chunk that does not begin where it has to (C5). */
function askAgain(copy: CopyRun, chunk: number): void {
  copy.arrived.delete(chunk);
  copy.again.add(chunk);
  if (copy.last === chunk) copy.last = undefined;
}

/** What the deadline asks for, of what is still to come. */
function neededBytesPerS({ replica, assignment }: ShardState, { bytes }: CopyChunk, { wallMs }: Context): number {
  const deadlineMs = assignment.copyDeadlineMs ?? 0;
  if (deadlineMs === 0) return 0;
  const leftS = Math.max(0.1, (deadlineMs - wallMs) / 1000);
  return Math.max(0, bytes - replica.bytes) / leftS;
}

interface Mistake {
  readonly why: string;
  readonly effects: Effects;
}

/** Why this chunk cannot be joined to those before it (C3, C4). */
function mistakeIn(state: ShardState, copy: CopyRun, chunk: CopyChunk): Mistake | undefined {
  const { place } = state.replica;
  if (place !== undefined && chunk.lsn < place.lsn)
    return { why: `${copy.source} is behind where this copy began`, effects: [] };
  if (copy.range === undefined || sameRange(copy.range, chunk.shape)) return undefined;
  // What was copied is of no use any more.
  return { why: `the range of the fragment on ${copy.source} has changed`, effects: beginAnew(state) };
}

function beginAnew(state: ShardState): Effects {
  const clears = empty(state);
  return [{ kind: "commit", writes: [bookkeeping(state.replica)], clears }];
}

interface Taken {
  readonly commit: Commit;
  readonly told: Effects;
}

/** One chunk's rows and the place that they reach, in one commit; or why it cannot be taken. */
function take(state: ShardState, copy: CopyRun, chunk: CopyChunk): Taken | string {
  const { replica } = state;
  const entries = readChunk(chunk.block);
  if (!entries.ok) return "a chunk whose digest fits, and which makes no sense";
  const adopted = replica.place === undefined ? adopt(state, chunk.shape) : nothingNew;
  if (adopted === undefined) return "another fragment here holds these rows still";
  copy.range = replica.range;
  const start = replica.place ?? beginningAt(chunk);
  replica.wholeLsn = Math.max(replica.wholeLsn, chunk.lsn);
  copy.lagLsn = replica.wholeLsn - start.lsn;
  copy.totalRows = chunk.rows;
  copy.totalBytes = chunk.bytes;
  spend(copy.pace, costBytes(chunk.block.length, entries.value.length));
  const writes = [...adopted.writes, ...writesOf(state, entries.value)];
  if (chunk.done) {
    const { cursor: _cursor, stampMs, ...reached } = start;
    Object.assign(replica, reached, { copying: false, place: undefined });
    if (stampMs > 0) replica.stampMs = stampMs;
    state.stampedAtMs = state.stepAtMs;
  } else replica.place = { ...start, cursor: chunk.nextCursor.slice() };
  writes.push(bookkeeping(replica));
  const told = chunk.done ? [...adopted.told, ...tellLeft(state)] : adopted.told;
  return { commit: { kind: "commit", writes, clears: adopted.clears }, told };
}

/** What the log takes over from, in bytes of its own: the message goes. */
function beginningAt({
  lsn,
  seq,
  epoch,
  hash,
  stampMs,
  rows,
  bytes,
  shape: { changedLsn, sealed, cut, joined },
}: CopyChunk): CopyPlace {
  const ownCut = cut === undefined ? undefined : { ...cut, at: cut.at.slice(), hash: cut.hash.slice() };
  return {
    cursor: emptyBytes,
    lsn,
    seq,
    epoch,
    hash: hash.slice(),
    stampMs,
    rows,
    bytes,
    changedLsn,
    sealed,
    cut: ownCut,
    joined,
  };
}

interface Adopted {
  readonly writes: readonly StoreWrite[];
  readonly clears: readonly StoreClear[];
  readonly told: Effects;
}

const nothingNew: Adopted = { writes: [], clears: [], told: [] };

/**
 * Empties the replica and takes the source's bounds over, and with them what is left here of fragments that were taken over. Undefined: another fragment here
 * lies within them, so the source is behind, or this node's ledger is.
 */
function adopt(state: ShardState, shape: Shape): Adopted | undefined {
  const { replica, wiring, config } = state;
  const range = { from: shape.from.slice(), to: shape.to?.slice() };
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
    // What is gone may have reached further than these bounds: what nobody else holds of that goes too.
    clears: [
      ...emptied,
      rowRange(replica.shelf, range),
      markRange(replica.shelf, range),
      ...others.flatMap((other) => clearsOf(wiring.store, other, other.range)),
    ],
    told: [{ kind: "tell", to: config.parent, message }],
  };
}

/** Keys of rows are cut from one allocation; values stay views of the message. */
function writesOf(state: ShardState, entries: readonly StoreEntry[]): StoreWrite[] {
  const { replica, config } = state;
  let size = 0;
  for (const { key } of entries) if (key[0] === rowsRoom) size += rowKeyBytes(key) - 1;
  const slab = new Uint8Array(size);
  let at = 0;
  return entries.map(({ key, value }) => {
    const rest = key.subarray(1);
    if (key[0] !== rowsRoom) {
      recall(state, rest, value);
      return { key: joinBytes(windowRange(config.fragment).from.subarray(0, windowPrefix), rest), value };
    }
    const own = slab.subarray(at, at + rowKeyBytes(rest));
    at += own.length;
    writeRowKey(own, replica.shelf, rest);
    replica.rows++;
    replica.bytes += rest.length + value.length;
    return { key: own, value };
  });
}

function recall(state: ShardState, key: Bytes, value: Bytes): void {
  const entry = decodeWindowEntry(value);
  if (entry === undefined) return;
  state.window.restore({ lsn: lsnOfWindowKey(key), ...entry });
  state.replica.stampMs = Math.max(state.replica.stampMs, entry.stampMs);
  state.stampedAtMs = state.stepAtMs;
}
