// Replicas. Owns the check that all copies of a fragment are one: same rows, same request ids, at the same position.

import {
  bookkeepingKey,
  bookkeepingRange,
  fragmentOfKey,
  positionOfRowKey,
  rowRange,
  windowRange,
} from "../../../src/fragment/layout.js";
import { contains, intersect, sameRange } from "../../../src/fragment/range.js";
import { isWhole, type Replica, readBookkeeping } from "../../../src/fragment/replica.js";
import { joinBytes } from "../../../src/kernel/bytes.js";
import type { Hash } from "../../../src/kernel/hash.js";
import type { ClusterView, FragmentView } from "../../../src/ledger/view.js";
import { partitionOfFragment } from "../../../src/protocol/subjects.js";
import type { Verdict } from "../../../src/verify/history.js";
import type { SimStore } from "../store.js";
import type { World } from "../world.js";

interface Copy {
  readonly node: string;
  readonly replica: Replica;
  readonly store: SimStore;
}

/** Why the replicas of the views do not stand still at one place yet, or undefined when they do. */
export function unsettled(world: World, views: readonly ClusterView[]): string | undefined {
  const leftover = leftoverIn(world, views);
  if (leftover !== undefined) return leftover;
  for (const view of views) {
    if (view.splits.size + view.merges.size > 0) return "a split or merge is under way";
    for (const fragment of view.fragments.values()) {
      const copies = copiesOf(world, fragment);
      if (copies.length < fragment.replicas.length)
        return `fragment ${fragment.id}: ${copies.length} of ${fragment.replicas.length} copies`;
      if (fragment.activatedEpoch !== fragment.epoch) return `fragment ${fragment.id} does not serve`;
      const behind = copies.find(({ replica }) => !isWhole(replica) || replica.lsn !== copies[0]?.replica.lsn);
      if (behind !== undefined)
        return `fragment ${fragment.id}: ${copies.map(({ node, replica }) => `${node} at ${replica.lsn}${isWhole(replica) ? "" : " (not whole)"}`).join(", ")}`;
    }
  }
  return undefined;
}

/** A node that has not come back yet, or not let go yet of what is not its any more. */
function leftoverIn(world: World, views: readonly ClusterView[]): string | undefined {
  for (const { name, host, store } of world.seatsOf("node")) {
    if (host === undefined || store === undefined) return `${name} is down`;
    for (const { key } of store.bare.range(bookkeepingRange.from, bookkeepingRange.to, false)) {
      const id = fragmentOfKey(key);
      const fragment = views.find(({ partition }) => partition === partitionOfFragment(id))?.fragments.get(id);
      if (fragment?.replicas.some(({ node }) => node === name) !== true) return `${name} still holds fragment ${id}`;
    }
  }
  return undefined;
}

export function checkReplicas(world: World, views: readonly ClusterView[], hash: Hash): Verdict {
  const violations: string[] = [];
  let judged = 0;
  for (const view of views) {
    for (const fragment of view.fragments.values()) {
      const copies = copiesOf(world, fragment).filter(({ replica }) => isWhole(replica));
      for (const copy of copies) {
        const other = copies.find(({ replica }) => replica.lsn === copy.replica.lsn);
        if (other === undefined || other === copy) continue;
        judged++;
        const difference = differ(other, copy, hash);
        if (difference !== undefined)
          violations.push(
            `fragment ${fragment.id} at LSN ${copy.replica.lsn}: ${other.node} and ${copy.node} differ in ${difference}`,
          );
      }
    }
  }
  for (const view of views) violations.push(...boundFaults(world, view));
  return { checker: "replicas agree", unit: "pairs of copies", judged, needed: 1, violations };
}

/** Replicas have the bounds that the ledger says; on one shelf none overlap, and no row lies outside of all. */
function boundFaults(world: World, view: ClusterView): string[] {
  const faults: string[] = [];
  for (const { name, store } of world.seatsOf("node")) {
    if (store === undefined) continue;
    const shelves = new Map<number, Replica[]>();
    for (const { key, value } of store.bare.range(bookkeepingRange.from, bookkeepingRange.to, false)) {
      const replica = readBookkeeping(fragmentOfKey(key), value);
      if (replica === undefined || partitionOfFragment(replica.fragment) !== view.partition) continue;
      shelves.set(replica.shelf, [...(shelves.get(replica.shelf) ?? []), replica]);
      const known = view.fragments.get(replica.fragment);
      if (known !== undefined && !replica.copying && !sameRange(known, replica.range))
        faults.push(`${name}: fragment ${replica.fragment} at LSN ${replica.lsn} has other bounds than the ledger`);
    }
    for (const [shelf, replicas] of shelves) {
      for (const one of replicas)
        for (const other of replicas)
          if (one.fragment < other.fragment && intersect(one.range, other.range) !== undefined)
            faults.push(`${name}: fragments ${one.fragment} and ${other.fragment} overlap`);
      const { from, to } = rowRange(shelf, { from: new Uint8Array(0), to: undefined });
      for (const { key } of store.bare.range(from, to, false))
        if (!replicas.some(({ range }) => contains(range, positionOfRowKey(key))))
          faults.push(`${name}: a row of shelf ${shelf} is nobody's`);
    }
  }
  return faults;
}

function copiesOf(world: World, fragment: FragmentView): Copy[] {
  const copies: Copy[] = [];
  for (const { node } of fragment.replicas) {
    const store = world.seats.find((seat) => seat.name === node)?.store;
    const kept = store?.get(bookkeepingKey(fragment.id));
    const replica = kept === undefined ? undefined : readBookkeeping(fragment.id, kept);
    if (store !== undefined && replica !== undefined) copies.push({ node, replica, store });
  }
  return copies;
}

function differ(a: Copy, b: Copy, hash: Hash): string | undefined {
  if (digestOf(a, "rows", hash) !== digestOf(b, "rows", hash)) return "their rows";
  if (digestOf(a, "window", hash) !== digestOf(b, "window", hash)) return "their remembered request ids";
  const { rows, bytes, epoch } = a.replica;
  if (rows !== b.replica.rows || bytes !== b.replica.bytes)
    return `their counts: ${rows} and ${b.replica.rows} rows, ${bytes} and ${b.replica.bytes} bytes`;
  return epoch === b.replica.epoch ? undefined : "their epochs";
}

function digestOf({ replica, store }: Copy, room: "rows" | "window", hash: Hash): string {
  const range = room === "rows" ? rowRange(replica.shelf, replica.range) : windowRange(replica.fragment);
  // The shelf number may differ between nodes; what follows it must not.
  const skip = room === "rows" ? 5 : 0;
  let digest = "";
  for (const { key, value } of store.bare.range(range.from, range.to, false))
    digest = `${hash.h64(joinBytes(new TextEncoder().encode(digest), key.subarray(skip), value))}`;
  return digest;
}
