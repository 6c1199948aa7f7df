// Model. Owns the interface of a point model: another model is one file that makes a `ModelKind`, and one line in registry.ts.
// M1 a model sees the past and nothing else; the same past gives the same forecast.
// M2 whatever a model remembers lies in arrays carved from the series' block.

import type { Carver } from "../block.js";
import { firstSlot, type History, historyCount, isSeen, lastSlot, slotsPushed, valueAt } from "../history.js";
import { longestPeriods } from "../periods.js";
import type { Shape } from "../shape.js";

/** What a model may look at: the slots up to the last one, and the seasons that were found in them. */
export class Past {
  constructor(
    readonly shape: Shape,
    readonly history: History,
    /** Lengths of the seasons in slots, shortest first; 0 = none. */
    readonly periods: Float64Array,
  ) {}

  get last(): number {
    return lastSlot(this.history);
  }

  get first(): number {
    return firstSlot(this.history);
  }

  get count(): number {
    return historyCount(this.history);
  }

  get pushed(): number {
    return slotsPushed(this.history);
  }

  at(slot: number): number {
    return valueAt(this.history, slot);
  }

  isSeen(slot: number): boolean {
    return isSeen(this.history, slot);
  }

  /** The n-th season found, 0 = the main one; 0 slots when there is none. */
  period(index: number): number {
    return index < longestPeriods ? (this.periods[index] ?? 0) : 0;
  }

  /** The last known value that lies a whole number of periods before `slot`; NaN if there is none. */
  seasonBefore(slot: number, period: number): number {
    if (period <= 0) return Number.NaN;
    const ahead = slot - this.last;
    return this.at(slot - Math.ceil(Math.max(ahead, 1) / period) * period);
  }
}

export interface PointModel {
  /** Learns from the last slot of the past. `wasSeen` is false where it was filled. */
  observe?(past: Past, wasSeen: boolean): void;
  /** The expensive part, now and then. */
  refit?(past: Past): void;
  /**
   * For each name of its kind a row: one value for each step, and at [horizonSteps] the maximum over them (NaN = take the largest of the steps).
   * Comes filled with NaN, which means nothing to say.
   */
  predict(past: Past, out: Float64Array): void;
}

export interface ModelKind {
  /** What its forecasts are called; several, where they share their work. */
  readonly names: readonly string[];
  bind(from: Carver, shape: Shape): PointModel;
}
