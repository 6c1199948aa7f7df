// Place. Owns where the replicas of new fragments go: the ring's order, bounded by (1 + ε) of each node's fair share of replicas and of primaries.
// P1 replicas of one fragment sit on different nodes, and in different zones while there are enough.
// P2 no node goes over its bound while another that may take the fragment is under its own.
// Consistent hashing with bounded loads: Mirrokni, Thorup, Zadimoghaddam 2016.

import type { FragmentId, NodeId } from "../protocol/subjects.js";
import { preferenceList, type Ring, type RingNode } from "../ring/ring.js";
import { boundOf, type Counts, countOn } from "./load.js";

export interface Placed {
  readonly fragment: FragmentId;
  /** The first is the primary. */
  readonly nodes: readonly NodeId[];
}

/** Places `replicas` copies of each fragment on the nodes of `ring` (or one on each, when there are fewer nodes). `counts` is brought up to date. */
export function placeFragments(
  ring: Ring,
  fragments: readonly FragmentId[],
  replicas: number,
  counts: Counts,
): Placed[] {
  const copies = Math.min(replicas, ring.nodes.length);
  const bounds = boundsOf(ring, counts, fragments.length * copies, fragments.length);
  return fragments.map((fragment) => {
    const order = preferenceList(ring, fragment, ring.nodes.length);
    const nodes = pickPrimary(pickReplicas(order, copies, counts, bounds), counts, bounds);
    nodes.forEach((node, at) => {
      const count = countOn(counts, node.id);
      count.replicas++;
      if (at === 0) count.primaries++;
    });
    return { fragment, nodes: nodes.map(({ id }) => id) };
  });
}

/** The best node for one more replica of `fragment`, which has copies on `taken` already. Undefined when every node has one. */
export function placeReplica(
  ring: Ring,
  fragment: FragmentId,
  taken: ReadonlySet<NodeId>,
  counts: Counts,
  mayTake: (node: NodeId) => boolean,
): NodeId | undefined {
  const zonesTaken = new Set(ring.nodes.filter(({ id, zone }) => taken.has(id) && zone !== "").map(({ zone }) => zone));
  const bounds = boundsOf(ring, counts, 1, 0);
  const open = preferenceList(ring, fragment, ring.nodes.length).filter(({ id }) => !taken.has(id) && mayTake(id));
  const elsewhere = open.filter(({ zone }) => !zonesTaken.has(zone));
  const pool = elsewhere.length > 0 ? elsewhere : open;
  return (pool.find((node) => under(node, counts, bounds)) ?? leastFull(pool, counts, "replicas"))?.id;
}

interface Bounds {
  readonly replicas: ReadonlyMap<NodeId, number>;
  readonly primaries: ReadonlyMap<NodeId, number>;
}

function boundsOf(ring: Ring, counts: Counts, newReplicas: number, newPrimaries: number): Bounds {
  const weights = ring.nodes.reduce((sum, { weight }) => sum + weight, 0);
  const held = (what: "replicas" | "primaries"): number =>
    ring.nodes.reduce((sum, { id }) => sum + (counts.get(id)?.[what] ?? 0), 0);
  const bounds = (total: number): Map<NodeId, number> =>
    new Map(ring.nodes.map(({ id, weight }) => [id, boundOf(total, weight, weights)]));
  return { replicas: bounds(held("replicas") + newReplicas), primaries: bounds(held("primaries") + newPrimaries) };
}

function under(node: RingNode, counts: Counts, bounds: Bounds): boolean {
  return (counts.get(node.id)?.replicas ?? 0) < (bounds.replicas.get(node.id) ?? 0);
}

/** Walks the order as the ring gives it, passing over full nodes; zones come first in that order already. */
function pickReplicas(order: readonly RingNode[], copies: number, counts: Counts, bounds: Bounds): RingNode[] {
  const zones = zoneCount(order);
  const picked: RingNode[] = [];
  const pass = (fits: (node: RingNode) => boolean): void => {
    for (const node of order) if (picked.length < copies && !picked.includes(node) && fits(node)) picked.push(node);
  };
  const newZone = (node: RingNode): boolean =>
    node.zone === "" || picked.length >= zones || !picked.some(({ zone }) => zone === node.zone);
  pass((node) => newZone(node) && under(node, counts, bounds));
  pass(newZone);
  pass((node) => under(node, counts, bounds));
  pass(() => true);
  return picked;
}

function zoneCount(nodes: readonly RingNode[]): number {
  return new Set(nodes.map(({ id, zone }) => (zone === "" ? `#${id}` : zone))).size;
}

/** The first that is under its bound of primaries comes to the front; else the one with the fewest for its weight. */
function pickPrimary(nodes: readonly RingNode[], counts: Counts, bounds: Bounds): RingNode[] {
  const fits = nodes.find(({ id }) => (counts.get(id)?.primaries ?? 0) < (bounds.primaries.get(id) ?? 0));
  const primary = fits ?? leastFull(nodes, counts, "primaries");
  return primary === undefined ? [] : [primary, ...nodes.filter((node) => node !== primary)];
}

function leastFull(nodes: readonly RingNode[], counts: Counts, what: "replicas" | "primaries"): RingNode | undefined {
  const fullness = ({ id, weight }: RingNode): number => (counts.get(id)?.[what] ?? 0) / weight;
  return nodes.reduce<RingNode | undefined>(
    (best, node) => (best === undefined || fullness(node) < fullness(best) ? node : best),
    undefined,
  );
}
