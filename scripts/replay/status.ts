// Status. Owns the line that says, while a run goes on, what its clients see and what the planner means to do.

import { windowMs } from "./meter.js";
import type { Glimpse } from "./trial.js";

export function statusLine(name: string, { elapsedMs, meter, moves, plan }: Glimpse): string {
  const last = meter.window(Math.max(0, Math.floor(elapsedMs / windowMs) - 3));
  const what = last.isViolated ? `${last.refused + last.failed} refused, p99 ${last.p99Ms.toFixed(0)} ms` : "calm";
  const believed = (plan?.series ?? 0) - (plan?.doubted?.length ?? 0);
  const planned = (plan?.actions ?? []).map(({ fragment, from, to = "", startMs }) => {
    const waits = Math.max(0, startMs - (plan?.atMs ?? 0)) / 1000;
    return `${fragment} ${from}→${to} ${waits > 0 ? `in ${waits.toFixed(0)} s` : "now"}`;
  });
  const risks = (plan?.risks ?? []).map(({ node, before }) => `${node} ${Math.max(0, ...before).toFixed(2)}`);
  const said =
    plan?.silence ?? `${believed} of ${plan?.series ?? 0} series believed; risk ${risks.join(" ") || "none"}`;
  return `  ${name} ${(elapsedMs / 1000).toFixed(0).padStart(4)} s  ${String(last.queries).padStart(4)}/s ${what}; ${moves.length} moves; ${said}${planned.length > 0 ? `; planned ${planned.join(", ")}` : ""}`;
}
