// Arguments. Owns how words on the command line become keys, documents, conditions and aggregates.

import type { AggregateAsk, Filter, Key } from "../../cluster/client/index.js";
import { valueOfJson } from "../../src/protocol/json-text.js";
import { fromJson } from "../../src/query/json.js";
import { UsageError } from "./failure.js";

/** JSON when it reads as an array, number, object or quoted text; else the text itself. */
export function keyArgument(text: string): Key {
  const value = valueOfJson(text);
  const structured =
    typeof value === "number" || typeof value === "string" || (typeof value === "object" && value !== null);
  if (!structured) return text;
  // What the key may be is decided by the table's schema, where the request is decoded.
  return decoded(value, `the key ${text}`) as Key;
}

/** A JSON object. */
export function documentArgument(text: string, what: string): Record<string, unknown> {
  const value = valueOfJson(text);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new UsageError(`${what} must be a JSON object such as '{"name": "Ada"}'`);
  return decoded(value, what) as Record<string, unknown>;
}

const condition = /^\s*([^\s<>=!~]+)\s*(<=|>=|!=|==|=|<|>|\^=|~=)\s*(.*?)\s*$/;
const operators: Readonly<Record<string, string>> = {
  "=": "eq",
  "==": "eq",
  "!=": "ne",
  "<": "lt",
  "<=": "le",
  ">": "gt",
  ">=": "ge",
  "^=": "prefix",
  "~=": "contains",
};

/** `age >= 18`, `city = Oslo`, `name ^= A` (begins), `tags ~= new` (contains). */
export function conditionArgument(text: string): Filter {
  const parts = condition.exec(text);
  const operator = operators[parts?.[2] ?? ""];
  const field = parts?.[1];
  if (field === undefined || operator === undefined)
    throw new UsageError(
      `${JSON.stringify(text)} is no condition; write such as "age >= 18" with =, !=, <, <=, >, >=, ^= (begins) or ~= (contains)`,
    );
  const word = parts?.[3] ?? "";
  const value = valueOfJson(word);
  const operand = operator === "prefix" || value === undefined ? word : decoded(value, text);
  return { [field]: { [operator]: operand } };
}

/** All conditions together; undefined when there are none. */
export function filterOf(where: readonly string[] | undefined, filter: string | undefined): Filter | undefined {
  const parts = [
    ...(where ?? []).map(conditionArgument),
    ...(filter === undefined ? [] : [documentArgument(filter, "--filter")]),
  ];
  if (parts.length === 0) return undefined;
  return parts.length === 1 ? parts[0] : { $and: parts };
}

const functions: readonly AggregateAsk["fn"][] = ["count", "sum", "min", "max", "avg"];

/** `count`, `sum:amount`, `avg:amount:mean`. */
export function aggregateArgument(text: string): AggregateAsk {
  const [name, field, as, ...more] = text.split(":");
  const fn = functions.find((known) => known === name);
  if (fn === undefined || more.length > 0)
    throw new UsageError(
      `${JSON.stringify(text)} is no aggregate; write count, or sum, min, max, avg with a field such as sum:amount or sum:amount:total`,
    );
  if (fn !== "count" && (field === undefined || field === ""))
    throw new UsageError(`${fn} needs a field, such as ${fn}:amount`);
  return {
    fn,
    ...(field === undefined || field === "" ? {} : { field }),
    ...(as === undefined || as === "" ? {} : { as }),
  };
}

export function listArgument(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/** Commander's way to gather an option that may be given several times. */
export function gather(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), text];
}

function decoded(value: unknown, what: string): unknown {
  const read = fromJson(value);
  if (!read.ok) throw new UsageError(`${what}: ${read.fault.message}`);
  return read.value;
}
