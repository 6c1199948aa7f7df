// Carry out. Owns the loop of one client operation against a real cluster: try, pause, try again, until it is an entry of the history.

import { setTimeout as sleep } from "node:timers/promises";
import type { Attempt } from "../../src/verify/attempt.js";
import type { Entry } from "../../src/verify/history.js";
import type { Door } from "./door.js";

/** What the cluster is granted for one try, and how long the client then waits for the answer. */
const grantedMs = 2_500;
const tryTimeoutMs = 3_000;

export async function carryOut(door: Pick<Door, "query">, attempt: Attempt): Promise<Entry> {
  for (;;) {
    attempt.begin(nowNs());
    const body = { ...attempt.body(), deadlineMs: grantedMs };
    const outcome = await door.query(attempt.table, attempt.op, body, tryTimeoutMs);
    const progress = attempt.end(outcome, nowNs());
    if (progress.kind === "done") return progress.entry;
    await sleep(progress.afterMs);
  }
}

/** Monotonic. */
function nowNs(): number {
  return Math.round(performance.now() * 1e6);
}
