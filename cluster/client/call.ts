// Call. Owns one call of the library: retries what was refused for load, within the deadline, and throws what is a fault.
// C1 a write keeps its request id over all tries (I5), so a retry never writes twice.

import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { faultIn } from "../../actors/router/faults.js";
import { limits } from "../../src/config/limits.js";
import { type Fault, fault } from "../../src/kernel/fault.js";
import { FaultError } from "./fault-error.js";

export type Fields = Readonly<Record<string, unknown>>;
/** Answers the fields of the answer's body; throws a `FaultError`. */
export type Call = (subject: string, body: Fields) => Promise<Fields>;

/** One try. `done` is called once, within the deadline that the body names, with the answer's body, `{fault}` included. */
export type Ask = (subject: string, body: Fields, done: (answer: unknown) => void, trace?: string) => void;

const defaultRetryMs = 20;
const longestRetryMs = 500;

/** Most calls are answered at the first try: that one costs one promise, and everything else begins only when it was refused. */
export function createCall(ask: Ask): Call {
  return (subject, body) =>
    new Promise((resolve, reject) => {
      const askedMs = performance.now();
      ask(subject, body, (answer) => {
        const refused = faultIn(answer);
        if (refused === undefined) settle(answer, resolve, reject);
        else if (refused.code !== "OVERLOADED") reject(new FaultError(refused));
        else tryAgain(ask, { subject, body, askedMs }, refused).then(resolve, reject);
      });
    });
}

interface Asked {
  readonly subject: string;
  readonly body: Fields;
  readonly askedMs: number;
}

/** After a first refusal for load: until it is answered, or the deadline leaves no time for another pause. */
async function tryAgain(ask: Ask, { subject, body, askedMs }: Asked, first: Fault): Promise<Fields> {
  const grantedMs = typeof body.deadlineMs === "number" ? body.deadlineMs : limits.defaultDeadlineMs;
  const endMs = askedMs + grantedMs;
  for (let tries = 0, refused = first; ; tries++) {
    const asked = refused.detail?.retryAfterMs;
    const leastMs = typeof asked === "number" ? asked : defaultRetryMs;
    const waitMs = Math.min(longestRetryMs, leastMs * 2 ** Math.min(tries, 5)) * (0.5 + Math.random());
    if (performance.now() + waitMs >= endMs) throw new FaultError(refused);
    await pause(waitMs);
    const leftMs = Math.max(1, Math.round(endMs - performance.now()));
    // The deadline that the caller gave was checked as it is; a retry has what is left of it.
    const answer = await new Promise((resolve) => ask(subject, { ...body, deadlineMs: leftMs }, resolve));
    const again = faultIn(answer);
    if (again === undefined) return fieldsOf(answer);
    if (again.code !== "OVERLOADED") throw new FaultError(again);
    refused = again;
  }
}

function settle(answer: unknown, resolve: (fields: Fields) => void, reject: (error: unknown) => void): void {
  try {
    resolve(fieldsOf(answer));
  } catch (error) {
    reject(error);
  }
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
