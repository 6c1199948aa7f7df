// Forecast codec. Owns the wire form of what forecasters say: msgpack, with rows of numbers as bytes (32-bit floats, little endian).
// W1 decoding never throws; what is of another make is a fault, and its reader goes on without it.

import { z } from "zod";
import { horizonNames } from "../forecast/horizons.js";
import { quantileCount } from "../forecast/quantiles.js";
import { fail, ok, type Result } from "../kernel/fault.js";
import { isGroup } from "../load/group.js";
import type { ForecasterAlive, ForecastNews, ForecastQuery, SeriesNews } from "./forecast.js";
import { isName } from "./subjects.js";

export function encodeNews(news: ForecastNews): unknown {
  return { ...news, series: news.series.map(seriesWire) };
}

export function decodeNews(body: unknown): Result<ForecastNews> {
  const checked = newsSchema.safeParse(body);
  return checked.success ? ok(checked.data) : fail("UNDECODABLE", "not news of forecasts");
}

export function decodeAlive(body: unknown): Result<ForecasterAlive> {
  const checked = aliveSchema.safeParse(body);
  return checked.success ? ok(checked.data) : fail("UNDECODABLE", "not a sign of life of a forecaster");
}

export function decodeForecastQuery(body: unknown): Result<ForecastQuery> {
  const checked = querySchema.safeParse(body);
  return checked.success ? ok(checked.data) : fail("UNDECODABLE", "not a question for forecasts");
}

function seriesWire(series: SeriesNews): unknown {
  const { record } = series;
  return [
    series.fragment,
    series.table,
    series.group,
    series.horizon,
    series.origin,
    bytesOf(series.steps),
    bytesOf(series.max),
    bytesOf(series.recent),
    series.ranks,
    series.weights.map((weight) => Math.round(weight * 1e4) / 1e4),
    [
      record.matured,
      bytesOf(Float32Array.from(record.coverage)),
      bytesOf(Float32Array.from(record.maxCoverage)),
      // A number that is not there yet has no other form in JSON-like data.
      Number.isNaN(record.pinball) ? null : record.pinball,
      Number.isNaN(record.naivePinball) ? null : record.naivePinball,
      record.isDrifting,
      record.observed,
      record.missing,
      record.late,
    ],
    series.profiles.map(({ name, trust }) => [name, trust]),
  ];
}

function bytesOf(floats: Float32Array): Uint8Array {
  return new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength).slice();
}

const mostBytes = 64 * 1024;
const count = z.int().min(0);
const bytes = z.instanceof(Uint8Array).refine(({ length }) => length <= mostBytes);
const floats = bytes
  .refine(({ length }) => length % 4 === 0)
  // A copy of its own: a view of a larger buffer need not begin where a float may.
  .transform((given) => new Float32Array(new Uint8Array(given).buffer));
const row = floats.refine(({ length }) => length % quantileCount === 0 && length > 0);
const shares = floats.transform((given) => Array.from(given));
const maybe = z
  .number()
  .nullable()
  .transform((given) => given ?? Number.NaN);
const name = z.string().refine(isName);
const word = z.string().min(1).max(256);

const recordSchema = z
  .tuple([count, shares, shares, maybe, maybe, z.boolean(), count, count, count])
  .transform(([matured, coverage, maxCoverage, pinball, naivePinball, isDrifting, observed, missing, late]) => ({
    matured,
    coverage,
    maxCoverage,
    pinball,
    naivePinball,
    isDrifting,
    observed,
    missing,
    late,
  }));
const seriesSchema = z
  .tuple([
    count,
    count,
    z.string().refine(isGroup),
    z
      .int()
      .min(0)
      .max(horizonNames.length - 1),
    count,
    row,
    row,
    floats,
    bytes,
    z.array(z.number()).max(64),
    recordSchema,
    z.array(z.tuple([z.string().max(64), z.number().min(0).max(1)])).max(64),
  ])
  .transform(
    ([fragment, table, group, horizon, origin, steps, max, recent, ranks, weights, record, profiles]): SeriesNews => ({
      fragment,
      table,
      group,
      horizon,
      origin,
      steps,
      max,
      recent,
      ranks,
      weights,
      record,
      profiles: profiles.map(([profile, trust]) => ({ name: profile, trust })),
    }),
  );
const forecasterSchema = z.object({
  id: name,
  incarnation: word,
  series: count,
  rebuilding: count,
  fitsWaiting: count,
  fitWaitMs: z.number().min(0),
  fitsFailed: count,
  foreign: count,
  duplicates: count,
  strays: count,
});
const newsSchema = z.object({
  forecaster: forecasterSchema,
  slotMs: z.array(z.number().positive()).length(horizonNames.length),
  models: z.array(z.string().max(64)).max(64),
  series: z.array(seriesSchema).max(1024),
});
const aliveSchema = z.object({ id: name, incarnation: word, leaving: z.boolean() });
const querySchema = z.object({
  table: name,
  fragments: z.array(count).max(4096),
  group: z
    .string()
    .nullish()
    .transform((given) => given ?? undefined),
  horizon: z.enum(horizonNames),
  skip: count,
});
