// Jobs. Owns the table of what the worker threads can compute. A job is a pure function of its input; add one by adding a line.
// J1 a job decodes its own input, and answers a fault as a value: errors lose their fields on the way between threads.

import { type DigestWish, digestJob, digestTree } from "../../src/fragment/digest.js";
import type { Store } from "../../src/fragment/store.js";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import type { Hash } from "../../src/kernel/hash.js";

export type Job = (input: unknown, hash: Hash) => Result<unknown> | Promise<Result<unknown>>;
/** `stopped` says that the host is ending: the job should too. */
export type StoreJob = (input: unknown, hash: Hash, store: Store, stopped: () => boolean) => Result<unknown>;

export const jobs: Readonly<Record<string, Job>> = {
  digest,
  // A node's thread never needs what forecasts are made with: it is loaded by the first job that does.
  refitSeries: async (input) => (await import("./forecast-jobs.js")).refitJob(input),
  rebuildSeries: async (input) => (await import("./forecast-jobs.js")).rebuildJob(input),
  poolSeries: async (input) => (await import("./forecast-jobs.js")).poolJob(input),
};
export const storeJobs: Readonly<Record<string, StoreJob>> = { [digestJob]: fragmentDigest };

function fragmentDigest(input: unknown, hash: Hash, store: Store, stopped: () => boolean): Result<unknown> {
  const wish = wishOf(input);
  return wish === undefined
    ? fail("BAD_REQUEST", `${digestJob} wants {fragment, lsn}`)
    : digestTree(store, wish, hash, stopped);
}

function wishOf(input: unknown): DigestWish | undefined {
  if (typeof input !== "object" || input === null || !("fragment" in input) || !("lsn" in input)) return undefined;
  const { fragment, lsn } = input;
  return typeof fragment === "number" && typeof lsn === "number" ? { fragment, lsn } : undefined;
}

/** XXH64 over `{chunks: bytes[]}`, chunk by chunk, each with its length before it: as 16 hex digits. */
function digest(input: unknown, hash: Hash): Result<string> {
  const chunks = chunksOf(input);
  if (chunks === undefined) return fail("BAD_REQUEST", "digest wants {chunks: [bytes, …]}");
  const view = Buffer.alloc(chunks.length * 12);
  chunks.forEach((chunk, index) => {
    view.writeUInt32LE(chunk.byteLength, index * 12);
    view.writeBigUInt64LE(hash.h64(chunk), index * 12 + 4);
  });
  return ok(hash.h64(view).toString(16).padStart(16, "0"));
}

function chunksOf(input: unknown): readonly Uint8Array[] | undefined {
  if (typeof input !== "object" || input === null || !("chunks" in input) || !Array.isArray(input.chunks))
    return undefined;
  const chunks: readonly unknown[] = input.chunks;
  const bytes = chunks.filter((chunk) => chunk instanceof Uint8Array);
  return bytes.length === chunks.length ? bytes : undefined;
}
