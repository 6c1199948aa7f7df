// Forecast jobs. Owns the doors through which a batch of series goes to a worker thread and comes back: refitted, or made anew of their past.
// FJ1 one series that cannot be fitted costs only itself: its place in the answer is null.

import { z } from "zod";
import type { FitOutput } from "../../actors/forecaster/fits.js";
import type { PoolOutput } from "../../actors/forecaster/pools.js";
import { fitSeries, rebuildSeries } from "../../src/forecast/rebuild.js";
import { type PackedSeries, packSeries, type SeriesState, unpackSeries } from "../../src/forecast/series.js";
import { poolYouths } from "../../src/forecast/youth.js";
import { fail, ok, type Result } from "../../src/kernel/fault.js";

const buffer = z.instanceof(ArrayBuffer);
const shape = z
  .object({ intervalMs: z.number().positive(), horizonSteps: z.int().min(1), historySlots: z.int().optional() })
  .transform(({ historySlots, ...rest }) => (historySlots === undefined ? rest : { ...rest, historySlots }));
const refitInput = z.object({ series: z.array(z.object({ version: z.int(), shape, buffers: z.array(buffer) })) });
const cells = z.instanceof(Float64Array);
const prior = z.object({ models: cells, bands: cells, shifts: cells, ratios: cells, series: z.int() });
const rebuildInput = z.object({
  series: z.array(z.object({ shape, first: z.int().min(0), values: buffer, prior: prior.optional() })),
});
const poolInput = z.object({ shape, stretches: z.array(buffer) });

export function refitJob(input: unknown): Result<FitOutput> {
  const decoded = refitInput.safeParse(input);
  if (!decoded.success) return fail("BAD_REQUEST", "refitSeries wants {series: [{version, shape, buffers}, …]}");
  const series = decoded.data.series.map((packed) =>
    tried(() => {
      const state = unpackSeries(packed);
      if (state !== undefined) fitSeries(state);
      return state;
    }),
  );
  return ok({ series });
}

export function rebuildJob(input: unknown): Result<FitOutput> {
  const decoded = rebuildInput.safeParse(input);
  if (!decoded.success) return fail("BAD_REQUEST", "rebuildSeries wants {series: [{shape, first, values}, …]}");
  const series = decoded.data.series.map((one) =>
    tried(() => rebuildSeries(one.shape, one.first, new Float32Array(one.values), one.prior)),
  );
  return ok({ series });
}

export function poolJob(input: unknown): Result<PoolOutput> {
  const decoded = poolInput.safeParse(input);
  if (!decoded.success) return fail("BAD_REQUEST", "poolSeries wants {shape, stretches: [buffer, …]}");
  const { shape, stretches } = decoded.data;
  return ok({
    prior:
      poolYouths(
        shape,
        stretches.map((values) => new Float32Array(values)),
      ) ?? null,
  });
}

function tried(work: () => SeriesState | undefined): PackedSeries | null {
  try {
    const state = work();
    return state === undefined ? null : packSeries(state);
  } catch {
    return null;
  }
}
