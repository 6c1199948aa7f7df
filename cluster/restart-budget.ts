// Restart budget. Owns the pause before something that died is started again, and the moment to give up.
// Exponential back-off with jitter; a run that lasted long enough starts the count afresh.

export interface RestartRules {
  readonly firstMs: number;
  readonly maxMs: number;
  /** More deaths than this within `windowMs`: give up. */
  readonly deaths: number;
  readonly windowMs: number;
}

export const restartRules: RestartRules = { firstMs: 20, maxMs: 5_000, deaths: 10, windowMs: 60_000 };

export class RestartBudget {
  private deathsMs: number[] = [];

  constructor(
    private readonly rules: RestartRules,
    private readonly chance: () => number,
  ) {}

  /** How long to wait after a death at `nowMs`, or undefined: it died too often. */
  nextMs(nowMs: number): number | undefined {
    this.deathsMs = this.deathsMs.filter((at) => nowMs - at < this.rules.windowMs);
    this.deathsMs.push(nowMs);
    if (this.deathsMs.length > this.rules.deaths) return undefined;
    const full = Math.min(this.rules.maxMs, this.rules.firstMs * 2 ** (this.deathsMs.length - 1));
    return full / 2 + (full / 2) * this.chance();
  }
}
