// Forecast jobs. Owns the doors through which a batch of series goes to a worker thread and comes back: refitted, or made anew of their past.
// FJ1 one series that cannot be fitted costs only itself: its place in the answer is null.

import { z } from "zod";
import type { FitOutput } from "../../actors/forecaster/fits.js";
import { rebuildSeries } from "../../src/forecast/rebuild.js";
import { type PackedSeries, packSeries, refit, type SeriesState, unpackSeries } from "../../src/forecast/series.js";
import { fail, ok, type Result } from "../../src/kernel/fault.js";

const buffer = z.instanceof(ArrayBuffer);
const shape = z
  .object({ intervalMs: z.number().positive(), horizonSteps: z.int().min(1), historySlots: z.int().optional() })
  .transform(({ historySlots, ...rest }) => (historySlots === undefined ? rest : { ...rest, historySlots }));
const refitInput = z.object({ series: z.array(z.object({ version: z.int(), shape, buffers: z.array(buffer) })) });
const rebuildInput = z.object({ series: z.array(z.object({ shape, first: z.int().min(0), values: buffer })) });

export function refitJob(input: unknown): Result<FitOutput> {
  const decoded = refitInput.safeParse(input);
  if (!decoded.success) return fail("BAD_REQUEST", "refitSeries wants {series: [{version, shape, buffers}, …]}");
  const series = decoded.data.series.map((packed) =>
    tried(() => {
      const state = unpackSeries(packed);
      if (state !== undefined) refit(state);
      return state;
    }),
  );
  return ok({ series });
}

export function rebuildJob(input: unknown): Result<FitOutput> {
  const decoded = rebuildInput.safeParse(input);
  if (!decoded.success) return fail("BAD_REQUEST", "rebuildSeries wants {series: [{shape, first, values}, …]}");
  const series = decoded.data.series.map((one) =>
    tried(() => rebuildSeries(one.shape, one.first, new Float32Array(one.values))),
  );
  return ok({ series });
}

function tried(work: () => SeriesState | undefined): PackedSeries | null {
  try {
    const state = work();
    return state === undefined ? null : packSeries(state);
  } catch {
    return null;
  }
}
