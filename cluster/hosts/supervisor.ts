// Supervisor. Owns the life of all hosts: starts them, starts again what died, ends them in order.
// V1 every life of a host has a new incarnation. V2 a death that was seen is announced, so that nobody waits for the lease of a process that is gone.
// V3 a host that keeps dying is given up, and that is said. V4 after `stop` no host is left.

import { ok, type Result } from "../../src/kernel/fault.js";
import type { Log } from "../log.js";
import { RestartBudget, restartRules } from "../restart-budget.js";
import type { HostDoor, HostSpecData, HostStats, OpenDoor } from "./door.js";

export type HostRole = "node" | "router" | "control" | "forecaster";

export interface HostPlan {
  readonly id: string;
  readonly role: HostRole;
  spec(incarnation: string): HostSpecData;
}

export interface SupervisorWiring {
  readonly moduleUrl: string;
  readonly openDoor: OpenDoor;
  readonly restart: "always" | "never";
  readonly log: Log;
  /** A fresh name for one life of a host. */
  drawIncarnation(): string;
  /** A host has begun a new life. */
  began(): void;
  /** The process or thread is gone for certain. */
  died(plan: HostPlan, incarnation: string): void;
  /** This host will not come back by itself. */
  gaveUp(plan: HostPlan, why: string): void;
}

export interface HostLine {
  readonly id: string;
  readonly role: HostRole;
  /** 0 while it is down. */
  readonly pid: number;
  readonly incarnation: string;
}

const startLimitMs = 60_000;
const leaveLimitMs = 30_000;
/**
 * The order of an end: who asks first, who is asked last. Each step is bounded. Nodes do not leave, for there is nowhere to move their primaries to
 * when all of them end; the leader gives its office up, so that the next start need not wait for it.
 */
const endOrder: readonly { readonly role: HostRole; readonly leaving: boolean; readonly limitMs: number }[] = [
  { role: "router", leaving: false, limitMs: 5_000 },
  { role: "forecaster", leaving: false, limitMs: 5_000 },
  { role: "node", leaving: false, limitMs: 10_000 },
  { role: "control", leaving: true, limitMs: 5_000 },
];

export class Supervisor {
  private readonly lives: readonly Life[];

  constructor(plans: readonly HostPlan[], wiring: SupervisorWiring) {
    this.lives = plans.map((plan) => new Life(plan, wiring));
  }

  /** All at once. The first that cannot start ends them all. */
  async start(): Promise<Result<void>> {
    const outcomes = await Promise.all(this.lives.map((life) => life.begin()));
    const failed = outcomes.find((outcome) => !outcome.ok);
    if (failed === undefined) return ok(undefined);
    await this.stop();
    return failed;
  }

  async stop(): Promise<void> {
    for (const life of this.lives) life.isEnding = true;
    for (const { role, leaving, limitMs } of endOrder) {
      await Promise.all(this.lives.filter(({ plan }) => plan.role === role).map((life) => life.end(leaving, limitMs)));
    }
  }

  hosts(): readonly HostLine[] {
    return this.lives.map((life) => life.line());
  }

  /** At once, as a crash; it is started again unless nothing is. False: no such host, or it is down. */
  kill(id: string): boolean {
    return this.find(id)?.crash() ?? false;
  }

  /** In order: its primaries move away first. It is not started again. */
  async leave(id: string): Promise<boolean> {
    const life = this.find(id);
    if (life === undefined) return false;
    life.isEnding = true;
    await life.end(true, leaveLimitMs);
    return true;
  }

  /** In order, and then started again. A router's successor answers before it leaves: no other may be there. */
  async restart(id: string): Promise<Result<void>> {
    const life = this.find(id);
    if (life === undefined) return ok(undefined);
    if (life.plan.role === "router") return life.replace(leaveLimitMs);
    await this.leave(id);
    life.isEnding = false;
    return life.begin();
  }

  async stats(limitMs: number): Promise<ReadonlyMap<string, Result<HostStats>>> {
    const found = await Promise.all(this.lives.map(async (life) => [life.plan.id, await life.stats(limitMs)] as const));
    return new Map(found.flatMap(([id, stats]) => (stats === undefined ? [] : [[id, stats] as const])));
  }

  private find(id: string): Life | undefined {
    return this.lives.find(({ plan }) => plan.id === id);
  }
}

/** One host over all its lives. */
class Life {
  isEnding = false;
  /** A first start that fails is told to whoever asked for it; only what has been up once is started again. */
  private wasUp = false;
  private door: HostDoor | undefined;
  private incarnation = "";
  private timer: NodeJS.Timeout | undefined;
  private readonly budget = new RestartBudget(restartRules, Math.random);
  /** Doors whose end is no death: a successor is there. */
  private readonly dismissed = new Set<HostDoor>();

  constructor(
    readonly plan: HostPlan,
    private readonly wiring: SupervisorWiring,
  ) {}

  async begin(): Promise<Result<void>> {
    const incarnation = this.wiring.drawIncarnation();
    const door = this.wiring.openDoor(this.plan.id, this.wiring.moduleUrl);
    this.door = door;
    this.incarnation = incarnation;
    this.wiring.began();
    void door.ended.then((why) => this.onEnded(door, incarnation, why));
    const started = await door.start(this.plan.spec(incarnation), startLimitMs);
    if (started.ok) this.wasUp = true;
    if (!started.ok && this.door === door) {
      this.door = undefined;
      await door.stop(false, 1_000);
    }
    return started;
  }

  /** A successor is started beside it; then it ends in order. Where the successor does not start, nothing has changed. */
  async replace(limitMs: number): Promise<Result<void>> {
    const { door, incarnation } = this;
    if (door === undefined) return this.begin();
    this.dismissed.add(door);
    const started = await this.begin();
    if (started.ok) await door.stop(true, limitMs);
    else {
      this.dismissed.delete(door);
      this.door = door;
      this.incarnation = incarnation;
    }
    return started;
  }

  line(): HostLine {
    const { id, role } = this.plan;
    return { id, role, pid: this.door?.pid ?? 0, incarnation: this.incarnation };
  }

  crash(): boolean {
    this.door?.kill();
    return this.door !== undefined;
  }

  async end(leaving: boolean, limitMs: number): Promise<void> {
    clearTimeout(this.timer);
    const door = this.door;
    this.door = undefined;
    await door?.stop(leaving, limitMs);
  }

  async stats(limitMs: number): Promise<Result<HostStats> | undefined> {
    return this.door?.stats(limitMs);
  }

  private onEnded(door: HostDoor, incarnation: string, why: string): void {
    if (this.door === door) this.door = undefined;
    if (this.dismissed.delete(door) || this.isEnding || !this.wasUp) return;
    this.wiring.log("error", "hostDied", { host: this.plan.id, incarnation, why });
    this.wiring.died(this.plan, incarnation);
    if (this.wiring.restart === "always") this.beginLater(why);
    else this.wiring.gaveUp(this.plan, `${this.plan.id} died (${why}) and is not started again`);
  }

  private beginLater(why: string): void {
    const pauseMs = this.budget.nextMs(performance.now());
    if (pauseMs === undefined) {
      const { deaths, windowMs } = restartRules;
      this.wiring.gaveUp(
        this.plan,
        `${this.plan.id} died more than ${deaths} times within ${windowMs / 1000} s and is not started again; the last time: ${why}`,
      );
      return;
    }
    this.timer = setTimeout(() => void this.beginAgain(), pauseMs);
  }

  private async beginAgain(): Promise<void> {
    if (this.isEnding) return;
    const started = await this.begin();
    if (started.ok) this.wiring.log("info", "hostRestarted", { host: this.plan.id, incarnation: this.incarnation });
    // A start that fails ends its thread or process, and that end is counted as a death.
    else this.wiring.log("error", "hostRestartFailed", { host: this.plan.id, why: started.fault.message });
  }
}
