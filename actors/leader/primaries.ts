// Primaries. Owns the part of a record that moves the primary role: after a failure, a restart, for a leaving or draining node, and for balance.
// PR1 a new epoch is the only way the role moves, and a live predecessor stays a replica until the successor is activated: the successor asks it to be silent (I7).
// PR2 the role never moves to a replica that is not ready.

import type { Context } from "../../src/kernel/machine.js";
import { isReshaping } from "../../src/ledger/fold.js";
import { replicasOn } from "../../src/ledger/lookup.js";
import type { FragmentView } from "../../src/ledger/view.js";
import { type Counts, countOn, countsOf } from "../../src/placement/load.js";
import { balancePrimaries, choosePrimary, type Suitability } from "../../src/placement/promote.js";
import type { FragmentId, NodeId } from "../../src/protocol/subjects.js";
import type { Draft } from "./draft.js";
import type { Returns } from "./members.js";
import { evensOutByCount } from "./plan.js";
import type { LeaderState } from "./state.js";

/** Changes in one record; the rest follows in the next. (Restarts are never put off: their node may get a lease with this record.) */
const changesAtOnce = 2000;
const balancePauseMs = 1000;
/** A node's replicas have settled by then: a node that comes and goes gets no primaries. */
const settledMs = 3000;

interface Change {
  readonly fragment: FragmentId;
  readonly epoch: number;
  readonly primary: NodeId;
}
type Cause =
  | "nodeDown"
  | "restarted"
  | "storeReplaced"
  | "faulted"
  | "diverged"
  | "epochAhead"
  | "leaving"
  | "draining"
  | "balance";

/** True when more is to be done than fitted. */
export function movePrimaries(state: LeaderState, draft: Draft, returns: Returns): boolean {
  const counts = countsOf(draft.view);
  const causes = new Map<Cause, Change[]>();
  let left = changesAtOnce;
  for (const fragment of draft.view.fragments.values()) {
    const cause = causeToMove(state, draft, returns, fragment);
    if (cause === undefined || (left <= 0 && cause !== "restarted" && cause !== "storeReplaced")) continue;
    const primary = successor(state, draft, fragment, counts, cause, returns);
    if (primary === undefined) continue;
    countOn(counts, fragment.primary).primaries--;
    countOn(counts, primary).primaries++;
    const epoch = Math.max(fragment.epoch, furthestEpoch(state, fragment)) + 1;
    const changes = causes.get(cause) ?? [];
    changes.push({ fragment: fragment.id, epoch, primary });
    causes.set(cause, changes);
    left--;
  }
  for (const [cause, changes] of causes) draft.emit({ kind: "primariesChanged", changes, cause });
  refill(state, draft, returns);
  return left <= 0;
}

function causeToMove(
  state: LeaderState,
  { view }: Draft,
  { restarted, replaced }: Returns,
  fragment: FragmentView,
): Cause | undefined {
  const node = view.nodes.get(fragment.primary);
  if (node === undefined || node.state === "down") return "nodeDown";
  if (replaced.has(node.id)) return "storeReplaced";
  if (restarted.has(fragment.id)) return "restarted";
  const session = state.sessions.get(node.id);
  const status = session?.statuses.get(fragment.id);
  if (furthestEpoch(state, fragment) > fragment.epoch) return "epochAhead";
  if (status?.state === "faulted" && status.epoch === fragment.epoch) return "faulted";
  // Most copies hold something else than the primary's. A move under way sees that too, and goes back or ends first.
  const differs = status?.verified?.differ.some((one) => one.node === node.id) === true;
  if (differs && !view.moving.has(fragment.id)) return "diverged";
  if (session?.leaving === true) return "leaving";
  // A move under way takes the role along.
  return node.draining && !view.moving.has(fragment.id) ? "draining" : undefined;
}

/** The highest epoch that any replica has seen in the log: the ledger may have lost the record that made it. */
export function furthestEpoch({ sessions }: LeaderState, { id, replicas }: FragmentView): number {
  return Math.max(0, ...replicas.map(({ node }) => sessions.status(node, id)?.epoch ?? 0));
}

function successor(
  state: LeaderState,
  { view }: Draft,
  fragment: FragmentView,
  counts: Counts,
  cause: Cause,
  { replaced }: Returns,
): NodeId | undefined {
  const suitability = suitabilityOf(state, view.nodes, replaced);
  const sound = state.sessions.status(fragment.primary, fragment.id)?.verified?.agree;
  const able: Suitability["able"] = (node, one) => suitability.able(node, one) && sound?.includes(node) === true;
  const best = choosePrimary(view, fragment, counts, cause === "diverged" ? { ...suitability, able } : suitability);
  switch (cause) {
    // The process or the epoch is new: if no other replica is able, the same node starts the new epoch.
    case "restarted":
    case "storeReplaced":
    case "epochAhead":
      return best ?? fragment.primary;
    case "nodeDown":
      return best;
    // The primary serves, or would: only another node is worth a new epoch.
    case "faulted":
    case "diverged":
    case "leaving":
      return best === fragment.primary ? undefined : best;
    case "draining":
      return best === undefined || view.nodes.get(best)?.draining === true ? undefined : best;
    case "balance":
      return best;
  }
}

type NodesOf = Draft["view"]["nodes"];

function suitabilityOf(state: LeaderState, nodes: NodesOf, replaced: ReadonlySet<NodeId>): Suitability {
  return {
    able: (node, { id }) =>
      nodes.get(node)?.state === "up" &&
      !replaced.has(node) &&
      state.sessions.get(node)?.leaving !== true &&
      state.sessions.status(node, id)?.state !== "faulted",
    lsnOf: (node, { id }) => state.sessions.status(node, id)?.lsn ?? 0,
  };
}

/** Replicas on an empty disk count for nothing until they are filled again. */
function refill({ sessions }: LeaderState, draft: Draft, { replaced }: Returns): void {
  for (const node of replaced) {
    const replicas = replicasOn(draft.view, node)
      .filter(
        ({ primary, replicas: all }) => primary !== node && all.some((r) => r.node !== node && r.state === "ready"),
      )
      .map(({ id }) => ({ fragment: id, node }));
    sessions.end(node);
    if (replicas.length === 0) continue;
    draft.emit({ kind: "replicasRemoved", replicas, cause: "storeReplaced" });
    draft.emit({ kind: "replicasAdded", replicas, cause: "storeReplaced" });
  }
}

/** Hands primaries to nodes that have too few, a few per second, once they follow. */
export function balance(state: LeaderState, draft: Draft, { nowMs, wallMs }: Context): void {
  if (nowMs < state.balanceAtMs) return;
  state.balanceAtMs = nowMs + balancePauseMs;
  if (!evensOutByCount(state, draft.view, wallMs)) return;
  const able = suitabilityOf(state, draft.view.nodes, new Set()).able;
  const settled = (node: NodeId): boolean => {
    const session = state.sessions.get(node);
    return session !== undefined && nowMs - session.sinceMs >= settledMs;
  };
  const shifts = balancePrimaries(
    draft.view,
    countsOf(draft.view),
    Math.max(4, Math.ceil(draft.view.fragments.size / 64)),
    (fragment, to) =>
      fragment.activatedEpoch === fragment.epoch &&
      !draft.view.moving.has(fragment.id) &&
      !isReshaping(draft.view, fragment.id) &&
      settled(to) &&
      able(to, fragment) &&
      draft.view.nodes.get(to)?.draining === false &&
      state.sessions.status(to, fragment.id)?.state === "following",
  );
  if (shifts.length === 0) return;
  const changes = shifts.map(({ fragment, to }) => ({ fragment: fragment.id, epoch: fragment.epoch + 1, primary: to }));
  draft.emit({ kind: "primariesChanged", changes, cause: "balance" satisfies Cause });
}
