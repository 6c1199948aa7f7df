// Filter. Owns the filter language: its grammar on the wire, and what a filter says of a document.
//   filter    = { path: condition, …, "$and": [filter, …], "$or": [filter, …], "$not": filter }   all of them hold; {} holds always
//   condition = value (means eq; not an object) | { op: operand, … }                                all of them hold
//   op        = eq ne lt le gt ge (a value) | in (values) | prefix (text) | exists (true or false) | contains (a value)
// F1 values of different types are unequal, and neither less nor greater: `lt` and the like hold only within one type.
// F2 an absent field satisfies only `ne` and `exists: false` (and what `$not` turns round). null is a value, not absence.
// F3 decoding has bounds; matching takes time linear in filter and document.

import { limits } from "../config/limits.js";
import { type Fault, fault, ok, type Result } from "../kernel/fault.js";
import { parsePath, pathText, valueAt } from "./path.js";
import type { Comparator, Document, FieldPath, Filter, Value } from "./query.js";
import { cleanValue, compareValues, isFields, typeOfValue } from "./value.js";

export function matches(filter: Filter, document: Document): boolean {
  switch (filter.op) {
    case "and":
      return filter.all.every((part) => matches(part, document));
    case "or":
      return filter.all.some((part) => matches(part, document));
    case "not":
      return !matches(filter.of, document);
    default:
      return holds(filter, valueAt(document, filter.field));
  }
}

type Condition = Exclude<Filter, { op: "and" | "or" | "not" }>;

function holds(condition: Condition, found: Value | undefined): boolean {
  if (condition.op === "exists") return (found !== undefined) === condition.value;
  if (found === undefined) return condition.op === "ne";
  if (condition.op === "in") return condition.values.some((value) => compareValues(found, value) === 0);
  if (condition.op === "prefix") return typeof found === "string" && found.startsWith(condition.value);
  if (condition.op === "contains") return contains(found, condition.value);
  return compares(condition.op, found, condition.value);
}

function contains(found: Value, value: Value): boolean {
  if (Array.isArray(found)) return found.some((element) => compareValues(element, value) === 0);
  return typeof found === "string" && typeof value === "string" && found.includes(value);
}

function compares(op: Comparator, found: Value, value: Value): boolean {
  if (op === "eq") return compareValues(found, value) === 0;
  if (op === "ne") return compareValues(found, value) !== 0;
  if (typeOfValue(found) !== typeOfValue(value)) return false;
  const order = compareValues(found, value);
  if (op === "lt") return order < 0;
  if (op === "le") return order <= 0;
  return op === "gt" ? order > 0 : order >= 0;
}

/** BAD_FILTER names the part that is wrong and what would be right; TOO_DEEP and TOO_LARGE for the limits. */
export function decodeFilter(given: unknown): Result<Filter> {
  const walk: Walk = { nodes: 0, fault: undefined };
  const filter = readFilter(walk, given, "filter", 0);
  return filter === undefined
    ? { ok: false, fault: walk.fault ?? fault("BAD_FILTER", "the filter is unusable") }
    : ok(filter);
}

/** The filter in its grammar; `decodeFilter` reads it back as it was, within the same limits. */
export function encodeFilter(filter: Filter): unknown {
  switch (filter.op) {
    case "and":
    case "or":
      return filter.all.length === 0 ? {} : { [`$${filter.op}`]: filter.all.map(encodeFilter) };
    case "not":
      return { $not: encodeFilter(filter.of) };
    case "in":
      return { [pathText(filter.field)]: { in: filter.values } };
    default:
      return { [pathText(filter.field)]: { [filter.op]: filter.value } };
  }
}

interface Walk {
  nodes: number;
  fault: Fault | undefined;
}

function readFilter(walk: Walk, given: unknown, place: string, depth: number): Filter | undefined {
  if (!isFields(given)) return refuse(walk, `${place} must be an object such as {"age": {"ge": 18}}`);
  return readAll(walk, Object.entries(given), depth, (name, value, at) =>
    name.startsWith("$")
      ? readJunction(walk, name, value, `${place}.${name}`, at)
      : readField(walk, name, value, place, at),
  );
}

type ReadPart = (name: string, given: unknown, depth: number) => Filter | undefined;

/** One part is itself; several, or none, stand one level down in an `and`. */
function readAll(
  walk: Walk,
  entries: readonly (readonly [string, unknown])[],
  depth: number,
  read: ReadPart,
): Filter | undefined {
  const [only] = entries;
  if (only !== undefined && entries.length === 1) return read(only[0], only[1], depth);
  if (!enter(walk, depth)) return undefined;
  const all: Filter[] = [];
  for (const [name, given] of entries) {
    const part = read(name, given, depth + 1);
    if (part === undefined) return undefined;
    all.push(part);
  }
  return { op: "and", all };
}

function readJunction(walk: Walk, name: string, given: unknown, place: string, depth: number): Filter | undefined {
  if (!enter(walk, depth)) return undefined;
  if (name === "$not") {
    const of = readFilter(walk, given, place, depth + 1);
    return of === undefined ? undefined : { op: "not", of };
  }
  if (name !== "$and" && name !== "$or") return refuse(walk, `${place.slice(0, 200)} is unknown; ${junctionHelp}`);
  if (!Array.isArray(given) || given.length === 0)
    return refuse(walk, `${place} must be an array of at least one filter`);
  const all: Filter[] = [];
  for (const [index, element] of given.entries()) {
    const part = readFilter(walk, element, `${place}[${index}]`, depth + 1);
    if (part === undefined) return undefined;
    all.push(part);
  }
  return { op: name === "$and" ? "and" : "or", all };
}

const junctionHelp = "there are $and, $or and $not, and field names may not begin with $ in a filter";

function readField(walk: Walk, name: string, given: unknown, place: string, depth: number): Filter | undefined {
  const parsed = parsePath(name);
  const here = `${place}[${quoted(name)}]`;
  if ("mistake" in parsed) return refuse(walk, `the field in ${here} ${parsed.mistake}`);
  const { path } = parsed;
  if (!isFields(given)) return readCondition(walk, path, "eq", given, here, depth);
  const conditions = Object.entries(given);
  if (conditions.length === 0) return refuse(walk, `${here} is empty; ${operatorHelp}`);
  return readAll(walk, conditions, depth, (op, operand, at) => readCondition(walk, path, op, operand, here, at));
}

const operatorHelp = `write a value, or an object of eq, ne, lt, le, gt, ge, in, prefix, exists, contains; to compare with a whole object use {"eq": {…}}`;

/** Total: a forgotten operator does not compile. */
const operators: { readonly [Op in Condition["op"]]: true } = {
  eq: true,
  ne: true,
  lt: true,
  le: true,
  gt: true,
  ge: true,
  contains: true,
  in: true,
  prefix: true,
  exists: true,
};

function isOperator(op: string): op is Condition["op"] {
  return Object.hasOwn(operators, op);
}

function readCondition(
  walk: Walk,
  field: FieldPath,
  op: string,
  given: unknown,
  place: string,
  depth: number,
): Filter | undefined {
  if (!enter(walk, depth)) return undefined;
  if (!isOperator(op)) return refuse(walk, `${place} has the unknown operator ${quoted(op)}; ${operatorHelp}`);
  if (op === "exists")
    return typeof given === "boolean"
      ? { op, field, value: given }
      : refuse(walk, `${place}.exists must be true or false`);
  const value = readValue(walk, given, `${place}.${op}`);
  if (value === undefined) return undefined;
  if (op === "in")
    return Array.isArray(value) ? { op, field, values: value } : refuse(walk, `${place}.in must be an array of values`);
  if (op === "prefix")
    return typeof value === "string" ? { op, field, value } : refuse(walk, `${place}.prefix must be a string`);
  return op === "contains" ? { op, field, value } : { op, field, value };
}

function readValue(walk: Walk, given: unknown, place: string): Value | undefined {
  const value = cleanValue(given);
  if (!value.ok) return refuse(walk, `the value of ${place} cannot be compared: ${value.fault.message}`);
  return count(walk, elementsIn(value.value)) ? value.value : undefined;
}

function elementsIn(value: Value): number {
  if (Array.isArray(value)) return value.reduce((sum: number, element: Value) => sum + 1 + elementsIn(element), 0);
  return isFields(value) ? elementsIn(Object.values(value)) : 0;
}

/** Counts one node of the filter at `depth`. */
function enter(walk: Walk, depth: number): boolean {
  if (depth < limits.filterDepth) return count(walk, 1);
  walk.fault ??= fault("TOO_DEEP", `a filter may nest ${limits.filterDepth} levels deep`, {
    limit: limits.filterDepth,
  });
  return false;
}

function count(walk: Walk, more: number): boolean {
  walk.nodes += more;
  if (walk.nodes <= limits.filterNodes) return true;
  walk.fault ??= fault("TOO_LARGE", `a filter may hold ${limits.filterNodes} conditions and values in all`, {
    limit: limits.filterNodes,
  });
  return false;
}

function refuse(walk: Walk, why: string): undefined {
  return giveUp(walk, fault("BAD_FILTER", why));
}

function giveUp(walk: Walk, why: Fault): undefined {
  walk.fault ??= why;
  return undefined;
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 80));
}
