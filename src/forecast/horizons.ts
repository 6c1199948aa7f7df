// Horizons. Owns over what time, and in what steps, load is forecast: two horizons, both following from the sample interval.
// With the default of 10 s: 12 steps of a minute, and 12 steps of five minutes.

export const horizonNames = ["short", "long"] as const;
export type HorizonName = (typeof horizonNames)[number];

export interface Horizon {
  readonly name: HorizonName;
  readonly slotMs: number;
  readonly steps: number;
  readonly historySlots: number;
}

const samplesPerSlot = { short: 6, long: 30 } as const;
/** A day of minutes, and thirty days of five minutes. */
const historySlots = { short: 1440, long: 8640 } as const;
export const horizonSteps = 12;

export function horizonsOf(sampleIntervalMs: number): readonly Horizon[] {
  return horizonNames.map((name) => ({
    name,
    slotMs: samplesPerSlot[name] * sampleIntervalMs,
    steps: horizonSteps,
    historySlots: historySlots[name],
  }));
}
