// Backtest report. Owns the page that shows a backtest: the table, and over time the load with what was foreseen, waits, moves and violations by policy.

import { chart, type Line } from "../plot/chart.js";
import { plotPage, policyColours } from "../plot/page.js";
import { dayMs, type Outcome, violationMs } from "./score.js";

export interface Report {
  readonly setting: string;
  readonly heads: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly notes: readonly string[];
  readonly outcomes: readonly Outcome[];
  readonly windowMs: number;
  readonly capacityQps: number;
}

export function reportPage({ setting, heads, rows, notes, outcomes, windowMs, capacityQps }: Report): string {
  const [first] = outcomes;
  const spanMs = (first?.windows.length ?? 0) * windowMs;
  const span = { from: "start: nothing is known", to: `day ${(spanMs / dayMs).toFixed(1)}` };
  const colourOf = (policy: string): string => policyColours[policy] ?? "#000000";
  const lines = (value: (outcome: Outcome, at: number) => number): Line[] =>
    outcomes.map((outcome) => ({
      name: outcome.policy,
      colour: colourOf(outcome.policy),
      values: outcome.windows.map((_, at) => value(outcome, at)),
    }));
  const sums = new Map(outcomes.map((outcome) => [outcome, violationsSoFar(outcome)]));
  const marks = outcomes
    .filter(({ begun }) => begun.length > 0)
    .map(({ policy, begun }) => ({
      name: policy,
      colour: colourOf(policy),
      at: begun.map(({ atMs }) => atMs / spanMs),
    }));
  const charts = [
    loadChart(outcomes, span),
    chart({
      title: "fullest node",
      unit: "share of its capacity; marks: moves begun",
      lines: lines((outcome, at) => outcome.windows[at]?.fullest ?? 0),
      marks: marks.map((one) => ({ ...one, name: "" })),
      level: { name: `capacity (${capacityQps} queries/s)`, value: 1 },
      ...span,
    }),
    chart({
      title: "slowest node, p99",
      unit: "ms",
      lines: lines((outcome, at) => outcome.windows[at]?.p99Ms ?? Number.NaN),
      level: { name: `${violationMs} ms`, value: violationMs },
      ...span,
    }),
    chart({
      title: "violations so far",
      unit: "windows",
      lines: lines((outcome, at) => sums.get(outcome)?.[at] ?? 0),
      ...span,
    }),
    chart({
      title: "moves under way",
      unit: "moves",
      lines: lines((outcome, at) => outcome.windows[at]?.moving ?? 0),
      ...span,
    }),
    chart({
      title: "nodes in use",
      unit: "nodes",
      lines: lines((outcome, at) => outcome.windows[at]?.nodesInUse ?? 0),
      ...span,
    }),
  ];
  return plotPage({ title: "Backtest", setting, heads, rows, notes, charts });
}

function loadChart(outcomes: readonly Outcome[], span: { readonly from: string; readonly to: string }): string {
  const teller = outcomes.find(({ policy }) => policy === "predictive") ?? outcomes[0];
  const windows = teller?.windows ?? [];
  const isTold = windows.some(({ foreseen }) => foreseen !== undefined);
  const low = windows.map(({ foreseen }) => foreseen?.low ?? Number.NaN);
  const high = windows.map(({ foreseen }) => foreseen?.high ?? Number.NaN);
  const band = { name: "foreseen, 90 %", colour: policyColours.predictive ?? "#000000", low, high };
  const load = { name: "load", colour: "#333333", values: windows.map((window) => window.load) };
  return chart({
    title: "load of all nodes",
    unit: "queries per second",
    lines: [load],
    bands: isTold ? [band] : [],
    ...span,
  });
}

function violationsSoFar({ windows }: Outcome): number[] {
  let sum = 0;
  return windows.map(({ isViolation }) => {
    sum += isViolation ? 1 : 0;
    return sum;
  });
}
