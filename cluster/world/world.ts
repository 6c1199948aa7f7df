// World. Owns the carrying out of effects in production: over NATS, LMDB, timers and threads, each in its own file. One per host.
// W1 every effect kind has one performer (the table is total). W2 answers come back as messages, never from inside `perform`.
// W3 the loop runs messages in short turns, so that input and timers always get theirs.

import type { ActorId, Request, WorldMessage } from "../../src/kernel/effect.js";
import { fault } from "../../src/kernel/fault.js";
import { Kernel, type Outward, type World } from "../../src/kernel/kernel.js";
import type { Random } from "../../src/kernel/random.js";
import type { Log } from "../log.js";
import type { Arrivals } from "../trace/arrivals.js";
import { type Compute, type ComputeOutcome, createCompute } from "./compute.js";
import type { Connection } from "./connection.js";
import { type Inbox, openInbox } from "./inbox.js";
import { createLogStreams, type LogStreams, type LogTimes } from "./log.js";
import { createRequests, type Requests } from "./requests.js";
import type { NodeStore } from "./store.js";
import { ensureStream, restorableStream, type StreamsWish } from "./streams.js";
import { createTails, type Tails } from "./tail.js";
import { createTimers, type Timers } from "./timers.js";

export interface WorldSpec {
  /** Unique in the cluster, also over restarts of the host. */
  readonly hostName: string;
  readonly connection: Connection;
  /** Absent where no actor commits. */
  readonly store: NodeStore | undefined;
  readonly streams: StreamsWish;
  readonly times: LogTimes;
  readonly random: Random;
  readonly log: Log;
  /** Makes spans of requests; absent where nothing is traced. */
  readonly arrivals?: Arrivals | undefined;
  /** An actor without parent threw. */
  onCrash(actor: ActorId, error: unknown): void;
}

export interface HostWorld {
  readonly kernel: Kernel;
  readonly inbox: Inbox;
  readonly requests: Requests;
  readonly tails: Tails;
  /** Stops at once: no message is stepped any more, nothing is sent. The connection and the store stay open. */
  close(): Promise<void>;
}

type Performers = { readonly [K in Outward["kind"]]: (actor: ActorId, effect: Extract<Outward, { kind: K }>) => void };

interface Parts {
  readonly spec: WorldSpec;
  readonly streams: LogStreams;
  readonly tails: Tails;
  readonly requests: Requests;
  readonly timers: Timers;
  readonly compute: Compute;
  answer(actor: ActorId, message: WorldMessage): void;
  /** An append found no such stream. */
  lost(stream: string): void;
}

/** Messages between two looks at the clock. */
export const turnStride = 16;
export const turnMs = 4;
/** Past this many waiting messages the followed streams are made to wait. */
const pressedMessages = 4096;
const restoreEveryMs = 1000;
/** A node compares copies sooner or later; by then its start is over. */
const warmAfterMs = 10_000;

export function createWorld(spec: WorldSpec): HostWorld {
  const { connection, store, random, log } = spec;
  let closed = false;
  let due = false;

  function turn(): void {
    due = false;
    if (closed) return;
    const endMs = performance.now() + turnMs;
    let left = 1;
    while (left > 0 && performance.now() < endMs) left = kernel.run(turnStride);
    if (left > 0) scheduled();
  }
  function scheduled(): void {
    if (due) return;
    due = true;
    setImmediate(turn);
  }
  function answer(actor: ActorId, message: WorldMessage): void {
    if (!closed) kernel.deliver(actor, message);
  }

  const inbox = openInbox(connection);
  const streams = createLogStreams(inbox, spec.times);
  const timers = createTimers((actor, name) => answer(actor, { kind: "woke", name }));
  const compute = createCompute();
  if (store !== undefined) compute.warmAfter(warmAfterMs);
  const requests = createRequests({
    connection,
    inbox,
    request: (actor, request) => take(actor, request),
    arrivals: spec.arrivals,
  });
  const names = random.fork("consumer names");
  const tails = createTails({
    connection,
    inbox,
    hostName: spec.hostName,
    deliver: answer,
    pressed: () => kernel.load().waiting > pressedMessages || (store?.pressed() ?? false),
    restore: (stream) => restore(inbox, stream, spec),
    freshName: () => names.hex(8),
  });
  const restoredAtMs = new Map<string, number>();
  function lost(stream: string): void {
    if (performance.now() - (restoredAtMs.get(stream) ?? Number.NEGATIVE_INFINITY) < restoreEveryMs) return;
    restoredAtMs.set(stream, performance.now());
    void restore(inbox, stream, spec);
  }
  const parts: Parts = { spec, streams, tails, requests, timers, compute, answer, lost };
  const performers = performersOf(parts);

  function take(actor: ActorId, request: Request): void {
    if (closed) return;
    if (store?.pressed() ?? false) {
      const why = fault("OVERLOADED", "the disk cannot keep up; try again later", { retryAfterMs: 100 });
      return requests.reply(request.from, { fault: why });
    }
    kernel.request(actor, request);
  }

  const world: World = {
    nowMs: () => performance.now(),
    wallMs: () => Date.now(),
    perform(actor, effect) {
      // The table maps each kind to a performer of that kind, which the compiler cannot follow through an index.
      const perform = performers[effect.kind] as (actor: ActorId, effect: Outward) => void;
      perform(actor, effect);
    },
    reply: requests.reply,
    forget(actor) {
      timers.forget(actor);
      tails.forget(actor);
    },
    crashed: spec.onCrash,
    scheduled,
  };
  const kernel = new Kernel(world, random.fork("actors"));
  const stopListening = connection.onError((what) => log("warn", "natsError", { what }));

  return {
    kernel,
    inbox,
    requests,
    tails,
    async close() {
      if (closed) return;
      closed = true;
      stopListening();
      requests.close();
      tails.close();
      timers.close();
      inbox.close();
      await compute.close();
    },
  };
}

function performersOf({ spec, streams, tails, requests, timers, compute, answer, lost }: Parts): Performers {
  return {
    append: (actor, { log, bytes, expectedSeq, ticket }) =>
      streams.append({ log, bytes, expectedSeq }, (outcome) => {
        if (outcome.kind === "gone") lost(log.stream);
        answer(actor, { kind: "appended", ticket, outcome });
      }),
    readLog: (actor, { log, at, seq, ticket }) =>
      streams.read({ log, at, seq }, (outcome) => {
        // Some streams are only read while nobody leads: without this, a lost lease stream would stay lost.
        if (outcome.kind === "gone") lost(log.stream);
        answer(actor, { kind: "logRead", ticket, outcome });
      }),
    readStream: (actor, { stream, ticket }) =>
      streams.readStream(stream, (outcome) => answer(actor, { kind: "streamRead", ticket, outcome })),
    trimStream: (_actor, { stream, belowSeq }) => streams.trim(stream, belowSeq),
    follow: (actor, { stream, fromSeq }) => tails.follow(actor, stream, fromSeq),
    unfollow: (actor, { stream }) => tails.unfollow(actor, stream),
    publish: (_actor, { subject, body }) => requests.publish(subject, body),
    ask: (actor, { subject, body, timeoutMs, ticket, behalf }) =>
      requests.ask(subject, body, timeoutMs, (outcome) => answer(actor, { kind: "answered", ticket, outcome }), behalf),
    commit(actor, { writes, clears, ticket, soon }) {
      if (spec.store === undefined) throw new Error("this host has no store");
      const told =
        ticket === undefined
          ? undefined
          : (why?: ReturnType<typeof fault>): void =>
              answer(actor, { kind: "committed", ticket, ...(why === undefined ? {} : { fault: why }) });
      spec.store.commit(writes, clears ?? [], told, soon);
    },
    compute(actor, { job, input, ticket, onStore = false }) {
      const told = (outcome: ComputeOutcome): void => answer(actor, { kind: "computed", ticket, outcome });
      if (!onStore) return compute.run(job, input, told);
      if (spec.store === undefined) throw new Error("this host has no store");
      spec.store.snapshot((snapshot) =>
        "code" in snapshot ? told({ ok: false, fault: snapshot }) : compute.runOn(snapshot, job, input, told),
      );
    },
    wake: (actor, { name, afterMs }) => timers.wake(actor, name, afterMs),
    unwake: (actor, { name }) => timers.unwake(actor, name),
    log: (actor, { level, event, fields }) => spec.log(level, event, { actor, ...fields }),
  };
}

/** Makes a lost stream again, where `restorableStream` allows it. */
async function restore(inbox: Inbox, stream: string, { streams, log }: WorldSpec): Promise<boolean> {
  const spec = restorableStream(stream, streams);
  if (spec === undefined) return false;
  const result = await ensureStream(inbox, spec, streams.replicas);
  if (!result.ok) log("error", "streamNotRestored", { stream, why: result.fault.message });
  else if (result.value === "made") log("warn", "streamRestored", { stream });
  return result.ok;
}
