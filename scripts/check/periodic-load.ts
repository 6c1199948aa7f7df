// Periodic load. Owns a load whose rate goes up and down with a period of a minute, and the count of what was answered, by the clock of whoever asks.
// L1 what is counted was answered; what was asked and refused is counted apart. L2 seeded: the same rates and draws.

import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../../cluster/client/index.js";
import { type Random, seededRandom } from "../../src/kernel/random.js";

export interface PeriodicWish {
  readonly table: string;
  /** Mean queries per second. */
  readonly rate: number;
  readonly periodMs: number;
  readonly seed: number;
}

export const loadKeys = 200;
const turnMs = 40;
const swing = 0.7;
/** The rate also wanders: a share of itself, drawn anew every few seconds. */
const wander = 0.1;
const wanderMs = 5_000;

export class PeriodicLoad {
  refused = 0;
  private readonly answered: number[] = [];
  private running: Promise<void> | undefined;
  private stopping = false;

  constructor(
    private readonly client: Client,
    private readonly wish: PeriodicWish,
  ) {}

  start(): void {
    this.running = this.run(seededRandom(this.wish.seed));
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.running;
  }

  /** Answered queries per second in [fromMs, toMs), wall clock. */
  rateBetween(fromMs: number, toMs: number): number {
    let count = 0;
    for (const atMs of this.answered) if (atMs >= fromMs && atMs < toMs) count++;
    return (count * 1000) / (toMs - fromMs);
  }

  private async run(random: Random): Promise<void> {
    const table = this.client.table(this.wish.table);
    let lastMs = Date.now();
    let noise = 1;
    let noiseUntilMs = 0;
    while (!this.stopping) {
      await sleep(turnMs);
      const nowMs = Date.now();
      if (nowMs >= noiseUntilMs) {
        noise = 1 + wander * (2 * random.next() - 1);
        noiseUntilMs = nowMs + wanderMs;
      }
      const wave = 1 + swing * Math.sin((2 * Math.PI * nowMs) / this.wish.periodMs);
      const count = poisson((this.wish.rate * wave * noise * (nowMs - lastMs)) / 1000, random);
      lastMs = nowMs;
      for (let asked = 0; asked < count; asked++)
        table.get(`key${random.below(loadKeys)}`).then(
          () => this.answered.push(Date.now()),
          () => this.refused++,
        );
    }
  }
}

/** Knuth's way for small means; a normal for large ones. */
function poisson(mean: number, random: Random): number {
  if (mean > 50) {
    let sum = -6;
    for (let draw = 0; draw < 12; draw++) sum += random.next();
    return Math.max(0, Math.round(mean + Math.sqrt(mean) * sum));
  }
  const limit = Math.exp(-mean);
  let product = random.next();
  let count = 0;
  while (product > limit) {
    product *= random.next();
    count++;
  }
  return count;
}
