// Planner. Owns the leader's rounds of planning: what is known goes in, what is to begin now becomes moves, splits and copies like those an operator asks for.
// LP1 without forecasters, capacities or load it keeps still. LP2 a round begins only when all nodes have reported: half a picture is none. LP3 a shadow acts on nothing.
// LP4 where it acts, roles and copies are not evened out by count behind its back (`rules`).
// Parts: `plan/foresight` (forecasts as loads), `plan/begin` (actions as events), `plan/judge` (afterwards), `plan/told` (for people).

import { limits } from "../../src/config/limits.js";
import type { Effects } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import type { Context } from "../../src/kernel/machine.js";
import { areNeighbours, isReshaping } from "../../src/ledger/fold.js";
import type { Move } from "../../src/ledger/move.js";
import type { ClusterView, FragmentView } from "../../src/ledger/view.js";
import type { Mix } from "../../src/load/mix.js";
import { type Advice, advise } from "../../src/plan/advise.js";
import type { PlanFragment, PlanNode, PromisedMove } from "../../src/plan/picture.js";
import { type Plan, type PlanInput, pictureOf, planRound } from "../../src/plan/plan.js";
import { defaultPolicy, type Policy } from "../../src/plan/policy.js";
import { decodeNews } from "../../src/protocol/forecast-codec.js";
import { type Board, createBoard } from "../forecaster/board.js";
import { capacityOf, isFull } from "./capacity.js";
import type { Draft } from "./draft.js";
import { beginActions, plannerName } from "./plan/begin.js";
import { type Foresight, foresee, stepsAt } from "./plan/foresight.js";
import { judgeMoves } from "./plan/judge.js";
import type { LeaderState } from "./state.js";

/** Long enough after an election for all nodes to have told what they hold. */
const settledMs = 5000;
const keepForecastsMs = 3 * 3_600_000;
/** Below this share of the capacity there is nothing to plan for: counts decide. */
const restShare = 0.05;

export interface Round {
  readonly plan: Plan;
  readonly input: PlanInput;
  readonly foresight: Foresight;
  readonly policy: Policy;
}

/** What a leader remembers between rounds; nothing of it is needed by the next leader. */
export interface PlannerMemory {
  board: Board;
  slotMs: readonly number[];
  nextAtMs: number;
  last: Round | undefined;
  /** When the planner last began to move a fragment, and to split or join it: more than the ledger remembers of the past. */
  readonly begun: Map<number, number>;
  readonly cut: Map<number, number>;
  /** What the load of each fragment consists of, as its primary told last: a new one has to see some of it first. */
  readonly mixes: Map<number, Mix>;
  /** Why there is no plan, for people. */
  silence: string;
}

export function createPlannerMemory(): PlannerMemory {
  return {
    board: createBoard(limits.forecastsKnown),
    slotMs: [],
    nextAtMs: 0,
    last: undefined,
    begun: new Map(),
    cut: new Map(),
    mixes: new Map(),
    silence: "no round of planning yet",
  };
}

export function policyOf({ policy }: ClusterView): Policy {
  return policy?.policy ?? defaultPolicy;
}

/** News of forecasts; only a leader listens. */
export function hearForecasts({ planner }: LeaderState, body: unknown, { nowMs }: Context): Effects {
  const news = decodeNews(body);
  if (!news.ok) return none;
  planner.slotMs = news.value.slotMs;
  planner.board.post(news.value, nowMs);
  return none;
}

/** May roles and copies be evened out by count? Not where the planner placed them by load. */
export function evensOutByCount({ planner }: LeaderState, view: ClusterView, wallMs: number): boolean {
  const policy = policyOf(view);
  if (policy.mode === "static" || policy.mode === "shadow") return true;
  const lately = view.pastMoves.some(({ cause, endedMs }) => cause === "plan" && wallMs - endedMs < policy.horizonMs);
  const now = [...view.moves.values()].some(({ cause }) => cause === "plan");
  if (lately || now || policy.consolidation.act) return false;
  const { last } = planner;
  if (last === undefined) return true;
  const capacity = last.input.nodes.reduce((sum, node) => sum + (node.isOpen ? node.capacity : 0), 0);
  return last.foresight.nowTotal < restShare * capacity;
}

export function planAhead(state: LeaderState, draft: Draft, context: Context): void {
  const { planner } = state;
  if (context.nowMs < planner.nextAtMs) return;
  const policy = policyOf(draft.view);
  planner.nextAtMs = context.nowMs + policy.roundMs;
  planner.board.sweep(context.nowMs, keepForecastsMs);
  const input = inputOf(state, draft.view, context, policy);
  if (typeof input === "string") {
    planner.last = undefined;
    planner.silence = input;
    return;
  }
  const plan = planRound(input.input, policy);
  planner.last = { ...input, plan, policy };
  judgeMoves(state, draft, planner.last, context);
  if (policy.mode === "reactive" || policy.mode === "predictive") beginActions(state, draft, plan, context);
}

/** What a plan is made on; or why there can be none. */
function inputOf(
  state: LeaderState,
  view: ClusterView,
  context: Context,
  policy: Policy,
): Omit<Round, "plan" | "policy"> | string {
  const { planner, office } = state;
  if (planner.slotMs.length === 0 || planner.board.size() === 0) return "no forecaster has said anything yet";
  if (office.kind !== "leading" || context.nowMs - office.sinceMs < settledMs) return "the leader is new";
  if (unreported(state, view)) return "not every node has told what it holds yet";
  const steps = stepsAt(context.wallMs, planner.slotMs, policy);
  const ids = [...view.fragments.keys()].sort((a, b) => a - b);
  const foresight = foresee(planner.board, ids, planner.slotMs, steps, context.wallMs, policy);
  if (foresight.series === 0) return "the forecasters have said nothing of late about what is here";
  const pasts: Pasts = { moved: lastMoved(view, planner), cut: lastCut(view, planner), next: splitOff(view) };
  for (const fragment of planner.mixes.keys()) if (!view.fragments.has(fragment)) planner.mixes.delete(fragment);
  const input: PlanInput = {
    nowMs: context.wallMs,
    grid: { endsMs: steps.endsMs },
    nodes: [...view.nodes.values()].map((node) => nodeOf(state, node)),
    fragments: ids.flatMap((id) => fragmentOf(state, view, view.fragments.get(id), pasts)),
    moves: [...view.moves.values()].map(promised),
    loads: foresight.loads,
  };
  return { input, foresight };
}

function unreported({ sessions }: LeaderState, { nodes }: ClusterView): boolean {
  return [...nodes.values()].some(({ id, state }) => state === "up" && sessions.get(id)?.whole !== true);
}

function nodeOf(state: LeaderState, node: { id: string; zone: string; state: string; draining: boolean }): PlanNode {
  const leaving = state.sessions.get(node.id)?.leaving === true;
  const isOpen = node.state === "up" && !node.draining && !leaving && !isFull(state, node.id, 0);
  return { id: node.id, zone: node.zone, capacity: capacityOf(state, node.id), isOpen };
}

function fragmentOf(
  { sessions, planner }: LeaderState,
  view: ClusterView,
  fragment: FragmentView | undefined,
  pasts: Pasts,
): PlanFragment[] {
  if (fragment === undefined) return [];
  const { id, primary, replicas, epoch, activatedEpoch, replicasSpare } = fragment;
  const ready = replicas.filter(({ state }) => state === "ready").map(({ node }) => node);
  // What is on a dead node answers nothing, though it may come back.
  const alive = ready.filter((node) => view.nodes.get(node)?.state === "up");
  const status = sessions.status(primary, id);
  const [movedMs, cutMs, next] = [pasts.moved.get(id), pasts.cut.get(id), pasts.next.get(id)];
  if (status?.mix !== undefined) planner.mixes.set(id, status.mix);
  const mix = planner.mixes.get(id);
  return [
    {
      id,
      places: [primary, ...alive.filter((node) => node !== primary)],
      bytes: status?.bytes ?? 0,
      isBusy: activatedEpoch !== epoch || ready.length !== replicas.length || isReshaping(view, id),
      isSplittable: (status?.rows ?? 2) > 1,
      ...(mix === undefined ? {} : { spreadShare: mix.spread, writeShare: mix.writes }),
      ...(replicasSpare > 0 && alive.length === replicas.length ? { spare: replicasSpare } : {}),
      ...(movedMs === undefined ? {} : { movedMs }),
      ...(cutMs === undefined ? {} : { cutMs }),
      ...(next === undefined ? {} : { next }),
    },
  ];
}

function promised({ fragment, from, to, role, strategy }: Move): PromisedMove {
  return { fragment, from, to, role, copies: strategy !== "leader-only" };
}

/** What is remembered of each fragment's past. */
interface Pasts {
  readonly moved: ReadonlyMap<number, number>;
  readonly cut: ReadonlyMap<number, number>;
  /** What a planner split off it, and lies behind it now. */
  readonly next: ReadonlyMap<number, number>;
}

/** What is split off was moved when the whole was. */
function lastMoved(
  { pastMoves, pastReshapes, fragments }: ClusterView,
  { begun }: PlannerMemory,
): ReadonlyMap<number, number> {
  const moved = known(begun, fragments);
  for (const { fragment, startedMs, endedMs, outcome } of pastMoves)
    note(moved, fragment, outcome === "done" ? endedMs : startedMs);
  for (const { fragment, other } of pastReshapes) {
    const [whole, half] = [moved.get(fragment), moved.get(other)];
    if (whole !== undefined) note(moved, other, whole);
    if (half !== undefined) note(moved, fragment, half);
  }
  return moved;
}

function lastCut({ pastReshapes, fragments }: ClusterView, memory: PlannerMemory): ReadonlyMap<number, number> {
  const cut = known(memory.cut, fragments);
  for (const { fragment, other, endedMs } of pastReshapes) {
    note(cut, fragment, endedMs);
    note(cut, other, endedMs);
  }
  return cut;
}

/** What was made by people stays as they made it. */
function splitOff(view: ClusterView): ReadonlyMap<number, number> {
  const next = new Map<number, number>();
  for (const { kind, fragment, other, outcome, by } of view.pastReshapes)
    if (kind === "split" && outcome === "done" && by === plannerName && areNeighbours(view, fragment, other))
      next.set(fragment, other);
  return next;
}

function note(times: Map<number, number>, fragment: number, atMs: number): void {
  times.set(fragment, Math.max(times.get(fragment) ?? 0, atMs));
}

/** Of fragments that are there still; the others are forgotten. */
function known(times: Map<number, number>, fragments: ReadonlyMap<number, unknown>): Map<number, number> {
  for (const fragment of times.keys()) if (!fragments.has(fragment)) times.delete(fragment);
  return new Map(times);
}

/** How many nodes will be needed; drawn anew from all paths, so only when somebody asks. */
export function adviceOf({ planner }: LeaderState): readonly Advice[] {
  const { last } = planner;
  return last === undefined ? [] : advise(pictureOf(last.input, last.policy), last.policy);
}
