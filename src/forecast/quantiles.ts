// Quantiles. Owns the levels that every forecast is given at, and the arithmetic on them; never knows a series.
// Q1 a row of quantiles that leaves this folder never crosses and is never negative.

export const quantileLevels = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99] as const;
export const quantileCount = quantileLevels.length;
/** Index of the median, and of the two ends of the 90 % interval. */
export const medianIndex = 3;
export const lowIndex = 0;
export const highIndex = 6;

/** Pinball loss of `forecast` as the `level` quantile of what became `actual`. */
export function pinball(actual: number, forecast: number, level: number): number {
  const error = actual - forecast;
  return error >= 0 ? level * error : (level - 1) * error;
}

/** Fewer values say nothing of what lies beyond them. */
const fewestForTail = 8;

/**
 * The `level` quantile of the first `count` values of `sorted`, linear between them. 0 of nothing.
 * Above what the largest of so many values stands for the tail goes on as an exponential, as steep as among the largest eighth: 40 values have no 0.99 quantile of their own.
 */
export function quantileOfSorted(sorted: ArrayLike<number>, count: number, level: number): number {
  if (count === 0) return 0;
  const most = sorted[count - 1] ?? 0;
  const beyond = Math.log(1 / ((count + 1) * (1 - level)));
  if (beyond > 0 && count >= fewestForTail) return most + beyond * meanExcess(sorted, count);
  // Hazen's place, a little wide at the ends: honest for the few values a young series has.
  const place = Math.min(Math.max(level * (count + 1) - 1, 0), count - 1);
  const below = Math.floor(place);
  const low = sorted[below] ?? 0;
  const high = sorted[Math.min(below + 1, count - 1)] ?? low;
  return low + (high - low) * (place - below);
}

/** How far the largest values lie above the next one, on average: the scale of an exponential tail. */
function meanExcess(sorted: ArrayLike<number>, count: number): number {
  const largest = Math.max(2, Math.min(8, count >> 3));
  const base = sorted[count - largest - 1] ?? 0;
  let sum = 0;
  for (let at = count - largest; at < count; at++) sum += (sorted[at] ?? 0) - base;
  return sum / largest;
}

/** Mends a row in place: not below zero, no quantile below the one before it. */
export function repairRow(row: Float64Array, from: number): void {
  let floor = 0;
  for (let q = 0; q < quantileCount; q++) {
    const value = row[from + q] ?? 0;
    floor = value > floor ? value : floor;
    row[from + q] = floor;
  }
}
