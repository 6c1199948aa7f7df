// Sampling keys. Owns what a primary remembers of the keys that it is asked for: where its load lies, and which keys are hot.

import { createKeyLoad, halvingCut } from "../../src/load/keys.js";
import type { Op } from "../../src/protocol/exec.js";
import type { HotKeys } from "../../src/protocol/peer.js";
import type { Position } from "../../src/table/table.js";
import { cutBefore } from "./reshape.js";
import type { ShardState } from "./state.js";

export const hotKeysAtMost = 16;

/** Counts one operation; scans, aggregates and feeds have no key. */
export function noteAccess(state: ShardState, op: Op, nowMs: number): void {
  if (op.op === "get") touch(state, op.position, nowMs);
  else if (op.op === "write") for (const { position } of op.steps) touch(state, position, nowMs);
}

function touch(state: ShardState, position: Position, nowMs: number): void {
  state.keys ??= createKeyLoad(state.config.fragment);
  state.keys.touch(position, nowMs);
}

/** The key that halves the load, as far as the sample knows it. */
export function cutByLoad(state: ShardState): Position | undefined {
  const sample = state.keys?.sample() ?? [];
  const inside = sample.filter((position) => position.length > 0);
  return halvingCut(inside, (position) => cutBefore(state, position));
}

export function hotKeys(state: ShardState, nowMs: number): HotKeys {
  const { keys, config } = state;
  return {
    fragment: config.fragment,
    perSecond: keys?.perSecond(nowMs) ?? 0,
    keys: (keys?.heaviest(hotKeysAtMost) ?? []).map(({ key, share }) => [key, share]),
    sampled: keys?.sample().length ?? 0,
    cut: cutByLoad(state),
  };
}
