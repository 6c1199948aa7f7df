// Thin. Owns letting go of copies that were added for reads: where the others bear all that is foreseen without one, even at its upper quantile, it goes.
// TN1 never a copy that the table or a person asked for, and never the primary's. TN2 only what would not soon be added again: within the stricter bound of
// consolidation over the whole horizon, and not within the time for which what was changed stays.

import type { Board } from "./board.js";
import { changesBy, type Picture, placesOf } from "./picture.js";
import { largest, mayExceedWith, riskWith } from "./risk.js";
import { chanceText } from "./words.js";

export function thin(board: Board): void {
  const { picture, policy } = board;
  picture.fragments.forEach(({ spare = 0 }, fragment) => {
    if (spare <= 0) return;
    const places = placesOf(picture, fragment);
    if (places.length < 2 || board.mayNotMove(fragment, "calm") !== undefined) return;
    const found = places
      .slice(1)
      .map((node) => ({ node, worst: worstWithout(picture, fragment, places, node) }))
      .reduce((best, one) => (one.worst < best.worst ? one : best));
    if (found.worst > policy.consolidation.risk) return;
    const why = `its other copies bear all that is foreseen, with a risk of at most ${chanceText(found.worst)} (bound ${policy.consolidation.risk}): the one on ${picture.nodes[found.node]?.id}, added for reads, is let go`;
    board.letGo(fragment, found.node, why);
  });
}

/** The highest risk of any node that then bears more. */
function worstWithout(picture: Picture, fragment: number, places: readonly number[], gone: number): number {
  const next = places.filter((node) => node !== gone);
  return changesBy(picture, fragment, next).reduce(
    (worst, { node, delta }) =>
      delta <= 0 || !mayExceedWith(picture, node, fragment, delta)
        ? worst
        : Math.max(worst, largest(riskWith(picture, node, fragment, delta))),
    0,
  );
}
