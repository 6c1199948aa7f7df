// Compute worker. The door of a Piscina thread: finds the job by name, runs it, hands back a value, never an error.

import { fail, type Result } from "../../src/kernel/fault.js";
import type { Hash } from "../../src/kernel/hash.js";
import { loadHash } from "../world/hash.js";
import { jobs } from "./jobs.js";

export interface Task {
  readonly job: string;
  readonly input: unknown;
}

let hash: Promise<Hash> | undefined;

export default async function compute({ job, input }: Task): Promise<Result<unknown>> {
  const run = Object.hasOwn(jobs, job) ? jobs[job] : undefined;
  if (run === undefined) return fail("INTERNAL", `no job is called ${job}`);
  hash ??= loadHash();
  try {
    return run(input, await hash);
  } catch (error) {
    return fail("INTERNAL", `the job ${job} failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}
