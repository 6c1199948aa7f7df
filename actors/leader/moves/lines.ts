// Lines. Owns how moves are told to people: those under way with what they wait for and how their copies get on, and those of the past.

import type { Move, MoveView, PastMove } from "../../../src/ledger/move.js";
import { moveNumber } from "../../../src/ledger/move.js";
import type { MoveLine } from "../../../src/protocol/control.js";
import type { LeaderState } from "../state.js";

/** Newest last; with `history` the past ones, which fit one message together. */
export function moveLines(state: LeaderState, history: boolean): readonly MoveLine[] {
  const { view } = state.tail;
  if (history) return view.pastMoves.map((move) => pastLine(state, move));
  return [...view.moves.values()].sort((a, b) => a.id - b.id).map((move) => line(state, move));
}

function line(state: LeaderState, move: MoveView): MoveLine {
  const progress = state.sessions.status(move.to, move.fragment)?.progress;
  return {
    ...plain(state, move),
    phase: move.phase,
    phases: move.phases.map(({ phase, atMs, note }) => ({ phase, atMs, note })),
    waitsFor: state.moves.waiting.get(move.id) ?? "",
    ...(progress === undefined ? {} : { progress }),
  };
}

function pastLine(state: LeaderState, { phases, outcome, endedMs, end, verdict, ...move }: PastMove): MoveLine {
  return {
    ...plain(state, move),
    phase: phases.at(-1)?.phase ?? "copying",
    phases: phases.map(({ phase, atMs, note }) => ({ phase, atMs, note })),
    waitsFor: "",
    outcome,
    endedMs,
    end,
    ...(verdict === "" ? {} : { verdict }),
  };
}

type Plain = Omit<Move, "id"> & { readonly move: number; readonly table: string };

function plain({ tail, config }: LeaderState, move: Move): Plain {
  const { view } = tail;
  const { fragment, strategy, from, to, role, cause, by, why, startedMs, deadlineMs } = move;
  const table = view.tables.get(view.fragments.get(fragment)?.table ?? 0)?.name ?? "";
  const named = { move: moveNumber(move.id, config), table, fragment, strategy };
  return { ...named, from, to, role, cause, by, why, startedMs, deadlineMs };
}
