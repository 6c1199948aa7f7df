// Mending. Owns what a copy does that is known to differ from the majority: as soon as it is no primary, it is replaced.
// N1 a copy is replaced only on the word of a comparison of exactly this content: the digests that the primary saw are the ones this copy computed last.
// N2 what replaces it comes from a copy that is whole and not in doubt; until then this copy is not whole (P3): no source, no primary, no reads.

import { isWhole } from "../../src/fragment/replica.js";
import type { Effects } from "../../src/kernel/effect.js";
import type { PeerRequest } from "../../src/protocol/peer.js";
import { incident } from "./apply.js";
import { fallBehind } from "./follow.js";
import type { ShardState } from "./state.js";

export function onMendRequest(state: ShardState, { lsn, damage }: Extract<PeerRequest, { kind: "mend" }>): Effects {
  if (state.mode.kind === "serving" || state.mode.kind === "opening") return [];
  if (state.damage !== undefined || state.digest?.lsn !== lsn || !isWhole(state.replica)) return [];
  state.damage = { ...damage, begun: false };
  return fallBehind(state);
}

/** After every step: a replacement that has come to its end is reported. */
export function watchMending(state: ShardState): void {
  const { damage, replica, config } = state;
  if (damage === undefined) return;
  if (replica.copying) damage.begun = true;
  if (!damage.begun || !isWhole(replica)) return;
  state.damage = undefined;
  incident(
    state,
    "replicaRepaired",
    "healed",
    `the copy on ${config.node} was replaced by one of the majority (it differed ${damage.where})`,
  );
}
