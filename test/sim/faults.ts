// Faults. Owns when and where things break during a run, drawn from the seed; everything it breaks is whole again when the faults stop.
// F1 no promise is made for damage beyond the promises: at most one disk is lost or rolled back per `damageGapMs`, and the log loses
//    records only while every host has been up and connected for a while.

import { bookkeepingKey } from "../../src/fragment/layout.js";
import { isWhole, readBookkeeping } from "../../src/fragment/replica.js";
import type { Random } from "../../src/kernel/random.js";
import { fragmentOfSubject, streams } from "../../src/protocol/subjects.js";
import { calmHost } from "./host.js";
import { logServer } from "./log.js";
import type { FaultKind, Profile } from "./profile.js";
import type { HostKind, Seat, World } from "./world.js";

const damageGapMs = 15_000;
const quietBeforeLossMs = 4_000;
const mostDisksLost = 2;

export class Faults {
  readonly counts = new Map<FaultKind, number>();
  private stopped = false;
  private lastDamageMs = 0;
  private disksLost = 0;

  constructor(
    private readonly world: World,
    private readonly profile: Profile,
    private readonly random: Random,
  ) {}

  start(): void {
    const { world, profile } = this;
    world.network.weather = profile.link;
    world.log.weather = { ...profile.log };
    world.compute.weather = profile.compute;
    world.supervision = { restartMinMs: 100, restartMaxMs: profile.restartMaxMs, tellsDeath: profile.tellsDeath };
    for (const [kind, everyS] of profile.everyS) this.plan(kind, everyS * 1000, this.random.fork(kind));
  }

  /** No new faults, and all that are under way end. */
  stop(): void {
    this.stopped = true;
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
        if (replica !== undefined && isWhole(replica)) belowSeq = Math.min(belowSeq, replica.seq);
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
    if (this.disksLost >= mostDisksLost || !this.damageAllowed()) return false;
    this.disksLost++;
    this.lastDamageMs = world.clock.nowMs;
    this.note(kind, seat.name);
    const old = seat.oldDisk;
    world.crash(seat, kind, () => {
      if (kind === "wipeDisk" || old === undefined) store.wipe(`disk-${seat.name}-${random.hex(4)}`);
      else store.restore(old);
    });
    return true;
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
