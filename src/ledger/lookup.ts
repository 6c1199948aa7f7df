// Lookup. Owns the questions that members ask of a cluster view. Reads only.

import { compareBytes } from "../kernel/bytes.js";
import type { NodeId } from "../protocol/subjects.js";
import type { Position, PositionRange, TableDef } from "../table/table.js";
import type { ClusterView, FragmentView, NodeView } from "./view.js";

export function tableNamed(view: ClusterView, name: string): TableDef | undefined {
  const id = view.tableIds.get(name);
  return id === undefined ? undefined : view.tables.get(id);
}

/** The fragment whose range holds `position`; undefined when there is no such table. */
export function fragmentAt(view: ClusterView, tableId: number, position: Position): FragmentView | undefined {
  const order = view.order.get(tableId) ?? [];
  const id = order[slotOf(view, order, position)];
  return id === undefined ? undefined : view.fragments.get(id);
}

/** Fragments that overlap `range`, in the order of their ranges. */
export function fragmentsIn(view: ClusterView, tableId: number, range: PositionRange): FragmentView[] {
  const order = view.order.get(tableId) ?? [];
  const found: FragmentView[] = [];
  if (range.to !== undefined && compareBytes(range.from, range.to) >= 0) return found;
  for (let at = Math.max(0, slotOf(view, order, range.from)); at < order.length; at++) {
    const fragment = view.fragments.get(order[at] ?? -1);
    if (fragment === undefined) continue;
    if (range.to !== undefined && compareBytes(fragment.from, range.to) >= 0) break;
    found.push(fragment);
  }
  return found;
}

/** Index in `order` of the last fragment that starts at or before `position`; -1 when none does. */
function slotOf(view: ClusterView, order: readonly number[], position: Position): number {
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const fragment = view.fragments.get(order[middle] ?? -1);
    if (fragment !== undefined && compareBytes(fragment.from, position) <= 0) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Fragments of which `node` holds a replica, by id. */
export function replicasOn(view: ClusterView, node: NodeId): FragmentView[] {
  return [...(view.held.get(node) ?? [])]
    .sort((a, b) => a - b)
    .flatMap((id) => {
      const fragment = view.fragments.get(id);
      return fragment === undefined ? [] : [fragment];
    });
}

export function liveNodes(view: ClusterView): NodeView[] {
  return [...view.nodes.values()].filter(({ state }) => state === "up").sort(byId);
}

function byId(a: NodeView, b: NodeView): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
