// Replay. Owns one reading of the load stream from its beginning to where it ended when the reading began: the past of series that have a new owner.
// A child of the forecaster, so that the samples of now never wait for those of then.
// R1 it ends: at the end of the stream, or when nothing has come for a while. R2 each node's clock is its samples' own time, but never beyond the server's stamps:
//    a clock that runs ahead moves nothing. R3 a past that was written down later than it was (of another cluster, of a trace) counts where it belongs.

import type { Horizon } from "../../src/forecast/horizons.js";
import type { ActorId, Effects, LogRecord, WorldMessage } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import type { Actor } from "../../src/kernel/machine.js";
import { createBook, type LoadBook, type SeriesKey } from "../../src/load/book.js";
import { createPast, type Past } from "../../src/load/past.js";
import { decodeSample } from "../../src/load/sample.js";
import { type NodeId, streams } from "../../src/protocol/subjects.js";
import { createDrip, type Drip } from "./drip.js";

/** To the parent: one past per horizon. */
export interface Replayed {
  readonly kind: "replayed";
  readonly pasts: readonly Past[];
  readonly records: number;
}

type ReplayMessage = { readonly kind: "start" } | WorldMessage;

interface Diary {
  /** One per horizon. */
  readonly books: readonly LoadBook[];
  nowMs: number;
}

/** Names of nodes that are believed; what others say is left out. */
const mostNodes = 4096;
const turnTimer = "turn";
const quietMs = 5000;
const looksWithoutNews = 3;

interface State {
  readonly self: ActorId;
  readonly parent: ActorId;
  readonly horizons: readonly Horizon[];
  /** By node, so that the order of samples counts only within one. */
  readonly diaries: Map<NodeId, Diary>;
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
    horizons,
    diaries: new Map(),
    pasts: horizons.map(({ slotMs, historySlots }) => createPast(slotMs, historySlots, wants)),
    records: 0,
    seen: 0,
    quiet: 0,
    endSeq: 0,
    isEnd: false,
    drip: createDrip(),
    turnArmed: false,
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
  const sample = decodeSample(record.bytes);
  const diary = sample.ok ? diaryOf(state, sample.value.node) : undefined;
  if (!sample.ok || diary === undefined) return;
  const { interval, intervalMs } = sample.value;
  diary.nowMs = Math.max(diary.nowMs, Math.min(record.timeMs, (interval + 1) * intervalMs));
  closeUpTo(state, diary, diary.nowMs);
  for (const book of diary.books) book.take(sample.value);
}

function diaryOf({ diaries, horizons }: State, node: NodeId): Diary | undefined {
  const known = diaries.get(node);
  if (known !== undefined || diaries.size >= mostNodes) return known;
  const diary = { books: horizons.map(({ slotMs }) => createBook(slotMs, slotMs)), nowMs: 0 };
  diaries.set(node, diary);
  return diary;
}

function closeUpTo(state: State, { books }: Diary, wallMs: number): void {
  for (const [index, book] of books.entries()) for (const slot of book.close(wallMs)) state.pasts[index]?.add(slot);
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
  const nowMs = Math.max(0, ...[...state.diaries.values()].map((diary) => diary.nowMs));
  for (const diary of state.diaries.values()) closeUpTo(state, diary, nowMs);
  const replayed: Replayed = { kind: "replayed", pasts: state.pasts, records: state.records };
  return [
    { kind: "unfollow", stream: streams.load },
    { kind: "tell", to: state.parent, message: replayed },
    { kind: "stop", id: state.self },
  ];
}
