// Aggregate. Owns groups of rows and what is counted over them, so that parts computed on different fragments merge to one answer.
// A1 adding rows in any order, over any split into parts, gives the same answer to the bit: sums are exact until the end.
// A2 absent fields and nulls count for nothing; sum and avg also skip what is not a number. Only `count` without a field counts every row.
// A3 groups have limits in number and in bytes; beyond them the answer is TOO_MANY_GROUPS, never a part.

import { limits } from "../config/limits.js";
import type { Bytes } from "../kernel/bytes.js";
import { type Fault, fail, fault, ok, type Result } from "../kernel/fault.js";
import { pack, unpack } from "../protocol/codec.js";
import {
  addToSum,
  createSum,
  type ExactSum,
  mergeSum,
  partialBound,
  partialsLimit,
  roundedMean,
  roundedSum,
} from "./exact-sum.js";
import { pathText, valueAt } from "./path.js";
import type { Aggregate, AggregateFn, Document, FieldPath, Value } from "./query.js";
import { canonicalValue, cleanValue, compareValues, isFields, sortedFields } from "./value.js";

export interface Groups {
  readonly groupBy: readonly FieldPath[];
  readonly aggregates: readonly Aggregate[];
  readonly byKey: Map<string, Group>;
  /** Estimate of the encoded size, never too small. */
  bytes: number;
}

interface Group {
  /** Values at the groupBy paths; undefined = absent, which is a group of its own. */
  readonly values: readonly (Value | undefined)[];
  readonly tallies: Tally[];
}

/** What one aggregate knows of one group. `sum` and `avg` use the sum, `min` and `max` the best value so far. */
interface Tally {
  count: number;
  readonly sum: ExactSum;
  best: Value | undefined;
}

export interface GroupRow {
  readonly group: { readonly [path: string]: Value };
  readonly [as: string]: Value;
}

export function createGroups(groupBy: readonly FieldPath[], aggregates: readonly Aggregate[]): Groups {
  const groups: Groups = { groupBy, aggregates, byKey: new Map(), bytes: 64 };
  // Without groupBy there is one group, also over no rows.
  if (groupBy.length === 0) groupOf(groups, []);
  return groups;
}

/** Counts one row in. TOO_MANY_GROUPS (A3): the groups are then unusable. */
export function addRow(groups: Groups, document: Document): Result<void> {
  const { tallies } = groupOfRow(groups, document);
  let index = 0;
  for (const { fn, field } of groups.aggregates) {
    const tally = tallies[index++];
    if (tally === undefined) continue;
    const value = field === undefined ? true : valueAt(document, field);
    if (value !== undefined && value !== null) groups.bytes += addValue(fn, tally, value);
  }
  return withinLimits(groups);
}

/** Part of an answer, for `mergeGroups` elsewhere. */
export function encodeGroups(groups: Groups): Bytes {
  const parts = [...groups.byKey.values()].map(({ values, tallies }) => [
    values.map((value) => (value === undefined ? [] : [value])),
    tallies.map(({ count, sum, best }) =>
      best === undefined ? [count, sum.low, sum.high] : [count, sum.low, sum.high, best],
    ),
  ]);
  return pack(parts);
}

/** Adds a part of the same groupBy and aggregates. UNDECODABLE when it is none; TOO_MANY_GROUPS. A fault leaves the target unusable. */
export function mergeGroups(target: Groups, part: Bytes): Result<void> {
  const decoded = unpack(part);
  if (!decoded.ok) return decoded;
  if (!Array.isArray(decoded.value)) return notGroups;
  for (const entry of decoded.value as readonly unknown[]) {
    const group = readGroup(target, entry);
    if (group === undefined) return notGroups;
    mergeGroup(target, group);
    const within = withinLimits(target);
    if (!within.ok) return within;
  }
  return ok(undefined);
}

/** Rows ordered by their groups. TOO_LARGE when a sum is beyond the largest number. */
export function finishGroups(groups: Groups): Result<readonly GroupRow[]> {
  const rows: GroupRow[] = [];
  for (const { values, tallies } of [...groups.byKey.values()].sort(compareGroups)) {
    const results: Record<string, Value> = {};
    for (const [index, aggregate] of groups.aggregates.entries()) {
      const tally = tallies[index];
      const result = tally === undefined ? null : finish[aggregate.fn](tally);
      if (typeof result === "number" && !Number.isFinite(result))
        return fail("TOO_LARGE", `${aggregate.as} is beyond the largest number, 1.8e308`);
      results[aggregate.as] = result;
    }
    rows.push({ ...results, group: groupFields(groups.groupBy, values) });
  }
  return ok(rows);
}

const finish: { readonly [Fn in AggregateFn]: (tally: Tally) => Value } = {
  count: ({ count }) => count,
  sum: ({ sum }) => roundedSum(sum),
  avg: ({ sum, count }) => (count === 0 ? null : roundedMean(sum, count)),
  min: ({ best }) => best ?? null,
  max: ({ best }) => best ?? null,
};

function groupFields(groupBy: readonly FieldPath[], values: readonly (Value | undefined)[]): { [path: string]: Value } {
  const fields: Record<string, Value> = {};
  for (const [index, path] of groupBy.entries()) {
    const value = values[index];
    if (value !== undefined) fields[pathText(path)] = value;
  }
  return fields;
}

/** Most rows belong to a group that is there already: its text is all that they need. */
function groupOfRow(groups: Groups, document: Document): Group {
  let key = "";
  for (const path of groups.groupBy) key += keyTextOf(valueAt(document, path));
  const known = groups.byKey.get(key);
  if (known !== undefined) return known;
  return groupOf(
    groups,
    groups.groupBy.map((path) => valueAt(document, path)),
  );
}

function keyTextOf(value: Value | undefined): string {
  return value === undefined ? "-" : keyText(value);
}

function groupOf(groups: Groups, values: readonly (Value | undefined)[]): Group {
  const key = values.map(keyTextOf).join("");
  const known = groups.byKey.get(key);
  if (known !== undefined) return known;
  const tallies = groups.aggregates.map((): Tally => ({ count: 0, sum: createSum(), best: undefined }));
  const group = { values: values.map((value) => (value === undefined ? value : canonicalValue(value))), tallies };
  groups.byKey.set(key, group);
  groups.bytes += 16 + values.reduce((sum: number, value) => sum + sizeOf(value), 0) + tallies.length * tallyBytes;
  return group;
}

/** Array heads and a count. */
const tallyBytes = 16;
const numberBytes = 9;

/** Equal values have equal texts, and no text is the beginning of another. */
function keyText(value: Value): string {
  if (typeof value === "string") return `s${value.length}:${value}`;
  if (typeof value === "number") return `n${value + 0};`;
  if (value === null) return "0";
  if (typeof value === "boolean") return value ? "t" : "f";
  if (value instanceof Date) return `d${value.getTime()};`;
  if (value instanceof Uint8Array) return `b${value.join()};`;
  if (isFields(value))
    return `{${sortedFields(value)
      .map(([name, field]) => keyText(name) + keyText(field))
      .join("")}}`;
  return `[${value.map(keyText).join("")}]`;
}

/** Bytes that the value takes encoded, or more. */
function sizeOf(value: Value | undefined): number {
  if (typeof value === "string") return 5 + value.length * 3;
  if (value instanceof Date) return 15;
  if (value instanceof Uint8Array) return 5 + value.length;
  if (Array.isArray(value)) return value.reduce((sum: number, element: Value) => sum + sizeOf(element), 5);
  if (isFields(value)) return sizeOf(Object.entries(value).flat());
  return numberBytes;
}

/** Returns how many bytes the tally grew. */
function addValue(fn: AggregateFn, tally: Tally, value: Value): number {
  if (fn === "min" || fn === "max") return keepBest(fn, tally, value);
  if (fn === "count") {
    tally.count++;
    return 0;
  }
  if (typeof value !== "number") return 0;
  const before = partialsOf(tally.sum);
  tally.count++;
  addToSum(tally.sum, value);
  return (partialsOf(tally.sum) - before) * numberBytes;
}

function keepBest(fn: "min" | "max", tally: Tally, value: Value): number {
  const before = tally.best;
  const order = before === undefined ? -1 : compareValues(value, before);
  if (before !== undefined && (fn === "min" ? order >= 0 : order <= 0)) return 0;
  tally.best = canonicalValue(value);
  return sizeOf(value) - (before === undefined ? 0 : sizeOf(before));
}

function partialsOf(sum: ExactSum): number {
  return sum.low.length + sum.high.length;
}

function withinLimits(groups: Groups): Result<void> {
  if (groups.byKey.size > limits.groups) return { ok: false, fault: tooManyGroups(`${limits.groups} groups`) };
  if (groups.bytes > limits.groupsBytes)
    return { ok: false, fault: tooManyGroups(`${limits.groupsBytes} bytes of groups`) };
  return fits;
}

const fits: Result<void> = ok(undefined);

function tooManyGroups(bound: string): Fault {
  return fault(
    "TOO_MANY_GROUPS",
    `an aggregate may answer with ${bound}; group by fewer fields, or aggregate a smaller range or filter`,
  );
}

function mergeGroup(target: Groups, part: Group): void {
  const group = groupOf(target, part.values);
  for (const [index, { fn }] of target.aggregates.entries()) {
    const tally = group.tallies[index];
    const more = part.tallies[index];
    if (tally === undefined || more === undefined) continue;
    const before = partialsOf(tally.sum);
    tally.count += more.count;
    mergeSum(tally.sum, more.sum);
    target.bytes += (partialsOf(tally.sum) - before) * numberBytes;
    if (more.best !== undefined && (fn === "min" || fn === "max")) target.bytes += keepBest(fn, tally, more.best);
  }
}

const notGroups = fail("UNDECODABLE", "a part of an aggregate is not in the agreed form");

function readGroup(target: Groups, entry: unknown): Group | undefined {
  if (!Array.isArray(entry) || entry.length !== 2) return undefined;
  const [values, tallies] = entry as readonly unknown[];
  if (!Array.isArray(values) || values.length !== target.groupBy.length) return undefined;
  if (!Array.isArray(tallies) || tallies.length !== target.aggregates.length) return undefined;
  const readValues: (Value | undefined)[] = [];
  for (const slot of values as readonly unknown[]) {
    if (!Array.isArray(slot) || slot.length > 1) return undefined;
    const value = slot.length === 0 ? undefined : cleanValue(slot[0]);
    if (value !== undefined && !value.ok) return undefined;
    readValues.push(value?.value);
  }
  const readTallies: Tally[] = [];
  for (const given of tallies as readonly unknown[]) {
    const tally = readTally(given);
    if (tally === undefined) return undefined;
    readTallies.push(tally);
  }
  return { values: readValues, tallies: readTallies };
}

function readTally(given: unknown): Tally | undefined {
  if (!Array.isArray(given) || given.length < 3 || given.length > 4) return undefined;
  const [count, low, high, best] = given as readonly unknown[];
  if (typeof count !== "number" || !Number.isSafeInteger(count) || count < 0) return undefined;
  if (!arePartials(low) || !arePartials(high)) return undefined;
  if (best === undefined) return { count, sum: { low, high }, best };
  const value = cleanValue(best);
  return value.ok ? { count, sum: { low, high }, best: value.value } : undefined;
}

function arePartials(given: unknown): given is number[] {
  return (
    Array.isArray(given) &&
    given.length <= partialsLimit &&
    given.every((partial) => typeof partial === "number" && Math.abs(partial) <= partialBound)
  );
}

function compareGroups(a: Group, b: Group): number {
  for (const [index, left] of a.values.entries()) {
    const right = b.values[index];
    if (left === undefined || right === undefined) {
      if (left !== right) return left === undefined ? -1 : 1;
      continue;
    }
    const difference = compareValues(left, right);
    if (difference !== 0) return difference;
  }
  return 0;
}
