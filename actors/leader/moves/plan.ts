// Plan. Owns which moves a leader begins by itself: away from draining nodes, and to nodes that hold less than their share, such as one that just joined.
// PL1 a node takes part in at most `perNode` moves at a time and the cluster in `perCluster`, whoever began them. PL2 operators are not held to that budget.
// PL3 nothing is moved for balance while lost copies are being rebuilt.

import type { Context } from "../../../src/kernel/machine.js";
import { isReshaping } from "../../../src/ledger/fold.js";
import { replicasOn } from "../../../src/ledger/lookup.js";
import type { Move, MoveCause } from "../../../src/ledger/move.js";
import type { ClusterView, FragmentView } from "../../../src/ledger/view.js";
import { type Counts, countOn, countsOf } from "../../../src/placement/load.js";
import { placeReplica } from "../../../src/placement/place.js";
import { rebalance } from "../../../src/placement/rebalance.js";
import type { NodeId } from "../../../src/protocol/subjects.js";
import { isFull } from "../capacity.js";
import type { Draft } from "../draft.js";
import { policyOf } from "../plan.js";
import { ringOf } from "../replicas.js";
import type { LeaderState } from "../state.js";
import { startOf } from "./orders.js";

const planPauseMs = 250;
const perCluster = 16;
const perNode = 4;
/** A node that comes and goes gets nothing for balance. */
const settledMs = 3000;
/** A node that was filled so recently is filled up. */
const fillingMs = 30_000;

export function planMoves(state: LeaderState, draft: Draft, context: Context): void {
  if (context.nowMs < state.moves.planAtMs) return;
  state.moves.planAtMs = context.nowMs + planPauseMs;
  const budget = createBudget(draft.view, state.config.partitions);
  const counts = countsOf(draft.view);
  emptyNodes(state, draft, context, budget, counts);
  fillNodes(state, draft, context, budget, counts);
}

interface Budget {
  left(): number;
  has(node: NodeId): boolean;
  spend(from: NodeId, to: NodeId): void;
}

function createBudget(view: ClusterView, partitions: number): Budget {
  const mostOnNode = Math.max(1, Math.floor(perNode / partitions));
  const busy = new Map<NodeId, number>();
  let left = Math.max(1, Math.floor(perCluster / partitions));
  const spend = (from: NodeId, to: NodeId): void => {
    left--;
    for (const node of [from, to]) busy.set(node, (busy.get(node) ?? 0) + 1);
  };
  for (const { from, to } of view.moves.values()) spend(from, to);
  return { left: () => left, has: (node) => (busy.get(node) ?? 0) < mostOnNode, spend };
}

/** Draining nodes hand on what they hold, as long as there is a place for it; what has none is let go by `repair`. */
function emptyNodes(state: LeaderState, draft: Draft, context: Context, budget: Budget, counts: Counts): void {
  const draining = [...draft.view.nodes.values()].filter((node) => node.draining && node.state === "up");
  for (const { id: from, drainedBy: by } of draining.sort((a, b) => (a.id < b.id ? -1 : 1))) {
    for (const fragment of replicasOn(draft.view, from)) {
      if (budget.left() <= 0 || !budget.has(from)) break;
      if (!isMovable(draft, fragment)) continue;
      const taken = new Set(fragment.replicas.map(({ node }) => node));
      const mayTake = (node: NodeId): boolean => budget.has(node) && !isFull(state, node, bytesOf(state, fragment));
      const to = placeReplica(ringOf(state, draft), fragment.id, taken, counts, mayTake);
      if (to === undefined) continue;
      begin(state, draft, context, budget, { fragment, from, to, cause: "drain", by, why: `${from} is being drained` });
      countOn(counts, from).replicas--;
      countOn(counts, to).replicas++;
    }
  }
}

function fillNodes(state: LeaderState, draft: Draft, context: Context, budget: Budget, counts: Counts): void {
  if (budget.left() <= 0 || isRebuilding(draft.view) || policyOf(draft.view).consolidation.act) return;
  const settled = (node: NodeId): boolean => {
    const session = state.sessions.get(node);
    return session?.whole === true && context.nowMs - session.sinceMs >= settledMs;
  };
  const transfers = rebalance(draft.view, counts, {
    ring: ringOf(state, draft),
    limit: budget.left(),
    mayTake: (node) => budget.has(node) && settled(node) && !isFull(state, node, 0),
    mayGive: (node, fragment) => budget.has(node) && isMovable(draft, fragment),
    isFilling: (node) => isFilling(draft.view, node, context.wallMs),
  });
  for (const { fragment, from, to, held, share } of transfers) {
    if (budget.left() <= 0 || !budget.has(from) || !budget.has(to)) continue;
    if (isFull(state, to, bytesOf(state, fragment))) continue;
    const why = `${to} holds ${held} of a fair share of ${Math.round(share)}`;
    begin(state, draft, context, budget, { fragment, from, to, cause: "join", by: state.config.member, why });
  }
}

/** Moves for balance go there, or did a moment ago. */
function isFilling({ moves, pastMoves }: ClusterView, node: NodeId, wallMs: number): boolean {
  const joins = ({ cause, to }: Move): boolean => cause === "join" && to === node;
  return [...moves.values()].some(joins) || pastMoves.some((move) => joins(move) && wallMs - move.endedMs < fillingMs);
}

/** Copies are being filled that no move brings. */
function isRebuilding({ fragments, moving, moves }: ClusterView): boolean {
  return [...fragments.values()].some(({ id, replicas }) => {
    const move = moves.get(moving.get(id) ?? 0);
    return replicas.some(({ node, state }) => state === "joining" && node !== move?.to);
  });
}

function isMovable({ view }: Draft, { id, epoch, activatedEpoch, replicas }: FragmentView): boolean {
  if (view.moving.has(id) || isReshaping(view, id)) return false;
  return activatedEpoch === epoch && replicas.every(({ state }) => state === "ready");
}

function bytesOf({ sessions }: LeaderState, { id, primary }: FragmentView): number {
  return sessions.status(primary, id)?.bytes ?? 0;
}

interface Wish {
  readonly fragment: FragmentView;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly cause: MoveCause;
  /** The operator who drains, or this leader. */
  readonly by: string;
  readonly why: string;
}

function begin(state: LeaderState, draft: Draft, context: Context, budget: Budget, wish: Wish): void {
  const { fragment, from, to, cause, by, why } = wish;
  budget.spend(from, to);
  const move: Move = {
    id: draft.view.nextMove,
    fragment: fragment.id,
    strategy: "log-shipping",
    from,
    to,
    role: fragment.primary === from,
    cause,
    by,
    why,
    startedMs: context.wallMs,
    deadlineMs: 0,
  };
  for (const event of startOf(state, draft, fragment, move, context)) draft.emit(event);
}
