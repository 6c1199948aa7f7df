// Replicas. Owns the check that all copies of a fragment are one: same rows, same request ids, at the same position.

import { bookkeepingKey, rowRange, windowRange } from "../../../src/fragment/layout.js";
import { isWhole, type Replica, readBookkeeping } from "../../../src/fragment/replica.js";
import { joinBytes } from "../../../src/kernel/bytes.js";
import type { Hash } from "../../../src/kernel/hash.js";
import type { ClusterView, FragmentView } from "../../../src/ledger/view.js";
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
  for (const view of views) {
    for (const fragment of view.fragments.values()) {
      const copies = copiesOf(world, fragment);
      if (copies.length < fragment.replicas.length)
        return `fragment ${fragment.id}: ${copies.length} of ${fragment.replicas.length} copies`;
      const behind = copies.find(({ replica }) => !isWhole(replica) || replica.lsn !== copies[0]?.replica.lsn);
      if (behind !== undefined)
        return `fragment ${fragment.id}: ${copies.map(({ node, replica }) => `${node} at ${replica.lsn}${isWhole(replica) ? "" : " (not whole)"}`).join(", ")}`;
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
  return { checker: "replicas agree", unit: "pairs of copies", judged, needed: 1, violations };
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
  const range =
    room === "rows"
      ? rowRange(replica.shelf, { from: new Uint8Array(0), to: undefined })
      : windowRange(replica.fragment);
  // The shelf number differs between nodes; what follows it must not.
  const skip = room === "rows" ? 5 : 0;
  let digest = "";
  for (const { key, value } of store.range(range.from, range.to, false))
    digest = `${hash.h64(joinBytes(new TextEncoder().encode(digest), key.subarray(skip), value))}`;
  return digest;
}
