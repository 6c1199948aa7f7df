// Plan. Owns which moves a leader begins by itself, a bounded number at a time: away from draining nodes.

import type { Context } from "../../../src/kernel/machine.js";
import type { Draft } from "../draft.js";
import type { LeaderState } from "../state.js";

export function planMoves(_state: LeaderState, _draft: Draft, _context: Context): void {}
