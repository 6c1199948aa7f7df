// Source. Owns what a whole replica gives to a sparse one: the request window with its place in the log, and the rows that are lacking there.
// SO1 only a whole replica gives anything (P3), and rows only when it stands at the asker's base LSN or beyond: an older row could be one that the asker's log has passed.
// SO2 a range is answered as far as it was read, and says how far that is: what lies there and is not in the answer is not in the fragment.

import { limits } from "../../src/config/limits.js";
import { positionOfRowKey, rowKey, rowRange, windowRange } from "../../src/fragment/layout.js";
import { entriesWithin } from "../../src/fragment/pace.js";
import { contains, intersect } from "../../src/fragment/range.js";
import { isWhole } from "../../src/fragment/replica.js";
import { afterBytes, type Bytes, joinBytes } from "../../src/kernel/bytes.js";
import type { Effects, ReplyTo } from "../../src/kernel/effect.js";
import { fault } from "../../src/kernel/fault.js";
import type { Hash } from "../../src/kernel/hash.js";
import type { PeerAnswer, PeerRequest, PulledRows, PullRange, WindowSlice } from "../../src/protocol/peer.js";
import type { PositionRange } from "../../src/table/table.js";
import { notWhole, wrongFragment } from "./answer.js";
import { armLateness, latenessOf } from "./lateness.js";
import { shapeOf } from "./reshape.js";
import type { ShardState } from "./state.js";

const leastBytes = 256;
const mostBytes = limits.replyBytes / 2;
/** Room byte and fragment before the LSN in a window key. */
const windowPrefix = 9;

type Entry = readonly [Bytes, Bytes];

function reply(to: ReplyTo, body: PeerAnswer): Effects {
  return [{ kind: "reply", to, body }];
}

export function onWindowRequest(
  state: ShardState,
  request: Extract<PeerRequest, { kind: "window" }>,
  from: ReplyTo,
): Effects {
  const { replica, wiring } = state;
  if (!isWhole(replica)) return reply(from, { fault: notWhole(state) });
  const range = windowRange(replica.fragment);
  const start =
    request.after.length === 0
      ? range.from
      : afterBytes(joinBytes(range.from.subarray(0, windowPrefix), request.after));
  const entries: Entry[] = [];
  const room = roomFor(request.maxBytes);
  let full = false;
  for (const { key, value } of wiring.store.range(start, range.to, false)) {
    entries.push([key.slice(windowPrefix), value.slice()]);
    full = room(key.length + value.length);
    if (full) break;
  }
  const { fragment, lsn, seq, epoch, hash, stampMs, rows, bytes } = replica;
  const digest = digestOf(wiring.hash, entries);
  const window: WindowSlice = {
    ...{ fragment, entries, done: !full, lsn, seq, epoch, hash, stampMs },
    ...{ rows: Math.max(0, rows), bytes: Math.max(0, bytes), shape: shapeOf(replica), digest },
  };
  return reply(from, { window });
}

export function onPullRequest(
  state: ShardState,
  request: Extract<PeerRequest, { kind: "pull" }>,
  from: ReplyTo,
): Effects {
  const { replica } = state;
  if (!isWhole(replica)) return reply(from, { fault: notWhole(state) });
  if (replica.lsn < request.baseLsn) return reply(from, { fault: isBehind(state, request.baseLsn) });
  const asked = request.range;
  const range = asked === null ? undefined : intersect(replica.range, rangeOf(asked));
  const outside = request.positions.some((position) => !contains(replica.range, position));
  if (outside || (asked !== null && range === undefined)) return reply(from, { fault: wrongFragment(state) });
  const room = roomFor(request.maxBytes);
  const found = findRows(state, request.positions, room);
  const read =
    asked === null || range === undefined ? undefined : readRange(state, range, asked.reverse, request.maxBytes);
  const rows = read?.rows ?? [];
  const pulled: PulledRows = {
    fragment: replica.fragment,
    lsn: replica.lsn,
    hash: replica.hash,
    found,
    rows,
    covered: read === undefined ? null : { from: read.covered.from, to: read.covered.to ?? null },
    lateMs: latenessOf(state),
    digest: pullDigest(state.wiring.hash, found, rows),
  };
  return [...reply(from, { pulled }), ...armLateness(state)];
}

function findRows(
  { replica, wiring }: ShardState,
  positions: readonly Bytes[],
  room: (bytes: number) => boolean,
): (readonly [Bytes, Bytes | null])[] {
  const found: (readonly [Bytes, Bytes | null])[] = [];
  for (const position of positions) {
    const value = wiring.store.get(rowKey(replica.shelf, position))?.slice() ?? null;
    found.push([position, value]);
    if (room(position.length + (value?.length ?? 0))) break;
  }
  return found;
}

function readRange(
  { replica, wiring }: ShardState,
  range: PositionRange,
  reverse: boolean,
  maxBytes: number,
): { readonly rows: Entry[]; readonly covered: PositionRange } {
  const { from, to } = rowRange(replica.shelf, range);
  const room = roomFor(maxBytes);
  const rows: Entry[] = [];
  for (const { key, value } of wiring.store.range(from, to, reverse)) {
    const position = positionOfRowKey(key).slice();
    rows.push([position, value.slice()]);
    if (!room(position.length + value.length)) continue;
    const covered = reverse ? { from: position, to: range.to } : { from: range.from, to: afterBytes(position) };
    return { rows, covered };
  }
  return { rows, covered: range };
}

/** Tells of each addition whether the answer is full with it. */
function roomFor(maxBytes: number): (bytes: number) => boolean {
  const most = Math.min(Math.max(leastBytes, maxBytes), mostBytes);
  const mostEntries = entriesWithin(most);
  let taken = 0;
  let count = 0;
  return (bytes) => {
    taken += bytes;
    count++;
    return taken >= most || count >= mostEntries;
  };
}

function isBehind({ config, replica }: ShardState, baseLsn: number) {
  const note = `the copy of fragment ${config.fragment} on ${config.node} is at LSN ${replica.lsn}; rows are wanted as of ${baseLsn}`;
  return fault("UNAVAILABLE", note);
}

export function rangeOf({ from, to }: Pick<PullRange, "from" | "to">): PositionRange {
  return { from, to: to ?? undefined };
}

export function digestOf(hash: Hash, entries: readonly Entry[]): Bytes {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, hash.h64(joinBytes(...entries.flat())));
  return bytes;
}

const absent = Uint8Array.of(0);
const present = Uint8Array.of(1);

export function pullDigest(hash: Hash, found: PulledRows["found"], rows: PulledRows["rows"]): Bytes {
  const singles = found.flatMap(([position, value]) =>
    value === null ? [position, absent] : [position, present, value],
  );
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, hash.h64(joinBytes(...singles, ...rows.flat())));
  return bytes;
}
