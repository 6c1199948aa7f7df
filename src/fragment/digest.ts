// Digest. Owns the comparison of copies of one fragment at one record of its log: digests of key ranges, and where two copies differ.
// V1 the cut into leaves follows from the rows alone: one begins at every position whose hash ends in enough zero bits, so that a row which one copy lacks
//    moves no other cut. How many bits follows from the row count, which is part of the log.
// V2 equal copies have equal roots, on whatever shelf and however they came to be; others have not, but for a collision of 64 bits.
// V3 leaves are compared top down: of a range at most `fanOut` parts, then of each part that differs, until the parts are leaves.

import { compareBytes } from "../kernel/bytes.js";
import { fail, ok, type Result } from "../kernel/fault.js";
import type { Hash } from "../kernel/hash.js";
import type { FragmentId } from "../protocol/subjects.js";
import type { Position, PositionRange } from "../table/table.js";
import { bookkeepingKey, positionOfRowKey, rowRange, windowRange } from "./layout.js";
import { isWhole, readBookkeeping } from "./replica.js";
import { createSponge, type Sponge } from "./sponge.js";
import type { Store } from "./store.js";

/** Name of the job that computes a `DigestTree` on a node's store. */
export const digestJob = "digestTree";
export const fanOut = 32;
const wantedLeaves = 1024;
const fewestBits = 2;
/** Ranges that differ beyond this many are not told apart any more. */
export const mostDifferences = 64;

export interface DigestWish {
  readonly fragment: FragmentId;
  /** The copy must stand exactly here. */
  readonly lsn: number;
}

/** The rows from `from` up to the next leaf. */
export interface Leaf {
  readonly from: Position;
  readonly digest: string;
}

export interface DigestTree {
  readonly lsn: number;
  /** Over everything below. */
  readonly root: string;
  /** In key order; the first begins where the fragment does. */
  readonly leaves: readonly Leaf[];
  /** Of the remembered request ids. */
  readonly window: string;
  /** What the copy believes of itself: rows, bytes, epoch, hash of the last record. */
  readonly counts: string;
}

/** Leaves from `from` up to the next part; one leaf when `leaf`. */
export interface Part {
  readonly from: Position;
  readonly digest: string;
  readonly leaf: boolean;
}

/** Reads the whole copy in `store`. `stopped` is asked at every leaf. UNAVAILABLE when the copy stands elsewhere or is not whole. */
export function digestTree(
  store: Store,
  { fragment, lsn }: DigestWish,
  hash: Hash,
  stopped: () => boolean = () => false,
): Result<DigestTree> {
  const kept = store.get(bookkeepingKey(fragment));
  const replica = kept === undefined ? undefined : readBookkeeping(fragment, kept);
  if (replica === undefined || replica.lsn !== lsn || !isWhole(replica))
    return fail("UNAVAILABLE", `the copy of fragment ${fragment} in this store does not stand whole at LSN ${lsn}`);
  const sponge = createSponge(hash);
  const leaves: Leaf[] = [];
  const mask = 2 ** bitsFor(replica.rows) - 1;
  const { from, to } = rowRange(replica.shelf, replica.range);
  let start = replica.range.from;
  for (const { key, value } of store.range(from, to, false)) {
    const position = positionOfRowKey(key);
    if ((hash.h32(position) & mask) === 0 && compareBytes(position, start) !== 0) {
      leaves.push({ from: start, digest: sponge.squeeze() });
      start = new Uint8Array(position);
      if (stopped()) return fail("UNAVAILABLE", "the host is stopping");
    }
    sponge.absorb(position);
    sponge.absorb(value);
  }
  leaves.push({ from: start, digest: sponge.squeeze() });
  const window = windowDigest(store, fragment, sponge);
  const counts = `${replica.rows} rows, ${replica.bytes} bytes, epoch ${replica.epoch}`;
  sponge.absorb(replica.hash);
  sponge.text(counts);
  sponge.text(window);
  return ok({ lsn, root: digestOf(leaves, sponge), leaves, window, counts });
}

function windowDigest(store: Store, fragment: FragmentId, sponge: Sponge): string {
  const { from, to } = windowRange(fragment);
  for (const { key, value } of store.range(from, to, false)) {
    sponge.absorb(key);
    sponge.absorb(value);
  }
  return sponge.squeeze();
}

/** Zero bits that the hash of a leaf's first position ends in. */
function bitsFor(rows: number): number {
  return Math.min(30, Math.max(fewestBits, Math.ceil(Math.log2(Math.max(1, rows) / wantedLeaves))));
}

/** Over the leaves, after whatever the sponge holds. */
function digestOf(leaves: readonly Leaf[], sponge: Sponge): string {
  for (const { from, digest } of leaves) {
    sponge.absorb(from);
    sponge.text(digest);
  }
  return sponge.squeeze();
}

/** At most `fanOut` parts that cover `range`. */
export function partsOf(tree: DigestTree, range: PositionRange, hash: Hash): readonly Part[] {
  const leaves = leavesIn(tree, range);
  const size = Math.max(1, Math.ceil(leaves.length / fanOut));
  const sponge = createSponge(hash);
  const parts: Part[] = [];
  for (let at = 0; at === 0 || at < leaves.length; at += size) {
    const some = leaves.slice(at, at + size);
    parts.push({
      from: at === 0 ? range.from : (some[0]?.from ?? range.from),
      digest: digestOf(some, sponge),
      leaf: some.length <= 1,
    });
  }
  return parts;
}

function leavesIn({ leaves }: DigestTree, range: PositionRange): readonly Leaf[] {
  const low = firstAtOrAbove(leaves, range.from);
  return leaves.slice(low, range.to === undefined ? undefined : firstAtOrAbove(leaves, range.to));
}

function firstAtOrAbove(leaves: readonly Leaf[], position: Position): number {
  let low = 0;
  let high = leaves.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const leaf = leaves[middle];
    if (leaf !== undefined && compareBytes(leaf.from, position) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A search for the ranges in which another copy differs: ask it for the parts of `next`, and hand them to `narrow`, until `next` is undefined. */
export interface Search {
  next: PositionRange | undefined;
  readonly waiting: PositionRange[];
  /** In key order; neighbours are joined. */
  readonly found: PositionRange[];
}

export function startSearch(range: PositionRange): Search {
  return { next: range, waiting: [], found: [] };
}

/** Takes in the other copy's parts of `search.next`, compared with `tree`. */
export function narrow(search: Search, tree: DigestTree, parts: readonly Part[], hash: Hash): void {
  const range = search.next;
  if (range === undefined) return;
  const sponge = createSponge(hash);
  const open: PositionRange[] = [];
  parts.forEach((part, at) => {
    const piece = { from: part.from, to: parts[at + 1]?.from ?? range.to };
    if (digestOf(leavesIn(tree, piece), sponge) === part.digest) return;
    // A part that does not shrink any more cannot be told apart further, whatever the other copy says.
    if (part.leaf || parts.length === 1) search.found.push(piece);
    else open.push(piece);
  });
  search.waiting.unshift(...open);
  if (search.waiting.length + search.found.length > mostDifferences) search.found.push(...search.waiting.splice(0));
  search.next = search.waiting.shift();
  if (search.next === undefined) joinNeighbours(search.found);
}

function joinNeighbours(ranges: PositionRange[]): void {
  ranges.sort((a, b) => compareBytes(a.from, b.from));
  const joined: PositionRange[] = [];
  for (const range of ranges) {
    const last = joined.at(-1);
    if (last?.to !== undefined && compareBytes(last.to, range.from) === 0)
      joined[joined.length - 1] = { from: last.from, to: range.to };
    else joined.push(range);
  }
  ranges.splice(0, ranges.length, ...joined);
}
