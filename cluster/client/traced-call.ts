// Traced call. Owns the span round one call of the library, its tries together: only where the program has registered a tracer provider.

import type { Tracing } from "../trace/tracing.js";
import { type Ask, type Call, createCall } from "./call.js";
import { FaultError } from "./fault-error.js";

export function createTracedCall(ask: Ask, tracing: Tracing): Call {
  return async (subject, body) => {
    const visit = tracing.called(subject);
    const call = createCall((to, asked, done) => ask(to, asked, done, visit.trace));
    try {
      const answer = await call(subject, body);
      visit.end();
      return answer;
    } catch (error) {
      visit.end(error instanceof FaultError ? error.code : "INTERNAL");
      throw error;
    }
  };
}
