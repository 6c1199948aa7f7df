// SPAR, sparse periodic auto-regression (Taft et al., P-Store, SIGMOD 2018). Owns the classic: for each step ahead, a mean of the same slot in the last seasons
// plus the last few deviations from theirs, by least squares (`ml-regression`), fitted at some refits to a sample of the past.

import { MultivariateLinearRegression } from "ml-regression";
import type { Carver } from "../block.js";
import { anchorBefore, type Shape } from "../shape.js";
import type { ModelKind, Past, PointModel } from "./model.js";

const seasons = 5;
const recents = 6;
const columns = seasons + recents;
const mostRows = 300;
/** Only every so many refits: the coefficients hardly move, and the regressions follow what does. */
const refitEvery = 8;

export const spar: ModelKind = { names: ["spar"], bind: (from, shape) => new Spar(from, shape) };

class Spar implements PointModel {
  /** [anchor × (columns + constant)] */
  private readonly coefficients: Float64Array;
  /** [period of the fit, refits since] */
  private readonly marks: Float64Array;

  constructor(
    from: Carver,
    private readonly shape: Shape,
  ) {
    this.coefficients = from.f64(shape.anchors.length * (columns + 1));
    this.marks = from.f64(2);
  }

  refit(past: Past): void {
    const { marks, shape } = this;
    const period = past.period(0);
    const since = (marks[1] ?? 0) + 1;
    marks[1] = since;
    if (period === 0) marks[0] = 0;
    if (period === 0 || (period === marks[0] && since < refitEvery)) return;
    const first = past.first + seasons * period + recents;
    const spare = past.last - shape.horizonSteps - first;
    marks[0] = 0;
    if (spare < 4 * columns) return;
    const stride = Math.max(1, Math.floor(spare / mostRows));
    shape.anchors.forEach((step, anchor) => {
      const inputs: number[][] = [];
      const outputs: number[][] = [];
      for (let origin = first; origin <= past.last - step; origin += stride) {
        inputs.push(this.features(past, origin, step, period));
        outputs.push([past.at(origin + step)]);
      }
      const { weights } = new MultivariateLinearRegression(inputs, outputs);
      for (let i = 0; i <= columns; i++) this.coefficients[anchor * (columns + 1) + i] = weights[i]?.[0] ?? 0;
    });
    marks[0] = period;
    marks[1] = 0;
  }

  predict(past: Past, out: Float64Array): void {
    const period = this.marks[0] ?? 0;
    if (period === 0 || period !== past.period(0)) return;
    for (let step = 1; step <= this.shape.horizonSteps; step++) {
      const { anchor, share } = anchorBefore(this.shape, step);
      const features = this.features(past, past.last, step, period);
      const here = this.apply(anchor, features);
      const value = share === 0 ? here : here + share * (this.apply(anchor + 1, features) - here);
      out[step - 1] = Math.max(value, 0);
    }
  }

  private apply(anchor: number, features: readonly number[]): number {
    const from = anchor * (columns + 1);
    let sum = this.coefficients[from + columns] ?? 0;
    for (let i = 0; i < columns; i++) sum += (this.coefficients[from + i] ?? 0) * (features[i] ?? 0);
    return sum;
  }

  private features(past: Past, origin: number, step: number, period: number): number[] {
    const features: number[] = [];
    const ahead = Math.ceil(step / period) * period;
    for (let season = 0; season < seasons; season++)
      features.push(known(past, origin + step - ahead - season * period));
    for (let back = 0; back < recents; back++) features.push(this.deviation(past, origin - back, period));
    return features;
  }

  private deviation(past: Past, slot: number, period: number): number {
    let sum = 0;
    for (let season = 1; season <= seasons; season++) sum += known(past, slot - season * period);
    return known(past, slot) - sum / seasons;
  }
}

function known(past: Past, slot: number): number {
  const value = past.at(slot);
  return Number.isNaN(value) ? 0 : value;
}
