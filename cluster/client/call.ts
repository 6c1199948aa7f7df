// Call. Owns one call of the library: retries what was refused for load, within the deadline, and throws what is a fault.
// C1 a write keeps its request id over all tries (I5), so a retry never writes twice.

import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { faultIn } from "../../actors/router/faults.js";
import { limits } from "../../src/config/limits.js";
import { fault } from "../../src/kernel/fault.js";
import { FaultError } from "./fault-error.js";

export type Fields = Readonly<Record<string, unknown>>;
/** Answers the fields of the answer's body; throws a `FaultError`. */
export type Call = (subject: string, body: Fields) => Promise<Fields>;

/** One try: the answer's body, `{fault}` included; settles within the deadline that the body names. */
export type Ask = (subject: string, body: Fields) => Promise<unknown>;

const defaultRetryMs = 20;
const longestRetryMs = 500;

export function createCall(ask: Ask): Call {
  return async (subject, body) => {
    const grantedMs = typeof body.deadlineMs === "number" ? body.deadlineMs : limits.defaultDeadlineMs;
    const endMs = performance.now() + grantedMs;
    for (let tries = 0; ; tries++) {
      const leftMs = Math.max(1, Math.round(endMs - performance.now()));
      // The deadline that the caller gave is checked as it is; a retry has what is left of it.
      const answer = await ask(subject, tries === 0 ? body : { ...body, deadlineMs: leftMs });
      const refused = faultIn(answer);
      if (refused === undefined) return fieldsOf(answer);
      if (refused.code !== "OVERLOADED") throw new FaultError(refused);
      const asked = refused.detail?.retryAfterMs;
      const leastMs = typeof asked === "number" ? asked : defaultRetryMs;
      const waitMs = Math.min(longestRetryMs, leastMs * 2 ** Math.min(tries, 5)) * (0.5 + Math.random());
      if (performance.now() + waitMs >= endMs) throw new FaultError(refused);
      await pause(waitMs);
    }
  };
}

/** For a write whose caller gave no request id. */
export function drawRequestId(): string {
  return randomUUID();
}

function fieldsOf(answer: unknown): Fields {
  if (typeof answer === "object" && answer !== null && !Array.isArray(answer)) return answer as Fields;
  throw new FaultError(fault("UNDECODABLE", "the answer is not an object: another version answers?"));
}

/** Leaves out what the caller left undefined: the cluster refuses fields that it does not know, `undefined` included. */
export function given(fields: object): Fields {
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) kept[name] = value;
  return kept;
}
