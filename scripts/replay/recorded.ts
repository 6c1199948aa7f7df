// Recorded. Owns how the samples of a trace become an even grid: the interval is the most frequent distance of two samples, a gap has the value before it.
// RC1 a trace that stands still for more than a third of its time (closed at night, at weekends) is read row by row, without those stretches; this is said.

import type { Sample } from "../../src/forecast/replay.js";
import { seededRandom } from "../../src/kernel/random.js";
import type { Recorded } from "./demand.js";

/** Above this share of gaps the rows are read one after the other. */
const mostGaps = 1 / 3;

export interface OnGrid extends Recorded {
  readonly isByRow: boolean;
}

export function onGrid(name: string, samples: readonly Sample[]): OnGrid {
  const intervalMs = intervalOf(samples);
  const firstMs = samples[0]?.atMs ?? 0;
  const slots = Math.round(((samples.at(-1)?.atMs ?? 0) - firstMs) / intervalMs) + 1;
  const isByRow = samples.length < slots * (1 - mostGaps);
  const values = new Float64Array(isByRow ? samples.length : slots).fill(Number.NaN);
  samples.forEach(({ atMs, value }, row) => {
    values[isByRow ? row : Math.round((atMs - firstMs) / intervalMs)] = value;
  });
  let last = values.find((value) => value >= 0) ?? 0;
  values.forEach((value, slot) => {
    if (value >= 0) last = value;
    values[slot] = last;
  });
  return { name, intervalMs, values, isByRow };
}

function intervalOf(samples: readonly Sample[]): number {
  const times = new Map<number, number>();
  for (let at = 1; at < samples.length; at++) {
    const betweenMs = (samples[at]?.atMs ?? 0) - (samples[at - 1]?.atMs ?? 0);
    times.set(betweenMs, (times.get(betweenMs) ?? 0) + 1);
  }
  const [most] = [...times].sort(([, a], [, b]) => b - a);
  return Math.max(1, most?.[0] ?? 1);
}

/** Stretches of about an hour in an order by chance: nothing beyond the hour can be foreseen. */
export function shuffled(grid: OnGrid, seed: number): OnGrid {
  const block = Math.max(1, Math.round(3_600_000 / grid.intervalMs));
  const blocks = Array.from({ length: Math.ceil(grid.values.length / block) }, (_, at) =>
    grid.values.subarray(at * block, (at + 1) * block),
  );
  const random = seededRandom(seed);
  for (let at = blocks.length - 1; at > 0; at--) {
    const other = random.below(at + 1);
    [blocks[at], blocks[other]] = [blocks[other] ?? new Float64Array(0), blocks[at] ?? new Float64Array(0)];
  }
  return { ...grid, values: Float64Array.from(blocks.flatMap((one) => [...one])) };
}
