// Pulling. Owns how a sparse replica comes by the rows that it lacks: those that somebody waits for at once, many in one question; the rest in the background.
// PU1 what waits stays in the queues of reads, writes and scans, which are bounded; a question is made of what they need when it is sent.
// PU2 an answer is taken only from a source of the same history, no further ahead of a serving primary than the record in flight.
// PU3 a row that cannot be had is never taken for absent: who waits for it is told UNAVAILABLE once no source has answered for `patienceMs`.

import { limits } from "../../src/config/limits.js";
import { markKey } from "../../src/fragment/layout.js";
import {
  adjustPace,
  type CopyBounds,
  chunkBytesOf,
  costBytes,
  createPace,
  spend,
  waitMs,
} from "../../src/fragment/pace.js";
import { intersect } from "../../src/fragment/range.js";
import { bookkeeping, isSettled, isSparse, latin1 } from "../../src/fragment/replica.js";
import { around, isMissing, mergePulled, missingRanges, nextMissing, type Pulled } from "../../src/fragment/sparse.js";
import { compareBytes, sameBytes } from "../../src/kernel/bytes.js";
import type { AskOutcome, Effect, Effects, Ticket } from "../../src/kernel/effect.js";
import { type Fault, fault } from "../../src/kernel/fault.js";
import type { Context } from "../../src/kernel/machine.js";
import type { PeerRequest, PulledRows, PullRange } from "../../src/protocol/peer.js";
import { decodePeerAnswer } from "../../src/protocol/peer-codec.js";
import { type NodeId, subjects } from "../../src/protocol/subjects.js";
import type { Position, PositionRange } from "../../src/table/table.js";
import { refuse, refuseAll } from "./answer.js";
import { publishStatus } from "./apply.js";
import { armLateness, latenessOf } from "./lateness.js";
import { pullDigest, rangeOf } from "./source.js";
import type { PullRun, Pulls, ShardState, SliceJob, WriteJob } from "./state.js";

export const pullTimer = "pull";
export const pullRetryTimer = "pull/retry";
/** Of rows that somebody waits for; the background has the size and the pace of copies. */
const demandBytes = 256 * 1024;
const retryMs = 50;
const patienceMs = 1000;
/** The role is likely to come first: it is what the source wants to be rid of. */
const backupDelayMs = 500;
const demandAtOnce = 2;
const scansAtOnce = 4;

export function createPulls(bounds: CopyBounds): Pulls {
  return {
    pace: createPace(bounds, 0),
    ...{ runs: new Map(), slices: new Set(), wanted: false, turn: 0, failingSinceMs: undefined, why: "" },
    ...{ backgroundArmed: false, retryArmed: false, rows: 0, bytes: 0, startedAtMs: 0 },
  };
}

/** What is under way belongs to a replica that is no more. */
export function forgetPulls({ pulls }: ShardState): void {
  pulls.runs.clear();
  pulls.failingSinceMs = undefined;
  Object.assign(pulls, { rows: 0, bytes: 0, startedAtMs: 0 });
}

/** Whether this replica does not know what is at `position`. */
export function lacks({ replica, wiring }: ShardState, position: Position): boolean {
  return (
    isSparse(replica) &&
    isMissing(replica.missing, position) &&
    wiring.store.get(markKey(replica.shelf, position)) === undefined
  );
}

export function lacksAny(state: ShardState, { op }: WriteJob): boolean {
  return isSparse(state.replica) && op.steps.some(({ position }) => lacks(state, position));
}

/** What a slice may read now of what it has left; undefined: it begins with rows that are missing. */
export function knownPart({ replica }: ShardState, job: SliceJob): PositionRange | undefined {
  const left = { from: job.from, to: job.to };
  const reverse = job.op.op === "scan" && job.op.reverse;
  const gap = isSparse(replica) ? nextMissing(replica.missing, left, reverse) : undefined;
  if (gap === undefined) return left;
  if (reverse) {
    const atEnd = gap.to === undefined || (job.to !== undefined && sameBytes(gap.to, job.to));
    return atEnd ? undefined : { from: gap.to, to: job.to };
  }
  return compareBytes(gap.from, job.from) <= 0 ? undefined : { from: job.from, to: gap.from };
}

/** At the end of each step: asks for what began to be waited for, and keeps the background going. */
export function pullOn(state: ShardState): Effects {
  const { pulls, replica } = state;
  if (!isSparse(replica) || !isSettled(replica)) return [];
  const effects = armBackground(state);
  if (!pulls.wanted || pulls.retryArmed) return effects;
  pulls.wanted = false;
  return [...effects, ...pullPositions(state), ...pullForScans(state)];
}

function armBackground(state: ShardState): Effects {
  const { pulls, mode } = state;
  const runs = [...pulls.runs.values()].some(({ background }) => background);
  if (pulls.backgroundArmed || runs || mode.kind === "behind") return [];
  pulls.backgroundArmed = true;
  return [{ kind: "wake", name: pullTimer, afterMs: mode.kind === "following" ? backupDelayMs : 1 }];
}

/** The next chunk of the background: always the first rows that are missing. */
export function onPullTimer(state: ShardState): Effects {
  const { pulls, replica } = state;
  pulls.backgroundArmed = false;
  const [first] = replica.missing;
  if (first === undefined || !isSettled(replica)) return [];
  const range = { from: first.from, to: first.to ?? null, reverse: false };
  return send(state, { positions: [], range, slice: 0, background: true });
}

export function onPullRetry(state: ShardState): Effects {
  state.pulls.retryArmed = false;
  state.pulls.wanted = true;
  return [];
}

function pullPositions(state: ShardState): Effects {
  const effects: Effect[] = [];
  const asked = new Set<string>();
  let under = 0;
  for (const run of state.pulls.runs.values()) {
    if (run.positions.length > 0) under++;
    for (const position of run.positions) asked.add(latin1.decode(position));
  }
  for (; under < demandAtOnce; under++) {
    const positions = lackedBy(state, asked);
    if (positions.length === 0) break;
    effects.push(...send(state, { positions, range: undefined, slice: 0, background: false }));
  }
  return effects;
}

/** Positions that queued reads and writes need and nobody asked for yet; enters them into `asked`. */
function lackedBy(state: ShardState, asked: Set<string>): Position[] {
  const positions: Position[] = [];
  const look = (position: Position): void => {
    if (positions.length >= limits.pullPositions || !lacks(state, position)) return;
    const name = latin1.decode(position);
    if (asked.has(name)) return;
    asked.add(name);
    positions.push(position);
  };
  if (state.mode.kind !== "serving") return positions;
  for (const { op } of state.reads) if (op.op === "get") look(op.position);
  for (const { op } of state.writes) for (const { position } of op.steps) look(position);
  return positions;
}

function pullForScans(state: ShardState): Effects {
  const { pulls, slices, replica } = state;
  const effects: Effect[] = [];
  const served = new Set([...pulls.runs.values()].map(({ slice }) => slice));
  let under = [...served].filter((id) => id !== 0).length;
  for (const id of pulls.slices) {
    const job = slices.get(id);
    if (job === undefined || served.has(id)) continue;
    if (under >= scansAtOnce) break;
    const reverse = job.op.op === "scan" && job.op.reverse;
    const part = nextMissing(replica.missing, { from: job.from, to: job.to }, reverse);
    if (part === undefined) continue;
    const range = rangeFor(state, part, reverse, under);
    effects.push(...send(state, { positions: [], range, slice: id, background: false }));
    under++;
  }
  return effects;
}

/** From where the scan stands; from the edge of what is missing there when that would leave too many pieces (SP4). */
function rangeFor({ replica }: ShardState, part: PositionRange, reverse: boolean, under: number): PullRange {
  const whole = replica.missing.length + under >= missingRanges ? around(replica.missing, part) : part;
  return { from: reverse ? part.from : whole.from, to: (reverse ? whole.to : part.to) ?? null, reverse };
}

function send(state: ShardState, what: Omit<PullRun, "source">): Effects {
  const { pulls, config, replica, tickets } = state;
  const source = sourceOf(state);
  if (source === undefined) return failed(state, what.background, "no other replica is up");
  if (pulls.startedAtMs === 0) pulls.startedAtMs = state.stepAtMs;
  const ticket = tickets.next();
  pulls.runs.set(ticket, { ...what, source });
  const body: PeerRequest = {
    kind: "pull",
    fragment: config.fragment,
    baseLsn: replica.baseLsn,
    positions: what.positions,
    range: what.range ?? null,
    maxBytes: what.background ? chunkBytesOf(pulls.pace) : demandBytes,
  };
  const timeoutMs = config.timing.askTimeoutMs / 2;
  return [{ kind: "ask", subject: subjects.peer(source), body, timeoutMs, ticket }, ...armLateness(state)];
}

function sourceOf({ assignment, pulls }: ShardState): NodeId | undefined {
  const named = (assignment.sparse?.sources ?? []).filter((node) => assignment.livePeers.includes(node));
  const sources = [...new Set([...named, ...assignment.livePeers])];
  return sources[pulls.turn % Math.max(1, sources.length)];
}

/** Undefined when the ticket is none of a pull's. */
export function onPullAnswer(
  state: ShardState,
  ticket: Ticket,
  outcome: AskOutcome,
  context: Context,
): Effects | undefined {
  const run = state.pulls.runs.get(ticket);
  if (run === undefined) return undefined;
  state.pulls.runs.delete(ticket);
  const answer = outcome.kind === "answer" ? decodePeerAnswer(outcome.body) : undefined;
  if (answer === undefined) return failed(state, run.background, `${run.source} does not answer`);
  if (!answer.ok) return failed(state, run.background, answer.fault.message);
  if ("fault" in answer.value) return failed(state, run.background, `${run.source}: ${answer.value.fault.message}`);
  if (!("pulled" in answer.value)) return failed(state, run.background, `${run.source} gave an answer of another kind`);
  const { pulled } = answer.value;
  const mistake = mistakeIn(state, run, pulled);
  if (mistake !== undefined) return failed(state, run.background, `${run.source} ${mistake}`);
  return merge(state, run, pulled, context);
}

function mistakeIn(state: ShardState, run: PullRun, pulled: PulledRows): string | undefined {
  if (!sameBytes(pulled.digest, pullDigest(state.wiring.hash, pulled.found, pulled.rows)))
    return "sent rows whose digest does not fit";
  if (run.range !== undefined && coveredBy(run, pulled) === undefined) return "sent rows of another range";
  if (run.positions.length > 0 && pulled.found.length === 0) return "sent no rows";
  return hasOtherHistory(state, pulled) ? "holds another history" : undefined;
}

function coveredBy({ range }: PullRun, { covered }: PulledRows): PositionRange | undefined {
  return range === undefined || covered === null ? undefined : intersect(rangeOf(range), rangeOf(covered));
}

/** False when nothing speaks against it: older records are not remembered here (PU2). */
function hasOtherHistory({ replica, recent, flight, mode }: ShardState, { lsn, hash }: PulledRows): boolean {
  if (lsn === replica.lsn) return !sameBytes(hash, replica.hash);
  if (lsn > replica.lsn) {
    if (mode.kind !== "serving") return false;
    return flight?.record.lsn !== lsn || !sameBytes(flight.record.hash, hash);
  }
  const known = recent.find(({ record }) => record.lsn === lsn);
  return known !== undefined && !sameBytes(known.record.hash, hash);
}

function merge(state: ShardState, run: PullRun, pulled: PulledRows, context: Context): Effects {
  const { replica, wiring, pulls, config } = state;
  const single = pulled.found.map(([position, value]): Pulled => [position, value ?? undefined]);
  const covered = coveredBy(run, pulled);
  const merged = mergePulled(
    replica.shelf,
    replica.missing,
    covered === undefined ? { single, rows: [] } : { single, rows: pulled.rows, covered },
    (position) => wiring.store.get(markKey(replica.shelf, position)) !== undefined,
  );
  replica.missing = merged.missing;
  replica.wholeLsn = Math.max(replica.wholeLsn, pulled.lsn);
  pulls.rows += merged.rows;
  pulls.bytes += merged.bytes;
  pulls.failingSinceMs = undefined;
  if (!isSparse(replica)) pulls.runs.clear();
  publishStatus(state);
  const commit: Effect = { kind: "commit", writes: [...merged.writes, bookkeeping(replica)], clears: merged.clears };
  // What waited looks again in the next step: a commit shows from then on (S1).
  const tell: Effect = { kind: "tell", to: config.self, message: { kind: "pulled" } };
  return [commit, ...(run.background ? goOn(state, pulled, context) : []), tell];
}

/** The next chunk of the background when the pace lets it. */
function goOn(state: ShardState, { rows, lateMs }: PulledRows, { wallMs }: Context): Effects {
  const { pulls, replica, stepAtMs, assignment } = state;
  if (!isSparse(replica)) return [];
  const { pace } = pulls;
  const deadlineMs = assignment.copyDeadlineMs ?? 0;
  const leftS = Math.max(0.1, (deadlineMs - wallMs) / 1000);
  pace.neededBytesPerS = deadlineMs === 0 ? 0 : Math.max(0, replica.bytes - pulls.bytes) / leftS;
  adjustPace(pace, Math.max(lateMs, latenessOf(state)), stepAtMs);
  const bytes = rows.reduce((sum, [position, value]) => sum + position.length + value.length, 0);
  spend(pace, costBytes(bytes, rows.length));
  pulls.backgroundArmed = true;
  return [{ kind: "wake", name: pullTimer, afterMs: Math.max(1, Math.ceil(waitMs(pace, stepAtMs))) }];
}

/** Another source next time; who waits is told once that has gone on for long enough (PU3). */
function failed(state: ShardState, background: boolean, why: string): Effects {
  const { pulls, stepAtMs } = state;
  pulls.turn++;
  pulls.why = why;
  pulls.failingSinceMs ??= stepAtMs;
  const effects: Effect[] = [];
  if (background) {
    pulls.backgroundArmed = true;
    effects.push({ kind: "wake", name: pullTimer, afterMs: retryMs * 4 });
  }
  if (stepAtMs - pulls.failingSinceMs >= patienceMs) return [...effects, ...refuseWaiting(state)];
  if (pulls.retryArmed) return effects;
  pulls.retryArmed = true;
  return [...effects, { kind: "wake", name: pullRetryTimer, afterMs: retryMs }];
}

function refuseWaiting(state: ShardState): Effects {
  if (state.mode.kind !== "serving") return [];
  const why = notHere(state);
  const reads = state.reads.filter(({ op }) => op.op === "get" && lacks(state, op.position));
  const writes = state.writes.filter((job) => lacksAny(state, job));
  const effects = refuseAll(state, [...reads, ...writes], why);
  state.reads = state.reads.filter((job) => !reads.includes(job));
  state.writes = state.writes.filter((job) => !writes.includes(job));
  for (const { bytes } of writes) state.writeBytes -= bytes;
  return [...effects, ...refuseSlices(state, why)];
}

function refuseSlices(state: ShardState, why: Fault): Effects {
  const effects: Effect[] = [];
  for (const id of state.pulls.slices) {
    const job = state.slices.get(id);
    state.slices.delete(id);
    if (job !== undefined) effects.push(refuse(state, job.slot, why));
  }
  state.pulls.slices.clear();
  return effects;
}

function notHere({ config, pulls }: ShardState): Fault {
  const note = `fragment ${config.fragment} is moving to ${config.node}, the row has not arrived there yet and no whole copy gives it (${pulls.why}); try again`;
  return fault("UNAVAILABLE", note);
}

/** Scans that wait look again: for rows that came, for their deadline, or because this is no primary any more. */
export function wakeSlices({ pulls, config }: ShardState): Effects {
  const waiting = [...pulls.slices];
  pulls.slices.clear();
  return waiting.map((id): Effect => ({ kind: "tell", to: config.self, message: { kind: "slice", id } }));
}
