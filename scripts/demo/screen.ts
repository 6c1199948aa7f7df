// Screen. Owns what the demo shows: one line for each look, and one for each move, with its reason. Plain text, a line at a time: it reads the same in a terminal, in a pipe and in a file.

import { windowMs } from "../replay/meter.js";
import type { Glimpse } from "../replay/trial.js";

export interface Scale {
  readonly ceiling: number;
  readonly fullShare: number;
  readonly hoursPerSecond: number;
  readonly hourAtBegin: number;
  readonly regionOf: (fragment: number) => string;
}

const barCells = 20;
/** Steps of the short horizon ahead for which the forecast is told. */
const stepAhead = 4;

export const legend = (ceiling: number): string =>
  `each bar is one node, from nothing to its ceiling of ${ceiling} queries per second: # asked now, | where it counts as full`;

/** `07:20  n1 [####      |  ]  52 …  asked 140/s, in 1 h 130 to 170`. */
export function loadLine(glimpse: Glimpse, scale: Scale): string {
  const { loads, meter, elapsedMs } = glimpse;
  const nodes = [...loads].map(
    ([node, load]) => `${node} [${bar(load, scale)}]${String(Math.round(load)).padStart(4)}`,
  );
  const last = meter.window(Math.max(0, Math.floor(elapsedMs / windowMs) - 2));
  const pain = last.isViolated
    ? ` !${last.refused + last.failed > 0 ? ` ${last.refused + last.failed} refused` : ` p99 ${last.p99Ms.toFixed(0)} ms`}`
    : "";
  return `${clock(elapsedMs, scale)}  ${nodes.join("  ")}  all ${Math.round(sum(loads.values()))}/s${foreseen(glimpse, scale)}${pain}`;
}

function bar(load: number, { ceiling, fullShare }: Scale): string {
  const filled = Math.min(barCells, Math.round((load / ceiling) * barCells));
  const full = Math.round(fullShare * barCells) - 1;
  return Array.from({ length: barCells }, (_, at) => (at < filled ? "#" : at === full ? "|" : " ")).join("");
}

function foreseen({ forecast }: Glimpse, { hoursPerSecond }: Scale): string {
  const step = forecast?.total.steps[stepAhead];
  if (forecast === undefined || step === undefined || forecast.total.series === 0) return "";
  const hours = ((stepAhead + 1) * forecast.stepMs * hoursPerSecond) / 1000;
  return `, in ${hours.toFixed(1)} h ${Math.round(step[1] ?? 0)} to ${Math.round(step.at(-2) ?? 0)}`;
}

/** A move, when it is first seen. */
export function moveLine(move: Glimpse["moves"][number], beganAtMs: number, scale: Scale): string {
  const { fragment, from, to, startedMs, deadlineMs, why, strategy } = move;
  const early =
    deadlineMs > startedMs
      ? `, ${(((deadlineMs - startedMs) * scale.hoursPerSecond) / 1000).toFixed(1)} h before it is needed`
      : "";
  return `${clock(startedMs - beganAtMs, scale)}  --> ${scale.regionOf(fragment)} moves from ${from} to ${to} (${strategy})${early}: ${why}`;
}

/** Time of the made-up day. */
export function clock(elapsedMs: number, { hoursPerSecond, hourAtBegin }: Scale): string {
  const hours = hourAtBegin + (elapsedMs / 1000) * hoursPerSecond;
  const minutes = Math.floor((hours % 24) * 60);
  const two = (value: number): string => String(value).padStart(2, "0");
  return `day ${Math.floor(hours / 24) + 1} ${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

function sum(values: Iterable<number>): number {
  let all = 0;
  for (const value of values) all += value;
  return all;
}
