// Value. Owns what a value inside a document may be, and the total order of values.
// V1 what `cleanValue` returns can be stored: plain objects and arrays, finite numbers, whole Unicode, valid dates, bytes.
// V2 types order null < boolean < number < string < date < bytes < array < object; text orders by code point, as keys do.

import { limits } from "../config/limits.js";
import { compareBytes } from "../kernel/bytes.js";
import { type Fault, fault, ok, type Result } from "../kernel/fault.js";
import type { Value } from "./query.js";

/** Field names that would reach into an object's machinery in many languages; `__proto_` is what our msgpack decoder makes of `__proto__`. */
export const forbiddenNames: ReadonlySet<string> = new Set(["__proto__", "__proto_", "constructor", "prototype"]);

interface Walk {
  nodes: number;
  /** At least this many bytes will be needed: stops a giant before it is encoded. */
  bytes: number;
  readonly path: (string | number)[];
  fault: Fault | undefined;
}

/**
 * A checked copy: undefined fields dropped, -0 made 0, safe BigInts made numbers. BAD_DOCUMENT names the field that cannot be stored;
 * TOO_DEEP, TOO_LARGE, DOCUMENT_TOO_LARGE for the limits. `depth` is how deep the value stands already.
 */
export function cleanValue(value: unknown, depth = 0): Result<Value> {
  const walk: Walk = { nodes: 0, bytes: 0, path: [], fault: undefined };
  const cleaned = clean(walk, value, depth);
  if (cleaned !== undefined) return ok(cleaned);
  return {
    ok: false,
    fault: walk.fault ?? fault("BAD_DOCUMENT", "undefined is not a value; leave the field out or use null"),
  };
}

function clean(walk: Walk, value: unknown, depth: number): Value | undefined {
  switch (typeof value) {
    case "string":
      return cleanText(walk, value);
    case "number":
      return Number.isFinite(value) ? value + 0 : refuse(walk, "must be finite; NaN and infinities are not stored");
    case "boolean":
      return value;
    case "bigint":
      if (Number.isSafeInteger(Number(value))) return Number(value);
      return refuse(walk, "is an integer beyond ±(2^53-1); store it as a string");
    case "object":
      return value === null ? null : cleanObject(walk, value, depth);
    case "undefined":
      return refuse(walk, "is undefined; leave the field out or use null");
    default:
      return refuse(walk, `is a ${typeof value}, which cannot be stored`);
  }
}

function cleanText(walk: Walk, text: string): string | undefined {
  walk.bytes += text.length;
  if (walk.bytes > limits.documentBytes) return giveUp(walk, documentTooLarge());
  return text.isWellFormed() ? text : refuse(walk, "holds half of a surrogate pair: text must be whole Unicode");
}

function cleanObject(walk: Walk, value: object, depth: number): Value | undefined {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? refuse(walk, "is an invalid date") : value;
  if (value instanceof Uint8Array) {
    walk.bytes += value.length;
    return walk.bytes > limits.documentBytes ? giveUp(walk, documentTooLarge()) : value;
  }
  if (depth >= limits.documentDepth) return giveUp(walk, tooDeep());
  if (Array.isArray(value)) return cleanArray(walk, value, depth);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return cleanFields(walk, value, depth);
  return refuse(walk, `is a ${nameOfClass(value)}; only plain objects, arrays, dates and bytes can be stored`);
}

function cleanArray(walk: Walk, values: readonly unknown[], depth: number): Value | undefined {
  walk.nodes += values.length;
  if (walk.nodes > limits.documentNodes) return giveUp(walk, tooManyNodes());
  const copy: Value[] = [];
  for (let index = 0; index < values.length; index++) {
    walk.path.push(index);
    const cleaned = clean(walk, values[index], depth + 1);
    if (cleaned === undefined) return undefined;
    walk.path.pop();
    copy.push(cleaned);
  }
  return copy;
}

function cleanFields(walk: Walk, fields: object, depth: number): Value | undefined {
  const copy: Record<string, Value> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    walk.path.push(name);
    const mistake = fieldNameMistake(name);
    if (mistake !== undefined) return refuse(walk, mistake);
    walk.bytes += name.length;
    if (++walk.nodes > limits.documentNodes) return giveUp(walk, tooManyNodes());
    const cleaned = clean(walk, value, depth + 1);
    if (cleaned === undefined) return undefined;
    walk.path.pop();
    copy[name] = cleaned;
  }
  return copy;
}

/** What is wrong with a field's name, or nothing. */
export function fieldNameMistake(name: string): string | undefined {
  if (forbiddenNames.has(name)) return "is a name that no field may have";
  if (utf8Length(name) > limits.fieldNameBytes) return `has a name of more than ${limits.fieldNameBytes} bytes`;
  return name.isWellFormed() ? undefined : "has a name that holds half of a surrogate pair";
}

function refuse(walk: Walk, why: string): undefined {
  const field = walk.path.join(".");
  const short = field.length > 80 ? `${field.slice(0, 80)}…` : field;
  return giveUp(walk, fault("BAD_DOCUMENT", `${field === "" ? "the value" : `field ${JSON.stringify(short)}`} ${why}`));
}

function giveUp(walk: Walk, why: Fault): undefined {
  walk.fault ??= why;
  return undefined;
}

export function documentTooLarge(): Fault {
  return fault("DOCUMENT_TOO_LARGE", `a document may take ${limits.documentBytes} bytes encoded`, {
    limit: limits.documentBytes,
  });
}

export function tooDeep(): Fault {
  return fault("TOO_DEEP", `a document may nest ${limits.documentDepth} levels deep`, { limit: limits.documentDepth });
}

export function tooManyNodes(): Fault {
  return fault("TOO_LARGE", `a document may hold ${limits.documentNodes} fields and elements, all levels together`, {
    limit: limits.documentNodes,
  });
}

function nameOfClass(value: object): string {
  const maker: unknown = value.constructor;
  return typeof maker === "function" && maker.name !== "" ? maker.name : "special object";
}

/** Bytes that well-formed text takes as UTF-8. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) bytes += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2;
  }
  return bytes;
}

/** True for objects with fields: not arrays, dates, bytes. */
export function isFields(value: unknown): value is { readonly [field: string]: Value } {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !(value instanceof Uint8Array)
  );
}

const rank = { null: 0, boolean: 1, number: 2, string: 3, date: 4, bytes: 5, array: 6, object: 7 } as const;
export type ValueType = keyof typeof rank;

export function typeOfValue(value: Value): ValueType {
  if (value === null) return "null";
  if (typeof value === "number") return "number";
  if (typeof value === "string") return "string";
  if (typeof value === "boolean") return "boolean";
  if (value instanceof Date) return "date";
  if (value instanceof Uint8Array) return "bytes";
  return Array.isArray(value) ? "array" : "object";
}

/** V2. Negative when `a` comes first, 0 when they are equal. */
export function compareValues(a: Value, b: Value): number {
  if (typeof a === "number" && typeof b === "number") return a < b ? -1 : a > b ? 1 : 0;
  const type = typeOfValue(a);
  const other = typeOfValue(b);
  return type === other ? compareSame(a, b) : rank[type] - rank[other];
}

function compareSame(a: Value, b: Value): number {
  if (typeof a === "string" && typeof b === "string") return compareText(a, b);
  if (typeof a === "boolean" && typeof b === "boolean") return Number(a) - Number(b);
  if (a instanceof Date && b instanceof Date) return a.getTime() - b.getTime();
  if (a instanceof Uint8Array && b instanceof Uint8Array) return compareBytes(a, b);
  if (Array.isArray(a) && Array.isArray(b)) return compareArrays(a, b);
  if (isFields(a) && isFields(b)) return compareFields(a, b);
  return 0;
}

function compareArrays(a: readonly Value[], b: readonly Value[]): number {
  for (const [index, left] of a.entries()) {
    const right = b[index];
    if (right === undefined) return 1;
    const difference = compareValues(left, right);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Field by field in the order of their names: the order in which a document holds them does not count. */
function compareFields(a: { readonly [field: string]: Value }, b: { readonly [field: string]: Value }): number {
  return compareArrays(sortedFields(a).flat(), sortedFields(b).flat());
}

export function sortedFields(fields: { readonly [field: string]: Value }): [string, Value][] {
  return Object.entries(fields).sort(([a], [b]) => compareText(a, b));
}

/** Equal values in one form: -0 is 0, fields in the order of their names. */
export function canonicalValue(value: Value): Value {
  if (typeof value === "number") return value + 0;
  if (Array.isArray(value)) return value.map(canonicalValue);
  if (!isFields(value)) return value;
  return Object.fromEntries(sortedFields(value).map(([name, field]) => [name, canonicalValue(field)]));
}

/** By code point, which is the order of UTF-8 bytes. Code units alone would put U+10000 before U+E000. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) return codePointOrder(left) - codePointOrder(right);
  }
  return a.length - b.length;
}

function codePointOrder(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
