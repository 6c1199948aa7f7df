// Policy fields. Owns how a policy is written on a command line: a mode, or fields with dots and values; and how a whole one reads.

import { policyModes } from "../../src/plan/policy.js";
import { UsageError } from "./failure.js";

type Change = Record<string, unknown>;

/** `predictive`, `risk=0.1`, `budget.concurrentMoves=8`, `coolDownMs=60000`. What the fields may be is the cluster's to say. */
export function policyChange(words: readonly string[]): Change {
  const change: Change = {};
  for (const word of words) {
    const at = word.indexOf("=");
    if (at < 0) {
      if (!policyModes.some((mode) => mode === word))
        throw new UsageError(
          `${JSON.stringify(word)} is no mode; there are ${policyModes.join(", ")}; a field is set as in risk=0.1`,
        );
      change.mode = word;
    } else put(change, fieldPath(word.slice(0, at)), fieldValue(word.slice(at + 1)));
  }
  return change;
}

const fieldNames = /^[a-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*)*$/;

function fieldPath(text: string): readonly string[] {
  if (fieldNames.test(text)) return text.split(".");
  throw new UsageError(`${JSON.stringify(text)} is no field of a policy; see them with: foreshard policy`);
}

function put(into: Change, [name = "", ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    into[name] = value;
    return;
  }
  const inner = into[name];
  const group: Change = isGroup(inner) ? inner : {};
  into[name] = group;
  put(group, rest, value);
}

function fieldValue(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  const number = Number(text);
  return text.trim() !== "" && !Number.isNaN(number) ? number : text;
}

/** Field by field, inner ones with dots. */
export function policyLines(policy: Readonly<Record<string, unknown>>, prefix = ""): [string, unknown][] {
  return Object.entries(policy).flatMap(([name, value]): [string, unknown][] =>
    isGroup(value) ? policyLines(value, `${prefix}${name}.`) : [[`${prefix}${name}`, value]],
  );
}

function isGroup(value: unknown): value is Change {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
