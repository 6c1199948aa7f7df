// Compute worker. The door of a Piscina thread: finds the job by name, runs it, hands back a value, never an error.

import type { MessagePort } from "node:worker_threads";
import { move, transferableSymbol, valueSymbol } from "piscina";
import { fail, type Result } from "../../src/kernel/fault.js";
import type { Hash } from "../../src/kernel/hash.js";
import { loadHash } from "../world/hash.js";
import { buffersIn } from "../world/transfer.js";
import { jobs, storeJobs } from "./jobs.js";
import { onStoreAt } from "./store-reader.js";

export interface Task {
  readonly job: string;
  readonly input: unknown;
  /** Of a job on a node's store: where it lies, whom to tell that it is open, and a flag that asks the job to end. */
  readonly store?: { readonly dir: string; readonly port: MessagePort; readonly stop: Int32Array };
}

let hash: Promise<Hash> | undefined;

export default async function compute(task: Task): Promise<unknown> {
  const result = await run(task);
  const buffers = buffersIn(result);
  if (buffers.length === 0) return result;
  return move({
    get [transferableSymbol]() {
      return buffers;
    },
    get [valueSymbol]() {
      return result;
    },
  });
}

async function run({ job, input, store }: Task): Promise<Result<unknown>> {
  hash ??= loadHash();
  try {
    const hashing = await hash;
    if (store === undefined) return (await jobNamed(jobs, job)?.(input, hashing)) ?? unknownJob(job);
    const work = jobNamed(storeJobs, job);
    if (work === undefined) return unknownJob(job);
    return await onStoreAt(store, (rows, stopped) => work(input, hashing, rows, stopped));
  } catch (error) {
    return fail("INTERNAL", `the job ${job} failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function jobNamed<J>(table: Readonly<Record<string, J>>, name: string): J | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

function unknownJob(job: string): Result<never> {
  return fail("INTERNAL", `no job is called ${job}`);
}
