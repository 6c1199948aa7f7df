// Faults on the wire. Owns the decoder of `{fault: {code, message, detail}}`.

import { type Detail, type Fault, fault, isFaultCode } from "../../src/kernel/fault.js";

/** The fault that a body carries, or nothing when it carries none. A fault of an unknown code becomes INTERNAL. */
export function faultIn(body: unknown): Fault | undefined {
  if (typeof body !== "object" || body === null || !("fault" in body)) return undefined;
  const carried = body.fault;
  if (typeof carried !== "object" || carried === null) return fault("INTERNAL", "an answer carried a malformed fault");
  const code = "code" in carried && isFaultCode(carried.code) ? carried.code : "INTERNAL";
  const message = "message" in carried && typeof carried.message === "string" ? carried.message : "no message";
  const detail = "detail" in carried ? detailOf(carried.detail) : undefined;
  return fault(code, message, detail);
}

function detailOf(value: unknown): Record<string, Detail> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const detail: Record<string, Detail> = {};
  for (const [name, part] of Object.entries(value)) if (isDetail(part)) detail[name] = part;
  return detail;
}

function isDetail(value: unknown): value is Detail {
  if (value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean")
    return true;
  return Array.isArray(value) && value.every(isDetail);
}
