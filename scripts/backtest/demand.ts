// Demand. Owns what a recorded past asks of a simulated cluster: each series is a tenant with several client groups that live some hours apart, and its load falls
// on several fragments, each of them mostly asked by one of the groups.
// DE1 load runs on straight lines between the middles of slots: a ramp is a ramp. DE2 the same input gives the same demand, and all of the series is in it.
// DE3 loads are scaled so that all together are `peakQps` at their peak (the 99.9th percentile of slots).

import type { Sample } from "../../src/forecast/replay.js";
import { slotOf } from "../../src/forecast/replay.js";
import { seededRandom } from "../../src/kernel/random.js";

/** One recorded series on an even grid; NaN: nothing was recorded. */
export interface Series {
  readonly name: string;
  readonly values: Float64Array;
  /** Its part of the whole beside the other series; absent: 1. */
  readonly weight?: number;
}

/** What a time without samples was: `hold`, nobody looked and it stayed as it was; `zero`, no load; `skip`, no time at all (rows follow each other). */
export const gapKinds = ["hold", "zero", "skip"] as const;
export type GapKind = (typeof gapKinds)[number];

export interface DemandShape {
  readonly intervalMs: number;
  readonly fragmentsPerSeries: number;
  readonly groupsPerSeries: number;
  /** By so much the clients of each group live later than those of the one before. */
  readonly lagMs: number;
  /** Share of a fragment's load that comes from one group; the others have the rest in equal parts. */
  readonly homeShare: number;
}

/** The load of one client group on one fragment: a series as the forecaster knows it. */
export interface DemandPart {
  readonly fragment: number;
  readonly group: string;
  /** Index into `series`. */
  readonly series: number;
  readonly lagSlots: number;
  /** Queries per second per unit of the series. */
  readonly scale: number;
}

export interface Demand {
  readonly intervalMs: number;
  /** Without gaps, as it is asked; what is asked is also seen. */
  readonly series: readonly Series[];
  readonly parts: readonly DemandPart[];
  /** Fragments have numbers from 1 to this. */
  readonly fragments: number;
  /** Slots of the run; slot 0 is the first in which every part has its series. */
  readonly slots: number;
  /** The longest lag: slot 0 of the run is this slot of the series for those without one. */
  readonly leadSlots: number;
  /** Queries per second of a part at a moment of the run. */
  rate(part: DemandPart, atMs: number): number;
}

/** A series on a grid from its first sample on; coarser samples are read on straight lines, finer ones averaged. */
export function onGrid(
  name: string,
  samples: readonly Sample[],
  ownMs: number,
  intervalMs: number,
  gaps: GapKind,
  mostSlots: number,
): Series {
  const own = ownGrid(samples, ownMs, gaps);
  const slots = Math.min(mostSlots, Math.floor((own.length * ownMs) / intervalMs));
  const values = Float64Array.from({ length: Math.max(0, slots) }, (_, slot) =>
    ownMs > intervalMs
      ? between(own, ((slot + 0.5) * intervalMs) / ownMs - 0.5)
      : meanBetween(own, Math.round((slot * intervalMs) / ownMs), Math.round(((slot + 1) * intervalMs) / ownMs)),
  );
  return { name, values };
}

function ownGrid(samples: readonly Sample[], ownMs: number, gaps: GapKind): Float64Array {
  if (gaps === "skip") return Float64Array.from(samples, ({ value }) => value);
  const firstMs = samples[0]?.atMs ?? 0;
  const length = samples.length === 0 ? 0 : slotOf(samples.at(-1)?.atMs ?? 0, firstMs, ownMs) + 1;
  const own = new Float64Array(length).fill(gaps === "zero" ? 0 : Number.NaN);
  for (const { atMs, value } of samples) own[slotOf(atMs, firstMs, ownMs)] = value;
  return own;
}

function between(values: Float64Array, place: number): number {
  const below = Math.max(0, Math.floor(place));
  const low = values[below] ?? Number.NaN;
  return low + ((values[below + 1] ?? low) - low) * Math.max(0, place - below);
}

function meanBetween(values: Float64Array, from: number, end: number): number {
  const seen = values.subarray(from, end).filter((value) => value >= 0);
  return seen.length === 0 ? Number.NaN : seen.reduce((sum, value) => sum + value, 0) / seen.length;
}

/** Blocks of about an hour in an order by chance: beyond the hour nothing can be foreseen. */
export function shuffled({ values, ...rest }: Series, intervalMs: number, seed: number): Series {
  const block = Math.max(1, Math.round(3_600_000 / intervalMs));
  const order = Array.from({ length: Math.floor(values.length / block) }, (_, at) => at);
  const random = seededRandom(seed);
  for (let at = order.length - 1; at > 0; at--) {
    const other = random.below(at + 1);
    [order[at], order[other]] = [order[other] ?? 0, order[at] ?? 0];
  }
  const blocks = order.flatMap((from) => [...values.subarray(from * block, (from + 1) * block)]);
  return { ...rest, values: Float64Array.from(blocks) };
}

/** The fewest slots that a part needs to have before the run begins, and so are not part of it. */
export function leadOf({ intervalMs, groupsPerSeries, lagMs }: DemandShape): number {
  return Math.round((lagMs * (groupsPerSeries - 1)) / intervalMs);
}

export function createDemand(recorded: readonly Series[], shape: DemandShape, peakQps: number): Demand {
  const { intervalMs } = shape;
  const series = recorded.map(held);
  const leadSlots = leadOf(shape);
  const slots = Math.max(0, Math.min(...series.map(({ values }) => values.length)) - leadSlots);
  const plain = series.flatMap(({ values, weight = 1 }, at) =>
    partsOf(at, shape, weight / Math.max(1e-9, meanOf(values))),
  );
  const seriesPlace = (part: DemandPart, slot: number): number => slot + leadSlots - part.lagSlots;
  const totals = Float64Array.from({ length: slots }, (_, slot) =>
    plain.reduce((sum, part) => sum + part.scale * (series[part.series]?.values[seriesPlace(part, slot)] ?? 0), 0),
  ).sort();
  const peak = totals[Math.min(slots - 1, Math.floor(slots * 0.999))] ?? 1;
  const parts = plain.map((part) => ({ ...part, scale: (part.scale * peakQps) / Math.max(1e-9, peak) }));
  return {
    intervalMs,
    series,
    parts,
    fragments: series.length * shape.fragmentsPerSeries,
    slots,
    leadSlots,
    rate(part, atMs) {
      const values = series[part.series]?.values;
      if (values === undefined) return 0;
      return part.scale * between(values, seriesPlace(part, atMs / intervalMs) - 0.5);
    },
  };
}

/** Fragments differ in size, from half to one and a half times the mean. */
function partsOf(at: number, shape: DemandShape, scale: number): DemandPart[] {
  const { fragmentsPerSeries, groupsPerSeries, lagMs, intervalMs, homeShare } = shape;
  const random = seededRandom(at + 1);
  const sizes = Array.from({ length: fragmentsPerSeries }, () => 0.5 + random.next());
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const elsewhere = groupsPerSeries > 1 ? (1 - homeShare) / (groupsPerSeries - 1) : 0;
  return sizes.flatMap((size, place) =>
    Array.from({ length: groupsPerSeries }, (_, group): DemandPart => {
      const share = groupsPerSeries === 1 ? 1 : group === place % groupsPerSeries ? homeShare : elsewhere;
      return {
        fragment: at * fragmentsPerSeries + place + 1,
        group: `g${group + 1}`,
        series: at,
        lagSlots: Math.round((lagMs * group) / intervalMs),
        scale: (scale * share * size) / total,
      };
    }),
  );
}

function held({ values, ...rest }: Series): Series {
  const filled = new Float64Array(values.length);
  let last = values.find((value) => value >= 0) ?? 0;
  values.forEach((value, slot) => {
    if (value >= 0) last = value;
    filled[slot] = last;
  });
  return { ...rest, values: filled };
}

function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
