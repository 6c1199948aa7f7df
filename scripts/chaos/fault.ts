// Fault. Owns what a kind of fault is to a chaos run: what it needs, how it strikes, how long it lasts, and what the cluster must say about it.

import type { Receipts } from "../live/receipts.js";
import type { Scene } from "../live/scene.js";

/** What the cluster must be started with for a fault to be possible. */
export type Need = "threeServers" | "wires" | "disk";

/** Drawn from the seed for one strike. */
export interface Draw {
  /** Which of those it may hit, modulo how many there are. */
  readonly which: number;
  readonly lastsMs: number;
  /** In [0, 1), for whatever else a kind has to choose. */
  readonly chance: number;
}

/** Everything that a fault may lay its hands on. */
export interface Stage {
  readonly scene: Scene;
  /** Rows that are inserted only while there is an overload. */
  readonly flood: Receipts;
  tell(line: string): void;
}

export interface Strike {
  readonly words: string;
  /** The moment of the harm; for what lasts, its beginning. */
  readonly atMs: number;
  /** Absent: it is over at once. */
  readonly lasting?: { readonly forMs: number; end(): Promise<void> };
  /** What the cluster must have said because of it, at the latest some seconds after it recovered. */
  readonly alarm?: Alarm;
}

export interface Alarm {
  readonly words: string;
  isHeard(): Promise<boolean>;
}

export interface FaultKind {
  readonly name: string;
  /** Words of `--faults` that ask for it beside its name. */
  readonly groups: readonly string[];
  readonly needs: readonly Need[];
  /** It may strike before another has healed. */
  readonly joins: boolean;
  /** Bounds of `lastsMs`. */
  readonly lastsMs: readonly [least: number, most: number];
  /** Undefined: there was nobody to hit right now. */
  strike(stage: Stage, draw: Draw): Promise<Strike | undefined>;
}

/** The one that was drawn. */
export function chosen<T>(all: readonly T[], { which }: Draw): T | undefined {
  return all[which % Math.max(1, all.length)];
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
