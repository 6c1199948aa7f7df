// Begin. Owns how actions of a plan become events: moves like those that an operator asks for, splits, and another number of copies.
// BG1 what the view does not allow any more is left out: it is planned anew in the next round.

import { limits } from "../../../src/config/limits.js";
import type { Context } from "../../../src/kernel/machine.js";
import { isReshaping, replicaOn } from "../../../src/ledger/fold.js";
import type { Move } from "../../../src/ledger/move.js";
import type { Action } from "../../../src/plan/action.js";
import type { Plan } from "../../../src/plan/plan.js";
import { isFull } from "../capacity.js";
import type { Draft } from "../draft.js";
import { startOf } from "../moves/orders.js";
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
  state.planner.begun.set(fragment.id, context.wallMs);
  switch (action.kind) {
    case "split": {
      const child = view.nextFragment * limits.controlPartitions + state.config.partition;
      const { wallMs: startedMs } = context;
      draft.emit({ kind: "splitStarted", fragment: fragment.id, child, at: undefined, by: plannerName, startedMs });
      return;
    }
    case "addReplica":
      if (action.count > fragment.replicas.length && action.count <= limits.replicas)
        draft.emit({ kind: "replicaCountChanged", fragment: fragment.id, count: action.count });
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
