// Mark. Owns what a record says that changes a fragment's bounds: a split, or a merge. Few bytes at the end of a record.
// M1 a mark holds all that a replica needs besides its own store: two replicas that apply it do the same.

import type { Bytes } from "../kernel/bytes.js";
import type { FragmentId } from "../protocol/subjects.js";
import type { Position } from "../table/table.js";

/** From `at` on the rows are the child's. */
export interface SplitMark {
  readonly kind: "split";
  readonly child: FragmentId;
  readonly at: Position;
}

/** The rows of the right neighbour, which was sealed at `rightLsn`, are this fragment's from now on. */
export interface AbsorbMark {
  readonly kind: "absorb";
  readonly right: FragmentId;
  readonly rightLsn: number;
  /** Hash of the right neighbour's last record. */
  readonly rightHash: Bytes;
  /** LSN of the record before: an absorbing record jumps over every LSN that the right neighbour gave. */
  readonly after: number;
}

export type Mark = SplitMark | AbsorbMark;

const hashBytes = 8;

export function markBytes(mark: Mark | undefined): number {
  if (mark === undefined) return 0;
  return mark.kind === "split" ? 8 + 2 + mark.at.length : 8 + 8 + 8 + hashBytes;
}

/** Fills `markBytes(mark)` bytes of `into` from `start`. */
export function writeMark(into: Bytes, start: number, mark: Mark): void {
  const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
  if (mark.kind === "split") {
    view.setFloat64(start, mark.child);
    view.setUint16(start + 8, mark.at.length);
    into.set(mark.at, start + 10);
    return;
  }
  view.setFloat64(start, mark.right);
  view.setFloat64(start + 8, mark.rightLsn);
  view.setFloat64(start + 16, mark.after);
  into.set(mark.rightHash, start + 24);
}

/** Reads what `writeMark` wrote; throws RangeError where the bytes end too early. */
export function readMark(kind: Mark["kind"], from: Bytes, start: number): Mark {
  const view = new DataView(from.buffer, from.byteOffset, from.byteLength);
  if (kind === "split") {
    const length = view.getUint16(start + 8);
    return { kind, child: view.getFloat64(start), at: from.slice(start + 10, start + 10 + length) };
  }
  return {
    kind,
    right: view.getFloat64(start),
    rightLsn: view.getFloat64(start + 8),
    after: view.getFloat64(start + 16),
    rightHash: from.slice(start + 24, start + 24 + hashBytes),
  };
}
