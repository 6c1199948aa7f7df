// Failure. Owns how a command ends badly: one sentence, its code, what to try next, and the exit code. Never a stack trace.

import { FaultError } from "../../cluster/client/index.js";
import { type Fault, type FaultCode, fault } from "../../src/kernel/fault.js";
import { escaped, visible } from "./terminal.js";

export const exitCodes = { ok: 0, fault: 1, usage: 2 } as const;

/** A mistake in how the command was called. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

const nextSteps: { readonly [C in FaultCode]?: string } = {
  UNKNOWN_TABLE: "List tables with: foreshard table list",
  UNKNOWN_NODE: "List nodes with: foreshard nodes",
  BAD_KEY: `A key is JSON when it reads as an array, number or object, else text. To force text: '"42"'. See: foreshard table describe TABLE`,
  BAD_FILTER: `Try --where "age >= 18", or --filter '{"age": {"ge": 18}}'`,
  TABLE_EXISTS: "See it with: foreshard table describe NAME",
  OVERLOADED: "Try again in a moment, or with fewer rows in flight",
  UNAVAILABLE: "Is the cluster up? Look at: foreshard nodes",
  DEADLINE_EXCEEDED: "Grant more time with --deadline MS, and look at: foreshard nodes",
  UNKNOWN_OUTCOME: "Repeat the command: puts and deletes may safely be carried out twice",
  ENGINE: "Is the cluster running? Start one with: npm start",
  FORBIDDEN: "Connect as a user that may do this, with --url",
  LOG_FULL: "Look at: foreshard incidents",
  FRAGMENT_FAULTED: "Look at: foreshard incidents",
  BAD_CURSOR: "Begin anew without a cursor",
};

export function faultOf(error: unknown): Fault {
  if (error instanceof FaultError) return fault(error.code, error.message, error.detail);
  if (error instanceof UsageError) return fault("BAD_REQUEST", error.message);
  return fault("INTERNAL", error instanceof Error ? error.message : String(error));
}

/** Says what went wrong on stderr; gives the exit code. */
export function report(error: unknown, json: boolean): number {
  const why = faultOf(error);
  const words = why.message.split("\n").map(visible).join("\n");
  if (json) process.stderr.write(`${escaped(JSON.stringify({ fault: why }))}\n`);
  else if (error instanceof UsageError) process.stderr.write(`error: ${words}\n`);
  else {
    const next = nextSteps[why.code];
    process.stderr.write(`error ${why.code}: ${words}\n${next === undefined ? "" : `${next}\n`}`);
  }
  return error instanceof UsageError ? exitCodes.usage : exitCodes.fault;
}
