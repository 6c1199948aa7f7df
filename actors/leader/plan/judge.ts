// Judge. Owns what is said afterwards of a move that the planner began: what its source would bear without it, once the time has come that it was made for.
// JU1 each move is judged once, from loads that were observed.

import type { Context } from "../../../src/kernel/machine.js";
import type { PastMove } from "../../../src/ledger/move.js";
import { createPicture, limitOf, type Picture, primaryOf, tailOf, weightOf } from "../../../src/plan/picture.js";
import { loadText } from "../../../src/plan/words.js";
import type { Draft } from "../draft.js";
import type { Round } from "../plan.js";
import type { LeaderState } from "../state.js";

/** Slots of observation after the deadline before it is judged, and beyond which it is too late to say anything. */
const judgedAfterSlots = 2;
const judgedWithinSlots = 30;
const judgedAtOnce = 16;

export function judgeMoves(state: LeaderState, draft: Draft, round: Round, { wallMs }: Context): void {
  const slotMs = state.planner.slotMs[0] ?? 0;
  const due = draft.view.pastMoves.filter((move) => isDue(move, wallMs, slotMs)).slice(0, judgedAtOnce);
  if (due.length === 0) return;
  const { input, policy } = round;
  const picture = createPicture({
    ...input,
    applyShare: policy.applyShare,
    fullShare: policy.fullShare,
    tail: tailOf(policy.risk, input.loads.samples),
  });
  for (const move of due) {
    const verdict = verdictOf(picture, move);
    if (verdict !== undefined) draft.emit({ kind: "moveJudged", move: move.id, atMs: wallMs, verdict });
  }
}

function isDue({ cause, outcome, verdict, deadlineMs, endedMs }: PastMove, wallMs: number, slotMs: number): boolean {
  if (cause !== "plan" || outcome !== "done" || verdict !== "") return false;
  const slots = (wallMs - Math.max(deadlineMs, endedMs)) / slotMs;
  return slots >= judgedAfterSlots && slots <= judgedWithinSlots;
}

function verdictOf(picture: Picture, { fragment, from, to, role }: PastMove): string | undefined {
  const at = picture.fragmentAt.get(fragment);
  const source = picture.nodeAt.get(from);
  const taker = picture.nodeAt.get(to);
  if (at === undefined || source === undefined || taker === undefined) return undefined;
  if (role && primaryOf(picture, at) !== taker) return `${to} has handed it on since`;
  const count = picture.copies[at] ?? 1;
  const back = picture.input.loads.now(at) * (role ? weightOf(picture, at, 0, count) : weightOf(picture, at, 1, count));
  const load = picture.now[source] ?? 0;
  const capacity = limitOf(picture, source);
  const without = load + back;
  const facts = `${from} bears ${loadText(load)} of ${loadText(capacity)}; without this move it would bear ${loadText(without)}`;
  if (without > capacity) return `worth it: ${facts}`;
  return `not needed at ${new Date(picture.nowMs).toISOString().slice(11, 19)}: ${facts}`;
}
