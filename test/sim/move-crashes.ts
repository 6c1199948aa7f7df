// Move crashes. Owns the deaths that meet a move in a chosen phase: it watches the ledger, and strikes source, destination or leader while the phase lasts.
// MC1 a death counts for a phase only when the move still was in it: the table says what was tried, not what was meant.

import type { Random } from "../../src/kernel/random.js";
import type { LedgerEvent } from "../../src/ledger/event.js";
import { firstPhase, type MovePhase, mayFollow, movePhases, type Strategy, strategies } from "../../src/ledger/move.js";
import type { ClusterView } from "../../src/ledger/view.js";
import type { World } from "./world.js";

export const victims = ["source", "destination", "leader"] as const;
export type Victim = (typeof victims)[number];

/** Share of the steps at which somebody dies. */
const deadly = 0.5;

export class MoveCrashes {
  /** `strategy phase victim` → deaths. */
  readonly counts = new Map<string, number>();
  /** Moves by strategy and what became of them. */
  readonly ends = new Map<string, number>();
  stopped = false;

  constructor(
    private readonly world: World,
    private readonly random: Random,
    private readonly strikes: boolean,
  ) {}

  /** A record of moves was stored by `writer`. */
  onStored(view: ClusterView, events: readonly LedgerEvent[], writer: string): void {
    for (const event of events) {
      if (event.kind === "moveEnded") this.countEnd(view, event.move, event.outcome);
      const id = event.kind === "moveStarted" ? event.move.id : event.kind === "moveAdvanced" ? event.move : undefined;
      if (id !== undefined && this.strikes && !this.stopped && this.random.next() < deadly) this.plan(view, id, writer);
    }
  }

  private countEnd(view: ClusterView, id: number, outcome: string): void {
    const strategy = view.pastMoves.find((move) => move.id === id)?.strategy ?? "unknown";
    add(this.ends, `${strategy} ${outcome}`);
  }

  private plan(view: ClusterView, id: number, leader: string): void {
    const move = view.moves.get(id);
    if (move === undefined) return;
    const { phase, strategy } = move;
    const victim = victims[this.random.below(victims.length)] ?? "leader";
    const name = victim === "source" ? move.from : victim === "destination" ? move.to : leader;
    // Most phases last a few messages; a copy and a verification last longer.
    const afterMs = this.random.next() * (this.random.next() < 0.6 ? 4 : 60);
    this.world.clock.after(afterMs, () => this.strike(view, id, { strategy, phase, victim, name }));
  }

  private strike(
    view: ClusterView,
    id: number,
    { strategy, phase, victim, name }: { strategy: Strategy; phase: MovePhase; victim: Victim; name: string },
  ): void {
    const seat = this.world.seats.find((one) => one.name === name);
    if (this.stopped || view.moves.get(id)?.phase !== phase || seat?.host === undefined) return;
    add(this.counts, cell(strategy, phase, victim));
    this.world.options.trace.note(
      this.world.clock.nowMs,
      "fault",
      "moveCrash",
      () => `${name}, ${victim} of ${strategy} while ${phase}`,
    );
    this.world.crash(seat, `${victim} while ${phase}`);
  }
}

function add(sums: Map<string, number>, name: string): void {
  sums.set(name, (sums.get(name) ?? 0) + 1);
}

export function cell(strategy: Strategy, phase: MovePhase, victim: Victim): string {
  return `${strategy} ${phase} ${victim}`;
}

/** The phases that a move of this strategy can be in. */
export function phasesOf(strategy: Strategy): readonly MovePhase[] {
  const reached = new Set<MovePhase>([firstPhase(strategy)]);
  for (const phase of reached) for (const next of movePhases) if (mayFollow(strategy, phase, next)) reached.add(next);
  return movePhases.filter((phase) => reached.has(phase));
}

/** Who died in which phase how often, a line for each phase of each strategy, and which of them were never tried. */
export function coverage(counts: ReadonlyMap<string, number>): {
  readonly lines: readonly string[];
  readonly missing: readonly string[];
} {
  const lines = [
    `${"deaths while a fragment moves".padEnd(34)}${victims.map((victim) => victim.padStart(13)).join("")}`,
  ];
  const missing: string[] = [];
  for (const strategy of strategies) {
    for (const phase of phasesOf(strategy)) {
      const cells = victims.map((victim) => {
        const count = counts.get(cell(strategy, phase, victim)) ?? 0;
        if (count === 0) missing.push(cell(strategy, phase, victim));
        return String(count).padStart(13);
      });
      lines.push(`${strategy.padEnd(15)}${phase.padEnd(19)}${cells.join("")}`);
    }
  }
  return { lines, missing };
}
