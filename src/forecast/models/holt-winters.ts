// Holt-Winters. Owns exponential smoothing of level, damped trend and additive season, on roots, so that the season grows with the level.
// A few settings run side by side; the one whose one-step errors were least of late speaks. Without a season it is the damped trend of Holt.

import type { Carver } from "../block.js";
import type { Shape } from "../shape.js";
import type { ModelKind, Past, PointModel } from "./model.js";

interface Setting {
  readonly level: number;
  readonly trend: number;
  readonly season: number;
}

const settings: readonly Setting[] = [
  { level: 0.1, trend: 0.01, season: 0.1 },
  { level: 0.3, trend: 0.05, season: 0.15 },
  { level: 0.7, trend: 0.05, season: 0.2 },
  { level: 0.7, trend: 0.3, season: 0.2 },
];
const damping = 0.9;
const errorKeep = 0.98;
/** Longest season held; a longer one is left out. */
const mostSeasonSlots = 336;
/** [level, trend, error] of each setting. */
const cells = 3;

export const holtWinters: ModelKind = {
  names: ["holtWinters"],
  bind: (from, shape) => new HoltWinters(from, shape),
};

class HoltWinters implements PointModel {
  private readonly states: Float64Array;
  private readonly season: Float32Array;
  /** [period, slots learnt] */
  private readonly marks: Float64Array;

  constructor(
    from: Carver,
    private readonly shape: Shape,
  ) {
    this.states = from.f64(settings.length * cells);
    this.season = from.f32(mostSeasonSlots);
    this.marks = from.f64(2);
  }

  observe(past: Past, wasSeen: boolean): void {
    const { states, marks, season } = this;
    const slot = past.last;
    const root = Math.sqrt(past.at(slot));
    const place = this.placeOf(slot);
    const seasonal = place < 0 ? 0 : (season[place] ?? 0);
    const isFirst = (marks[1] ?? 0) === 0;
    let kept = 0;
    settings.forEach((setting, index) => {
      const at = index * cells;
      const level = isFirst ? root - seasonal : (states[at] ?? 0);
      const trend = states[at + 1] ?? 0;
      const expected = level + damping * trend;
      const error = wasSeen ? root - seasonal - expected : 0;
      states[at] = expected + setting.level * error;
      states[at + 1] = damping * trend + setting.level * setting.trend * error;
      if (wasSeen) states[at + 2] = (states[at + 2] ?? 0) * errorKeep + Math.abs(error);
      if (index === 0) kept = setting.season * (1 - setting.level) * error;
    });
    if (place >= 0) season[place] = seasonal + kept;
    marks[1] = (marks[1] ?? 0) + 1;
  }

  /** A new season begins with the means of its slots over the past, less the mean of all. */
  refit(past: Past): void {
    const period = past.period(0) <= mostSeasonSlots ? past.period(0) : 0;
    if (period === this.marks[0]) return;
    this.marks[0] = period;
    this.season.fill(0);
    if (period === 0) return;
    const sums = new Float64Array(period);
    const counts = new Float64Array(period);
    let sum = 0;
    for (let slot = past.first; slot <= past.last; slot++) {
      const root = Math.sqrt(past.at(slot));
      sums[slot % period] = (sums[slot % period] ?? 0) + root;
      counts[slot % period] = (counts[slot % period] ?? 0) + 1;
      sum += root;
    }
    const mean = sum / Math.max(past.count, 1);
    for (let place = 0; place < period; place++)
      this.season[place] = (counts[place] ?? 0) > 0 ? (sums[place] ?? 0) / (counts[place] ?? 1) - mean : 0;
    const here = Math.sqrt(past.at(past.last)) - (this.season[past.last % period] ?? 0);
    settings.forEach((_, index) => {
      this.states[index * cells] = here;
      this.states[index * cells + 1] = 0;
    });
  }

  predict(past: Past, out: Float64Array): void {
    const { states } = this;
    let best = 0;
    for (let index = 1; index < settings.length; index++)
      if ((states[index * cells + 2] ?? 0) < (states[best * cells + 2] ?? 0)) best = index;
    const level = states[best * cells] ?? 0;
    const trend = states[best * cells + 1] ?? 0;
    let carried = 0;
    let factor = 1;
    for (let step = 1; step <= this.shape.horizonSteps; step++) {
      factor *= damping;
      carried += factor;
      const place = this.placeOf(past.last + step);
      const root = level + carried * trend + (place < 0 ? 0 : (this.season[place] ?? 0));
      out[step - 1] = Math.max(root, 0) ** 2;
    }
  }

  private placeOf(slot: number): number {
    const period = this.marks[0] ?? 0;
    return period === 0 ? -1 : slot % period;
  }
}
