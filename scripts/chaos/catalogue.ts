// Catalogue. Owns the list of everything a chaos run can do to a cluster, and which of it a word of `--faults` means.
// A new kind of fault or of action (a move of a fragment, for example) is one more entry of one of these lists.

import { copyFaults } from "./copies.js";
import { endFaults } from "./ends.js";
import type { FaultKind, Need } from "./fault.js";
import { flipFaults } from "./flips.js";
import { networkFaults } from "./network.js";
import { pressureFaults } from "./pressure.js";

export const catalogue: readonly FaultKind[] = [
  ...endFaults,
  ...networkFaults,
  ...copyFaults,
  ...flipFaults,
  ...pressureFaults,
];

/** What is done when nobody says what. */
export const usualFaults = "node,leader,router,nats,pause";

export const faultWords: readonly string[] = [
  "all",
  ...new Set([...catalogue.flatMap(({ groups }) => groups), ...catalogue.map(({ name }) => name)]),
];

/** The kinds that a list of words means, or the word that means nothing. */
export function kindsOf(text: string): readonly FaultKind[] | { readonly unknown: string } {
  const words = text.split(",").map((word) => word.trim());
  const unknown = words.find((word) => !faultWords.includes(word));
  if (unknown !== undefined) return { unknown };
  const isMeant = ({ name, groups }: FaultKind): boolean =>
    words.some((word) => word === "all" || word === name || groups.includes(word));
  return catalogue.filter(isMeant);
}

export function needsOf(kinds: readonly FaultKind[]): ReadonlySet<Need> {
  return new Set(kinds.flatMap(({ needs }) => needs));
}
