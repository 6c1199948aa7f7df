// Strain. Owns what a copy breaks while it lasts beside what it mends afterwards: both ends give some of their capacity to it, and one that is nearly full has none to give.
// ST1 what is compared is overload itself (load beyond all of a capacity), not the bound below it up to which nodes are filled. ST2 copies under way at an end count.

import type { Weighed } from "./options.js";
import { changesBy, type Picture } from "./picture.js";
import { firstStepAfter, overlaps } from "./price.js";
import type { Purse } from "./purse.js";
import { mayExceed, mayExceedWith, riskOf, riskWith } from "./risk.js";

/** Within a step load goes up and down a little. */
const unrest = 0.98;
/** Expected steps of overload that nobody would notice. */
const leastHarm = 0.05;

export interface Strain {
  /** Expected steps of overload that come by the copying, and that it averts later. */
  readonly harm: number;
  readonly averted: number;
}

/** Undefined: it breaks nothing, or mends more. */
export function strainOf(
  picture: Picture,
  purse: Purse,
  { option, price, times, relievedMs }: Omit<Weighed, "gain">,
): Strain | undefined {
  if (price.capacityShare === 0) return undefined;
  const { fragment, from, to, next, strategy } = option;
  const roomBeside = (copies: number): number => (unrest * (1 - copies * price.capacityShare)) / picture.fullShare;
  const changes = changesBy(picture, fragment, next);
  const shares = overlaps(picture.input.grid, times.startMs, times.startMs + price.lastsMs);
  const sumWhile = (risks: Float64Array): number =>
    shares.reduce((sum, share, step) => sum + share * (risks[step] ?? 0), 0);
  let harm = 0;
  for (const node of [from, to]) {
    const before = roomBeside(purse.copiesAt(node));
    const room = roomBeside(purse.copiesAt(node) + 1);
    const delta = strategy === "copy-on-write" ? (changes.find((change) => change.node === node)?.delta ?? 0) : 0;
    if (!mayExceedWith(picture, node, fragment, Math.max(0, delta), room)) continue;
    const copying = delta === 0 ? riskOf(picture, node, room) : riskWith(picture, node, fragment, delta, room);
    harm += sumWhile(copying) - sumWhile(riskOf(picture, node, before));
  }
  if (harm <= leastHarm) return undefined;
  const done = firstStepAfter(picture.input.grid, times.startMs + relievedMs);
  const room = roomBeside(0);
  const sumAfter = (risks: Float64Array): number => risks.subarray(done).reduce((sum, risk) => sum + risk, 0);
  let averted = 0;
  for (const { node, delta } of changes) {
    if (delta < 0 ? !mayExceed(picture, node, room) : !mayExceedWith(picture, node, fragment, delta, room)) continue;
    averted += sumAfter(riskOf(picture, node, room)) - sumAfter(riskWith(picture, node, fragment, delta, room));
  }
  return harm > averted ? { harm, averted } : undefined;
}
