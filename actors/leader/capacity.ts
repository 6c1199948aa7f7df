// Capacity. Owns whether a node has room for one more replica, from what its heartbeats say of its disk.

import { limits } from "../../src/config/limits.js";
import type { NodeId } from "../../src/protocol/subjects.js";
import type { LeaderState } from "./state.js";

/** True when `bytes` more would leave less than the floor free. A node that does not tell counts as roomy. */
export function isFull({ sessions }: LeaderState, node: NodeId, bytes: number): boolean {
  const free = sessions.get(node)?.freeBytes;
  return free !== undefined && free - bytes < limits.diskFloorBytes;
}
