// Moving. Owns the moves that an administrator orders during a run, and takes back before its end; it knows fragments and nodes from the ledger, as stored.

import type { Random } from "../../src/kernel/random.js";
import type { LedgerEvent } from "../../src/ledger/event.js";
import { emptyView, fold } from "../../src/ledger/fold.js";
import { firstPhase, moveNumber, type Strategy } from "../../src/ledger/move.js";
import { decodeLedgerRecord } from "../../src/ledger/record.js";
import type { ClusterView, FragmentView } from "../../src/ledger/view.js";
import { streams, subjects } from "../../src/protocol/subjects.js";
import type { MoveCrashes } from "./move-crashes.js";
import type { Profile } from "./profile.js";
import type { World } from "./world.js";

export interface Ordered {
  readonly fragment: number;
  readonly from: string;
  readonly to: string;
  /** Nodes with a replica, `from` among them. */
  readonly holders: readonly string[];
}

const againMs = 400;
/** Share of the steps of moves after which a run that looks for moves on their way back wants the fragment back. */
const regretAimed = 0.6;
/** A leader-only move is done as soon as its destination serves: one that is wanted back has a destination that does not answer. */
const pauseMs = 5000;

export class Moving {
  private readonly views: ClusterView[] = [];
  /** Moves that were begun and not taken back. */
  private readonly begun = new Set<number>();
  /** Fragments with another number of copies than their table's, each with what ends it. */
  private readonly recounted = new Map<number, () => void>();
  private stopped = false;

  constructor(
    private readonly world: World,
    private readonly crashes: MoveCrashes,
    private readonly random: Random,
    private readonly profile: Pick<Profile, "regret" | "aim">,
  ) {
    const names = new Map<string, ClusterView>();
    for (let partition = 0; partition < world.options.shape.partitions; partition++) {
      const view = emptyView(partition);
      this.views.push(view);
      names.set(streams.ledger(partition), view);
    }
    world.log.onStored.push((stream, { seq, bytes, writer }) => {
      const view = names.get(stream);
      const record = view === undefined ? undefined : decodeLedgerRecord(bytes);
      if (view === undefined || record?.ok !== true) return;
      if (!fold(view, seq, record.value)) return;
      this.crashes.onStored(view, record.value.events, writer);
      for (const event of record.value.events) this.regret(view, event);
    });
  }

  /** The administrator's second thoughts: a move is cancelled, or after its hand-over rolled back, soon after some step. */
  private regret(view: ClusterView, event: LedgerEvent): void {
    const id = event.kind === "moveStarted" ? event.move.id : event.kind === "moveAdvanced" ? event.move : undefined;
    const move = view.moves.get(id ?? 0);
    if (id === undefined || move === undefined || this.stopped) return;
    const { aim, regret } = this.profile;
    const isAimed = aim?.strategy === move.strategy && aim.phase === "rollingBack";
    // What has handed nothing over would only be cancelled.
    const early = move.phase === firstPhase(move.strategy) && move.strategy !== "leader-only";
    const share = isAimed ? (early ? 0 : regretAimed) : regret;
    if (this.random.next() >= share) return;
    const host = this.world.seats.find(({ name }) => name === move.to)?.host;
    if (move.strategy === "leader-only") host?.pause(pauseMs);
    const number = moveNumber(id, { partition: view.partition, partitions: this.views.length });
    this.begun.add(number);
    this.world.clock.after(this.random.next() * (this.random.next() < 0.5 ? 10 : 500), () => this.takeBack(number));
  }

  /** Orders a move of some fragment to some node without a replica; after `forMs` it is taken back, unless it has ended. */
  order(strategy: Strategy, forMs: number, random: Random): Ordered | undefined {
    const { view, fragment } = this.anyFragment(random) ?? {};
    if (view === undefined || fragment === undefined || view.moving.has(fragment.id)) return undefined;
    const to = this.destinationFor(view, fragment, random);
    const table = view.tables.get(fragment.table)?.name;
    if (to === undefined || table === undefined) return undefined;
    this.ask("move", { table, fragment: fragment.id, to, strategy }, (body) => {
      const { move } = body as { move?: unknown };
      if (typeof move !== "number") return;
      this.begun.add(move);
      this.world.clock.after(this.stopped ? 0 : forMs, () => this.takeBack(move));
    });
    return { fragment: fragment.id, from: fragment.primary, to, holders: fragment.replicas.map(({ node }) => node) };
  }

  /** Gives the role alone to a replica, or moves a replica that is not primary: nothing is taken back. */
  nudge(strategy: "leader-only" | "log-shipping", random: Random): Ordered | undefined {
    const { view, fragment } = this.anyFragment(random) ?? {};
    if (view === undefined || fragment === undefined || view.moving.has(fragment.id)) return undefined;
    const table = view.tables.get(fragment.table)?.name;
    const backups = fragment.replicas.filter(({ node, state }) => node !== fragment.primary && state === "ready");
    const backup = backups[random.below(Math.max(1, backups.length))]?.node;
    const spare = strategy === "leader-only" ? backup : this.destinationFor(view, fragment, random);
    if (table === undefined || backup === undefined || spare === undefined) return undefined;
    const from = strategy === "leader-only" ? fragment.primary : backup;
    const body = { table, fragment: fragment.id, to: spare, strategy, ...(strategy === "leader-only" ? {} : { from }) };
    this.ask("move", body, (answer) => {
      const { move } = answer as { move?: unknown };
      if (typeof move === "number") this.begun.add(move);
    });
    return { fragment: fragment.id, from, to: spare, holders: fragment.replicas.map(({ node }) => node) };
  }

  /** Another number of copies of some fragment for a while. */
  recount(count: number, forMs: number, random: Random): number | undefined {
    const { view, fragment } = this.anyFragment(random) ?? {};
    const table = view?.tables.get(fragment?.table ?? 0)?.name;
    if (fragment === undefined || table === undefined || this.recounted.has(fragment.id)) return undefined;
    const body = { table, fragment: fragment.id };
    const undo = (): void => this.ask("replicas", { ...body, replicas: 0 }, () => this.recounted.delete(fragment.id));
    // An order is given only after the one before it is known to be done.
    this.recounted.set(fragment.id, () => {});
    this.ask("replicas", { ...body, replicas: count }, () => {
      if (this.stopped) return undo();
      let undone = false;
      const once = (): void => {
        if (!undone) undo();
        undone = true;
      };
      this.recounted.set(fragment.id, once);
      this.world.clock.after(forMs, once);
    });
    return fragment.id;
  }

  /** Nothing moves any more once what is under way was taken back. */
  stop(): void {
    this.stopped = true;
    this.crashes.stopped = true;
    for (const move of this.begun) this.takeBack(move);
    for (const undo of this.recounted.values()) undo();
  }

  private takeBack(move: number): void {
    if (!this.begun.has(move)) return;
    this.ask("rollbackMove", { move }, (body) => {
      const text = JSON.stringify(body);
      if (text.includes("use cancel")) return this.ask("cancelMove", { move }, () => this.begun.delete(move));
      if (text.includes("NOT_POSSIBLE") && text.includes("to take fragment"))
        return this.world.clock.after(againMs, () => this.takeBack(move));
      this.begun.delete(move);
    });
  }

  /** Asks until there is an answer that settles it. */
  private ask(op: string, body: object, done: (body: unknown) => void): void {
    const { network, clock } = this.world;
    network.ask("u0", subjects.cluster(op), { ...body, deadlineMs: 3000 }, 3500, (outcome) => {
      const text = outcome.kind === "answer" ? JSON.stringify(outcome.body) : "";
      const settled = text !== "" && (!text.includes('"fault"') || /NOT_POSSIBLE|NOT_FOUND|UNKNOWN_[A-Z]+"/.test(text));
      const unknown = text.includes("UNKNOWN_OUTCOME");
      if (settled && !unknown) done(outcome.kind === "answer" ? outcome.body : undefined);
      else clock.after(againMs, () => this.ask(op, body, done));
    });
  }

  private anyFragment(random: Random): { view: ClusterView; fragment: FragmentView } | undefined {
    const all = this.views.flatMap((view) => [...view.fragments.values()].map((fragment) => ({ view, fragment })));
    return all[random.below(Math.max(1, all.length))];
  }

  private destinationFor(view: ClusterView, fragment: FragmentView, random: Random): string | undefined {
    const held = new Set(fragment.replicas.map(({ node }) => node));
    const zones = new Set(
      fragment.replicas.filter(({ node }) => node !== fragment.primary).map(({ node }) => view.nodes.get(node)?.zone),
    );
    const free = [...view.nodes.values()]
      .filter(({ id, zone, state, draining }) => !held.has(id) && state === "up" && !draining && !zones.has(zone))
      .map(({ id }) => id)
      .sort();
    return free[random.below(Math.max(1, free.length))];
  }
}
