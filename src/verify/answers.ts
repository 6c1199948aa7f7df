// Answers. Owns which answers are strange: clients of the workload make no mistakes, so a final fault that blames their request is one of the system.

import { isFaultCode, retryOf } from "../kernel/fault.js";
import { isRefusal } from "./attempt.js";
import type { Entry, Verdict } from "./history.js";

export function checkAnswers(history: readonly Entry[]): Verdict {
  const violations = history
    .filter(
      ({ ending, output }) =>
        ending === "fail" && output.op === "fault" && !isRefusal(output.code) && !isPatience(output.code),
    )
    .map(({ id, input, output }) => `op ${id} (${input.op}): ${JSON.stringify(output)}`);
  return { checker: "no strange answers", unit: "operations", judged: history.length, needed: 1, violations };
}

/** Try again, said the system, until the client's patience ended. A bug of its own never counts as that. */
function isPatience(code: string): boolean {
  return isFaultCode(code) && code !== "INTERNAL" && retryOf(code) !== "no";
}
