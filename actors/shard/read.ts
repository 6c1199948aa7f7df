// Reading. Owns which reads this replica may answer, and answering them in slices.
// D1 strong: only a serving primary under its lease that promised no successor silence (I7). The check and the read are one step.
// D2 bounded: a backup proves its age by asking the primary where it is, and reaching that point; the age counts from when it asked.
// D3 a scan looks at `limits.sliceRows` rows a step: each row is current at the time of its slice.
// D4 a primary whose row is missing lets the read wait until it is pulled: see `pull`.

import { limits } from "../../src/config/limits.js";
import { documentStart, positionOfRowKey, readRow, rowKey, rowRange } from "../../src/fragment/layout.js";
import { contains, covers } from "../../src/fragment/range.js";
import { isWhole } from "../../src/fragment/replica.js";
import { walk } from "../../src/fragment/store.js";
import { afterBytes, compareBytes } from "../../src/kernel/bytes.js";
import type { AskOutcome, Effect, Effects, ReplyTo } from "../../src/kernel/effect.js";
import { type Fault, fault } from "../../src/kernel/fault.js";
import type { Context } from "../../src/kernel/machine.js";
import { type OpResult, scanRowBytes } from "../../src/protocol/exec.js";
import type { PeerAnswer, PeerRequest } from "../../src/protocol/peer.js";
import { decodePeerAnswer } from "../../src/protocol/peer-codec.js";
import { partitionOfFragment, subjects } from "../../src/protocol/subjects.js";
import { addRow, createGroups, encodeGroups } from "../../src/query/aggregate.js";
import { FieldExtract, fieldsOf } from "../../src/query/extract.js";
import { matches } from "../../src/query/filter.js";
import { createProjection, projectBytes } from "../../src/query/projection.js";
import type { FieldPath, ReadLevel } from "../../src/query/query.js";
import type { Position, PositionRange } from "../../src/table/table.js";
import {
  answer,
  deadlinePassed,
  noLease,
  notPrimary,
  notWhole,
  refuse,
  refuseAll,
  tooStale,
  wrongFragment,
} from "./answer.js";
import { knownPart, lacks } from "./pull.js";
import { isSealing } from "./reshape.js";
import { noteAccess } from "./sample.js";
import type { Reader, ReadJob, ShardState, SliceJob } from "./state.js";

const waitingReadsLimit = limits.nodeOps;

type Permission = "now" | "wait" | Fault;
type Get = Extract<ReadJob["op"], { op: "get" }>;

/** Takes a read in: answers it, starts its slices, lets it wait, or refuses it. */
export function takeRead(state: ShardState, job: ReadJob, context: Context): Effects {
  const permission = mayRead(state, job.op.read, context.nowMs);
  if (permission === "now") return read(state, job, context);
  if (permission !== "wait") return [refuse(state, job.slot, permission)];
  const refused = queue(state, job);
  return refused ?? askFreshness(state, job.op.read, context);
}

/** Lets a read wait; gives its refusal when too many do. */
function queue(state: ShardState, job: ReadJob): Effects | undefined {
  if (state.reads.length >= waitingReadsLimit) {
    return [
      refuse(
        state,
        job.slot,
        fault("OVERLOADED", "too many reads wait for this fragment; try again later", { retryAfterMs: 100 }),
      ),
    ];
  }
  state.reads.push(job);
  return undefined;
}

/** Whether this replica may say now what its rows are. */
export function mayRead(state: ShardState, level: ReadLevel, nowMs: number): Permission {
  const { mode } = state;
  if (level.level === "any" && mode.kind !== "serving") return isWhole(state.replica) ? "now" : notWhole(state);
  if (level.level === "any") return "now";
  const leaseUntilMs = leaseOf(state);
  if (isSealing(state) && (mode.kind === "serving" || level.level === "strong")) return wrongFragment(state);
  if (mode.kind === "serving") {
    if (state.promisedEpoch > mode.epoch) return notPrimary(state);
    if (nowMs < leaseUntilMs) return "now";
    return level.level === "bounded" && nowMs - leaseUntilMs <= level.maxStaleMs ? "now" : noLease();
  }
  if (mode.kind === "opening") return "wait";
  if (level.level === "strong") return notPrimary(state);
  if (!isWhole(state.replica)) return notWhole(state);
  return nowMs - state.freshAtMs <= level.maxStaleMs ? "now" : "wait";
}

function leaseOf(state: ShardState): number {
  return state.wiring.board.leaseUntilMs[partitionOfFragment(state.config.fragment)] ?? Number.NEGATIVE_INFINITY;
}

function read(state: ShardState, job: ReadJob, context: Context): Effects {
  return job.op.op === "get" ? get(state, job, job.op) : startSlices(state, job, job.op, context);
}

function get(state: ShardState, job: ReadJob, op: Get): Effects {
  const result = rowAt(state, op.position);
  if (result !== undefined) return [answer(state, job.slot, result)];
  state.pulls.wanted = true;
  return queue(state, job) ?? [];
}

/**
 * Gets are most of what comes: one that needs no waiting is answered in the node's own step (D1 holds: the check and the read are one step still). Not by a shard
 * that threw in the middle of a step, nor by one that was taken over.
 */
export function readerOf(state: ShardState): Reader {
  return (op, nowMs) => {
    const { fragment, node } = state.config;
    if (state.stepping || state.wiring.board.gone.has(fragment)) return undefined;
    if (mayRead(state, op.read, nowMs) !== "now") return undefined;
    const result = rowAt(state, op.position);
    if (result !== undefined && state.assignment.primary === node) noteAccess(state, op, nowMs);
    return result;
  };
}

/** Undefined: the row is missing here, and has to be pulled (D4). */
function rowAt(state: ShardState, position: Position): OpResult | undefined {
  const { replica, wiring } = state;
  if (!contains(replica.range, position)) return { op: "fault", fault: wrongFragment(state) };
  if (lacks(state, position)) return undefined;
  const value = wiring.store.get(rowKey(replica.shelf, position));
  return { op: "get", row: value === undefined ? undefined : readRow(value) };
}

function startSlices(state: ShardState, job: ReadJob, op: SliceJob["op"], context: Context): Effects {
  if (!covers(state.replica.range, op)) return [refuse(state, job.slot, wrongFragment(state))];
  const slices: SliceJob = {
    slot: job.slot,
    deadlineAtMs: job.deadlineAtMs,
    op,
    from: op.from,
    to: op.to,
    rows: [],
    bytes: 0,
    groups: op.op === "aggregate" ? createGroups(op.groupBy, op.aggregates) : undefined,
    extract: new FieldExtract(fieldsAsked(op)),
    rowsSeen: 0,
  };
  const id = state.nextSlice++;
  state.slices.set(id, slices);
  return onSlice(state, id, context);
}

/** What of a document decides whether a row counts, and what it counts for. */
function fieldsAsked(op: SliceJob["op"]): readonly FieldPath[] {
  const filtered = op.filter === undefined ? [] : fieldsOf(op.filter);
  if (op.op === "scan") return filtered;
  return [...filtered, ...op.groupBy, ...op.aggregates.flatMap(({ field }) => (field === undefined ? [] : [field]))];
}

/** The next slice of a scan or aggregate. */
export function onSlice(state: ShardState, id: number, context: Context): Effects {
  const job = state.slices.get(id);
  if (job === undefined) return [];
  const permission = job.deadlineAtMs <= context.nowMs ? deadlinePassed() : mayRead(state, job.op.read, context.nowMs);
  if (permission !== "now" && permission !== "wait") return end(state, id, [refuse(state, job.slot, permission)]);
  // Waiting in the middle of a scan would hold rows of before and after a change of primary together: start over elsewhere.
  if (permission === "wait") return end(state, id, [refuse(state, job.slot, noLease())]);
  // The fragment was split meanwhile: what is left of the range is not all here any more.
  if (!covers(state.replica.range, job)) return end(state, id, [refuse(state, job.slot, wrongFragment(state))]);
  const part = knownPart(state, job);
  if (part === undefined) {
    state.pulls.slices.add(id);
    state.pulls.wanted = true;
    return [];
  }
  const ended = job.op.op === "scan" ? scanSlice(state, job, job.op, part) : aggregateSlice(state, job, part);
  if (ended === undefined) return [{ kind: "tell", to: state.config.self, message: { kind: "slice", id } }];
  return end(state, id, [ended]);
}

function end(state: ShardState, id: number, effects: Effects): Effects {
  state.slices.delete(id);
  return effects;
}

function scanSlice(
  state: ShardState,
  job: SliceJob,
  op: Extract<ReadJob["op"], { op: "scan" }>,
  part: PositionRange,
): Effect | undefined {
  const projection = op.fields === undefined ? undefined : createProjection(op.fields);
  // What is left of few rows, or of parts of them, is copied: it must not hold the memory of all (S3 of the store).
  const keepsAll = projection === undefined && op.filter === undefined;
  const { from, to } = rowRange(state.replica.shelf, part);
  let looked = 0;
  let lookedBytes = 0;
  for (const { key, value } of state.wiring.store.range(from, to, op.reverse)) {
    const { version, document } = readRow(value);
    let isFull = false;
    if (op.filter === undefined || matches(op.filter, job.extract.from(document))) {
      const position = positionOfRowKey(key);
      const kept = projection === undefined ? document : projectBytes(projection, document);
      const row = keepsAll
        ? { position, version, document }
        : { position: new Uint8Array(position), version, document: new Uint8Array(kept) };
      job.rows.push(row);
      job.bytes += scanRowBytes(row);
      isFull = job.rows.length >= op.limit || job.bytes >= op.maxBytes;
    }
    looked++;
    lookedBytes += value.length;
    if (!isFull && looked < limits.sliceRows && lookedBytes < limits.sliceBytes) continue;
    // Where it goes on is wanted once a slice, not for each row.
    if (op.reverse) job.to = positionOfRowKey(key).slice();
    else job.from = afterBytes(positionOfRowKey(key));
    return isFull ? scanned(state, job, op.reverse ? job.to : job.from) : undefined;
  }
  return goOnBehind(job, part) ? undefined : scanned(state, job, undefined);
}

/** True when rows that are missing follow: the next slice begins with them. */
function goOnBehind(job: SliceJob, part: PositionRange): boolean {
  const before = job.op.op === "scan" && job.op.reverse && compareBytes(part.from, job.from) > 0;
  const after = part.to !== undefined && (job.to === undefined || compareBytes(part.to, job.to) < 0);
  if (before) job.to = part.from;
  else if (after && part.to !== undefined) job.from = part.to;
  return before || after;
}

function scanned(state: ShardState, job: SliceJob, next: Uint8Array | undefined): Effect {
  return answer(state, job.slot, { op: "scan", rows: job.rows, next });
}

function aggregateSlice(state: ShardState, job: SliceJob, part: PositionRange): Effect | undefined {
  const { groups, op } = job;
  if (groups === undefined || op.op !== "aggregate")
    return refuse(state, job.slot, fault("INTERNAL", "an aggregate without groups"));
  const { from, to } = rowRange(state.replica.shelf, part);
  const slice: { looked: number; fault: Fault | undefined } = { looked: 0, fault: undefined };
  walk(state.wiring.store, from, to, (entry, keyLength) => {
    job.rowsSeen++;
    const document = job.extract.from(entry, keyLength + documentStart);
    if (op.filter === undefined || matches(op.filter, document)) {
      const added = addRow(groups, document);
      if (!added.ok) slice.fault = added.fault;
    }
    if (++slice.looked < limits.sliceRows) return slice.fault === undefined;
    // Where the next slice begins is wanted once a slice, not for each row.
    job.from = afterBytes(positionOfRowKey(entry.subarray(0, keyLength)));
    return false;
  });
  if (slice.fault !== undefined) return refuse(state, job.slot, slice.fault);
  if (slice.looked >= limits.sliceRows) return undefined;
  if (goOnBehind(job, part)) return undefined;
  return answer(state, job.slot, { op: "aggregate", groups: encodeGroups(groups), rowsSeen: job.rowsSeen });
}

/** Reads that waited are looked at again: the primary opened, or freshness was proved. */
export function resumeReads(state: ShardState): Effects {
  if (state.reads.length === 0) return [];
  return [{ kind: "tell", to: state.config.self, message: { kind: "resume" } }];
}

export function onResume(state: ShardState, context: Context): Effects {
  const reads = state.reads;
  state.reads = [];
  return reads.flatMap((job) =>
    job.deadlineAtMs <= context.nowMs ? [refuse(state, job.slot, deadlinePassed())] : takeRead(state, job, context),
  );
}

/** One question to the primary at a time; every read that waits shares the answer. */
function askFreshness(state: ShardState, level: ReadLevel, context: Context): Effects {
  if (level.level !== "bounded" || state.mode.kind === "opening") return [];
  if (state.freshAsk !== undefined || state.freshTarget !== undefined) return [];
  const ticket = state.tickets.next();
  state.freshAsk = { ticket, askedAtMs: context.nowMs };
  const body: PeerRequest = { kind: "fresh", fragment: state.config.fragment };
  const timeoutMs = Math.max(50, Math.min(state.config.timing.askTimeoutMs, level.maxStaleMs));
  return [{ kind: "ask", subject: subjects.peer(state.assignment.primary), body, timeoutMs, ticket }];
}

export function onFreshAnswer(state: ShardState, outcome: AskOutcome): Effects {
  const ask = state.freshAsk;
  state.freshAsk = undefined;
  if (ask === undefined) return [];
  const answered = outcome.kind === "answer" ? decodePeerAnswer(outcome.body) : undefined;
  if (answered === undefined || !answered.ok || !("freshLsn" in answered.value)) return refuseStale(state);
  state.freshTarget = { lsn: answered.value.freshLsn, askedAtMs: ask.askedAtMs };
  return proveFreshness(state);
}

/** Fresh as of the asking once everything the primary had then is applied. */
export function proveFreshness(state: ShardState): Effects {
  const target = state.freshTarget;
  if (target === undefined || state.replica.lsn < target.lsn) return [];
  state.freshTarget = undefined;
  state.freshAtMs = Math.max(state.freshAtMs, target.askedAtMs);
  return resumeReads(state);
}

/** Without proof the waiting bounded reads are sent to the primary. */
export function refuseStale(state: ShardState): Effects {
  const jobs = state.reads.filter((job) => job.op.read.level === "bounded");
  if (state.mode.kind === "opening" || jobs.length === 0) return [];
  state.reads = state.reads.filter((job) => job.op.read.level !== "bounded");
  const bound = Math.min(...jobs.map(({ op }) => (op.read.level === "bounded" ? op.read.maxStaleMs : 0)));
  return refuseAll(state, jobs, tooStale(bound));
}

/** The primary's side of D2. */
export function onFreshRequest(state: ShardState, from: ReplyTo, context: Context): Effects {
  const strong =
    state.mode.kind === "serving" &&
    state.promisedEpoch <= state.mode.epoch &&
    context.nowMs < leaseOf(state) &&
    !isSealing(state);
  const body: PeerAnswer = strong ? { freshLsn: state.replica.lsn } : { fault: noLease() };
  return [{ kind: "reply", to: from, body }];
}

export function expireReads(state: ShardState, nowMs: number): Effects {
  const late = state.reads.filter((job) => job.deadlineAtMs <= nowMs);
  state.reads = state.reads.filter((job) => job.deadlineAtMs > nowMs);
  return refuseAll(state, late, deadlinePassed());
}
