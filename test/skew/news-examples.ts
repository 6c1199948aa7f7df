// News examples. Owns what forecasters say, load samples, and the locations that client libraries keep.

import type { Result } from "../../src/kernel/fault.js";
import { decodeSample, packSample, type Sample } from "../../src/load/sample.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import type { ForecastNews } from "../../src/protocol/forecast.js";
import { decodeAlive, decodeForecastQuery, decodeNews, encodeNews } from "../../src/protocol/forecast-codec.js";
import { decodeLocations } from "../../src/protocol/location-codec.js";
import { type Example, type Growth, ignoredOnTop } from "./example.js";
import { bytes } from "./parts.js";

const levels = [0, 0.5, 1, 2, 3, 4, 5, 6];
const news: ForecastNews = {
  forecaster: {
    ...{ id: "f1", incarnation: "i-1", series: 1, rebuilding: 0, fitsWaiting: 2, fitWaitMs: 3.5 },
    ...{ fitsFailed: 0, foreign: 0, duplicates: 0, strays: 1 },
  },
  slotMs: [60_000, 300_000],
  models: ["seasonal", "recurrent"],
  series: [
    {
      ...{ fragment: 16, table: 2, group: "office", horizon: 0, origin: 29_000_000 },
      ...{
        steps: Float32Array.from(levels),
        max: Float32Array.from(levels),
        recent: Float32Array.of(1, Number.NaN, 2),
      },
      ...{ ranks: bytes(1, 2), weights: [0.25, 0.75], profiles: [{ name: "nightly", trust: 0.8 }] },
      record: {
        ...{ matured: 12, coverage: [0.5, 1], maxCoverage: [0.25, 1], pinball: 0.5, naivePinball: Number.NaN },
        ...{ isDrifting: false, observed: 20, missing: 1, late: 0 },
      },
    },
  ],
};
const alive = { id: "f1", incarnation: "i-1", leaving: true };
const query = { table: "orders", fragments: [16], group: "office", horizon: "short", skip: 0 };

const sample: Sample = {
  ...{ node: "n1", incarnation: "i-1", interval: 170_000_000, intervalMs: 10_000, spanMs: 10_001.5, part: 0, parts: 1 },
  load: {
    ...{ threadCpuMs: 10.5, processCpuMs: 20, residentBytes: 1e8, heapBytes: 2e7, readBytes: 5, writtenBytes: 6 },
    ...{ loopDelayMs: 0.5, loopDelayMaxMs: 7, refused: 1, lostSamples: 2 },
  },
  cells: [{ fragment: 16, table: 2, group: "office", ops: [{ kind: 0, count: 3, bytes: 400, serviceMs: 1.5 }] }],
  tallies: [
    {
      ...{ partition: 0, table: 2, kind: 0, ended: [3, 0, 0, 0], serviceMs: 1.5 },
      byTime: [1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    },
  ],
};

/** As `encodeLocations` writes them; read back they are views of a cluster, filled up with what is not told. */
const locations: readonly unknown[] = [
  ...[0, 1, 40],
  [["n1", "east", 1.5, true, false]],
  [[2, "orders", "range", "string", "date", 3]],
  [[16, 2, bytes(), null, 3, 4, "n1", 4, [["n1", true]], [48, 50]]],
  0,
  [[64, 16, 80, 12, 10]],
];
const page = decodeLocations(locations);

const refusedOnTop: readonly Growth[] = [{ at: [], is: "refused" }];

export const newsExamples: readonly Example[] = [
  said("forecast.news", "a forecaster's forecasts after a slot", news, encodeNews(news), decodeNews, [
    ...ignoredOnTop,
    { at: ["series", 0], is: "refused" },
  ]),
  said("forecast.alive", "a forecaster is there", alive, alive, decodeAlive, ignoredOnTop),
  said("forecast.query", "a router asks for forecasts", query, query, decodeForecastQuery, ignoredOnTop),
  {
    ...{ name: "load.sample", meaning: "a node's load in one interval; kept for thirty days", value: sample },
    ...{ encode: () => packSample(sample), decode: decodeSample, grows: refusedOnTop },
  },
  said(
    "locations",
    "where rows are, for client libraries",
    page.ok ? page.value : undefined,
    locations,
    decodeLocations,
    [
      { at: [], is: "ignored" },
      { at: [5, 0], is: "ignored" },
    ],
  ),
];

function said(
  name: string,
  meaning: string,
  value: unknown,
  wire: unknown,
  decode: (body: unknown) => Result<unknown>,
  grows: readonly Growth[],
): Example {
  return {
    ...{ name, meaning, value, grows },
    encode: () => pack(wire),
    decode(given) {
      const body = unpack(given);
      return body.ok ? decode(body.value) : body;
    },
  };
}
