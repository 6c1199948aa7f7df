// Begin. Owns how actions of a plan become events: moves like those that an operator asks for, splits, and another number of copies.
// BG1 what the view does not allow any more is left out: it is planned anew in the next round.

import { limits } from "../../../src/config/limits.js";
import type { Context } from "../../../src/kernel/machine.js";
import { isReshaping, replicaOn } from "../../../src/ledger/fold.js";
import type { Move } from "../../../src/ledger/move.js";
import type { FragmentView } from "../../../src/ledger/view.js";
import { wantedReplicas } from "../../../src/placement/repair.js";
import type { Action } from "../../../src/plan/action.js";
import type { Plan } from "../../../src/plan/plan.js";
import type { NodeId } from "../../../src/protocol/subjects.js";
import { isFull } from "../capacity.js";
import type { Draft } from "../draft.js";
import { startOf } from "../moves/orders.js";
import { mergeFragments, splitFragment } from "../reshape.js";
import type { LeaderState } from "../state.js";

/** Who a move was asked for by. */
export const plannerName = "planner";

export function beginActions(state: LeaderState, draft: Draft, plan: Plan, context: Context): void {
  for (const action of plan.actions) {
    if (action.startMs > context.wallMs) continue;
    if (draft.view.moves.size >= limits.movesUnderWay) return;
    beginAction(state, draft, action, context);
  }
}

function beginAction(state: LeaderState, draft: Draft, action: Action, context: Context): void {
  const { view } = draft;
  const fragment = view.fragments.get(action.fragment);
  if (fragment === undefined || view.moving.has(fragment.id) || isReshaping(view, fragment.id)) return;
  if (fragment.activatedEpoch !== fragment.epoch) return;
  const times = action.kind === "split" || action.kind === "merge" ? state.planner.cut : state.planner.begun;
  times.set(fragment.id, context.wallMs);
  switch (action.kind) {
    case "split":
    case "merge":
      reshape(state, draft, fragment, action, context);
      return;
    case "addReplica":
      if (action.count > fragment.replicas.length && action.count <= limits.replicas)
        draft.emit({
          ...{ kind: "replicaCountChanged", fragment: fragment.id, count: action.count },
          spare: fragment.replicasSpare + action.count - wantedReplicas(view, fragment),
        });
      return;
    case "removeReplica":
      letGo(state, draft, fragment, action.from);
      return;
    case "handOver":
    case "moveReplica": {
      const { strategy, to, from, role, why, deadlineMs } = action;
      const held = replicaOn(fragment, to);
      if (strategy === "leader-only" ? held?.state !== "ready" : held !== undefined) return;
      if (replicaOn(fragment, from) === undefined || (role && fragment.primary !== from)) return;
      const bytes = state.sessions.status(fragment.primary, fragment.id)?.bytes ?? 0;
      if (strategy !== "leader-only" && isFull(state, to, bytes)) return;
      const move: Move = {
        id: view.nextMove,
        fragment: fragment.id,
        strategy,
        from,
        to,
        role,
        cause: "plan",
        by: plannerName,
        why,
        startedMs: context.wallMs,
        deadlineMs: deadlineMs > context.wallMs ? deadlineMs : 0,
      };
      for (const event of startOf(state, draft, fragment, move, context)) draft.emit(event);
    }
  }
}

/** A copy that was added for reads; the number that was wanted before is wanted again. */
function letGo({ sessions }: LeaderState, draft: Draft, fragment: FragmentView, node: NodeId): void {
  const { id, replicas, replicasSpare, primary } = fragment;
  if (replicasSpare === 0 || node === primary || replicaOn(fragment, node) === undefined) return;
  const wanted = wantedReplicas(draft.view, fragment) - 1;
  if (replicas.length !== wanted + 1 || replicas.some(({ state }) => state !== "ready")) return;
  const spare = replicasSpare - 1;
  const usual = draft.view.tables.get(fragment.table)?.replicas;
  const count = spare === 0 && wanted === usual ? 0 : wanted;
  draft.emit({ kind: "replicaCountChanged", fragment: id, count, ...(spare === 0 ? {} : { spare }) });
  draft.emit({ kind: "replicasRemoved", replicas: [{ fragment: id, node }], cause: "plan" });
  sessions.get(node)?.statuses.delete(id);
}

/** As an operator would ask for it: what may not be cut now is left as it is. */
function reshape(
  state: LeaderState,
  draft: Draft,
  { id, table: owner }: FragmentView,
  action: Extract<Action, { kind: "split" | "merge" }>,
  { wallMs }: Context,
): void {
  const table = draft.view.tables.get(owner)?.name ?? "";
  const { kind } = action;
  const begun =
    kind === "split"
      ? splitFragment(state, draft, { kind: "splitFragment", table, fragment: id, by: plannerName }, wallMs)
      : mergeFragments(
          state,
          draft,
          { kind: "mergeFragments", table, left: id, right: action.right, by: plannerName },
          wallMs,
        );
  if (begun.ok) for (const event of begun.value) draft.emit(event);
}
