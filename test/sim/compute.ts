// Compute. Owns the simulated worker pool: results come late, out of order, or never.

import type { Store } from "../../src/fragment/store.js";
import type { WorldMessage } from "../../src/kernel/effect.js";
import { fault } from "../../src/kernel/fault.js";
import type { Random } from "../../src/kernel/random.js";
import type { Clock } from "./clock.js";

export type Jobs = Readonly<Record<string, (input: unknown) => unknown>>;
export type StoreJobs = Readonly<Record<string, (input: unknown, store: Store) => Computed>>;
export type Computed = Extract<WorldMessage, { kind: "computed" }>["outcome"];

export interface ComputeWeather {
  slowestMs: number;
  /** Share of jobs whose answer never comes. */
  never: number;
}

export const calmCompute: ComputeWeather = { slowestMs: 5, never: 0 };

export class ComputePool {
  weather: ComputeWeather = calmCompute;
  /** A planted mistake: jobs read the store when they are done, not when they were asked for, and take it for what they were asked for. */
  readsLate: ((work: (input: unknown, store: Store) => Computed, input: unknown, store: Store) => Computed) | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly jobs: Jobs,
    private readonly storeJobs: StoreJobs = {},
  ) {}

  /** A job on what the store holds at this instant: carried out at once, answered as late as any. */
  runOn(job: string, input: unknown, store: Store, answer: (outcome: Computed) => void): void {
    const { never, slowestMs } = this.weather;
    if (never > 0 && this.random.next() < never) return;
    const missing = (): Computed => ({ ok: false, fault: fault("INTERNAL", `no such job on a store: ${job}`) });
    const work = this.storeJobs[job] ?? missing;
    const { readsLate } = this;
    const outcome = readsLate === undefined ? work(input, store) : undefined;
    this.clock.after(this.random.next() * slowestMs, () =>
      answer(outcome ?? readsLate?.(work, input, store) ?? missing()),
    );
  }

  run(job: string, input: unknown, answer: (outcome: Computed) => void): void {
    const { never, slowestMs } = this.weather;
    if (never > 0 && this.random.next() < never) return;
    this.clock.after(this.random.next() * slowestMs, () => answer(this.compute(job, input)));
  }

  private compute(job: string, input: unknown): Computed {
    const work = this.jobs[job];
    if (work === undefined) return { ok: false, fault: fault("INTERNAL", `no such job: ${job}`) };
    return { ok: true, output: work(input) };
  }
}
