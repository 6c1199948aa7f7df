// Options. Owns what could be done with a fragment to relieve a node: hand-overs, moves of its copy, one more copy; and what each would change. Nothing is applied here.
// OP1 two copies of a fragment never come to one node, nor into one zone if they are in two now.

import type { Strategy } from "../ledger/move.js";
import { bytesOf, changesBy, mayBear, type Picture, placesOf, primaryOf } from "./picture.js";
import { type Policy, stayMs } from "./policy.js";
import { firstStepAfter, overlaps, type Price, priceOf, type Timetable, timetable } from "./price.js";
import { excessOf, excessWith, largest, mayExceed, mayExceedWith, riskOf, riskWith } from "./risk.js";

export interface Option {
  readonly kind: "handOver" | "moveReplica" | "addReplica";
  readonly fragment: number;
  readonly from: number;
  readonly to: number;
  readonly next: readonly number[];
  readonly strategy: Strategy;
  readonly role: boolean;
}

/** Primary roles that may be handed to nodes that have a copy. */
export function handOversOf(picture: Picture, fragment: number, from: number): Option[] {
  if (primaryOf(picture, fragment) !== from) return [];
  const places = placesOf(picture, fragment);
  return places.slice(1).flatMap((to) => {
    if (!mayBear(picture, to)) return [];
    const next = [to, ...places.filter((node) => node !== to)];
    return [{ kind: "handOver" as const, fragment, from, to, next, strategy: "leader-only" as const, role: true }];
  });
}

/** The copy on `from` goes to `to`, with the role if it has it. */
export function moveOf(picture: Picture, fragment: number, from: number, to: number): Option | undefined {
  const places = placesOf(picture, fragment);
  if (!mayTake(picture, places, from, to)) return undefined;
  const role = places[0] === from;
  const next = places.map((node) => (node === from ? to : node));
  return { kind: "moveReplica", fragment, from, to, next, strategy: "log-shipping", role };
}

export function copyOf(picture: Picture, fragment: number, from: number, to: number): Option | undefined {
  const places = placesOf(picture, fragment);
  if (!mayTake(picture, places, undefined, to)) return undefined;
  return { kind: "addReplica", fragment, from, to, next: [...places, to], strategy: "log-shipping", role: false };
}

function mayTake(picture: Picture, places: readonly number[], from: number | undefined, to: number): boolean {
  const { nodes } = picture;
  if (!mayBear(picture, to) || places.includes(to)) return false;
  const zoneOf = (node: number | undefined): string => (node === undefined ? "" : (nodes[node]?.zone ?? ""));
  const zone = zoneOf(to);
  if (zone === "" || (from !== undefined && zoneOf(from) === zone)) return true;
  return !places.some((node) => node !== from && zoneOf(node) === zone);
}

export interface Weighed {
  readonly option: Option;
  readonly price: Price;
  readonly times: Timetable;
  /** From its beginning until the node that it relieves has less. */
  readonly relievedMs: number;
  readonly gain: number;
  readonly riskBefore: number;
  readonly riskAfter: number;
  readonly riskTo: number;
  /** The taker stays calm until the fragment may be moved on. */
  readonly fits: boolean;
}

/** What a taker risks after the fragment may move on counts less: it can still be helped. */
const laterShare = 0.5;

/** What an option would bring, given the risks of the node that it relieves. */
export function weigh(picture: Picture, option: Option, before: Float64Array, policy: Policy): Weighed {
  const { fragment, from, to, next } = option;
  const bound = policy.risk * policy.calmShare;
  const price = priceOf(option.strategy, bytesOf(picture, fragment), policy);
  const first = before.findIndex((risk) => risk > policy.risk);
  const times = timetable(picture, [from, to], Math.max(0, first), price.lastsMs, policy);
  const relievedMs = option.strategy === "copy-on-write" ? policy.prices.handOverMs * 2 : price.lastsMs;
  const done = firstStepAfter(picture.input.grid, times.startMs + relievedMs);
  const held = firstStepAfter(
    picture.input.grid,
    Math.max(times.deadlineMs, times.startMs + relievedMs) + stayMs(policy),
  );
  let gain = -whileCopying(picture, { option, price, times }, riskOf);
  let after: Float64Array = before;
  let riskTo = 0;
  let fits = true;
  for (const { node, delta } of changesBy(picture, fragment, next)) {
    if (node === from) {
      after = riskWith(picture, node, fragment, delta);
      gain += sumFrom(before, done) - sumFrom(after, done);
    } else if (delta > 0 && mayExceedWith(picture, node, fragment, delta)) {
      const more = riskWith(picture, node, fragment, delta);
      const own = riskOf(picture, node);
      riskTo = Math.max(riskTo, largest(more.subarray(0, held)));
      if (riskTo > bound) fits = false;
      gain -= Math.max(0, sumBetween(more, done, held) - sumBetween(own, done, held));
      gain -= laterShare * Math.max(0, sumFrom(more, Math.max(done, held)) - sumFrom(own, Math.max(done, held)));
    }
  }
  return {
    option,
    price,
    times,
    relievedMs,
    gain,
    riskBefore: largest(before),
    riskAfter: largest(after),
    riskTo,
    fits,
  };
}

/** An expected excess of this share of a node's capacity during one step weighs as much as one step of certain overload. */
const excessPerStep = 0.2;

/**
 * The same where no taker would stay calm: by how much the load beyond all capacities falls, in expected steps of overload. A sum that only falls brings no to and fro.
 */
export function weighExcess(picture: Picture, weighed: Weighed): Weighed {
  const { option, times, relievedMs } = weighed;
  const done = firstStepAfter(picture.input.grid, times.startMs + relievedMs);
  let gain = 0;
  for (const { node, delta } of changesBy(picture, option.fragment, option.next)) {
    if (delta > 0 && !mayExceedWith(picture, node, option.fragment, delta)) continue;
    gain += sumFrom(excessOf(picture, node), done) - sumFrom(excessWith(picture, node, option.fragment, delta), done);
  }
  gain -= whileCopying(picture, weighed, excessOf);
  return { ...weighed, gain: gain / excessPerStep, fits: true };
}

/** What the copying itself adds to the risk (or the excess) of both ends while it lasts. */
function whileCopying(
  picture: Picture,
  { option, price, times }: Pick<Weighed, "option" | "price" | "times">,
  measure: (picture: Picture, node: number, room?: number) => Float64Array,
): number {
  if (price.capacityShare === 0) return 0;
  const room = 1 - price.capacityShare;
  const shares = overlaps(picture.input.grid, times.startMs, times.startMs + price.lastsMs);
  return [option.from, option.to].reduce((sum, node) => {
    if (!mayExceed(picture, node, room)) return sum;
    const calm = measure(picture, node);
    const copying = measure(picture, node, room);
    return shares.reduce((total, share, step) => total + share * ((copying[step] ?? 0) - (calm[step] ?? 0)), sum);
  }, 0);
}

function sumFrom(values: Float64Array, first: number): number {
  let sum = 0;
  for (let at = first; at < values.length; at++) sum += values[at] ?? 0;
  return sum;
}
function sumBetween(values: Float64Array, first: number, end: number): number {
  return sumFrom(values.subarray(0, end), first);
}
