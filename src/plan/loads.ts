// Loads. Owns what is known of the load that fragments will bring, as joint sample paths: sample p is the same possible future of all of them.
// A load has whatever unit the capacities have (queries per second, or milliseconds of processor time per second).
// LO1 what leaves here is finite and not negative: absurd numbers count as no forecast. LO2 without a forecast a fragment's load stays what it is now.

/** The steps over which load is foreseen, by the time from now at which each ends, increasing. */
export interface Grid {
  readonly endsMs: readonly number[];
}

/** Known by the position of a fragment in the plan's list. */
export interface Loads {
  readonly steps: number;
  readonly samples: number;
  /** Load of late. */
  now(fragment: number): number;
  /** What is foreseen of it rests on a forecast that is trusted; else it is `now` for ever. */
  isForecast(fragment: number): boolean;
  /** Writes [step × samples]. */
  draw(fragment: number, into: Float32Array): void;
  /** Adds `share` of the samples that `draw` writes for one step. */
  addStep(fragment: number, step: number, share: number, into: Float64Array): void;
  /** Writes per step the mean, and the mean of the `tail` largest samples. */
  summarise(fragment: number, tail: number, mean: Float32Array, upper: Float32Array): void;
}

/** Loads that are given as paths, for fragments that are known one by one. */
export interface PathLoads extends Loads {
  /** `paths` is [step × samples]; undefined, of another length or absurd: the load stays at `now`. Gives whether the paths were taken. */
  set(fragment: number, now: number, paths: Float32Array | undefined): boolean;
}

export function createPathLoads(steps: number, samples: number): PathLoads {
  const known: { now: number; paths: Float32Array | undefined }[] = [];
  return {
    steps,
    samples,
    set(fragment, now, paths) {
      const isSound = paths !== undefined && paths.length === steps * samples && paths.every(isLoad);
      known[fragment] = { now: isLoad(now) ? now : 0, paths: isSound ? paths : undefined };
      return isSound;
    },
    now: (fragment) => known[fragment]?.now ?? 0,
    isForecast: (fragment) => known[fragment]?.paths !== undefined,
    draw(fragment, into) {
      const one = known[fragment];
      if (one?.paths === undefined) into.fill(one?.now ?? 0);
      else into.set(one.paths);
    },
    addStep(fragment, step, share, into) {
      const one = known[fragment];
      for (let at = 0; at < samples; at++)
        into[at] = (into[at] ?? 0) + share * Math.fround(one?.paths?.[step * samples + at] ?? one?.now ?? 0);
    },
    summarise(fragment, tail, mean, upper) {
      const one = known[fragment];
      if (one?.paths === undefined) {
        mean.fill(one?.now ?? 0);
        upper.fill(one?.now ?? 0);
        return;
      }
      const top = new Float64Array(tail);
      for (let step = 0; step < steps; step++) {
        mean[step] = meanOf(one.paths, step * samples, samples);
        upper[step] = tailMean(one.paths, step * samples, samples, top);
      }
    },
  };
}

function isLoad(value: number): boolean {
  return value >= 0 && value < 1e15;
}

function meanOf(values: Float32Array, from: number, count: number): number {
  let sum = 0;
  for (let at = from; at < from + count; at++) sum += values[at] ?? 0;
  return sum / count;
}

/** Mean of the largest `top.length` of the values; `top` is scratch. */
function tailMean(values: Float32Array, from: number, count: number, top: Float64Array): number {
  top.fill(-1);
  let least = -1;
  for (let at = from; at < from + count; at++) {
    const value = values[at] ?? 0;
    if (value <= least) continue;
    let place = 0;
    while (place + 1 < top.length && (top[place + 1] ?? 0) < value) {
      top[place] = top[place + 1] ?? 0;
      place++;
    }
    top[place] = value;
    least = top[0] ?? -1;
  }
  let sum = 0;
  for (const value of top) sum += Math.max(0, value);
  return sum / top.length;
}
