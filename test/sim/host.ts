// Host. Owns one simulated process: a real kernel over the virtual clock, and how its effects reach the simulated world.
// H1 what belongs to a dead process is never delivered to its successor. H2 a paused process keeps everything that comes for it and
//    eats it when it wakes, with its timers overdue. H3 commits are visible to the next step at once.

import type { ActorId, ReplyTo, Request, WorldMessage } from "../../src/kernel/effect.js";
import { Kernel, type Outward, type World } from "../../src/kernel/kernel.js";
import type { Actor } from "../../src/kernel/machine.js";
import type { Random } from "../../src/kernel/random.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import type { Alarm, Clock, HostClock } from "./clock.js";
import type { Computed, ComputePool } from "./compute.js";
import type { LogServer } from "./log.js";
import type { Network } from "./network.js";
import type { SimStore } from "./store.js";
import { type Taps, tapped } from "./tap.js";

export interface HostParts {
  readonly clock: Clock;
  readonly network: Network;
  readonly log: LogServer;
  readonly compute: ComputePool;
  readonly appendTimeoutMs: number;
  readonly readTimeoutMs: number;
  /** True when a flush finds no room: the process is about to end. */
  diskFull(): boolean;
  /** The world's story: not part of any decision. */
  say(line: string): void;
  /** An actor without parent threw: the process ends. */
  crashed(host: Host, actor: ActorId, error: unknown): void;
}

/** How fast a host works; a slow one takes longer between steps and for each flush. */
export interface HostWeather {
  stepMs: number;
  flushMs: number;
}

export const calmHost: HostWeather = { stepMs: 0.05, flushMs: 4 };
const stepBudget = 32;

export class Host implements World {
  readonly kernel: Kernel;
  weather: HostWeather = calmHost;
  alive = true;
  private pausedUntilMs = 0;
  private readonly waiting: (() => void)[] = [];
  private readonly timers = new Map<string, Alarm>();
  private stepping = false;
  private flushing = false;

  constructor(
    readonly name: string,
    readonly incarnation: string,
    private readonly parts: HostParts,
    private readonly hostClock: HostClock,
    readonly store: SimStore | undefined,
    private readonly random: Random,
    private readonly taps: Taps,
  ) {
    this.kernel = new Kernel(this, random.fork("kernel"));
  }

  get paused(): boolean {
    return this.pausedUntilMs > this.parts.clock.nowMs;
  }

  start(id: ActorId, actor: Actor): void {
    this.kernel.spawn(id, tapped(this.name, id, actor, this.taps));
    this.kernel.deliver(id, { kind: "start" });
  }

  /** A request off the network, for one of this host's actors. */
  listen(id: ActorId): (request: Request) => void {
    return (request) => this.come(() => this.kernel.request(id, request));
  }

  /** The process is gone at once. Its store loses what was not flushed. */
  crash(): void {
    this.alive = false;
    this.waiting.length = 0;
    for (const alarm of this.timers.values()) alarm.cancelled = true;
    this.timers.clear();
    this.parts.log.forget(this.name, undefined);
    this.parts.network.unsubscribe(this.name);
    this.store?.crash();
  }

  pause(forMs: number): void {
    this.pausedUntilMs = Math.max(this.pausedUntilMs, this.parts.clock.nowMs + forMs);
    this.parts.clock.at(this.pausedUntilMs, () => this.wakeUp());
  }

  resume(): void {
    this.pausedUntilMs = 0;
    this.wakeUp();
  }

  // What the kernel asks of its world.

  nowMs(): number {
    return this.hostClock.nowMs();
  }

  wallMs(): number {
    return this.hostClock.wallMs();
  }

  scheduled(): void {
    if (this.stepping) return;
    this.stepping = true;
    this.parts.clock.after(this.random.next() * this.weather.stepMs, () => this.come(() => this.step()));
  }

  reply(to: ReplyTo, body: unknown): void {
    if (this.alive) this.parts.network.reply(this.name, to, body);
  }

  forget(actor: ActorId): void {
    for (const [key, alarm] of this.timers) {
      if (!key.startsWith(`${actor}\n`)) continue;
      alarm.cancelled = true;
      this.timers.delete(key);
    }
    this.parts.log.forget(this.name, actor);
  }

  crashed(actor: ActorId, error: unknown): void {
    this.parts.crashed(this, actor, error);
  }

  perform(actor: ActorId, effect: Outward): void {
    const { log, network, appendTimeoutMs, readTimeoutMs } = this.parts;
    const answer = (message: WorldMessage): void => this.come(() => this.kernel.deliver(actor, message));
    switch (effect.kind) {
      case "append": {
        const { ticket, bytes, expectedSeq } = effect;
        return log.append(this.name, effect.log, bytes, expectedSeq, appendTimeoutMs, (outcome) =>
          answer({ kind: "appended", ticket, outcome }),
        );
      }
      case "readLog": {
        const { ticket, at, seq } = effect;
        return log.read(this.name, effect.log, at, seq, readTimeoutMs, (outcome) =>
          answer({ kind: "logRead", ticket, outcome }),
        );
      }
      case "readStream":
        return log.readStream(this.name, effect.stream, readTimeoutMs, (outcome) =>
          answer({ kind: "streamRead", ticket: effect.ticket, outcome }),
        );
      case "trimStream":
        return log.trim(this.name, effect.stream, effect.belowSeq);
      case "follow":
        return log.follow(this.name, actor, effect.stream, effect.fromSeq, answer);
      case "unfollow":
        return log.unfollow(this.name, actor, effect.stream);
      case "publish":
        return network.publish(this.name, effect.subject, effect.body);
      case "ask":
        return network.ask(this.name, effect.subject, effect.body, effect.timeoutMs, (outcome) =>
          answer({ kind: "answered", ticket: effect.ticket, outcome }),
        );
      case "commit":
        return this.commit(actor, effect);
      case "compute":
        return this.compute(effect, (outcome) => answer({ kind: "computed", ticket: effect.ticket, outcome }));
      case "wake":
        return this.arm(actor, effect.name, effect.afterMs);
      case "unwake":
        return this.disarm(actor, effect.name);
      case "log":
        return this.parts.say(
          `${this.name} ${actor} ${effect.level}: ${effect.event} ${JSON.stringify(effect.fields ?? {})}`,
        );
    }
  }

  private compute(
    { job, input, onStore }: Extract<Outward, { kind: "compute" }>,
    answer: (outcome: Computed) => void,
  ): void {
    const { compute } = this.parts;
    if (onStore !== true) return compute.run(job, copied(input), answer);
    if (this.store === undefined) throw new Error(`${this.name} has no store to compute on`);
    compute.runOn(job, copied(input), this.store.bare, (outcome) =>
      answer(outcome.ok ? { ok: true, output: copied(outcome.output) } : outcome),
    );
  }

  private step(): void {
    this.stepping = false;
    if (this.kernel.run(stepBudget) > 0) this.scheduled();
  }

  /** Something arrives at this process: now, when it wakes, or never. */
  private come(act: () => void): void {
    if (!this.alive) return;
    if (this.paused) this.waiting.push(act);
    else act();
  }

  private wakeUp(): void {
    if (this.paused || !this.alive) return;
    for (const act of this.waiting.splice(0)) this.come(act);
  }

  private commit(actor: ActorId, effect: Extract<Outward, { kind: "commit" }>): void {
    if (this.store === undefined) throw new Error(`${this.name} has no store and ${actor} committed to it`);
    const { ticket } = effect;
    const durable =
      ticket === undefined
        ? undefined
        : () => this.come(() => this.kernel.deliver(actor, { kind: "committed", ticket }));
    this.store.commit(effect.writes, effect.clears ?? [], durable);
    if (this.flushing) return;
    this.flushing = true;
    this.parts.clock.after(this.random.next() * this.weather.flushMs, () =>
      this.come(() => {
        if (this.parts.diskFull()) return;
        this.flushing = false;
        this.store?.flush();
      }),
    );
  }

  private arm(actor: ActorId, name: string, afterMs: number): void {
    this.disarm(actor, name);
    const key = `${actor}\n${name}`;
    const alarm = this.parts.clock.after(this.hostClock.trueMs(afterMs), () =>
      this.come(() => {
        if (this.timers.get(key) !== alarm) return;
        this.timers.delete(key);
        this.kernel.deliver(actor, { kind: "woke", name });
      }),
    );
    this.timers.set(key, alarm);
  }

  private disarm(actor: ActorId, name: string): void {
    const key = `${actor}\n${name}`;
    const alarm = this.timers.get(key);
    if (alarm === undefined) return;
    alarm.cancelled = true;
    this.timers.delete(key);
  }
}

/** What crosses to a worker is a copy. */
function copied(input: unknown): unknown {
  const result = unpack(pack(input));
  return result.ok ? result.value : undefined;
}
