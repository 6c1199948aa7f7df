// Capacity. Owns what a node can take, from what its heartbeats say: whether its disk has room for one more replica, and how many queries per second it can carry.

import { limits } from "../../src/config/limits.js";
import type { NodeId } from "../../src/protocol/subjects.js";
import type { LeaderState } from "./state.js";

/** True when `bytes` more would leave less than the floor free. A node that does not tell counts as roomy. */
export function isFull({ sessions }: LeaderState, node: NodeId, bytes: number): boolean {
  const free = sessions.get(node)?.freeBytes;
  return free !== undefined && free - bytes < limits.diskFloorBytes;
}

/** Queries per second that the leader's partition may put on a node: partitions plan for themselves, and share it evenly. 0: the node does not tell. */
export function capacityOf({ sessions, config }: LeaderState, node: NodeId): number {
  return (sessions.get(node)?.power?.capacityQps ?? 0) / config.partitions;
}
