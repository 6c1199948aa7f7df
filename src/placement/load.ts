// Node load. Owns the counts of replicas and primaries by node that placement balances, and the bound on them; counts only, no forecasts.

import type { Move } from "../ledger/move.js";
import type { ClusterView } from "../ledger/view.js";
import type { NodeId } from "../protocol/subjects.js";

export interface NodeCount {
  replicas: number;
  primaries: number;
}

export type Counts = Map<NodeId, NodeCount>;

/** Counts as they will be when the moves under way are done. */
export function countsOf(view: ClusterView): Counts {
  const counts: Counts = new Map();
  for (const { primary, replicas } of view.fragments.values()) {
    for (const { node } of replicas) countOn(counts, node).replicas++;
    countOn(counts, primary).primaries++;
  }
  for (const move of view.moves.values()) land(view, counts, move);
  return counts;
}

/** A move under way counts as done: nobody proposes it again, or undoes it. */
function land(view: ClusterView, counts: Counts, { fragment, from, to, role, strategy }: Move): void {
  const known = view.fragments.get(fragment);
  if (known === undefined) return;
  const has = (node: NodeId): boolean => known.replicas.some((replica) => replica.node === node);
  if (strategy !== "leader-only" && has(from) && has(to)) countOn(counts, from).replicas--;
  if (!(role || known.primary === from) || known.primary === to || !has(to)) return;
  countOn(counts, known.primary).primaries--;
  countOn(counts, to).primaries++;
}

/** The count of `node`, made when there is none: change it as you place. */
export function countOn(counts: Counts, node: NodeId): NodeCount {
  const known = counts.get(node);
  if (known !== undefined) return known;
  const made = { replicas: 0, primaries: 0 };
  counts.set(node, made);
  return made;
}

/** How far above its fair share a node may go: (1 + ε) of the mean. */
export const epsilon = 0.1;

/** Most of `total` that a node of `weight` may hold when all weights add up to `weights`; never below the fair share rounded up. */
export function boundOf(total: number, weight: number, weights: number): number {
  return Math.ceil((1 + epsilon) * total * (weight / weights));
}
