// Moves. Owns the part of a record that takes moves on: each is looked at in its phase, and takes at most one step a record.
// It only compares the view and what nodes reported with what is wanted, so a new leader goes on where the old one stopped (G3).
// Parts: `moves/phases` (what each phase waits for), `moves/digests`, `moves/orders` (operators), `moves/plan` (drain and join).

import type { Effect, Effects } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import type { Context } from "../../src/kernel/machine.js";
import type { LedgerEvent } from "../../src/ledger/event.js";
import type { MoveView } from "../../src/ledger/move.js";
import type { ClusterView } from "../../src/ledger/view.js";
import { subjects } from "../../src/protocol/subjects.js";
import type { Draft } from "./draft.js";
import { phases } from "./moves/phases.js";
import type { Sight, Verdict } from "./moves/sight.js";
import type { LeaderState } from "./state.js";

/** What a leader remembers of moves between records; nothing of it is needed by the next leader. */
export interface MovesMemory {
  /** The last request for a comparison, by move: for which phase, and when. */
  readonly asked: Map<number, { readonly name: string; readonly atMs: number }>;
  /** What each move waits for, for people. */
  readonly waiting: Map<number, string>;
  planAtMs: number;
}

export function createMovesMemory(): MovesMemory {
  return { asked: new Map(), waiting: new Map(), planAtMs: 0 };
}

export function advanceMoves(state: LeaderState, draft: Draft, context: Context): void {
  for (const id of [...draft.view.moves.keys()].sort((a, b) => a - b)) {
    const sight = sightOf(state, draft, context, draft.view.moves.get(id));
    if (sight !== undefined) carryOut(state, draft, context, sight.move, phases[sight.move.phase](sight));
  }
  forgetEnded(state.moves, draft.view);
}

export function sightOf(
  state: LeaderState,
  draft: Draft,
  context: Context,
  move: MoveView | undefined,
): Sight | undefined {
  const fragment = draft.view.fragments.get(move?.fragment ?? -1);
  const entry = move?.phases.at(-1);
  if (move === undefined || fragment === undefined || entry === undefined) return undefined;
  return { state, draft, context, move, fragment, entry };
}

function carryOut(state: LeaderState, draft: Draft, { wallMs: atMs }: Context, move: MoveView, verdict: Verdict): void {
  for (const event of verdict.events) draft.emit(event);
  switch (verdict.kind) {
    case "wait":
      state.moves.waiting.set(move.id, verdict.for);
      return;
    case "advance":
      state.moves.waiting.delete(move.id);
      draft.emit({
        kind: "moveAdvanced",
        move: move.id,
        phase: verdict.phase,
        atMs,
        lsn: verdict.lsn,
        note: verdict.note,
      });
      return;
    case "end":
      draft.emit({ kind: "moveEnded", move: move.id, outcome: verdict.outcome, atMs, why: verdict.why });
      return;
  }
}

function forgetEnded({ asked, waiting }: MovesMemory, { moves }: ClusterView): void {
  for (const id of asked.keys()) if (!moves.has(id)) asked.delete(id);
  for (const id of waiting.keys()) if (!moves.has(id)) waiting.delete(id);
}

/** News of moves for whoever listens; told after the record is stored, so at most once. */
export function announceMoves({ config }: LeaderState, events: readonly LedgerEvent[]): Effects {
  const news = events.flatMap((event): Effect[] => {
    if (event.kind !== "moveStarted" && event.kind !== "moveAdvanced" && event.kind !== "moveEnded") return [];
    return [{ kind: "publish", subject: subjects.moveEvents, body: { partition: config.partition, ...event } }];
  });
  return news.length === 0 ? none : news;
}
