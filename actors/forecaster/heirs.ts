// Heirs. Owns what becomes of the series of a fragment that is split, or merged with its neighbour: their past goes on in the series of what is there now.
// H1 each heir's owner does it for itself: from its own series of the parents where it has them, else from what it heard of them last.
// H2 a split is shared by what was observed of the parts, else by the width of their ranges; a merge adds up.

import { stretchOf } from "../../src/forecast/history.js";
import type { Context } from "../../src/kernel/machine.js";
import { partsOfKey, type SeriesKey, seriesKey } from "../../src/load/book.js";
import { mergeValues, type Stretch, shareOf, splitValues, widthOf } from "../../src/load/inherit.js";
import { type FragmentId, partitionOfFragment } from "../../src/protocol/subjects.js";
import { adopt } from "./adopt.js";
import { order } from "./fits.js";
import type { ForecasterState } from "./state.js";

/** `fragment` was split: what lies behind the cut is `child` now. The view knows both. */
export function inheritSplit(state: ForecasterState, fragment: FragmentId, child: FragmentId, context: Context): void {
  const heirs = [fragment, child];
  const fragments = state.tails[partitionOfFragment(fragment)]?.view.fragments;
  const widths = heirs.map((heir) => {
    const known = fragments?.get(heir);
    return known === undefined ? 0 : widthOf(known.from, known.to);
  });
  for (const [group, table] of groupsOf(state, [fragment])) {
    const pasts = state.horizons.map((_, index) => pastOf(state, seriesKey(fragment, group), index));
    for (const [index, heir] of heirs.entries()) {
      const share = shareOf([], widths, index);
      const shares = pasts.map(({ first, values }) => ({ first, values: splitValues(values, share) }));
      bequeath(state, seriesKey(heir, group), table, shares, context);
    }
  }
}

/** `right` was merged into `left`. */
export function inheritMerge(state: ForecasterState, left: FragmentId, right: FragmentId, context: Context): void {
  for (const [group, table] of groupsOf(state, [left, right])) {
    const sums = state.horizons.map((_, index) =>
      mergeValues([left, right].map((parent) => pastOf(state, seriesKey(parent, group), index))),
    );
    bequeath(state, seriesKey(left, group), table, sums, context);
    state.entries.delete(seriesKey(right, group));
    state.seen.delete(seriesKey(right, group));
  }
}

/** Groups that asked any of the fragments of late, with the fragments' table. */
function groupsOf({ seen }: ForecasterState, fragments: readonly FragmentId[]): Map<string, number> {
  const groups = new Map<string, number>();
  for (const [key, { table }] of seen) {
    const { fragment, group } = partsOfKey(key);
    if (fragments.includes(fragment)) groups.set(group, table);
  }
  return groups;
}

/** What is known here of a series: all of it where it is ours, else the last values that were heard. */
function pastOf(state: ForecasterState, key: SeriesKey, index: number): Stretch {
  const series = state.entries.get(key)?.lanes[index]?.series;
  if (series !== undefined) return stretchOf(series.history);
  const { fragment } = partsOfKey(key);
  const heard = state.board.of([fragment], index).find((posted) => posted.key === key)?.news;
  return heard === undefined
    ? { first: 0, values: [] }
    : { first: heard.origin - heard.recent.length + 1, values: heard.recent };
}

function bequeath(
  state: ForecasterState,
  key: SeriesKey,
  table: number,
  pasts: readonly { readonly first: number; readonly values: Float32Array }[],
  context: Context,
): void {
  if (!state.seen.has(key)) state.seen.set(key, { table, atMs: context.wallMs });
  if (!state.members.owns(key)) return;
  const entry = state.entries.get(key) ?? adopt(state, key, table, false);
  for (const lane of entry?.lanes ?? []) {
    if (entry === undefined) continue;
    lane.past = pasts[lane.index];
    if (lane.fit === "none") order(state, "rebuild", entry, lane, context);
  }
}
