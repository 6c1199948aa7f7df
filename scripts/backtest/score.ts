// Score. Owns what came of a run: windows that violate the promise of latency, waits, refusals, moves, bytes and node-hours; the first day, of which nothing was known, apart.
// SC1 a window violates where 1 % of its requests wait longer than 50 ms, or any is refused.

import type { Passed } from "./queue.js";
import type { Begun, TownShape } from "./town.js";

export const violationMs = 50;
export const dayMs = 86_400_000;

export interface Look {
  readonly atMs: number;
  readonly nodes: readonly (Passed & { readonly rate: number })[];
  readonly moving: number;
  readonly nodesInUse: number;
  readonly foreseen: Window["foreseen"];
}

export interface Window {
  readonly atMs: number;
  readonly load: number;
  /** Of the slowest node that has a hundredth of the requests. */
  readonly p99Ms: number;
  readonly refused: number;
  /** Share of the capacity that the fullest node bears. */
  readonly fullest: number;
  readonly moving: number;
  readonly nodesInUse: number;
  readonly isViolation: boolean;
  /** What was said of the load just before. */
  readonly foreseen: { readonly low: number; readonly middle: number; readonly high: number } | undefined;
}

export interface Outcome {
  readonly policy: string;
  readonly windows: readonly Window[];
  readonly violations: number;
  readonly firstDayViolations: number;
  readonly p99Ms: number;
  readonly refusedShare: number;
  readonly copies: number;
  readonly handOvers: number;
  readonly splits: number;
  readonly merges: number;
  readonly bytes: number;
  readonly nodeHours: number;
  readonly begun: readonly Begun[];
  /** The largest share of all stored bytes that one round began to move. */
  readonly mostMovedShare: number;
  /** Moves of a fragment within its cool-down. */
  readonly hasty: number;
  readonly lastMoveMs: number;
}

export interface Score {
  note(look: Look): void;
  begun(one: Begun): void;
  round(movedShare: number): void;
  outcome(hasty: number): Outcome;
}

const leastShare = 0.01;
const millisPerHour = 3_600_000;

export function createScore(
  policy: string,
  { capacityQps, windowMs }: Pick<TownShape, "capacityQps"> & { readonly windowMs: number },
): Score {
  const windows: Window[] = [];
  const begun: Begun[] = [];
  const waits = createWaits();
  let mostMovedShare = 0;
  let [asked, refused] = [0, 0];

  function of(kind: Begun["kind"]): number {
    return begun.filter((one) => one.kind === kind).length;
  }

  return {
    note({ atMs, nodes, moving, nodesInUse, foreseen }) {
      const load = nodes.reduce((sum, { rate }) => sum + rate, 0);
      const lost = nodes.reduce((sum, node) => sum + node.refused, 0);
      const p99Ms = Math.max(0, ...nodes.filter(({ rate }) => rate > leastShare * load).map((node) => node.p99Ms));
      for (const node of nodes) waits.add(node.p99Ms, node.rate);
      asked += (load * windowMs) / 1000;
      refused += lost;
      const fullest = Math.max(0, ...nodes.map(({ rate }) => rate / capacityQps));
      const isViolation = p99Ms > violationMs || lost > 0;
      windows.push({ atMs, load, p99Ms, refused: lost, fullest, moving, nodesInUse, isViolation, foreseen });
    },
    begun: (one) => void begun.push(one),
    round(movedShare) {
      mostMovedShare = Math.max(mostMovedShare, movedShare);
    },
    outcome: (hasty) => ({
      policy,
      windows,
      violations: windows.filter(({ isViolation }) => isViolation).length,
      firstDayViolations: windows.filter(({ isViolation, atMs }) => isViolation && atMs < dayMs).length,
      p99Ms: waits.p99(),
      refusedShare: asked > 0 ? refused / asked : 0,
      copies: of("moveReplica") + of("addReplica"),
      handOvers: of("handOver"),
      splits: of("split"),
      merges: of("merge"),
      bytes: begun.reduce((sum, one) => sum + one.bytes, 0),
      nodeHours: (windows.reduce((sum, { nodesInUse }) => sum + nodesInUse, 0) * windowMs) / millisPerHour,
      begun,
      mostMovedShare,
      hasty,
      lastMoveMs: begun.at(-1)?.atMs ?? 0,
    }),
  };
}

/** Waits weighted by requests, in tenths of a millisecond: what 99 % of the requests met at most as the p99 of their node. */
function createWaits(): { add(ms: number, weight: number): void; p99(): number } {
  const weights = new Float64Array(2000);
  return {
    add(ms, weight) {
      const cell = Math.min(weights.length - 1, Math.ceil(ms * 10));
      weights[cell] = (weights[cell] ?? 0) + weight;
    },
    p99() {
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      let sum = 0;
      const cell = weights.findIndex((weight) => {
        sum += weight;
        return sum >= 0.99 * total;
      });
      return Math.max(0, cell) / 10;
    },
  };
}
