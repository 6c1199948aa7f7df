// Plan. Owns what should be done now, and why: a pure function of the picture and the policy. No clock, no chance, no memory: the same input gives the same plan.
//
// How to call it (leader, backtest, replay and bench all do):
//   const loads = createPathLoads(grid.endsMs.length, samples);            // src/plan/loads.ts
//   fragments.forEach((f, at) => loads.set(at, rateOfLate(f), pathsOrUndefined(f)));  // paths: Float32Array [step × samples]; undefined: no trusted forecast
//   const result = planRound({ nowMs, grid, nodes, fragments, moves, loads }, policy); // `moves`: those under way
//   for (const action of result.actions) if (action.startMs <= nowMs) begin(action);   // later ones are planned anew in the next round
// `policy.mode` decides: `static` nothing; `reactive` looks at `loads.now` alone; `shadow` and `predictive` plan alike (who calls does not act on a shadow's plan).
// An oracle is `predictive` fed with paths that are the truth (every sample the same). Call once per `policy.roundMs`; one call is one round of the budget.
// Loads and capacities have one unit, whichever. A caller sets `movedMs` of a fragment when a move of it ends or begins (cool-down), and passes moves under way.
// For many fragments keep the picture: `createPlanner`, then `changing(at, …)` round whatever sets the load of one anew, and `plan(nowMs)`.
//
// PL1 at most `budget` is begun in a round. PL2 a steady load moves nothing once it is borne. PL3 what cannot be helped is said, not shuffled.

import type { NodeId } from "../protocol/subjects.js";
import type { Action, Finding, Rejected } from "./action.js";
import { type Board, createBoard } from "./board.js";
import { consolidate } from "./consolidate.js";
import { joinCooled, splitLarge } from "./cut.js";
import { rehouse, reload } from "./keep.js";
import {
  capacityOf,
  createPicture,
  limitOf,
  type Picture,
  type PictureInput,
  setFullShare,
  tailOf,
} from "./picture.js";
import type { Policy } from "./policy.js";
import { predict } from "./predict.js";
import { react } from "./reactive.js";
import { largest, riskTold } from "./risk.js";
import { thin } from "./thin.js";

export type PlanInput = Omit<PictureInput, "applyShare" | "fullShare" | "tail">;

export interface NodeRisk {
  readonly node: NodeId;
  /** What it may be given: its capacity times the share at which it is full. */
  readonly capacity: number;
  /** By step. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

export interface Plan {
  readonly atMs: number;
  readonly mode: Policy["mode"];
  readonly actions: readonly Action[];
  readonly rejected: readonly Rejected[];
  readonly findings: readonly Finding[];
  /** Of the nodes that were at risk or take part, those at most risk first. */
  readonly risks: readonly NodeRisk[];
  readonly stepEndsMs: readonly number[];
}

const risksTold = 64;

export function planRound(input: PlanInput, policy: Policy): Plan {
  return told(planOn(pictureOf(input, policy), policy));
}

export function pictureOf(input: PlanInput, policy: Policy): Picture {
  const tail = tailOf(policy.risk * policy.calmShare, input.loads.samples);
  return createPicture({ ...input, applyShare: policy.applyShare, fullShare: policy.fullShare, tail });
}

/** Plans on a picture, which then shows the places as they will be. */
function planOn(picture: Picture, policy: Policy): Board {
  setFullShare(picture);
  const board = createBoard(picture, policy);
  sayUnknown(board);
  if (policy.mode === "reactive") {
    splitLarge(board, { foresees: false });
    react(board, { mindsForecast: false });
    joinCooled(board, { foresees: false });
  }
  if (policy.mode === "predictive" || policy.mode === "shadow") {
    splitLarge(board, { foresees: true });
    predict(board);
    react(board, { mindsForecast: true });
    consolidate(board);
    thin(board);
    joinCooled(board, { foresees: true });
  }
  return board;
}

function told(board: Board): Plan {
  const { picture, policy, actions, rejected, findings } = board;
  const { endsMs } = picture.input.grid;
  const risks = risksOf(board);
  return { atMs: picture.nowMs, mode: policy.mode, actions, rejected, findings, risks, stepEndsMs: endsMs };
}

function sayUnknown(board: Board): void {
  const { picture, policy } = board;
  if (policy.mode === "static") return;
  picture.nodes.forEach(({ id }, node) => {
    if (capacityOf(picture, node) > 0 || (picture.held[node]?.length ?? 0) === 0) return;
    const text = `the capacity of ${id} is unknown (or zero): it is neither relieved nor given more; set a ceiling for it`;
    board.find({ kind: "noCapacity", node: id, fragment: -1, text });
  });
}

function risksOf({ picture, before }: Board): NodeRisk[] {
  return [...before]
    .sort(([a, x], [b, y]) => largest(y) - largest(x) || a - b)
    .slice(0, risksTold)
    .map(([node, risks]) => ({
      node: picture.nodes[node]?.id ?? "",
      capacity: limitOf(picture, node),
      before: [...risks],
      after: [...riskTold(picture, node)],
    }));
}

/** A plan again and again on one picture, of which little changes in between. */
export interface Planner {
  readonly picture: Picture;
  /** The load of the fragment at this position is about to be, and then was, set anew. */
  changing(at: number, change: () => void): void;
  /** A plan of `nowMs`. Its actions are taken back from the picture: what was begun is told by `moved`. */
  plan(nowMs: number): Plan;
  /** The fragment's copies are at these nodes now, the primary first. */
  moved(at: number, places: readonly NodeId[]): void;
}

export function createPlanner(input: PlanInput, policy: Policy): Planner {
  const picture = pictureOf(input, policy);
  return {
    picture,
    changing(at, change) {
      change();
      reload(picture, at);
    },
    moved(at, places) {
      rehouse(
        picture,
        at,
        places.flatMap((id) => picture.nodeAt.get(id) ?? []),
      );
    },
    plan(nowMs) {
      picture.nowMs = nowMs;
      const board = planOn(picture, policy);
      const plan = told(board);
      board.takeBack();
      return plan;
    },
  };
}
