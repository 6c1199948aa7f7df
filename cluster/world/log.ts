// Log. Owns appends and reads on the streams of JetStream, and what their answers mean.
// L1 an append carries the subject's expected last sequence in fresh headers; the server decides, nothing else.
// L2 "not stored" is said only where the server refused or the bytes never left; everything doubtful is `unknown`.
// L3 reads go to the stream's leader (no direct get). Even so an old leader may answer: a read proves presence, never absence.

import { headers } from "nats";
import type { AppendOutcome, LogRecord, LogSubject, ReadOutcome, StreamOutcome } from "../../src/kernel/effect.js";
import type { Answer, Inbox } from "./inbox.js";
import {
  type ApiAnswer,
  type ApiError,
  apiAnswer,
  callApi,
  type Fields,
  fieldsOf,
  jsErrors,
  numberOf,
  stringOf,
} from "./jetstream.js";

export interface AppendWish {
  readonly log: LogSubject;
  readonly bytes: Uint8Array;
  readonly expectedSeq: number;
}
export interface ReadWish {
  readonly log: LogSubject;
  readonly at: "last" | "exact" | "next";
  readonly seq: number;
}

export interface LogStreams {
  append(wish: AppendWish, done: (outcome: AppendOutcome) => void): void;
  read(wish: ReadWish, done: (outcome: ReadOutcome) => void): void;
  readStream(stream: string, done: (outcome: StreamOutcome) => void): void;
  /** Drops everything below `belowSeq`, best effort. */
  trim(stream: string, belowSeq: number): void;
}

export interface LogTimes {
  readonly appendTimeoutMs: number;
  readonly readTimeoutMs: number;
}

export const fenceHeader = "Nats-Expected-Last-Subject-Sequence";

export function createLogStreams(inbox: Inbox, times: LogTimes): LogStreams {
  /** Callers that wait to hear whether a stream exists, by stream: one question at a time. */
  const doubts = new Map<string, ((gone: boolean) => void)[]>();

  function readStream(stream: string, done: (outcome: StreamOutcome) => void): void {
    callApi(inbox, `STREAM.INFO.${stream}`, undefined, times.readTimeoutMs, (answer) => done(streamOutcome(answer)));
  }
  function whetherGone(stream: string, done: (gone: boolean) => void): void {
    const others = doubts.get(stream);
    if (others !== undefined) return void others.push(done);
    const waiting = [done];
    doubts.set(stream, waiting);
    readStream(stream, (outcome) => {
      doubts.delete(stream);
      for (const tell of waiting) tell(outcome.kind === "gone");
    });
  }

  return {
    append({ log, bytes, expectedSeq }, done) {
      const fence = headers();
      fence.set(fenceHeader, String(expectedSeq));
      inbox.ask(log.subject, bytes, { timeoutMs: times.appendTimeoutMs, headers: fence }, (answer) => {
        if (answer.kind !== "nobody") return done(appendOutcome(answer));
        // Nobody listens: the stream has no leader right now, or there is no such stream.
        whetherGone(log.stream, (gone) =>
          done(gone ? { kind: "gone" } : { kind: "notStored", why: "the stream has no leader right now" }),
        );
      });
    },
    read(wish, done) {
      const { log, at, seq } = wish;
      const asked =
        at === "last" ? { last_by_subj: log.subject } : at === "exact" ? { seq } : { seq, next_by_subj: log.subject };
      callApi(inbox, `STREAM.MSG.GET.${log.stream}`, asked, times.readTimeoutMs, (answer) =>
        done(readOutcome(answer, log.subject)),
      );
    },
    readStream,
    trim(stream, belowSeq) {
      callApi(inbox, `STREAM.PURGE.${stream}`, { seq: belowSeq }, times.readTimeoutMs, () => undefined);
    },
  };
}

/** What a publish with a fence came to. */
export function appendOutcome(answer: Answer): AppendOutcome {
  if (answer.kind === "unsent") return { kind: "notStored", why: answer.why };
  const said = apiAnswer(answer);
  switch (said.kind) {
    case "ok": {
      const seq = numberOf(said.body.seq);
      return seq > 0 ? { kind: "stored", seq } : { kind: "unknown" };
    }
    case "error":
      return refusal(said.error);
    case "nobody":
      return { kind: "notStored", why: "nobody listens on the subject" };
    case "unknown":
      return { kind: "unknown" };
  }
}

function refusal(error: ApiError): AppendOutcome {
  switch (error.errCode) {
    case jsErrors.wrongLastSequence: {
      const lastSeq = lastSequenceIn(error.words);
      return lastSeq === undefined ? { kind: "notStored", why: error.words } : { kind: "refused", lastSeq };
    }
    case jsErrors.expectedSequenceInFlight:
    case jsErrors.ingestQueueFull:
      return { kind: "notStored", why: error.words };
    case jsErrors.storeFailed:
    case jsErrors.insufficientResources:
    case jsErrors.storageResources:
    case jsErrors.serverMemoryOrStorage:
      return { kind: "full", why: error.words };
    case jsErrors.streamNotFound:
      return { kind: "gone" };
    default:
      return error.code === 429 || error.code === 503 ? { kind: "notStored", why: error.words } : { kind: "unknown" };
  }
}

/** The server says it only in words: `wrong last sequence: 17`. */
function lastSequenceIn(words: string): number | undefined {
  const found = /wrong last sequence: (\d+)/.exec(words)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** `subject`: a record of another subject counts as none. */
export function readOutcome(answer: ApiAnswer, subject: string): ReadOutcome {
  if (answer.kind === "error") {
    if (answer.error.errCode === jsErrors.noMessage) return { kind: "none" };
    return answer.error.errCode === jsErrors.streamNotFound ? { kind: "gone" } : { kind: "unknown" };
  }
  if (answer.kind !== "ok") return { kind: "unknown" };
  const message = fieldsOf(answer.body.message);
  if (message.subject !== subject) return message.subject === undefined ? { kind: "unknown" } : { kind: "none" };
  return { kind: "record", record: recordIn(message) };
}

function recordIn(message: Fields): LogRecord {
  return {
    seq: numberOf(message.seq),
    bytes: new Uint8Array(Buffer.from(stringOf(message.data), "base64")),
    timeMs: Date.parse(stringOf(message.time)),
  };
}

export function streamOutcome(answer: ApiAnswer): StreamOutcome {
  if (answer.kind === "error")
    return answer.error.errCode === jsErrors.streamNotFound ? { kind: "gone" } : { kind: "unknown" };
  if (answer.kind !== "ok") return { kind: "unknown" };
  const state = fieldsOf(answer.body.state);
  const created = stringOf(answer.body.created);
  if (created === "") return { kind: "unknown" };
  return {
    kind: "state",
    state: {
      firstSeq: numberOf(state.first_seq),
      lastSeq: numberOf(state.last_seq),
      messages: numberOf(state.messages),
      bytes: numberOf(state.bytes),
      created,
    },
  };
}
