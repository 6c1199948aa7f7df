// Regression. Owns linear regressions on levels, profiles and deviations, one per anchor step, at one scale (raw, root or log) and several half-lives.
// In the manner of SPAR, but direct: each anchor has its own coefficients, learnt row by row as the slots come in, and read between anchors.
// Three regressions are solved from the same sums: on the levels alone, with the main season, with the longer season too.
// G1 coefficients are drawn to what needs no learning (the profile, moved by the present deviation), so a young regression is a sound forecast.
// G2 a forecast stays within what was seen: no more than twice the highest of late.

import type { Carver } from "../block.js";
import { addRow, carveNormal, forgetColumns, Solver } from "../normal.js";
import { carvePending, pendingAt } from "../pending.js";
import { anchorBefore, type Shape } from "../shape.js";
import type { ModelKind, Past, PointModel } from "./model.js";

export type ScaleName = "raw" | "root" | "log";

/** Features, the constant first. */
const columns = 15;
/** Features, and the level that they and the target are relative to. */
const width = columns + 1;
const sets = [
  { name: "levels", columns: 6 },
  { name: "season", columns: 11 },
  { name: "seasons", columns: 15 },
] as const;
const nearColumns = 6;
const farColumns = 11;
const ridge = 2e-3;
const profileSeasons = 6;
const profileKeep = 0.8;
const longSeasons = 4;
const longKeep = 0.8;
const solveEverySlots = 3;

const fast = 0;
const medium = 1;
const slow = 2;
const nearFast = 3;
const nearSlow = 4;
const farFast = 5;
const farSlow = 6;
const highest = 7;
const unit = 8;
const rows = 9;
const nearKnown = 10;
const farKnown = 11;
const levelCells = 12;

export function regression(scale: ScaleName, halfLives: readonly number[]): ModelKind {
  return {
    names: halfLives.flatMap((halfLife) => sets.map(({ name }) => `regression.${scale}.${halfLife}.${name}`)),
    bind: (from, shape) => new Regression(from, shape, scale, halfLives),
  };
}

class Regression implements PointModel {
  private readonly levels: Float64Array;
  private readonly normals: readonly (readonly Float32Array[])[];
  private readonly coefficients: Float32Array;
  /** [half-life × target] typical size of an error. */
  private readonly usual: Float64Array;
  private readonly waiting;
  private readonly solver = new Solver(columns);
  private readonly row = new Float64Array(width + 1);

  constructor(
    from: Carver,
    private readonly shape: Shape,
    private readonly scale: ScaleName,
    private readonly halfLives: readonly number[],
  ) {
    this.levels = from.f64(levelCells);
    this.normals = halfLives.map(() => shape.delays.map(() => carveNormal(from, columns)));
    this.coefficients = from.f32(halfLives.length * sets.length * shape.targets * columns);
    this.usual = from.f64(halfLives.length * shape.targets);
    this.waiting = carvePending(from, shape, width);
  }

  observe(past: Past, wasSeen: boolean): void {
    const { levels } = this;
    const slot = past.last;
    if ((levels[rows] ?? 0) === 0) levels[unit] = Math.max(past.at(slot) * 0.1, 1e-3);
    if (wasSeen) for (let target = 0; target < this.shape.targets; target++) this.learn(past, target, slot);
    this.follow(past, slot);
    for (let target = 0; target < this.shape.targets; target++) {
      const step = target === this.shape.maxTarget ? 0 : (this.shape.delays[target] ?? 1);
      this.fill(past, slot, step);
      this.waiting.values.set(this.row.subarray(0, width), pendingAt(this.waiting, target, slot));
    }
    levels[rows] = (levels[rows] ?? 0) + 1;
  }

  refit(past: Past): void {
    const { levels } = this;
    const [near, far] = [past.period(0), past.period(1)];
    if (near !== levels[nearKnown]) this.forget(nearColumns, nearFast);
    else if (far !== levels[farKnown]) this.forget(farColumns, farFast);
    levels[nearKnown] = near;
    levels[farKnown] = far;
  }

  predict(past: Past, out: Float64Array): void {
    const { shape, halfLives, coefficients, row } = this;
    const stride = shape.horizonSteps + 1;
    const ceiling = this.to(2 * (this.levels[highest] ?? 0));
    const floor = this.to(0);
    for (let step = 0; step <= shape.horizonSteps; step++) {
      this.fill(past, past.last, step);
      const { anchor, share } = step === 0 ? { anchor: shape.maxTarget, share: 0 } : anchorBefore(shape, step);
      for (let life = 0; life < halfLives.length * sets.length; life++) {
        const set = life % sets.length;
        if (set > 0 && past.period(set - 1) === 0) continue;
        const here = (life * shape.targets + anchor) * columns;
        let sum = row[columns] ?? 0;
        for (let i = 0; i < columns; i++) {
          const low = coefficients[here + i] ?? 0;
          const coefficient = share === 0 ? low : low + share * ((coefficients[here + columns + i] ?? 0) - low);
          sum += coefficient * (row[i] ?? 0);
        }
        const kept = Math.min(Math.max(sum, floor), Math.max(ceiling, floor));
        out[life * stride + (step === 0 ? shape.horizonSteps : step - 1)] = this.back(kept);
      }
    }
  }

  private forget(column: number, level: number): void {
    for (const life of this.normals) for (const sums of life) forgetColumns(sums, columns, column);
    for (let cell = level; cell <= farSlow; cell++) this.levels[cell] = 0;
  }

  private learn(past: Past, target: number, slot: number): void {
    const delay = this.shape.delays[target] ?? 1;
    if ((this.levels[rows] ?? 0) < delay) return;
    const { row, waiting, halfLives, normals } = this;
    const at = pendingAt(waiting, target, slot - delay);
    let actual = past.at(slot);
    if (target === this.shape.maxTarget)
      for (let back = 1; back < delay; back++) actual = Math.max(actual, past.at(slot - back));
    for (let i = 0; i < columns; i++) row[i] = waiting.values[at + i] ?? 0;
    row[columns] = this.to(actual) - (waiting.values[at + columns] ?? 0);
    halfLives.forEach((halfLife, life) => {
      const sums = normals[life]?.[target];
      if (sums === undefined) return;
      // Judged by the widest set.
      const from = (((life + 1) * sets.length - 1) * this.shape.targets + target) * columns;
      let error = row[columns] ?? 0;
      for (let i = 0; i < columns; i++) error -= (this.coefficients[from + i] ?? 0) * (row[i] ?? 0);
      const size = Math.abs(error);
      const cell = life * this.shape.targets + target;
      const usual = this.usual[cell] ?? 0;
      // An outlier moves the coefficients no further than a row twice as far off as usual would.
      const weight = usual > 0 && size > 2 * usual ? (2 * usual) / size : 1;
      this.usual[cell] = usual === 0 ? size : usual + 0.02 * (Math.min(size, 4 * usual) - usual);
      addRow(sums, row, 0, columns, 0.5 ** (1 / halfLife), weight);
      const rowsSeen = this.levels[rows] ?? 0;
      if (rowsSeen > 100 && (slot + target + life) % solveEverySlots !== 0) return;
      sets.forEach((set, index) => {
        if (index > 0 && past.period(index - 1) === 0) return;
        const to = ((life * sets.length + index) * this.shape.targets + target) * columns;
        this.solver.solve(sums, set.columns, ridge, centreOf(delay, index), this.coefficients, to);
      });
    });
  }

  /** Moves levels and deviations on to the last slot. */
  private follow(past: Past, slot: number): void {
    const { levels } = this;
    const value = past.at(slot);
    const z = this.to(value);
    const isFirst = (levels[rows] ?? 0) === 0;
    const toward = (cell: number, aim: number, halfLife: number): void => {
      levels[cell] = isFirst ? aim : (levels[cell] ?? 0) + (1 - 0.5 ** (1 / halfLife)) * (aim - (levels[cell] ?? 0));
    };
    toward(fast, z, 2);
    toward(medium, z, 12);
    toward(slow, z, past.period(0) > 0 ? past.period(0) : 100);
    const near = this.profile(past, slot, past.period(0), slot - 1, profileSeasons, profileKeep);
    const far = this.profile(past, slot, past.period(1), slot - 1, longSeasons, longKeep);
    toward(nearFast, Number.isNaN(near) ? 0 : z - near, 2);
    toward(nearSlow, Number.isNaN(near) ? 0 : z - near, 20);
    toward(farFast, Number.isNaN(far) ? 0 : z - far, 2);
    toward(farSlow, Number.isNaN(far) ? 0 : z - far, 20);
    levels[highest] = Math.max((levels[highest] ?? 0) * 0.9998, value);
  }

  /** The features for a step (0 = the maximum over the horizon) from `origin`, and the level that all is relative to behind them, into row. */
  private fill(past: Past, origin: number, step: number): void {
    const { row, levels } = this;
    const z = this.to(past.at(origin));
    const before = past.at(origin - 1);
    const nearPeriod = past.period(0);
    const farPeriod = past.period(1);
    const near = this.ahead(past, origin, step, nearPeriod, profileSeasons, profileKeep);
    const far = this.ahead(past, origin, step, farPeriod, longSeasons, longKeep);
    const nearHere = this.profile(past, origin, nearPeriod, origin - 1, profileSeasons, profileKeep);
    const hasNear = !Number.isNaN(near) && !Number.isNaN(nearHere);
    const hasFar = !Number.isNaN(far);
    const level = levels[slow] ?? 0;
    // All relative to the slow level, so that coefficients carry over level shifts.
    row[0] = 1;
    row[1] = z - level;
    row[2] = (Number.isNaN(before) ? z : this.to(before)) - level;
    row[3] = (levels[fast] ?? 0) - level;
    row[4] = (levels[medium] ?? 0) - level;
    row[5] = level * 0.1;
    row[6] = hasNear ? near - level : 0;
    row[7] = hasNear ? nearHere - level : 0;
    row[8] = hasNear ? this.lag(past, origin, step, nearPeriod) - level : 0;
    row[9] = hasNear ? (levels[nearFast] ?? 0) : 0;
    row[10] = hasNear ? (levels[nearSlow] ?? 0) : 0;
    row[11] = hasFar ? far - level : 0;
    row[12] = hasFar ? this.lag(past, origin, step, farPeriod) - level : 0;
    row[13] = hasFar ? (levels[farFast] ?? 0) : 0;
    row[14] = hasFar ? (levels[farSlow] ?? 0) : 0;
    row[columns] = level;
  }

  /** The profile at a step, or its largest over the horizon. */
  private ahead(past: Past, origin: number, step: number, period: number, seasons: number, keep: number): number {
    if (period === 0) return Number.NaN;
    if (step > 0) return this.profile(past, origin + step, period, origin, seasons, keep);
    let most = Number.NaN;
    for (let at = 1; at <= this.shape.horizonSteps; at++) {
      const value = this.profile(past, origin + at, period, origin, seasons, keep);
      if (!(value <= most)) most = value;
    }
    return most;
  }

  private lag(past: Past, origin: number, step: number, period: number): number {
    if (step > 0) return this.to(lagged(past, origin + step, period, origin));
    let most = 0;
    for (let at = 1; at <= this.shape.horizonSteps; at++)
      most = Math.max(most, lagged(past, origin + at, period, origin));
    return this.to(most);
  }

  /** Mean at this scale of the slots one, two, … seasons before `slot`, none after `until`. */
  private profile(past: Past, slot: number, period: number, until: number, seasons: number, keep: number): number {
    if (period === 0) return Number.NaN;
    let at = slot - period;
    while (at > until) at -= period;
    let sum = 0;
    let mass = 0;
    let weight = 1;
    for (let season = 0; season < seasons; season++, at -= period) {
      const value = past.at(at);
      if (Number.isNaN(value)) break;
      sum += weight * this.to(value);
      mass += weight;
      weight *= keep;
    }
    return mass > 0 ? sum / mass : Number.NaN;
  }

  private to(value: number): number {
    switch (this.scale) {
      case "raw":
        return value;
      case "root":
        return Math.sqrt(value);
      case "log":
        return Math.log(value + (this.levels[unit] ?? 1));
    }
  }

  private back(z: number): number {
    switch (this.scale) {
      case "raw":
        return z;
      case "root":
        return z * z;
      case "log":
        return Math.max(0, Math.exp(z) - (this.levels[unit] ?? 1));
    }
  }
}

/** Where the coefficients of a set are drawn to. */
function centreOf(delaySteps: number, set: number): readonly number[] {
  const fade = 0.5 ** (delaySteps / 24);
  const centre = new Array<number>(columns).fill(0);
  if (set === 0) {
    centre[1] = 0.5 * fade;
    centre[3] = 0.5 * fade;
  } else if (set === 1) {
    centre[6] = 1;
    centre[9] = fade;
  } else {
    centre[6] = 0.5;
    centre[11] = 0.5;
    centre[9] = 0.5 * fade;
    centre[13] = 0.5 * fade;
  }
  return centre;
}

function lagged(past: Past, slot: number, period: number, until: number): number {
  let at = slot - period;
  while (at > until) at -= period;
  const value = past.at(at);
  return Number.isNaN(value) ? past.at(until) : value;
}
