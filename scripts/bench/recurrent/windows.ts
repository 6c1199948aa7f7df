// Windows. Owns what the recurrent network sees of a series at one slot: the last slots, what lay a season ago, the time of day; and what it is to say.
// W1 a window at slot t is made of slots up to t only. Values are roots, divided by the series' typical root, so that one network serves all series.

export const horizonSteps = 12;
/** Slots of the sequence. */
export const sequence = 36;
/** Per slot: value, value a season before, value two seasons before or a longer season, phase (2). */
export const features = 5;
/** A season and a longer season before each step, the last value, three means, spread, phase (2). */
export const context = 2 * horizonSteps + 7;

export class Windows {
  private readonly roots: Float64Array;
  private readonly scale: number;
  private readonly periods: readonly [number, number];

  /** `known`: how many of the first slots may be learnt from. */
  constructor(
    readonly values: readonly number[],
    readonly known: number,
    periods: readonly number[],
  ) {
    const [short = 1, long = short] = periods;
    this.periods = [short, long];
    this.roots = new Float64Array(values.length);
    let last = 0;
    for (let slot = 0; slot < values.length; slot++) {
      const value = values[slot] ?? Number.NaN;
      if (value >= 0) last = Math.sqrt(value);
      this.roots[slot] = last;
    }
    let sum = 0;
    for (let slot = 0; slot < known; slot++) sum += this.roots[slot] ?? 0;
    this.scale = Math.max(sum / Math.max(known, 1), 1e-6);
  }

  /** First slot that has a window with both seasons. */
  get first(): number {
    return Math.max(this.periods[1], sequence) + sequence;
  }

  /** Slots with a window whose whole future is known. */
  get trainable(): number {
    return Math.max(0, this.known - horizonSteps - this.first);
  }

  /** Writes the inputs of slot `at`; returns nothing to keep. */
  write(at: number, series: Float32Array, seriesFrom: number, around: Float32Array, aroundFrom: number): void {
    const [short, long] = this.periods;
    let place = seriesFrom;
    for (let slot = at - sequence + 1; slot <= at; slot++) {
      const angle = (2 * Math.PI * (slot % short)) / short;
      series[place++] = this.root(slot);
      series[place++] = this.root(slot - short);
      series[place++] = this.root(slot - long);
      series[place++] = Math.sin(angle);
      series[place++] = Math.cos(angle);
    }
    place = aroundFrom;
    for (let step = 1; step <= horizonSteps; step++) {
      around[place++] = this.root(this.before(at, step, short));
      around[place++] = this.root(this.before(at, step, long));
    }
    const angle = (2 * Math.PI * (at % short)) / short;
    around[place++] = this.root(at);
    around[place++] = this.mean(at, 3);
    around[place++] = this.mean(at, horizonSteps);
    around[place++] = this.mean(at, sequence);
    around[place++] = this.spread(at);
    around[place++] = Math.sin(angle);
    around[place++] = Math.cos(angle);
  }

  /** What a step is measured from: half of what is, half of what was a season before. */
  base(at: number, step: number): number {
    return (this.root(at) + this.root(this.before(at, step, this.periods[0]))) / 2;
  }

  target(at: number, step: number): number {
    return this.root(at + step);
  }

  /** A quantile as the network says it, in the series' own unit. */
  valueOf(scaled: number): number {
    return Math.max(scaled * this.scale, 0) ** 2;
  }

  private before(at: number, step: number, period: number): number {
    return at + step - Math.ceil(step / period) * period;
  }

  private root(slot: number): number {
    return (this.roots[Math.max(slot, 0)] ?? 0) / this.scale;
  }

  private mean(at: number, slots: number): number {
    let sum = 0;
    for (let slot = at - slots + 1; slot <= at; slot++) sum += this.root(slot);
    return sum / slots;
  }

  private spread(at: number): number {
    let sum = 0;
    for (let slot = at - horizonSteps + 1; slot <= at; slot++) sum += Math.abs(this.root(slot) - this.root(slot - 1));
    return sum / horizonSteps;
  }
}
