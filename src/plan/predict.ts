// Predict. Owns the relief of nodes whose load is foreseen to exceed their capacity: the cheapest set of actions that brings the risk down, in the order
// hand-over, move of a copy, split, one more copy for reads. Whatever is chosen is applied to the picture at once, so that the next choice sees it.
// PD1 a taker's risk stays below the calm bound until the fragment may move on: what is mended here breaks nothing there; where no taker stays calm, one may be given what
//     it risks at most half as much by; and where every taker would risk more, what is to be expected beyond all limits together falls: the fuller ones give to the emptier
//     ones, and never back. PD2 where nothing helps nothing is done, and it is said.
// PD3 an action averts at least `minimumGain`; a copy also `minimumGainPerGib`. PD4 no fragment moves twice within its cool-down.

import type { Board } from "./board.js";
import { copyOf, handOversOf, moveOf, type Option, type Weighed, weigh, weighExcess } from "./options.js";
import {
  capacityOf,
  changesBy,
  isForeseen,
  limitOf,
  mayBear,
  type Picture,
  placesOf,
  primaryOf,
  summaryOf,
  weightOn,
} from "./picture.js";
import { beginOf } from "./price.js";
import { isAtRisk, largest, mayExceed, mayExceedWith, quantileAt, riskOf } from "./risk.js";
import { strainOf } from "./strain.js";
import { chanceText, loadText, whenText } from "./words.js";

const fragmentsTried = 24;
const fragmentsEvened = 10;
const takersTried = 6;
const calmTried = 2;
const actionsPerNode = 16;
const rejectionsPerNode = 4;
const gib = 2 ** 30;

interface Threat {
  readonly node: number;
  readonly risks: Float64Array;
  readonly first: number;
}

export function predict(board: Board): void {
  const { picture, policy } = board;
  const threats: Threat[] = [];
  for (let node = 0; node < picture.nodes.length; node++) {
    // What nobody foresees with any right is the present's: it is relieved as a reactive system would (I12).
    if (!mayExceed(picture, node) || !isAtRisk(picture, node, policy.risk) || !isForeseen(picture, node)) continue;
    const risks = riskOf(picture, node);
    board.before.set(node, risks);
    const first = risks.findIndex((risk) => risk > policy.risk);
    if (first >= 0) threats.push({ node, risks, first });
  }
  threats.sort((a, b) => a.first - b.first || largest(b.risks) - largest(a.risks) || a.node - b.node);
  if (threats.length > 0 && allThreatened(picture, threats)) sayAll(board, threats);
  for (const threat of threats) relieve(board, threat);
}

function allThreatened(picture: Picture, threats: readonly Threat[]): boolean {
  const threatened = new Set(threats.map(({ node }) => node));
  return picture.nodes.every((_, node) => !mayBear(picture, node) || threatened.has(node));
}

function sayAll(board: Board, threats: readonly Threat[]): void {
  const { picture, policy } = board;
  const step = Math.min(...threats.map(({ first }) => first));
  let wanted = 0;
  let there = 0;
  picture.nodes.forEach((_, node) => {
    wanted += quantileAt(picture, node, step, 1 - policy.risk);
    there += limitOf(picture, node);
  });
  const text = `every node that may take load will exceed its capacity ${whenText(board, step)}: about ${loadText(wanted)} are wanted, ${loadText(there)} are there; moving data cannot help, add nodes`;
  board.find({ kind: "allOverloaded", node: "", fragment: -1, text });
}

function relieve(board: Board, threat: Threat): void {
  const { picture, policy } = board;
  let risks = threat.risks;
  let relieved = 0;
  while (relieved < actionsPerNode && largest(risks) > policy.risk * (relieved === 0 ? 1 : policy.calmShare)) {
    const chosen = choose(board, threat.node, risks);
    if (chosen === undefined) break;
    carryOut(board, chosen, risks, threat);
    relieved++;
    risks = riskOf(picture, threat.node);
  }
  if (largest(risks) > policy.risk) lastResorts(board, threat, risks);
}

/** The best admissible option of the cheapest kind that has one; where none leaves its taker calm, the one that lessens most. */
function choose(board: Board, node: number, risks: Float64Array): Weighed | undefined {
  const tried = hottest(board.picture, node, risks, board.policy.risk);
  const handOvers = tried.flatMap((fragment) => handOversOf(board.picture, fragment, node));
  const handOver = best(board, handOvers, risks, false);
  if (handOver?.fits === true) return handOver;
  const takers = roomiest(board, node, risks);
  const moves = tried.flatMap((fragment) => movesOf(board.picture, fragment, node, takers));
  const move = best(board, moves, risks, false);
  if (move?.fits === true || (move !== undefined && handOver === undefined)) return move;
  if (handOver !== undefined) return move !== undefined && isBetter(board, move, handOver) ? move : handOver;
  const some = new Set(tried.slice(0, fragmentsEvened));
  const few = ({ fragment }: Option): boolean => some.has(fragment);
  return best(board, handOvers.filter(few), risks, true) ?? best(board, moves.filter(few), risks, true);
}

/** To the first takers that surely stay calm, of which no closer look is needed and one is as good as another; to all of them where there is none. */
function movesOf(picture: Picture, fragment: number, from: number, takers: readonly number[]): Option[] {
  const options = takers.flatMap((to) => moveOf(picture, fragment, from, to) ?? []);
  const calm: Option[] = [];
  for (const option of options) {
    if (calm.length >= calmTried) break;
    const isCalm = changesBy(picture, fragment, option.next).every(
      ({ node, delta }) => delta <= 0 || !mayExceedWith(picture, node, fragment, delta),
    );
    if (isCalm) calm.push(option);
  }
  return calm.length > 0 ? calm : options;
}

/** `evens`: every taker would risk much; that the excess of all together falls will do. */
function best(board: Board, options: readonly Option[], risks: Float64Array, evens: boolean): Weighed | undefined {
  let found: Weighed | undefined;
  let rejected = 0;
  for (const option of options) {
    const tooSoon = board.mayNotMove(option.fragment, "forecast");
    const usual = tooSoon === undefined ? hurried(board, option, risks) : undefined;
    const weighed = usual !== undefined && evens ? weighExcess(board.picture, usual) : usual;
    const why = tooSoon ?? (weighed === undefined ? undefined : objection(board, weighed));
    if (why !== undefined) {
      if (!evens && rejected++ < rejectionsPerNode) board.reject(option, why);
    } else if (weighed !== undefined && (found === undefined || isBetter(board, weighed, found))) found = weighed;
  }
  return found;
}

/** A copy that would come too late takes the role first and the rows after, if that averts more; so does one that would overload its ends, if that spares them. */
function hurried(board: Board, option: Option, risks: Float64Array): Weighed {
  const usual = weigh(board.picture, option, risks, board.policy);
  if (option.kind !== "moveReplica" || !option.role) return usual;
  const isStrained = strainOf(board.picture, board.purse, usual) !== undefined;
  if (!usual.times.isLate && !isStrained) return usual;
  const atOnce = weigh(board.picture, { ...option, strategy: "copy-on-write" }, risks, board.policy);
  if (isStrained) return strainOf(board.picture, board.purse, atOnce) === undefined ? atOnce : usual;
  return atOnce.gain > usual.gain ? atOnce : usual;
}

/** A taker that is not left calm must at least risk this much less than what is relieved. */
const lessShare = 0.5;

function objection({ policy, purse, picture }: Board, weighed: Weighed): string | undefined {
  const { option, price, gain, fits, riskBefore, riskTo } = weighed;
  const taker = picture.nodes[option.to]?.id ?? "";
  if (!fits && riskTo > lessShare * riskBefore)
    return `${taker} would exceed its own capacity with probability ${chanceText(riskTo)}`;
  if (gain < policy.minimumGain)
    return `it averts only ${gain.toFixed(2)} expected steps of overload; ${policy.minimumGain} is the least`;
  if ((gain * gib) / Math.max(1, price.bytes) < policy.minimumGainPerGib)
    return `it copies ${(price.bytes / gib).toFixed(1)} GiB to avert ${gain.toFixed(2)} expected steps of overload, which is too much for the gain`;
  const strain = strainOf(picture, purse, weighed);
  if (strain !== undefined)
    return `copying would bring ${strain.harm.toFixed(2)} expected steps of overload to nodes that are nearly full, and avert ${strain.averted.toFixed(2)} later`;
  if (weighed.times.startMs > 0) return undefined;
  return purse.lacks(price.bytes, option.kind !== "handOver", [option.from, option.to]);
}

/** A calm taker beats another; where nodes are emptied, one that is in use beats an empty one; enough beats not enough; then the smaller of two that are enough, and the one that averts more of two that are not. */
function isBetter({ picture, policy }: Board, one: Weighed, other: Weighed): boolean {
  const isEnough = ({ riskAfter }: Weighed): boolean => riskAfter <= policy.risk * policy.calmShare;
  const isNeeded = ({ option }: Weighed): boolean => (picture.held[option.to]?.length ?? 0) > 0;
  if (one.fits !== other.fits) return one.fits;
  if (policy.consolidation.act && isNeeded(one) !== isNeeded(other)) return isNeeded(one);
  if (isEnough(one) !== isEnough(other)) return isEnough(one);
  const worth = ({ gain, price }: Weighed): number => gain / (1 + price.bytes / gib);
  const difference = worth(one) - worth(other);
  return Math.abs(difference) > 1e-9 ? difference > 0 : one.riskTo < other.riskTo;
}

/** `85 (85 % of 100)`. */
function limitText(picture: Picture, node: number): string {
  const { fullShare } = picture;
  const limit = loadText(limitOf(picture, node));
  return fullShare === 1
    ? limit
    : `${limit} (${Math.round(fullShare * 100)} % of ${loadText(capacityOf(picture, node))})`;
}

function carryOut(board: Board, weighed: Weighed, risks: Float64Array, { node, first }: Threat): void {
  board.noteBefore(weighed.option.to);
  board.act(weighed.option, weighed, "forecast", reason(board, weighed, risks, node, first));
}

function reason(board: Board, weighed: Weighed, risks: Float64Array, node: number, first: number): string {
  const { picture, policy } = board;
  const { option, riskAfter, riskTo } = weighed;
  const id = (at: number): string => picture.nodes[at]?.id ?? "";
  const worst = risks.indexOf(largest(risks));
  const load = quantileAt(picture, node, worst, 1 - policy.risk);
  const share = weightOn(picture, option.fragment, node);
  const own = share * (summaryOf(picture, option.fragment).upper[worst] ?? 0);
  return `${id(node)} would exceed ${limitText(picture, node)} from ${whenText(board, first)} with probability ${chanceText(largest(risks))} (bound ${policy.risk}; ${Math.round((1 - policy.risk) * 100)} % quantile ${loadText(load)}); this takes up to ${loadText(own)} off: ${chanceText(riskAfter)} there, ${chanceText(riskTo)} on ${id(option.to)}`;
}

/** Fragments that weigh most in the steps at risk. */
function hottest(picture: Picture, node: number, risks: Float64Array, bound: number): number[] {
  const critical = criticalSteps(risks, bound);
  const weights = (picture.held[node] ?? []).map((fragment) => {
    const { upper } = summaryOf(picture, fragment);
    const load = critical.reduce((sum, step) => sum + (upper[step] ?? 0), 0);
    return { fragment, load: load * weightOn(picture, fragment, node) };
  });
  return weights
    .filter(({ fragment, load }) => load > 0 && picture.busy[fragment] === 0)
    .sort((a, b) => b.load - a.load || a.fragment - b.fragment)
    .slice(0, fragmentsTried)
    .map(({ fragment }) => fragment);
}

function criticalSteps(risks: Float64Array, bound: number): number[] {
  const steps: number[] = [];
  const least = Math.min(bound, largest(risks) / 2);
  risks.forEach((risk, step) => {
    if (risk > least) steps.push(step);
  });
  return steps;
}

/** Nodes with most room in the steps at risk, and over all steps; where nodes are emptied, of the empty ones the first alone. */
function roomiest({ picture, policy }: Board, from: number, risks: Float64Array): number[] {
  const { steps, upper } = picture;
  const critical = criticalSteps(risks, policy.risk);
  const found: { node: number; room: number }[] = [];
  let empty = 0;
  for (let node = 0; node < picture.nodes.length; node++) {
    if (node === from || !mayBear(picture, node)) continue;
    if (policy.consolidation.act && picture.held[node]?.length === 0 && empty++ > 0) continue;
    const capacity = limitOf(picture, node);
    let room = Number.POSITIVE_INFINITY;
    for (const step of critical) room = Math.min(room, capacity - (upper[node * steps + step] ?? 0));
    const least = found.length < takersTried ? Number.NEGATIVE_INFINITY : (found.at(-1)?.room ?? 0);
    if (room <= least) continue;
    if (found.length >= takersTried) found.pop();
    const at = found.findIndex((other) => other.room < room);
    found.splice(at < 0 ? found.length : at, 0, { node, room });
  }
  return found.map(({ node }) => node);
}

/** When nothing can be moved: a fragment that is too large for any node is split, or spread by copies that answer reads; else it is said. */
function lastResorts(board: Board, threat: Threat, risks: Float64Array): void {
  const { picture, policy } = board;
  const { node, first } = threat;
  const id = picture.nodes[node]?.id ?? "";
  const [largestOne] = hottest(picture, node, risks, policy.risk);
  const tooLarge = largestOne === undefined ? false : fitsNowhere(board, largestOne, risks);
  if (largestOne === undefined || !tooLarge) {
    const text = `${id} will exceed its capacity ${whenText(board, first)} with probability ${chanceText(largest(risks))}, and nothing that may be done now averts enough; see what was rejected`;
    board.find({ kind: "nowhere", node: id, fragment: -1, text });
    return;
  }
  if (split(board, threat, risks, largestOne)) return;
  if (spread(board, threat, risks, largestOne)) return;
  const fragment = picture.fragments[largestOne];
  const why =
    fragment?.isSplittable === false
      ? "it cannot be split further: one key has nearly all of its load"
      : policy.splits
        ? (board.mayNotCut(largestOne) ?? "no half of it would fit anywhere")
        : "splits are switched off by the policy";
  board.find({
    kind: fragment?.isSplittable === false ? "cannotSplit" : "tooHot",
    node: id,
    fragment: fragment?.id ?? -1,
    text: `fragment ${fragment?.id} needs more than any node has left (${loadText(largest(summaryOf(picture, largestOne).upper))}); ${why}. Its clients are held back by admission control`,
  });
}

function fitsNowhere({ picture }: Board, fragment: number, risks: Float64Array): boolean {
  const share = weightOn(picture, fragment, primaryOf(picture, fragment));
  return !hasRoom(picture, fragment, share, risks);
}

function hasRoom(picture: Picture, fragment: number, share: number, risks: Float64Array): boolean {
  const { upper } = summaryOf(picture, fragment);
  const critical = criticalSteps(risks, 0);
  return picture.nodes.some((_, node) => {
    const capacity = limitOf(picture, node);
    if (!mayBear(picture, node) || node === primaryOf(picture, fragment)) return false;
    return critical.every(
      (step) => (picture.upper[node * picture.steps + step] ?? 0) + share * (upper[step] ?? 0) <= capacity,
    );
  });
}

function split(board: Board, { node, first }: Threat, risks: Float64Array, fragment: number): boolean {
  const { picture, policy } = board;
  const share = weightOn(picture, fragment, node) / 2;
  if (!policy.splits || board.mayNotCut(fragment) !== undefined) return false;
  if (picture.fragments[fragment]?.isSplittable === false || !hasRoom(picture, fragment, share, risks)) return false;
  const why = `${picture.nodes[node]?.id} would exceed ${limitText(picture, node)} from ${whenText(board, first)} with probability ${chanceText(largest(risks))}, and this fragment is too hot to fit elsewhere; its halves do`;
  board.split(fragment, node, largest(risks), beginOf(picture.input.grid, first), "forecast", why);
  return true;
}

function spread(board: Board, { node, first }: Threat, risks: Float64Array, fragment: number): boolean {
  const { picture, policy } = board;
  const places = placesOf(picture, fragment);
  const { spreadShare = 0 } = picture.fragments[fragment] ?? {};
  if (!policy.readReplicas || spreadShare <= 0 || places.length >= policy.mostReplicas) return false;
  if (board.mayNotMove(fragment, "forecast") !== undefined) return false;
  const takers = roomiest(board, node, risks);
  const options = takers.flatMap((to) => copyOf(picture, fragment, node, to) ?? []);
  const chosen = best(board, options, risks, false);
  if (chosen === undefined) return false;
  carryOut(board, chosen, risks, { node, risks, first });
  return true;
}
