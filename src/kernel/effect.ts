// Effects. Owns the closed union of what an actor may want from the world, and the messages that answer.
// An effect is data. Whoever carries it out answers with the message of the same ticket, or never (a crash):
// an actor that cannot wait for ever arms a `wake` beside it.

import type { Fault } from "./fault.js";
import type { Actor } from "./machine.js";

/** Names an actor inside one host, e.g. `node`, `shard/64`, `leader/0`. */
export type ActorId = string;
/** Chosen by the actor, unique within it while under way; the answer carries it back. A stale ticket is dropped. */
export type Ticket = number;
/** Names one request that waits for a reply; opaque to actors. */
export type ReplyTo = { readonly reply: string | number };

/**
 * A traced request on whose behalf something is asked: what the world gave with it, and which operation of the body is its own, by the index of
 * its part and its index in that; without a place the whole body is.
 */
export interface OnBehalf {
  readonly trace: string;
  readonly place?: readonly [part: number, index: number];
}

/** One NATS stream subject. For data logs one subject is one fragment. */
export interface LogSubject {
  readonly stream: string;
  readonly subject: string;
}

export type AppendOutcome =
  | { readonly kind: "stored"; readonly seq: number }
  /** Wrong last sequence: the subject's last is `lastSeq` (0 when empty). */
  | { readonly kind: "refused"; readonly lastSeq: number }
  /** Certainly not stored (nobody listened, a conflicting append is in flight, ingest queue full). */
  | { readonly kind: "notStored"; readonly why: string }
  /** The stream is at its limit or the disk is full: not stored. */
  | { readonly kind: "full"; readonly why: string }
  /** The stream does not exist any more. */
  | { readonly kind: "gone" }
  /** Time-out or disconnect: it may be stored, now or later. */
  | { readonly kind: "unknown" };

export interface LogRecord {
  readonly seq: number;
  readonly bytes: Uint8Array;
  /** When the server stored it, milliseconds since 1970, the server's clock. */
  readonly timeMs: number;
}

export type ReadOutcome =
  | { readonly kind: "record"; readonly record: LogRecord }
  /** Nothing there (for `last`: the subject is empty; for `next`: nothing at or after). */
  | { readonly kind: "none" }
  | { readonly kind: "gone" }
  | { readonly kind: "unknown" };

export interface StreamState {
  readonly firstSeq: number;
  /** Last sequence ever given (also when that message is gone). 0 when nothing was ever stored. */
  readonly lastSeq: number;
  readonly messages: number;
  readonly bytes: number;
  /** When the stream was created, as the server says it: changes when it is deleted and made again. */
  readonly created: string;
}

export type StreamOutcome =
  | { readonly kind: "state"; readonly state: StreamState }
  | { readonly kind: "gone" }
  | { readonly kind: "unknown" };

/** One change of the node's store: `value` undefined deletes. */
export interface StoreWrite {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}
/** Deletes every key in [from, to). Carried out before `writes` of the same commit. */
export interface StoreClear {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

export type Level = "debug" | "info" | "warn" | "error";

export type Effect =
  /** Append fenced by the subject's last sequence (0 = the subject must be empty). Answer: `appended`. */
  | {
      readonly kind: "append";
      readonly log: LogSubject;
      readonly bytes: Uint8Array;
      readonly expectedSeq: number;
      readonly ticket: Ticket;
    }
  /** Read one record: the last of the subject, the one at `seq`, or the first of the subject at or after `seq`. Answer: `logRead`. */
  | {
      readonly kind: "readLog";
      readonly log: LogSubject;
      readonly at: "last" | "exact" | "next";
      readonly seq: number;
      readonly ticket: Ticket;
    }
  /** Answer: `streamRead`. */
  | { readonly kind: "readStream"; readonly stream: string; readonly ticket: Ticket }
  /** Drop everything below `belowSeq` from the head of the stream. Best effort; no answer. */
  | { readonly kind: "trimStream"; readonly stream: string; readonly belowSeq: number }
  /** Tail a stream from `fromSeq` on: `followed` for each record in order, `followNews` when idle, reset or lost. Replaces an earlier follow of the same stream by this actor. */
  | { readonly kind: "follow"; readonly stream: string; readonly fromSeq: number }
  | { readonly kind: "unfollow"; readonly stream: string }
  /** To another actor of this host. Delivered in order, at most once. */
  | { readonly kind: "tell"; readonly to: ActorId; readonly message: object }
  /** To whoever listens on a subject. At most once, no answer. */
  | { readonly kind: "publish"; readonly subject: string; readonly body: unknown }
  /** Request to a subject. Answer: `answered`. */
  | {
      readonly kind: "ask";
      readonly subject: string;
      readonly body: unknown;
      readonly timeoutMs: number;
      readonly ticket: Ticket;
      /** Only where a request that is traced is behind it. A world that traces nothing may ignore it. */
      readonly behalf?: readonly OnBehalf[];
    }
  /** Answers a request. With `after`, the outbox holds it until `settle` of that ticket (I1). */
  | { readonly kind: "reply"; readonly to: ReplyTo; readonly body: unknown; readonly after?: Ticket }
  /** Releases what the outbox holds for `ticket`; with a fault, each held reply becomes `{fault}` instead. */
  | { readonly kind: "settle"; readonly ticket: Ticket; readonly fault?: Fault }
  /** One transaction on the node's store, visible to reads of the next step. With a ticket, `committed` says when it survives power loss. */
  | {
      readonly kind: "commit";
      readonly writes: readonly StoreWrite[];
      readonly clears?: readonly StoreClear[];
      readonly ticket?: Ticket;
      /** Something waits for the ticket: the disk is not to gather more first. */
      readonly soon?: boolean;
    }
  /**
   * Work for another thread. Answer: `computed`. With `onStore` the job reads the node's store as it is after this actor's commits so far and before any later one;
   * where that cannot be had in time it is answered with a fault.
   */
  | {
      readonly kind: "compute";
      readonly job: string;
      readonly input: unknown;
      readonly ticket: Ticket;
      readonly onStore?: boolean;
    }
  /** Arms (or re-arms) the timer `name`; it fires `woke` once. */
  | { readonly kind: "wake"; readonly name: string; readonly afterMs: number }
  | { readonly kind: "unwake"; readonly name: string }
  | { readonly kind: "spawn"; readonly id: ActorId; readonly actor: Actor }
  /** Ends an actor of this host, its timers, follows and held replies. */
  | { readonly kind: "stop"; readonly id: ActorId }
  /** Structured log line; never secrets or documents. */
  | {
      readonly kind: "log";
      readonly level: Level;
      readonly event: string;
      readonly fields?: Readonly<Record<string, unknown>>;
    };

export type Effects = readonly Effect[];
export const none: Effects = [];

/** What every actor may receive from the world. */
export type WorldMessage =
  | { readonly kind: "appended"; readonly ticket: Ticket; readonly outcome: AppendOutcome }
  | { readonly kind: "logRead"; readonly ticket: Ticket; readonly outcome: ReadOutcome }
  | { readonly kind: "streamRead"; readonly ticket: Ticket; readonly outcome: StreamOutcome }
  /** The next record of a followed stream. `pending`: how many more the server knew of when it sent this. */
  | {
      readonly kind: "followed";
      readonly stream: string;
      readonly subject: string;
      readonly record: LogRecord;
      readonly pending: number;
    }
  /**
   * `idle`: at the tail, nothing new, `lastSeq` is the stream's last. `regressed`: the stream's last fell below what was delivered;
   * the tail starts over from the stream's first record. `recreated`: another stream of the same name; starts over. `gone`: no such stream; it keeps trying.
   */
  | {
      readonly kind: "followNews";
      readonly stream: string;
      readonly news: "idle" | "regressed" | "recreated" | "gone";
      readonly lastSeq: number;
      readonly created: string;
    }
  | { readonly kind: "answered"; readonly ticket: Ticket; readonly outcome: AskOutcome }
  | { readonly kind: "committed"; readonly ticket: Ticket; readonly fault?: Fault }
  | {
      readonly kind: "computed";
      readonly ticket: Ticket;
      readonly outcome: { readonly ok: true; readonly output: unknown } | { readonly ok: false; readonly fault: Fault };
    }
  | { readonly kind: "woke"; readonly name: string }
  /** A child actor threw; it was stopped. Its parent decides. */
  | { readonly kind: "childFailed"; readonly id: ActorId; readonly error: string };

export type AskOutcome =
  | { readonly kind: "answer"; readonly body: unknown }
  /** Nobody listens on the subject. */
  | { readonly kind: "nobody" }
  | { readonly kind: "timeout" };

/** A request that came in over a subject the host subscribed for the actor. */
export interface Request {
  readonly kind: "request";
  readonly subject: string;
  /** Decoded msgpack or JSON, not yet checked. */
  readonly body: unknown;
  readonly from: ReplyTo;
  /** Who asks, as stamped by the server; empty inside CORE. */
  readonly user: string;
  /** The world's own name of it where it is traced: an actor only hands it on, with what it asks on its behalf. */
  readonly trace?: string;
}
