// Fault error. Owns the one exception of the client library: a fault of the cluster, or of the request, as something to throw.

import { type Detail, type Fault, type FaultCode, retryOf } from "../../src/kernel/fault.js";

/** What every call throws. Its codes are listed in `docs/PROTOCOL.md`; `code` and `retry` are for programs, the message is for people. */
export class FaultError extends Error {
  override readonly name = "FaultError";
  readonly code: FaultCode;
  readonly detail: Readonly<Record<string, Detail>>;
  /** Whether trying again can help: `no`, `yes` (not carried out), `ask` (unknown: write again with the same request id). */
  readonly retry: "no" | "yes" | "ask";

  constructor(fault: Fault) {
    super(fault.message);
    this.code = fault.code;
    this.detail = fault.detail ?? {};
    this.retry = retryOf(fault.code);
  }
}
