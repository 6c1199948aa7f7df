// Damage. Owns what happens when a store's file turns out not to hold what was written: the node stops, and does not start on that file again.
// G1 a copy that is known to be damaged serves nothing, also after the next start; the other replicas serve, and fill a new one.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Fault, fail, fault, ok, type Result } from "../../src/kernel/fault.js";

const markName = "damaged";

export function damageWords(path: string, why: string): string {
  return `${path} is damaged: ${why}. Move the node's folder away and start again: the node is rebuilt from the other replicas`;
}

/** Notes it beside the file, for every later start. */
export function markDamage(dir: string, why: string): Fault {
  try {
    writeFileSync(join(dir, markName), `${why}\n`);
  } catch {
    // A disk that takes no more: the next start finds the damage when it reads there.
  }
  return fault("DATA_DIR", damageWords(join(dir, "data.mdb"), why));
}

/** Refuses a store that was found damaged before. */
export function checkMark(dir: string): Result<void> {
  let why: string;
  try {
    why = readFileSync(join(dir, markName), "utf8").trim();
  } catch {
    return ok(undefined);
  }
  return fail("DATA_DIR", damageWords(join(dir, "data.mdb"), why));
}
