// Sampling keys. Owns what a primary remembers of the keys that it is asked for: where its load lies, and which keys are hot.

import { createKeyLoad, halvingCut } from "../../src/load/keys.js";
import type { Op } from "../../src/protocol/exec.js";
import type { Position } from "../../src/table/table.js";
import { cutBefore } from "./reshape.js";
import type { ShardState } from "./state.js";

/** Counts one operation; scans, aggregates and feeds have no key. */
export function noteAccess(state: ShardState, op: Op, nowMs: number): void {
  if (op.op === "get") touch(state, op.position, nowMs);
  else if (op.op === "write") for (const { position } of op.steps) touch(state, position, nowMs);
}

function touch({ config, wiring }: ShardState, position: Position, nowMs: number): void {
  const { keys } = wiring.board;
  let load = keys.get(config.fragment);
  if (load === undefined) {
    load = createKeyLoad(config.fragment);
    keys.set(config.fragment, load);
  }
  load.touch(position, nowMs);
}

/** The key that halves the load, as far as the sample knows it. */
export function cutByLoad(state: ShardState): Position | undefined {
  const sample = state.wiring.board.keys.get(state.config.fragment)?.sample() ?? [];
  return halvingCut(sample, (position) => cutBefore(state, position));
}
