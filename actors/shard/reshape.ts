// Reshaping. Owns a shard's part in splits and merges: preparing and appending the records, and what follows from applying them here.
// RE1 a split's record says how many rows the child gets: they are counted in slices beforehand, and kept right by every record applied meanwhile.
// RE2 from the moment that a seal is sent until its fate is known no strong read is answered: the left neighbour may have taken over already (I7).
// RE3 a record that takes a right neighbour over is applied only when that one is at its very end here. If it cannot come there the replica is copied anew.
// RE4 requests for rows that are not here any more are refused as misplaced, never lost: the router looks again.

import { limits } from "../../src/config/limits.js";
import { positionOfRowKey, rowKey, rowRange } from "../../src/fragment/layout.js";
import { contains } from "../../src/fragment/range.js";
import { type FragmentRecord, noChanges } from "../../src/fragment/record.js";
import { isWhole, latin1, type Replica } from "../../src/fragment/replica.js";
import { absorbReplica, readReplica, rightOf, splitReplica } from "../../src/fragment/reshape.js";
import { afterBytes, type Bytes, compareBytes } from "../../src/kernel/bytes.js";
import type { Effect, Effects, StoreClear, StoreWrite } from "../../src/kernel/effect.js";
import type { Context } from "../../src/kernel/machine.js";
import type { Shape } from "../../src/protocol/peer.js";
import type { Position } from "../../src/table/table.js";
import { refuse, refuseAll, wrongFragment } from "./answer.js";
import { publishStatus } from "./apply.js";
import { submitMark } from "./open.js";
import { cutByLoad } from "./sample.js";
import type { ShardReport, ShardState, Survey } from "./state.js";

const awaitMs = 3000;

/** The record that the ledger asks this primary for, or what has to be done before it; undefined when there is nothing to do. */
export function nextMark(state: ShardState, epoch: number, context: Context): Effects | undefined {
  const { assignment, replica } = state;
  if (assignment.seal === true && !replica.sealed) return submitMark(state, "seal", epoch, replica.seq, context);
  if (assignment.absorb !== undefined && replica.joined?.right !== assignment.absorb)
    return takeOver(state, assignment.absorb, epoch, context);
  const { split } = assignment;
  if (split === undefined || replica.cut?.child === split.child || state.refusal?.child === split.child)
    return undefined;
  return state.survey?.done === true && state.survey.child === split.child
    ? submitSplit(state, state.survey, epoch, context)
    : undefined;
}

/** Begins to prepare what the ledger asks for. */
export function prepare(state: ShardState): Effects {
  const { assignment, replica, survey, refusal } = state;
  const { split } = assignment;
  if (state.mode.kind !== "serving" || split === undefined || replica.cut?.child === split.child) {
    state.survey = undefined;
    return [];
  }
  if (survey?.child === split.child || refusal?.child === split.child) return [];
  const at = split.at ?? cutByLoad(state);
  if (at !== undefined && !isInside(replica, at)) {
    refuseSplit(state, "the split key is at the edge of the fragment, or outside");
    return [];
  }
  const start = at ?? replica.range.from;
  state.survey = {
    child: split.child,
    at,
    left: Math.floor(replica.rows / 2),
    cursor: start,
    rows: 0,
    bytes: 0,
    done: false,
  };
  return again(state);
}

function again(state: ShardState): Effects {
  return [{ kind: "tell", to: state.config.self, message: { kind: "survey" } }];
}

/** One slice: looks for the middle, then counts what lies behind it. */
export function onSurvey(state: ShardState): Effects {
  const { survey, replica, wiring } = state;
  if (survey === undefined || survey.done || state.mode.kind !== "serving") return [];
  const { from, to } = rowRange(replica.shelf, { from: survey.cursor, to: replica.range.to });
  let looked = 0;
  for (const { key, value } of wiring.store.range(from, to, false)) {
    const position = positionOfRowKey(key);
    if (survey.at === undefined && survey.left <= 0) {
      const at = cutBefore(state, position);
      if (at !== undefined) {
        survey.at = at;
        // What lies between the cut and this row (one partition key of a hash table) is counted from the cut on.
        survey.cursor = at;
        return again(state);
      }
    }
    if (survey.at === undefined) survey.left--;
    else {
      survey.rows++;
      survey.bytes += position.length + value.length;
    }
    survey.cursor = afterBytes(position);
    if (++looked >= limits.sliceRows) return again(state);
  }
  return counted(state, survey);
}

function counted(state: ShardState, survey: Survey): Effects {
  const { config, replica } = state;
  if (survey.at === undefined) {
    const at = config.table.partitioning === "hash" ? middleOfHashes(replica) : undefined;
    if (at === undefined || !isInside(replica, at)) {
      refuseSplit(state, "the fragment holds too few keys to be split; name a split key");
      return [];
    }
    Object.assign(survey, { at, cursor: at });
    return again(state);
  }
  survey.done = true;
  // Behind the last row nothing was there: what comes there now is counted as it comes.
  survey.cursor = endOfAll;
  return [{ kind: "tell", to: state.config.self, message: { kind: "pump" } }];
}

/** Beyond every position. */
const endOfAll: Bytes = new Uint8Array(limits.keyBytes + 16).fill(0xff);
const hashBytes = 4;

/** The cut that puts `position` first behind it; rows of one partition key of a hash table stay together. Undefined at the fragment's edge. */
export function cutBefore({ config, replica }: ShardState, position: Position): Position | undefined {
  const at = config.table.partitioning === "hash" ? position.slice(0, hashBytes) : position.slice();
  return isInside(replica, at) ? at : undefined;
}

function middleOfHashes({ range }: Replica): Position {
  const edge = (position: Position | undefined, absent: number): number => {
    if (position === undefined) return absent;
    const padded = new Uint8Array(hashBytes);
    padded.set(position.subarray(0, hashBytes));
    return new DataView(padded.buffer).getUint32(0);
  };
  const at = new Uint8Array(hashBytes);
  const low = edge(range.from, 0);
  const high = edge(range.to, 2 ** 32);
  new DataView(at.buffer).setUint32(0, Math.floor((low + high) / 2));
  return at;
}

function isInside({ range }: Replica, at: Position): boolean {
  return compareBytes(range.from, at) < 0 && contains(range, at);
}

function refuseSplit(state: ShardState, why: string): void {
  const child = state.assignment.split?.child;
  if (child === undefined) return;
  state.survey = undefined;
  state.refusal = { child, why };
  publishStatus(state);
}

/** RE1: `record` is about to be applied, the store is still as before it. */
export function countChanges(state: ShardState, record: FragmentRecord): void {
  const { survey, replica, wiring } = state;
  const at = survey?.at;
  if (survey === undefined || at === undefined || record.changes.length === 0) return;
  const seen = new Map<string, number>();
  for (const { position, document } of record.changes) {
    if (compareBytes(position, at) < 0 || compareBytes(position, survey.cursor) >= 0) continue;
    const name = latin1.decode(position);
    const kept = wiring.store.get(rowKey(replica.shelf, position));
    const before = seen.get(name) ?? (kept === undefined ? -1 : kept.length);
    const after = document === undefined ? -1 : rowValueOverhead + document.length;
    survey.rows += (after < 0 ? 0 : 1) - (before < 0 ? 0 : 1);
    survey.bytes += sizeOf(position, after) - sizeOf(position, before);
    seen.set(name, after);
  }
}

const rowValueOverhead = 8;

function sizeOf(position: Position, valueBytes: number): number {
  return valueBytes < 0 ? 0 : position.length + valueBytes;
}

function submitSplit(state: ShardState, survey: Survey, epoch: number, context: Context): Effects {
  const { child, at, rows, bytes } = survey;
  if (at === undefined) return [];
  const body = { ...noChanges, rowsDelta: -rows, bytesDelta: -bytes, mark: { kind: "split" as const, child, at } };
  return submitMark(state, "split", epoch, state.replica.seq, context, body);
}

/** The right neighbour is sealed here: this fragment goes on with its rows. Else it waits to be told. */
function takeOver(state: ShardState, right: number, epoch: number, context: Context): Effects | undefined {
  const { replica, wiring } = state;
  const other = readReplica(wiring.store, right);
  const ready = other?.sealed === true && isWhole(other) && other.shelf === replica.shelf;
  if (!ready || replica.range.to === undefined || compareBytes(replica.range.to, other.range.from) !== 0) {
    wiring.board.waits.set(right, state.config.self);
    return undefined;
  }
  const lsn = Math.max(replica.lsn, other.lsn) + 1;
  const mark = { kind: "absorb" as const, right, rightLsn: other.lsn, rightHash: other.hash, after: replica.lsn };
  const body = { ...noChanges, rowsDelta: other.rows, bytesDelta: other.bytes, mark, lsn };
  return submitMark(state, "absorb", epoch, replica.seq, context, body);
}

/** RE2: the seal is on its way, or stored. */
export function isSealing({ replica, flight }: ShardState): boolean {
  return replica.sealed || flight?.record.kind === "seal";
}

/** RE3: whether `record` can be applied now. */
export function isReady(state: ShardState, record: FragmentRecord): "yes" | "wait" | "never" {
  const { mark } = record;
  if (mark?.kind === "split") return isInside(state.replica, mark.at) ? "yes" : "never";
  if (mark?.kind !== "absorb") return "yes";
  const { store, board } = state.wiring;
  if (rightOf(state.replica, mark, store) !== undefined) {
    state.awaited = undefined;
    return "yes";
  }
  const right = readReplica(store, mark.right);
  if (right === undefined || right.shelf !== state.replica.shelf) return "never";
  board.waits.set(mark.right, state.config.self);
  const known = state.awaited;
  if (known?.right !== mark.right || known.lsn !== right.lsn)
    state.awaited = { right: mark.right, lsn: right.lsn, sinceMs: state.stepAtMs };
  else if (state.stepAtMs - known.sinceMs > awaitMs) return "never";
  return "wait";
}

export interface Reshaped {
  readonly writes: readonly StoreWrite[];
  readonly clears: readonly StoreClear[];
}

/** What a record that changes the bounds does besides; before the replica moves to it. */
export function reshape(state: ShardState, record: FragmentRecord): Reshaped {
  const { replica, wiring } = state;
  const { mark } = record;
  if (mark?.kind === "split") return { writes: splitReplica(replica, { ...record, mark }, wiring.store), clears: [] };
  if (mark?.kind !== "absorb") return { writes: [], clears: [] };
  const right = rightOf(replica, mark, wiring.store);
  if (right === undefined) throw new Error(`fragment ${mark.right} is not at its end here`);
  const { window, writes, clears } = absorbReplica(replica, right, { ...record, mark }, wiring.store);
  state.window = window;
  wiring.board.gone.add(mark.right);
  return { writes, clears };
}

/** After it was applied: who has to know, and what cannot be answered here any more. */
export function afterReshape(state: ShardState, record: FragmentRecord): Effects {
  const { config, wiring } = state;
  if (record.kind === "seal") return sealed(state);
  const { mark } = record;
  if (mark === undefined) return [];
  state.survey = undefined;
  const message: ShardReport = {
    kind: "reshaped",
    fragment: config.fragment,
    gone: mark.kind === "absorb" ? [mark.right] : [],
  };
  if (mark.kind === "absorb") wiring.board.waits.delete(mark.right);
  return [{ kind: "tell", to: config.parent, message }, ...refuseMisplaced(state)];
}

function refuseMisplaced(state: ShardState): Effects {
  const { range } = state.replica;
  const misplaced = state.writes.filter(({ op }) => op.steps.some(({ position }) => !contains(range, position)));
  if (misplaced.length === 0) return [];
  state.writes = state.writes.filter((job) => !misplaced.includes(job));
  for (const job of misplaced) state.writeBytes -= job.bytes;
  return refuseAll(state, misplaced, wrongFragment(state));
}

/** Whoever waits for this fragment's end here looks again. */
export function tellLeft({ wiring, config, replica }: ShardState): Effects {
  const left = wiring.board.waits.get(config.fragment);
  return left === undefined || !replica.sealed ? [] : [{ kind: "tell", to: left, message: { kind: "neighbour" } }];
}

function sealed(state: ShardState): Effects {
  const effects: Effect[] = [...tellLeft(state)];
  const jobs = [...state.writes, ...state.reads];
  state.writes = [];
  state.writeBytes = 0;
  state.reads = [];
  if (state.mode.kind === "serving" || state.mode.kind === "opening") state.mode = { kind: "following" };
  effects.push({ kind: "unwake", name: "open" }, ...refuseAll(state, jobs, wrongFragment(state)));
  for (const [id, { slot, op }] of [...state.slices]) {
    if (op.read.level === "any") continue;
    state.slices.delete(id);
    effects.push(refuse(state, slot, wrongFragment(state)));
  }
  return effects;
}

/** What a copy of this replica has to know of its bounds. */
export function shapeOf({ range, changedLsn, sealed, cut, joined }: Replica): Shape {
  return { from: range.from, to: range.to, changedLsn, sealed, cut, joined };
}
