// Shape. Owns what decides the size of a series' state: interval, horizon, history; and the anchors, the steps at which things are learnt.
// Errors of neighbouring steps are much alike, so losses, coefficients and residuals are kept at a few anchor steps and read between them.
// S1 the first anchor is step 1, the last one is the horizon; the target after the last anchor is the maximum over the horizon.

export interface SeriesShape {
  readonly intervalMs: number;
  readonly horizonSteps: number;
  /** Slots kept: 30 days of 5 minutes by default. */
  readonly historySlots?: number;
}

export interface Shape {
  readonly intervalMs: number;
  readonly horizonSteps: number;
  readonly historySlots: number;
  /** Anchor steps, ascending. */
  readonly anchors: readonly number[];
  /** Anchors and the maximum. */
  readonly targets: number;
  /** The target that is the maximum over the horizon. */
  readonly maxTarget: number;
  /** Steps until a target is known: the anchor itself, the horizon for the maximum. */
  readonly delays: readonly number[];
}

export const defaultHistorySlots = 8640;
export const maxHorizonSteps = 720;
const mostHistorySlots = 1 << 17;
const fewestHistorySlots = 64;

/** Throws on a shape that no caller should have built: shapes come from configuration, not from data. */
export function compileShape(shape: SeriesShape): Shape {
  const { intervalMs, horizonSteps, historySlots = defaultHistorySlots } = shape;
  whole("horizonSteps", horizonSteps, 1, maxHorizonSteps);
  whole("historySlots", historySlots, Math.max(fewestHistorySlots, horizonSteps * 4), mostHistorySlots);
  if (!(intervalMs > 0)) throw new RangeError(`intervalMs must be above 0, and is ${intervalMs}`);
  const anchors = anchorsOf(horizonSteps);
  return {
    intervalMs,
    horizonSteps,
    historySlots,
    anchors,
    targets: anchors.length + 1,
    maxTarget: anchors.length,
    delays: [...anchors, horizonSteps],
  };
}

function whole(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most)
    throw new RangeError(`${name} must be a whole number from ${least} to ${most}, and is ${value}`);
}

/** The horizon, half of it, a quarter, … down to 1, ascending. */
function anchorsOf(horizonSteps: number): number[] {
  const anchors: number[] = [];
  for (let step = horizonSteps; step >= 1; step = Math.floor(step / 2)) anchors.unshift(step);
  return anchors;
}

/** The anchor at or before a step, and the weight of the next one. */
export function anchorBefore(shape: Shape, step: number): { readonly anchor: number; readonly share: number } {
  const { anchors } = shape;
  let anchor = anchors.length - 1;
  while (anchor > 0 && (anchors[anchor] ?? 0) > step) anchor--;
  const here = anchors[anchor] ?? step;
  const next = anchors[anchor + 1];
  return { anchor, share: next === undefined ? 0 : (step - here) / (next - here) };
}
