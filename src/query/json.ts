// JSON. Owns how values that JSON lacks stand in it, both ways.
//   out: a date becomes its ISO-8601 string, bytes become {"$bytes": "base64"}
//   in:  {"$bytes": "base64"} becomes bytes, {"$date": "ISO-8601 with a zone"} becomes a date; a plain string stays a string
// J1 an object that merely looks like one of these gets one more $ on the way out and loses it on the way in: {"$$bytes": …}.

import { limits } from "../config/limits.js";
import { fail, ok, type Result } from "../kernel/fault.js";
import { parseInstant } from "../table/instant.js";
import { fromBase64, toBase64 } from "./base64.js";
import { forbiddenNames, isFields } from "./value.js";

const special = /^\$+(bytes|date)$/;
/** A request wraps documents and filters in a few levels of its own. */
const depthLimit = limits.documentDepth + 8;

/** For `JSON.stringify`; takes answers as well as documents. */
export function toJson(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return { $bytes: toBase64(value) };
  if (Array.isArray(value)) return value.map(toJson);
  if (!isFields(value)) return value;
  const entries = Object.entries(value);
  const [name] = entries[0] ?? [""];
  const looksSpecial = entries.length === 1 && special.test(name);
  return Object.fromEntries(entries.map(([field, inner]) => [looksSpecial ? `$${field}` : field, toJson(inner)]));
}

/** What `JSON.parse` gave, with dates and bytes in it. BAD_REQUEST for a wrong `$bytes` or `$date`, TOO_DEEP. */
export function fromJson(value: unknown): Result<unknown> {
  return read(value, 0);
}

function read(value: unknown, depth: number): Result<unknown> {
  if (typeof value !== "object" || value === null) return ok(value);
  if (depth >= depthLimit) return fail("TOO_DEEP", `the body nests more than ${depthLimit} levels deep`);
  return Array.isArray(value) ? readArray(value, depth) : readObject(Object.entries(value), depth);
}

function readArray(values: readonly unknown[], depth: number): Result<unknown> {
  const copy: unknown[] = [];
  for (const element of values) {
    const inner = read(element, depth + 1);
    if (!inner.ok) return inner;
    copy.push(inner.value);
  }
  return ok(copy);
}

function readObject(entries: readonly (readonly [string, unknown])[], depth: number): Result<unknown> {
  const [first] = entries;
  if (first !== undefined && entries.length === 1 && special.test(first[0]))
    return readSpecial(first[0], first[1], depth);
  const copy: Record<string, unknown> = {};
  for (const [name, value] of entries) {
    if (forbiddenNames.has(name)) return fail("BAD_DOCUMENT", `${name} is a name that no field may have`);
    const inner = read(value, depth + 1);
    if (!inner.ok) return inner;
    copy[name] = inner.value;
  }
  return ok(copy);
}

function readSpecial(name: string, value: unknown, depth: number): Result<unknown> {
  if (name.startsWith("$$")) {
    const inner = read(value, depth + 1);
    return inner.ok ? ok({ [name.slice(1)]: inner.value }) : inner;
  }
  const special = typeof value !== "string" ? undefined : name === "$bytes" ? fromBase64(value) : parseInstant(value);
  if (special !== undefined) return ok(special);
  return fail("BAD_REQUEST", name === "$bytes" ? bytesHelp : dateHelp);
}

const bytesHelp = 'the value of "$bytes" must be base64 with padding, such as {"$bytes": "AQI="}';
const dateHelp = 'the value of "$date" must be ISO-8601 with a zone, such as {"$date": "2026-03-01T12:00:00Z"}';
