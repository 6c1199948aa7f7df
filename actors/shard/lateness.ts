// Lateness. Owns how a shard that copies, or is copied from, measures what its host is burdened with: a timer of its own, and how late it fires.
// It runs only while there is a copy: `armLateness` keeps it going for a while.

import type { Effects } from "../../src/kernel/effect.js";
import type { Context } from "../../src/kernel/machine.js";
import type { ShardState } from "./state.js";

export const latenessTimer = "lateness";
const everyMs = 20;
const keptMs = 500;
/** Weight of the newest measurement. */
const freshness = 0.3;

export interface Lateness {
  dueAtMs: number;
  lateMs: number;
  untilMs: number;
  armed: boolean;
}

export function noLateness(): Lateness {
  return { dueAtMs: 0, lateMs: 0, untilMs: 0, armed: false };
}

export function latenessOf({ lateness }: ShardState): number {
  return lateness.lateMs;
}

export function armLateness({ lateness, stepAtMs }: ShardState): Effects {
  lateness.untilMs = stepAtMs + keptMs;
  if (lateness.armed) return [];
  lateness.armed = true;
  lateness.lateMs = 0;
  return wakeNext(lateness, stepAtMs);
}

export function onLatenessTimer({ lateness }: ShardState, { nowMs }: Context): Effects {
  const lateMs = Math.max(0, nowMs - lateness.dueAtMs);
  lateness.lateMs += freshness * (lateMs - lateness.lateMs);
  if (nowMs < lateness.untilMs) return wakeNext(lateness, nowMs);
  lateness.armed = false;
  return [];
}

function wakeNext(lateness: Lateness, nowMs: number): Effects {
  lateness.dueAtMs = nowMs + everyMs;
  return [{ kind: "wake", name: latenessTimer, afterMs: everyMs }];
}
