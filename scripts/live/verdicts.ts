// Verdicts. Owns everything that is checked of a live run's history, and the counts that a person wants to see first.

import { checkAnswers } from "../../src/verify/answers.js";
import { isRefusal } from "../../src/verify/attempt.js";
import type { Entry, Verdict } from "../../src/verify/history.js";
import { checkLinearizable } from "../../src/verify/linearizable.js";
import { checkAppliedOnce, checkBatches, checkScans, checkStaleReads } from "../../src/verify/reads.js";
import { contradiction, timelineOf } from "../../src/verify/timeline.js";

export interface Counts {
  readonly acknowledged: number;
  /** Refused for what the row was: an answer like any other. */
  readonly refused: number;
  readonly failed: number;
  readonly unknown: number;
}

/** What the clocks of hosts may differ over the longest bound of a read; they share one machine. */
const toleranceMs = 20;

export function judgeHistory(history: readonly Entry[], needed: number, lateTries = false): readonly Verdict[] {
  return [
    checkLinearizable(history, { needed, lateTries }),
    checkStaleReads(history, { toleranceMs, lateTries }),
    checkScans(history, { toleranceMs, lateTries }),
    checkBatches(history),
    checkAppliedOnce(history),
    checkAnswers(history),
  ];
}

/** Rows whose last strong read contradicts a write that was acknowledged. */
export function lostRows(history: readonly Entry[], finalReads: readonly Entry[]): readonly string[] {
  const timeline = timelineOf(history);
  return finalReads.flatMap(({ input, output, invokeNs, returnNs, id }) => {
    if (input.op !== "getMany") return [];
    if (output.op !== "rows") return [`final read ${id} was not answered: ${JSON.stringify(output)}`];
    return input.keys.flatMap((key, at) => {
      const why = contradiction(timeline.get(key) ?? [], output.rows[at], { fromNs: invokeNs, toNs: returnNs });
      return why === undefined ? [] : [`${key}: ${why}`];
    });
  });
}

export function countOf(history: readonly Entry[], isWrite: boolean): Counts {
  let [acknowledged, refused, failed, unknown] = [0, 0, 0, 0];
  for (const { input, ending, output } of history) {
    if ((input.op === "write") !== isWrite) continue;
    if (ending === "ok") acknowledged++;
    else if (ending === "unknown") unknown++;
    else if (output.op === "fault" && isRefusal(output.code)) refused++;
    else failed++;
  }
  return { acknowledged, refused, failed, unknown };
}

/** How operations that failed or stayed unknown ended, by code. */
export function codesOf(history: readonly Entry[]): Readonly<Record<string, number>> {
  const codes: Record<string, number> = {};
  for (const { output } of history)
    if (output.op === "fault" && !isRefusal(output.code)) codes[output.code] = (codes[output.code] ?? 0) + 1;
  return codes;
}
