// Faults. Owns when and where things break during a run, drawn from the seed; everything it breaks is whole again when the faults stop.
// F1 no promise is made for damage beyond the promises: at most one disk is lost or rolled back per `damageGapMs`, and the log loses
//    records only while every host has been up and connected for a while.

import { bookkeepingKey } from "../../src/fragment/layout.js";
import { isSettled, readBookkeeping } from "../../src/fragment/replica.js";
import type { Random } from "../../src/kernel/random.js";
import type { LedgerEvent } from "../../src/ledger/event.js";
import { decodeLedgerRecord } from "../../src/ledger/record.js";
import type { ClusterView } from "../../src/ledger/view.js";
import { fragmentOfSubject, streams, subjects } from "../../src/protocol/subjects.js";
import type { Plan, WorkloadTable } from "../../src/verify/workload.js";
import { damageLeft } from "./check/damage.js";
import { calmHost } from "./host.js";
import { logServer } from "./log.js";
import { MoveCrashes } from "./move-crashes.js";
import { Moving } from "./moving.js";
import type { FaultKind, Profile } from "./profile.js";
import type { HostKind, Seat, World } from "./world.js";

const damageGapMs = 15_000;
const quietBeforeLossMs = 4_000;
const mostDisksLost = 2;
const mostDrained = 2;
/** More of one table are not made by splits. */
const mostFragments = 10;
const burstRequests = 200;
const burstMs = 10;

/** After which a leader may be made to die; what a run never has, never strikes. */
const ledgerKinds: readonly LedgerEvent["kind"][] = [
  "leaderElected",
  "nodeJoined",
  "nodeUp",
  "nodeDown",
  "nodeDraining",
  "tableCreated",
  "tableDropped",
  "primariesChanged",
  "fragmentsActivated",
  "replicasAdded",
  "replicasReady",
  "replicasRemoved",
  "replicaCountChanged",
  "moveStarted",
  "moveAdvanced",
  "moveEnded",
  "splitStarted",
  "splitCancelled",
  "fragmentSplit",
  "mergeStarted",
  "fragmentsMerged",
  "logStreamSeen",
  "incidentReported",
];

export class Faults {
  readonly counts = new Map<FaultKind, number>();
  private stopped = false;
  private lastDamageMs = 0;
  private disksLost = 0;
  private extraTables = 0;
  /** Nodes that are drained, each with what ends it. */
  private readonly drains = new Map<string, () => void>();
  private readonly moving: Moving;
  readonly moveCrashes: MoveCrashes;
  /** Requests of bursts that were refused for want of room, and refusals that do not say when to come back. */
  turnedAway = 0;
  readonly strange: string[] = [];
  /** Splits and merges that were answered as done. */
  readonly reshaped = new Map<string, number>();
  private armed: LedgerEvent["kind"] | undefined;
  /** How often a leader died right after a ledger event of each kind. */
  readonly leaderCrashes = new Map<string, number>();

  /** `burst`: what an overload asks, all at once. */
  constructor(
    private readonly world: World,
    private readonly profile: Profile,
    private readonly random: Random,
    private readonly burst: readonly Plan[],
    private readonly tables: readonly WorkloadTable[],
    private readonly views: () => readonly ClusterView[],
  ) {
    this.moveCrashes = new MoveCrashes(world, random.fork("moveCrashes"), {
      strikes: profile.everyS.has("moveCrash"),
      aim: profile.aim,
      wipe: (seat) => profile.everyS.has("wipeDisk") && this.wipe(seat),
    });
    this.moving = new Moving(world, this.moveCrashes, random.fork("moving"), profile);
  }

  start(): void {
    const { world, profile } = this;
    world.network.weather = profile.link;
    world.log.weather = { ...profile.log };
    world.compute.weather = profile.compute;
    world.supervision = { restartMinMs: 100, restartMaxMs: profile.restartMaxMs, tellsDeath: profile.tellsDeath };
    if (profile.everyS.has("leaderCrashAtEvent")) this.watchLedger(this.random.fork("ledger"));
    for (const [kind, everyS] of profile.everyS) this.plan(kind, everyS * 1000, this.random.fork(kind));
  }

  /** No new faults, and all that are under way end. */
  stop(): void {
    this.stopped = true;
    for (const seat of this.world.seats) seat.diskFullUntilMs = 0;
    for (const undo of this.drains.values()) undo();
    this.moving.stop();
    this.world.supervision = { restartMinMs: 100, restartMaxMs: 300, tellsDeath: 0.5 };
    this.world.heal();
  }

  private plan(kind: FaultKind, meanMs: number, random: Random): void {
    // Two uniform draws keep clear of logarithms, which need not agree on all machines.
    this.world.clock.after(meanMs * (random.next() + random.next()), () => {
      if (this.stopped) return;
      if (this.strike(kind, random)) {
        this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
      }
      this.plan(kind, meanMs, random);
    });
  }

  private note(kind: FaultKind, what: string): void {
    this.world.options.trace.note(this.world.clock.nowMs, "fault", kind, () => what);
  }

  private strike(kind: FaultKind, random: Random): boolean {
    switch (kind) {
      case "crashNode":
        return this.crash(kind, "node", random);
      case "crashRouter":
        return this.crash(kind, "router", random);
      case "crashControl":
        return this.crash(kind, "control", random);
      case "crashAll":
        this.note(kind, "everything");
        for (const seat of this.world.seats) this.world.crash(seat, "crashAll");
        this.world.log.crash(200 + random.next() * 2000);
        return true;
      case "pauseNode":
        return this.pause(kind, "node", random);
      case "pauseControl":
        return this.pause(kind, "control", random);
      case "pauseRouter":
        return this.pause(kind, "router", random);
      case "slowHost":
        return this.slowHost(random);
      case "partitionPair":
        return this.cut(kind, [this.anyName(random)], [this.anyName(random)], random);
      case "partitionHost": {
        const one = this.anyName(random);
        return this.cut(
          kind,
          [one],
          this.names().filter((name) => name !== one),
          random,
        );
      }
      case "partitionHalf": {
        const left = this.names().filter(() => random.next() < 0.5);
        // The log server is on one side: the other is a minority that may believe in its old world.
        return this.cut(kind, left, [...this.names().filter((name) => !left.includes(name)), logServer], random);
      }
      case "cutFromLog":
        return this.cut(kind, [this.anyName(random)], [logServer], random);
      case "logPause":
        this.note(kind, "log server");
        this.world.log.pause(100 + random.next() * 4000);
        return true;
      case "logCrash":
        this.note(kind, "log server");
        this.world.log.crash(200 + random.next() * 5000);
        return true;
      case "streamPause": {
        const name = this.anyOf(this.world.log.streamNames(), random);
        this.note(kind, name);
        this.world.log.pauseStream(name, 100 + random.next() * 6000);
        return true;
      }
      case "logFull": {
        const name = streams.log(random.below(this.world.options.shape.logGroups));
        this.note(kind, name);
        this.world.log.fill(name, 200 + random.next() * 3000);
        return true;
      }
      case "wallJump": {
        const seat = this.anyOf(this.world.seats, random);
        const byMs = Math.round((random.next() - 0.5) * 2 * 3_600_000);
        this.note(kind, `${seat.name} by ${byMs} ms`);
        seat.clock.jumpWall(byMs);
        return true;
      }
      case "slowLink":
        return this.slowLink(random);
      case "trimHead":
        return this.trimHead(random);
      case "wipeDisk":
      case "oldDisk":
        return this.damageDisk(kind, random);
      case "loseTail":
      case "loseOne":
      case "recreateLog":
        return this.damageLog(kind, random);
      case "leftBehind":
        return this.leaveBehind(random);
      case "handOver":
        return this.handOver(random);
      case "drainNode":
        return this.drain(this.anyOf(this.world.seatsOf("node"), random), 500 + random.next() * 8000);
      case "extraTable":
        return this.extraTable(random);
      case "leaderCrashAtEvent":
        this.armed = ledgerKinds[random.below(ledgerKinds.length)];
        return false;
      case "fullDisk":
        return this.fillDisk(random);
      case "overload":
        return this.overload(random);
      case "move":
        return this.move(random);
      case "moveCrash":
        // Strikes when the ledger says that a move took a step.
        return false;
      case "copyOnWrite":
        return this.moveEarly(random);
      case "flipBit":
        return this.flipBit(random);
      case "split":
        return this.split(random);
      case "merge":
        return this.merge(random);
    }
  }

  private crash(kind: FaultKind, hosts: HostKind, random: Random): boolean {
    const seat = this.anyOf(this.world.seatsOf(hosts), random);
    if (seat.host === undefined) return false;
    this.note(kind, seat.name);
    this.world.crash(seat, "crash");
    return true;
  }

  private pause(kind: FaultKind, hosts: HostKind, random: Random): boolean {
    const seat = this.anyOf(this.world.seatsOf(hosts), random);
    if (seat.host === undefined || seat.host.paused) return false;
    const forMs = 50 + random.next() * (random.next() < 0.5 ? 800 : 6000);
    this.note(kind, `${seat.name} for ${Math.round(forMs)} ms`);
    seat.host.pause(forMs);
    return true;
  }

  private slowHost(random: Random): boolean {
    const seat = this.anyOf(this.world.seats, random);
    this.note("slowHost", seat.name);
    this.world.pace(seat, { stepMs: 1 + random.next() * 40, flushMs: 10 + random.next() * 800 });
    const { host } = seat;
    this.world.clock.after(500 + random.next() * 5000, () => {
      if (seat.host === host) this.world.pace(seat, calmHost);
    });
    return true;
  }

  private slowLink(random: Random): boolean {
    const name = this.anyName(random);
    this.note("slowLink", name);
    this.world.network.slowDown(name, 5 + random.next() * 400);
    this.world.clock.after(500 + random.next() * 4000, () => this.world.network.slowDown(name, 0));
    return true;
  }

  private cut(kind: FaultKind, left: readonly string[], right: readonly string[], random: Random): boolean {
    const way = random.below(3);
    const links: (readonly [string, string])[] = [];
    for (const a of left)
      for (const b of right) {
        if (a === b) continue;
        if (way !== 1) links.push([a, b]);
        if (way !== 2) links.push([b, a]);
      }
    if (links.length === 0) return false;
    const arrow = way === 0 ? "<>" : way === 1 ? "<" : ">";
    this.note(kind, `${left.join(",")} ${arrow} ${right.join(",")}`);
    for (const [from, to] of links) this.world.network.block(from, to);
    this.world.clock.after(100 + random.next() * (random.next() < 0.5 ? 1500 : 8000), () => {
      for (const [from, to] of links) this.world.network.unblock(from, to);
    });
    return true;
  }

  /** A node that writes much, hence a primary of what is asked for. */
  private busyNode(random: Random): string {
    const { world } = this;
    const name = streams.log(random.below(world.options.shape.logGroups));
    const newest = world.log.records(name).slice(-20);
    return newest[random.below(newest.length)]?.writer ?? this.anyOf(world.seatsOf("node"), random).name;
  }

  private cutBothWays(links: readonly (readonly [string, string])[], forMs: number): void {
    const { network, clock } = this.world;
    const both = links.flatMap(([a, b]) => [[a, b] as const, [b, a] as const]);
    for (const [from, to] of both) network.block(from, to);
    clock.after(forMs, () => {
      for (const [from, to] of both) network.unblock(from, to);
    });
  }

  /** A primary reaches only routers, and one router learns nothing new: who asks there sees the old world while the others go on. */
  private leaveBehind(random: Random): boolean {
    const { world } = this;
    const node = this.busyNode(random);
    const router = this.anyOf(world.seatsOf("router"), random).name;
    const others = world.seats.filter(({ name, kind }) => name !== node && kind !== "router").map(({ name }) => name);
    this.note("leftBehind", `${node} and ${router}`);
    this.cutBothWays(
      [...[...others, logServer].map((other) => [node, other] as const), [router, logServer]],
      2500 + random.next() * 4000,
    );
    return true;
  }

  /** The role moves away from a primary that lives and is heard, but cannot read of it; nor can one router. */
  private handOver(random: Random): boolean {
    const { world } = this;
    const node = this.busyNode(random);
    const seat = world.seats.find(({ name }) => name === node);
    if (seat?.host === undefined) return false;
    const router = this.anyOf(world.seatsOf("router"), random).name;
    this.note("handOver", `${node} and ${router}`);
    this.cutBothWays(
      [
        [node, logServer],
        [router, logServer],
      ],
      1000 + random.next() * 1500,
    );
    this.drain(seat, 3000 + random.next() * 4000);
    return true;
  }

  /** An administrator drains a node, and changes their mind later; never more nodes at once than leave room for every copy. */
  private drain({ name }: Seat, forMs: number): boolean {
    if (this.drains.has(name) || this.drains.size >= mostDrained) return false;
    this.note("drainNode", `${name} for ${Math.round(forMs)} ms`);
    let undone = false;
    const undo = (): void => {
      if (undone) return;
      undone = true;
      this.order("undrain", { node: name }, () => this.drains.delete(name));
    };
    // An order is given only after the one before it is known to be done: a late copy would turn it round.
    this.drains.set(name, () => {});
    this.order("drain", { node: name }, () => {
      if (this.stopped) return undo();
      this.drains.set(name, undo);
      this.world.clock.after(forMs, undo);
    });
    return true;
  }

  /** An administrator's request, sent again until it is done or refused. */
  private order(op: string, body: object, done: () => void = () => {}): void {
    const { network, clock } = this.world;
    network.ask("u0", subjects.cluster(op), { ...body, deadlineMs: 3000 }, 3500, (outcome) => {
      const text = outcome.kind === "answer" ? JSON.stringify(outcome.body) : "";
      const refused = text.includes("TABLE_EXISTS") || text.includes("UNKNOWN_TABLE") || text.includes("UNKNOWN_NODE");
      if (text === "" || (text.includes('"fault"') && !refused)) clock.after(500, () => this.order(op, body, done));
      else done();
    });
  }

  /** A table that nobody uses comes and goes. */
  private extraTable(random: Random): boolean {
    const name = `extra${++this.extraTables}`;
    this.note("extraTable", name);
    this.order("createTable", { name, fragments: 1 + random.below(3), replicas: 2 });
    this.world.clock.after(2000 + random.next() * 6000, () => this.order("dropTable", { name }));
    return true;
  }

  private watchLedger(random: Random): void {
    const { world } = this;
    world.log.onStored.push((stream, { bytes, writer }) => {
      if (this.armed === undefined || this.stopped || !stream.startsWith("FORESHARD_LEDGER_")) return;
      const record = decodeLedgerRecord(bytes);
      const { armed } = this;
      const seat = world.seats.find(({ name }) => name === writer);
      if (!record.ok || seat?.host === undefined || !record.value.events.some(({ kind }) => kind === armed)) return;
      this.armed = undefined;
      this.leaderCrashes.set(armed, (this.leaderCrashes.get(armed) ?? 0) + 1);
      this.counts.set("leaderCrashAtEvent", (this.counts.get("leaderCrashAtEvent") ?? 0) + 1);
      const { host } = seat;
      // Before it knows that the record is stored, or just after it acted on it.
      world.clock.after(random.next() * 6, () => {
        if (seat.host === host) world.crash(seat, `after ${armed}`);
      });
    });
  }

  /** No room: the next flush ends the process, and none starts until there is room again. */
  private fillDisk(random: Random): boolean {
    const seat = this.anyOf(this.world.seatsOf("node"), random);
    if (seat.store === undefined) return false;
    this.note("fullDisk", seat.name);
    seat.diskFullUntilMs = this.world.clock.nowMs + 500 + random.next() * 4000;
    return true;
  }

  /** Far more requests at once than a router holds: it has to refuse, and to go on. */
  private overload(random: Random): boolean {
    const { world, burst } = this;
    this.note("overload", `${burstRequests} requests`);
    for (let count = 0; count < burstRequests; count++) {
      const { table, op, body } = this.anyOf(burst, random);
      world.clock.after(random.next() * burstMs, () =>
        world.network.ask("burst", subjects.query(table, op), { ...body, deadlineMs: 1500 }, 2000, (outcome) => {
          const text = outcome.kind === "answer" ? JSON.stringify(outcome.body) : "";
          if (!text.includes("OVERLOADED")) return;
          this.turnedAway++;
          if (!text.includes("retryAfterMs")) this.strange.push(`turned away without a time to come back: ${text}`);
        }),
      );
    }
    return true;
  }

  /** An operator's whims: a fragment moves, often not to the end; or gets more or fewer copies for a while. */
  private move(random: Random): boolean {
    const whim = random.next();
    const aimed = this.profile.aim?.strategy;
    if (aimed !== undefined && aimed !== "copy-on-write" && random.next() < 0.7) return this.moveBy(aimed, random);
    if (whim < 0.15) {
      const count = 2 + random.below(3);
      const fragment = this.moving.recount(count, 1000 + random.next() * 6000, random);
      if (fragment !== undefined) this.note("move", `fragment ${fragment} to ${count} copies`);
      return fragment !== undefined;
    }
    const strategy = whim < 0.35 ? "leader-only" : "log-shipping";
    const shipped = whim >= 0.5;
    const ordered = shipped
      ? this.moving.order("log-shipping", random.next() < 0.5 ? random.next() * 400 : 20_000, random)
      : this.moving.nudge(strategy, random);
    if (ordered === undefined) return false;
    const { fragment, from, to } = ordered;
    this.note("move", `fragment ${fragment} from ${from} to ${to}, ${shipped ? "log-shipping" : strategy}`);
    return true;
  }

  /** To the end, if nothing happens to it. */
  private moveBy(strategy: "log-shipping" | "leader-only", random: Random): boolean {
    const ordered =
      strategy === "leader-only" ? this.moving.nudge(strategy, random) : this.moving.order(strategy, 20_000, random);
    if (ordered === undefined) return false;
    const { fragment, from, to } = ordered;
    this.note("move", `fragment ${fragment} from ${from} to ${to}, ${strategy}`);
    return true;
  }

  /** A fragment moves to a node that leads before it has the rows; often one of the two dies soon after, in whatever phase that is. */
  private moveEarly(random: Random): boolean {
    const isAimed = this.profile.aim?.strategy === "copy-on-write";
    const ordered = this.moving.order("copy-on-write", isAimed ? 20_000 : 300 + random.next() * 8000, random);
    if (ordered === undefined) return false;
    const { fragment, from, to, holders } = ordered;
    this.note("copyOnWrite", `fragment ${fragment} from ${from} to ${to}`);
    if (random.next() < 0.7) this.slowSources(holders, 20 + random.next() * 250, 1000 + random.next() * 4000);
    const victim = [from, to, undefined][random.below(3)];
    const seat = this.world.seats.find(({ name }) => name === victim);
    const afterMs = random.next() * (random.next() < 0.5 ? 60 : 1000);
    if (seat !== undefined && !isAimed && this.profile.everyS.has("crashNode"))
      this.world.clock.after(afterMs, () => {
        if (!this.stopped) this.world.crash(seat, "while a fragment moves");
      });
    return true;
  }

  /** An administrator has a fragment split, at a key or wherever the primary likes; or two neighbours merged. What cannot be is refused. */
  private split(random: Random): boolean {
    const table = this.anyOf(this.tables, random);
    const fragments = this.fragmentsOf(table.name);
    if (fragments.length === 0 || fragments.length >= mostFragments) return false;
    const fragment = this.anyOf(fragments, random);
    const at =
      random.next() < 0.4
        ? { at: table.sorts === 0 ? random.below(table.partitions) : `p${random.below(table.partitions)}` }
        : {};
    this.note("split", `${table.name}/${fragment}`);
    this.reshape("split", { table: table.name, fragment, ...at });
    return true;
  }

  private merge(random: Random): boolean {
    const table = this.anyOf(this.tables, random);
    const fragments = this.fragmentsOf(table.name);
    const pairs = fragments.slice(1).map((right, index) => [fragments[index] ?? right, right] as const);
    // Most of the time one that can be merged: both lie on the same nodes.
    const alike = pairs.filter(([a, b]) => this.nodesOf(a) === this.nodesOf(b));
    const choice = alike.length > 0 && random.next() < 0.8 ? alike : pairs;
    if (choice.length === 0) return false;
    const [left, right] = this.anyOf(choice, random);
    this.note("merge", `${table.name}/${left} and ${right}`);
    this.reshape("merge", { table: table.name, left, right });
    return true;
  }

  private nodesOf(id: number): string {
    const fragment = this.views()
      .map((view) => view.fragments.get(id))
      .find((found) => found !== undefined);
    return (fragment?.replicas.map(({ node }) => node) ?? []).sort().join();
  }

  private reshape(op: "split" | "merge", body: object): void {
    this.world.network.ask("u0", subjects.cluster(op), { ...body, deadlineMs: 4000 }, 4500, (outcome) => {
      const text = outcome.kind === "answer" ? JSON.stringify(outcome.body) : outcome.kind;
      this.world.options.trace.say(this.world.clock.nowMs, `u0 ${op}: ${text}`);
      if (!text.includes('"fault"')) this.reshaped.set(op, (this.reshaped.get(op) ?? 0) + 1);
    });
  }

  /** Fragments of a table in the order of their ranges, as the ledger has them. */
  private fragmentsOf(name: string): readonly number[] {
    for (const view of this.views()) {
      const id = view.tableIds.get(name);
      if (id !== undefined) return view.order.get(id) ?? [];
    }
    return [];
  }

  /** Far from those that have the rows, the destination leads for long without them. */
  private slowSources(names: readonly string[], byMs: number, forMs: number): void {
    const { network, clock } = this.world;
    for (const name of names) network.slowDown(name, byMs);
    clock.after(forMs, () => {
      for (const name of names) network.slowDown(name, 0);
    });
  }

  /** One damaged value at a time: two copies that are damaged at once is more than was promised. */
  private flipBit(random: Random): boolean {
    if (damageLeft(this.world) > 0 || !this.mayLoseDisk()) return false;
    const seat = this.anyOf(this.world.seatsOf("node"), random);
    const key = seat.store?.flipBit(random.next(), random.below(1 << 20));
    // A node that reads it loses its disk.
    if (key === undefined || !this.loseDisk()) return false;
    this.note("flipBit", `${seat.name} ${key}`);
    return true;
  }

  /** Cuts the head of a log stream as far as may ever be cut: what every replica has on disk, and no fragment's last record. */
  private trimHead(random: Random): boolean {
    const { world } = this;
    const name = streams.log(random.below(world.options.shape.logGroups));
    const stores = world.seatsOf("node").flatMap(({ store }) => store ?? []);
    if (stores.some((store) => store.dirty)) return false;
    const lastOf = new Map(world.log.records(name).map(({ subject, seq }) => [subject, seq]));
    let belowSeq = Number.POSITIVE_INFINITY;
    for (const [subject, lastSeq] of lastOf) {
      const fragment = fragmentOfSubject(subject);
      belowSeq = Math.min(belowSeq, lastSeq);
      for (const store of stores) {
        const kept = store.get(bookkeepingKey(fragment));
        const replica = kept === undefined ? undefined : readBookkeeping(fragment, kept);
        if (replica !== undefined && isSettled(replica)) belowSeq = Math.min(belowSeq, replica.seq);
      }
    }
    if (!Number.isFinite(belowSeq) || belowSeq <= (world.log.records(name)[0]?.seq ?? 0)) return false;
    this.note("trimHead", `${name} below ${belowSeq}`);
    world.log.trim(logServer, name, belowSeq);
    return true;
  }

  /** A node comes back without its disk, or with the disk of a while ago. */
  private damageDisk(kind: "wipeDisk" | "oldDisk", random: Random): boolean {
    const { world } = this;
    const seat = this.anyOf(world.seatsOf("node"), random);
    const { store } = seat;
    if (seat.host === undefined || store === undefined) return false;
    if (kind === "oldDisk" && seat.oldDisk === undefined) {
      // What a backup tool copied now comes back later.
      store.flush();
      seat.oldDisk = store.copy();
      return false;
    }
    const old = seat.oldDisk;
    if (kind === "wipeDisk" || old === undefined) return this.wipe(seat);
    if (!this.loseDisk()) return false;
    this.note(kind, seat.name);
    world.crash(seat, kind, () => store.restore(old));
    return true;
  }

  /** A node dies and comes back with an empty disk. */
  private wipe(seat: Seat): boolean {
    const { store } = seat;
    if (seat.host === undefined || store === undefined || !this.loseDisk()) return false;
    this.note("wipeDisk", seat.name);
    const fresh = `disk-${seat.name}-${this.random.fork(`wiped ${seat.starts}`).hex(4)}`;
    this.world.crash(seat, "wipeDisk", () => store.wipe(fresh));
    return true;
  }

  /** One more disk is lost, if that is within what the run may lose. */
  private loseDisk(): boolean {
    if (!this.mayLoseDisk()) return false;
    this.disksLost++;
    this.lastDamageMs = this.world.clock.nowMs;
    return true;
  }

  private mayLoseDisk(): boolean {
    return this.disksLost < mostDisksLost && this.damageAllowed();
  }

  private damageLog(kind: "loseTail" | "loseOne" | "recreateLog", random: Random): boolean {
    const { world } = this;
    const { nowMs } = world.clock;
    const calm = world
      .seatsOf("node")
      .every((seat) => seat.host !== undefined && nowMs - seat.lastCrashMs > quietBeforeLossMs);
    if (!calm || !this.damageAllowed()) return false;
    this.lastDamageMs = nowMs;
    const name = streams.log(random.below(world.options.shape.logGroups));
    this.note(kind, name);
    // A record is lost when the server dies with it: until it is back nobody gets an answer.
    world.log.crash(300 + random.next() * 700);
    if (kind === "loseTail") world.log.loseTail(name, 1 + random.below(20));
    else if (kind === "loseOne") world.log.loseOne(name, random.next());
    else world.log.recreate(name);
    return true;
  }

  private damageAllowed(): boolean {
    const { nowMs } = this.world.clock;
    return this.lastDamageMs === 0 || nowMs - this.lastDamageMs > damageGapMs;
  }

  private names(): string[] {
    return this.world.seats.map((seat: Seat) => seat.name);
  }

  private anyName(random: Random): string {
    return this.anyOf(this.world.seats, random).name;
  }

  private anyOf<T>(list: readonly T[], random: Random): T {
    const chosen = list[random.below(list.length)];
    if (chosen === undefined) throw new Error("nothing to choose from");
    return chosen;
  }
}
