// Move cells. Owns the table phase × victim of a run of many seeds: which deaths there are to try, which were tried, and whether any is missing.

import { firstPhase, type MovePhase, mayFollow, movePhases, type Strategy, strategies } from "../../src/ledger/move.js";

export const victims = ["source", "destination", "leader"] as const;
export type Victim = (typeof victims)[number];

export interface Cell {
  readonly strategy: Strategy;
  readonly phase: MovePhase;
  readonly victim: Victim;
}

/** In the counts beside the victims: how often a move came into the phase. */
export const entered = "entered";

/**
 * A leader-only move is asked back only once another copy than its destination serves (as soon as the destination does, it is done), and then there is nothing to
 * give back: it begins to roll back and has rolled back in one record. Its deaths strike at that record.
 */
const passing = [{ strategy: "leader-only", phase: "rollingBack" }] as const;

export function cellName({ strategy, phase, victim }: Omit<Cell, "victim"> & { readonly victim: string }): string {
  return `${strategy} ${phase} ${victim}`;
}

/** The phases that a move of this strategy can be in. */
export function phasesOf(strategy: Strategy): readonly MovePhase[] {
  const reached = new Set<MovePhase>([firstPhase(strategy)]);
  for (const phase of reached) for (const next of movePhases) if (mayFollow(strategy, phase, next)) reached.add(next);
  return movePhases.filter((phase) => reached.has(phase));
}

export const cells: readonly Cell[] = strategies.flatMap((strategy) =>
  phasesOf(strategy).flatMap((phase) => victims.map((victim) => ({ strategy, phase, victim }))),
);

/** Who died in which phase how often, a line for each phase of each strategy, and which of them were never tried. */
export function coverage(counts: ReadonlyMap<string, number>): {
  readonly lines: readonly string[];
  readonly missing: readonly string[];
} {
  const columns = [entered, ...victims];
  const heads = columns.map((name) => name.padStart(13)).join("");
  const lines = [`${"deaths while a fragment moves".padEnd(34)}${heads}`];
  for (const strategy of strategies)
    for (const phase of phasesOf(strategy)) {
      const numbers = columns.map((victim) => String(counts.get(cellName({ strategy, phase, victim })) ?? 0));
      const mark = isPassing(strategy, phase) ? "   (begins and ends in one record: they died at it)" : "";
      lines.push(
        `${strategy.padEnd(15)}${phase.padEnd(19)}${numbers.map((text) => text.padStart(13)).join("")}${mark}`,
      );
    }
  return { lines, missing: cells.map(cellName).filter((name) => (counts.get(name) ?? 0) === 0) };
}

function isPassing(strategy: Strategy, phase: MovePhase): boolean {
  return passing.some((one) => one.strategy === strategy && one.phase === phase);
}
