// Mixes. Owns what a node says of the fragments that it leads: which share of their load any copy may answer, and which every copy applies.
// NM1 it is told with the status of the fragment, anew only when it has changed by more than `worthTelling`: heartbeats carry what is new.

import type { ClusterView, FragmentView } from "../../src/ledger/view.js";
import type { CountedCell } from "../../src/load/counter.js";
import { isWrite } from "../../src/load/kinds.js";
import { createMixMeter, type Mix, type Served } from "../../src/load/mix.js";
import { type FragmentId, type NodeId, partitionOfFragment } from "../../src/protocol/subjects.js";
import type { Board } from "../shard/state.js";
import type { NodeState } from "./state.js";

const worthTelling = 0.05;

/** As much of a node as is needed here. */
interface Home extends Pick<NodeState, "mixes"> {
  readonly config: { readonly id: NodeId };
  readonly partitions: readonly { readonly tail: { readonly view: ClusterView } }[];
  readonly board: Pick<Board, "mixes" | "statuses" | "changed">;
}

/** An interval is over. */
export function noteMixes(state: Home, cells: readonly CountedCell[]): void {
  const served = servedIn(cells);
  for (const fragment of [...state.mixes.keys()]) if (!leads(state, fragment)) forget(state, fragment);
  for (const [fragment, interval] of served) {
    const view = leads(state, fragment);
    if (view === undefined) continue;
    let meter = state.mixes.get(fragment);
    if (meter === undefined) {
      meter = createMixMeter();
      state.mixes.set(fragment, meter);
    }
    meter.note(interval, answering(state, view));
    const mix = meter.mix();
    if (mix !== undefined) tell(state, fragment, mix);
  }
}

function servedIn(cells: readonly CountedCell[]): ReadonlyMap<FragmentId, Served> {
  const served = new Map<FragmentId, Served>();
  for (const { fragment, ops, anyCopy } of cells) {
    const before = served.get(fragment) ?? { ops: 0, anyCopy: 0, writes: 0 };
    const sumOf = (chosen: typeof ops): number => chosen.reduce((sum, { count }) => sum + count, 0);
    served.set(fragment, {
      ops: before.ops + sumOf(ops),
      anyCopy: before.anyCopy + anyCopy,
      writes: before.writes + sumOf(ops.filter(({ kind }) => isWrite(kind))),
    });
  }
  return served;
}

/** The fragment, if this node is its primary. */
function leads({ partitions, config }: Home, fragment: FragmentId): FragmentView | undefined {
  const view = partitions[partitionOfFragment(fragment)]?.tail.view.fragments.get(fragment);
  return view?.primary === config.id ? view : undefined;
}

/** Copies among which routers draw, the primary among them (`readerOf` in `actors/router/locations.ts`). */
function answering({ partitions }: Home, { id, replicas }: FragmentView): number {
  const nodes = partitions[partitionOfFragment(id)]?.tail.view.nodes;
  const ready = replicas.filter(({ node, state }) => state === "ready" && nodes?.get(node)?.state === "up");
  return Math.max(1, ready.length);
}

function tell({ board }: Home, fragment: FragmentId, mix: Mix): void {
  const told = board.mixes.get(fragment);
  if (
    told !== undefined &&
    Math.abs(told.spread - mix.spread) < worthTelling &&
    Math.abs(told.writes - mix.writes) < worthTelling
  )
    return;
  board.mixes.set(fragment, mix);
  const status = board.statuses.get(fragment);
  if (status?.state !== "serving") return;
  board.statuses.set(fragment, { ...status, mix });
  board.changed.add(fragment);
}

function forget({ mixes, board }: Home, fragment: FragmentId): void {
  mixes.delete(fragment);
  board.mixes.delete(fragment);
}
