// Counter. Owns the counts of one node between two samples: by fragment, client group and kind of operation.
// C1 counting allocates nothing: a cell is looked up once per part of a batch, and each operation adds to three numbers of it.
// C2 the groups counted per fragment are bounded; those beyond share the cell `other`.
// C3 a sample names the groups with the most load of late and pools the rest in `other`. Who is named stays named until another has clearly
//    more, so that a series does not come and go.

import { limits } from "../config/limits.js";
import type { FragmentId } from "../protocol/subjects.js";
import { otherGroup } from "./group.js";
import { loadKinds } from "./kinds.js";
import type { LoadCell } from "./sample.js";

/** Per kind: count, bytes, milliseconds of service; and behind them the operations that any copy might have answered. */
export type Cell = Float64Array;

/** Counts in the sample's form, and what stays on the node. */
export interface CountedCell extends LoadCell {
  /** Of the operations, those that any copy might have answered. */
  readonly anyCopy: number;
}

const perKind = 3;
const anyCopyAt = loadKinds.length * perKind;

export function addTo(cell: Cell, kind: number, bytes: number, serviceMs: number): void {
  const at = kind * perKind;
  cell[at] = (cell[at] ?? 0) + 1;
  cell[at + 1] = (cell[at + 1] ?? 0) + bytes;
  cell[at + 2] = (cell[at + 2] ?? 0) + serviceMs;
}

export function addAnyCopy(cell: Cell): void {
  cell[anyCopyAt] = (cell[anyCopyAt] ?? 0) + 1;
}

export interface LoadCounter {
  /** The cell to count into; valid until long after the next sample. */
  cell(fragment: FragmentId, table: number, group: string): Cell;
  /** What was counted since the last call; begins anew. */
  take(): CountedCell[];
}

export interface CounterLimits {
  /** Groups told apart in samples, per fragment. */
  readonly named: number;
  /** Groups counted apart, per fragment. */
  readonly counted: number;
}

interface Slot {
  readonly cell: Cell;
  /** Operations of late: fades by `fading` at each sample. */
  weight: number;
  named: boolean;
}

interface Row {
  readonly table: number;
  readonly groups: Map<string, Slot>;
}

const fading = 0.9;
/** How much more load a group needs to take the place of a named one. */
const incumbency = 1.5;
const quietWeight = 0.01;

export function createCounter(
  bounds: CounterLimits = { named: limits.loadGroupsNamed, counted: limits.loadGroupsCounted },
): LoadCounter {
  const rows = new Map<FragmentId, Row>();

  function slotIn(row: Row, group: string): Slot {
    const known = row.groups.get(group);
    if (known !== undefined) return known;
    if (group !== otherGroup && row.groups.size >= bounds.counted) return slotIn(row, otherGroup);
    const slot: Slot = { cell: new Float64Array(anyCopyAt + 1), weight: 0, named: false };
    row.groups.set(group, slot);
    return slot;
  }

  return {
    cell(fragment, table, group) {
      let row = rows.get(fragment);
      if (row === undefined) {
        row = { table, groups: new Map() };
        rows.set(fragment, row);
      }
      return slotIn(row, group).cell;
    },
    take() {
      const cells: CountedCell[] = [];
      for (const [fragment, row] of rows) {
        rename(row, bounds.named);
        cells.push(...cellsOf(fragment, row));
        makeRoom(row, bounds.counted);
        if (isQuiet(row)) rows.delete(fragment);
      }
      return cells;
    },
  };
}

function countIn(cell: Cell): number {
  let sum = 0;
  for (let at = 0; at < anyCopyAt; at += perKind) sum += cell[at] ?? 0;
  return sum;
}

/** Decides anew which groups are told apart. */
function rename({ groups }: Row, most: number): void {
  for (const slot of groups.values()) slot.weight = slot.weight * fading + countIn(slot.cell);
  if (groups.size <= most) {
    for (const slot of groups.values()) slot.named = true;
    return;
  }
  const rank = ({ weight, named }: Slot): number => (named ? weight * incumbency : weight);
  const order = [...groups].filter(([group]) => group !== otherGroup).sort(([, a], [, b]) => rank(b) - rank(a));
  order.forEach(([, slot], index) => {
    slot.named = index < most;
  });
}

function cellsOf(fragment: FragmentId, { table, groups }: Row): CountedCell[] {
  const cells: CountedCell[] = [];
  const pooled = new Float64Array(anyCopyAt + 1);
  for (const [group, { cell, named }] of groups) {
    if (named && group !== otherGroup) {
      if (countIn(cell) > 0) cells.push({ fragment, table, group, ...countsOf(cell) });
    } else for (let at = 0; at < cell.length; at++) pooled[at] = (pooled[at] ?? 0) + (cell[at] ?? 0);
    cell.fill(0);
  }
  if (countIn(pooled) > 0) cells.push({ fragment, table, group: otherGroup, ...countsOf(pooled) });
  return cells;
}

function countsOf(cell: Cell): Pick<CountedCell, "ops" | "anyCopy"> {
  const ops = loadKinds.flatMap((_, kind) => {
    const [count = 0, bytes = 0, serviceMs = 0] = cell.subarray(kind * perKind, kind * perKind + perKind);
    return count === 0 ? [] : [{ kind, count, bytes, serviceMs }];
  });
  return { ops, anyCopy: cell[anyCopyAt] ?? 0 };
}

/** Nobody asked for a long time, or the fragment left. */
function isQuiet({ groups }: Row): boolean {
  for (const { weight } of groups.values()) if (weight > quietWeight) return false;
  return true;
}

/** Groups that have gone quiet leave when their places are needed. */
function makeRoom({ groups }: Row, counted: number): void {
  if (groups.size < counted) return;
  for (const [group, slot] of groups) if (slot.weight < 0.5 && group !== otherGroup) groups.delete(group);
}
