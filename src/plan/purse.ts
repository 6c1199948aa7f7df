// Purse. Owns what a round may still spend: bytes, copies under way in the cluster and at each node, hand-overs.
// PU1 a round begins to move at most `dataShare` of all bytes (or `freeBytes`, where there is next to nothing). PU2 moves under way count.

import type { Picture } from "./picture.js";
import type { Policy } from "./policy.js";

export interface Purse {
  /** Why this cannot be afforded; undefined: it can. */
  lacks(bytes: number, copies: boolean, ends: readonly number[]): string | undefined;
  spend(bytes: number, copies: boolean, ends: readonly number[]): void;
  /** Under way or begun. */
  copiesAt(node: number): number;
}

export function createPurse(picture: Picture, { budget }: Policy): Purse {
  const most = Math.max(budget.dataShare * picture.totalBytes, Math.min(budget.freeBytes, picture.totalBytes));
  let bytesLeft = most;
  let copiesLeft = budget.concurrentMoves;
  let handOversLeft = budget.handOversPerRound;
  const busy = new Map<number, number>();
  const occupy = (nodes: readonly number[]): void => {
    for (const node of nodes) busy.set(node, (busy.get(node) ?? 0) + 1);
  };
  for (const { from, to, copies } of picture.input.moves) {
    if (!copies) continue;
    copiesLeft--;
    occupy([from, to].flatMap((id) => picture.nodeAt.get(id) ?? []));
  }
  return {
    lacks(bytes, copies, ends) {
      if (!copies)
        return handOversLeft > 0 ? undefined : `${budget.handOversPerRound} hand-overs are the most in a round`;
      if (copiesLeft <= 0) return `${budget.concurrentMoves} copies are under way or begun, which is the most`;
      if (ends.some((node) => (busy.get(node) ?? 0) >= budget.concurrentMovesPerNode))
        return `${budget.concurrentMovesPerNode} copies at one node are the most`;
      return bytes <= bytesLeft ? undefined : `only ${Math.floor(most)} bytes may be moved in a round`;
    },
    spend(bytes, copies, ends) {
      if (!copies) {
        handOversLeft--;
        return;
      }
      copiesLeft--;
      bytesLeft -= bytes;
      occupy(ends);
    },
    copiesAt: (node) => busy.get(node) ?? 0,
  };
}
