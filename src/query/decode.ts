// Decode. Owns the door of the query language: the body of a client's request becomes a `Query`, or a fault that helps.
// Q1 never throws, whatever the body holds. Q2 behind it every key is a position, every document is checked bytes, every bound holds.

import { limits } from "../config/limits.js";
import { type Bytes, compareBytes, emptyBytes } from "../kernel/bytes.js";
import { type Fault, fail, fault, ok, type Result } from "../kernel/fault.js";
import type { Hash } from "../kernel/hash.js";
import { decodeRowKey, positionOf } from "../table/key.js";
import type { Position, PositionRange, TableDef } from "../table/table.js";
import { decodeScanCursor, decodeWatchCursor, fingerprintOf } from "./cursor.js";
import { checkDocument, encodeDocument } from "./document.js";
import { decodeFilter, encodeFilter } from "./filter.js";
import { parsePath, pathText } from "./path.js";
import type { Aggregate, FieldPath, Filter, Query, ReadLevel, WriteAct, WriteStep } from "./query.js";
import { decodeRange } from "./range.js";
import { aggregateShape, type Fields, isRequestId, readFields, shapes, stepShapes } from "./request.js";
import { fieldNameMistake, isFields } from "./value.js";

export type QueryOp = keyof typeof shapes;
/** Every operation that a table answers; the last token of `foreshard.query.<table>.<op>`. */
export const queryOps: readonly string[] = Object.keys(shapes);

export function isQueryOp(op: string): op is QueryOp {
  return Object.hasOwn(shapes, op);
}

/** BAD_REQUEST, BAD_KEY, BAD_DOCUMENT, BAD_FILTER, BAD_CURSOR and the faults of limits; UNKNOWN_OPERATION lists the operations. */
export function decodeQuery(op: string, body: unknown, table: TableDef, hash: Hash): Result<Query> {
  if (!isQueryOp(op))
    return fail(
      "UNKNOWN_OPERATION",
      `there is no operation ${JSON.stringify(op.slice(0, 80))}; there are ${queryOps.join(", ")}`,
    );
  return decoders[op](body, { table, hash });
}

interface Door {
  readonly table: TableDef;
  readonly hash: Hash;
}

const decoders: { readonly [Op in QueryOp]: (body: unknown, door: Door) => Result<Query> } = {
  get: decodeGet,
  getMany: decodeGetMany,
  put: (body, door) => decodeSingle("put", body, door),
  insert: (body, door) => decodeSingle("insert", body, door),
  update: (body, door) => decodeSingle("update", body, door),
  delete: (body, door) => decodeSingle("delete", body, door),
  batch: decodeBatch,
  scan: decodeScan,
  aggregate: decodeAggregate,
  watch: decodeWatch,
};

function decodeGet(body: unknown, door: Door): Result<Query> {
  if (isPlainGet(body)) {
    const position = positionAt(door, body.key);
    return position.ok ? ok({ op: "get", position: position.value, ...plainReading }) : position;
  }
  const asked = readFields(shapes.get, body, "a get request");
  if (!asked.ok) return asked;
  const position = positionAt(door, asked.value.key);
  if (!position.ok) return position;
  const common = decodeReading(asked.value);
  return common.ok ? ok({ op: "get", position: position.value, ...common.value }) : common;
}

const plainReading: Reading = {
  deadlineMs: limits.defaultDeadlineMs,
  read: { level: "strong" },
  fields: undefined,
};

/** Nothing but a key, as most gets are: known to be right without the schema, which would cost more than all the rest. */
function isPlainGet(body: unknown): body is { readonly key: unknown } {
  if (!isFields(body)) return false;
  const names = Object.keys(body);
  return names.length === 1 && names[0] === "key";
}

function decodeGetMany(body: unknown, door: Door): Result<Query> {
  const asked = readFields(shapes.getMany, body, "a getMany request");
  if (!asked.ok) return asked;
  const positions = each(asked.value.keys, "keys", (key) => positionAt(door, key));
  if (!positions.ok) return positions;
  const common = decodeReading(asked.value);
  return common.ok ? ok({ op: "getMany", positions: positions.value, ...common.value }) : common;
}

function decodeSingle(act: WriteAct, body: unknown, door: Door): Result<Query> {
  if (isPlainWrite(act, body)) return singleWrite(act, body, limits.defaultDeadlineMs, body.requestId, door);
  const asked = readFields(shapes[act], body, `${act === "insert" || act === "update" ? "an" : "a"} ${act} request`);
  if (!asked.ok) return asked;
  const { deadlineMs, requestId } = asked.value;
  return singleWrite(act, asked.value, deadlineMs, requestId, door);
}

function singleWrite(
  act: WriteAct,
  asked: StepFields,
  deadlineMs: number,
  requestId: string | undefined,
  door: Door,
): Result<Query> {
  const step = decodeStep(act, asked, door);
  return step.ok ? ok({ op: "write", deadlineMs, requestId, steps: [step.value], single: true }) : step;
}

/** Key, document and a sound request id, as most writes are: see `isPlainGet`. */
function isPlainWrite(act: WriteAct, body: unknown): body is StepFields & { readonly requestId?: string } {
  if (!isFields(body)) return false;
  const document = act === "update" ? "patch" : "doc";
  for (const name of Object.keys(body)) {
    if (name === "key" || (name === document && act !== "delete")) continue;
    if (name !== "requestId" || !isRequestId(body.requestId)) return false;
  }
  return true;
}

function decodeBatch(body: unknown, door: Door): Result<Query> {
  const asked = readFields(shapes.batch, body, "a batch request");
  if (!asked.ok) return asked;
  const steps = each(asked.value.ops, "ops", (given) => decodeBatchStep(given, door));
  if (!steps.ok) return steps;
  const bytes = steps.value.reduce((sum, { position, document }) => sum + position.length + document.length, 0);
  if (bytes > limits.batchBytes)
    return fail(
      "TOO_LARGE",
      `the keys and documents of a batch may take ${limits.batchBytes} bytes, these take ${bytes}`,
      {
        limit: limits.batchBytes,
      },
    );
  const { deadlineMs, requestId } = asked.value;
  return ok({ op: "write", deadlineMs, requestId, steps: steps.value, single: false });
}

function decodeBatchStep(given: unknown, door: Door): Result<WriteStep> {
  const act = isFields(given) && Object.hasOwn(given, "op") ? given.op : undefined;
  if (!isFields(given) || typeof act !== "string" || !isAct(act))
    return fail("BAD_REQUEST", 'each needs "op": "put", "insert", "update" or "delete"');
  if (isPlainStep(act, given)) return decodeStep(act, given, door);
  const asked = readFields(stepShapes[act], given, `a ${act} of a batch`);
  return asked.ok ? decodeStep(act, asked.value, door) : asked;
}

/** The usual step, known to be right without the schema: a batch holds up to a thousand, and the schema would cost more than all the rest. */
function isPlainStep(act: WriteAct, given: object): given is StepFields {
  const body = act === "update" ? "patch" : "doc";
  for (const name of Object.keys(given))
    if (name !== "op" && name !== "key" && (name !== body || act === "delete")) return false;
  return true;
}

function isAct(word: string): word is WriteAct {
  return Object.hasOwn(stepShapes, word);
}

interface StepFields {
  readonly key?: unknown;
  readonly doc?: unknown;
  readonly patch?: unknown;
  readonly ifVersion?: number | undefined;
}

function decodeStep(act: WriteAct, asked: StepFields, door: Door): Result<WriteStep> {
  const position = positionAt(door, asked.key);
  if (!position.ok) return position;
  if (act === "insert" && (asked.ifVersion ?? 0) !== 0)
    return fail(
      "BAD_REQUEST",
      "ifVersion of an insert can only be 0: it makes a row where there is none; use put to replace one",
    );
  const document = act === "delete" ? ok(emptyBytes) : documentIn(act === "update" ? "patch" : "doc", asked);
  if (!document.ok) return document;
  const step = { act, position: position.value, document: document.value };
  return ok(asked.ifVersion === undefined ? step : { ...step, ifVersion: asked.ifVersion });
}

/** A value, or bytes that a client encoded already. */
function documentIn(name: "doc" | "patch", asked: StepFields): Result<Bytes> {
  const given = asked[name];
  if (given === undefined) return fail("BAD_REQUEST", `${name} is missing; give an object of fields`);
  if (!(given instanceof Uint8Array)) return encodeDocument(given);
  const checked = checkDocument(given);
  return checked.ok ? ok(given) : checked;
}

function decodeScan(body: unknown, door: Door): Result<Query> {
  const asked = readFields(shapes.scan, body, "a scan request");
  if (!asked.ok) return asked;
  const { reverse, limit, cursor } = asked.value;
  const range = decodeRange(door.table, asked.value, door.hash);
  if (!range.ok) return range;
  const filter = filterIn(asked.value.filter);
  if (!filter.ok) return filter;
  const common = decodeReading(asked.value);
  if (!common.ok) return common;
  const bound = ["scan", range.value.from, range.value.to ?? null, reverse, wireOf(filter.value)];
  const fingerprint = fingerprintOf(door.table, bound, door.hash);
  const rest = resumed(range.value, cursor, reverse, fingerprint, door.hash);
  if (!rest.ok) return rest;
  const { from, to } = rest.value;
  return ok({ op: "scan", from, to, reverse, limit, filter: filter.value, fingerprint, ...common.value });
}

/** The range from where the cursor stands, never wider than what was asked. */
function resumed(
  { from, to }: PositionRange,
  cursor: string | null | undefined,
  reverse: boolean,
  fingerprint: Bytes,
  hash: Hash,
): Result<PositionRange> {
  if (cursor === undefined || cursor === null) return ok({ from, to });
  const next = decodeScanCursor(fingerprint, cursor, hash);
  if (!next.ok) return next;
  const inside = later(from, to === undefined ? next.value : earlier(to, next.value));
  return ok(reverse ? { from, to: inside } : { from: inside, to });
}

function later(a: Position, b: Position): Position {
  return compareBytes(a, b) > 0 ? a : b;
}

function earlier(a: Position, b: Position): Position {
  return compareBytes(a, b) < 0 ? a : b;
}

function decodeAggregate(body: unknown, door: Door): Result<Query> {
  const asked = readFields(shapes.aggregate, body, "an aggregate request");
  if (!asked.ok) return asked;
  const range = decodeRange(door.table, asked.value, door.hash);
  if (!range.ok) return range;
  const filter = filterIn(asked.value.filter);
  if (!filter.ok) return filter;
  const groupBy = each(asked.value.groupBy, "groupBy", pathIn);
  if (!groupBy.ok) return groupBy;
  const aggregates = decodeAggregates(asked.value.aggregates);
  if (!aggregates.ok) return aggregates;
  const read = readLevelOf(asked.value);
  if (!read.ok) return read;
  const { from, to } = range.value;
  return ok({
    op: "aggregate",
    deadlineMs: asked.value.deadlineMs,
    from,
    to,
    filter: filter.value,
    groupBy: groupBy.value,
    aggregates: aggregates.value,
    read: read.value,
  });
}

/** Also for aggregates that come from another node. */
export function decodeAggregates(given: readonly unknown[]): Result<readonly Aggregate[]> {
  const aggregates = each(given, "aggregates", oneAggregate);
  if (!aggregates.ok) return aggregates;
  const names = aggregates.value.map(({ as }) => as);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return aggregates;
  return fail("BAD_REQUEST", `two aggregates would both answer as ${JSON.stringify(twice)}; tell them apart with "as"`);
}

function oneAggregate(given: unknown): Result<Aggregate> {
  const asked = readFields(aggregateShape, given, "an aggregate");
  if (!asked.ok) return asked;
  const { fn, field, as } = asked.value;
  if (field === undefined && fn !== "count")
    return fail("BAD_REQUEST", `${fn} needs a field; only count goes without one`);
  const path = field === undefined ? ok(undefined) : pathIn(field);
  if (!path.ok) return path;
  const name = as ?? (path.value === undefined ? fn : `${fn}_${pathText(path.value)}`);
  const mistake = name === "group" || name === "" ? "is a name that an aggregate cannot have" : fieldNameMistake(name);
  if (mistake !== undefined) return fail("BAD_REQUEST", `"as" ${JSON.stringify(name.slice(0, 80))} ${mistake}`);
  return ok(path.value === undefined ? { fn, as: name } : { fn, field: path.value, as: name });
}

function decodeWatch(body: unknown, door: Door): Result<Query> {
  const asked = readFields(shapes.watch, body, "a watch request");
  if (!asked.ok) return asked;
  const { cursor, waitMs, limit, deadlineMs } = asked.value;
  const filter = filterIn(asked.value.filter);
  if (!filter.ok) return filter;
  const fingerprint = fingerprintOf(door.table, ["watch", wireOf(filter.value)], door.hash);
  const after =
    cursor === undefined || cursor === null
      ? ok({ viewSeq: 0, marks: [] })
      : decodeWatchCursor(fingerprint, cursor, door.hash);
  if (!after.ok) return after;
  return ok({
    op: "watch",
    deadlineMs: deadlineMs ?? limits.defaultDeadlineMs,
    after: after.value,
    // A deadline that is shorter than the wait ends it.
    waitMs: Math.min(waitMs, deadlineMs ?? waitMs),
    limit,
    filter: filter.value,
    fingerprint,
  });
}

function positionAt(door: Door, given: unknown): Result<Position> {
  const key = decodeRowKey(door.table, given);
  return key.ok ? positionOf(door.table, key.value, door.hash) : key;
}

function filterIn(given: unknown): Result<Filter | undefined> {
  return given === undefined ? ok(undefined) : decodeFilter(given);
}

function wireOf(filter: Filter | undefined): unknown {
  return filter === undefined ? null : encodeFilter(filter);
}

interface Reading {
  readonly deadlineMs: number;
  readonly read: ReadLevel;
  readonly fields: readonly FieldPath[] | undefined;
}

function decodeReading(asked: Fields<typeof shapes.get | typeof shapes.getMany | typeof shapes.scan>): Result<Reading> {
  const read = readLevelOf(asked);
  if (!read.ok) return read;
  const fields = asked.fields === undefined ? ok(undefined) : each(asked.fields, "fields", pathIn);
  return fields.ok ? ok({ deadlineMs: asked.deadlineMs, read: read.value, fields: fields.value }) : fields;
}

function readLevelOf(asked: {
  readonly level: ReadLevel["level"];
  readonly maxStaleMs?: number | undefined;
}): Result<ReadLevel> {
  const { level, maxStaleMs } = asked;
  if (level === "bounded") {
    if (maxStaleMs !== undefined) return ok({ level, maxStaleMs });
    return fail("BAD_REQUEST", 'level "bounded" needs maxStaleMs: how old, in milliseconds, the answer may be');
  }
  if (maxStaleMs === undefined) return ok({ level });
  return fail("BAD_REQUEST", `maxStaleMs goes with level "bounded", not with "${level}"`);
}

function pathIn(text: string): Result<FieldPath> {
  const parsed = parsePath(text);
  return "path" in parsed ? ok(parsed.path) : fail("BAD_REQUEST", `the path ${parsed.mistake}`);
}

/** Decodes all, or says at which place it failed. */
function each<G, T>(given: readonly G[], name: string, decode: (element: G) => Result<T>): Result<readonly T[]> {
  const decoded: T[] = [];
  for (const [index, element] of given.entries()) {
    const one = decode(element);
    if (!one.ok) return { ok: false, fault: at(`${name}[${index}]`, one.fault) };
    decoded.push(one.value);
  }
  return ok(decoded);
}

function at(place: string, { code, message, detail }: Fault): Fault {
  return fault(code, `${place}: ${message}`, detail);
}
