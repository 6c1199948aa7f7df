// Replay. Owns one reading of the load stream from its beginning to where it ended when the reading began: the past of series that have a new owner.
// A child of the forecaster, so that the samples of now never wait for those of then.
// R1 it ends: at the end of the stream, or when nothing has come for a while. R2 its clock is the server's stamps, never a sample's own word.

import type { Horizon } from "../../src/forecast/horizons.js";
import type { ActorId, Effects, LogRecord, WorldMessage } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import type { Actor } from "../../src/kernel/machine.js";
import { createBook, type LoadBook, type SeriesKey } from "../../src/load/book.js";
import { createPast, type Past } from "../../src/load/past.js";
import { decodeSample } from "../../src/load/sample.js";
import { streams } from "../../src/protocol/subjects.js";
import { createDrip, type Drip } from "./drip.js";

/** To the parent: one past per horizon. */
export interface Replayed {
  readonly kind: "replayed";
  readonly pasts: readonly Past[];
  readonly records: number;
}

type ReplayMessage = { readonly kind: "start" } | WorldMessage;

const turnTimer = "turn";
const quietMs = 5000;
const looksWithoutNews = 3;

interface State {
  readonly self: ActorId;
  readonly parent: ActorId;
  readonly books: readonly LoadBook[];
  readonly pasts: readonly Past[];
  records: number;
  /** Records when the watchdog looked last, and how often it saw no more of them. */
  seen: number;
  quiet: number;
  endSeq: number;
  /** The last record that was there when the reading began has come. */
  isEnd: boolean;
  readonly drip: Drip;
  turnArmed: boolean;
  nowMs: number;
  done: boolean;
}

export function createReplay(
  self: ActorId,
  parent: ActorId,
  horizons: readonly Horizon[],
  wants: (key: SeriesKey) => boolean,
): Actor<ReplayMessage> {
  const state: State = {
    self,
    parent,
    books: horizons.map(({ slotMs }) => createBook(slotMs, slotMs)),
    pasts: horizons.map(({ slotMs, historySlots }) => createPast(slotMs, historySlots, wants)),
    records: 0,
    seen: 0,
    quiet: 0,
    endSeq: 0,
    isEnd: false,
    drip: createDrip(),
    turnArmed: false,
    nowMs: 0,
    done: false,
  };
  return { mailboxLimit: 1, step: (message) => (state.done ? none : onMessage(state, message)) };
}

function onMessage(state: State, message: ReplayMessage): Effects {
  switch (message.kind) {
    case "start":
      return [
        { kind: "readStream", stream: streams.load, ticket: 1 },
        { kind: "wake", name: "watch", afterMs: quietMs },
      ];
    case "streamRead":
      return onStream(state, message);
    case "followed":
      return onRecord(state, message);
    case "followNews":
      state.isEnd ||= message.news === "idle";
      return arm(state);
    case "woke":
      return message.name === turnTimer ? onTurn(state) : watch(state);
    default:
      return none;
  }
}

function onStream(state: State, { outcome }: Extract<WorldMessage, { kind: "streamRead" }>): Effects {
  if (outcome.kind !== "state" || outcome.state.messages === 0) return finish(state);
  state.endSeq = outcome.state.lastSeq;
  return [{ kind: "follow", stream: streams.load, fromSeq: Math.max(1, outcome.state.firstSeq) }];
}

function onRecord(state: State, { record, pending }: Extract<WorldMessage, { kind: "followed" }>): Effects {
  state.isEnd = record.seq >= state.endSeq || pending === 0;
  if (!state.drip.offer(record)) return arm(state);
  read(state, record);
  return state.isEnd ? finish(state) : arm(state);
}

function onTurn(state: State): Effects {
  state.turnArmed = false;
  for (const record of state.drip.due()) read(state, record);
  return state.isEnd && state.drip.isEmpty() ? finish(state) : arm(state);
}

function arm(state: State): Effects {
  if (state.turnArmed) return none;
  state.turnArmed = true;
  return [{ kind: "wake", name: turnTimer, afterMs: 1 }];
}

function read(state: State, record: LogRecord): void {
  state.records++;
  state.nowMs = Math.max(state.nowMs, record.timeMs);
  closeUpTo(state, state.nowMs);
  const sample = decodeSample(record.bytes);
  if (sample.ok) for (const book of state.books) book.take(sample.value);
}

function closeUpTo(state: State, wallMs: number): void {
  for (const [index, book] of state.books.entries())
    for (const slot of book.close(wallMs)) state.pasts[index]?.add(slot);
}

function watch(state: State): Effects {
  state.quiet = state.records === state.seen ? state.quiet + 1 : 0;
  state.seen = state.records;
  if (state.quiet >= looksWithoutNews) return finish(state);
  return [{ kind: "wake", name: "watch", afterMs: quietMs }];
}

/** Slots that were not over when the stream ended belong to the present. */
function finish(state: State): Effects {
  state.done = true;
  const replayed: Replayed = { kind: "replayed", pasts: state.pasts, records: state.records };
  return [
    { kind: "unfollow", stream: streams.load },
    { kind: "tell", to: state.parent, message: replayed },
    { kind: "stop", id: state.self },
  ];
}
