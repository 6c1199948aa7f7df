// Move crashes. Owns the deaths that meet a move in a chosen phase: it watches the ledger, and strikes source, destination or leader while the phase lasts.
// MC1 a death counts for a phase only when the move still was in it, or at the very record in which it passed through: the table says what was tried, not what
//     was meant.

import type { Random } from "../../src/kernel/random.js";
import type { LedgerEvent } from "../../src/ledger/event.js";
import { firstPhase, type MovePhase, type MoveView, type PastMove } from "../../src/ledger/move.js";
import type { ClusterView } from "../../src/ledger/view.js";
import { type Cell, cellName, entered, victims } from "./move-cells.js";
import type { Seat, World } from "./world.js";

/** Share of the steps at which somebody dies, and of the steps into the phase at which this run aims. */
const deadly = 0.35;
const deadlyAimed = 0.8;
/** Between two deaths: a cluster that does nothing but start has no moves. */
const gapMs = 400;

export interface MoveCrashesOptions {
  readonly strikes: boolean;
  /** The death that this run is to meet often. */
  readonly aim: Cell | undefined;
  /** Takes the disk of a node away as it dies, where that is allowed now. */
  readonly wipe: (seat: Seat) => boolean;
}

interface Step {
  readonly view: ClusterView;
  readonly id: number;
  readonly move: MoveView | PastMove;
  readonly phase: MovePhase;
  /** Who wrote it. */
  readonly leader: string;
}

export class MoveCrashes {
  /** `strategy phase victim` → deaths. */
  readonly counts = new Map<string, number>();
  /** Moves by strategy and what became of them. */
  readonly ends = new Map<string, number>();
  stopped = false;
  private lastMs = 0;

  constructor(
    private readonly world: World,
    private readonly random: Random,
    private readonly options: MoveCrashesOptions,
  ) {}

  /** A record of moves was stored by `writer`, and `view` has folded it. */
  onStored(view: ClusterView, events: readonly LedgerEvent[], writer: string): void {
    for (const event of events) {
      if (event.kind === "moveEnded") this.countEnd(view, event.move, event.outcome);
      const id = event.kind === "moveStarted" ? event.move.id : event.kind === "moveAdvanced" ? event.move : undefined;
      const move = view.moves.get(id ?? 0) ?? view.pastMoves.find((past) => past.id === id);
      if (id === undefined || move === undefined) continue;
      const phase = event.kind === "moveAdvanced" ? event.phase : firstPhase(move.strategy);
      add(this.counts, cellName({ strategy: move.strategy, phase, victim: entered }));
      if (this.options.strikes && !this.stopped) this.plan({ view, id, move, phase, leader: writer });
    }
  }

  private countEnd(view: ClusterView, id: number, outcome: string): void {
    const strategy = view.pastMoves.find((move) => move.id === id)?.strategy ?? "unknown";
    add(this.ends, `${strategy} ${outcome}`);
  }

  private plan(step: Step): void {
    const { random, options } = this;
    const { move, phase } = step;
    const isAimed = options.aim?.strategy === move.strategy && options.aim.phase === phase;
    if (random.next() >= (isAimed ? deadlyAimed : deadly)) return;
    const drawn = victims[random.below(victims.length)] ?? "leader";
    const victim = isAimed ? (options.aim?.victim ?? drawn) : drawn;
    const cell: Cell = { strategy: move.strategy, phase, victim };
    const name = victim === "source" ? move.from : victim === "destination" ? move.to : step.leader;
    // A phase that the move has left in the same record is met at this record or never.
    if (step.view.moves.get(step.id)?.phase !== phase) return this.after(0, () => this.strike(cell, name));
    this.after(this.delayMs(), () => {
      if (step.view.moves.get(step.id)?.phase === phase) this.strike(cell, name);
    });
  }

  /** Right at the record, within the few messages that most phases last, or later in a copy or a comparison. */
  private delayMs(): number {
    const how = this.random.next();
    const share = this.random.next();
    return how < 0.3 ? 0 : share * (how < 0.6 ? 4 : how < 0.85 ? 60 : 600);
  }

  private after(delayMs: number, act: () => void): void {
    this.world.clock.after(delayMs, () => {
      if (!this.stopped) act();
    });
  }

  private strike(cell: Cell, name: string): void {
    const { world, options } = this;
    const seat = world.seats.find((one) => one.name === name);
    const { nowMs } = world.clock;
    if (seat?.host === undefined || nowMs - this.lastMs < gapMs) return;
    this.lastMs = nowMs;
    const { victim, strategy, phase } = cell;
    add(this.counts, cellName(cell));
    world.options.trace.note(nowMs, "fault", "moveCrash", () => `${name}, ${victim} of ${strategy} while ${phase}`);
    if (victim !== "leader" && this.random.next() < 0.5 && options.wipe(seat)) return;
    world.crash(seat, `${victim} while ${phase}`);
  }
}

function add(sums: Map<string, number>, name: string): void {
  sums.set(name, (sums.get(name) ?? 0) + 1);
}
