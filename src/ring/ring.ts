// Ring. Owns the sorted points of weighted nodes and the walk around them; never knows who is alive or how loaded.
// R1 every key has an owner while there is a node. R2 a join moves owners only to the joiner, a leave only from the leaver. R3 same nodes, same ring.
// Consistent hashing after Karger et al. 1997, with virtual nodes as in Dynamo (DeCandia et al. 2007).

import type { Bytes } from "../kernel/bytes.js";
import type { Hash } from "../kernel/hash.js";
import type { NodeId } from "../protocol/subjects.js";

export interface RingNode {
  readonly id: NodeId;
  /** Share of the ring, relative to the others; more than 0. */
  readonly weight: number;
  /** Empty: not named; such a node counts as a zone of its own. */
  readonly zone: string;
}

export interface Ring {
  readonly nodes: readonly RingNode[];
  /** Where each point stands, ascending, and whose it is. */
  readonly points: Uint32Array;
  readonly owners: readonly RingNode[];
  readonly hash: Hash;
}

/** Points of a node of weight 1: the spread of shares is about 1/√256, 6 %. */
const pointsPerWeight = 256;
const mostPoints = 16_384;
const utf8 = new TextEncoder();

export function createRing(nodes: readonly RingNode[], hash: Hash): Ring {
  const placed = nodes
    .flatMap((node) => pointsOf(node, hash).map((at) => ({ at, node })))
    .sort((a, b) => a.at - b.at || (a.node.id < b.node.id ? -1 : 1));
  return {
    nodes: [...nodes].sort((a, b) => (a.id < b.id ? -1 : 1)),
    points: Uint32Array.from(placed, ({ at }) => at),
    owners: placed.map(({ node }) => node),
    hash,
  };
}

function pointsOf(node: RingNode, hash: Hash): number[] {
  const count = Math.max(1, Math.min(mostPoints, Math.round(node.weight * pointsPerWeight)));
  return Array.from({ length: count }, (_, index) => hash.h32(utf8.encode(`${node.id}#${index}`)));
}

/**
 * The first `count` distinct nodes for `key`, best first: clockwise from the key's place, and of each zone one before a second of any.
 * Fewer when there are not so many.
 */
export function preferenceList(ring: Ring, key: number | Bytes, count: number): RingNode[] {
  const walk = clockwise(ring, key, count);
  const taken = new Map<string, number>();
  const rounds = walk.map((node, order) => {
    const zone = node.zone === "" ? `#${node.id}` : node.zone;
    const round = taken.get(zone) ?? 0;
    taken.set(zone, round + 1);
    return { node, order, round };
  });
  rounds.sort((a, b) => a.round - b.round || a.order - b.order);
  return rounds.slice(0, count).map(({ node }) => node);
}

/** Distinct nodes in the order of the walk; stops early only where zones cannot change the first `count`. */
function clockwise(ring: Ring, key: number | Bytes, count: number): RingNode[] {
  const zones = ring.nodes.some(({ zone }) => zone !== "");
  const enough = zones ? ring.nodes.length : Math.min(count, ring.nodes.length);
  const seen = new Set<RingNode>();
  const start = firstAtOrAfter(ring.points, ring.hash.h32(keyBytes(key)));
  for (let step = 0; step < ring.owners.length && seen.size < enough; step++) {
    const owner = ring.owners[(start + step) % ring.owners.length];
    if (owner !== undefined) seen.add(owner);
  }
  return [...seen];
}

function keyBytes(key: number | Bytes): Bytes {
  return typeof key === "number" ? utf8.encode(`fragment/${key}`) : key;
}

function firstAtOrAfter(points: Uint32Array, at: number): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((points[middle] ?? 0) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}
