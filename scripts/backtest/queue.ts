// Queue. Owns how long requests wait at a simulated node, from its load and what it can carry: the gate of a node with a ceiling (`src/load/admission.ts`) in front of a
// server that could do somewhat more.
// QU1 what is not served within the gate's wait is refused. QU2 waits grow with load, and never shrink with less capacity.

import { defaultBurstMs, defaultWaitMs } from "../../src/load/admission.js";
import { headroom } from "../../src/load/power.js";

export interface Passed {
  /** Requests left waiting. */
  readonly backlog: number;
  readonly refused: number;
  readonly p99Ms: number;
}

/** What a request takes where nothing waits. */
const baseMs = 2;
const tail = Math.log(100);
const mostUse = 0.9999;

/** One window of a node. `capacity` and `rate` in requests per second; `share`: what is left of the capacity beside copies. */
export function pass(backlog: number, rate: number, capacity: number, share: number, seconds: number): Passed {
  const allowed = Math.max(1e-9, capacity * share);
  const most = (allowed * defaultWaitMs) / 1000;
  const after = backlog + (rate - allowed) * seconds;
  const left = Math.min(most, Math.max(0, after));
  const gateMs = Math.min(defaultWaitMs, gateWaitMs(rate, allowed) + (Math.max(left, backlog) * 1000) / allowed);
  return {
    backlog: left,
    refused: Math.max(0, after - most),
    p99Ms: baseMs + gateMs + serverWaitMs(rate, allowed / headroom),
  };
}

/** Arrivals by chance at a budget with a burst: a queue with even service of which the first `burst` never wait. Its tail falls by e every 1 / (2 (1 − use)). */
function gateWaitMs(rate: number, allowed: number): number {
  const use = Math.min(mostUse, rate / allowed);
  const burst = (allowed * defaultBurstMs) / 1000;
  return (Math.max(0, tail / (2 * (1 - use)) - burst) * 1000) / allowed;
}

function serverWaitMs(rate: number, power: number): number {
  const use = Math.min(mostUse, rate / power);
  return (tail * use * 1000) / (2 * power * (1 - use));
}
