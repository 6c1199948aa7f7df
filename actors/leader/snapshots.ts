// Snapshot writer. Owns the writing of one view at a time into the snapshot stream, part after part, and the trimming of what it makes needless.
// W1 the parts of a snapshot follow each other: another writer in between ends this one's attempt, and readers pass over the torso.
// W2 the ledger is trimmed only behind a snapshot that is stored whole, and keeps its last `ledgerKept` records before it.

import { createAppender } from "../../src/kernel/appender.js";
import type { Bytes } from "../../src/kernel/bytes.js";
import type { Effect, Effects, LogSubject, WorldMessage } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import type { Tickets } from "../../src/kernel/tickets.js";
import { cutSnapshot } from "../../src/ledger/snapshot.js";
import type { ClusterView } from "../../src/ledger/view.js";
import { streams, subjects } from "../../src/protocol/subjects.js";

export interface SnapshotStep {
  readonly effects: Effects;
  /** Set when the attempt is over. */
  readonly written?: boolean;
}

export interface SnapshotWriter {
  readonly busy: boolean;
  /** Ledger sequence of the last snapshot that this writer stored whole. */
  readonly seq: number;
  write(view: ClusterView): Effects;
  on(message: WorldMessage): SnapshotStep | undefined;
  abandon(): Effects;
}

const ledgerKept = 1000;

interface Writing {
  readonly seq: number;
  readonly parts: readonly Bytes[];
  readTicket: number;
  next: number;
  firstAt: number;
}

export function createSnapshotWriter(partition: number, tickets: Tickets): SnapshotWriter {
  const log: LogSubject = { stream: streams.snapshot(partition), subject: subjects.snapshot(partition) };
  const appender = createAppender(log, tickets, "snapshot/append");
  let writing: Writing | undefined;
  let storedSeq = 0;
  /** Where the newest and the one before it begin in the snapshot stream. */
  let begins: number[] = [];

  function appendNext(current: Writing, expectedSeq: number): Effects {
    const part = current.parts[current.next];
    return part === undefined ? none : appender.submit(part, expectedSeq);
  }
  function over(written: boolean, effects: Effects = none): SnapshotStep {
    writing = undefined;
    return { effects, written };
  }
  function onStored(current: Writing, seq: number): SnapshotStep {
    if (current.next === 0) current.firstAt = seq;
    current.next++;
    if (current.next < current.parts.length) return { effects: appendNext(current, seq) };
    storedSeq = current.seq;
    begins = [...begins, current.firstAt].slice(-2);
    return over(true, trims(current.seq));
  }
  function trims(seq: number): Effects {
    const effects: Effect[] = [];
    if (seq > ledgerKept)
      effects.push({ kind: "trimStream", stream: streams.ledger(partition), belowSeq: seq - ledgerKept });
    const [older, newer] = begins;
    if (older !== undefined && newer !== undefined)
      effects.push({ kind: "trimStream", stream: log.stream, belowSeq: older });
    return effects;
  }

  return {
    get busy() {
      return writing !== undefined;
    },
    get seq() {
      return storedSeq;
    },
    write(view) {
      const readTicket = tickets.next();
      writing = { seq: view.seq, parts: cutSnapshot(view), readTicket, next: 0, firstAt: 0 };
      return [{ kind: "readLog", log, at: "last", seq: 0, ticket: readTicket }];
    },
    abandon() {
      writing = undefined;
      return appender.abandon();
    },
    on(message) {
      const current = writing;
      if (current === undefined) return undefined;
      if (message.kind === "logRead" && message.ticket === current.readTicket) {
        const { outcome } = message;
        if (outcome.kind === "gone" || outcome.kind === "unknown") return over(false);
        return { effects: appendNext(current, outcome.kind === "record" ? outcome.record.seq : 0) };
      }
      const progress = appender.on(message);
      if (progress === undefined) return undefined;
      if (progress.result === undefined) return { effects: progress.effects };
      return progress.result.kind === "stored" ? onStored(current, progress.result.seq) : over(false);
    },
  };
}
