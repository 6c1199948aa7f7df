// Day. Owns the made-up load of the demo: the same day again and again, quiet by night, with one peak in the evening, for regions that live in different time zones.

import { createDemand, type Demand, type Recorded } from "../replay/demand.js";

const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;
const intervalMs = 10 * 60_000;
const nightly = 0.2;
const peakHour = 19;
const peakWidthHours = 2.6;
export const regionNames = ["asia", "europe", "america", "pacific"] as const;
const lagHours = 24 / regionNames.length;

/** Share of the peak at a time of a day. */
export function shareAt(hour: number): number {
  const fromPeak = ((((hour - peakHour) % 24) + 36) % 24) - 12;
  return nightly + (1 - nightly) * Math.exp(-0.5 * (fromPeak / peakWidthHours) ** 2);
}

/** `days` such days; `peakQps`: of all regions together. */
export function dailyDemand(days: number, peakQps: number): Demand {
  const values = Float64Array.from({ length: (days * dayMs) / intervalMs }, (_, slot) =>
    shareAt((((slot + 0.5) * intervalMs) / hourMs) % 24),
  );
  const day: Recorded = { name: "day", intervalMs, values };
  const regions = regionNames.length;
  return createDemand([day], {
    fragmentsPerSeries: regions,
    regions,
    lagMs: lagHours * hourMs,
    peakQps,
    fromMs: dayMs,
    toMs: 2 * dayMs,
  });
}
