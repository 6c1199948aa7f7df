// Forecast score. Owns the figures by which forecasts of recorded series are judged: pinball loss over an error that is typical of the series, and coverage.
// The typical error is that of the seasonal naive over the part of the series before the first origin.

import { highIndex, lowIndex, pinball, quantileCount, quantileLevels } from "../../src/forecast/quantiles.js";
import type { SeriesForecast } from "../../src/forecast/series.js";

export interface Score {
  readonly pinball: number;
  readonly cover90: number;
  readonly cover95: number;
  readonly cover99: number;
  readonly maxCover95: number;
}

/** Equality of a forecast that went through nine digits. */
const slack = 1e-9;

export class Tally {
  private loss = 0;
  private steps = 0;
  private inside = 0;
  private below95 = 0;
  private below99 = 0;
  private maxima = 0;
  private maxBelow95 = 0;

  constructor(private readonly typicalError: number) {}

  /** `actual` holds what came in the steps ahead, NaN = never known. */
  add({ steps, max }: SeriesForecast, actual: readonly number[]): void {
    actual.forEach((value, step) => {
      if (Number.isNaN(value)) return;
      const from = step * quantileCount;
      quantileLevels.forEach((level, q) => {
        this.loss += pinball(value, steps[from + q] ?? 0, level) / quantileCount;
      });
      const high = (steps[from + highIndex] ?? 0) + slack;
      this.steps++;
      if (value <= high) this.below95++;
      if (value <= high && value >= (steps[from + lowIndex] ?? 0) - slack) this.inside++;
      if (value <= (steps[from + quantileCount - 1] ?? 0) + slack) this.below99++;
    });
    if (actual.length === 0 || actual.some(Number.isNaN)) return;
    this.maxima++;
    if (Math.max(...actual) <= (max[highIndex] ?? 0) + slack) this.maxBelow95++;
  }

  score(): Score {
    return {
      pinball: this.loss / this.steps / this.typicalError,
      cover90: this.inside / this.steps,
      cover95: this.below95 / this.steps,
      cover99: this.below99 / this.steps,
      maxCover95: this.maxBelow95 / this.maxima,
    };
  }
}

/** Mean absolute error of the seasonal naive over `values`, or of the last value where that is 0. */
export function typicalError(values: readonly number[], period: number): number {
  const seasonal = meanDistance(values, period);
  const error = seasonal > 0 ? seasonal : meanDistance(values, 1);
  return Math.max(error, 1e-9);
}

export function meanScore(scores: readonly Score[]): Score {
  const mean = (of: (score: Score) => number): number =>
    scores.reduce((sum, score) => sum + of(score), 0) / scores.length;
  return {
    pinball: mean(({ pinball }) => pinball),
    cover90: mean(({ cover90 }) => cover90),
    cover95: mean(({ cover95 }) => cover95),
    cover99: mean(({ cover99 }) => cover99),
    maxCover95: mean(({ maxCover95 }) => maxCover95),
  };
}

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

function meanDistance(values: readonly number[], apart: number): number {
  let sum = 0;
  let count = 0;
  for (let at = apart; at < values.length; at++) {
    const distance = Math.abs((values[at] ?? Number.NaN) - (values[at - apart] ?? Number.NaN));
    if (Number.isNaN(distance)) continue;
    sum += distance;
    count++;
  }
  return count > 0 ? sum / count : 0;
}
