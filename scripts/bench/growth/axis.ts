// Axis. Owns what one line of growth is: a quantity, its steps, and the figures that are measured at each.

import type { Farewell } from "../../live/farewell.js";

/** By the names of the axis's columns. */
export type Figures = Readonly<Record<string, number>>;

export interface Column {
  readonly key: string;
  /** With its unit. */
  readonly title: string;
  readonly digits: number;
}

export interface Plot {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  /** Columns that are drawn. */
  readonly keys: readonly string[];
}

export interface Ground {
  readonly farewell: Farewell;
  /** Measured time of each workload. */
  readonly seconds: number;
}

export interface Axis {
  readonly name: string;
  readonly says: string;
  readonly steps: readonly number[];
  readonly columns: readonly Column[];
  readonly plots: readonly Plot[];
  measure(step: number, ground: Ground): Promise<Figures>;
}
