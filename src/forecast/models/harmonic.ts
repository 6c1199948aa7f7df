// Harmonic regression, in the manner of Prophet. Owns a curve of the roots: a trend that may bend at a few change points and waves of the seasons, fitted at
// each refit with the recent past counting most; what the last slots are off the curve fades out over the steps.

import type { Carver } from "../block.js";
import { addRow, Solver } from "../normal.js";
import type { Shape } from "../shape.js";
import type { ModelKind, Past, PointModel } from "./model.js";

const waves = [6, 4, 2] as const;
const bends = 4;
const columns = 2 + bends + 2 * (6 + 4 + 2);
/** Slots the fit looks at, spread evenly over the past. */
const mostRows = 1500;
const ridge = 1e-3;
const offsetKeep = 0.8;
/** How much of what the last slots are off is left after this many steps: half. */
const fadeSteps = 12;
const none = new Array<number>(columns).fill(0);

export const harmonic: ModelKind = { names: ["harmonic"], bind: (from, shape) => new Harmonic(from, shape) };

class Harmonic implements PointModel {
  private readonly coefficients: Float64Array;
  /** [first slot of the fit, its slots, offset, 1 when fitted, periods…] */
  private readonly marks: Float64Array;

  constructor(
    from: Carver,
    private readonly shape: Shape,
  ) {
    this.coefficients = from.f64(columns);
    this.marks = from.f64(4 + waves.length);
  }

  observe(past: Past, wasSeen: boolean): void {
    if (!wasSeen || this.marks[3] !== 1) return;
    const off = Math.sqrt(past.at(past.last)) - this.curve(past.last);
    this.marks[2] = offsetKeep * (this.marks[2] ?? 0) + (1 - offsetKeep) * off;
  }

  refit(past: Past): void {
    const { marks } = this;
    if (past.count < 3 * columns) return;
    marks[0] = past.first;
    marks[1] = past.count;
    waves.forEach((_, season) => {
      marks[4 + season] = past.period(season);
    });
    const stride = Math.max(1, Math.floor(past.count / mostRows));
    const sums = new Float64Array(((columns + 1) * (columns + 2)) / 2);
    const row = new Float64Array(columns + 1);
    const keep = 0.5 ** ((stride * 2) / past.count);
    for (let slot = past.first; slot <= past.last; slot += stride) {
      this.write(slot, row);
      row[columns] = Math.sqrt(past.at(slot));
      addRow(sums, row, 0, columns, keep, past.isSeen(slot) ? 1 : 0);
    }
    marks[3] = new Solver(columns).solve(sums, columns, ridge, none, this.coefficients, 0) ? 1 : 0;
    marks[2] = 0;
    for (let slot = Math.max(past.first, past.last - 20); marks[3] === 1 && slot <= past.last; slot++)
      marks[2] = offsetKeep * (marks[2] ?? 0) + (1 - offsetKeep) * (Math.sqrt(past.at(slot)) - this.curve(slot));
  }

  predict(past: Past, out: Float64Array): void {
    if (this.marks[3] !== 1) return;
    for (let step = 1; step <= this.shape.horizonSteps; step++) {
      const root = this.curve(past.last + step) + 0.5 ** (step / fadeSteps) * (this.marks[2] ?? 0);
      out[step - 1] = Math.max(root, 0) ** 2;
    }
  }

  private curve(slot: number): number {
    const row = new Float64Array(columns + 1);
    this.write(slot, row);
    let sum = 0;
    for (let i = 0; i < columns; i++) sum += (row[i] ?? 0) * (this.coefficients[i] ?? 0);
    return sum;
  }

  private write(slot: number, row: Float64Array): void {
    const { marks } = this;
    // The trend goes on flat behind the fit: a slope that is carried on does more harm than good.
    const time = Math.min((slot - (marks[0] ?? 0)) / Math.max(marks[1] ?? 1, 1), 1);
    row[0] = 1;
    row[1] = time;
    let at = 2;
    for (let bend = 1; bend <= bends; bend++) row[at++] = Math.max(0, time - bend / (bends + 1));
    waves.forEach((count, season) => {
      const period = marks[4 + season] ?? 0;
      for (let wave = 1; wave <= count; wave++) {
        const angle = period === 0 ? 0 : (2 * Math.PI * wave * (slot % period)) / period;
        row[at++] = period === 0 ? 0 : Math.cos(angle);
        row[at++] = period === 0 ? 0 : Math.sin(angle);
      }
    });
  }
}
