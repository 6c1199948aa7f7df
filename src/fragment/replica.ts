// Replica. Owns what one copy of a fragment has applied, and the rule by which the next record may be applied.
// P1 only LSN = applied + 1, with a matching chain hash and an epoch not below the highest seen, is applied; anything else is a named verdict, never a skip.
//    A record of an older epoch (`staleEpoch`) is passed over by every replica: a later record with the same LSN takes its place in the chain.
// P2 rows, position and request window change in one commit (I6).
// P4 a replica that is sealed applies nothing more: the left neighbour takes its rows over (see `reshape.ts`).
// P3 a copy under way (`copying`) or one whose log has not yet reached `wholeLsn` is not whole: it is no source, no primary, and serves no read.
// P5 a sparse replica (`missing` is not empty) is not whole either, but follows the log; as primary it serves what it has, and waits for what it lacks (see `sparse`).

import { type Bytes, sameBytes } from "../kernel/bytes.js";
import type { StoreWrite } from "../kernel/effect.js";
import { pack, unpack } from "../protocol/codec.js";
import type { FragmentId } from "../protocol/subjects.js";
import type { PositionRange } from "../table/table.js";
import { bookkeepingKey, rowKeyBytes, rowValueBytes, windowKey, writeRowKey, writeRowValue } from "./layout.js";
import { type FragmentRecord, lsnBefore, versionOf, zeroHash } from "./record.js";
import { type Missing, markWrites } from "./sparse.js";
import { encodeWindowEntry } from "./window.js";

export interface Replica {
  readonly fragment: FragmentId;
  readonly shelf: number;
  /** As of `lsn`, while it is being copied the source's. Shrinks with a split, grows with a merge. */
  range: PositionRange;
  lsn: number;
  /** Stream sequence of the record at `lsn`; 0 = none. */
  seq: number;
  epoch: number;
  hash: Bytes;
  copying: boolean;
  /** How far a copy under way has got; undefined before its first chunk. */
  place: CopyPlace | undefined;
  /** The copy is whole once `lsn` reaches this. */
  wholeLsn: number;
  /** Stamp of the record at `lsn`: the fragment's time. */
  stampMs: number;
  rows: number;
  bytes: number;
  /** What a sparse replica lacks: rows that no record touched after `baseLsn`. Empty: nothing. */
  missing: Missing;
  baseLsn: number;
  /** LSN of the last record that changed a row. */
  changedLsn: number;
  /** The last record is a seal: what comes next is the left neighbour's. */
  sealed: boolean;
  /** The last split of this fragment. */
  cut: Cut | undefined;
  /** The last merge into this fragment. */
  joined: Join | undefined;
}

/** A split as its record made it: the child starts at this LSN and hash. */
export interface Cut {
  readonly child: FragmentId;
  readonly at: Bytes;
  readonly lsn: number;
  readonly hash: Bytes;
}

/** A merge as its record made it: at `lsn` the fragment took over `right`, which had ended at `rightLsn` and changed its last row at `changedLsn`. */
export interface Join {
  readonly right: FragmentId;
  readonly lsn: number;
  readonly rightLsn: number;
  readonly changedLsn: number;
}

/** Kept with every chunk, so that a copy goes on after a crash of either side, from any whole replica that is not behind `lsn`. */
export interface CopyPlace {
  /** Where the next chunk begins. */
  readonly cursor: Bytes;
  /** Where the source stood at the first chunk: from there the log takes over. */
  readonly lsn: number;
  readonly seq: number;
  readonly epoch: number;
  readonly hash: Bytes;
  /** The fragment's time then: of the record at `lsn`, whether or not that brought a request; 0: the source did not tell. */
  readonly stampMs: number;
  /** As the source counted them then: later records say what they add to that. */
  readonly rows: number;
  readonly bytes: number;
  /** What it then said of its past splits and merges. */
  readonly changedLsn: number;
  readonly sealed: boolean;
  readonly cut: Cut | undefined;
  readonly joined: Join | undefined;
}

export type Verdict = "apply" | "old" | "gap" | "diverged" | "staleEpoch";

export function emptyReplica(fragment: FragmentId, shelf: number, range: PositionRange): Replica {
  return {
    fragment,
    shelf,
    range,
    lsn: 0,
    seq: 0,
    epoch: 0,
    hash: zeroHash,
    copying: false,
    place: undefined,
    wholeLsn: 0,
    stampMs: 0,
    rows: 0,
    bytes: 0,
    missing: [],
    baseLsn: 0,
    changedLsn: 0,
    sealed: false,
    cut: undefined,
    joined: undefined,
  };
}

export function isWhole(replica: Replica): boolean {
  return isSettled(replica) && !isSparse(replica);
}

export function isSparse({ missing }: Replica): boolean {
  return missing.length > 0;
}

/** What is here is as of `lsn`: it can follow the log, and lead. */
export function isSettled({ copying, lsn, wholeLsn }: Replica): boolean {
  return !copying && lsn >= wholeLsn;
}

/** What `record` is to this replica (P1). */
export function judge(replica: Replica, record: FragmentRecord): Verdict {
  if (record.lsn < replica.lsn) return "old";
  if (record.lsn === replica.lsn) return sameBytes(record.hash, replica.hash) ? "old" : "diverged";
  const before = lsnBefore(record);
  if (before !== replica.lsn) return before > replica.lsn ? "gap" : "diverged";
  if (!sameBytes(record.previousHash, replica.hash)) return "diverged";
  return record.epoch < replica.epoch ? "staleEpoch" : "apply";
}

/** Moves the replica to `record` at `seq`; returns the writes of one commit. The caller has judged it `apply`. */
export function applyRecord(
  replica: Replica,
  record: FragmentRecord,
  seq: number,
  forgottenLsns: readonly number[],
): StoreWrite[] {
  const writes = rowWrites(replica.shelf, record);
  writes.push(...markWrites(replica.shelf, replica.missing, record.changes));
  if (record.requests.length > 0) {
    writes.push({
      key: windowKey(replica.fragment, record.lsn),
      value: encodeWindowEntry(record.stampMs, record.requests),
    });
  }
  for (const lsn of forgottenLsns) writes.push({ key: windowKey(replica.fragment, lsn), value: undefined });
  replica.lsn = record.lsn;
  replica.seq = seq;
  replica.epoch = record.epoch;
  replica.hash = record.hash;
  replica.stampMs = record.stampMs;
  replica.rows += record.rowsDelta;
  replica.bytes += record.bytesDelta;
  if (record.changes.length > 0) replica.changedLsn = record.lsn;
  if (record.kind === "seal") replica.sealed = true;
  writes.push(bookkeeping(replica));
  return writes;
}

/** Keys and values of all changes are cut from one allocation: a small buffer of its own for each would cost more than filling it. */
function rowWrites(shelf: number, { lsn, changes }: FragmentRecord): StoreWrite[] {
  let size = 0;
  for (const { position, document } of changes)
    size += rowKeyBytes(position) + (document === undefined ? 0 : rowValueBytes(document));
  const slab = new Uint8Array(size);
  let at = 0;
  return changes.map(({ position, document }, index) => {
    const key = slab.subarray(at, at + rowKeyBytes(position));
    at += key.length;
    writeRowKey(key, shelf, position);
    if (document === undefined) return { key, value: undefined };
    const value = slab.subarray(at, at + rowValueBytes(document));
    at += value.length;
    writeRowValue(value, versionOf(lsn, index), document);
    return { key, value };
  });
}

/** One character per byte: a key for maps. */
export const latin1 = new TextDecoder("latin1");

export function bookkeeping(replica: Replica): StoreWrite {
  const { shelf, lsn, seq, epoch, hash, copying, place, wholeLsn, stampMs, rows, bytes, missing, baseLsn } = replica;
  const { changedLsn, sealed, cut, joined } = replica;
  return {
    key: bookkeepingKey(replica.fragment),
    value: pack({
      shelf,
      lsn,
      seq,
      epoch,
      hash,
      copying,
      wholeLsn,
      stampMs,
      rows,
      bytes,
      from: replica.range.from,
      to: replica.range.to ?? null,
      ...(place === undefined ? {} : { place: placeToKeep(place) }),
      ...(missing.length === 0 ? {} : { missing: missing.map((range) => [range.from, range.to ?? null]), baseLsn }),
      changedLsn,
      sealed,
      ...pastOf(cut, joined),
    }),
  };
}

function pastOf(cut: Cut | undefined, joined: Join | undefined): object {
  return {
    ...(cut === undefined ? {} : { cut: [cut.child, cut.at, cut.lsn, cut.hash] }),
    ...(joined === undefined ? {} : { joined: [joined.right, joined.lsn, joined.rightLsn, joined.changedLsn] }),
  };
}

function placeToKeep({ cut, joined, ...place }: CopyPlace): object {
  return { ...place, ...pastOf(cut, joined) };
}

/** Reads back what `bookkeeping` wrote; undefined when the bytes are damaged (then the replica is copied anew). */
export function readBookkeeping(fragment: FragmentId, value: Bytes): Replica | undefined {
  const decoded = unpack(value);
  if (!decoded.ok || typeof decoded.value !== "object" || decoded.value === null) return undefined;
  const kept = decoded.value as Record<string, unknown>;
  const { shelf, lsn, seq, epoch, hash, copying, wholeLsn, stampMs, rows, bytes, from, to } = kept;
  const numbers = [shelf, lsn, seq, epoch, wholeLsn, stampMs, rows, bytes];
  if (!numbers.every((number) => typeof number === "number" && Number.isFinite(number))) return undefined;
  if (!(hash instanceof Uint8Array) || !(from instanceof Uint8Array)) return undefined;
  if (to !== null && !(to instanceof Uint8Array)) return undefined;
  const missing = readMissing(kept.missing ?? []);
  if (missing === undefined) return undefined;
  return {
    fragment,
    shelf: shelf as number,
    range: { from, to: to ?? undefined },
    lsn: lsn as number,
    seq: seq as number,
    epoch: epoch as number,
    hash,
    copying: copying === true,
    place: readPlace(kept.place),
    wholeLsn: wholeLsn as number,
    stampMs: stampMs as number,
    rows: rows as number,
    bytes: bytes as number,
    missing,
    baseLsn: typeof kept.baseLsn === "number" ? kept.baseLsn : 0,
    // Stores of an earlier version do not tell: then every change counts as the last.
    changedLsn: typeof kept.changedLsn === "number" ? kept.changedLsn : (lsn as number),
    sealed: kept.sealed === true,
    cut: cutFrom(kept.cut),
    joined: joinFrom(kept.joined),
  };
}

/** Undefined also where it is damaged: then the copy begins anew. */
function readPlace(kept: unknown): CopyPlace | undefined {
  if (typeof kept !== "object" || kept === null) return undefined;
  const { cursor, lsn, seq, epoch, hash, rows, bytes } = kept as Record<string, unknown>;
  const { changedLsn, sealed, cut, joined, stampMs = 0 } = kept as Record<string, unknown>;
  if (typeof stampMs !== "number") return undefined;
  if (typeof lsn !== "number" || typeof seq !== "number" || typeof epoch !== "number") return undefined;
  if (typeof rows !== "number" || typeof bytes !== "number") return undefined;
  if (typeof changedLsn !== "number" || typeof sealed !== "boolean") return undefined;
  if (!(cursor instanceof Uint8Array) || !(hash instanceof Uint8Array)) return undefined;
  return {
    ...{ cursor, lsn, seq, epoch, hash, stampMs, rows, bytes },
    ...{ changedLsn, sealed, cut: cutFrom(cut), joined: joinFrom(joined) },
  };
}

function readMissing(kept: unknown): Missing | undefined {
  if (!Array.isArray(kept)) return undefined;
  const missing: PositionRange[] = [];
  for (const range of kept) {
    if (!Array.isArray(range)) return undefined;
    const [from, to] = range as unknown[];
    if (!(from instanceof Uint8Array) || (to !== null && !(to instanceof Uint8Array))) return undefined;
    missing.push({ from, to: to ?? undefined });
  }
  return missing;
}

function cutFrom(value: unknown): Cut | undefined {
  if (!Array.isArray(value)) return undefined;
  const [child, at, lsn, hash] = value as unknown[];
  if (typeof child !== "number" || typeof lsn !== "number") return undefined;
  return at instanceof Uint8Array && hash instanceof Uint8Array ? { child, at, lsn, hash } : undefined;
}

function joinFrom(value: unknown): Join | undefined {
  if (!Array.isArray(value) || !value.every((part) => typeof part === "number")) return undefined;
  const [right, lsn, rightLsn, changedLsn] = value as number[];
  if (right === undefined || lsn === undefined || rightLsn === undefined || changedLsn === undefined) return undefined;
  return { right, lsn, rightLsn, changedLsn };
}
