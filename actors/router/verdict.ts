// Verdict. Owns what the router does about each fault that a node may answer: one table.

import type { Fault, FaultCode } from "../../src/kernel/fault.js";
import { retryOf } from "../../src/kernel/fault.js";

export type Verdict =
  /** Tell the client. */
  | { readonly kind: "final" }
  /** Not carried out there; look again where it belongs. */
  | { readonly kind: "elsewhere" }
  /** This replica is too far behind; the primary is not. */
  | { readonly kind: "stale" }
  | { readonly kind: "overloaded"; readonly retryAfterMs: number }
  /** Perhaps carried out; the same request id finds out. */
  | { readonly kind: "unknown" };

const special: { readonly [C in FaultCode]?: Verdict["kind"] } = {
  UNKNOWN_FRAGMENT: "elsewhere",
  TOO_STALE: "stale",
  OVERLOADED: "overloaded",
  LOG_FULL: "final",
};

const byRetry = { no: "final", yes: "elsewhere", ask: "unknown" } as const;
const defaultRetryAfterMs = 20;

export function verdictOf(fault: Fault): Verdict {
  const kind = special[fault.code] ?? byRetry[retryOf(fault.code)];
  if (kind !== "overloaded") return { kind };
  const asked = fault.detail?.retryAfterMs;
  return { kind, retryAfterMs: typeof asked === "number" && asked >= 0 ? Math.min(asked, 1000) : defaultRetryAfterMs };
}
