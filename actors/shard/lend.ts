// Lending. Owns the source's side of a copy: sessions, in which chunks are numbered, so that several can be asked for before the first has arrived.
// LN1 sessions are soft state: where a chunk begins is known from the one before it, or from the asker. A session that is forgotten costs one question more.
// LN2 only a whole replica lends (C3). LN3 a chunk is read in one step, bounded by bytes and rows: no read transaction outlives a step.

import { type ChunkWriter, chunkDigest, chunkWriter, rowsRoom, windowRoom } from "../../src/fragment/chunk.js";
import { rowRange, windowRange } from "../../src/fragment/layout.js";
import { entriesWithin } from "../../src/fragment/pace.js";
import { isWhole } from "../../src/fragment/replica.js";
import { afterBytes, type Bytes, emptyBytes, joinBytes } from "../../src/kernel/bytes.js";
import type { Effect, Effects, ReplyTo } from "../../src/kernel/effect.js";
import type { CopyChunk, PeerAnswer, PeerRequest } from "../../src/protocol/peer.js";
import { notWhole } from "./answer.js";
import { armLateness, latenessOf } from "./lateness.js";
import { shapeOf } from "./reshape.js";
import type { Loan, ShardState } from "./state.js";

const leastBytes = 256;
const mostBytes = 384 * 1024;
const loansAtOnce = 8;
/** Beginnings that are remembered behind the newest chunk: a window's worth, and again as many. */
const beginningsKept = 32;
/** Bytes before the position in a row key, and before the LSN in a window key. */
const rowPrefix = 5;
const windowPrefix = 9;

type CopyRequest = Extract<PeerRequest, { kind: "copy" }>;

export function onCopyRequest(state: ShardState, request: CopyRequest, from: ReplyTo): Effects {
  const { replica } = state;
  if (!isWhole(replica)) return [reply(from, { fault: notWhole(state) })];
  const beginnings = loanFor(state, request).beginnings;
  const cursor = request.cursor ?? beginnings.get(request.chunk);
  if (cursor === undefined)
    return [reply(from, { early: { fragment: replica.fragment, chunk: request.chunk } }), ...armLateness(state)];
  const { block, nextCursor } = readChunkAt(state, cursor, request.maxBytes);
  if (nextCursor !== undefined) beginnings.set(request.chunk + 1, nextCursor);
  for (const number of beginnings.keys()) {
    if (beginnings.size <= beginningsKept) break;
    beginnings.delete(number);
  }
  const { fragment, rows, bytes, lsn, seq, epoch, hash, stampMs } = replica;
  const chunk: CopyChunk = {
    ...{ fragment, chunk: request.chunk, block, cursor, nextCursor: nextCursor ?? emptyBytes },
    ...{ done: nextCursor === undefined },
    ...{ rows: Math.max(0, rows), bytes: Math.max(0, bytes), shape: shapeOf(replica) },
    ...{ lsn, seq, epoch, hash, stampMs, lateMs: latenessOf(state), digest: chunkDigest(block, state.wiring.hash) },
  };
  return [reply(from, { chunk }), ...armLateness(state)];
}

function reply(to: ReplyTo, body: PeerAnswer): Effect {
  return { kind: "reply", to, body };
}

/** The session's, made when there is none; the one that was used longest ago makes room. */
function loanFor({ loans }: ShardState, { session }: CopyRequest): Loan {
  const known = loans.get(session) ?? { beginnings: new Map() };
  loans.delete(session);
  loans.set(session, known);
  for (const oldest of loans.keys()) {
    if (loans.size <= loansAtOnce) break;
    loans.delete(oldest);
  }
  return known;
}

/** Cursors are relative: a room byte, then what was read last there. */
function readChunkAt(state: ShardState, cursor: Bytes, askedBytes: number): { block: Bytes; nextCursor?: Bytes } {
  const maxBytes = Math.min(Math.max(leastBytes, askedBytes), mostBytes);
  const writer = chunkWriter(maxBytes + leastBytes);
  const room = cursor[0] ?? rowsRoom;
  const after = cursor.subarray(1);
  const inRows = room === rowsRoom ? rowsAfter(state, after, maxBytes, writer) : undefined;
  const next = inRows ?? windowAfter(state, room === windowRoom ? after : emptyBytes, maxBytes, writer);
  const block = writer.block();
  return next === undefined ? { block } : { block, nextCursor: next };
}

function rowsAfter(state: ShardState, after: Bytes, maxBytes: number, writer: ChunkWriter): Bytes | undefined {
  const { shelf, range } = state.replica;
  const start = after.length === 0 ? range.from : afterBytes(after);
  const { from, to } = rowRange(shelf, { from: start, to: range.to });
  return collect(state, from, to, rowPrefix, rowsRoom, maxBytes, writer);
}

function windowAfter(state: ShardState, after: Bytes, maxBytes: number, writer: ChunkWriter): Bytes | undefined {
  const range = windowRange(state.config.fragment);
  const from = after.length === 0 ? range.from : afterBytes(joinBytes(range.from.subarray(0, windowPrefix), after));
  return collect(state, from, range.to, windowPrefix, windowRoom, maxBytes, writer);
}

/** Cursor to go on from when the chunk is full; undefined when the room is done. */
function collect(
  state: ShardState,
  from: Bytes,
  to: Bytes,
  prefix: number,
  room: number,
  maxBytes: number,
  writer: ChunkWriter,
): Bytes | undefined {
  const mostEntries = entriesWithin(maxBytes);
  for (const { key, value } of state.wiring.store.range(from, to, false)) {
    const relative = key.subarray(prefix);
    writer.add(room, relative, value);
    if (writer.bytes >= maxBytes || writer.count >= mostEntries) return joinBytes(Uint8Array.of(room), relative);
  }
  return undefined;
}
