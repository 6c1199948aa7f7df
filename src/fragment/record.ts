// Record. Owns the bytes of one log record: a group-committed batch of one fragment, or a mark in its history.
// R1 the LSN is dense per fragment; `previousHash` is the hash of the record before it: together they are the chain that a replica checks.
// R2 the last eight bytes are XXH64 of all before them: the record's hash, and its checksum.
// R3 a record holds effects, not conditions: applying it needs no decision, and applying it over newer rows ends at the same rows.
// Row versions are `lsn * limits.recordWrites + index`: they grow for ever and are never used twice.

import { limits } from "../config/limits.js";
import type { Bytes } from "../kernel/bytes.js";
import { fail, ok, type Result } from "../kernel/fault.js";
import type { Hash } from "../kernel/hash.js";
import type { FragmentId } from "../protocol/subjects.js";
import type { Position } from "../table/table.js";
import { type Mark, markBytes, readMark, writeMark } from "./mark.js";

/**
 * `data`: writes. `epoch`: the first record of a primary. `checkpoint`: nothing but a newer record, so that older ones can be trimmed.
 * `rebase`: the log had lost its tail; the chain goes on from what the replicas hold. `verify`: every replica computes the digests of what it holds exactly here.
 * `split`: the upper part of the range becomes a fragment of its own. `seal`: the last record before the left neighbour takes this fragment over.
 * `absorb`: this fragment takes its right neighbour over; the only record whose LSN may jump.
 */
export type RecordKind = "data" | "epoch" | "checkpoint" | "rebase" | "verify" | "split" | "seal" | "absorb";
/** In the order of their numbers on the wire. */
const kinds: readonly RecordKind[] = ["data", "epoch", "checkpoint", "rebase", "verify", "split", "seal", "absorb"];

/** One row's change: no document = deleted. */
export interface RowChange {
  readonly position: Position;
  readonly document: Bytes | undefined;
}

/** Which of the record's changes one request made. */
export interface RequestMark {
  readonly requestId: string;
  readonly first: number;
  readonly count: number;
  /** Of a request that came with a merge: the record whose LSN its versions come from. Never in a record. */
  readonly lsn?: number;
}

export interface FragmentRecord {
  readonly kind: RecordKind;
  readonly fragment: FragmentId;
  readonly epoch: number;
  readonly lsn: number;
  /** The primary's wall clock, for people and for the age of request ids. */
  readonly stampMs: number;
  /** `node/incarnation` of the primary. */
  readonly writer: string;
  readonly previousHash: Bytes;
  /** What the changes add to the fragment's rows, and to their bytes (position, version and document); the primary knows what was there before. */
  readonly rowsDelta: number;
  readonly bytesDelta: number;
  readonly requests: readonly RequestMark[];
  readonly changes: readonly RowChange[];
  /** Of a record that changes the fragment's bounds. */
  readonly mark?: Mark | undefined;
  /** This record's own hash. */
  readonly hash: Bytes;
}

const magic = 0x46535231; // "FSR1"
const hashBytes = 8;
const headBytes = 4 + 1 + 1 + 2 + 8 + 4 + 8 + 8 + hashBytes + 4 + 8;
export const zeroHash: Bytes = new Uint8Array(hashBytes);

/** Bytes that one change adds to a record. */
export function changeBytes(change: RowChange): number {
  return 7 + change.position.length + (change.document?.length ?? 0);
}

export function requestBytes(requestId: string): number {
  return 5 + requestId.length;
}

export function versionOf(lsn: number, index: number): number {
  return lsn * limits.recordWrites + index;
}

/** LSN of the record that this one hangs on. */
export function lsnBefore({ lsn, mark }: Pick<FragmentRecord, "lsn" | "mark">): number {
  return mark?.kind === "absorb" ? mark.after : lsn - 1;
}

export function encodeRecord(
  record: Omit<FragmentRecord, "hash">,
  hash: Hash,
): { readonly bytes: Bytes; readonly hash: Bytes } {
  let size = headBytes + 1 + record.writer.length + 4 + hashBytes + markBytes(record.mark);
  for (const request of record.requests) size += requestBytes(request.requestId);
  for (const change of record.changes) size += changeBytes(change);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic);
  view.setUint8(4, kinds.indexOf(record.kind));
  view.setUint8(5, record.writer.length);
  view.setUint16(6, record.requests.length);
  view.setFloat64(8, record.fragment);
  view.setUint32(16, record.epoch);
  view.setFloat64(20, record.lsn);
  view.setFloat64(28, record.stampMs);
  bytes.set(record.previousHash, 36);
  view.setInt32(44, record.rowsDelta);
  view.setFloat64(48, record.bytesDelta);
  let at = writeAscii(bytes, headBytes, record.writer);
  for (const request of record.requests) {
    bytes[at++] = request.requestId.length;
    at = writeAscii(bytes, at, request.requestId);
    view.setUint16(at, request.first);
    view.setUint16(at + 2, request.count);
    at += 4;
  }
  view.setUint32(at, record.changes.length);
  at += 4;
  for (const change of record.changes) {
    view.setUint8(at, change.document === undefined ? 2 : 1);
    view.setUint16(at + 1, change.position.length);
    view.setUint32(at + 3, change.document?.length ?? 0);
    at += 7;
    bytes.set(change.position, at);
    at += change.position.length;
    if (change.document !== undefined) {
      bytes.set(change.document, at);
      at += change.document.length;
    }
  }
  if (record.mark !== undefined) writeMark(bytes, at, record.mark);
  at += markBytes(record.mark);
  view.setBigUint64(at, hash.h64(bytes.subarray(0, at)));
  return { bytes: bytes.subarray(0, at + hashBytes), hash: bytes.slice(at, at + hashBytes) };
}

/** Documents and positions are views of `bytes`. Any damage is a fault, never an exception. */
export function decodeRecord(bytes: Bytes, hash: Hash): Result<FragmentRecord> {
  const end = bytes.length - hashBytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (end < headBytes + 1 || view.getUint32(0) !== magic) return fail("UNDECODABLE", "not a log record");
  if (view.getBigUint64(end) !== hash.h64(bytes.subarray(0, end)))
    return fail("UNDECODABLE", "the record's checksum does not fit its bytes");
  const kind = kinds[view.getUint8(4)];
  if (kind === undefined) return fail("UNDECODABLE", "a record kind of another version");
  try {
    return ok(readBody(bytes, view, kind, end));
  } catch (error) {
    if (error instanceof RangeError) return fail("UNDECODABLE", "the record ends too early");
    throw error;
  }
}

function readBody(bytes: Bytes, view: DataView, kind: RecordKind, end: number): FragmentRecord {
  const writerLength = view.getUint8(5);
  let at = headBytes + writerLength;
  const requests: RequestMark[] = [];
  for (let left = view.getUint16(6); left > 0; left--) {
    const length = view.getUint8(at);
    const requestId = readAscii(bytes, at + 1, length);
    at += 1 + length;
    requests.push({ requestId, first: view.getUint16(at), count: view.getUint16(at + 2) });
    at += 4;
  }
  const changes: RowChange[] = [];
  let left = view.getUint32(at);
  at += 4;
  for (; left > 0; left--) {
    const deleted = view.getUint8(at) === 2;
    const positionLength = view.getUint16(at + 1);
    const documentLength = view.getUint32(at + 3);
    at += 7;
    const position = bytes.subarray(at, at + positionLength);
    at += positionLength;
    changes.push({ position, document: deleted ? undefined : bytes.subarray(at, at + documentLength) });
    at += documentLength;
  }
  const mark = kind === "split" || kind === "absorb" ? readMark(kind, bytes.subarray(0, end), at) : undefined;
  if (at + markBytes(mark) !== end) throw new RangeError("record length");
  return {
    kind,
    fragment: view.getFloat64(8),
    epoch: view.getUint32(16),
    lsn: view.getFloat64(20),
    stampMs: view.getFloat64(28),
    writer: readAscii(bytes, headBytes, writerLength),
    previousHash: bytes.subarray(36, 36 + hashBytes),
    rowsDelta: view.getInt32(44),
    bytesDelta: view.getFloat64(48),
    requests,
    changes,
    ...(mark === undefined ? {} : { mark }),
    hash: bytes.slice(end, end + hashBytes),
  };
}

function writeAscii(bytes: Bytes, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
  return at + text.length;
}

/** Made in one go: text put together letter by letter is flattened at its first use as a key, which costs several times as much. */
function readAscii(bytes: Bytes, at: number, length: number): string {
  return String.fromCharCode.apply(null, bytes.subarray(at, at + length) as unknown as number[]);
}

export const noChanges: Pick<FragmentRecord, "requests" | "changes" | "rowsDelta" | "bytesDelta"> = {
  requests: [],
  changes: [],
  rowsDelta: 0,
  bytesDelta: 0,
};
