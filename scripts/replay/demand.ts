// Demand. Owns what a recorded past asks of a cluster that replays it: one stream of queries for each fragment, by the clients of one region.
// DM1 a region lives in another time zone: its clients do what the trace says so many hours later. DM2 between two values of the trace the rate runs on a straight line.
// DM3 rates are scaled so that all together, at their peak (the 99.9th percentile of the stretch), fill the wished share of all nodes' ceilings.

/** One recorded series on an even grid, gaps filled by the value before. */
export interface Recorded {
  readonly name: string;
  readonly intervalMs: number;
  readonly values: Float64Array;
  /** Its part of the whole beside the other series; absent: 1. */
  readonly weight?: number;
}

/** What the clients of one region ask of one fragment. */
export interface Stream {
  /** Index into the recorded series. */
  readonly series: number;
  /** Place of the fragment in the table: fragments of one series stand together. */
  readonly fragment: number;
  readonly region: number;
  readonly lagMs: number;
  /** Queries per second for each unit of the series. */
  readonly scale: number;
}

export interface DemandWish {
  readonly fragmentsPerSeries: number;
  readonly regions: number;
  /** Between a region and the next one. */
  readonly lagMs: number;
  /** Queries per second of all together at the peak. */
  readonly peakQps: number;
  /** Recorded time that counts for the peak. */
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Demand {
  readonly streams: readonly Stream[];
  /** Queries per second of a stream at a moment of the recorded time. */
  rate(stream: Stream, atMs: number): number;
}

const peakShare = 0.999;

export function createDemand(series: readonly Recorded[], wish: DemandWish): Demand {
  const { fragmentsPerSeries, regions, lagMs, fromMs, toMs } = wish;
  const plain = series.flatMap(({ values, weight = 1 }, index) =>
    Array.from({ length: fragmentsPerSeries }, (_, place): Stream => {
      const region = place % regions;
      const fragment = index * fragmentsPerSeries + place;
      return { series: index, fragment, region, lagMs: region * lagMs, scale: weight / Math.max(1e-9, meanOf(values)) };
    }),
  );
  const stepMs = Math.max(1, Math.min(...series.map(({ intervalMs }) => intervalMs)));
  const totals: number[] = [];
  for (let atMs = fromMs; atMs < toMs; atMs += stepMs)
    totals.push(plain.reduce((sum, stream) => sum + rateOf(series, stream, atMs), 0));
  totals.sort((a, b) => a - b);
  const peak = totals[Math.min(totals.length - 1, Math.floor(totals.length * peakShare))] ?? 1;
  const streams = plain.map((stream) => ({ ...stream, scale: (stream.scale * wish.peakQps) / Math.max(1e-9, peak) }));
  return { streams, rate: (stream, atMs) => rateOf(series, stream, atMs) };
}

function rateOf(series: readonly Recorded[], { series: index, lagMs, scale }: Stream, atMs: number): number {
  const recorded = series[index];
  if (recorded === undefined) return 0;
  const { values, intervalMs } = recorded;
  // A value counts the whole interval that begins at its time: it stands for the middle.
  const place = Math.min(values.length - 1, Math.max(0, (atMs - lagMs) / intervalMs - 0.5));
  const below = Math.floor(place);
  const low = values[below] ?? 0;
  const high = values[below + 1] ?? low;
  return scale * (low + (high - low) * (place - below));
}

function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
