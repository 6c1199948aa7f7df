// Power. Owns how much a node can carry, in the unit that its load is forecast in: queries per second of its present mix.
// W1 load and capacity are of the same mix and the same unit. W2 a configured ceiling is never exceeded by what was learned, a learned one leaves `headroom`.
// W3 what a node says is always finite and above zero, also when it never had anything to do.

import { type CostBook, costOf, createCostBook, type OpCosts, type WorkDone } from "./costs.js";
import { loadKinds } from "./kinds.js";

/** What a person allows a node. `queries`: operations per second, of whatever kind. `cpu`: a share of one core, from 0 to 1, priced by learned costs. */
export type Ceiling =
  | { readonly kind: "queries"; readonly perSecond: number }
  | { readonly kind: "cpu"; readonly share: number };

/** What a node says of itself, with its heartbeats. */
export interface NodePower {
  /** Queries per second in the last interval. */
  readonly qps: number;
  /** Queries per second of that mix that the node can carry. */
  readonly capacityQps: number;
  /** Where the capacity comes from. `assumed`: nothing was learned yet. */
  readonly basis: "configured" | "learned" | "assumed";
}

export interface PowerMeter {
  /** An interval is over. */
  note(work: WorkDone): void;
  readonly power: NodePower;
  readonly costs: OpCosts;
}

/** How much of one core's time a node should be given at most: beyond it waits grow quickly. */
export const headroom = 0.75;
/** Costs move slowly; fitting them takes a millisecond. */
const fitEvery = 6;
const fewIntervals = 4;
/** How fast the mix follows: a weight of 0.2 for the newest interval. */
const mixGain = 0.2;

export function createPowerMeter(ceiling: Ceiling | undefined): PowerMeter {
  const book: CostBook = createCostBook();
  const mix = new Float64Array(loadKinds.length);
  let costs = book.costs();
  let noted = 0;
  let power = powerOf(costs, mix, 0, ceiling);

  return {
    get power() {
      return power;
    },
    get costs() {
      return costs;
    },
    note(work) {
      book.note(work);
      if (noted++ % fitEvery === 0 || noted <= fewIntervals) costs = book.costs();
      let total = 0;
      for (let kind = 0; kind < mix.length; kind++) total += work.counts[kind] ?? 0;
      if (total > 0)
        for (let kind = 0; kind < mix.length; kind++)
          mix[kind] = (1 - mixGain) * (mix[kind] ?? 0) + (mixGain * (work.counts[kind] ?? 0)) / total;
      power = powerOf(costs, mix, work.spanMs > 0 ? (total * 1000) / work.spanMs : 0, ceiling);
    },
  };
}

export function powerOf(costs: OpCosts, mix: ArrayLike<number>, qps: number, ceiling: Ceiling | undefined): NodePower {
  if (ceiling?.kind === "queries") return { qps, capacityQps: ceiling.perSecond, basis: "configured" };
  const share = ceiling?.share ?? headroom;
  const capacityQps = budgetMsPerS(costs, share, ceiling) / meanCost(costs, mix);
  const basis = ceiling !== undefined ? "configured" : costs.intervals < fewIntervals ? "assumed" : "learned";
  return { qps, capacityQps, basis };
}

/** CPU milliseconds per second for operations. A configured share is for operations alone; a learned capacity must leave what the node takes idle. */
function budgetMsPerS({ idleMsPerS }: OpCosts, share: number, ceiling: Ceiling | undefined): number {
  return ceiling === undefined ? Math.max(leastBudgetMs, share * 1000 - idleMsPerS) : share * 1000;
}

const leastBudgetMs = 1;
const leastCostMs = 1e-3;

/** CPU milliseconds of one operation of the mix; of a get where there was none yet. */
function meanCost(costs: OpCosts, mix: ArrayLike<number>): number {
  let weight = 0;
  for (let kind = 0; kind < loadKinds.length; kind++) weight += mix[kind] ?? 0;
  const mean = weight > 0 ? costOf(costs, mix) / weight : (costs.perOpMs[0] ?? 0);
  return Math.max(leastCostMs, mean);
}

/** What one operation takes from the ceiling's budget, and the budget per second. */
export function priceIn(ceiling: Ceiling, costs: OpCosts, kind: number): number {
  return ceiling.kind === "queries" ? 1 : Math.max(leastCostMs, costs.perOpMs[kind] ?? 0);
}

export function budgetPerS(ceiling: Ceiling): number {
  return ceiling.kind === "queries" ? ceiling.perSecond : ceiling.share * 1000;
}
