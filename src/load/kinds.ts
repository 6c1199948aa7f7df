// Kinds. Owns the kinds of operation that load is counted by, and what kind one operation of a batch is.
// The order is part of the samples' wire form: a new kind goes to the end.

import type { Op, OpResult } from "../protocol/exec.js";

export const loadKinds = ["get", "put", "insert", "update", "delete", "batch", "scan", "aggregate", "watch"] as const;

const kindOfOp = { get: 0, scan: 6, aggregate: 7, changes: 8 } as const;
const kindOfAct = { put: 1, insert: 2, update: 3, delete: 4 } as const;
const batchKind = 5;

/** Index into `loadKinds`. */
export function kindOf(op: Op): number {
  if (op.op !== "write") return kindOfOp[op.op];
  const [step] = op.steps;
  return op.steps.length === 1 && step !== undefined ? kindOfAct[step.act] : batchKind;
}

export function isWrite(kind: number): boolean {
  return kind >= kindOfAct.put && kind <= batchKind;
}

/** Any copy may answer it: routers spread such reads over all of them. */
export function isForAnyCopy(op: Op): boolean {
  return "read" in op && op.read.level !== "strong";
}

/** Bytes that came with the operation, roughly. */
export function askedBytes(op: Op): number {
  return op.op === "write" ? op.steps.reduce((sum, step) => sum + step.document.length + step.position.length, 64) : 64;
}

/** Bytes that the answer carries, roughly. */
export function answeredBytes(result: OpResult): number {
  switch (result.op) {
    case "get":
      return result.row === undefined ? 0 : result.row.document.length;
    case "scan":
      return result.rows.reduce((sum, row) => sum + row.document.length + row.position.length, 0);
    case "aggregate":
      return result.groups.length;
    case "changes":
      return result.changes.reduce((sum, change) => sum + (change.document?.length ?? 0) + change.position.length, 0);
    default:
      return 0;
  }
}
