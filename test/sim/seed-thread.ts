// Seed thread. Owns one run of one seed in a worker thread, so that a test of many seeds uses all cores.

import { loadHash } from "../../cluster/world/hash.js";
import { realCast } from "./actors.js";
import { mutants } from "./mutants.js";
import { type RunReport, run } from "./run.js";

export interface SeedJob {
  readonly seed: number;
  readonly seconds: number;
  readonly nodes: number;
  /** Name of a planted mistake. */
  readonly mutant?: string | undefined;
  readonly wild?: boolean;
}

const hash = await loadHash();

export default function runSeed({ mutant: name, ...size }: SeedJob): RunReport {
  const mutant = mutants.find((one) => one.name === name);
  if (name !== undefined && mutant === undefined) throw new Error(`no planted mistake is called ${name}`);
  return run({ ...size, cast: realCast(hash), hash, mutant }).report;
}
