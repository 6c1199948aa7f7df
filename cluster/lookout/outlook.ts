// Outlook. Owns what is expected of each node: forecasts of the fragments that it leads, summed along joint paths, and the forecasters' record.
// K1 sums are drawn a few series a turn, so that nothing holds the event loop. K2 nothing is drawn while nobody looks.

import { setImmediate as turn } from "node:timers/promises";
import { createBoard, type Posted, pathsOf } from "../../actors/forecaster/board.js";
import { limits } from "../../src/config/limits.js";
import { type HorizonName, horizonNames, horizonSteps } from "../../src/forecast/horizons.js";
import { addPaths, emptySum, exceedance, maxQuantiles, type PathSum, sumQuantiles } from "../../src/forecast/paths.js";
import { highIndex, lowIndex, medianIndex, quantileCount, quantileLevels } from "../../src/forecast/quantiles.js";
import type { ForecasterState, ForecastNews, RecordNews } from "../../src/protocol/forecast.js";
import type { FragmentId, NodeId } from "../../src/protocol/subjects.js";

/** Ends and middle of the 90 % interval of each step, and of the largest. */
export interface Band {
  readonly atMs: number;
  readonly stepMs: number;
  readonly low: readonly number[];
  readonly middle: readonly number[];
  readonly high: readonly number[];
  readonly peakMiddle: number;
  readonly peakHigh: number;
  /** Probability that any step is above the capacity; undefined where none is known. */
  readonly risk: number | undefined;
}

export interface TableRecord {
  readonly table: number;
  readonly partition: number;
  readonly horizon: HorizonName;
  readonly series: number;
  readonly matured: number;
  /** Share of values at or below each of `quantileLevels`; NaN where nothing matured. */
  readonly coverage: readonly number[];
  readonly pinball: number;
  readonly naivePinball: number;
  readonly drifting: number;
}

export interface Outlook {
  take(news: ForecastNews, nowMs: number): void;
  /** Grows with each news. */
  version(): number;
  /** `led`: the fragments that each node leads. */
  draw(
    horizon: HorizonName,
    led: ReadonlyMap<NodeId, readonly FragmentId[]>,
    capacity: (node: NodeId) => number | undefined,
  ): Promise<ReadonlyMap<NodeId, Band>>;
  /** Upper end of the largest step of the next quarter of an hour or so, summed over groups: an upper bound. */
  peaks(): ReadonlyMap<FragmentId, number>;
  series(fragment: FragmentId, horizon: HorizonName): readonly Posted[];
  slotMs(horizon: HorizonName): number;
  records(): readonly TableRecord[];
  forecasters(nowMs: number): readonly ForecasterState[];
}

const drawnPerTurn = 12;
/** Forecasts that nobody renewed for this many slots go. */
const staleSlots = 6;

export function createOutlook(): Outlook {
  const board = createBoard(limits.forecastsKnown);
  const known = new Map<FragmentId, { table: number; partition: number }>();
  const slotMs: number[] = horizonNames.map(() => 0);
  let version = 0;

  function all(horizon: number): Posted[] {
    return board.of([...known.keys()], horizon);
  }

  return {
    take(news, nowMs) {
      board.post(news, nowMs);
      news.slotMs.forEach((ms, at) => {
        slotMs[at] = ms;
      });
      for (const { fragment, table } of news.series)
        known.set(fragment, { table, partition: fragment % limits.controlPartitions });
      board.sweep(nowMs, staleSlots * Math.max(...slotMs));
      version++;
    },
    version: () => version,
    async draw(horizon, led, capacity) {
      const bands = new Map<NodeId, Band>();
      const index = horizonNames.indexOf(horizon);
      let drawn = 0;
      for (const [node, fragments] of led) {
        const posted = board.of(fragments, index);
        if (posted.length === 0) continue;
        const sum = emptySum(horizonSteps);
        for (const one of posted) {
          addPaths(sum, pathsOf(one));
          if (++drawn % drawnPerTurn === 0) await turn();
        }
        const origin = Math.max(...posted.map(({ news }) => news.origin));
        const stepMs = slotMs[index] ?? 0;
        bands.set(node, bandOf(sum, (origin + 1) * stepMs, stepMs, capacity(node)));
      }
      return bands;
    },
    peaks() {
      const peaks = new Map<FragmentId, number>();
      for (const { news } of all(0))
        peaks.set(news.fragment, (peaks.get(news.fragment) ?? 0) + (news.max[highIndex] ?? 0));
      return peaks;
    },
    series: (fragment, horizon) => board.of([fragment], horizonNames.indexOf(horizon)),
    slotMs: (horizon) => slotMs[horizonNames.indexOf(horizon)] ?? 0,
    records() {
      return horizonNames.flatMap((horizon, index) => {
        const tables = new Map<string, RecordNews[]>();
        for (const { news } of all(index)) {
          const place = known.get(news.fragment);
          const key = `${place?.partition ?? 0} ${news.table}`;
          const records = tables.get(key);
          if (records === undefined) tables.set(key, [news.record]);
          else records.push(news.record);
        }
        return [...tables].map(([key, records]) => {
          const [partition = 0, table = 0] = key.split(" ").map(Number);
          return { partition, table, horizon, ...summary(records) };
        });
      });
    },
    forecasters: (nowMs) => board.forecasters(nowMs),
  };
}

function bandOf(sum: PathSum, atMs: number, stepMs: number, capacity: number | undefined): Band {
  const rows = sumQuantiles(sum);
  const max = maxQuantiles(sum);
  const column = (q: number): number[] =>
    Array.from({ length: rows.length / quantileCount }, (_, step) => rows[step * quantileCount + q] ?? 0);
  return {
    atMs,
    stepMs,
    low: column(lowIndex),
    middle: column(medianIndex),
    high: column(highIndex),
    peakMiddle: max[medianIndex] ?? 0,
    peakHigh: max[highIndex] ?? 0,
    risk: capacity === undefined ? undefined : exceedance(sum, capacity).any,
  };
}

/** Of several series: each counts by the forecasts that it has seen mature. */
function summary(records: readonly RecordNews[]): Omit<TableRecord, "table" | "partition" | "horizon"> {
  const ripe = records.filter(({ matured }) => matured > 0);
  const matured = ripe.reduce((sum, record) => sum + record.matured, 0);
  const mean = (of: (record: RecordNews) => number): number => {
    const known = ripe.filter((record) => !Number.isNaN(of(record)));
    const mass = known.reduce((sum, record) => sum + record.matured, 0);
    return mass === 0 ? Number.NaN : known.reduce((sum, record) => sum + of(record) * record.matured, 0) / mass;
  };
  return {
    series: records.length,
    matured,
    coverage: quantileLevels.map((_, q) => mean(({ coverage }) => coverage[q] ?? Number.NaN)),
    pinball: mean(({ pinball }) => pinball),
    naivePinball: mean(({ naivePinball }) => naivePinball),
    drifting: records.filter(({ isDrifting }) => isDrifting).length,
  };
}
