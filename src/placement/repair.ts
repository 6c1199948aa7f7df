// Repair. Owns which replicas are missing, which are too many, and where the missing ones go. A pure function of the view: any leader resumes it.
// RP1 a replica is removed only when enough others are ready without it, and never from the primary, nor before the primary's epoch is activated
//     (until then a predecessor must stay a peer that the new primary asks: I7).
// RP2 what is lost for a short time is not replaced: a node that restarts comes back with its data.
// RP4 a fragment that moves is left alone: its source and destination count as one copy, and nothing of it is removed. A draining node's copies leave by moves;
//     only where no other node could take one is it let go, when enough others are ready.
// RP3 at most `inFlight` replicas are being filled on one node at a time.

import type { Move } from "../ledger/move.js";
import type { ClusterView, FragmentView, ReplicaView } from "../ledger/view.js";
import type { FragmentId, NodeId } from "../protocol/subjects.js";
import type { Ring } from "../ring/ring.js";
import { type Counts, countOn } from "./load.js";
import { placeReplica } from "./place.js";

/** However many nodes are being drained, this many copies stay (or as many as were ever wanted). */
const leastCopies = 2;

export interface RepairRules {
  /** Nodes that may take replicas: up, neither draining nor leaving. */
  readonly ring: Ring;
  /** Its copy counts no more: removed, or down for too long. */
  readonly lost: (node: NodeId) => boolean;
  readonly inFlight: number;
  /** Changes in one go. */
  readonly limit: number;
}

export interface ReplicaRef {
  readonly fragment: FragmentId;
  readonly node: NodeId;
}

export interface Repairs {
  readonly add: readonly ReplicaRef[];
  readonly remove: readonly ReplicaRef[];
}

export function repair(view: ClusterView, counts: Counts, rules: RepairRules): Repairs {
  const add: ReplicaRef[] = [];
  const remove: ReplicaRef[] = [];
  const filling = fillingOf(view);
  const eligible = new Set(rules.ring.nodes.map(({ id }) => id));
  for (const fragment of view.fragments.values()) {
    if (add.length + remove.length >= rules.limit) break;
    // The two have the same nodes, and keep them until they are one.
    if (view.merges.has(fragment.id) || view.merging.has(fragment.id)) continue;
    const wanted = wantedReplicas(view, fragment);
    const moving = view.moves.get(view.moving.get(fragment.id) ?? 0);
    const stay = fragment.replicas.filter(({ node }) => stays(view, rules, node) && !leaves(fragment, moving, node));
    const there = fragment.replicas.filter(({ node }) => !rules.lost(node) && !leaves(fragment, moving, node)).length;
    const missing = Math.min(wanted, there + openNodes(eligible, fragment, moving)) - there;
    for (let more = 0; more < missing; more++) {
      const node = missingReplica(fragment, moving, counts, rules, filling, add);
      if (node === undefined) break;
      add.push({ fragment: fragment.id, node });
      filling.set(node, (filling.get(node) ?? 0) + 1);
      countOn(counts, node).replicas++;
    }
    if (moving !== undefined) continue;
    const surplus = surplusReplica(view, fragment, stay, wanted, eligible.size, counts);
    if (surplus === undefined) continue;
    remove.push({ fragment: fragment.id, node: surplus.node });
    countOn(counts, surplus.node).replicas--;
  }
  return { add, remove };
}

export function wantedReplicas(view: ClusterView, { table, replicasWanted }: FragmentView): number {
  return replicasWanted > 0 ? replicasWanted : (view.tables.get(table)?.replicas ?? 1);
}

/** The source of a move, once the destination has a replica. */
function leaves({ replicas }: FragmentView, moving: Move | undefined, node: NodeId): boolean {
  if (moving === undefined || moving.strategy === "leader-only" || node !== moving.from) return false;
  return replicas.some((replica) => replica.node === moving.to);
}

function stays(view: ClusterView, { lost }: RepairRules, node: NodeId): boolean {
  return !lost(node) && view.nodes.get(node)?.draining === false;
}

function openNodes(eligible: ReadonlySet<NodeId>, { replicas }: FragmentView, moving: Move | undefined): number {
  return [...eligible].filter((node) => node !== moving?.from && !replicas.some((replica) => replica.node === node))
    .length;
}

/** How many replicas each node is filling now. */
function fillingOf(view: ClusterView): Map<NodeId, number> {
  const filling = new Map<NodeId, number>();
  for (const { replicas } of view.fragments.values())
    for (const { node, state } of replicas) if (state === "joining") filling.set(node, (filling.get(node) ?? 0) + 1);
  return filling;
}

/** Never on the source of a move: what it has let go, or is about to, would come back before the move is over. */
function missingReplica(
  fragment: FragmentView,
  moving: Move | undefined,
  counts: Counts,
  { ring, inFlight }: RepairRules,
  filling: ReadonlyMap<NodeId, number>,
  added: readonly ReplicaRef[],
): NodeId | undefined {
  const taken = new Set(fragment.replicas.map(({ node }) => node));
  for (const { fragment: id, node } of added) if (id === fragment.id) taken.add(node);
  if (moving !== undefined) taken.add(moving.from);
  return placeReplica(ring, fragment.id, taken, counts, (node) => (filling.get(node) ?? 0) < inFlight);
}

/** One replica that is not needed: of a lost or draining node first, then one that is still being filled, then one of the fullest node. */
function surplusReplica(
  view: ClusterView,
  fragment: FragmentView,
  stay: readonly ReplicaView[],
  wanted: number,
  eligible: number,
  counts: Counts,
): ReplicaView | undefined {
  if (fragment.activatedEpoch !== fragment.epoch) return undefined;
  const ready = stay.filter(({ state }) => state === "ready");
  const others = fragment.replicas.filter(({ node }) => node !== fragment.primary);
  const going = others.find((replica) => {
    if (stay.includes(replica)) return false;
    // A copy that may come back is kept until it is replaced; one that shall go is let go when there is nowhere else to put it, but never the last but one.
    const known = view.nodes.get(replica.node);
    const enough = known === undefined || known.draining ? Math.min(wanted, Math.max(leastCopies, eligible)) : wanted;
    return ready.length >= enough;
  });
  if (going !== undefined) return going;
  if (stay.length <= wanted || ready.length < wanted) return undefined;
  const filling = others.find(({ node, state }) => state === "joining" && stay.some((kept) => kept.node === node));
  if (filling !== undefined) return filling;
  return others
    .filter((replica) => stay.includes(replica))
    .sort(
      (a, b) => countOn(counts, b.node).replicas - countOn(counts, a.node).replicas || (a.node < b.node ? -1 : 1),
    )[0];
}
