// World. Owns a whole simulated cluster: hosts with their clocks and disks, network, log server, worker pool, and the supervisor that restarts what dies.
// O1 one seed decides everything: every part draws from its own fork. O2 a restarted host is a new process on the same disk: new incarnation, boot count + 1.
// O3 nothing that an actor throws ends the world: it is kept for the verdict, and the host is restarted as in production.

import type { ActorId, Request } from "../../src/kernel/effect.js";
import type { Message } from "../../src/kernel/machine.js";
import { type Random, seededRandom } from "../../src/kernel/random.js";
import { queues, streams, subjects } from "../../src/protocol/subjects.js";
import type { Cast, Shape } from "./cast.js";
import { Clock, HostClock } from "./clock.js";
import { ComputePool, calmCompute } from "./compute.js";
import { calmHost, Host, type HostWeather } from "./host.js";
import { LogServer } from "./log.js";
import { Network } from "./network.js";
import { DamagedValue, type DiskCopy, SimStore } from "./store.js";
import type { Tamper } from "./tap.js";
import type { Trace } from "./trace.js";

export type HostKind = "node" | "router" | "control";

/** One place where processes run one after the other. */
export interface Seat {
  readonly name: string;
  readonly kind: HostKind;
  readonly zone: string;
  readonly clock: HostClock;
  readonly store: SimStore | undefined;
  host: Host | undefined;
  starts: number;
  oldDisk: DiskCopy | undefined;
  lastCrashMs: number;
  /** Until then nothing more goes onto its disk. */
  diskFullUntilMs: number;
}

export interface WorldOptions {
  readonly seed: number;
  readonly shape: Shape;
  readonly cast: Cast;
  readonly trace: Trace;
  readonly tamper?: Tamper | undefined;
}

const startAgainMs = 200;
/** As the real streams are made. */
const snapshotsKept = 2;

/** How the supervisor treats the dead; drawn per run. */
export interface Supervision {
  restartMinMs: number;
  restartMaxMs: number;
  /** Share of deaths that it tells the leaders at once. */
  tellsDeath: number;
}

export class World {
  readonly clock = new Clock();
  readonly network: Network;
  readonly log: LogServer;
  readonly compute: ComputePool;
  readonly seats: Seat[] = [];
  readonly random: Random;
  readonly thrown: string[] = [];
  supervision: Supervision = { restartMinMs: 200, restartMaxMs: 800, tellsDeath: 0.5 };
  /** Called for every message that any actor eats. */
  onMessage: (host: string, actor: ActorId, message: Message) => void = () => {};
  readonly counts = { crashes: 0, starts: 0, stumbles: 0 };
  private closing = false;

  constructor(readonly options: WorldOptions) {
    this.random = seededRandom(options.seed).fork("world");
    this.network = new Network(this.clock, this.random.fork("network"));
    this.log = new LogServer(this.clock, this.network, this.random.fork("log"));
    this.compute = new ComputePool(this.clock, this.random.fork("compute"), options.cast.jobs, options.cast.storeJobs);
    const { shape } = options;
    for (let group = 0; group < shape.logGroups; group++) this.log.create(streams.log(group));
    for (let partition = 0; partition < shape.partitions; partition++) {
      this.log.create(streams.ledger(partition));
      this.log.create(streams.snapshot(partition), snapshotsKept);
    }
    this.log.create(streams.lease, 1);
    this.seat("control", "c", shape.control);
    this.seat("node", "n", shape.nodes);
    this.seat("router", "r", shape.routers);
  }

  /** Starts every host, each within its first moments. */
  open(): void {
    const random = this.random.fork("open");
    for (const seat of this.seats) this.clock.after(random.next() * 50, () => this.start(seat));
  }

  close(): void {
    this.closing = true;
  }

  seatsOf(kind: HostKind): Seat[] {
    return this.seats.filter((seat) => seat.kind === kind);
  }

  start(seat: Seat): void {
    if (seat.host !== undefined || this.closing) return;
    // A node counts its start on the disk first: without room there is none.
    if (seat.diskFullUntilMs > this.clock.nowMs) {
      this.clock.after(startAgainMs, () => this.start(seat));
      return;
    }
    seat.starts++;
    this.counts.starts++;
    const incarnation = `${seat.name}-${seat.starts}-${this.random.fork(`life ${seat.name} ${seat.starts}`).hex(4)}`;
    const host = this.hostFor(seat, incarnation);
    seat.host = host;
    this.options.trace.note(this.clock.nowMs, seat.name, "starts", () => incarnation);
    const { cast, shape } = this.options;
    switch (seat.kind) {
      case "node":
        return this.startNode(seat, host, incarnation);
      case "router":
        host.start("router", cast.router(seat.name, shape));
        this.network.subscribe(subjects.everyQuery, seat.name, host.listen("router"), queues.routers);
        return;
      case "control":
        for (let partition = 0; partition < shape.partitions; partition++) {
          const id = `leader/${partition}`;
          host.start(id, cast.leader({ member: seat.name, partition, incarnation }, shape));
          const heartbeats = [subjects.heartbeat(partition), subjects.heartbeatTo(partition, seat.name)];
          for (const subject of [...heartbeats, subjects.admin(partition), subjects.hostDied, subjects.forecasts])
            this.network.subscribe(subject, seat.name, host.listen(id));
        }
    }
  }

  /** The process of this seat dies now; the supervisor starts another later. */
  crash(seat: Seat, why: string, beforeRestart: () => void = () => {}): void {
    const { host } = seat;
    if (host === undefined) return;
    this.counts.crashes++;
    this.options.trace.note(this.clock.nowMs, seat.name, "dies", () => why);
    seat.host = undefined;
    seat.lastCrashMs = this.clock.nowMs;
    host.crash();
    const { restartMinMs, restartMaxMs, tellsDeath } = this.supervision;
    const random = this.random.fork(`death ${seat.name} ${seat.starts}`);
    if (seat.kind !== "router" && random.next() < tellsDeath) this.tellDeath(seat, host.incarnation, random);
    const afterMs = restartMinMs + random.next() * (restartMaxMs - restartMinMs);
    this.clock.after(afterMs, () => {
      beforeRestart();
      this.start(seat);
    });
  }

  /** A host's pace for the time being. */
  pace(seat: Seat, weather: HostWeather = calmHost): void {
    if (seat.host !== undefined) seat.host.weather = weather;
  }

  /** All faults end: links, clocks, disks and the log are well; who is paused wakes. */
  heal(): void {
    this.network.heal();
    this.log.heal();
    this.compute.weather = calmCompute;
    for (const seat of this.seats) {
      this.pace(seat);
      seat.host?.resume();
    }
  }

  private startNode(seat: Seat, host: Host, incarnation: string): void {
    const { store } = seat;
    if (store === undefined) throw new Error(`${seat.name} has no disk`);
    store.bootCount++;
    // A node that reads a damaged value ends, and its operator moves the folder away.
    store.onDamage = () =>
      this.clock.after(0, () => {
        if (seat.host !== host) return;
        this.counts.stumbles++;
        this.crash(seat, "a damaged value", () =>
          store.wipe(`disk-${seat.name}-${this.random.fork(`wiped ${seat.starts}`).hex(4)}`),
        );
      });
    const { storeId, bootCount } = store;
    const role = { id: seat.name, zone: seat.zone, incarnation, storeId, bootCount, store };
    host.start("node", this.options.cast.node(role, this.options.shape));
    this.network.subscribe(subjects.exec(seat.name), seat.name, host.listen("node"));
    this.network.subscribe(subjects.peer(seat.name), seat.name, host.listen("node"));
  }

  private tellDeath(seat: Seat, incarnation: string, random: Random): void {
    this.clock.after(1 + random.next() * 20, () =>
      this.network.publish("supervisor", subjects.hostDied, { kind: "hostDied", node: seat.name, incarnation }),
    );
  }

  private seat(kind: HostKind, letter: string, count: number): void {
    for (let index = 0; index < count; index++) {
      const name = `${letter}${index + 1}`;
      const random = this.random.fork(`seat ${name}`);
      const rate = 1 + (random.next() - 0.5) * 0.01;
      this.seats.push({
        name,
        kind,
        zone: `z${(index % 3) + 1}`,
        clock: new HostClock(this.clock, random.next() * 1e6, rate),
        store: kind === "node" ? new SimStore(`disk-${name}-${random.hex(4)}`) : undefined,
        host: undefined,
        starts: 0,
        oldDisk: undefined,
        lastCrashMs: 0,
        diskFullUntilMs: 0,
      });
    }
  }

  private hostFor(seat: Seat, incarnation: string): Host {
    const { trace, shape, tamper } = this.options;
    const parts = {
      clock: this.clock,
      network: this.network,
      log: this.log,
      compute: this.compute,
      appendTimeoutMs: shape.timing.appendTimeoutMs,
      readTimeoutMs: shape.timing.askTimeoutMs,
      diskFull: () => {
        if (seat.diskFullUntilMs <= this.clock.nowMs) return false;
        const host = seat.host;
        this.clock.after(0, () => {
          if (seat.host === host) this.crash(seat, "no room on its disk");
        });
        return true;
      },
      say: (line: string) => trace.say(this.clock.nowMs, line),
      crashed: (host: Host, actor: ActorId, error: unknown) => {
        this.options.trace.say(this.clock.nowMs, `${host.name} ${actor} failed: ${String(error)}`);
        // The kernel is in the middle of a step: the process ends right after it.
        this.clock.after(0, () => {
          if (seat.host === host) this.crash(seat, `${actor} failed`);
        });
      },
    };
    const taps = {
      onMessage: (actor: ActorId, message: Message) => {
        trace.note(this.clock.nowMs, `${seat.name} ${actor}`, message.kind, () => storyOf(message));
        this.onMessage(seat.name, actor, message);
      },
      onThrow: (actor: ActorId, message: Message, error: unknown) => {
        // The process ends because of what it read, as in production.
        if (error instanceof DamagedValue) return;
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
        this.thrown.push(
          `at ${(this.clock.nowMs / 1000).toFixed(3)} s ${seat.name} ${actor} on ${message.kind}: ${text}`,
        );
      },
      tamper,
    };
    return new Host(seat.name, incarnation, parts, seat.clock, seat.store, this.random.fork(incarnation), taps);
  }
}

const storyLength = 300;

/** What a message says, short enough for one line. */
function storyOf(message: Message): string {
  if (message.kind === "request") return `${(message as Request).subject} ${plain((message as Request).body)}`;
  return plain(message);
}

function plain(value: unknown): string {
  const text = JSON.stringify(value, (_key, part: unknown) => {
    if (part instanceof Uint8Array) return `<${part.length} bytes>`;
    return typeof part === "bigint" ? String(part) : part;
  });
  return text === undefined ? "" : text.length > storyLength ? `${text.slice(0, storyLength)}…` : text;
}
