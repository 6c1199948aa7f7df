// Words. Owns how numbers of a plan read in a sentence.

import type { Picture } from "./picture.js";
import { beginOf } from "./price.js";

export function chanceText(risk: number): string {
  return risk > 0 && risk < 0.005 ? "<0.01" : risk.toFixed(2);
}

/** In the unit of the loads, which the reader knows. */
export function loadText(load: number): string {
  return load >= 100 ? String(Math.round(load)) : String(Math.round(load * 10) / 10);
}

/** When a step begins: the present, or a time of day (UTC). */
export function whenText({ picture }: { readonly picture: Picture }, step: number): string {
  const afterMs = beginOf(picture.input.grid, step);
  if (afterMs === 0) return "now";
  return new Date(picture.nowMs + afterMs).toISOString().slice(11, 19);
}
