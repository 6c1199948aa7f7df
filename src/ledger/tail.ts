// Tail. Owns one member's cluster view of one control partition: the newest snapshot, then every ledger record after it. A sub-machine of node, router and leader.
// T1 records are folded by sequence, each once, none left out: at a hole it waits for a snapshot from beyond it.
// T2 the view never goes back. When the ledger lost records that this member knows, the leader writes a snapshot with a higher sequence and goes on from there.
// T3 it never gives up: what cannot be read now is read again.

import type { Effects, LogSubject, ReadOutcome, WorldMessage } from "../kernel/effect.js";
import { none } from "../kernel/effect.js";
import type { Tickets } from "../kernel/tickets.js";
import { streams, subjects } from "../protocol/subjects.js";
import type { LedgerEvent, LedgerRecord } from "./event.js";
import { emptyView, fold } from "./fold.js";
import { decodeLedgerRecord } from "./record.js";
import { decodeSnapshotPart, joinSnapshot, type SnapshotPart } from "./snapshot.js";
import type { ClusterView } from "./view.js";

export interface TailConfig {
  readonly partition: number;
  readonly tickets: Tickets;
}

export interface TailStep {
  readonly effects: Effects;
  /** The view grew, or was replaced. */
  readonly advanced: boolean;
  /** What was folded by this message; empty when the view was replaced. */
  readonly events: readonly LedgerEvent[];
  /** The view is another object: loaded from a snapshot. Compare it as a whole. */
  readonly reloaded: boolean;
}

export interface Tail {
  readonly view: ClusterView;
  /** A snapshot was looked for: the view is no longer just empty. */
  readonly loaded: boolean;
  /** There are records that the ledger does not deliver: sequence of the first one after the hole; 0 = none known. */
  readonly holeBefore: number;
  start(): Effects;
  /** Undefined: not for the tail. */
  on(message: WorldMessage): TailStep | undefined;
  /** A record that this member appended itself and knows to be stored at `seq`, before it comes back through the follow. */
  fold(seq: number, record: LedgerRecord): void;
  /** For a leader only: the view as it is counts as the view of `seq`; goes on after it. */
  leap(seq: number): Effects;
}

const retryMs = 200;
const holeRetryMs = 500;
const snapshotsTried = 64;

interface Reading {
  readonly kind: "reading";
  ticket: number;
  parts: SnapshotPart[];
  tries: number;
}
/** `waiting`: for the timer, then it reads the newest snapshot again. */
type Phase = { readonly kind: "idle" } | Reading | { readonly kind: "following" } | { readonly kind: "waiting" };

export function createTail({ partition, tickets }: TailConfig): Tail {
  const stream = streams.ledger(partition);
  const snapshots: LogSubject = { stream: streams.snapshot(partition), subject: subjects.snapshot(partition) };
  const timer = `tail/${partition}`;
  let view = emptyView(partition);
  let phase: Phase = { kind: "idle" };
  let loaded = false;
  let holeBefore = 0;

  function load(): Effects {
    const ticket = tickets.next();
    phase = { kind: "reading", ticket, parts: [], tries: 0 };
    return [{ kind: "readLog", log: snapshots, at: "last", seq: 0, ticket }];
  }
  function waitThenLoad(afterMs: number): TailStep {
    phase = { kind: "waiting" };
    return quiet([
      { kind: "unfollow", stream },
      { kind: "wake", name: timer, afterMs },
    ]);
  }
  function follow(found: ClusterView | undefined): TailStep {
    const newer = found !== undefined && found.seq > view.seq;
    if (newer) view = found;
    phase = { kind: "following" };
    loaded = true;
    const effects: Effects = [{ kind: "follow", stream, fromSeq: view.seq + 1 }];
    return { effects, advanced: newer, events: [], reloaded: newer };
  }
  function readAt(reading: Reading, seq: number): TailStep {
    reading.ticket = tickets.next();
    return quiet([{ kind: "readLog", log: snapshots, at: "exact", seq, ticket: reading.ticket }]);
  }
  function onSnapshotRead(reading: Reading, outcome: ReadOutcome): TailStep {
    switch (outcome.kind) {
      case "record":
        return onPart(reading, outcome.record.seq, outcome.record.bytes);
      case "none":
        return follow(undefined);
      case "gone":
      case "unknown":
        return waitThenLoad(retryMs);
    }
  }
  /** Snapshots are read backwards: the last record is a last part, unless its writer died on the way. */
  function onPart(reading: Reading, seq: number, bytes: Uint8Array): TailStep {
    const decoded = decodeSnapshotPart(bytes);
    const part = decoded.ok ? decoded.value : undefined;
    if (part === undefined) return earlier(reading, seq);
    if (!continues(reading.parts[0], part)) {
      // A stray part may itself be the last one of an earlier snapshot.
      reading.parts = [];
      if (!continues(undefined, part)) return earlier(reading, seq);
    }
    reading.parts.unshift(part);
    if (part.index > 0) return seq > 1 ? readAt(reading, seq - 1) : follow(undefined);
    const joined = joinSnapshot(reading.parts);
    return joined.ok && joined.value.partition === partition ? follow(joined.value) : earlier(reading, seq);
  }
  function earlier(reading: Reading, seq: number): TailStep {
    reading.parts = [];
    reading.tries++;
    return seq > 1 && reading.tries < snapshotsTried ? readAt(reading, seq - 1) : follow(undefined);
  }
  function onRecord(seq: number, bytes: Uint8Array): TailStep {
    if (seq <= view.seq) return quiet(none);
    if (seq > view.seq + 1) {
      holeBefore = seq;
      return waitThenLoad(holeRetryMs);
    }
    holeBefore = 0;
    const decoded = decodeLedgerRecord(bytes);
    const record: LedgerRecord = decoded.ok ? decoded.value : { term: 0, member: "", nonce: "", events: [] };
    const counted = fold(view, seq, record);
    const effects: Effects = decoded.ok
      ? none
      : [{ kind: "log", level: "error", event: "ledgerRecordUnreadable", fields: { partition, seq } }];
    return { effects, advanced: true, events: counted ? record.events : [], reloaded: false };
  }
  function onNews(message: Extract<WorldMessage, { kind: "followNews" }>): TailStep {
    switch (message.news) {
      case "regressed":
      case "recreated":
        return waitThenLoad(retryMs);
      case "idle":
        if (message.lastSeq <= view.seq) return quiet(none);
        // At the tail, and yet records are missing: they cannot be read any more, or were trimmed.
        holeBefore = message.lastSeq + 1;
        return waitThenLoad(holeRetryMs);
      case "gone":
        return quiet(none);
    }
  }

  return {
    get view() {
      return view;
    },
    get loaded() {
      return loaded;
    },
    get holeBefore() {
      return holeBefore;
    },
    start: load,
    fold(seq, record) {
      if (seq === view.seq + 1) fold(view, seq, record);
    },
    leap(seq) {
      if (seq <= view.seq) return none;
      view.seq = seq;
      holeBefore = 0;
      return follow(undefined).effects;
    },
    on(message) {
      if (message.kind === "followed" && message.stream === stream)
        return phase.kind === "following" ? onRecord(message.record.seq, message.record.bytes) : quiet(none);
      if (message.kind === "followNews" && message.stream === stream)
        return phase.kind === "following" ? onNews(message) : quiet(none);
      if (message.kind === "woke" && message.name === timer) return quiet(phase.kind === "waiting" ? load() : none);
      if (message.kind === "logRead" && phase.kind === "reading" && message.ticket === phase.ticket)
        return onSnapshotRead(phase, message.outcome);
      return undefined;
    },
  };
}

/** Whether `part` is the one before `next`, or the last of its snapshot when there is none yet. */
function continues(next: SnapshotPart | undefined, part: SnapshotPart): boolean {
  return next === undefined
    ? part.index === part.count - 1
    : part.seq === next.seq && part.count === next.count && part.index === next.index - 1;
}

function quiet(effects: Effects): TailStep {
  return { effects, advanced: false, events: [], reloaded: false };
}
