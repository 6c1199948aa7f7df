// Capacity. Owns an estimate of what a node can answer per second: its rate over the share of its core that it took, where there was enough of both.
// It is a figure for people; a planner has its own.

import type { Sample } from "../../src/load/sample.js";
import type { NodeId } from "../../src/protocol/subjects.js";

export interface Capacities {
  take(sample: Sample): void;
  /** Operations per second; undefined until the node had enough to do. */
  of(node: NodeId): number | undefined;
}

/** Below these the cost of what a node does anyway hides that of an operation. */
const leastCpuShare = 0.1;
const leastPerSecond = 50;
const newWeight = 0.1;

export function createCapacities(): Capacities {
  const cpuMsPerOp = new Map<NodeId, number>();
  return {
    take({ node, spanMs, load, cells, part, parts }) {
      if (part > 0 || parts > 1 || spanMs <= 0) return;
      const operations = cells.reduce((sum, { ops }) => sum + ops.reduce((count, op) => count + op.count, 0), 0);
      const isTelling = load.threadCpuMs / spanMs >= leastCpuShare && (operations * 1000) / spanMs >= leastPerSecond;
      if (!isTelling) return;
      const cost = load.threadCpuMs / operations;
      const before = cpuMsPerOp.get(node) ?? cost;
      cpuMsPerOp.set(node, before + (cost - before) * newWeight);
    },
    of(node) {
      const cost = cpuMsPerOp.get(node);
      return cost === undefined || cost <= 0 ? undefined : 1000 / cost;
    },
  };
}
