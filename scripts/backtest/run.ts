// Run. Owns one policy's life through a recorded past: the simulated cluster, what forecasters say to it, and the planner and the foresight of the leader deciding.
// RU1 the same input gives the same run. RU2 what is decided at a moment rests on what was seen before it (but for an oracle's sayings).
// RU3 no forecast is believed before a forecaster that began with the run could have been.

import { type Board, createBoard } from "../../actors/forecaster/board.js";
import { foresee, stepsAt } from "../../actors/leader/plan/foresight.js";
import { quantileCount } from "../../src/forecast/quantiles.js";
import type { Hash } from "../../src/kernel/hash.js";
import type { PlanNode } from "../../src/plan/picture.js";
import { planRound } from "../../src/plan/plan.js";
import type { Policy } from "../../src/plan/policy.js";
import { quietForecaster, type SeriesNews } from "../../src/protocol/forecast.js";
import type { Demand } from "./demand.js";
import { pass } from "./queue.js";
import { firstStepOf, type Sayings, saidSteps } from "./sayings.js";
import { createScore, type Outcome, type Window } from "./score.js";
import { createTown, nodeNames, type Town, type TownShape } from "./town.js";

export interface RunShape extends TownShape {
  /** A look at the cluster, and the time between two rounds of planning. */
  readonly windowMs: number;
}

export interface Life {
  readonly name: string;
  readonly demand: Demand;
  /** By series; undefined: nobody forecasts. */
  readonly sayings: readonly Sayings[] | undefined;
  readonly policy: Policy;
  readonly shape: RunShape;
  readonly hash: Hash;
  /** Hears the share of the run that is done. */
  readonly told?: (share: number) => void;
}

/** Slots before the run on the clock of the plan: no slot has a number below zero. */
const earlierSlots = 1000;
const wholeRow = new Float32Array(saidSteps * quantileCount);

export function live({ name, demand, sayings, policy, shape, hash, told = () => undefined }: Life): Outcome {
  const names = nodeNames(shape);
  const nodes: PlanNode[] = names.map((id) => ({ id, zone: "", capacity: shape.capacityQps, isOpen: true }));
  const town = createTown(demand, shape, policy, hash);
  const herald = createHerald(demand, sayings, town);
  const backlog = new Map<string, number>();
  const score = createScore(name, shape);
  const totalMs = demand.slots * demand.intervalMs;
  const seconds = shape.windowMs / 1000;

  function look(nowMs: number): void {
    const asked = askedOf(town, demand, nowMs + shape.windowMs / 2, policy.applyShare, shape.spreadShare);
    const used = town.inUse();
    const passed = names.map((node) => {
      const rate = asked.get(node) ?? 0;
      const one = pass(backlog.get(node) ?? 0, rate, shape.capacityQps, 1 - town.copying(node), seconds);
      backlog.set(node, one.backlog);
      return { rate, ...one };
    });
    score.note({
      atMs: nowMs,
      nodes: passed,
      moving: town.moves().length,
      nodesInUse: used.size,
      foreseen: herald.total(nowMs),
    });
  }

  function plan(nowMs: number): void {
    if (policy.mode === "static") return;
    const wallMs = nowMs + earlierSlots * demand.intervalMs;
    const slotMs = [demand.intervalMs];
    const steps = stepsAt(wallMs, slotMs, policy);
    const ids = town.fragments.map(({ id }) => id);
    const { loads } = foresee(herald.board, ids, slotMs, steps, wallMs, policy);
    const input = {
      nowMs: wallMs,
      grid: steps,
      nodes,
      fragments: townAt(town, wallMs - nowMs),
      moves: town.moves(),
      loads,
    };
    const { actions } = planRound(input, policy);
    const storedBytes = town.storedBytes();
    let bytes = 0;
    for (const action of actions) {
      if (action.startMs > wallMs) continue;
      const begun = town.begin(action, nowMs);
      if (begun === undefined) continue;
      bytes += begun.bytes;
      score.begun(begun);
    }
    score.round(bytes / storedBytes);
  }

  for (let nowMs = 0; nowMs < totalMs; nowMs += shape.windowMs) {
    town.land(nowMs);
    look(nowMs);
    const thenMs = nowMs + shape.windowMs;
    herald.say(thenMs, shape.windowMs);
    plan(thenMs);
    if ((nowMs / shape.windowMs) % 200 === 0) told(nowMs / totalMs);
  }
  return score.outcome(town.hasty());
}

function townAt(town: Town, shiftMs: number): ReturnType<Town["planned"]> {
  return town.planned().map((one) => ({
    ...one,
    ...(one.movedMs === undefined ? {} : { movedMs: one.movedMs + shiftMs }),
    ...(one.cutMs === undefined ? {} : { cutMs: one.cutMs + shiftMs }),
  }));
}

/** Requests per second at each node: primaries serve, backups apply writes and answer what any copy may. */
function askedOf(
  town: Town,
  demand: Demand,
  atMs: number,
  applyShare: number,
  spreadShare: number,
): Map<string, number> {
  const asked = new Map<string, number>();
  const add = (node: string, rate: number): void => void asked.set(node, (asked.get(node) ?? 0) + rate);
  for (const { places, parts } of town.fragments) {
    const rate = parts.reduce((sum, { part, share }) => sum + share * demand.rate(part, atMs), 0);
    const spread = spreadShare / Math.max(1, places.length);
    places.forEach((node, at) => {
      add(node, rate * (at === 0 ? 1 - spread * (places.length - 1) : spread + 0.5 * (1 - spreadShare) * applyShare));
    });
  }
  return asked;
}

interface Herald {
  readonly board: Board;
  /** All that is known at a moment: the load of the last window, and of each slot when it is over what is said of the next ones. */
  say(nowMs: number, windowMs: number): void;
  /** What was said of the slot that a moment is in, all parts together; undefined where nobody says anything. */
  total(nowMs: number): Window["foreseen"];
}

function createHerald(demand: Demand, sayings: readonly Sayings[] | undefined, town: Town): Herald {
  const board = createBoard(1_000_000);
  const recent = new Map<string, Float32Array>();
  let saidSlot = -1;
  let saidCuts = 0;

  function news(fragment: number, at: number, slot: number): SeriesNews | undefined {
    const own = town.of(fragment)?.parts[at];
    if (own === undefined) return undefined;
    const { part, share } = own;
    const of = sayings?.[part.series];
    const origin = slot - 1 + demand.leadSlots - part.lagSlots;
    const scale = part.scale * share;
    const record = of?.record(origin);
    const sinceStart = of?.record(slot - 1);
    return {
      fragment,
      table: part.series + 1,
      group: part.group,
      horizon: 0,
      origin: slot - 1 + earlierSlots,
      steps: of === undefined ? wholeRow : of.rows(origin).map((value) => value * scale),
      max: new Float32Array(quantileCount),
      recent: recentOf(fragment, part.group),
      ranks: of?.ranks(origin) ?? new Uint8Array(saidSteps),
      weights: [],
      record: { ...(record ?? silent), matured: Math.min(record?.matured ?? 0, sinceStart?.matured ?? 0) },
      profiles: [],
    };
  }

  function recentOf(fragment: number, group: string): Float32Array {
    const key = `${fragment} ${group}`;
    const known = recent.get(key);
    if (known !== undefined) return known;
    const made = new Float32Array(1);
    recent.set(key, made);
    return made;
  }

  return {
    board,
    say(nowMs, windowMs) {
      const slot = Math.floor(nowMs / demand.intervalMs);
      const isNew = slot !== saidSlot || town.cuts() !== saidCuts;
      for (const { id, parts } of town.fragments)
        parts.forEach(({ part, share }, at) => {
          recentOf(id, part.group)[0] = share * demand.rate(part, nowMs - windowMs / 2);
          const one = isNew ? news(id, at, slot) : undefined;
          if (one !== undefined)
            board.post({ forecaster, slotMs: [demand.intervalMs], models: [], series: [one] }, nowMs);
        });
      saidSlot = slot;
      saidCuts = town.cuts();
    },
    total(nowMs) {
      if (sayings === undefined) return undefined;
      const slot = Math.floor(nowMs / demand.intervalMs);
      const sum = { low: 0, middle: 0, high: 0 };
      for (const part of demand.parts) {
        const of = sayings[part.series];
        if (of === undefined) continue;
        const said = firstStepOf(of, Math.max(0, slot - 1 + demand.leadSlots - part.lagSlots));
        sum.low += said.low * part.scale;
        sum.middle += said.middle * part.scale;
        sum.high += said.high * part.scale;
      }
      return sum;
    },
  };
}

const silent = {
  matured: 0,
  coverage: [],
  maxCoverage: [],
  pinball: 0,
  naivePinball: 0,
  isDrifting: false,
  observed: 0,
  missing: 0,
  late: 0,
};
const forecaster = quietForecaster("f1");
