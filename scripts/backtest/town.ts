// Town. Owns the simulated cluster: where copies are, moves and splits under way, and what each node bears meanwhile.
// TO1 a role changes hands when its move ends, or at once where the role goes first (copy-on-write); until a copy is whole both ends give some capacity to it.
// TO2 what cannot be done (a fragment that moves already, a node that has a copy) is not done.

import type { Hash } from "../../src/kernel/hash.js";
import { placeFragments } from "../../src/placement/place.js";
import type { Action } from "../../src/plan/action.js";
import { type PlanFragment, type PromisedMove, placesAfter } from "../../src/plan/picture.js";
import type { Policy } from "../../src/plan/policy.js";
import { createRing } from "../../src/ring/ring.js";
import type { Demand, DemandPart } from "./demand.js";

export interface TownShape {
  readonly nodes: number;
  /** Queries per second of each node. */
  readonly capacityQps: number;
  readonly replicas: number;
  readonly fragmentBytes: number;
  /** Share of the reads that any copy may answer. */
  readonly spreadShare: number;
}

/** A part of the demand, or of one after splits. */
export interface TownPart {
  readonly part: DemandPart;
  readonly share: number;
}

export interface TownFragment {
  readonly id: number;
  places: readonly string[];
  bytes: number;
  parts: readonly TownPart[];
  /** Copies that were added for reads. */
  spare: number;
  movedMs: number | undefined;
  cutMs: number | undefined;
  /** Those that were split off it, each behind it, the nearest first. */
  halves: readonly number[];
}

interface Underway extends PromisedMove {
  readonly endsMs: number;
  /** The role went first. */
  readonly isPulling: boolean;
  readonly adds: boolean;
}

export interface Begun {
  readonly atMs: number;
  readonly kind: Action["kind"];
  readonly fragment: number;
  readonly from: string;
  readonly to: string;
  readonly bytes: number;
  readonly cause: Action["cause"];
  readonly isLate: boolean;
  readonly why: string;
}

export interface Town {
  readonly fragments: readonly TownFragment[];
  of(id: number): TownFragment | undefined;
  /** Splits and merges so far. */
  cuts(): number;
  moves(): readonly PromisedMove[];
  /** Bytes of all copies. */
  storedBytes(): number;
  land(nowMs: number): void;
  /** What was begun; undefined where it cannot be. */
  begin(action: Action, nowMs: number): Begun | undefined;
  planned(): PlanFragment[];
  /** Nodes that hold or take something. */
  inUse(): ReadonlySet<string>;
  /** Share of a node's capacity that copies take. */
  copying(node: string): number;
  /** Fragments that were moved twice within the cool-down. */
  hasty(): number;
}

export function nodeNames({ nodes }: Pick<TownShape, "nodes">): readonly string[] {
  return Array.from({ length: nodes }, (_, at) => `n${at + 1}`);
}

const mostCopying = 0.9;

export function createTown(demand: Demand, shape: TownShape, { prices, coolDownMs }: Policy, hash: Hash): Town {
  const fragments = settled(demand, shape, hash);
  const byId = new Map(fragments.map((one) => [one.id, one]));
  let moves: Underway[] = [];
  let [hasty, born, cuts] = [0, fragments.length, 0];

  function landOne({ fragment, from, to, role, copies, adds, isPulling, endsMs }: Underway): void {
    const one = byId.get(fragment);
    if (one === undefined) return;
    if (adds) {
      one.places = [...one.places, to];
      one.spare++;
    } else if (isPulling) one.places = one.places.filter((node) => node !== from);
    else one.places = placesAfter(one.places, { fragment, from, to, role, copies });
    one.movedMs = endsMs;
  }

  function moveOf(one: TownFragment, action: Action, nowMs: number): Underway | undefined {
    if (!("to" in action)) return undefined;
    const { fragment, from, to, bytes } = action;
    const copies = action.kind !== "handOver";
    const holds = one.places.includes(to);
    if (copies ? holds : !holds) return undefined;
    const copyMs = Math.max(prices.copyAtLeastMs, (bytes * 1000) / prices.copyBytesPerSecond);
    const endsMs = nowMs + (copies ? copyMs : prices.handOverMs);
    const isPulling = action.kind === "moveReplica" && action.strategy === "copy-on-write";
    const role = action.kind !== "addReplica" && action.role;
    return { fragment, from, to, role, copies, endsMs, isPulling, adds: action.kind === "addReplica" };
  }

  function split(one: TownFragment, nowMs: number): void {
    const halves = one.parts.map(({ part, share }) => ({ part, share: share / 2 }));
    one.parts = halves;
    one.bytes /= 2;
    one.cutMs = nowMs;
    const child = { ...one, id: ++born };
    one.halves = [child.id, ...one.halves];
    child.halves = [];
    fragments.push(child);
    byId.set(child.id, child);
    cuts++;
  }

  function join(one: TownFragment, right: number, nowMs: number): boolean {
    const other = byId.get(right);
    if (other === undefined || one.halves[0] !== right || moves.some(({ fragment }) => fragment === right))
      return false;
    one.parts = one.parts.map(({ part, share }, at) => ({ part, share: share + (other.parts[at]?.share ?? 0) }));
    one.bytes += other.bytes;
    one.cutMs = nowMs;
    one.movedMs = later(one.movedMs, other.movedMs);
    one.halves = [...other.halves, ...one.halves.slice(1)];
    fragments.splice(fragments.indexOf(other), 1);
    byId.delete(right);
    cuts++;
    return true;
  }

  return {
    fragments,
    of: (id) => byId.get(id),
    cuts: () => cuts,
    moves: () => moves,
    storedBytes: () => fragments.reduce((sum, { bytes, places }) => sum + bytes * places.length, 0),
    land(nowMs) {
      for (const move of moves) if (move.endsMs <= nowMs) landOne(move);
      moves = moves.filter(({ endsMs }) => endsMs > nowMs);
    },
    begin(action, nowMs) {
      const one = byId.get(action.fragment);
      if (one === undefined || moves.some(({ fragment }) => fragment === action.fragment)) return undefined;
      const plain = {
        atMs: nowMs,
        kind: action.kind,
        fragment: one.id,
        from: action.from,
        to: "to" in action ? action.to : "",
      };
      const { cause, isLate, why, bytes } = action;
      if (action.kind === "split") split(one, nowMs);
      else if (action.kind === "merge") {
        if (!join(one, action.right, nowMs)) return undefined;
      } else if (action.kind === "removeReplica") {
        one.places = one.places.filter((node) => node !== action.from);
        one.spare--;
        one.movedMs = nowMs;
      } else {
        const move = moveOf(one, action, nowMs);
        if (move === undefined) return undefined;
        if (nowMs - (one.movedMs ?? Number.NEGATIVE_INFINITY) < coolDownMs) hasty++;
        moves.push(move);
        if (move.isPulling) one.places = [move.to, ...one.places];
      }
      return { ...plain, bytes, cause, isLate, why };
    },
    planned: () =>
      fragments.map(({ id, places, bytes, spare, movedMs, cutMs, halves: [next] }) => ({
        id,
        places,
        bytes,
        ...(spare > 0 ? { spare } : {}),
        ...(next === undefined ? {} : { next }),
        ...(cutMs === undefined ? {} : { cutMs }),
        ...(shape.spreadShare > 0 ? { spreadShare: shape.spreadShare } : {}),
        ...(movedMs === undefined ? {} : { movedMs }),
      })),
    inUse: () => new Set([...fragments.flatMap(({ places }) => places), ...moves.map(({ to }) => to)]),
    copying: (node) =>
      Math.min(
        mostCopying,
        moves.filter(({ copies, from, to }) => copies && (from === node || to === node)).length * prices.copyShare,
      ),
    hasty: () => hasty,
  };
}

/** Placed by the ring, as tables are. */
function settled(demand: Demand, { nodes, replicas, fragmentBytes }: TownShape, hash: Hash): TownFragment[] {
  const ring = createRing(
    nodeNames({ nodes }).map((id) => ({ id, zone: "", weight: 1 })),
    hash,
  );
  const ids = Array.from({ length: demand.fragments }, (_, at) => at + 1);
  const placed = placeFragments(ring, ids, replicas, new Map());
  return placed.map(({ fragment, nodes: places }) => ({
    id: fragment,
    places,
    bytes: fragmentBytes,
    parts: demand.parts.filter((part) => part.fragment === fragment).map((part) => ({ part, share: 1 })),
    spare: 0,
    movedMs: undefined,
    cutMs: undefined,
    halves: [],
  }));
}

function later(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.max(one, other);
}
