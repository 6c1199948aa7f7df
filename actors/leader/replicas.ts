// Replicas. Owns the part of a record that follows what nodes report of their replicas, and the rebuilding of lost ones.

import type { Context } from "../../src/kernel/machine.js";
import { replicaOn } from "../../src/ledger/fold.js";
import type { ReplicaView } from "../../src/ledger/view.js";
import { countsOf } from "../../src/placement/load.js";
import { repair } from "../../src/placement/repair.js";
import type { ReplicaStatus } from "../../src/protocol/control.js";
import type { FragmentId, NodeId } from "../../src/protocol/subjects.js";
import { createRing, type Ring } from "../../src/ring/ring.js";
import type { Draft } from "./draft.js";
import type { LeaderState } from "./state.js";

const reportsAtOnce = 2000;
const repairsAtOnce = 256;
const repairPauseMs = 500;
const fillingOnOneNode = 8;

/** Activations of epochs, and replicas that caught up. True when more is to be done than fitted. */
export function recordReports(state: LeaderState, draft: Draft): boolean {
  const activations: { fragment: FragmentId; epoch: number; lsn: number }[] = [];
  const ready: { fragment: FragmentId; node: NodeId }[] = [];
  for (const [node, { statuses, incarnation }] of state.sessions.entries()) {
    if (draft.view.nodes.get(node)?.incarnation !== incarnation) continue;
    for (const status of statuses.values()) {
      if (activations.length + ready.length >= reportsAtOnce) break;
      const fragment = draft.view.fragments.get(status.fragment);
      if (fragment === undefined) continue;
      if (hasOpened(status, node, fragment))
        activations.push({ fragment: fragment.id, epoch: status.epoch, lsn: status.markerLsn });
      if (hasCaughtUp(status, replicaOn(fragment, node))) ready.push({ fragment: fragment.id, node });
    }
  }
  if (activations.length > 0) draft.emit({ kind: "fragmentsActivated", activations });
  if (ready.length > 0) draft.emit({ kind: "replicasReady", replicas: ready });
  return activations.length + ready.length >= reportsAtOnce;
}

function hasOpened(
  status: ReplicaStatus,
  node: NodeId,
  fragment: { readonly primary: NodeId; readonly epoch: number; readonly activatedEpoch: number },
): boolean {
  return (
    status.state === "serving" &&
    fragment.primary === node &&
    status.epoch === fragment.epoch &&
    fragment.activatedEpoch < fragment.epoch
  );
}

/** A primary that took over without its rows (copy-on-write) counts as a copy once it has them. */
function hasCaughtUp({ state, sparse }: ReplicaStatus, replica: ReplicaView | undefined): boolean {
  return replica?.state === "joining" && !sparse && (state === "following" || state === "serving");
}

/** Adds what is missing and removes what is too much, a bounded number at a time. */
export function repairReplicas(state: LeaderState, draft: Draft, { nowMs, wallMs }: Context): void {
  if (nowMs < state.repairAtMs) return;
  state.repairAtMs = nowMs + repairPauseMs;
  const { rebuildAfterMs } = state.config.timing;
  const { add, remove } = repair(draft.view, countsOf(draft.view), {
    ring: ringOf(state, draft),
    lost: (node) => {
      const known = draft.view.nodes.get(node);
      return known === undefined || (known.state === "down" && wallMs - known.downSinceMs > rebuildAfterMs);
    },
    inFlight: fillingOnOneNode,
    limit: repairsAtOnce,
  });
  if (add.length > 0) draft.emit({ kind: "replicasAdded", replicas: add, cause: "repair" });
  if (remove.length > 0) draft.emit({ kind: "replicasRemoved", replicas: remove, cause: "repair" });
  for (const { fragment, node } of [...add, ...remove]) state.sessions.get(node)?.statuses.delete(fragment);
}

/** The ring of nodes that may take replicas; made again only when they change. */
export function ringOf(state: LeaderState, { view }: Draft): Ring {
  const nodes = [...view.nodes.values()]
    .filter(({ id, state: up, draining }) => up === "up" && !draining && state.sessions.get(id)?.leaving !== true)
    .map(({ id, weight, zone }) => ({ id, weight, zone }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const key = JSON.stringify(nodes);
  if (state.ring?.key !== key) state.ring = { key, ring: createRing(nodes, state.hash) };
  return state.ring.ring;
}
