// Members. Owns the part of a record that says who is there: nodes joined, up, down, with another disk or an older copy of their own.
// M1 a process is recorded before it gets a lease, and only after the lease of the node's process before it ran out or its end was seen (I7).
// M2 a restarted process never goes on in its predecessor's epoch: what that one left half done ends with a new marker.

import { limits } from "../../src/config/limits.js";
import type { Context } from "../../src/kernel/machine.js";
import { replicasOn } from "../../src/ledger/lookup.js";
import type { ClusterView, NodeView } from "../../src/ledger/view.js";
import type { Heartbeat } from "../../src/protocol/control.js";
import type { FragmentId, NodeId } from "../../src/protocol/subjects.js";
import type { Draft } from "./draft.js";
import type { Arrival } from "./sessions.js";
import type { LeaderState } from "./state.js";

export interface Returns {
  /** Fragments whose primary restarted: they need a new epoch wherever they go. */
  readonly restarted: ReadonlySet<FragmentId>;
  /** Nodes that came back with an empty disk. */
  readonly replaced: ReadonlySet<NodeId>;
}

export function recordMembers(state: LeaderState, draft: Draft, context: Context): Returns {
  for (const node of [...draft.view.nodes.values()]) {
    if (node.state === "down" || !isGone(state, node, context)) continue;
    state.sessions.end(node.id);
    draft.emit({ kind: "nodeDown", node: node.id, incarnation: node.incarnation, atMs: context.wallMs });
  }
  const restarted = new Set<FragmentId>();
  const replaced = new Set<NodeId>();
  for (const [id, arrival] of [...state.sessions.arrivals]) {
    const known = draft.view.nodes.get(id);
    const recorded = known?.state === "up" && known.incarnation === arrival.heartbeat.incarnation;
    if (!recorded && known?.state === "up" && !isStale(state, arrival, context)) continue;
    state.sessions.arrivals.delete(id);
    if (recorded || isStale(state, arrival, context)) continue;
    if (known !== undefined && known.incarnation !== arrival.heartbeat.incarnation)
      for (const { id: fragment, primary } of replicasOn(draft.view, id)) if (primary === id) restarted.add(fragment);
    if (known !== undefined && known.storeId !== arrival.heartbeat.storeId) replaced.add(id);
    state.sessions.expect(id, context.nowMs);
    welcome(draft, known, arrival.heartbeat, context);
  }
  return { restarted, replaced };
}

function isGone({ sessions }: LeaderState, { id, incarnation }: NodeView, { nowMs }: Context): boolean {
  return sessions.isDead(id, incarnation) || nowMs >= sessions.leaseUntilMs(id);
}

function isStale({ sessions, config }: LeaderState, { heartbeat, atMs }: Arrival, { nowMs }: Context): boolean {
  return sessions.isDead(heartbeat.node, heartbeat.incarnation) || nowMs - atMs > config.timing.nodeLeaseMs;
}

function welcome(draft: Draft, known: NodeView | undefined, heartbeat: Heartbeat, { wallMs }: Context): void {
  const { node, zone, weight, storeId, bootCount, incarnation } = heartbeat;
  const otherDisk = known !== undefined && known.storeId !== storeId;
  // Each process opens its store once, and each opening counts: another process that does not count further has an older copy.
  const isRestarted = known !== undefined && known.incarnation !== incarnation;
  const olderCopy = isRestarted && !otherDisk && bootCount <= known.bootCount;
  const fragments = fragmentsOn(draft.view, node);
  if (known === undefined || otherDisk || olderCopy || known.zone !== zone || known.weight !== weight)
    draft.emit({ kind: "nodeJoined", node, zone, weight, storeId, bootCount });
  if ((otherDisk || olderCopy) && fragments.length > 0) {
    const note = otherDisk
      ? `${node} came back with another disk; its ${fragments.length} replicas are filled again from the others`
      : `${node} came back with an older copy of its disk (opening ${bootCount}, not after ${known.bootCount}); its replicas catch up from the log or the others`;
    const what = otherDisk ? "storeReplaced" : "storeRolledBack";
    draft.emit({
      kind: "incidentReported",
      incident: { atMs: wallMs, node, what, outcome: "noticed", fragments, note },
    });
  }
  draft.emit({ kind: "nodeUp", node, incarnation, bootCount });
}

function fragmentsOn(view: ClusterView, node: NodeId): FragmentId[] {
  return replicasOn(view, node)
    .slice(0, limits.fragmentsPerTable)
    .map(({ id }) => id);
}
