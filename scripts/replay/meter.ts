// Meter. Owns what the clients of a replay saw, second by second: how many queries, how long, how many refused or failed.
// ME1 a window is violated when its p99 is above the limit, or anything in it was refused or failed. ME2 a query belongs to the window in which it was due.
// ME3 a window in which the load generator itself came late proves nothing about the cluster: it is counted apart, and not judged.

import { quantile } from "../live/figures.js";

export interface MeterWindow {
  readonly queries: number;
  readonly refused: number;
  readonly failed: number;
  readonly p99Ms: number;
  readonly isLate: boolean;
  readonly isViolated: boolean;
}

export const windowMs = 1000;
export const limitMs = 50;
/** A generator that comes later than this is no judge. */
export const mostLateMs = 25;

export class Meter {
  private readonly took: number[][];
  private readonly refusals: Uint32Array;
  private readonly failures: Uint32Array;
  private readonly lateMs: Float64Array;

  constructor(readonly count: number) {
    this.took = Array.from({ length: count }, () => []);
    this.refusals = new Uint32Array(count);
    this.failures = new Uint32Array(count);
    this.lateMs = new Float64Array(count);
  }

  served(dueMs: number, tookMs: number): void {
    this.took[this.at(dueMs)]?.push(tookMs);
  }
  refused(dueMs: number): void {
    this.bump(this.refusals, dueMs);
  }
  failed(dueMs: number): void {
    this.bump(this.failures, dueMs);
  }
  late(atMs: number, byMs: number): void {
    const at = this.at(atMs);
    if (at < this.count) this.lateMs[at] = Math.max(this.lateMs[at] ?? 0, byMs);
  }

  window(at: number): MeterWindow {
    const took = this.took[at] ?? [];
    const [refused, failed] = [this.refusals[at] ?? 0, this.failures[at] ?? 0];
    const p99Ms = quantile(took, 0.99) ?? 0;
    const isLate = (this.lateMs[at] ?? 0) > mostLateMs;
    const isViolated = !isLate && (p99Ms > limitMs || refused > 0 || failed > 0);
    return { queries: took.length + refused + failed, refused, failed, p99Ms, isLate, isViolated };
  }

  windows(): readonly MeterWindow[] {
    return Array.from({ length: this.count }, (_, at) => this.window(at));
  }

  /** Of all that were served from this window on; 0 of none. */
  quantile(level: number, first = 0): number {
    return quantile(this.took.slice(first).flat(), level) ?? 0;
  }

  private at(ms: number): number {
    return Math.floor(ms / windowMs);
  }
  private bump(counts: Uint32Array, ms: number): void {
    const at = this.at(ms);
    if (at < this.count) counts[at] = (counts[at] ?? 0) + 1;
  }
}
