// Scan. Owns one page of a range in key order: several fragments are read ahead, rows leave in the order of the range.
// S1 a page is a prefix of the range: rows of a later fragment leave only when every earlier one is read through.
// S2 rows held stay under a page's bytes, and under an answer's for each fragment read ahead; no fragment is asked for more rows than the page can take.

import { limits } from "../../../src/config/limits.js";
import { afterBytes, compareBytes } from "../../../src/kernel/bytes.js";
import type { Effect, Effects } from "../../../src/kernel/effect.js";
import { none } from "../../../src/kernel/effect.js";
import { fault } from "../../../src/kernel/fault.js";
import type { Context } from "../../../src/kernel/machine.js";
import type { FragmentView } from "../../../src/ledger/view.js";
import { type ScanRow, scanRowBytes } from "../../../src/protocol/exec.js";
import { encodeScanCursor } from "../../../src/query/cursor.js";
import type { Position } from "../../../src/table/table.js";
import { rowOf } from "../answer.js";
import type { Outcome } from "../courier.js";
import type { Inquiry } from "../desk.js";
import { type Kit, type QueryHandler, type QueryOf, refuseFor, send } from "../kit.js";
import type { Located } from "../locations.js";

/** Bytes of rows in one answer of a node, and in a page that travels on: leaves room for a row of the largest size, and for JSON, which is longer than msgpack. */
const answerBytes = Math.floor(limits.replyBytes / 2);
/** In a page that stays here, since the router is part of the client. */
const edgePageBytes = 2 * 1024 * 1024;
/** So many fragments are read at once at most. */
const fragmentsAhead = 4;

/** The part of the range that one fragment held when the scan began; what is left of it shrinks from one end. */
interface Part {
  from: Position;
  to: Position | undefined;
  readonly rows: ScanRow[];
  bytes: number;
  done: boolean;
  asked: boolean;
}

interface Scan {
  readonly kit: Kit;
  readonly inquiry: Inquiry;
  readonly table: Located;
  readonly query: QueryOf<"scan">;
  readonly parts: readonly Part[];
  readonly pageBytes: number;
}

export const startScan: QueryHandler<"scan"> = (kit, inquiry, table, query, context) => {
  const fragments = kit.locations.fragmentsIn(table, query.from, query.to);
  const parts = fragments.map((fragment) => partOf(fragment, query.from, query.to));
  if (query.reverse) parts.reverse();
  const pageBytes = kit.config.reach === "edge" ? edgePageBytes : answerBytes;
  return advance({ kit, inquiry, table, query, parts, pageBytes }, context);
};

function partOf(fragment: FragmentView, from: Position, to: Position | undefined): Part {
  return {
    from: laterOf(fragment.from, from),
    to: earlierOf(fragment.to, to),
    rows: [],
    bytes: 0,
    done: false,
    asked: false,
  };
}

function laterOf(a: Position, b: Position): Position {
  return compareBytes(a, b) >= 0 ? a : b;
}

function earlierOf(a: Position | undefined, b: Position | undefined): Position | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return compareBytes(a, b) <= 0 ? a : b;
}

/** Answers when the page is full or the range is read through; otherwise asks the fragments that come next. */
function advance(scan: Scan, context: Context): Effects {
  if (scan.inquiry.finished) return none;
  let rows = 0;
  let bytes = 0;
  let first = 0;
  for (; first < scan.parts.length; first++) {
    const part = scan.parts[first];
    if (part === undefined) break;
    rows += part.rows.length;
    bytes += part.bytes;
    if (rows >= scan.query.limit || bytes >= scan.pageBytes) return page(scan);
    if (!part.done) break;
  }
  const next = scan.parts[first];
  if (next === undefined) return page(scan);
  const left = { rows: scan.query.limit - rows, bytes: scan.pageBytes - bytes };
  const effects: Effect[] = [];
  for (const part of scan.parts.slice(first, first + aheadOf(scan, first, rows))) {
    if (part.done || part.asked) continue;
    const most =
      part === next
        ? left
        : { rows: left.rows - part.rows.length, bytes: Math.min(left.bytes, answerBytes) - part.bytes };
    if (most.rows > 0 && most.bytes > 0) effects.push(...read(scan, part, most, context));
  }
  return effects;
}

/** What the page can still take. */
interface Left {
  readonly rows: number;
  readonly bytes: number;
}

/**
 * How many fragments from the first that is not read through: as many as the page is likely to need, by the rows of those that were. What is read of a fragment that the page
 * does not reach is read for nothing, and again for the next page. How many rows a filter lets through is not known, so there it is always the most.
 */
function aheadOf({ query, parts }: Scan, first: number, rows: number): number {
  if (query.filter !== undefined) return fragmentsAhead;
  if (first === 0) return 1;
  const read = parts.slice(0, first).reduce((sum, part) => sum + part.rows.length, 0);
  return Math.min(fragmentsAhead, Math.max(1, Math.ceil(((query.limit - rows) * first) / Math.max(1, read))));
}

function read(scan: Scan, part: Part, left: Left, context: Context): Effects {
  const { kit, inquiry, table, query } = scan;
  part.asked = true;
  return send(
    kit,
    inquiry,
    table,
    {
      access: "read",
      lane: "slow",
      read: query.read,
      bytes: 512,
      find: () => holderOf(scan, part),
      opFor: (fragment) => ({
        op: "scan",
        from: laterOf(part.from, fragment.from),
        to: earlierOf(part.to, fragment.to),
        reverse: query.reverse,
        limit: left.rows,
        maxBytes: Math.min(left.bytes, answerBytes),
        filter: query.filter,
        fields: query.fields,
        read: query.read,
      }),
      done: (outcome, at) => onRead(scan, part, outcome, at),
    },
    context,
  );
}

/** The fragment that holds the end of the part from which the scan goes on. */
function holderOf(scan: Scan, part: Part): FragmentView | undefined {
  const { locations } = scan.kit;
  if (!scan.query.reverse) return locations.fragmentAt(scan.table, part.from);
  return locations.fragmentsIn(scan.table, part.from, part.to).at(-1);
}

function onRead(scan: Scan, part: Part, outcome: Outcome, context: Context): Effects {
  part.asked = false;
  if ("fault" in outcome) return refuseFor(scan.kit, scan.inquiry, outcome);
  const { result, fragment } = outcome;
  if (result.op !== "scan") return none;
  let bytes = 0;
  for (const row of result.rows) {
    part.rows.push(row);
    bytes += scanRowBytes(row);
  }
  part.bytes += bytes;
  goOn(part, fragment, result.next, scan.query.reverse);
  if (scan.kit.desk.hold(scan.inquiry, bytes)) return advance(scan, context);
  // Without room for more the page ends with what there is, if it begins with it (S1).
  const first = scan.parts.find(({ rows, done }) => rows.length > 0 || !done);
  return first === undefined || first.rows.length > 0 ? page(scan) : scan.kit.desk.refuse(scan.inquiry, noRoom);
}

const noRoom = fault("OVERLOADED", "this router has no room for the rows right now; try again later", {
  retryAfterMs: 50,
});

/** Moves the part's near end past what was read: to `next`, or to the fragment's end when its share is done. */
function goOn(part: Part, fragment: FragmentView, next: Position | undefined, reverse: boolean): void {
  if (reverse) {
    const end = next ?? fragment.from;
    if (compareBytes(end, part.from) <= 0) part.done = true;
    else part.to = end;
    return;
  }
  const start = next ?? fragment.to;
  if (start === undefined || (part.to !== undefined && compareBytes(start, part.to) >= 0)) part.done = true;
  else part.from = start;
}

function page(scan: Scan): Effects {
  const { kit, inquiry, table, query } = scan;
  const taken: ScanRow[] = [];
  let bytes = 0;
  let whole = true;
  outer: for (const part of scan.parts) {
    for (const row of part.rows) {
      if (taken.length >= query.limit || (bytes >= scan.pageBytes && taken.length > 0)) {
        whole = false;
        break outer;
      }
      taken.push(row);
      bytes += scanRowBytes(row);
    }
    if (!part.done) {
      whole = false;
      break;
    }
  }
  const last = taken.at(-1);
  const cursor = whole || last === undefined ? null : cursorAfter(scan, last);
  const rows = taken.map((row) => rowOf(table.def, row.position, row, undefined));
  return kit.desk.answer(inquiry, { rows, cursor });
}

function cursorAfter({ kit, query }: Scan, last: ScanRow): string {
  const next = query.reverse ? last.position : afterBytes(last.position);
  return encodeScanCursor(query.fingerprint, next, kit.hash);
}
