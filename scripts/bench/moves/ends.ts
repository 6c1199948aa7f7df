// Ends. Owns waiting for the end of a move, and how long each of its phases took.

import { setTimeout as sleep } from "node:timers/promises";
import type { Client, MoveInfo } from "../../../cluster/client/index.js";

export interface Phase {
  readonly phase: string;
  readonly ms: number;
}

const limitMs = 300_000;
const lookEveryMs = 100;

export async function endOf(operator: Client, move: number): Promise<MoveInfo> {
  const untilMs = performance.now() + limitMs;
  while (performance.now() < untilMs) {
    const past = (await operator.cluster.moves(true)).find((one) => one.move === move);
    if (past?.outcome !== undefined) return past;
    await sleep(lookEveryMs);
  }
  throw new Error(`move ${move} did not end within ${limitMs / 1000} s`);
}

export function phasesOf({ phases, endedMs = 0 }: MoveInfo): readonly Phase[] {
  return phases.map(({ phase, atMs }, at) => ({ phase, ms: (phases[at + 1]?.atMs ?? endedMs) - atMs }));
}
