// Residual bands. Own how far the truth fell from the point forecast of late, out of sample: as it is, over a size that is foreseen, or as a ratio.
// The size is foreseen by a regression of its logarithm on the volatility of late (fast, slow, at this time of the season), on the level, and on how
// far the models disagree: a burst can't be foreseen, but its persistence can.

import type { Carver } from "../block.js";
import type { Past } from "../models/model.js";
import { addRow, carveNormal, Solver } from "../normal.js";
import { carvePending, type Pending, pendingAt } from "../pending.js";
import { quantileCount } from "../quantiles.js";
import type { Shape } from "../shape.js";
import { addTo, carveWindow, heldIn, quantilesOf, type Window } from "../window.js";
import type { Band, BandKind, Outlook } from "./band.js";

type Manner = "plain" | "sized" | "ratio";

const columns = 7;
const buckets = 24;
const sizeHalfLifeSlots = 1500;
const centre = [0, 0.3, 0.3, 0.1, 0.1, 0.1, 0.1];

export function residualBand(manner: Manner, kept: number): BandKind {
  return { name: `residual.${manner}`, bind: (from, shape) => new ResidualBand(from, shape, manner, kept) };
}

class ResidualBand implements Band {
  private readonly window: Window;
  private readonly normals: readonly Float32Array[];
  private readonly coefficients: Float64Array;
  private readonly waiting: Pending;
  /** [fast, slow, typical value, last slot] then the log of the volatility in each part of the season. */
  private readonly levels: Float64Array;
  private readonly solver = new Solver(columns);
  private readonly row = new Float64Array(columns + 1);

  constructor(
    from: Carver,
    private readonly shape: Shape,
    private readonly manner: Manner,
    kept: number,
  ) {
    this.window = carveWindow(from, shape.targets, kept);
    const isSized = manner !== "plain";
    this.levels = from.f64(4 + (isSized ? buckets : 0));
    this.normals = isSized ? shape.delays.map(() => carveNormal(from, columns)) : [];
    this.coefficients = from.f64(isSized ? shape.targets * columns : 0);
    this.waiting = carvePending(from, shape, isSized ? columns : 0);
  }

  judge(past: Past, target: number, point: number, size: number, actual: number): void {
    const off = this.offOf(actual, point);
    addTo(this.window, target, this.manner === "plain" ? off : off / Math.max(size, 1e-12));
    if (this.manner !== "plain") this.learnSize(past, target, Math.abs(off));
  }

  look(past: Past, { points, disagreements }: Outlook, rows: Float64Array, sizes: Float64Array): void {
    const { shape, levels } = this;
    const value = past.at(past.last);
    levels[2] = (levels[2] ?? 0) === 0 ? value : (levels[2] ?? 0) + 0.01 * (value - (levels[2] ?? 0));
    for (let target = 0; target < shape.targets; target++) {
      const point = points[target] ?? 0;
      const at = target * quantileCount;
      quantilesOf(this.window, target, rows, at);
      const size = this.manner === "plain" ? 1 : this.sizeOf(past, target, point, disagreements[target] ?? 0);
      sizes[target] = size;
      for (let q = 0; q < quantileCount; q++) rows[at + q] = this.placed(point, (rows[at + q] ?? 0) * size);
      if (heldIn(this.window, target) < 4) rows.fill(Number.NaN, at, at + quantileCount);
    }
  }

  private learnSize(past: Past, target: number, off: number): void {
    const { levels, row, waiting, normals } = this;
    const grain = this.grain();
    const delay = this.shape.delays[target] ?? 1;
    const at = pendingAt(waiting, target, past.last - delay);
    for (let i = 0; i < columns; i++) row[i] = waiting.values[at + i] ?? 0;
    row[columns] = Math.log(off + grain);
    const sums = normals[target];
    if (sums === undefined) return;
    addRow(sums, row, 0, columns, 0.5 ** (1 / sizeHalfLifeSlots), 1);
    if ((past.last + target) % 4 === 0 || (sums[0] ?? 0) < 50)
      this.solver.solve(sums, columns, 0.02, centre, this.coefficients, target * columns);
    if (target !== 0) return;
    levels[0] = (levels[0] ?? 0) + (off - (levels[0] ?? 0)) * (1 - 0.5 ** (1 / 5));
    levels[1] = (levels[1] ?? 0) === 0 ? off : (levels[1] ?? 0) + (off - (levels[1] ?? 0)) * (1 - 0.5 ** (1 / 200));
    const bucket = 4 + bucketOf(past, past.last);
    const log = Math.log(off + grain);
    levels[bucket] = (levels[bucket] ?? 0) === 0 ? log : (levels[bucket] ?? 0) + 0.05 * (log - (levels[bucket] ?? 0));
  }

  private sizeOf(past: Past, target: number, point: number, disagreement: number): number {
    const { levels, row, waiting, coefficients, shape } = this;
    const grain = this.grain();
    const slow = levels[1] ?? 0;
    const slot = past.last + (shape.delays[target] ?? 1);
    const recent = Math.abs(this.offOf(past.at(past.last), past.at(past.last - 1)));
    row[0] = 1;
    row[1] = Math.log((levels[0] ?? 0) + grain);
    row[2] = Math.log(slow + grain);
    row[3] = levels[4 + bucketOf(past, slot)] || Math.log(slow + grain);
    row[4] = Math.log(this.manner === "ratio" ? 1 : Math.max(point, 0) + grain);
    row[5] = Math.log((this.manner === "ratio" ? disagreement / (point + this.unit()) : disagreement) + grain);
    row[6] = Math.log((Number.isNaN(recent) ? slow : recent) + grain);
    waiting.values.set(row.subarray(0, columns), pendingAt(waiting, target, past.last));
    let log = 0;
    for (let i = 0; i < columns; i++) log += (coefficients[target * columns + i] ?? 0) * (row[i] ?? 0);
    // Not beyond what was ever usual: e³ times the slow volatility.
    const middle = Math.log(slow + grain);
    return Math.exp(Math.min(Math.max(log, middle - 4), middle + 4));
  }

  private offOf(actual: number, point: number): number {
    if (this.manner !== "ratio") return actual - point;
    const unit = this.unit();
    return Math.log((actual + unit) / (Math.max(point, 0) + unit));
  }

  private placed(point: number, off: number): number {
    if (this.manner !== "ratio") return point + off;
    const unit = this.unit();
    return (Math.max(point, 0) + unit) * Math.exp(Math.min(off, 3)) - unit;
  }

  private unit(): number {
    return 0.1 * (this.levels[2] ?? 0) + 1e-9;
  }

  /** Errors smaller than this are as good as none. */
  private grain(): number {
    return this.manner === "ratio" ? 0.01 : 0.01 * (this.levels[2] ?? 0) + 1e-9;
  }
}

function bucketOf(past: Past, slot: number): number {
  const period = past.period(0);
  return period === 0 ? 0 : Math.floor(((slot % period) * buckets) / period);
}
