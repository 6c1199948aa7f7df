// Told. Owns how a leader's planning is told to people and their programs: policy, what would be done now and why, what was rejected, risks before and after, advice.

import { moveNumber } from "../../../src/ledger/move.js";
import type { PlanTold } from "../../../src/protocol/control.js";
import { adviceOf, policyOf } from "../plan.js";
import type { LeaderState } from "../state.js";

const actionsTold = 200;
const decimals = 1e4;

export function planTold(state: LeaderState): PlanTold {
  const { view } = state.tail;
  const { last, silence } = state.planner;
  const since = view.policy === undefined ? {} : { policyBy: view.policy.by, policySinceMs: view.policy.atMs };
  const plain = { partition: state.config.partition, policy: policyOf(view), ...since };
  if (last === undefined) return { ...plain, silence };
  const { plan, foresight, input } = last;
  const tableOf = (id: number): string => view.tables.get(view.fragments.get(id)?.table ?? 0)?.name ?? "";
  return {
    ...plain,
    atMs: plan.atMs,
    mode: plan.mode,
    stepEndsMs: plan.stepEndsMs,
    nodes: input.nodes.map(({ id, capacity, isOpen }) => ({ id, capacity, isOpen })),
    series: foresight.series,
    doubted: foresight.doubted,
    actions: plan.actions.slice(0, actionsTold).map((action) => ({ ...action, table: tableOf(action.fragment) })),
    underWay: [...view.moves.values()]
      .filter(({ cause }) => cause === "plan")
      .map(({ id, fragment, from, to, why }) => ({ move: moveNumber(id, state.config), fragment, from, to, why })),
    rejected: plan.rejected.map((one) => ({ ...one, table: tableOf(one.fragment) })),
    findings: plan.findings,
    risks: plan.risks.map(({ node, capacity, before, after }) => ({
      node,
      capacity,
      before: before.map(rounded),
      after: after.map(rounded),
    })),
    advice: adviceOf(state),
  };
}

function rounded(value: number): number {
  return Math.round(value * decimals) / decimals;
}
