// Value bands. Own forecasts that need no point: what the last slots were, and what came after the slots that were most like the last one.
// They are what is left where nothing can be foreseen, and are hard to beat for series that are mostly zeros.

import type { Past } from "../models/model.js";
import { quantileCount, quantileLevels, quantileOfSorted } from "../quantiles.js";
import type { Shape } from "../shape.js";
import type { BandKind } from "./band.js";

/** Quantiles of the last `slots` values; for the maximum those of every stretch as long as the horizon among them. */
export function recentBand(slots: number): BandKind {
  return {
    name: `recent.${slots}`,
    bind: (_from, shape) => {
      const values = new Float64Array(slots);
      return {
        look(past, _outlook, rows) {
          const count = Math.min(slots, past.count);
          for (let back = 0; back < count; back++) values[back] = past.at(past.last - back);
          const sorted = values.subarray(0, count).slice().sort();
          for (let target = 0; target < shape.maxTarget; target++) writeRow(sorted, rows, target);
          writeRow(stretchMaxima(values.subarray(0, count), shape.horizonSteps), rows, shape.maxTarget);
        },
      };
    },
  };
}

const seasonsBack = 10;

/** Quantiles of the same slot and its neighbours in the last seasons; for the maximum those of the same stretch. */
export function seasonalBand(): BandKind {
  return {
    name: "seasonal",
    bind: (_from, shape) => ({
      look(past, _outlook, rows) {
        const period = past.period(0);
        if (period === 0 || past.count < 3 * period) return;
        for (let target = 0; target < shape.targets; target++) {
          const delay = shape.delays[target] ?? 1;
          const values: number[] = [];
          for (let season = 0; season < seasonsBack; season++) {
            const same = past.last - (Math.ceil(delay / period) + season) * period;
            if (same - 1 < past.first) break;
            for (let beside = -1; beside <= 1; beside++) values.push(followed(past, shape, target, same + beside));
          }
          writeRow(Float64Array.from(values).sort(), rows, target);
        }
      },
    }),
  };
}

const neighbours = 40;
const lookedAt = 3000;

/** Quantiles of what followed the slots most alike in level (fast and medium) and in the time of the season. */
export function analogBand(): BandKind {
  return {
    name: "analog",
    bind: (_from, shape) => ({
      look(past, _outlook, rows) {
        const first = Math.max(past.first, past.last - lookedAt);
        const usable = past.last - first - shape.horizonSteps;
        if (usable < 2 * neighbours) return;
        const chosen = alike(past, first, usable);
        const values = new Float64Array(chosen.length);
        for (let target = 0; target < shape.targets; target++) {
          for (let at = 0; at < chosen.length; at++) values[at] = followed(past, shape, target, chosen[at] ?? first);
          writeRow(values.slice().sort(), rows, target);
        }
      },
    }),
  };
}

/** Slots whose distance to the last one is least. */
function alike(past: Past, first: number, usable: number): Float64Array {
  const count = past.last - first + 1;
  const fast = new Float64Array(count);
  const medium = new Float64Array(count);
  let [quick, slow] = [Math.sqrt(past.at(first)), Math.sqrt(past.at(first))];
  let spread = 0;
  for (let at = 0; at < count; at++) {
    const root = Math.sqrt(past.at(first + at));
    quick += 0.4 * (root - quick);
    slow += 0.06 * (root - slow);
    fast[at] = quick;
    medium[at] = slow;
    spread += Math.abs(root - slow);
  }
  const unit = 1 / (spread / count + 1e-9);
  const period = past.period(0);
  const nearest = new Float64Array(neighbours).fill(Number.POSITIVE_INFINITY);
  const chosen = new Float64Array(neighbours);
  for (let at = 0; at < usable; at++) {
    let distance = (Math.abs((fast[at] ?? 0) - quick) + 0.7 * Math.abs((medium[at] ?? 0) - slow)) * unit;
    if (period > 0) {
      const apart = (count - 1 - at) % period;
      distance += (6 * Math.min(apart, period - apart)) / period;
    }
    // Old neighbours count a little less.
    distance += (count - at) / (2 * lookedAt);
    if (distance >= (nearest[neighbours - 1] ?? 0)) continue;
    let place = neighbours - 1;
    for (; place > 0 && (nearest[place - 1] ?? 0) > distance; place--) {
      nearest[place] = nearest[place - 1] ?? 0;
      chosen[place] = chosen[place - 1] ?? 0;
    }
    nearest[place] = distance;
    chosen[place] = first + at;
  }
  return chosen;
}

function followed(past: Past, shape: Shape, target: number, slot: number): number {
  if (target < shape.maxTarget) return past.at(slot + (shape.delays[target] ?? 1));
  let most = 0;
  for (let step = 1; step <= shape.horizonSteps; step++) most = Math.max(most, past.at(slot + step));
  return most;
}

function stretchMaxima(values: Float64Array, length: number): Float64Array {
  const count = Math.max(values.length - length + 1, 0);
  const maxima = new Float64Array(count);
  // The place of the largest value of the stretch, looked for again only when it leaves.
  let top = -1;
  for (let at = 0; at < count; at++) {
    const end = at + length - 1;
    if (top >= at) {
      if ((values[end] ?? 0) > (values[top] ?? 0)) top = end;
    } else {
      top = at;
      for (let on = at + 1; on <= end; on++) if ((values[on] ?? 0) > (values[top] ?? 0)) top = on;
    }
    maxima[at] = values[top] ?? 0;
  }
  return maxima.sort();
}

function writeRow(sorted: Float64Array, rows: Float64Array, target: number): void {
  if (sorted.length < 4) return;
  for (let q = 0; q < quantileCount; q++)
    rows[target * quantileCount + q] = quantileOfSorted(sorted, sorted.length, quantileLevels[q] ?? 0.5);
}
