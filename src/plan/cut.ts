// Cut. Owns fragments that are too large a piece to be placed well: those that alone bear much of a node are split where their load is halved, and halves that have cooled
// are joined again, by two thresholds with a gap between them, as CockroachDB and TiKV do.
// CU1 a load between the thresholds changes nothing. CU2 only what a planner split is joined, and only where it lies: rows are never copied for it.
// CU3 neither twice within the cool-down.

import type { Board } from "./board.js";
import { capacityOf, type Picture, placesOf, primaryOf, summaryOf, weightOn } from "./picture.js";
import { cutSharesOf } from "./policy.js";
import { beginOf } from "./price.js";
import { largest, mayExceed, mayExceedWith } from "./risk.js";
import { loadText } from "./words.js";

const cutsPerRound = 32;

export interface CutRules {
  /** What a node that may be overloaded is foreseen to bear counts like the present, and halves stay apart for a peak to come. */
  readonly foresees: boolean;
}

export function splitLarge(board: Board, { foresees }: CutRules): void {
  const { picture, policy } = board;
  if (!policy.splits) return;
  const { split } = cutSharesOf(policy);
  let left = cutsPerRound;
  for (let node = 0; node < picture.nodes.length && left > 0; node++) {
    const most = split * capacityOf(picture, node);
    if (most === 0) continue;
    const looksAhead = foresees && mayExceed(picture, node);
    for (const fragment of picture.held[node] ?? []) {
      if (left === 0) break;
      if (primaryOf(picture, fragment) !== node || picture.fragments[fragment]?.isSplittable === false) continue;
      const share = weightOn(picture, fragment, node);
      const now = share * picture.input.loads.now(fragment);
      const later = looksAhead ? share * largest(summaryOf(picture, fragment).upper) : 0;
      if (Math.max(now, later) <= most || board.mayNotCut(fragment) !== undefined) continue;
      const why = `it bears ${loadText(Math.max(now, later))} alone${later > now ? " at its peak" : ""}, and ${loadText(most)} (${Math.round(split * 100)} % of ${picture.nodes[node]?.id}) is the most for one piece`;
      const step = later > now ? firstAbove(picture, fragment, most / share) : 0;
      board.split(fragment, node, 0, beginOf(picture.input.grid, step), later > now ? "forecast" : "present", why);
      left--;
    }
  }
}

function firstAbove(picture: Picture, fragment: number, load: number): number {
  return Math.max(
    0,
    summaryOf(picture, fragment).upper.findIndex((upper) => upper > load),
  );
}

export function joinCooled(board: Board, { foresees }: CutRules): void {
  const { picture, policy } = board;
  const { join } = cutSharesOf(policy);
  let left = policy.splits ? cutsPerRound : 0;
  picture.fragments.forEach(({ next }, fragment) => {
    const right = next === undefined ? undefined : picture.fragmentAt.get(next);
    if (right === undefined || left === 0) return;
    if (board.mayNotCut(fragment) !== undefined || board.mayNotCut(right) !== undefined) return;
    if (nodesOf(picture, fragment) !== nodesOf(picture, right)) return;
    const node = primaryOf(picture, fragment);
    if (mayExceedWith(picture, node, right, 1 - weightOn(picture, right, node))) return;
    const most = join * capacityOf(picture, node);
    const load = loadOf(picture, fragment, foresees) + loadOf(picture, right, foresees);
    if (load >= most) return;
    const why = `the two halves bear ${loadText(load)} together, less than ${loadText(most)} (${Math.round(join * 100)} % of ${picture.nodes[node]?.id})`;
    board.join(fragment, right, node, why);
    left--;
  });
}

function nodesOf(picture: Picture, fragment: number): string {
  return placesOf(picture, fragment).sort().join();
}

function loadOf(picture: Picture, fragment: number, foresees: boolean): number {
  const now = picture.input.loads.now(fragment);
  return foresees ? Math.max(now, largest(summaryOf(picture, fragment).upper)) : now;
}
