// Exec codec. Owns the form in which `ExecRequest` and `ExecReply` travel: nested arrays with numeric codes, small and quick to check.
//   request  [timeLeftMs, [[fragment, epoch, [op, …]], …]]           reply  [[viewSeq, …], [[result, …], …]]
//   A router's request ends with the table of client groups, and each part with an index into it.
// X1 decoding never throws and believes nothing: shapes, numbers and lengths are checked here. What needs the table (is this a position
//    of it?) or reads the document is the shard's to check.
// X2 codes are for ever: a new operation takes a new number.
// X3 a request that says more than is known here is refused, at every level: a condition must never be passed over. An answer that says more is read.

import { limits } from "../config/limits.js";
import type { Bytes } from "../kernel/bytes.js";
import { type Detail, type Fault, fail, fault, isFaultCode, ok, type Result } from "../kernel/fault.js";
import { takenKept } from "../ledger/reshape.js";
import { isGroup } from "../load/group.js";
import { decodeAggregates } from "../query/decode.js";
import { decodeFilter, encodeFilter } from "../query/filter.js";
import { parsePath, pathText } from "../query/path.js";
import type { Aggregate, FieldPath, Filter, ReadLevel, WriteAct, WriteStep } from "../query/query.js";
import { isRequestId } from "../query/request.js";
import { positionBytesLimit } from "../table/key.js";
import type { Position } from "../table/table.js";
import type { Change, ExecReply, ExecRequest, FragmentOps, Op, OpResult, ScanRow } from "./exec.js";

export const opCode = { get: 0, write: 1, scan: 2, aggregate: 3, changes: 4, fault: 5 } as const;
const acts: readonly WriteAct[] = ["put", "insert", "update", "delete"];
const levelCode = { strong: 0, any: 1 } as const;

type Wire = readonly unknown[];
type Encoders<U extends { readonly op: string }> = {
  readonly [K in U["op"]]: (item: Extract<U, { op: K }>) => Wire;
};

export function encodeExec({ timeLeftMs, parts, groups }: ExecRequest): unknown {
  const wire = parts.map(({ fragment, epoch, ops, group }) =>
    group === undefined ? [fragment, epoch, ops.map(encodeOp)] : [fragment, epoch, ops.map(encodeOp), group],
  );
  return groups === undefined ? [timeLeftMs, wire] : [timeLeftMs, wire, groups];
}

/** UNDECODABLE when `body` is not an exec request; TOO_LARGE when it holds more operations than a node takes. */
export function decodeExec(body: unknown): Result<ExecRequest> {
  if (!(isWire(body, 2) || isWire(body, 3)) || !isAmount(body[0]) || !Array.isArray(body[1])) return notARequest;
  const groups = body.length === 3 ? readGroupNames(body[2]) : [];
  if (groups === undefined) return notARequest;
  const parts: FragmentOps[] = [];
  let ops = 0;
  for (const given of body[1] as Wire) {
    const part = readPart(given);
    if (part === undefined) return notARequest;
    ops += part.ops.length;
    if (ops > limits.nodeOps) return fail("TOO_LARGE", `one message may hold ${limits.nodeOps} operations`);
    if (part.group !== undefined && part.group >= groups.length) return notARequest;
    parts.push(part);
  }
  return ok(groups.length === 0 ? { timeLeftMs: body[0], parts } : { timeLeftMs: body[0], parts, groups });
}

export function encodeExecReply({ viewSeq, results }: ExecReply): unknown {
  return [viewSeq, results.map((part) => part.map(encodeResult))];
}

/** UNDECODABLE when `body` is not an exec reply. */
export function decodeExecReply(body: unknown): Result<ExecReply> {
  if (!Array.isArray(body)) return notAReply;
  const [viewSeq, given]: Wire = body;
  if (!areCounts(viewSeq) || !Array.isArray(given)) return notAReply;
  const results: (readonly OpResult[])[] = [];
  for (const part of given as Wire) {
    const read = readAll(part, readResult);
    if (read === undefined) return notAReply;
    results.push(read);
  }
  return ok({ viewSeq, results });
}

const notARequest = fail("UNDECODABLE", "the body is not an exec request, or says more than this version knows");
const notAReply = fail("UNDECODABLE", "the body is not an exec reply");

const opEncoders: Encoders<Op> = {
  get: ({ position, read }) => [opCode.get, position, encodeLevel(read)],
  write: ({ requestId, steps }) => [opCode.write, requestId, steps.map(encodeStep)],
  scan: (op) => [
    opCode.scan,
    op.from,
    op.to ?? null,
    op.reverse,
    op.limit,
    op.maxBytes,
    filterOut(op.filter),
    op.fields?.map(pathText) ?? null,
    encodeLevel(op.read),
  ],
  aggregate: (op) => [
    opCode.aggregate,
    op.from,
    op.to ?? null,
    filterOut(op.filter),
    op.groupBy.map(pathText),
    op.aggregates.map(encodeAggregate),
    encodeLevel(op.read),
  ],
  changes: (op) => [
    opCode.changes,
    op.afterLsn,
    op.afterSeq,
    op.waitMs,
    op.limit,
    filterOut(op.filter),
    ...(op.ended === undefined ? [] : [op.ended]),
  ],
};

function encodeOp(op: Op): Wire {
  const encode = opEncoders[op.op] as (op: Op) => Wire;
  return encode(op);
}

function encodeStep({ act, position, document, ifVersion }: WriteStep): Wire {
  const step = [acts.indexOf(act), position, document];
  return ifVersion === undefined ? step : [...step, ifVersion];
}

function encodeAggregate({ fn, field, as }: Aggregate): unknown {
  return field === undefined ? { fn, as } : { fn, field: pathText(field), as };
}

function encodeLevel(read: ReadLevel): unknown {
  return read.level === "bounded" ? [read.maxStaleMs] : levelCode[read.level];
}

function filterOut(filter: Filter | undefined): unknown {
  return filter === undefined ? null : encodeFilter(filter);
}

const resultEncoders: Encoders<OpResult> = {
  get: ({ row }) => (row === undefined ? [opCode.get] : [opCode.get, row.version, row.document]),
  write: ({ versions }) => [opCode.write, versions],
  scan: ({ rows, next }) => [
    opCode.scan,
    rows.map(({ position, version, document }) => [position, version, document]),
    next ?? null,
  ],
  aggregate: ({ groups, rowsSeen }) => [opCode.aggregate, groups, rowsSeen],
  changes: ({ changes, lastLsn, lastSeq }) => [
    opCode.changes,
    changes.map(({ lsn, position, version, document }) => [lsn, position, version, document ?? null]),
    lastLsn,
    lastSeq,
  ],
  fault: ({ fault: { code, message, detail } }) => [opCode.fault, code, message, detail ?? null],
};

function encodeResult(result: OpResult): Wire {
  const encode = resultEncoders[result.op] as (result: OpResult) => Wire;
  return encode(result);
}

// Readers give undefined for what is not in the form above.

function readPart(given: unknown): FragmentOps | undefined {
  if (!isWire(given, 3) && !isWire(given, 4)) return undefined;
  const [fragment, epoch, , group] = given;
  const ops = readAll(given[2], readOp);
  if (!isCount(fragment) || !isCount(epoch) || ops === undefined) return undefined;
  if (group === undefined) return { fragment, epoch, ops };
  return isCount(group) ? { fragment, epoch, ops, group } : undefined;
}

function readGroupNames(given: unknown): readonly string[] | undefined {
  return Array.isArray(given) && given.length <= limits.nodeOps && given.every(isGroup) ? given : undefined;
}

/** Most elements of an operation, by its code. */
const longestOps: readonly number[] = [3, 3, 9, 7, 7];
const longestStep = 4;

function readOp(given: unknown): Op | undefined {
  if (!Array.isArray(given)) return undefined;
  const wire: Wire = given;
  if (!isWithin(wire[0], 0, opCode.changes) || wire.length > (longestOps[wire[0]] ?? 0)) return undefined;
  switch (wire[0]) {
    case opCode.get:
      return readGet(wire);
    case opCode.write:
      return readWrite(wire);
    case opCode.scan:
      return readScan(wire);
    case opCode.aggregate:
      return readAggregate(wire);
    case opCode.changes:
      return readChanges(wire);
    default:
      return undefined;
  }
}

function readGet([, position, level]: Wire): Op | undefined {
  const read = readLevel(level);
  return isPosition(position) && read !== undefined ? { op: "get", position, read } : undefined;
}

function readWrite([, requestId, given]: Wire): Op | undefined {
  if (!isRequestId(requestId) || !Array.isArray(given) || given.length === 0 || given.length > limits.batchOps)
    return undefined;
  const steps = readAll(given, readStep);
  return steps === undefined ? undefined : { op: "write", requestId, steps };
}

function readStep(given: unknown): WriteStep | undefined {
  if (!Array.isArray(given) || given.length > longestStep) return undefined;
  const [code, position, document, ifVersion] = given as Wire;
  const act = isCount(code) ? acts[code] : undefined;
  if (act === undefined || !isPosition(position) || !isBytes(document, limits.documentBytes)) return undefined;
  if (ifVersion === undefined) return { act, position, document };
  return isCount(ifVersion) ? { act, position, document, ifVersion } : undefined;
}

function readScan([, from, to, reverse, limit, maxBytes, filter, fields, level]: Wire): Op | undefined {
  const range = readRange(from, to);
  const rest = readFiltered(filter, level);
  const paths = fields === null ? { paths: undefined } : readPaths(fields, limits.projectionFields);
  if (range === undefined || rest === undefined || paths === undefined) return undefined;
  if (typeof reverse !== "boolean" || !isWithin(limit, 1, limits.scanLimit)) return undefined;
  if (!isWithin(maxBytes, 1, limits.replyBytes)) return undefined;
  return { op: "scan", ...range, reverse, limit, maxBytes, fields: paths.paths, ...rest };
}

function readAggregate([, from, to, filter, groupBy, aggregates, level]: Wire): Op | undefined {
  const range = readRange(from, to);
  const rest = readFiltered(filter, level);
  const groups = readPaths(groupBy, limits.groupByFields);
  if (range === undefined || rest === undefined || groups === undefined) return undefined;
  if (!Array.isArray(aggregates) || aggregates.length > limits.aggregates) return undefined;
  const read = decodeAggregates(aggregates);
  return read.ok ? { op: "aggregate", ...range, groupBy: groups.paths, aggregates: read.value, ...rest } : undefined;
}

function readChanges([, afterLsn, afterSeq, waitMs, limit, given, ended]: Wire): Op | undefined {
  const filter = readFilter(given);
  if (filter === undefined || !isWithin(afterLsn, -1, Number.MAX_SAFE_INTEGER) || !isCount(afterSeq)) return undefined;
  if (!isAmount(waitMs) || waitMs > limits.watchWaitMs || !isWithin(limit, 1, limits.watchChanges)) return undefined;
  const op = { op: "changes", afterLsn, afterSeq, waitMs, limit, filter: filter.filter } as const;
  if (ended === undefined) return op;
  return Array.isArray(ended) && ended.length <= takenKept && ended.every(isCount) ? { ...op, ended } : undefined;
}

function readRange(from: unknown, to: unknown): { from: Position; to: Position | undefined } | undefined {
  if (!isPosition(from)) return undefined;
  if (to === null) return { from, to: undefined };
  return isPosition(to) ? { from, to } : undefined;
}

function readFiltered(given: unknown, level: unknown): { filter: Filter | undefined; read: ReadLevel } | undefined {
  const filter = readFilter(given);
  const read = readLevel(level);
  return filter === undefined || read === undefined ? undefined : { ...filter, read };
}

function readFilter(given: unknown): { filter: Filter | undefined } | undefined {
  if (given === null) return { filter: undefined };
  const filter = decodeFilter(given);
  return filter.ok ? { filter: filter.value } : undefined;
}

function readPaths(given: unknown, max: number): { paths: readonly FieldPath[] } | undefined {
  if (!Array.isArray(given) || given.length > max) return undefined;
  const paths = readAll(given, readPath);
  return paths === undefined ? undefined : { paths };
}

function readPath(given: unknown): FieldPath | undefined {
  const parsed = typeof given === "string" ? parsePath(given) : undefined;
  return parsed !== undefined && "path" in parsed ? parsed.path : undefined;
}

function readLevel(given: unknown): ReadLevel | undefined {
  if (given === levelCode.strong) return { level: "strong" };
  if (given === levelCode.any) return { level: "any" };
  return isWire(given, 1) && isAmount(given[0]) ? { level: "bounded", maxStaleMs: given[0] } : undefined;
}

function readResult(given: unknown): OpResult | undefined {
  if (!Array.isArray(given)) return undefined;
  const wire: Wire = given;
  switch (wire[0]) {
    case opCode.get:
      return readRow(wire);
    case opCode.write:
      return areCounts(wire[1]) ? { op: "write", versions: wire[1] } : undefined;
    case opCode.scan:
      return readRows(wire);
    case opCode.aggregate:
      return readGroups(wire);
    case opCode.changes:
      return readChanged(wire);
    case opCode.fault:
      return { op: "fault", fault: readFault(wire) };
    default:
      return undefined;
  }
}

function readRow(wire: Wire): OpResult | undefined {
  if (wire.length === 1) return { op: "get", row: undefined };
  const [, version, document] = wire;
  if (!isCount(version) || !isBytes(document, limits.documentBytes)) return undefined;
  return { op: "get", row: { version, document } };
}

function readRows([, given, next]: Wire): OpResult | undefined {
  const rows = readAll(given, readScanRow);
  if (rows === undefined) return undefined;
  if (next === null) return { op: "scan", rows, next: undefined };
  return isPosition(next) ? { op: "scan", rows, next } : undefined;
}

function readScanRow(given: unknown): ScanRow | undefined {
  if (!isWire(given, 3)) return undefined;
  const [position, version, document] = given;
  if (!isPosition(position) || !isCount(version) || !isBytes(document, limits.documentBytes)) return undefined;
  return { position, version, document };
}

function readGroups([, groups, rowsSeen]: Wire): OpResult | undefined {
  return isBytes(groups, limits.replyBytes) && isCount(rowsSeen) ? { op: "aggregate", groups, rowsSeen } : undefined;
}

function readChanged([, given, lastLsn, lastSeq]: Wire): OpResult | undefined {
  const changes = readAll(given, readChange);
  if (changes === undefined || !isCount(lastLsn) || !isCount(lastSeq)) return undefined;
  return { op: "changes", changes, lastLsn, lastSeq };
}

function readChange(given: unknown): Change | undefined {
  if (!isWire(given, 4)) return undefined;
  const [lsn, position, version, document] = given;
  if (!isCount(lsn) || !isPosition(position) || !isCount(version)) return undefined;
  if (document === null) return { lsn, position, version, document: undefined };
  return isBytes(document, limits.documentBytes) ? { lsn, position, version, document } : undefined;
}

/** A code of a newer version becomes INTERNAL: the caller then asks again rather than believe. */
function readFault([, code, message, detail]: Wire): Fault {
  return fault(
    isFaultCode(code) ? code : "INTERNAL",
    typeof message === "string" ? message : "the node gave no reason",
    readDetail(detail),
  );
}

function readDetail(given: unknown): Record<string, Detail> | undefined {
  if (typeof given !== "object" || given === null || Array.isArray(given)) return undefined;
  return Object.fromEntries(Object.entries(given).filter((entry): entry is [string, Detail] => isDetail(entry[1], 0)));
}

const detailDepth = 4;

function isDetail(given: unknown, depth: number): given is Detail {
  if (given === null || typeof given === "string" || typeof given === "number" || typeof given === "boolean")
    return true;
  return depth < detailDepth && Array.isArray(given) && given.every((inner) => isDetail(inner, depth + 1));
}

function readAll<T>(given: unknown, read: (element: unknown) => T | undefined): readonly T[] | undefined {
  if (!Array.isArray(given)) return undefined;
  const all: T[] = [];
  for (const element of given as Wire) {
    const one = read(element);
    if (one === undefined) return undefined;
    all.push(one);
  }
  return all;
}

function isWire(given: unknown, length: number): given is Wire {
  return Array.isArray(given) && given.length === length;
}

function isPosition(given: unknown): given is Position {
  return isBytes(given, positionBytesLimit);
}

function isBytes(given: unknown, max: number): given is Bytes {
  return given instanceof Uint8Array && given.length <= max;
}

function isCount(given: unknown): given is number {
  return isWithin(given, 0, Number.MAX_SAFE_INTEGER);
}

function areCounts(given: unknown): given is readonly number[] {
  return Array.isArray(given) && given.every(isCount);
}

function isWithin(given: unknown, min: number, max: number): given is number {
  return typeof given === "number" && Number.isSafeInteger(given) && given >= min && given <= max;
}

/** Milliseconds: zero or more, not necessarily whole. */
function isAmount(given: unknown): given is number {
  return typeof given === "number" && given >= 0 && given <= Number.MAX_SAFE_INTEGER;
}
