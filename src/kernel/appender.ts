// Appender. Owns one fenced append at a time on one log subject, until it is known what became of it. A sub-machine of shard and leader.
// A1 an append whose outcome is unknown is sent again, byte for byte, with the same expected sequence: the fence lets at most one copy in.
// A2 it is given up only for a reason that proves it is not stored and never will be: another record stands at its place, or history went backwards.
//    (`full` is no proof: it is sent again until the log takes it or refuses it.)
// A3 two records are the same when their bytes are: every record carries its writer and a number or nonce.

import { type Bytes, sameBytes } from "./bytes.js";
import type { Effects, LogRecord, LogSubject, Ticket, WorldMessage } from "./effect.js";
import { none } from "./effect.js";
import type { Tickets } from "./tickets.js";

export type AppendResult =
  | { readonly kind: "stored"; readonly seq: number }
  /** Another record follows the expected one. */
  | { readonly kind: "overtaken"; readonly by: LogRecord }
  /** The subject's last sequence is below the expected one (or its record is gone): the log lost something. */
  | { readonly kind: "regressed"; readonly lastSeq: number }
  | { readonly kind: "gone" };

/** What a message meant to the appender: not for it (undefined), more to do, or done. */
export interface AppendProgress {
  readonly effects: Effects;
  readonly result?: AppendResult;
  /** Why it waits, for a log line and for refusing new work meanwhile. */
  readonly waiting?: "full" | "unreachable";
}

interface Flight {
  readonly bytes: Bytes;
  readonly expectedSeq: number;
  ticket: Ticket;
  phase: "appending" | "reading" | "pausing";
  tries: number;
}

export interface Appender {
  readonly busy: boolean;
  /** Starts an append; throws when one is under way (the caller keeps one in flight). */
  submit(bytes: Bytes, expectedSeq: number): Effects;
  on(message: WorldMessage): AppendProgress | undefined;
  /** A record that the log itself delivered: if it is the one under way, that settles it, whatever became of the acknowledgement. */
  seen(record: LogRecord): AppendProgress | undefined;
  /** Drops the append under way: its answers are ignored. Its outcome stays unknown. */
  abandon(): Effects;
}

const firstPauseMs = 20;
const longestPauseMs = 500;

/** `timer` names its retry timer, unique within the actor. */
export function createAppender(log: LogSubject, tickets: Tickets, timer: string): Appender {
  let flight: Flight | undefined;

  function send(current: Flight): Effects {
    current.phase = "appending";
    current.ticket = tickets.next();
    return [{ kind: "append", log, bytes: current.bytes, expectedSeq: current.expectedSeq, ticket: current.ticket }];
  }
  function pause(current: Flight, waiting: "full" | "unreachable"): AppendProgress {
    current.phase = "pausing";
    const afterMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(current.tries, 5));
    current.tries++;
    return { effects: [{ kind: "wake", name: timer, afterMs }], waiting };
  }
  function read(current: Flight): AppendProgress {
    current.phase = "reading";
    current.ticket = tickets.next();
    return { effects: [{ kind: "readLog", log, at: "next", seq: current.expectedSeq + 1, ticket: current.ticket }] };
  }
  function done(result: AppendResult): AppendProgress {
    flight = undefined;
    return { effects: none, result };
  }
  function onAppended(current: Flight, message: Extract<WorldMessage, { kind: "appended" }>): AppendProgress {
    const { outcome } = message;
    switch (outcome.kind) {
      case "stored":
        return done({ kind: "stored", seq: outcome.seq });
      case "refused":
        return outcome.lastSeq < current.expectedSeq
          ? done({ kind: "regressed", lastSeq: outcome.lastSeq })
          : read(current);
      case "gone":
        return done({ kind: "gone" });
      case "full":
        return pause(current, "full");
      case "notStored":
      case "unknown":
        return pause(current, "unreachable");
    }
  }
  function onRead(current: Flight, message: Extract<WorldMessage, { kind: "logRead" }>): AppendProgress {
    const { outcome } = message;
    switch (outcome.kind) {
      case "record":
        return sameBytes(outcome.record.bytes, current.bytes)
          ? done({ kind: "stored", seq: outcome.record.seq })
          : done({ kind: "overtaken", by: outcome.record });
      case "none":
        // Refused by a number at or above ours, and yet nothing follows ours: a stale reader, or a lost record. Try again; a lost one shows as `refused` below ours.
        return pause(current, "unreachable");
      case "gone":
        return done({ kind: "gone" });
      case "unknown":
        return pause(current, "unreachable");
    }
  }

  return {
    get busy() {
      return flight !== undefined;
    },
    submit(bytes, expectedSeq) {
      if (flight !== undefined) throw new Error("one append in flight per log subject");
      flight = { bytes, expectedSeq, ticket: 0, phase: "appending", tries: 0 };
      return send(flight);
    },
    on(message) {
      const current = flight;
      if (current === undefined) return undefined;
      if (message.kind === "appended" && message.ticket === current.ticket && current.phase === "appending")
        return onAppended(current, message);
      if (message.kind === "logRead" && message.ticket === current.ticket && current.phase === "reading")
        return onRead(current, message);
      if (message.kind === "woke" && message.name === timer && current.phase === "pausing")
        return { effects: send(current) };
      return undefined;
    },
    seen(record) {
      if (flight === undefined || !sameBytes(record.bytes, flight.bytes)) return undefined;
      return { ...done({ kind: "stored", seq: record.seq }), effects: [{ kind: "unwake", name: timer }] };
    },
    abandon() {
      if (flight === undefined) return none;
      flight = undefined;
      return [{ kind: "unwake", name: timer }];
    },
  };
}
