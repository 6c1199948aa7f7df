// Town. Owns small clusters for tests of the planner: nodes, fragments with loads that are functions of time, and rounds in which what is begun has landed by the next.

import type { Action } from "../../src/plan/action.js";
import { createPathLoads, type Grid, type PathLoads } from "../../src/plan/loads.js";
import type { PlanFragment, PlanNode } from "../../src/plan/picture.js";
import { type Plan, planRound } from "../../src/plan/plan.js";
import { decodePolicy, type Policy } from "../../src/plan/policy.js";

export const samples = 40;

export interface TownFragment {
  readonly id: number;
  readonly places: readonly string[];
  readonly bytes?: number;
  readonly spreadShare?: number;
  readonly isSplittable?: boolean;
  readonly spare?: number;
  readonly movedMs?: number;
  readonly cutMs?: number;
  readonly next?: number;
  /** Load by time, and how wide its forecast is (share of itself). */
  readonly load: (atMs: number) => number;
  readonly spread?: number;
  readonly isForecast?: boolean;
}

export function policyOf(given: object = {}): Policy {
  // Full at the whole capacity, so that the tests count in round numbers; and nothing is cut for its own size alone.
  const policy = decodePolicy({ fullShare: 1, splitShare: 1, ...given });
  if (!policy.ok) throw new Error(policy.fault.message);
  return policy.value;
}

export function gridOf(steps: number, stepMs: number): Grid {
  return { endsMs: Array.from({ length: steps }, (_, step) => (step + 1) * stepMs) };
}

export function nodesOf(capacities: Readonly<Record<string, number>>): PlanNode[] {
  return Object.entries(capacities).map(([id, capacity]) => ({ id, zone: "", capacity, isOpen: true }));
}

export function loadsOf(fragments: readonly TownFragment[], grid: Grid, nowMs: number): PathLoads {
  const steps = grid.endsMs.length;
  const loads = createPathLoads(steps, samples);
  fragments.forEach((fragment, at) => {
    const paths = new Float32Array(steps * samples);
    grid.endsMs.forEach((endMs, step) => {
      const mean = fragment.load(nowMs + endMs);
      for (let sample = 0; sample < samples; sample++) {
        const place = ((sample * 7 + at * 3) % samples) / (samples - 1) - 0.5;
        paths[step * samples + sample] = mean * (1 + 2 * (fragment.spread ?? 0.1) * place);
      }
    });
    loads.set(at, fragment.load(nowMs), fragment.isForecast === false ? undefined : paths);
  });
  return loads;
}

export function planFor(
  nodes: readonly PlanNode[],
  fragments: readonly TownFragment[],
  policy: Policy,
  nowMs = 0,
  grid = gridOf(12, 60_000),
): Plan {
  const loads = loadsOf(fragments, grid, nowMs);
  return planRound({ nowMs, grid, nodes, fragments: fragments.map(planFragment), moves: [], loads }, policy);
}

export function planFragment({
  id,
  places,
  bytes = 1000,
  spreadShare,
  isSplittable,
  spare,
  movedMs,
  cutMs,
  next,
}: TownFragment): PlanFragment {
  return {
    id,
    places,
    bytes,
    ...(spreadShare === undefined ? {} : { spreadShare }),
    ...(isSplittable === undefined ? {} : { isSplittable }),
    ...(spare === undefined ? {} : { spare }),
    ...(movedMs === undefined ? {} : { movedMs }),
    ...(cutMs === undefined ? {} : { cutMs }),
    ...(next === undefined ? {} : { next }),
  };
}

export interface Begun {
  readonly atMs: number;
  readonly fragment: number;
  readonly bytes: number;
  readonly kind: string;
}

export interface Walk {
  readonly begun: readonly Begun[];
  readonly fragments: readonly TownFragment[];
  /** Bytes begun in each round. */
  readonly rounds: readonly number[];
}

/** Rounds in which every action that is to begin now is done at once. */
export function walk(
  nodes: readonly PlanNode[],
  start: readonly TownFragment[],
  policy: Policy,
  rounds: number,
  roundMs = policy.roundMs,
): Walk {
  const fragments = start.map((fragment) => ({ ...fragment }));
  const begun: Begun[] = [];
  const bytes: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const nowMs = round * roundMs;
    const plan = planFor(nodes, fragments, policy, nowMs);
    let spent = 0;
    for (const action of plan.actions) {
      if (action.startMs > nowMs) continue;
      spent += action.bytes;
      begun.push({ atMs: nowMs, fragment: action.fragment, bytes: action.bytes, kind: action.kind });
      const at = fragments.findIndex(({ id }) => id === action.fragment);
      const fragment = fragments[at];
      if (fragment === undefined) continue;
      fragments[at] = after(fragment, action, nowMs);
    }
    bytes.push(spent);
  }
  return { begun, fragments, rounds: bytes };
}

function after(fragment: TownFragment, action: Action, nowMs: number): TownFragment {
  const { places, spare = 0 } = fragment;
  switch (action.kind) {
    case "split":
    case "merge":
      return { ...fragment, cutMs: nowMs };
    case "addReplica":
      return { ...fragment, places: [...places, action.to], spare: spare + 1, movedMs: nowMs };
    case "removeReplica":
      return { ...fragment, places: places.filter((node) => node !== action.from), spare: spare - 1, movedMs: nowMs };
    default:
      return { ...fragment, places: placesAfter(places, action), movedMs: nowMs };
  }
}

function placesAfter(
  places: readonly string[],
  { kind, from, to }: { kind: string; from: string; to: string },
): string[] {
  if (kind === "handOver") return [to, ...places.filter((node) => node !== to)];
  return places.map((node) => (node === from ? to : node));
}
