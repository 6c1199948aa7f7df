// Mover. Owns an operator who never leaves the fragments alone: all the time some of them are moved to another node, or only their primary role, by every
// strategy in turn, whatever else happens to the cluster.
// M1 which fragment, whereto and how comes from the seed; that a move is refused or ends early under faults is fine, and counted.

import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Random } from "../../src/kernel/random.js";
import { type Strategy, strategies } from "../../src/ledger/move.js";
import type { ClusterView, FragmentView } from "../../src/ledger/view.js";
import type { Door } from "./door.js";
import { readViews } from "./locations.js";

export interface MoveCount {
  /** How moves ended, by strategy and end, such as `log-shipping done`. */
  readonly ended: ReadonlyMap<string, number>;
  /** Orders that were not taken, by the reason's code. */
  readonly refused: ReadonlyMap<string, number>;
}

const atOnce = 2;
const pauseMs = 300;
const patienceMs = 60_000;

const begun = z.object({ move: z.number().nullable() });
const past = z.object({ moves: z.array(z.object({ move: z.number(), outcome: z.string().optional() })) });

interface Order {
  readonly table: string;
  readonly fragment: number;
  readonly from: string;
  readonly to: string;
  readonly strategy: Strategy;
}

export class Mover {
  private readonly ended = new Map<string, number>();
  private readonly refused = new Map<string, number>();
  private stopped = false;
  private loops: Promise<void>[] = [];

  constructor(
    private readonly door: Door,
    private readonly random: Random,
  ) {}

  start(): void {
    this.loops = Array.from({ length: atOnce }, (_, lane) => this.loop(this.random.fork(`lane ${lane}`)));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.loops);
  }

  count(): MoveCount {
    return { ended: this.ended, refused: this.refused };
  }

  private async loop(random: Random): Promise<void> {
    while (!this.stopped) {
      const order = await this.draw(random).catch(() => undefined);
      if (order !== undefined) await this.carryOut(order);
      await sleep(pauseMs);
    }
  }

  private async draw(random: Random): Promise<Order | undefined> {
    const view = pick(await readViews(this.door), random);
    const fragment = view === undefined ? undefined : pick([...view.fragments.values()], random);
    const strategy = pick(strategies, random);
    if (view === undefined || fragment === undefined || strategy === undefined) return undefined;
    const table = view.tables.get(fragment.table)?.name;
    const from = strategy === "leader-only" ? fragment.primary : pick(fragment.replicas, random)?.node;
    const to = pick(destinations(view, fragment, strategy), random);
    if (table === undefined || from === undefined || to === undefined) return undefined;
    return { table, fragment: fragment.id, from, to, strategy };
  }

  private async carryOut(order: Order): Promise<void> {
    try {
      const { move } = await this.door.cluster("move", { ...order, why: "chaos" }, begun, 0);
      add(this.ended, `${order.strategy} ${move === null ? "not begun" : await this.endOf(move)}`);
    } catch (error) {
      add(this.refused, /failed: (\w+)/.exec(String(error))?.[1] ?? "unknown");
    }
  }

  private async endOf(move: number): Promise<string> {
    const endMs = performance.now() + patienceMs;
    while (performance.now() < endMs && !this.stopped) {
      const { moves } = await this.door.cluster("moves", { history: true }, past).catch(() => ({ moves: [] }));
      const found = moves.find((one) => one.move === move);
      if (found?.outcome !== undefined) return found.outcome;
      await sleep(pauseMs);
    }
    return "under way";
  }
}

function destinations(view: ClusterView, fragment: FragmentView, strategy: Strategy): readonly string[] {
  const holders = fragment.replicas.map(({ node }) => node);
  if (strategy === "leader-only") return holders.filter((node) => node !== fragment.primary);
  return [...view.nodes.values()]
    .filter(({ id, state }) => state === "up" && !holders.includes(id))
    .map(({ id }) => id);
}

function pick<T>(list: readonly T[], random: Random): T | undefined {
  return list[random.below(Math.max(1, list.length))];
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
