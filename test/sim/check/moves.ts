// Moves. Owns the check of the ledger's moves: copies go only when and where a move says so, and nothing goes that was not verified.
// Every ledger record is looked at in its order, and every verification is looked up in the data logs.

import { decodeRecord } from "../../../src/fragment/record.js";
import type { Hash } from "../../../src/kernel/hash.js";
import type { LedgerEvent } from "../../../src/ledger/event.js";
import { emptyView, fold, replicaOn } from "../../../src/ledger/fold.js";
import type { MoveView } from "../../../src/ledger/move.js";
import { decodeLedgerRecord } from "../../../src/ledger/record.js";
import type { ClusterView } from "../../../src/ledger/view.js";
import { fragmentOfSubject, streams } from "../../../src/protocol/subjects.js";
import type { Verdict } from "../../../src/verify/history.js";
import type { Witness } from "./witness.js";

/** Kinds of records by fragment and LSN: a rebase may give a number twice. */
type Kinds = ReadonlyMap<string, ReadonlySet<string>>;

export function checkMoves(witness: Witness, partitions: number, hash: Hash): Verdict {
  const violations: string[] = [];
  const kinds = kindsOf(witness, hash);
  let judged = 0;
  for (let partition = 0; partition < partitions; partition++) {
    const view = emptyView(partition);
    for (const { seq, bytes } of witness.records.get(streams.ledger(partition)) ?? []) {
      const record = decodeLedgerRecord(bytes);
      if (!record.ok) continue;
      const { events } = record.value;
      const before = new Map([...view.moves].map(([id, move]) => [id, { ...move }]));
      const readyBefore = readyOf(view, events);
      if (!fold(view, seq, record.value)) continue;
      judged += events.filter(({ kind }) => kind === "moveAdvanced" || kind === "moveEnded").length;
      const faults = [
        ...removalFaults(before, events),
        ...proofFaults(before, events, kinds),
        ...letGoFaults(view, events),
        ...endFaults(view, events),
      ];
      // A table may be dropped, or its fragment merged away, in the same record: then there is nothing left to keep.
      for (const [fragment, ready] of readyBefore)
        if (ready > 0 && view.fragments.has(fragment) && readyCount(view, fragment) === 0)
          faults.push(`fragment ${fragment} has no ready copy left`);
      for (const what of faults) violations.push(`ledger ${partition} at ${seq}: ${what}`);
    }
  }
  return { checker: "moves keep what they move", unit: "steps of moves", judged, needed: 0, violations };
}

function kindsOf(witness: Witness, hash: Hash): Kinds {
  const kinds = new Map<string, Set<string>>();
  for (const [stream, stored] of witness.records) {
    if (!stream.startsWith("FORESHARD_LOG_")) continue;
    for (const { bytes, subject } of stored) {
      const record = decodeRecord(bytes, hash);
      if (!record.ok || record.value.kind === "data") continue;
      const name = `${fragmentOfSubject(subject)} ${record.value.lsn}`;
      kinds.set(name, (kinds.get(name) ?? new Set()).add(record.value.kind));
    }
  }
  return kinds;
}

/** A copy that a move is about goes only by a step of that move. */
function removalFaults(before: ReadonlyMap<number, MoveView>, events: readonly LedgerEvent[]): string[] {
  const faults: string[] = [];
  for (const [at, event] of events.entries()) {
    if (event.kind !== "replicasRemoved" || event.cause === "storeReplaced") continue;
    for (const { fragment, node } of event.replicas) {
      // A move that begins behind it in the same record chose among what was left.
      const move = moveOf(before, events.slice(0, at), fragment);
      const isOver = events.slice(0, at).some((other) => other.kind === "moveEnded" && other.move === move?.id);
      if (move === undefined || isOver || move.strategy === "leader-only") continue;
      const step = events.some((other) =>
        node === move.to
          ? other.kind === "moveEnded" && other.move === move.id && other.outcome !== "done"
          : other.kind === "moveAdvanced" && other.move === move.id && other.phase === "decommissioning",
      );
      if (!step) faults.push(`move ${move.id}, ${move.phase}: the copy on ${node} was removed (${event.cause})`);
    }
  }
  return faults;
}

type Named = Pick<MoveView, "id" | "strategy" | "to" | "phase">;

function moveOf(
  before: ReadonlyMap<number, MoveView>,
  events: readonly LedgerEvent[],
  fragment: number,
): Named | undefined {
  const running = [...before.values()].find((move) => move.fragment === fragment);
  if (running !== undefined) return running;
  for (const event of events)
    if (event.kind === "moveStarted" && event.move.fragment === fragment) return { ...event.move, phase: "copying" };
  return undefined;
}

/** Who leaves a verification for the better names the record at which all were compared: it must be one that was appended for that. */
function proofFaults(before: ReadonlyMap<number, MoveView>, events: readonly LedgerEvent[], kinds: Kinds): string[] {
  const faults: string[] = [];
  for (const event of events) {
    if (event.kind !== "moveAdvanced") continue;
    const move = before.get(event.move);
    const proven = move?.phase === "verifying" || move?.phase === "verifyingAgain";
    if (move === undefined || !proven || event.phase === "rollingBack") continue;
    const lsn = /digests agree at LSN (\d+)/.exec(event.note)?.[1];
    if (lsn === undefined) {
      if (event.phase === "decommissioning") faults.push(`move ${move.id} lets its source go without a verification`);
      continue;
    }
    if (kinds.get(`${move.fragment} ${lsn}`)?.has("verify") !== true)
      faults.push(`move ${move.id}: nothing was compared at LSN ${lsn} of fragment ${move.fragment}`);
  }
  return faults;
}

/** The destination has a whole copy when the source goes. (Afterwards it may lose its disk like any other node, and is filled again.) */
function letGoFaults(view: ClusterView, events: readonly LedgerEvent[]): string[] {
  return events.flatMap((event) => {
    if (event.kind !== "moveAdvanced" || event.phase !== "decommissioning") return [];
    const move = view.moves.get(event.move);
    const fragment = view.fragments.get(move?.fragment ?? -1);
    if (move === undefined || fragment === undefined || replicaOn(fragment, move.to)?.state === "ready") return [];
    return [`move ${move.id} lets its source go, and ${move.to} has no whole copy`];
  });
}

/** A move that is done left no copy at its source. */
function endFaults(view: ClusterView, events: readonly LedgerEvent[]): string[] {
  return events.flatMap((event, at) => {
    if (event.kind !== "moveEnded" || event.outcome !== "done") return [];
    const move = view.pastMoves.find(({ id }) => id === event.move);
    const fragment = view.fragments.get(move?.fragment ?? -1);
    if (move === undefined || fragment === undefined) return [];
    const faults: string[] = [];
    // What is decided behind it in the same record (a repair, the next move) may bring a new copy to the source.
    const isNew = events.slice(at + 1).some((later) => adds(later, fragment.id, move.from));
    if (move.strategy !== "leader-only" && !isNew && replicaOn(fragment, move.from) !== undefined)
      faults.push(`move ${move.id} is done, and ${move.from} still has a copy`);
    if (move.strategy === "leader-only" && replicaOn(fragment, move.to)?.state !== "ready")
      faults.push(`move ${move.id} is done, and ${move.to} has no whole copy`);
    return faults;
  });
}

function adds(event: LedgerEvent, fragment: number, node: string): boolean {
  return event.kind === "replicasAdded" && event.replicas.some((one) => one.fragment === fragment && one.node === node);
}

function readyOf(view: ClusterView, events: readonly LedgerEvent[]): ReadonlyMap<number, number> {
  const touched = events.flatMap((event) =>
    event.kind === "replicasRemoved" && event.cause !== "storeReplaced" ? event.replicas.map((r) => r.fragment) : [],
  );
  return new Map(touched.map((fragment) => [fragment, readyCount(view, fragment)]));
}

function readyCount(view: ClusterView, fragment: number): number {
  return view.fragments.get(fragment)?.replicas.filter(({ state }) => state === "ready").length ?? 0;
}
