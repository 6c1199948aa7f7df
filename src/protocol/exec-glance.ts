// Exec glance. Owns a look at one operation of an encoded batch, or at its result, without decoding the rest: for whoever only watches.
// G1 it believes nothing and never throws: what is not in the form of `exec-codec.ts` has nothing to see.

import { type FaultCode, isFaultCode } from "../kernel/fault.js";
import type { Op } from "./exec.js";
import { opCode } from "./exec-codec.js";
import type { FragmentId } from "./subjects.js";

/** Index of the part in its message, and of the operation in the part. */
export type Place = readonly [part: number, index: number];

const names: ReadonlyMap<unknown, Op["op"]> = new Map([
  [opCode.get, "get"],
  [opCode.write, "write"],
  [opCode.scan, "scan"],
  [opCode.aggregate, "aggregate"],
  [opCode.changes, "changes"],
]);

/** Of an encoded `ExecRequest`. */
export function operationAt(
  request: unknown,
  [part, index]: Place,
): { readonly op: Op["op"]; readonly fragment: FragmentId } | undefined {
  const ops = at(at(request, 1), part);
  const fragment = at(ops, 0);
  const op = names.get(at(at(at(ops, 2), index), 0));
  return op === undefined || typeof fragment !== "number" ? undefined : { op, fragment };
}

/** Of an encoded `ExecReply`; undefined: the operation was carried out, or there is no such. */
export function faultCodeAt(reply: unknown, [part, index]: Place): FaultCode | undefined {
  const result = at(at(at(reply, 1), part), index);
  const code = at(result, 0) === opCode.fault ? at(result, 1) : undefined;
  return isFaultCode(code) ? code : undefined;
}

function at(given: unknown, index: number): unknown {
  return Array.isArray(given) ? given[index] : undefined;
}
