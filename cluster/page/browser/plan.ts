// Plan. Owns how a plan is shown: whatever the leader tells, as lists of names and values; names are the plan's own, text goes in as text.

import { make } from "./dom.js";
import { clock } from "./words.js";

const deepest = 5;
const longest = 40;

/** Nothing: there is no plan. */
export function planOf(plan: unknown, choose: (id: number) => void): readonly Node[] {
  if (plan === null || plan === undefined) return [];
  return [shown(plan, 0, choose)];
}

function shown(value: unknown, depth: number, choose: (id: number) => void): Node {
  if (typeof value !== "object" || value === null) return make("span", {}, words(value));
  if (depth >= deepest) return make("span", { class: "muted" }, "…");
  if (Array.isArray(value)) return listOf(value, depth, choose);
  const list = make("dl");
  for (const [name, part] of Object.entries(value)) {
    if (part === null || part === "" || (Array.isArray(part) && part.length === 0)) continue;
    const isFragment = name === "fragment" && typeof part === "number";
    const told = isFragment
      ? make("button", { type: "button", class: "link", click: () => choose(part) }, String(part))
      : shown(name.endsWith("Ms") && typeof part === "number" ? timeWords(part) : part, depth + 1, choose);
    list.append(make("div", {}, make("dt", {}, spaced(name)), make("dd", {}, told)));
  }
  return list;
}

function listOf(values: readonly unknown[], depth: number, choose: (id: number) => void): Node {
  const plain = values.every((value) => typeof value !== "object" || value === null);
  if (plain) return make("span", {}, values.slice(0, longest).map(words).join(", "));
  const list = make("ol");
  for (const value of values.slice(0, longest)) list.append(make("li", {}, shown(value, depth + 1, choose)));
  if (values.length > longest) list.append(make("li", { class: "muted" }, `… and ${values.length - longest} more`));
  return list;
}

function words(value: unknown): string {
  if (typeof value === "number")
    return Number.isInteger(value) ? String(value) : String(Math.round(value * 1000) / 1000);
  return typeof value === "string" ? value : String(value);
}

/** A moment, or a length of time. */
function timeWords(ms: number): string {
  return ms > 1e12 ? clock(ms) : `${Math.round(ms)} ms`;
}

/** `riskBefore` → `risk before`. */
function spaced(name: string): string {
  return name.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
}
