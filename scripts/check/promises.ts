// Promises. Owns the judgement of forecasts by what came: how often it lay at or below each quantile, and inside the interval.

/** A forecast as it was made. */
export interface Noted {
  /** Where its first step begins. */
  readonly atMs: number;
  readonly stepMs: number;
  readonly levels: readonly number[];
  readonly steps: readonly (readonly number[])[];
  readonly max: readonly number[];
}

export interface Verdict {
  readonly forecasts: number;
  /** Steps judged. */
  readonly judged: number;
  /** By level: share at or below it. */
  readonly below: readonly number[];
  readonly maxBelow: readonly number[];
  /** Between the 0.05 and the 0.95 quantile. */
  readonly insideShare: number;
  readonly maxInsideShare: number;
}

const lowest = 0.05;
const highest = 0.95;

/** `actual`: what came between two times. */
export function judge(noted: readonly Noted[], actual: (fromMs: number, toMs: number) => number): Verdict {
  const levels = noted[0]?.levels ?? [];
  const steps = noted.flatMap((one) =>
    one.steps.map((row, step) => {
      const fromMs = one.atMs + step * one.stepMs;
      return { row, value: actual(fromMs, fromMs + one.stepMs) };
    }),
  );
  const peaks = noted.map((one) => ({
    row: one.max,
    value: Math.max(
      ...one.steps.map((_, step) => actual(one.atMs + step * one.stepMs, one.atMs + (step + 1) * one.stepMs)),
    ),
  }));
  return {
    forecasts: noted.length,
    judged: steps.length,
    below: levels.map((_, q) => shareOf(steps, ({ row, value }) => value <= (row[q] ?? 0))),
    maxBelow: levels.map((_, q) => shareOf(peaks, ({ row, value }) => value <= (row[q] ?? 0))),
    insideShare: shareOf(steps, (one) => isInside(levels, one)),
    maxInsideShare: shareOf(peaks, (one) => isInside(levels, one)),
  };
}

interface Judged {
  readonly row: readonly number[];
  readonly value: number;
}

function isInside(levels: readonly number[], { row, value }: Judged): boolean {
  return value >= (row[levels.indexOf(lowest)] ?? 0) && value <= (row[levels.indexOf(highest)] ?? 0);
}

function shareOf(all: readonly Judged[], is: (one: Judged) => boolean): number {
  return all.length === 0 ? Number.NaN : all.filter(is).length / all.length;
}
