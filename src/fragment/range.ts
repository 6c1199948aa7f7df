// Range. Owns arithmetic on ranges of positions: `from` inclusive, `to` exclusive, undefined = no end.

import { compareBytes, sameBytes } from "../kernel/bytes.js";
import type { Position, PositionRange } from "../table/table.js";

export function contains(range: PositionRange, position: Position): boolean {
  return compareBytes(range.from, position) <= 0 && (range.to === undefined || compareBytes(position, range.to) < 0);
}

export function sameRange(a: PositionRange, b: PositionRange): boolean {
  if (compareBytes(a.from, b.from) !== 0) return false;
  return a.to === undefined || b.to === undefined ? a.to === b.to : compareBytes(a.to, b.to) === 0;
}

/** Whether all of `part` lies in `range`. */
export function covers(range: PositionRange, part: PositionRange): boolean {
  if (compareBytes(range.from, part.from) > 0) return false;
  if (range.to === undefined) return true;
  return part.to !== undefined && compareBytes(part.to, range.to) <= 0;
}

/** The common part; undefined when there is none. */
export function intersect(a: PositionRange, b: PositionRange): PositionRange | undefined {
  const from = compareBytes(a.from, b.from) >= 0 ? a.from : b.from;
  const to = earlierEnd(a.to, b.to);
  if (to !== undefined && compareBytes(from, to) >= 0) return undefined;
  return { from, to };
}

/** What is left of `ranges` inside `bounds`. */
export function within(ranges: readonly PositionRange[], bounds: PositionRange): readonly PositionRange[] {
  return ranges.flatMap((range) => intersect(range, bounds) ?? []);
}

/** What is left of `ranges` outside `gone`. */
export function withoutRange(ranges: readonly PositionRange[], gone: PositionRange): readonly PositionRange[] {
  return ranges.flatMap((range) => {
    const common = intersect(range, gone);
    if (common === undefined) return [range];
    const left: PositionRange[] = [];
    if (compareBytes(range.from, common.from) < 0) left.push({ from: range.from, to: common.from });
    if (common.to !== undefined && !endsAt(range, common.to)) left.push({ from: common.to, to: range.to });
    return left;
  });
}

function endsAt({ to }: PositionRange, end: Position): boolean {
  return to !== undefined && sameBytes(to, end);
}

function earlierEnd(a: Position | undefined, b: Position | undefined): Position | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return compareBytes(a, b) <= 0 ? a : b;
}
