// Replicas. Owns what heartbeats add up to: the state of every replica as its node told it last, and when each node was heard.
// L1 a node tells what changed and, when a leader asks, everything; what it no longer holds goes with the next complete telling.
// L2 until then the view decides: a copy that moved away is not counted, whatever its node told last.

import type { Heartbeat, ReplicaStatus } from "../../src/protocol/control.js";
import { type FragmentId, type NodeId, partitionOfFragment } from "../../src/protocol/subjects.js";

export interface NodeStatus {
  heardAtMs: number;
  freeBytes: number | undefined;
  leaving: boolean;
  readonly statuses: Map<FragmentId, ReplicaStatus>;
}

export interface FragmentStatus {
  readonly rows: number;
  readonly bytes: number;
  /** Records that the copy which is furthest behind lacks; undefined: nobody serves. */
  readonly lagRecords: number | undefined;
}

export interface Replicas {
  take(heartbeat: Heartbeat, nowMs: number): void;
  nodes(): ReadonlyMap<NodeId, NodeStatus>;
  /** Copies that a node holds, by their state. */
  states(node: NodeId): ReadonlyMap<string, number>;
  /** Of every fragment that anybody holds. */
  fragments(): ReadonlyMap<FragmentId, FragmentStatus>;
}

/** `holds`: whether the node has, or is getting, a copy of the fragment. */
export function createReplicas(holds: (node: NodeId, fragment: FragmentId) => boolean): Replicas {
  const nodes = new Map<NodeId, NodeStatus>();
  const incarnations = new Map<NodeId, string>();

  function nodeOf({ node, incarnation }: Heartbeat, nowMs: number): NodeStatus {
    let known = nodes.get(node);
    if (known === undefined || incarnations.get(node) !== incarnation) {
      known = { heardAtMs: nowMs, freeBytes: undefined, leaving: false, statuses: new Map() };
      nodes.set(node, known);
      incarnations.set(node, incarnation);
    }
    return known;
  }

  function* held(node: NodeId): Generator<ReplicaStatus> {
    for (const status of nodes.get(node)?.statuses.values() ?? []) if (holds(node, status.fragment)) yield status;
  }

  return {
    take(heartbeat, nowMs) {
      const node = nodeOf(heartbeat, nowMs);
      node.heardAtMs = nowMs;
      node.leaving = heartbeat.leaving;
      if (heartbeat.freeBytes !== undefined) node.freeBytes = heartbeat.freeBytes;
      const [first] = heartbeat.statuses;
      if (heartbeat.all && first !== undefined) {
        const partition = partitionOfFragment(first.fragment);
        for (const fragment of node.statuses.keys())
          if (partitionOfFragment(fragment) === partition) node.statuses.delete(fragment);
      }
      for (const status of heartbeat.statuses) node.statuses.set(status.fragment, status);
    },
    nodes: () => nodes,
    states(node) {
      const states = new Map<string, number>();
      for (const { state } of held(node)) states.set(state, (states.get(state) ?? 0) + 1);
      return states;
    },
    fragments() {
      const serving = new Map<FragmentId, ReplicaStatus>();
      const lowest = new Map<FragmentId, number>();
      const largest = new Map<FragmentId, ReplicaStatus>();
      for (const node of nodes.keys()) {
        for (const status of held(node)) {
          const { fragment } = status;
          const best = serving.get(fragment);
          if (status.state === "serving" && (best === undefined || best.epoch < status.epoch))
            serving.set(fragment, status);
          else lowest.set(fragment, Math.min(lowest.get(fragment) ?? status.lsn, status.lsn));
          if ((largest.get(fragment)?.rows ?? -1) < status.rows) largest.set(fragment, status);
        }
      }
      const all = new Map<FragmentId, FragmentStatus>();
      for (const [fragment, { rows, bytes }] of largest) {
        const primary = serving.get(fragment);
        const behind = Math.max(0, (primary?.lsn ?? 0) - (lowest.get(fragment) ?? primary?.lsn ?? 0));
        all.set(fragment, {
          rows: primary?.rows ?? rows,
          bytes: primary?.bytes ?? bytes,
          lagRecords: primary === undefined ? undefined : behind,
        });
      }
      return all;
    },
  };
}
