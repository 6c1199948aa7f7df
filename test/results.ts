// Results. Owns how tests open results: a value that must be there, or a refusal that must say what it says.

import assert from "node:assert/strict";
import type { FaultCode, Result } from "../src/kernel/fault.js";

export function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`${result.fault.code}: ${result.fault.message}`);
  return result.value;
}

export function refused(result: Result<unknown>, code: FaultCode, words = /./): void {
  if (result.ok) throw new Error(`expected ${code}, got a value`);
  assert.equal(result.fault.code, code, result.fault.message);
  assert.match(result.fault.message, words);
}
