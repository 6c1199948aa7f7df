// Damage. Owns the check of flipped bits: each was found, by digests or by a reader that stopped at it, and none is left when all is well again;
// and that digests find nothing where nothing was damaged.

import type { ClusterView } from "../../../src/ledger/view.js";
import type { Verdict } from "../../../src/verify/history.js";
import type { World } from "../world.js";

/** Flips that stand in the stores still. */
export function damageLeft(world: World): number {
  return world.seats.reduce((sum, { store }) => sum + (store?.flips.filter(({ ended }) => !ended).length ?? 0), 0);
}

/** `needed`: flips that the run must have had to be judged by them. */
export function checkDamage(world: World, views: readonly ClusterView[], needed: number): Verdict {
  const violations: string[] = [];
  let judged = 0;
  for (const { name, store } of world.seats)
    for (const { key, ended } of store?.flips ?? []) {
      judged++;
      if (!ended)
        violations.push(`${name} still holds the damaged value at ${Buffer.from(key, "latin1").toString("hex")}`);
    }
  if (judged === 0)
    for (const view of views)
      for (const { what, node, note } of view.incidents)
        if ((what === "replicaDiverged" && note.startsWith("the copies on ")) || what === "replicaRepaired")
          violations.push(`nothing was damaged, and ${node} was said to differ: ${note}`);
  return { checker: "damage is found", unit: "flipped bits", judged, needed, violations };
}
