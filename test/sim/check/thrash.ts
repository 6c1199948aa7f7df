// Thrash. Owns the account of what a planner began during a run: how often, how much of the data in one round, and whether it moved anything again too soon.
// TH1 no fragment is moved by the planner twice within the cool-down, whoever leads; only a wall clock that was set forward may make a leader believe that it is over.
// TH2 a round begins to move at most the share of the policy; what a leader knows of sizes is a heartbeat old, so a little more may come of it.

import { bookkeepingKey } from "../../../src/fragment/layout.js";
import { readBookkeeping } from "../../../src/fragment/replica.js";
import { emptyView, fold } from "../../../src/ledger/fold.js";
import type { Move } from "../../../src/ledger/move.js";
import { decodeLedgerRecord } from "../../../src/ledger/record.js";
import type { ClusterView } from "../../../src/ledger/view.js";
import { streams } from "../../../src/protocol/subjects.js";
import type { Verdict } from "../../../src/verify/history.js";
import type { World } from "../world.js";

/** What a planner did in one run. */
export interface Thrash {
  /** Moves begun, those of them that copy, and splits. */
  readonly moves: number;
  readonly copies: number;
  readonly splits: number;
  /** Moves of a fragment within its cool-down. */
  readonly hasty: number;
  /** Moves of a copy back to a node that the planner had moved it away from. */
  readonly back: number;
  /** The largest share of all bytes that one round began to move, where the policy bounds it. */
  readonly mostShare: number;
}

/** The policy's share, and what sizes may have changed by since the last heartbeat: by a share, or by some rows. */
const mostShare = 0.09 * 1.5;
const fewRowsBytes = 400;
/** Clocks of two hosts differ a little, and a leader counts whole milliseconds. */
const clockShare = 0.97;

export class ThrashMeter {
  private readonly views = new Map<string, ClusterView>();
  private readonly lastMs = new Map<number, number>();
  private readonly left = new Map<number, Set<string>>();
  private readonly rounds = new Map<string, number>();
  private readonly violations: string[] = [];
  private readonly counts = { moves: 0, copies: 0, splits: 0, hasty: 0, back: 0, mostShare: 0 };

  constructor(
    private readonly world: World,
    private readonly coolDownMs: number,
    /** Wall clocks are set during the run. */
    private readonly clocksJump: boolean,
    /** The policy's share of the data binds. */
    private readonly isThrifty: boolean,
  ) {
    for (let partition = 0; partition < world.options.shape.partitions; partition++)
      this.views.set(streams.ledger(partition), emptyView(partition));
    world.log.onStored.push((stream, { seq, bytes }) => {
      const view = this.views.get(stream);
      const record = view === undefined ? undefined : decodeLedgerRecord(bytes);
      if (view === undefined || record?.ok !== true) return;
      for (const event of record.value.events) {
        if (event.kind === "moveStarted" && event.move.cause === "plan") this.note(view, event.move, stream);
        if (event.kind === "splitStarted" && event.by === "planner") this.counts.splits++;
      }
      fold(view, seq, record.value);
    });
  }

  get score(): Thrash {
    return { ...this.counts };
  }

  verdict(): Verdict {
    const { moves, splits } = this.counts;
    const { violations } = this;
    return {
      checker: "the planner does not thrash",
      unit: "moves and splits planned",
      judged: moves + splits,
      needed: 0,
      violations,
    };
  }

  private note(view: ClusterView, { fragment, from, to, strategy, startedMs }: Move, stream: string): void {
    this.counts.moves++;
    const agoMs = startedMs - (this.lastMs.get(fragment) ?? Number.NEGATIVE_INFINITY);
    this.lastMs.set(fragment, startedMs);
    if (agoMs < this.coolDownMs * clockShare) {
      this.counts.hasty++;
      if (!this.clocksJump)
        this.violations.push(
          `fragment ${fragment} was moved again after ${agoMs} ms; it is to stay for ${this.coolDownMs}`,
        );
    }
    if (strategy === "leader-only") return;
    this.counts.copies++;
    const left = this.left.get(fragment) ?? new Set();
    this.left.set(fragment, left);
    if (left.has(to)) this.counts.back++;
    left.add(from);
    this.weigh(view, fragment, `${stream} ${view.term} ${startedMs}`);
  }

  private weigh(view: ClusterView, fragment: number, round: string): void {
    let total = 0;
    for (const { id, replicas } of view.fragments.values()) total += this.bytesOf(view, id) * replicas.length;
    const moved = (this.rounds.get(round) ?? 0) + this.bytesOf(view, fragment);
    this.rounds.set(round, moved);
    if (!this.isThrifty || total === 0) return;
    this.counts.mostShare = Math.max(this.counts.mostShare, moved / total);
    if (moved > mostShare * total + fewRowsBytes)
      this.violations.push(`a round began to move ${moved} of ${total} bytes (${round})`);
  }

  private bytesOf({ fragments }: ClusterView, fragment: number): number {
    const primary = fragments.get(fragment)?.primary;
    const kept = this.world.seats.find(({ name }) => name === primary)?.store?.get(bookkeepingKey(fragment));
    return kept === undefined ? 0 : (readBookkeeping(fragment, kept)?.bytes ?? 0);
  }
}
