// Compute. Owns the pool of worker threads for work that would hold the event loop. Made at the first job, or some time after the start; one thread stays, the others
// end when idle: a thread takes a tenth of a second of processor time to start, and would take it from the callers in the middle of a move.
// P0 buffers of a job's input are handed over, not copied: whoever asked has them no more.
// P1 the queue is bounded: past it a job is answered OVERLOADED. P2 every job is answered, also when its thread dies or the pool is closed.
// P3 a job on the store says `opened` as soon as it has its read transaction; it never writes, and it is asked to end before its thread is.

import { MessageChannel } from "node:worker_threads";
import { Piscina } from "piscina";
import { type Fault, fault, isFaultCode } from "../../src/kernel/fault.js";
import type { Task } from "../workers/compute.js";
import type { Snapshot } from "./store.js";
import { buffersIn } from "./transfer.js";

export type ComputeOutcome =
  | { readonly ok: true; readonly output: unknown }
  | { readonly ok: false; readonly fault: Fault };

export interface Compute {
  run(job: string, input: unknown, done: (outcome: ComputeOutcome) => void): void;
  /** The same on what a store held at one moment, which is released as soon as the job has opened it, or will not. */
  runOn(snapshot: Snapshot, job: string, input: unknown, done: (outcome: ComputeOutcome) => void): void;
  /** Starts a thread then, so that the first job does not have to. */
  warmAfter(ms: number): void;
  close(): Promise<void>;
}

export interface ComputeLimits {
  readonly threads: number;
  readonly queue: number;
  readonly heapMiB: number;
}

export const computeLimits: ComputeLimits = { threads: 2, queue: 256, heapMiB: 256 };
const idleMs = 60_000;
const closeMs = 5_000;

export function createCompute(bounds: ComputeLimits = computeLimits): Compute {
  let pool: Piscina | undefined;
  let closed = false;
  let warming: NodeJS.Timeout | undefined;
  const stop = new Int32Array(new SharedArrayBuffer(4));

  const open = (): Piscina =>
    new Piscina({
      filename: new URL("../workers/thread.js", import.meta.url).href,
      minThreads: 1,
      maxThreads: bounds.threads,
      maxQueue: bounds.queue,
      idleTimeout: idleMs,
      concurrentTasksPerWorker: 1,
      atomics: "disabled",
      closeTimeout: closeMs,
      recordTiming: false,
      resourceLimits: { maxOldGenerationSizeMb: bounds.heapMiB },
    });

  function submit(task: Task, done: (outcome: ComputeOutcome) => void): void {
    if (closed) return void setImmediate(done, { ok: false, fault: fault("UNAVAILABLE", "the host is stopping") });
    pool ??= open();
    const transferList = task.store === undefined ? buffersIn(task.input) : [task.store.port];
    pool.run(task, { transferList }).then(
      (result: unknown) => done(decode(result)),
      (error: unknown) => done({ ok: false, fault: threadFault(error) }),
    );
  }

  return {
    run: (job, input, done) => submit({ job, input }, done),
    runOn({ dir, release }, job, input, done) {
      const { port1, port2 } = new MessageChannel();
      port1.once("message", release);
      submit({ job, input, store: { dir, port: port2, stop } }, (outcome) => {
        port1.close();
        release();
        done(outcome);
      });
    },
    warmAfter(ms) {
      warming = setTimeout(() => {
        pool ??= open();
      }, ms).unref();
    },
    async close() {
      closed = true;
      clearTimeout(warming);
      Atomics.store(stop, 0, 1);
      await pool?.close({ force: true }).catch(() => undefined);
      await pool?.destroy().catch(() => undefined);
    },
  };
}

function decode(result: unknown): ComputeOutcome {
  if (typeof result === "object" && result !== null && "ok" in result) {
    if (result.ok === true && "value" in result) return { ok: true, output: result.value };
    if ("fault" in result) return { ok: false, fault: faultIn(result.fault) };
  }
  return { ok: false, fault: fault("INTERNAL", "a worker thread answered what it never should") };
}

function faultIn(value: unknown): Fault {
  if (typeof value === "object" && value !== null && "code" in value && "message" in value && isFaultCode(value.code))
    return fault(value.code, String(value.message));
  return fault("INTERNAL", "a worker thread failed without saying why");
}

/** The thread died, or the queue is full: Piscina says which only in words. */
function threadFault(error: unknown): Fault {
  const words = error instanceof Error ? error.message : String(error);
  return words.includes("queue is at limit")
    ? fault("OVERLOADED", "too many computations are waiting; try again later", { retryAfterMs: 100 })
    : fault("UNAVAILABLE", `a worker thread ended before it was done: ${words}`);
}
