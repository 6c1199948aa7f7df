// Reactive. Owns the relief of nodes that have too much load now, by thresholds with a gap between them, in the manner of CockroachDB's store rebalancer and TiKV's hot
// regions: roles first, then copies, always to the node with the least for its capacity. It knows no forecast; where one is known it only keeps away from known peaks.
// RE1 every transfer lowers the larger utilisation of its two ends: nothing goes to and fro. RE2 below the thresholds nothing moves. RE3 budget and cool-downs hold.

import type { Board } from "./board.js";
import { handOversOf, moveOf, type Option } from "./options.js";
import { bytesOf, capacityOf, changesBy, isForeseen, type Picture, weightOn } from "./picture.js";
import { priceOf } from "./price.js";
import { excessOf, excessWith, mayExceedWith } from "./risk.js";
import { loadText } from "./words.js";

const fragmentsTried = 32;
const takersTried = 4;
const transfersPerNode = 16;
/** What is less is rounding. */
const leastGrowth = 1e-6;
const surprise = 1 + 1e-6;

export interface ReactiveRules {
  /**
   * Beside a forecast: a node whose load is foreseen is relieved only when it is overloaded, or nearly so by more than anybody foresaw; one whose load mostly is not
   * foreseen by the usual thresholds. And what is foreseen beyond all capacities must not grow.
   */
  readonly mindsForecast: boolean;
}

export function react(board: Board, { mindsForecast }: ReactiveRules): void {
  const { picture, policy } = board;
  const open = picture.nodes.flatMap(({ isOpen }, node) => (isOpen && capacityOf(picture, node) > 0 ? [node] : []));
  const capacity = open.reduce((sum, node) => sum + capacityOf(picture, node), 0);
  if (capacity === 0) return;
  const mean = open.reduce((sum, node) => sum + (picture.now[node] ?? 0), 0) / capacity;
  const { hotExcess, calmExcess, floorShare, overloadShare } = policy.reactive;
  const hot = Math.min(overloadShare, Math.max(floorShare, (1 + hotExcess) * mean));
  const calm = (1 + calmExcess) * mean;
  const hotOnes = picture.nodes
    .map((_, node) => node)
    .filter((node) => utilisation(picture, node) > hot)
    .filter((node) => !mindsForecast || !isForeseen(picture, node) || isSurprise(picture, node, overloadShare))
    .sort((a, b) => utilisation(picture, b) - utilisation(picture, a) || a - b);
  if (mean > overloadShare && hotOnes.length > 0) sayAll(board, mean);
  for (const node of hotOnes) relieve(board, node, { mean, calm: Math.max(calm, floorShare), open, mindsForecast });
}

function sayAll(board: Board, mean: number): void {
  const text = `the nodes bear ${Math.round(mean * 100)} % of their capacity together; moving data cannot help, add nodes`;
  if (!board.findings.some(({ kind }) => kind === "allOverloaded"))
    board.find({ kind: "allOverloaded", node: "", fragment: -1, text });
}

/** Full beyond its capacity, or nearly so and beyond the tail of what was foreseen. */
function isSurprise(picture: Picture, node: number, overloadShare: number): boolean {
  const use = utilisation(picture, node);
  return (
    use > surprise ||
    (use > overloadShare && (picture.now[node] ?? 0) > surprise * (picture.upper[node * picture.steps] ?? 0))
  );
}

function utilisation(picture: Picture, node: number): number {
  const capacity = capacityOf(picture, node);
  return capacity === 0 ? 0 : (picture.now[node] ?? 0) / capacity;
}

interface Aim extends ReactiveRules {
  readonly mean: number;
  readonly calm: number;
  readonly open: readonly number[];
}

function relieve(board: Board, node: number, aim: Aim): void {
  const { picture } = board;
  for (let done = 0; done < transfersPerNode && utilisation(picture, node) > aim.calm; done++) {
    const option = choose(board, node, aim);
    if (option === undefined) return;
    carryOut(board, option, aim);
  }
}

function choose(board: Board, node: number, aim: Aim): Option | undefined {
  const { picture } = board;
  const tried = busiest(picture, node);
  const takers = [...aim.open].sort((a, b) => utilisation(picture, a) - utilisation(picture, b) || a - b);
  return (
    tried.flatMap((fragment) => emptiestFirst(picture, handOversOf(picture, fragment, node))).find(admissible) ??
    tried
      .flatMap((fragment) => takers.slice(0, takersTried).flatMap((to) => moveOf(picture, fragment, node, to) ?? []))
      .find(admissible)
  );

  function admissible(option: Option): boolean {
    const why = board.mayNotMove(option.fragment, "present") ?? objection(board, option, aim);
    if (why !== undefined) board.reject(option, why);
    return why === undefined;
  }
}

function emptiestFirst(picture: Picture, options: Option[]): Option[] {
  return options.sort((a, b) => utilisation(picture, a.to) - utilisation(picture, b.to) || a.to - b.to);
}

/** The largest first: fewest transfers. */
function busiest(picture: Picture, node: number): number[] {
  const { loads } = picture.input;
  return (picture.held[node] ?? [])
    .map((fragment) => ({ fragment, load: loads.now(fragment) * weightOn(picture, fragment, node) }))
    .filter(({ fragment, load }) => load > 0 && picture.busy[fragment] === 0)
    .sort((a, b) => b.load - a.load || a.fragment - b.fragment)
    .slice(0, fragmentsTried)
    .map(({ fragment }) => fragment);
}

function objection(board: Board, option: Option, { calm, mean, mindsForecast }: Aim): string | undefined {
  const { picture, policy } = board;
  const now = picture.input.loads.now(option.fragment);
  const before = utilisation(picture, option.from);
  for (const { node, delta } of changesBy(picture, option.fragment, option.next)) {
    if (delta <= 0) continue;
    const capacity = capacityOf(picture, node);
    const after = ((picture.now[node] ?? 0) + delta * now) / Math.max(capacity, 1e-9);
    const isBetter = after < before - policy.reactive.hotExcess * mean;
    if (capacity === 0 || !isBetter || after > Math.max(calm, before - (now * delta) / capacity))
      return `${picture.nodes[node]?.id} would be as full as the one that gives`;
  }
  if (mindsForecast && foreseenGrowth(picture, option) > leastGrowth)
    return `${picture.nodes[option.to]?.id} is foreseen to need that room itself`;
  const bytes = option.kind === "handOver" ? 0 : bytesOf(picture, option.fragment);
  return board.purse.lacks(bytes, option.kind !== "handOver", [option.from, option.to]);
}

/** By how much the load that is foreseen beyond all capacities grows. */
function foreseenGrowth(picture: Picture, { fragment, next }: Option): number {
  const changes = changesBy(picture, fragment, next);
  if (changes.every(({ node, delta }) => delta <= 0 || !mayExceedWith(picture, node, fragment, delta))) return 0;
  const sumOf = (steps: Float64Array): number => steps.reduce((sum, excess) => sum + excess, 0);
  return changes.reduce(
    (sum, { node, delta }) => sum + sumOf(excessWith(picture, node, fragment, delta)) - sumOf(excessOf(picture, node)),
    0,
  );
}

function carryOut(board: Board, option: Option, { mean }: Aim): void {
  const { picture, policy } = board;
  const price = priceOf(option.strategy, option.kind === "handOver" ? 0 : bytesOf(picture, option.fragment), policy);
  const percent = (node: number): string => `${Math.round(utilisation(picture, node) * 100)} %`;
  const id = (node: number): string => picture.nodes[node]?.id ?? "";
  const load = picture.input.loads.now(option.fragment) * weightOn(picture, option.fragment, option.from);
  const before = percent(option.from);
  board.relocate(option.fragment, option.next);
  const why = `${id(option.from)} bears ${before} of its capacity now, the mean is ${Math.round(mean * 100)} %: ${loadText(load)} go to ${id(option.to)}, which leaves ${percent(option.from)} and ${percent(option.to)}`;
  const times = { startMs: 0, deadlineMs: 0, isLate: false };
  board.act(option, { price, times, gain: 0, riskBefore: 0, riskAfter: 0, riskTo: 0 }, "present", why);
}
