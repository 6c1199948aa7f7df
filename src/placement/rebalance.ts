// Rebalance. Owns which replicas go to a node that holds too few, such as one that just joined.
// RB1 replicas move only to nodes that are short, and only up to what they are short of: a join moves little more than the joiner's fair share.
// RB2 from the fullest node, and those first for which the ring prefers the taker. RB3 a move never brings two replicas of a fragment into one zone that are in two.
// RB4 what is nearly even stays where it is: it begins for a node with less than half of its share, and goes on up to (1 - ε) of the share.

import { replicasOn } from "../ledger/lookup.js";
import type { ClusterView, FragmentView } from "../ledger/view.js";
import type { FragmentId, NodeId } from "../protocol/subjects.js";
import { preferenceList, type Ring, type RingNode } from "../ring/ring.js";
import { type Counts, countOn, epsilon } from "./load.js";

export interface Transfer {
  readonly fragment: FragmentView;
  readonly from: NodeId;
  readonly to: NodeId;
  /** What the taker has, and its fair share. */
  readonly held: number;
  readonly share: number;
}

export interface TransferRules {
  readonly ring: Ring;
  readonly limit: number;
  readonly mayTake: (node: NodeId) => boolean;
  readonly mayGive: (node: NodeId, fragment: FragmentView) => boolean;
  /** It is being filled already: what was begun is finished. */
  readonly isFilling: (node: NodeId) => boolean;
}

/** Walks of the ring for each transfer, on average: each costs a while. */
const walksEach = 16;

/** Transfers in the order in which they should begin; `counts` is brought up to date. */
export function rebalance(view: ClusterView, counts: Counts, rules: TransferRules): Transfer[] {
  const transfers: Transfer[] = [];
  const taken = new Set<FragmentId>();
  const begun = new Set<NodeId>();
  const walks = { left: rules.limit * walksEach };
  while (transfers.length < rules.limit) {
    const taker = shortest(counts, rules, begun);
    if (taker === undefined) break;
    const found = bestFor(view, counts, rules, taker.node, taken, walks);
    if (found === undefined) break;
    const held = countOn(counts, taker.node.id).replicas;
    transfers.push({ ...found, to: taker.node.id, held, share: taker.share });
    taken.add(found.fragment.id);
    begun.add(taker.node.id);
    countOn(counts, taker.node.id).replicas++;
    countOn(counts, found.from).replicas--;
  }
  return transfers;
}

interface Taker {
  readonly node: RingNode;
  readonly share: number;
}

/** The node that is short of most, for its weight. */
function shortest(
  counts: Counts,
  { ring, mayTake, isFilling }: TransferRules,
  begun: ReadonlySet<NodeId>,
): Taker | undefined {
  const weights = ring.nodes.reduce((sum, { weight }) => sum + weight, 0);
  const total = ring.nodes.reduce((sum, { id }) => sum + countOn(counts, id).replicas, 0);
  const begins = (id: NodeId, share: number): boolean =>
    begun.has(id) || countOn(counts, id).replicas < share / 2 || isFilling(id);
  let best: Taker | undefined;
  for (const node of ring.nodes) {
    const share = (total * node.weight) / weights;
    const { replicas } = countOn(counts, node.id);
    if (replicas >= Math.floor((1 - epsilon) * share) || !begins(node.id, share) || !mayTake(node.id)) continue;
    const fullness =
      best === undefined ? Number.POSITIVE_INFINITY : countOn(counts, best.node.id).replicas / best.share;
    if (replicas / share < fullness) best = { node, share };
  }
  return best;
}

/** A fragment for `to`, of the fullest node that has one to give. */
function bestFor(
  view: ClusterView,
  counts: Counts,
  { ring, mayGive }: TransferRules,
  to: RingNode,
  taken: ReadonlySet<FragmentId>,
  walks: { left: number },
): Pick<Transfer, "fragment" | "from"> | undefined {
  const fullness = ({ id, weight }: RingNode): number => countOn(counts, id).replicas / weight;
  const after = (countOn(counts, to.id).replicas + 1) / to.weight;
  const givers = ring.nodes
    .filter((node) => node !== to && fullness(node) > after)
    .sort((a, b) => fullness(b) - fullness(a) || (a.id < b.id ? -1 : 1));
  for (const from of givers) {
    const gifts = replicasOn(view, from.id).filter(
      (fragment) =>
        !taken.has(fragment.id) &&
        !fragment.replicas.some(({ node }) => node === to.id) &&
        zonesStayApart(view, fragment, from.id, to.id) &&
        mayGive(from.id, fragment),
    );
    const [first] = gifts;
    if (first === undefined) continue;
    return { from: from.id, fragment: gifts.find((gift) => prefers(ring, gift.id, to, from, walks)) ?? first };
  }
  return undefined;
}

function prefers(ring: Ring, fragment: FragmentId, to: RingNode, from: RingNode, walks: { left: number }): boolean {
  if (walks.left <= 0) return false;
  walks.left--;
  const order = preferenceList(ring, fragment, ring.nodes.length);
  return order.indexOf(to) < order.indexOf(from);
}

/** False when `to` is in a zone of another replica and `from` is not. */
export function zonesStayApart(view: ClusterView, { replicas }: FragmentView, from: NodeId, to: NodeId): boolean {
  const zoneOf = (node: NodeId): string => view.nodes.get(node)?.zone ?? "";
  const zone = zoneOf(to);
  if (zone === "" || zone === zoneOf(from)) return true;
  return !replicas.some(({ node }) => node !== from && zoneOf(node) === zone);
}
