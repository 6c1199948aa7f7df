// Faults. Owns every code that an answer may carry; never an exception.
// A fault is a value: it crosses threads, processes and the wire. A bug is a throw, which a supervisor sees.

/** How a caller may treat a fault: `no` = mend the request; `yes` = not carried out, try again; `ask` = unknown whether it was carried out (retry with the same request id). */
export type Retry = "no" | "yes" | "ask";

/** Every code, with whether trying again can help. The only list of codes there is. */
export const faultCodes = {
  // The request itself is wrong.
  UNDECODABLE: "no",
  UNSUPPORTED_CONTENT_TYPE: "no",
  UNKNOWN_OPERATION: "no",
  BAD_REQUEST: "no",
  BAD_NAME: "no",
  BAD_KEY: "no",
  KEY_TOO_LARGE: "no",
  BAD_DOCUMENT: "no",
  DOCUMENT_TOO_LARGE: "no",
  TOO_DEEP: "no",
  TOO_LARGE: "no",
  BAD_CURSOR: "no",
  BAD_FILTER: "no",
  SPANS_FRAGMENTS: "no",
  TOO_MANY_GROUPS: "no",
  FORBIDDEN: "no",
  BAD_PROFILE: "no",
  BAD_POLICY: "no",
  // The request is fine and the data says no.
  UNKNOWN_TABLE: "no",
  TABLE_EXISTS: "no",
  UNKNOWN_NODE: "no",
  UNKNOWN_FRAGMENT: "no",
  UNKNOWN_PROFILE: "no",
  CONFLICT: "no",
  EXISTS: "no",
  NOT_FOUND: "no",
  TRIMMED: "no",
  NOT_POSSIBLE: "no",
  // The system says: not now, or not here.
  OVERLOADED: "yes",
  UNAVAILABLE: "yes",
  NOT_PRIMARY: "yes",
  NOT_LEADER: "yes",
  WRONG_FRAGMENT: "yes",
  TOO_STALE: "yes",
  LOG_FULL: "yes",
  FRAGMENT_FAULTED: "yes",
  DEADLINE_EXCEEDED: "ask",
  UNKNOWN_OUTCOME: "ask",
  // A failed start.
  ALREADY_RUNNING: "no",
  DATA_DIR: "no",
  ENGINE: "no",
  CONFIG: "no",
  // A bug of ours, caught at a boundary.
  INTERNAL: "ask",
} as const satisfies Record<string, Retry>;

export type FaultCode = keyof typeof faultCodes;
export type Detail = string | number | boolean | null | readonly Detail[];

/** What was wrong and what would be right. `detail` holds machine-readable parts, e.g. `{retryAfterMs: 20}`. */
export interface Fault {
  readonly code: FaultCode;
  readonly message: string;
  readonly detail?: Readonly<Record<string, Detail>>;
}

export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: Fault };

export function ok<T>(value: T): Result<T> {
  return { ok: true, value };
}

export function fail(
  code: FaultCode,
  message: string,
  detail?: Readonly<Record<string, Detail>>,
): { ok: false; fault: Fault } {
  return { ok: false, fault: fault(code, message, detail) };
}

export function fault(code: FaultCode, message: string, detail?: Readonly<Record<string, Detail>>): Fault {
  return detail === undefined ? { code, message } : { code, message, detail };
}

export function isFaultCode(word: unknown): word is FaultCode {
  return typeof word === "string" && Object.hasOwn(faultCodes, word);
}

export function retryOf(code: FaultCode): Retry {
  return faultCodes[code];
}
