// Sparse. Owns what a replica that took over before it had all rows knows of itself: the ranges that it still lacks, and the marks inside them.
// A sparse replica holds the request window and the place in the log at a base LSN, and applies every record after it. Rows that no record touched since are
// `missing` until they are pulled from a whole replica that stands at the base LSN or beyond.
// SP1 a position that a record touched inside a missing range, or that was pulled on its own, bears a mark: what is here (a row, or none after a deletion) is the truth.
// SP2 a pull never writes over a marked position: what it brings is older, or the same. So a deletion does not come back.
// SP3 rows of a pulled range, the end of its marks and its leaving `missing` are one commit.
// SP4 `missing` is sorted, its ranges are disjoint and not empty, and at most `missingRanges`: it is written with every record.

import type { StoreClear, StoreWrite } from "../kernel/effect.js";
import type { Position, PositionRange } from "../table/table.js";
import { markKey, markRange, rowKey } from "./layout.js";
import { contains, intersect, withoutRange } from "./range.js";
import type { RowChange } from "./record.js";

export type Missing = readonly PositionRange[];
/** Row value as stored; undefined: the source holds no such row. */
export type Pulled = readonly [position: Position, value: Uint8Array | undefined];

/** Ranges apart from each other that a sparse replica may lack. */
export const missingRanges = 32;
const markValue = Uint8Array.of(1);

export function isMissing(missing: Missing, position: Position): boolean {
  return missing.some((range) => contains(range, position));
}

/** The first part of `range` that is missing, in the order of reading. */
export function nextMissing(missing: Missing, range: PositionRange, reverse: boolean): PositionRange | undefined {
  for (const candidate of reverse ? missing.toReversed() : missing) {
    const common = intersect(candidate, range);
    if (common !== undefined) return common;
  }
  return undefined;
}

/** The whole missing range that holds `part`. */
export function around(missing: Missing, part: PositionRange): PositionRange {
  return missing.find((range) => intersect(range, part) !== undefined) ?? part;
}

/** Marks for what a record touches of the missing ranges (SP1). */
export function markWrites(shelf: number, missing: Missing, changes: readonly RowChange[]): StoreWrite[] {
  if (missing.length === 0) return [];
  return changes
    .filter(({ position }) => isMissing(missing, position))
    .map(({ position }) => ({ key: markKey(shelf, position), value: markValue }));
}

export interface Merge {
  readonly writes: StoreWrite[];
  readonly clears: readonly StoreClear[];
  readonly missing: Missing;
  readonly rows: number;
  readonly bytes: number;
}

/**
 * What a pull brings to a replica on `shelf`: single positions, and rows of `covered` (all that the source holds there).
 * `isMarked` tells of a position whether it bears a mark now.
 */
export function mergePulled(
  shelf: number,
  missing: Missing,
  pulled: { readonly single: readonly Pulled[]; readonly rows: readonly Pulled[]; readonly covered?: PositionRange },
  isMarked: (position: Position) => boolean,
): Merge {
  const writes: StoreWrite[] = [];
  let rows = 0;
  let bytes = 0;
  const take = ([position, value]: Pulled): boolean => {
    if (!isMissing(missing, position) || isMarked(position)) return false;
    if (value === undefined) return true;
    writes.push({ key: rowKey(shelf, position), value });
    rows++;
    bytes += position.length + value.length;
    return true;
  };
  const { covered } = pulled;
  for (const row of pulled.rows) if (covered !== undefined && contains(covered, row[0])) take(row);
  for (const row of pulled.single) {
    if (covered !== undefined && contains(covered, row[0])) continue;
    if (take(row)) writes.push({ key: markKey(shelf, row[0]), value: markValue });
  }
  if (covered === undefined) return { writes, clears: [], missing, rows, bytes };
  return {
    writes,
    clears: [markRange(shelf, covered)],
    missing: withoutRange(missing, covered),
    rows,
    bytes,
  };
}
