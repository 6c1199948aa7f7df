// Promote. Owns who becomes primary. Safety does not hang on the choice (the log is the truth, every ready replica can catch up); speed and balance do.
// Best first: not draining; within `lagLsn` records of the furthest; fewest primaries for its weight; the order of the names.

import type { ClusterView, FragmentView, NodeView } from "../ledger/view.js";
import type { NodeId } from "../protocol/subjects.js";
import { type Counts, countOn } from "./load.js";

export interface Suitability {
  /** May serve now: up, not leaving, its replica not broken. */
  readonly able: (node: NodeId, fragment: FragmentView) => boolean;
  /** Last LSN that the replica reported; 0 when unknown. */
  readonly lsnOf: (node: NodeId, fragment: FragmentView) => number;
}

/** Reports of different nodes are as old as their heartbeats: so many records apart says nothing. */
const lagLsn = 64;

/** The best ready replica of `fragment`, or undefined when none is able. `counts` tells the balance; the caller brings it up to date. */
export function choosePrimary(
  view: ClusterView,
  fragment: FragmentView,
  counts: Counts,
  { able, lsnOf }: Suitability,
): NodeId | undefined {
  const candidates = fragment.replicas.flatMap(({ node, state }) => {
    const known = view.nodes.get(node);
    return state === "ready" && known !== undefined && able(node, fragment) ? [known] : [];
  });
  const furthest = Math.max(0, ...candidates.map(({ id }) => lsnOf(id, fragment)));
  const rank = (node: NodeView): readonly [number, number, number, string] => [
    node.draining ? 1 : 0,
    furthest - lsnOf(node.id, fragment) > lagLsn ? 1 : 0,
    countOn(counts, node.id).primaries / node.weight,
    node.id,
  ];
  return candidates.map((node) => ({ node, rank: rank(node) })).sort((a, b) => compareRanks(a.rank, b.rank))[0]?.node
    .id;
}

function compareRanks(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  for (const [at, mine] of a.entries()) {
    const other = b[at];
    if (other !== undefined && mine !== other) return mine < other ? -1 : 1;
  }
  return 0;
}

export interface Shift {
  readonly fragment: FragmentView;
  readonly to: NodeId;
}

/**
 * Primaries to hand to nodes that have too few, at most `limit`. Each shift narrows the gap between two nodes by more than it opens another:
 * the giver keeps at least as many, for its weight, as the taker will have.
 */
export function balancePrimaries(
  view: ClusterView,
  counts: Counts,
  limit: number,
  movable: (fragment: FragmentView, to: NodeId) => boolean,
): Shift[] {
  const shifts: Shift[] = [];
  const moved = new Set<number>();
  while (shifts.length < limit) {
    const shift = bestShift(view, counts, (fragment, to) => !moved.has(fragment.id) && movable(fragment, to));
    if (shift === undefined) break;
    moved.add(shift.fragment.id);
    shifts.push(shift);
    countOn(counts, shift.fragment.primary).primaries--;
    countOn(counts, shift.to).primaries++;
  }
  return shifts;
}

function bestShift(
  view: ClusterView,
  counts: Counts,
  movable: (fragment: FragmentView, to: NodeId) => boolean,
): Shift | undefined {
  let best: Shift | undefined;
  let bestGain = 0;
  for (const fragment of view.fragments.values()) {
    const from = view.nodes.get(fragment.primary);
    if (from === undefined) continue;
    for (const { node, state } of fragment.replicas) {
      const to = view.nodes.get(node);
      if (to === undefined || state !== "ready" || node === fragment.primary) continue;
      const gain =
        (countOn(counts, from.id).primaries - 1) / from.weight - countOn(counts, to.id).primaries / to.weight;
      if (gain > bestGain && movable(fragment, node)) {
        best = { fragment, to: node };
        bestGain = gain;
      }
    }
  }
  return best;
}
