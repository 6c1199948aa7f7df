// Prophet. Owns the forecasters of a wild run: loads that jump about, forecasts of them that are right, wrong, absurd, old or missing, and the policies
// by which leaders are told to plan.
// W1 what it says is drawn from the seed, and bears no relation to what clients ask: the planner is to be driven hard, whatever it believes.
// W2 at the end nothing moves any more: the policy is `static`, and nobody forecasts.

import { horizonNames, horizonSteps } from "../../src/forecast/horizons.js";
import { quantileCount, quantileLevels } from "../../src/forecast/quantiles.js";
import { pathCount } from "../../src/forecast/ranks.js";
import type { Random } from "../../src/kernel/random.js";
import type { ClusterView } from "../../src/ledger/view.js";
import { type ForecastNews, quietForecaster, type SeriesNews } from "../../src/protocol/forecast.js";
import { encodeNews } from "../../src/protocol/forecast-codec.js";
import { subjects } from "../../src/protocol/subjects.js";
import { goodRecord } from "../forecast/records.js";
import { epochMs } from "./clock.js";
import type { World } from "./world.js";

/** What a node of a wild run carries, queries per second: far more than clients ask of it, but not than a burst does. */
export const wildCapacityQps = 400;
/** No fragment may move twice within this. */
export const wildCoolDownMs = 4000;

const slotMs = 1000;
const longSlotMs = 5000;
const groups = ["people", "robots"] as const;
/** More are not made by splits. */
const mostFragments = 14;
const policyEveryMs = 12_000;
const orderAgainMs = 500;
const modes = ["predictive", "predictive", "predictive", "reactive", "shadow", "static"] as const;

/** The load of one client group on one fragment. */
interface Course {
  now: number;
  /** What it will be at the far end of the short horizon. */
  target: number;
}

export class Prophet {
  private readonly courses = new Map<string, Course>();
  private readonly ranks: Uint8Array;
  private readonly splits: boolean;
  private readonly empties: boolean;
  /** A round moves no more than the policy's share of what little data there is. */
  readonly isThrifty: boolean;
  private stopped = false;
  private orders = 0;

  constructor(
    private readonly world: World,
    private readonly random: Random,
    private readonly views: () => readonly ClusterView[],
  ) {
    this.ranks = Uint8Array.from({ length: pathCount * horizonSteps }, () => 1 + random.below(255));
    this.splits = random.next() < 0.5;
    this.empties = random.next() < 0.3;
    this.isThrifty = random.next() < 0.5;
  }

  start(): void {
    this.order({ mode: "predictive", ...this.wildly() });
    this.later(() => this.say(), slotMs);
    this.later(() => this.order({ mode: modes[this.random.below(modes.length)], ...this.wildly() }), policyEveryMs);
  }

  stop(): void {
    this.stopped = true;
    this.order({ mode: "static" });
  }

  private later(act: () => void, everyMs: number): void {
    this.world.clock.after(everyMs * (0.5 + this.random.next()), () => {
      if (this.stopped) return;
      act();
      this.later(act, everyMs);
    });
  }

  private wildly(): object {
    const { random } = this;
    return {
      roundMs: 300 + random.below(1200),
      horizonMs: slotMs * (4 + random.below(16)),
      coolDownMs: wildCoolDownMs,
      splitCoolDownMs: wildCoolDownMs,
      leastMatured: 100,
      minimumGain: 0.05,
      minimumGainPerGib: 0,
      splits: this.splits && this.fragments().length < mostFragments,
      // Without free bytes the share of the data counts, although there are few rows.
      budget: {
        freeBytes: this.isThrifty ? 0 : 2 ** 20,
        dataShare: 0.09,
        concurrentMoves: 1 + random.below(6),
        concurrentMovesPerNode: 1 + random.below(4),
      },
      prices: { copyBytesPerSecond: 4096, copyAtLeastMs: 500, handOverMs: 200 },
      consolidation: { act: this.empties && random.next() < 0.7 },
    };
  }

  /** Every leader takes it, or is asked again; a later order ends an earlier one. */
  private order(policy: object): void {
    const turn = ++this.orders;
    const ask = (): void => {
      if (turn !== this.orders) return;
      const body = { policy, deadlineMs: 2000 };
      this.world.network.ask("u0", subjects.cluster("setPolicy"), body, 2500, (outcome) => {
        const text = outcome.kind === "answer" ? JSON.stringify(outcome.body) : outcome.kind;
        this.world.options.trace.say(this.world.clock.nowMs, `u0 setPolicy ${JSON.stringify(policy)}: ${text}`);
        if (!text.includes('"changed"')) this.world.clock.after(orderAgainMs, ask);
      });
    };
    ask();
  }

  private fragments(): { readonly fragment: number; readonly table: number }[] {
    return this.views().flatMap(({ fragments }) =>
      [...fragments.values()].map(({ id, table }) => ({ fragment: id, table })),
    );
  }

  private say(): void {
    const wallMs = epochMs + this.world.clock.nowMs;
    const series = this.fragments().flatMap(({ fragment, table }) =>
      groups.flatMap((group) => this.seriesOf(fragment, table, group, wallMs)),
    );
    if (series.length === 0) return;
    const news: ForecastNews = { forecaster: speaker, slotMs: [slotMs, longSlotMs], models: [], series };
    this.world.network.publish("prophet", subjects.forecasts, encodeNews(news));
  }

  /** Both horizons of one series; none at all where nobody tells of it. */
  private seriesOf(fragment: number, table: number, group: string, wallMs: number): SeriesNews[] {
    const { random } = this;
    const course = this.courseOf(fragment, group);
    const mood = random.next();
    if (mood < 0.1) return [];
    const lateSlots = mood < 0.2 ? random.below(12) : 0;
    const isAbsurd = mood >= 0.2 && mood < 0.25;
    const isWrong = mood >= 0.25 && mood < 0.45;
    const record = mood >= 0.45 && mood < 0.55 ? { ...goodRecord, matured: 3 } : goodRecord;
    const target = isWrong ? this.level() : course.target;
    return horizonNames.map((_, horizon): SeriesNews => {
      const lengthMs = horizon === 0 ? slotMs : longSlotMs;
      const steps = rowsOf(course.now, target, horizon === 0 ? horizonSteps : 2);
      if (isAbsurd) steps[random.below(steps.length)] = random.next() < 0.5 ? Number.NaN : 1e20;
      return {
        fragment,
        table,
        group,
        horizon,
        origin: Math.max(0, Math.floor(wallMs / lengthMs) - 1 - lateSlots),
        steps,
        max: steps.slice(0, quantileCount),
        recent: Float32Array.of(course.now),
        ranks: this.ranks,
        weights: [],
        record,
        profiles: [],
      };
    });
  }

  /** Goes a way towards where it is bound for; now and then somewhere else at once. */
  private courseOf(fragment: number, group: string): Course {
    const { random } = this;
    const name = `${fragment} ${group}`;
    const known = this.courses.get(name);
    if (known === undefined) {
      const made = { now: this.level(), target: this.level() };
      this.courses.set(name, made);
      return made;
    }
    if (random.next() < 0.05) known.now = this.level();
    else known.now += (known.target - known.now) / horizonSteps;
    if (random.next() < 0.15) known.target = this.level();
    return known;
  }

  /** Mostly little, seldom more than a node can bear alone. */
  private level(): number {
    const { random } = this;
    const draw = random.next();
    if (draw < 0.6) return random.next() * 0.2 * wildCapacityQps;
    if (draw < 0.95) return random.next() * 0.8 * wildCapacityQps;
    return random.next() * 1.5 * wildCapacityQps;
  }
}

/** On a straight line to the target within so many steps, with a spread of a fifth either way. */
function rowsOf(now: number, target: number, within: number): Float32Array {
  return Float32Array.from({ length: horizonSteps * quantileCount }, (_, at) => {
    const step = Math.min(within, Math.floor(at / quantileCount) + 1);
    const level = quantileLevels[at % quantileCount] ?? 0.5;
    return (now + ((target - now) * step) / within) * (0.8 + 0.4 * level);
  });
}

const speaker = quietForecaster("prophet", "prophet-1");
