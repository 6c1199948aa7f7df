// Consolidate. Owns emptying a node that is not needed: where the rest stays within a stricter bound over the whole horizon even at its upper quantile, the emptiest
// node's copies go to the others, so that it can be stopped. CO1 all of it fits, or none of it moves. CO2 never while a node is at risk or anything moves.

import type { Board } from "./board.js";
import { moveOf, type Option } from "./options.js";
import { bytesOf, capacityOf, changesBy, type Picture, placesOf } from "./picture.js";
import { priceOf } from "./price.js";
import { largest, mayExceed, mayExceedWith, riskOf, riskWith } from "./risk.js";
import { chanceText } from "./words.js";

const copiesAtMost = 2000;
const takersTried = 8;

export function consolidate(board: Board): void {
  const { picture, policy } = board;
  if (!policy.consolidation.act || board.actions.length > 0 || picture.input.moves.length > 0) return;
  const open = picture.nodes.flatMap(({ isOpen }, node) => (isOpen && capacityOf(picture, node) > 0 ? [node] : []));
  const holding = open.filter((node) => (picture.held[node]?.length ?? 0) > 0);
  if (holding.length <= policy.consolidation.leastNodes) return;
  if (holding.some((node) => mayExceed(picture, node) && largest(riskOf(picture, node)) > policy.consolidation.risk))
    return;
  const emptiest = holding.reduce((least, node) => (peak(picture, node) < peak(picture, least) ? node : least));
  const takers = holding.filter((node) => node !== emptiest);
  const planned = allOf(board, emptiest, takers);
  if (planned === undefined) return;
  const id = picture.nodes[emptiest]?.id ?? "";
  const worst = Math.max(...takers.map((node) => (mayExceed(picture, node) ? largest(riskOf(picture, node)) : 0)));
  for (const { option, before } of planned)
    if (!begin(board, option, id, worst, takers.length)) board.relocate(option.fragment, before);
}

function peak({ steps, upper }: Picture, node: number): number {
  return largest(upper.subarray(node * steps, (node + 1) * steps));
}

interface Planned {
  readonly option: Option;
  /** Places as they were. */
  readonly before: number[];
}

/** Moves for everything on `node`, applied to the picture; undefined, and nothing applied, if something fits nowhere. */
function allOf(board: Board, node: number, takers: readonly number[]): Planned[] | undefined {
  const { picture } = board;
  const planned: Planned[] = [];
  for (const fragment of [...(picture.held[node] ?? [])]) {
    const option =
      planned.length >= copiesAtMost || board.mayNotMove(fragment, "calm") !== undefined
        ? undefined
        : firstFit(board, fragment, node, takers);
    if (option === undefined) {
      for (const { option: done, before } of planned) board.relocate(done.fragment, before);
      return undefined;
    }
    planned.push({ option, before: placesOf(picture, fragment) });
    board.relocate(fragment, option.next);
  }
  return planned;
}

function firstFit(
  { picture, policy }: Board,
  fragment: number,
  from: number,
  takers: readonly number[],
): Option | undefined {
  const byRoom = [...takers].sort((a, b) => peak(picture, a) - peak(picture, b) || a - b).slice(0, takersTried);
  return byRoom
    .flatMap((to) => moveOf(picture, fragment, from, to) ?? [])
    .find((option) =>
      changesBy(picture, fragment, option.next).every(
        ({ node, delta }) =>
          delta <= 0 ||
          !mayExceedWith(picture, node, fragment, delta) ||
          largest(riskWith(picture, node, fragment, delta)) <= policy.consolidation.risk,
      ),
    );
}

/** What the purse affords begins; the rest follows in later rounds. */
function begin(board: Board, option: Option, id: string, worst: number, left: number): boolean {
  const { picture, policy, purse } = board;
  const bytes = bytesOf(picture, option.fragment);
  if (purse.lacks(bytes, true, [option.from, option.to]) !== undefined) return false;
  const price = priceOf(option.strategy, bytes, policy);
  const why = `${id} is not needed: ${left} nodes bear all that is foreseen, with a risk of at most ${chanceText(worst)} (bound ${policy.consolidation.risk}); it is being emptied so that it can be stopped`;
  const times = { startMs: 0, deadlineMs: 0, isLate: false };
  board.act(option, { price, times, gain: 0, riskBefore: 0, riskAfter: 0, riskTo: worst }, "calm", why);
  return true;
}
