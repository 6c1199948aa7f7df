// Reshaping. Owns the leader's part in splits and merges: what may begin, and when one is recorded as done.
// RL1 a fragment has one of move, split and merge under way at a time. RL2 what the log holds is done, whoever led when it began; nothing that may stand in a log is taken back.
// RL3 a merge begins only where both fragments have the same nodes and all copies follow; until it is done the left one's primary has a copy of the right one.

import { limits } from "../../src/config/limits.js";
import { compareBytes } from "../../src/kernel/bytes.js";
import { type Fault, fail, fault, ok, type Result } from "../../src/kernel/fault.js";
import type { Context } from "../../src/kernel/machine.js";
import type { LedgerEvent } from "../../src/ledger/event.js";
import { areNeighbours, isReshaping, replicaOn } from "../../src/ledger/fold.js";
import type { Merge, Split } from "../../src/ledger/reshape.js";
import type { ClusterView, FragmentView } from "../../src/ledger/view.js";
import type { ReplicaStatus } from "../../src/protocol/control.js";
import type { LooseAdminRequest } from "../../src/protocol/control-codec.js";
import { decodeBound, positionOfBound } from "../../src/table/key.js";
import type { Position, TableDef } from "../../src/table/table.js";
import type { Draft } from "./draft.js";
import { fragmentIn } from "./moves/orders.js";
import type { LeaderState } from "./state.js";

type Of<K extends LooseAdminRequest["kind"]> = Extract<LooseAdminRequest, { kind: K }>;
const underWayAtMost = 64;
const hashBytes = 4;
/** As long as a client that lost an answer asks again. */
const sameSplitMs = 5_000;

export function splitFragment(
  state: LeaderState,
  draft: Draft,
  { table: name, fragment: id, at: given, by }: Of<"splitFragment">,
  startedMs: number,
): Result<readonly LedgerEvent[]> {
  const { view } = draft;
  const found = fragmentIn(draft, name, id);
  if (!found.ok) return found;
  const fragment = found.value;
  const table = view.tables.get(fragment.table);
  if (table === undefined) return fail("UNKNOWN_TABLE", `there is no table ${name}`);
  const running = view.splits.get(id);
  // Asked again without a key right after it was done: the first answer may have got lost, and nobody means halves of halves.
  if (running === undefined && (given === undefined || given === null) && hasJustSplit(view, id, by, startedMs))
    return ok([]);
  const why = busy(view, fragment) ?? tooMany(view, table);
  if (running === undefined && why !== undefined) return { ok: false, fault: why };
  const at = given === undefined || given === null ? ok(undefined) : cutAt(state, table, given);
  if (!at.ok) return at;
  if (at.value !== undefined && !isInside(fragment, at.value))
    return fail(
      "NOT_POSSIBLE",
      `the split key lies outside fragment ${id}, or at its edge: both halves must be able to hold keys`,
    );
  // The same wish again, perhaps of a request whose answer got lost.
  if (running !== undefined)
    return sameCut(running.at, at.value)
      ? ok([])
      : fail("NOT_POSSIBLE", `fragment ${id} is being split already; wait until that is done`);
  const child = view.nextFragment * limits.controlPartitions + state.config.partition;
  return ok([{ kind: "splitStarted", fragment: id, child, at: at.value, by, startedMs }]);
}

export function mergeFragments(
  state: LeaderState,
  draft: Draft,
  { table, left, right, by }: Of<"mergeFragments">,
  startedMs: number,
): Result<readonly LedgerEvent[]> {
  const { view } = draft;
  const found = fragmentIn(draft, table, left);
  if (!found.ok) return found;
  const one = found.value;
  const other = view.fragments.get(right);
  if (other === undefined)
    return fail("UNKNOWN_FRAGMENT", `there is no fragment ${right}; list them with: foreshard fragments`);
  if (view.merges.get(left)?.right === right) return ok([]);
  if (one.table !== other.table)
    return fail(
      "NOT_POSSIBLE",
      `fragments ${left} and ${right} are of different tables; only neighbours of one table can be merged`,
    );
  if (areNeighbours(view, right, left))
    return fail(
      "NOT_POSSIBLE",
      `fragment ${right} comes before ${left}; name the left one first: ${right}, then ${left}`,
    );
  if (!areNeighbours(view, left, right))
    return fail(
      "NOT_POSSIBLE",
      `fragments ${left} and ${right} are not neighbours; a merge needs two whose ranges touch`,
    );
  const why =
    busy(view, one) ?? busy(view, other) ?? unlike(table, one, other) ?? unwell(state, one) ?? unwell(state, other);
  if (why !== undefined) return { ok: false, fault: why };
  return ok([{ kind: "mergeStarted", left, right, by, startedMs }]);
}

/** And its halves are there still: what was merged since is split anew. */
function hasJustSplit({ pastReshapes, fragments }: ClusterView, id: number, by: string, nowMs: number): boolean {
  return pastReshapes.some(
    (past) =>
      past.kind === "split" &&
      past.fragment === id &&
      past.outcome === "done" &&
      past.by === by &&
      fragments.has(past.other) &&
      nowMs - past.endedMs < sameSplitMs,
  );
}

function busy(view: ClusterView, { id }: FragmentView): Fault | undefined {
  if (view.moving.has(id))
    return fault("NOT_POSSIBLE", `fragment ${id} is being moved; wait until that is done, or cancel it`);
  return isReshaping(view, id)
    ? fault("NOT_POSSIBLE", `fragment ${id} is being split or merged already; wait until that is done`)
    : undefined;
}

function tooMany(view: ClusterView, { id, name }: TableDef): Fault | undefined {
  const coming = [...view.splits.values()].filter(({ fragment }) => view.fragments.get(fragment)?.table === id).length;
  if ((view.order.get(id)?.length ?? 0) + coming >= limits.fragmentsPerTable)
    return fault(
      "NOT_POSSIBLE",
      `table ${name} has ${limits.fragmentsPerTable} fragments, which is the most; merge some first`,
    );
  return view.splits.size >= underWayAtMost
    ? fault("OVERLOADED", `${underWayAtMost} splits are under way; try again later`, { retryAfterMs: 200 })
    : undefined;
}

/** In a hash table the rows of one partition key stay together: only the hash of the key counts. */
function cutAt({ hash }: LeaderState, table: TableDef, given: unknown): Result<Position> {
  const bound = decodeBound(table, given, "the split key");
  if (!bound.ok) return bound;
  const at = positionOfBound(table, bound.value, hash);
  return at.ok && table.partitioning === "hash" ? ok(at.value.slice(0, hashBytes)) : at;
}

function isInside({ from, to }: FragmentView, at: Position): boolean {
  return compareBytes(from, at) < 0 && (to === undefined || compareBytes(at, to) < 0);
}

function sameCut(a: Position | undefined, b: Position | undefined): boolean {
  return a === undefined || b === undefined ? a === b : compareBytes(a, b) === 0;
}

/** RL3: the rows of a merge stay where they are. */
function unlike(table: string, one: FragmentView, other: FragmentView): Fault | undefined {
  const nodesOf = ({ replicas }: FragmentView): string[] => replicas.map(({ node }) => node).sort();
  const [a, b] = [nodesOf(one), nodesOf(other)];
  if (a.join() === b.join()) return undefined;
  const first = bringTogether(table, other.id, a, b);
  return fault(
    "NOT_POSSIBLE",
    `fragment ${one.id} is on ${a.join(", ")} and fragment ${other.id} on ${b.join(", ")}; bring them together first: ${first}`,
    { left: a, right: b },
  );
}

/** The commands after which the right one is where the left one is. */
function bringTogether(table: string, right: number, wanted: readonly string[], held: readonly string[]): string {
  if (wanted.length !== held.length) return `foreshard replicas ${table}/${right} ${wanted.length}`;
  const to = wanted.filter((node) => !held.includes(node));
  const from = held.filter((node) => !wanted.includes(node));
  return to.map((node, at) => `foreshard move ${table}/${right} --from ${from[at]} --to ${node}`).join("; ");
}

function unwell({ sessions }: LeaderState, { id, epoch, activatedEpoch, replicas }: FragmentView): Fault | undefined {
  if (activatedEpoch !== epoch)
    return fault("NOT_POSSIBLE", `fragment ${id} does not serve right now; try again when it does`);
  for (const { node, state } of replicas) {
    const status = sessions.status(node, id);
    if (status?.apart === true)
      return fault(
        "NOT_POSSIBLE",
        `the copy of fragment ${id} on ${node} was laid out by an earlier version; move it to another node first`,
      );
    if (state !== "ready" || (status?.state !== "following" && status?.state !== "serving"))
      return fault(
        "NOT_POSSIBLE",
        `the copy of fragment ${id} on ${node} is not at the end of the log; try again when it is`,
      );
  }
  return undefined;
}

/** Splits and merges that the primaries report. */
export function recordReshapes(state: LeaderState, draft: Draft, { wallMs }: Context): void {
  for (const split of [...draft.view.splits.values()]) recordSplit(state, draft, split, wallMs);
  for (const merge of [...draft.view.merges.values()]) recordMerge(state, draft, merge, wallMs);
}

/** What the primary of the present epoch says; an earlier one may be wrong. */
function primaryStatus({ sessions }: LeaderState, { view }: Draft, id: number): ReplicaStatus | undefined {
  const fragment = view.fragments.get(id);
  if (fragment === undefined) return undefined;
  const session = sessions.get(fragment.primary);
  if (session === undefined || view.nodes.get(fragment.primary)?.incarnation !== session.incarnation) return undefined;
  const status = session.statuses.get(id);
  return status?.state === "serving" && status.epoch === fragment.epoch ? status : undefined;
}

function recordSplit(state: LeaderState, draft: Draft, { fragment, child }: Split, atMs: number): void {
  const status = primaryStatus(state, draft, fragment);
  const { cut, refused } = status ?? {};
  if (cut?.child === child)
    draft.emit({ kind: "fragmentSplit", fragment, child, at: cut.at, baseLsn: cut.lsn, baseHash: cut.hash, atMs });
  else if (refused?.child === child) draft.emit({ kind: "splitCancelled", fragment, child, atMs, why: refused.why });
}

function recordMerge(state: LeaderState, draft: Draft, { left, right }: Merge, atMs: number): void {
  const joined = primaryStatus(state, draft, left)?.joined;
  if (joined?.right === right) {
    const { lsn, rightLsn, changedLsn } = joined;
    draft.emit({ kind: "fragmentsMerged", left, right, lsn, rightLsn, changedLsn, atMs });
    return;
  }
  const { view } = draft;
  const one = view.fragments.get(left);
  const other = view.fragments.get(right);
  if (one === undefined || other === undefined || replicaOn(other, one.primary) !== undefined) return;
  draft.emit({ kind: "replicasAdded", replicas: [{ fragment: right, node: one.primary }], cause: "merge" });
}
