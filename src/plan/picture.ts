// Picture. Owns what a plan is made on: nodes with capacities, fragments with the places of their copies, and each node's load over the steps: summaries for all, whole
// matrices of samples for those that are looked at closely. Changing the place of a fragment costs steps × samples for a node that has a matrix, steps for another.
// PI1 where the sum of the fragments' tail means stays under the node's limit, the risk is at most the tail's share (tail means are subadditive): such a node needs no matrix.
// PI2 summaries and matrices always tell the same places. PI3 moves under way count as landed.

import type { FragmentId, NodeId } from "../protocol/subjects.js";
import type { Grid, Loads } from "./loads.js";

export interface PlanNode {
  readonly id: NodeId;
  /** "" = none. */
  readonly zone: string;
  /** In the unit of the loads; 0 or absurd = unknown: it keeps what it has, takes nothing, and is said to have none. */
  readonly capacity: number;
  /** May take more: up, neither draining nor leaving, with room on its disk. */
  readonly isOpen: boolean;
}

export interface PlanFragment {
  readonly id: FragmentId;
  /** Nodes with a ready copy, the primary first. */
  readonly places: readonly NodeId[];
  /** Of one copy. */
  readonly bytes: number;
  /** Share of its load that any copy may serve; absent: 0. */
  readonly spreadShare?: number;
  /** Share of its load that are writes; absent: half of what only the primary serves. */
  readonly writeShare?: number;
  /** So many of its copies a planner added for reads; absent: none. */
  readonly spare?: number;
  /** When it was last moved; absent: never. */
  readonly movedMs?: number;
  /** When it was last split, or joined with another; absent: never. */
  readonly cutMs?: number;
  /** Moving, splitting, without a serving primary: it is left alone. */
  readonly isBusy?: boolean;
  /** Holds more than one key; absent: yes. */
  readonly isSplittable?: boolean;
  /** The fragment behind it in its table, if a planner split it off. */
  readonly next?: FragmentId;
}

/** A move under way. */
export interface PromisedMove {
  readonly fragment: FragmentId;
  readonly from: NodeId;
  readonly to: NodeId;
  /** The primary role goes along. */
  readonly role: boolean;
  /** Bytes are copied: it counts against the budget of concurrent moves. */
  readonly copies: boolean;
}

export interface PictureInput {
  readonly nowMs: number;
  readonly grid: Grid;
  readonly nodes: readonly PlanNode[];
  readonly fragments: readonly PlanFragment[];
  readonly moves: readonly PromisedMove[];
  /** By the position in `fragments`. */
  readonly loads: Loads;
  /** Share of a load that a backup's applying of writes costs. */
  readonly applyShare: number;
  /** The policy's share of its capacity at which a node is full. */
  readonly fullShare: number;
  /** Samples whose mean is a fragment's tail: see `tailOf`. */
  readonly tail: number;
}

export const mostPlaces = 9;

/** Samples above a capacity that make a risk of more than `risk`. */
export function tailOf(risk: number, samples: number): number {
  return Math.min(samples, Math.floor(risk * samples) + 1);
}

export interface Picture {
  nowMs: number;
  readonly input: PictureInput;
  readonly steps: number;
  readonly samples: number;
  readonly nodes: readonly PlanNode[];
  readonly fragments: readonly PlanFragment[];
  readonly nodeAt: ReadonlyMap<NodeId, number>;
  readonly fragmentAt: ReadonlyMap<FragmentId, number>;
  /** [fragment × mostPlaces] nodes by position, the primary first. */
  readonly places: Int32Array;
  readonly copies: Uint8Array;
  /** Left alone: moving, or moved in this round. */
  readonly busy: Uint8Array;
  /** Fragments on each node. */
  readonly held: number[][];
  /** [node × steps] */
  readonly mean: Float64Array;
  readonly upper: Float64Array;
  /** [node] load of late. */
  readonly now: Float64Array;
  readonly matrices: Map<number, Float64Array>;
  /** What was worked out of a matrix, by node and question, until the node bears something else. */
  readonly worked: Map<number, Map<string, Float64Array>>;
  /** The policy's, until a plan asks what can be reached: see `setFullShare`. */
  fullShare: number;
  /** Bytes of all copies. */
  totalBytes: number;
  /** Paths of the fragments drawn last; and, as scratch, the summary of one. */
  readonly drawn: Map<number, Float32Array>;
  readonly summary: { fragment: number; readonly mean: Float32Array; readonly upper: Float32Array };
}

export function createPicture(input: PictureInput): Picture {
  const { nodes, fragments, loads, nowMs } = input;
  const { steps, samples } = loads;
  const picture: Picture = {
    nowMs,
    input,
    steps,
    samples,
    nodes,
    fragments,
    nodeAt: new Map(nodes.map(({ id }, at) => [id, at])),
    fragmentAt: new Map(fragments.map(({ id }, at) => [id, at])),
    places: new Int32Array(fragments.length * mostPlaces).fill(-1),
    copies: new Uint8Array(fragments.length),
    busy: new Uint8Array(fragments.length),
    held: nodes.map(() => []),
    mean: new Float64Array(nodes.length * steps),
    upper: new Float64Array(nodes.length * steps),
    now: new Float64Array(nodes.length),
    matrices: new Map(),
    worked: new Map(),
    fullShare: input.fullShare,
    totalBytes: 0,
    drawn: new Map(),
    summary: { fragment: -1, mean: new Float32Array(steps), upper: new Float32Array(steps) },
  };
  const landed = landings(input);
  for (let at = 0; at < fragments.length; at++) settle(picture, at, landed);
  return picture;
}

function landings({ moves }: PictureInput): ReadonlyMap<FragmentId, PromisedMove> {
  return new Map(moves.map((move) => [move.fragment, move]));
}

function settle(picture: Picture, at: number, landed: ReadonlyMap<FragmentId, PromisedMove>): void {
  const fragment = picture.fragments[at];
  if (fragment === undefined) return;
  const move = landed.get(fragment.id);
  const places = (move === undefined ? fragment.places : placesAfter(fragment.places, move))
    .flatMap((id) => picture.nodeAt.get(id) ?? [])
    .slice(0, mostPlaces);
  picture.busy[at] = fragment.isBusy === true || move !== undefined || places.length === 0 ? 1 : 0;
  put(picture, at, places);
}

/** Where the copies will be when the move is done. */
export function placesAfter(places: readonly NodeId[], { from, to, role, copies }: PromisedMove): readonly NodeId[] {
  const [primary] = places;
  const kept = places.filter((node) => node !== to && !(copies && node === from));
  return role || primary === from ? [to, ...kept] : [...kept, to];
}

/** The bytes of one copy; absurd ones count as none. */
export function bytesOf({ fragments }: Picture, at: number): number {
  const bytes = fragments[at]?.bytes ?? 0;
  return bytes >= 0 && bytes < 2 ** 53 ? bytes : 0;
}

export function capacityOf({ nodes }: Picture, node: number): number {
  const capacity = nodes[node]?.capacity ?? 0;
  return capacity > 0 && capacity < 1e15 ? capacity : 0;
}

/** The load at which it is full. */
export function limitOf(picture: Picture, node: number): number {
  return capacityOf(picture, node) * picture.fullShare;
}

/** Nodes cannot all be exactly as full as all together are. */
const unevenness = 1.05;

/**
 * Share of a capacity at which a node is full: the policy's; or, where the nodes will be fuller than that all together, what each would bear if the load were evened
 * out. Below that no moving of data can bring all of them, and trying costs them what they lack.
 */
export function setFullShare(picture: Picture): void {
  const { steps, nodes, mean, input } = picture;
  const sums = new Float64Array(steps);
  let capacity = 0;
  nodes.forEach((_, node) => {
    if (!mayBear(picture, node)) return;
    capacity += capacityOf(picture, node);
    for (let step = 0; step < steps; step++) sums[step] = (sums[step] ?? 0) + (mean[node * steps + step] ?? 0);
  });
  const evened = capacity === 0 ? 0 : Math.max(0, ...sums) / capacity;
  const share = evened <= input.fullShare ? input.fullShare : Math.min(1, evened * unevenness);
  if (share === picture.fullShare) return;
  picture.fullShare = share;
  picture.worked.clear();
}

/** At least half of what the node bears now is of fragments with a forecast that is believed. */
export function isForeseen(picture: Picture, node: number): boolean {
  const { loads } = picture.input;
  let foreseen = 0;
  for (const fragment of picture.held[node] ?? [])
    if (loads.isForecast(fragment)) foreseen += loads.now(fragment) * weightOn(picture, fragment, node);
  return foreseen * 2 >= (picture.now[node] ?? 0);
}

/** May be given load: open, and what it bears is known. */
export function mayBear(picture: Picture, node: number): boolean {
  return picture.nodes[node]?.isOpen === true && capacityOf(picture, node) > 0;
}

export function placesOf({ places, copies }: Picture, at: number): number[] {
  return Array.from(places.subarray(at * mostPlaces, at * mostPlaces + (copies[at] ?? 0)));
}

export function primaryOf({ places }: Picture, at: number): number {
  return places[at * mostPlaces] ?? -1;
}

/** Share of the fragment's load that falls on its copy at `place` (0 = the primary) of `count`. */
export function weightOf({ fragments, input }: Picture, at: number, place: number, count: number): number {
  const { spreadShare = 0, writeShare = 0.5 * (1 - unit(spreadShare)) } = fragments[at] ?? {};
  const spread = unit(spreadShare) / Math.max(1, count);
  return place === 0 ? 1 - spread * (count - 1) : spread + unit(writeShare) * input.applyShare;
}

function unit(share: number): number {
  return share >= 0 && share <= 1 ? share : 0;
}

/** The share of it that `node` bears as things are. */
export function weightOn(picture: Picture, at: number, node: number): number {
  const count = picture.copies[at] ?? 0;
  for (let place = 0; place < count; place++)
    if (picture.places[at * mostPlaces + place] === node) return weightOf(picture, at, place, count);
  return 0;
}

export interface Change {
  readonly node: number;
  /** Share of the fragment's load that comes (or goes). */
  readonly delta: number;
}

/** What other places of a fragment would change, node by node. */
export function changesBy(picture: Picture, at: number, next: readonly number[]): Change[] {
  const before = placesOf(picture, at);
  const changes = new Map<number, number>();
  before.forEach((node, place) => {
    changes.set(node, -weightOf(picture, at, place, before.length));
  });
  next.forEach((node, place) => {
    changes.set(node, (changes.get(node) ?? 0) + weightOf(picture, at, place, next.length));
  });
  return [...changes].filter(([, delta]) => Math.abs(delta) > 1e-12).map(([node, delta]) => ({ node, delta }));
}

/** The fragment's copies are at `next` in what a plan looks at from now on. */
export function place(picture: Picture, at: number, next: readonly number[]): void {
  const before = placesOf(picture, at);
  for (const { node, delta } of changesBy(picture, at, next)) bear(picture, at, node, delta);
  for (const node of before) if (!next.includes(node)) drop(picture.held[node], at);
  for (const node of next) if (!before.includes(node)) picture.held[node]?.push(at);
  write(picture, at, next);
}

function put(picture: Picture, at: number, places: readonly number[]): void {
  write(picture, at, places);
  places.forEach((node, place) => {
    picture.held[node]?.push(at);
    bear(picture, at, node, weightOf(picture, at, place, places.length));
  });
}

/** Where the copies are, and nothing of what nodes bear by it. */
export function write(picture: Picture, at: number, next: readonly number[]): void {
  const { places, copies } = picture;
  picture.totalBytes += bytesOf(picture, at) * (next.length - (copies[at] ?? 0));
  places.fill(-1, at * mostPlaces, (at + 1) * mostPlaces);
  places.set(next, at * mostPlaces);
  copies[at] = next.length;
}

function drop(held: number[] | undefined, at: number): void {
  const index = held?.indexOf(at) ?? -1;
  if (index >= 0) held?.splice(index, 1);
}

/** On top of what the node bears: its shares of these fragments. */
export function bearAll(picture: Picture, node: number, fragments: readonly number[]): void {
  for (const at of fragments) bear(picture, at, node, weightOn(picture, at, node));
}

function bear(picture: Picture, at: number, node: number, share: number): void {
  const { steps, mean, upper, now, matrices, worked, input } = picture;
  worked.delete(node);
  const { mean: ownMean, upper: ownUpper } = summaryOf(picture, at);
  const row = node * steps;
  for (let step = 0; step < steps; step++) {
    mean[row + step] = (mean[row + step] ?? 0) + share * (ownMean[step] ?? 0);
    upper[row + step] = (upper[row + step] ?? 0) + share * (ownUpper[step] ?? 0);
  }
  now[node] = (now[node] ?? 0) + share * input.loads.now(at);
  const matrix = matrices.get(node);
  if (matrix !== undefined) addTo(matrix, pathsOf(picture, at), share);
}

function addTo(matrix: Float64Array, paths: Float32Array, share: number): void {
  for (let at = 0; at < matrix.length; at++) matrix[at] = (matrix[at] ?? 0) + share * (paths[at] ?? 0);
}

/** Fragments whose paths are kept: those that are weighed against each other. */
const drawnKept = 128;

/** [step × samples]; not to be changed, and not to be kept. */
export function pathsOf({ drawn, steps, samples, input }: Picture, at: number): Float32Array {
  const known = drawn.get(at);
  if (known !== undefined) return known;
  let paths: Float32Array | undefined;
  if (drawn.size >= drawnKept)
    for (const [oldest, used] of drawn) {
      drawn.delete(oldest);
      paths = used;
      break;
    }
  paths ??= new Float32Array(steps * samples);
  input.loads.draw(at, paths);
  drawn.set(at, paths);
  return paths;
}

/** An answer from a node's matrix, worked out once. */
export function workedOut(picture: Picture, node: number, question: string, work: () => Float64Array): Float64Array {
  let answers = picture.worked.get(node);
  if (answers === undefined) {
    answers = new Map();
    picture.worked.set(node, answers);
  }
  const known = answers.get(question);
  if (known !== undefined) return known;
  const answer = work();
  answers.set(question, answer);
  return answer;
}

/** Valid until the next fragment is asked for. */
export function summaryOf({ summary, input }: Picture, at: number): { mean: Float32Array; upper: Float32Array } {
  if (summary.fragment !== at) {
    input.loads.summarise(at, input.tail, summary.mean, summary.upper);
    summary.fragment = at;
  }
  return summary;
}

const matricesKept = 4096;

/** [step × samples] of all that the node bears; made when first asked for. */
export function matrixOf(picture: Picture, node: number): Float64Array {
  const known = picture.matrices.get(node);
  if (known !== undefined) return known;
  const matrix = new Float64Array(picture.steps * picture.samples);
  for (const at of picture.held[node] ?? []) addTo(matrix, pathsOf(picture, at), weightOn(picture, at, node));
  for (const [oldest] of picture.matrices) {
    if (picture.matrices.size < matricesKept) break;
    picture.matrices.delete(oldest);
  }
  picture.matrices.set(node, matrix);
  return matrix;
}
