// Compute worker. The door of a Piscina thread: finds the job by name, runs it, hands back a value, never an error.

import { move, transferableSymbol, valueSymbol } from "piscina";
import { fail, type Result } from "../../src/kernel/fault.js";
import type { Hash } from "../../src/kernel/hash.js";
import { loadHash } from "../world/hash.js";
import { buffersIn } from "../world/transfer.js";
import { jobs } from "./jobs.js";

export interface Task {
  readonly job: string;
  readonly input: unknown;
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

async function run({ job, input }: Task): Promise<Result<unknown>> {
  const work = Object.hasOwn(jobs, job) ? jobs[job] : undefined;
  if (work === undefined) return fail("INTERNAL", `no job is called ${job}`);
  hash ??= loadHash();
  try {
    return work(input, await hash);
  } catch (error) {
    return fail("INTERNAL", `the job ${job} failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}
