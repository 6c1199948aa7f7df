// Writing. Owns the group commit of a primary: everything that arrived while the last record was on its way becomes the next one.
// W1 one record in flight; the next is decided only on what the log has acknowledged.
// W2 answers leave when their record is stored (I1), whatever mode the shard is in by then. W3 a record that another overtook was not stored, and its requests
//    are answered NOT_PRIMARY (they may be tried again elsewhere with the same request id).
// W4 a refusal without a record in the same batch leaves only where a strong read may: a deposed primary would refuse on old rows.
// W5 a write of a sparse replica waits for the rows that it touches, and so does a later one of the same rows: writes of one row keep their order.

import { limits } from "../../src/config/limits.js";
import { createBatch } from "../../src/fragment/batch.js";
import { contains } from "../../src/fragment/range.js";
import { encodeRecord, type FragmentRecord } from "../../src/fragment/record.js";
import { isSparse, judge, latin1 } from "../../src/fragment/replica.js";
import type { AppendResult } from "../../src/kernel/appender.js";
import type { Effect, Effects } from "../../src/kernel/effect.js";
import { type Fault, type FaultCode, fault } from "../../src/kernel/fault.js";
import type { Context } from "../../src/kernel/machine.js";
import { checkPosition } from "../../src/table/key.js";
import { deadlinePassed, noLease, notPrimary, refuse, refuseAll, report, wrongFragment } from "./answer.js";
import { apply, incident, nextStampMs, publishStatus, readRecord } from "./apply.js";
import { fallBehind } from "./follow.js";
import { onMarkerOvertaken, open, openTimer, submitMark } from "./open.js";
import { lacksAny } from "./pull.js";
import { mayRead, resumeReads } from "./read.js";
import { isReady, nextMark, prepare } from "./reshape.js";
import type { Done, Flight, ShardState, WriteJob } from "./state.js";
import { endComparison, startComparison } from "./verify.js";

const queuedBytesLimit = 32 * 1024 * 1024;
const queuedJobsLimit = limits.nodeOps;

/** Takes a write in, or refuses it at once. */
export function takeWrite(state: ShardState, job: WriteJob, context: Context): Effects {
  if (state.mode.kind !== "serving" && state.mode.kind !== "opening")
    return [refuse(state, job.slot, notPrimary(state))];
  if (state.logFull) return [refuse(state, job.slot, logIsFull(state))];
  const misplaced = job.op.steps.find((step) => !contains(state.replica.range, step.position));
  if (misplaced !== undefined) return onMisplaced(state, job, context);
  for (const step of job.op.steps) {
    const key = checkPosition(state.config.table, step.position, state.wiring.hash);
    if (!key.ok) return [refuse(state, job.slot, key.fault)];
  }
  if (state.writes.length >= queuedJobsLimit || state.writeBytes + job.bytes > queuedBytesLimit) {
    return [
      refuse(
        state,
        job.slot,
        fault("OVERLOADED", "the fragment's queue of writes is full; try again later", { retryAfterMs: 100 }),
      ),
    ];
  }
  state.writes.push(job);
  state.writeBytes += job.bytes;
  return [];
}

/** Keys that are another fragment's now. An earlier try may have been carried out before the split: then its answer is remembered here too. */
function onMisplaced(state: ShardState, job: WriteJob, context: Context): Effects {
  if (state.mode.kind === "serving" && mayRead(state, { level: "strong" }, context.nowMs) === "now") {
    const again = createBatch(state.replica, state.wiring.store, state.window).recall(job.op);
    if (again !== undefined) return [report(state, [{ slot: job.slot, result: again }])];
    return [refuse(state, job.slot, wrongFragment(state, true))];
  }
  return [refuse(state, job.slot, wrongFragment(state))];
}

/** Starts the next record when nothing is in flight. */
export function pump(state: ShardState, context: Context): Effects {
  if (state.mode.kind !== "serving" || state.flight !== undefined) return [];
  if (state.wantVerify) return verify(state, state.mode.epoch, context);
  const mark = nextMark(state, state.mode.epoch, context);
  if (mark !== undefined) return mark;
  if (state.writes.length === 0) return state.wantCheckpoint ? checkpoint(state, state.mode.epoch, context) : [];
  return gather(state, state.mode.epoch, context);
}

function checkpoint(state: ShardState, epoch: number, context: Context): Effects {
  state.wantCheckpoint = false;
  return submitMark(state, "checkpoint", epoch, state.replica.seq, context);
}

/** Goes before the writes that wait: under constant load there would never be a better time. */
function verify(state: ShardState, epoch: number, context: Context): Effects {
  state.wantVerify = false;
  return submitMark(state, "verify", epoch, state.replica.seq, context);
}

function gather(state: ShardState, epoch: number, context: Context): Effects {
  const batch = createBatch(state.replica, state.wiring.store, state.window);
  const answers: Done[] = [];
  const jobs: WriteJob[] = [];
  const waiting = createWaiting(state);
  let taken = 0;
  for (const job of state.writes) {
    taken++;
    if (job.deadlineAtMs > context.nowMs && waiting.takes(job)) continue;
    const result =
      job.deadlineAtMs <= context.nowMs ? ({ op: "fault", fault: deadlinePassed() } as const) : batch.add(job.op);
    if (result === "full") {
      taken--;
      break;
    }
    answers.push({ slot: job.slot, result });
    jobs.push(job);
    state.writeBytes -= job.bytes;
  }
  state.writes = [...waiting.jobs, ...state.writes.slice(taken)];
  if (answers.length === 0) return [];
  // Nothing to log: only repeated, refused or late requests. What they rest on is in the log already.
  if (batch.changes.length === 0) return [report(state, unfenced(state, answers, context)), ...pump(state, context)];
  return send(state, epoch, context, batch, answers, jobs);
}

/** Keeps what waits for rows (W5). */
function createWaiting(state: ShardState): { readonly jobs: WriteJob[]; takes(job: WriteJob): boolean } {
  const jobs: WriteJob[] = [];
  if (!isSparse(state.replica)) return { jobs, takes: () => false };
  const positions = new Set<string>();
  return {
    jobs,
    takes(job) {
      const names = job.op.steps.map(({ position }) => latin1.decode(position));
      if (!names.some((name) => positions.has(name)) && !lacksAny(state, job)) return false;
      for (const name of names) positions.add(name);
      jobs.push(job);
      state.pulls.wanted = true;
      return true;
    },
  };
}

/** No append stands behind these answers: a refusal tells what a row is, so it needs what a strong read needs (W4). */
function unfenced(state: ShardState, answers: Done[], context: Context): Done[] {
  const permission = mayRead(state, { level: "strong" }, context.nowMs);
  if (permission === "now") return answers;
  const why = permission === "wait" ? noLease() : permission;
  return answers.map((one) =>
    one.result.op === "fault" && tellsOfRow(one.result.fault.code)
      ? { ...one, result: { op: "fault", fault: why } }
      : one,
  );
}

function tellsOfRow(code: FaultCode): boolean {
  return code === "CONFLICT" || code === "EXISTS" || code === "NOT_FOUND";
}

function send(
  state: ShardState,
  epoch: number,
  context: Context,
  batch: Pick<FragmentRecord, "requests" | "changes" | "rowsDelta" | "bytesDelta">,
  answers: Done[],
  jobs: WriteJob[],
): Effects {
  const body = {
    kind: "data" as const,
    fragment: state.config.fragment,
    epoch,
    lsn: state.replica.lsn + 1,
    stampMs: nextStampMs(state, context),
    writer: state.config.writer,
    previousHash: state.replica.hash,
    rowsDelta: batch.rowsDelta,
    bytesDelta: batch.bytesDelta,
    requests: batch.requests,
    changes: batch.changes,
  };
  const encoded = encodeRecord(body, state.wiring.hash);
  const flight: Flight = { record: { ...body, hash: encoded.hash }, bytes: encoded.bytes, answers, jobs };
  state.flight = flight;
  return state.appender.submit(encoded.bytes, state.replica.seq);
}

/** What became of the record in flight. */
export function onFlightDone(state: ShardState, result: AppendResult, context: Context): Effects {
  const { flight } = state;
  if (flight === undefined) return [];
  state.flight = undefined;
  state.logFull = false;
  switch (result.kind) {
    case "stored":
      return onStored(state, flight, result.seq);
    case "overtaken":
      return onOvertaken(state, flight, result, context);
    case "regressed":
    case "gone":
      return reopen(state, flight);
  }
}

function onStored(state: ShardState, flight: Flight, seq: number): Effects {
  const { record } = flight;
  const effects: Effect[] = [];
  // It may have come back through the tail before the acknowledgement.
  if (judge(state.replica, record) === "apply") {
    // What it was to take over here is not there any more: it is found out like any other record of the log.
    if (isReady(state, record) !== "yes") return reopen(state, flight);
    effects.push(...apply(state, record, seq));
  }
  if (flight.answers.length > 0) effects.push(report(state, flight.answers));
  const { mode } = state;
  if (mode.kind === "opening" && record.epoch === mode.epoch) effects.push(...startServing(state, record));
  if (mode.kind === "serving" && record.kind === "verify") effects.push(...startComparison(state));
  // The next record is decided on the rows as this one left them, and a commit shows from the next step on (S1).
  effects.push({ kind: "tell", to: state.config.self, message: { kind: "pump" } });
  return effects;
}

function startServing(state: ShardState, marker: FragmentRecord): Effects {
  state.mode = { kind: "serving", epoch: marker.epoch, markerLsn: marker.lsn };
  state.survey = undefined;
  publishStatus(state);
  return [{ kind: "unwake", name: openTimer }, ...resumeReads(state), ...prepare(state)];
}

function onOvertaken(
  state: ShardState,
  flight: Flight,
  result: Extract<AppendResult, { kind: "overtaken" }>,
  context: Context,
): Effects {
  const other = readRecord(state, result.by);
  // The record may stem from an earlier office: only one above the present office ends it.
  const { mode } = state;
  const epoch = mode.kind === "serving" || mode.kind === "opening" ? mode.epoch : flight.record.epoch;
  if (other !== undefined && other.epoch > epoch) return stepDown(state, flight);
  if (mode.kind === "opening") {
    const behindIt = onMarkerOvertaken(state, mode, result.by, context);
    if (behindIt !== undefined) return behindIt;
  }
  // A record that no replica will ever apply (an old append that landed late, behind a rebase; one of an older epoch): the chain goes on after it.
  if (other !== undefined && state.mode.kind === "serving" && isForeign(state, other)) {
    state.replica.seq = result.by.seq;
    return requeue(state, flight, context);
  }
  return reopen(state, flight);
}

function isForeign(state: ShardState, other: FragmentRecord): boolean {
  const verdict = judge(state.replica, other);
  return verdict === "staleEpoch" || (verdict === "old" && other.lsn < state.replica.lsn);
}

/** Somebody else is primary: the requests of this record were not carried out here. */
function stepDown(state: ShardState, flight: Flight): Effects {
  const refused = refuseAll(state, flight.jobs, notPrimary(state));
  return state.mode.kind === "serving" || state.mode.kind === "opening" ? [...refused, ...leaveOffice(state)] : refused;
}

/** Stops serving; a record in flight is waited for (W2). */
export function leaveOffice(state: ShardState): Effects {
  const jobs = [...state.writes, ...state.reads];
  state.writes = [];
  state.writeBytes = 0;
  state.reads = [];
  const ended = endComparison(state);
  return [
    ...ended,
    { kind: "unwake", name: openTimer },
    ...refuseAll(state, jobs, notPrimary(state)),
    ...fallBehind(state),
  ];
}

/** The log is not what this primary knew: find out, and carry the requests out afterwards. */
function reopen(state: ShardState, flight: Flight): Effects {
  takeBack(state, flight);
  if (state.mode.kind !== "serving" && state.mode.kind !== "opening") {
    const jobs = state.writes;
    state.writes = [];
    state.writeBytes = 0;
    return refuseAll(state, jobs, notPrimary(state));
  }
  if (state.mode.kind === "serving")
    incident(
      state,
      "logRegressed",
      "noticed",
      `${state.log.stream} lost records under its primary ${state.config.node}; looking at the replicas`,
    );
  return open(state);
}

function requeue(state: ShardState, flight: Flight, context: Context): Effects {
  takeBack(state, flight);
  return pump(state, context);
}

function takeBack(state: ShardState, flight: Flight): void {
  state.writes = [...flight.jobs, ...state.writes];
  for (const job of flight.jobs) state.writeBytes += job.bytes;
}

/** The record in flight waits for room (its outcome is open until the log has it or refuses it); what is queued behind it is refused. */
export function onLogFull(state: ShardState): Effects {
  state.logFull = true;
  const queued = state.writes;
  state.writes = [];
  state.writeBytes = 0;
  return refuseAll(state, queued, logIsFull(state));
}

function logIsFull(state: ShardState): Fault {
  const note = `${state.log.stream} is at its limit or the disk of its server is full; make room on the NATS servers, then try again`;
  return fault("LOG_FULL", note, { retryAfterMs: 1000 });
}

/** Writes that waited too long for the fragment to open. */
export function expireWrites(state: ShardState, nowMs: number): Effects {
  const late = state.writes.filter((job) => job.deadlineAtMs <= nowMs);
  if (late.length === 0) return [];
  state.writes = state.writes.filter((job) => job.deadlineAtMs > nowMs);
  for (const job of late) state.writeBytes -= job.bytes;
  return refuseAll(state, late, deadlinePassed());
}
