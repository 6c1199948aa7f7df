// Reconciling. Owns that the shards of this node are those that the cluster view names, each with its newest assignment.
// N1 a replica's rows are deleted only when the ledger of the cluster that they came from says that it is no replica any more: a ledger that is new, empty or
//    older than what the store has seen deletes nothing, and starts nothing. The store remembers how far it has followed the ledger (`clusterRoom`), and does so
//    before it holds anything of what that ledger record brought.
// N2 replicas of one table here never overlap: one that is to be copied starts only when no other one holds its range (a parent that has not come to its split
//    yet, a fragment that is to be taken over). N3 the log may run ahead of the ledger: a child that the ledger does not know yet is kept, while the whole is here.

import { bookkeepingKey, bookkeepingRange, fragmentOfKey, tableShelf, windowRange } from "../../src/fragment/layout.js";
import { defaultCopyBounds } from "../../src/fragment/pace.js";
import { intersect } from "../../src/fragment/range.js";
import { type Replica, readBookkeeping } from "../../src/fragment/replica.js";
import { clearsOf, readReplica } from "../../src/fragment/reshape.js";
import type { Effect, Effects } from "../../src/kernel/effect.js";
import { fault } from "../../src/kernel/fault.js";
import { numberOf } from "../../src/ledger/fold.js";
import { replicasOn } from "../../src/ledger/lookup.js";
import type { MovePhase } from "../../src/ledger/move.js";
import type { ClusterView, FragmentView } from "../../src/ledger/view.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import { type FragmentId, partitionOfFragment, streams } from "../../src/protocol/subjects.js";
import type { Assignment } from "../shard/state.js";
import { createShard } from "../shard.js";
import { failPartsOf } from "./exec.js";
import type { NodeState, Seen, ShardSlot } from "./state.js";

const clusterRoom = 0x04;
const respawnMs = 200;
const respawnsAtMost = 8;
const sparsePhases: ReadonlySet<MovePhase> = new Set(["copying", "handingOver", "pulling"]);

/** Starts, informs and ends shards after the view of a partition changed. */
export function reconcile(state: NodeState, partition: number): Effects {
  const { view } = (state.partitions[partition] as NodeState["partitions"][number]).tail;
  if (view.createdMs === 0) return [];
  const seen = seenOf(state, partition);
  if (seen !== undefined && seen.createdMs !== view.createdMs) return foreignLedger(seen, view);
  // The ledger is being read again from before the point that the store has followed it to: what it says now is history.
  if (seen !== undefined && view.seq < seen.seq) return [];
  const own = replicasOn(view, state.config.id);
  const removal = removeOthers(state, view, new Set(own.map(({ id }) => id)));
  const shelves = localShelves(state, removal.removed);
  const effects: Effect[] = [remember(state, view), ...removal.effects];
  for (const fragment of own) effects.push(...settle(state, view, fragment, shelves));
  effects.push(...followGroups(state));
  return effects;
}

/** Replicas here by shelf, read once and only when asked for. */
type Shelves = (shelf: number) => readonly Replica[];

function localShelves({ wiring }: NodeState, removed: ReadonlySet<FragmentId>): Shelves {
  let known: Map<number, Replica[]> | undefined;
  const read = (): Map<number, Replica[]> => {
    const shelves = new Map<number, Replica[]>();
    for (const { key, value } of wiring.store.range(bookkeepingRange.from, bookkeepingRange.to, false)) {
      const replica = readBookkeeping(fragmentOfKey(key), value);
      if (replica === undefined || removed.has(replica.fragment)) continue;
      const mates = shelves.get(replica.shelf);
      if (mates === undefined) shelves.set(replica.shelf, [replica]);
      else mates.push(replica);
    }
    return shelves;
  };
  return (shelf) => {
    known ??= read();
    return known.get(shelf) ?? [];
  };
}

function seenOf(state: NodeState, partition: number): Seen | undefined {
  const own = state.partitions[partition];
  if (own?.seen !== undefined) return own.seen;
  const kept = state.wiring.store.get(clusterKey(partition));
  const known = kept === undefined ? undefined : unpack(kept);
  if (known === undefined || !known.ok || !Array.isArray(known.value)) return undefined;
  const [createdMs, seq] = known.value as unknown[];
  return typeof createdMs === "number" && typeof seq === "number" ? { createdMs, seq } : undefined;
}

function remember(state: NodeState, view: ClusterView): Effect {
  const own = state.partitions[view.partition];
  if (own !== undefined) own.seen = { createdMs: view.createdMs, seq: view.seq };
  return { kind: "commit", writes: [{ key: clusterKey(view.partition), value: pack([view.createdMs, view.seq]) }] };
}

function foreignLedger(seen: Seen, { partition, createdMs, seq }: ClusterView): Effects {
  const fields = { partition, ofLedger: createdMs, ofStore: seen.createdMs, seq };
  return [{ kind: "log", level: "error", event: "ledgerForeign", fields }];
}

function settle(state: NodeState, view: ClusterView, fragment: FragmentView, shelves: Shelves): Effects {
  const assignment = assignmentOf(state, view, fragment);
  const slot = state.shards.get(fragment.id);
  if (slot === undefined)
    return mayStart(state, view, fragment, shelves) ? start(state, view, fragment, assignment) : [];
  if (sameAssignment(slot.assignment, assignment)) return [];
  slot.assignment = assignment;
  return [{ kind: "tell", to: slot.actor, message: { kind: "assign", assignment } }];
}

/** N2: it is here, or nothing here is in its way. */
function mayStart(state: NodeState, view: ClusterView, fragment: FragmentView, shelves: Shelves): boolean {
  if (state.wiring.store.get(bookkeepingKey(fragment.id)) !== undefined) return true;
  return shelves(tableShelf(view.partition, fragment.table)).every(
    ({ range }) => intersect(range, fragment) === undefined,
  );
}

function assignmentOf(state: NodeState, view: ClusterView, fragment: FragmentView): Assignment {
  const peers = fragment.replicas.map(({ node }) => node).filter((node) => node !== state.config.id);
  return {
    epoch: fragment.epoch,
    primary: fragment.primary,
    activatedLsn: fragment.activatedLsn,
    peers,
    livePeers: peers.filter((node) => view.nodes.get(node)?.state === "up"),
    copyDeadlineMs: copyDeadlineOf(state, view, fragment),
    sparse: sparseOf(state, view, fragment),
    base: fragment.base,
    reshaped: fragment.reshaped,
    split: view.splits.get(fragment.id),
    absorb: view.merges.get(fragment.id)?.right,
    seal: view.merging.has(fragment.id),
  };
}

function copyDeadlineOf(state: NodeState, view: ClusterView, fragment: FragmentView): number {
  const move = view.moves.get(view.moving.get(fragment.id) ?? 0);
  return move?.to === state.config.id ? move.deadlineMs : 0;
}

/** The destination of a move by copy-on-write starts without rows. The source is asked last: it is the one that is to be relieved. */
function sparseOf(state: NodeState, view: ClusterView, fragment: FragmentView): Assignment["sparse"] {
  const move = view.moves.get(view.moving.get(fragment.id) ?? 0);
  if (move?.strategy !== "copy-on-write" || move.to !== state.config.id || !sparsePhases.has(move.phase))
    return undefined;
  const ready = fragment.replicas.filter(({ node, state: is }) => is === "ready" && node !== move.to);
  const sources = ready.map(({ node }) => node).sort((a, b) => Number(a === move.from) - Number(b === move.from));
  return { sources };
}

function sameAssignment(a: Assignment, b: Assignment): boolean {
  return (
    a.epoch === b.epoch &&
    a.primary === b.primary &&
    a.activatedLsn === b.activatedLsn &&
    a.copyDeadlineMs === b.copyDeadlineMs &&
    a.peers.join() === b.peers.join() &&
    a.livePeers.join() === b.livePeers.join() &&
    a.sparse?.sources.join() === b.sparse?.sources.join() &&
    a.reshaped === b.reshaped &&
    a.split?.child === b.split?.child &&
    a.absorb === b.absorb &&
    a.seal === b.seal
  );
}

function start(state: NodeState, view: ClusterView, fragment: FragmentView, assignment: Assignment): Effects {
  const table = view.tables.get(fragment.table);
  if (table === undefined) return [];
  const slot: ShardSlot = {
    fragment: fragment.id,
    actor: `shard/${fragment.id}`,
    group: fragment.group,
    shelf: tableShelf(view.partition, table.id),
    tableId: table.id,
    tableName: table.name,
    assignment,
    failures: 0,
  };
  state.shards.set(fragment.id, slot);
  return spawn(state, slot, view, fragment);
}

function spawn(state: NodeState, slot: ShardSlot, view: ClusterView, fragment: FragmentView): Effects {
  const table = view.tables.get(fragment.table);
  if (table === undefined) return [];
  const { config, wiring, board } = state;
  const actor = createShard(
    {
      fragment: fragment.id,
      table,
      node: config.id,
      writer: `${config.id}/${config.incarnation}`,
      group: fragment.group,
      parent: "node",
      self: slot.actor,
      timing: config.timing,
      copyBounds: config.copyBounds ?? defaultCopyBounds,
    },
    { store: wiring.store, hash: wiring.hash, board },
    slot.shelf,
    { from: fragment.from, to: fragment.to },
  );
  return [
    { kind: "spawn", id: slot.actor, actor },
    { kind: "tell", to: slot.actor, message: { kind: "start" } },
    { kind: "tell", to: slot.actor, message: { kind: "assign", assignment: slot.assignment } },
  ];
}

/** Shards that the view does not name any more, running or only in the store (N1). */
function removeOthers(
  state: NodeState,
  view: ClusterView,
  wanted: ReadonlySet<FragmentId>,
): { readonly effects: Effects; readonly removed: ReadonlySet<FragmentId> } {
  const effects: Effect[] = [];
  const removed = new Set<FragmentId>();
  const kept = new Set<FragmentId>();
  for (const { key, value } of state.wiring.store.range(bookkeepingRange.from, bookkeepingRange.to, false)) {
    const fragment = fragmentOfKey(key);
    if (partitionOfFragment(fragment) !== view.partition || wanted.has(fragment)) continue;
    if (isToCome(view, wanted, fragment)) continue;
    if (isToBeTaken(state, view, wanted, fragment)) {
      kept.add(fragment);
      state.board.retired.add(fragment);
      continue;
    }
    removed.add(fragment);
    effects.push(...remove(state, fragment, value));
  }
  for (const fragment of [...state.shards.keys()]) {
    if (partitionOfFragment(fragment) === view.partition && !wanted.has(fragment) && !kept.has(fragment))
      effects.push(...stopShard(state, fragment));
  }
  return { effects, removed };
}

/**
 * N3: the log made it, and the ledger has not told of it yet. Not where the fragment that is split left this node meanwhile: should that one be placed here again, its whole range would find
 * the half in its way, and nobody would ever record the split.
 */
function isToCome(view: ClusterView, wanted: ReadonlySet<FragmentId>, fragment: FragmentId): boolean {
  if (numberOf(fragment) >= view.nextFragment) return true;
  for (const split of view.splits.values()) if (split.child === fragment) return wanted.has(split.fragment);
  return false;
}

/** Its left neighbour took it over, and has not come that far here: it needs these rows. */
function isToBeTaken(
  state: NodeState,
  view: ClusterView,
  wanted: ReadonlySet<FragmentId>,
  fragment: FragmentId,
  depth = 0,
): boolean {
  const taken = view.taken.find(({ right }) => right === fragment);
  if (taken === undefined || depth > view.taken.length) return false;
  const left = readReplica(state.wiring.store, taken.left);
  if (left === undefined || left.lsn >= taken.lsn) return false;
  return wanted.has(taken.left) || isToBeTaken(state, view, wanted, taken.left, depth + 1);
}

function remove(state: NodeState, fragment: FragmentId, bookkeeping: Uint8Array): Effects {
  const replica = readBookkeeping(fragment, bookkeeping);
  const { store } = state.wiring;
  const clears = replica === undefined ? [windowRange(fragment)] : clearsOf(store, replica, replica.range);
  return [
    ...stopShard(state, fragment),
    { kind: "commit", writes: [{ key: bookkeepingKey(fragment), value: undefined }], clears },
  ];
}

/** A shard changed its bounds: others may start now, and whom it took over has ended. */
export function onReshaped(state: NodeState, fragment: FragmentId, gone: readonly FragmentId[]): Effects {
  return [...gone.flatMap((one) => stopShard(state, one)), ...reconcile(state, partitionOfFragment(fragment))];
}

function stopShard(state: NodeState, fragment: FragmentId): Effects {
  const slot = state.shards.get(fragment);
  if (slot === undefined) return [];
  state.shards.delete(fragment);
  state.board.statuses.delete(fragment);
  state.board.changed.delete(fragment);
  state.board.retired.delete(fragment);
  state.board.keys.delete(fragment);
  state.board.readers.delete(fragment);
  state.board.mixes.delete(fragment);
  const why = fault("NOT_PRIMARY", `fragment ${fragment} is no longer on ${state.config.id}`);
  return [{ kind: "stop", id: slot.actor }, ...failPartsOf(state, fragment, why)];
}

/** Tails every log group that holds a fragment of this node, from where its furthest-behind shard stands. */
function followGroups(state: NodeState): Effects {
  const from = new Map<number, number>();
  for (const slot of state.shards.values()) {
    if (state.groups.has(slot.group)) continue;
    const seq = appliedSeq(state, slot.fragment) + 1;
    from.set(slot.group, Math.min(from.get(slot.group) ?? seq, seq));
  }
  const effects: Effect[] = [];
  for (const [group, fromSeq] of from) {
    state.groups.add(group);
    effects.push({ kind: "follow", stream: streams.log(group), fromSeq });
  }
  return effects;
}

function appliedSeq(state: NodeState, fragment: FragmentId): number {
  const value = state.wiring.store.get(bookkeepingKey(fragment));
  return value === undefined ? 0 : (readBookkeeping(fragment, value)?.seq ?? 0);
}

/** A shard threw and is gone: its requests are answered, and it starts again from the store, later each time. */
export function onShardFailed(state: NodeState, actor: string, error: string): Effects {
  const slot = [...state.shards.values()].find((candidate) => candidate.actor === actor);
  if (slot === undefined) return [];
  slot.failures++;
  const afterMs = respawnMs * 2 ** Math.min(slot.failures, respawnsAtMost);
  const why = fault(
    "UNKNOWN_OUTCOME",
    `fragment ${slot.fragment} failed on ${state.config.id} and is being restarted; retry with the same request id`,
  );
  return [
    {
      kind: "log",
      level: "error",
      event: "shardFailed",
      fields: { fragment: slot.fragment, failures: slot.failures, error },
    },
    ...failPartsOf(state, slot.fragment, why),
    { kind: "wake", name: `respawn/${slot.fragment}`, afterMs },
  ];
}

export function respawn(state: NodeState, fragment: FragmentId): Effects {
  const slot = state.shards.get(fragment);
  const view = state.partitions[partitionOfFragment(fragment)]?.tail.view;
  const known = view?.fragments.get(fragment);
  if (slot === undefined || view === undefined || known === undefined) return [];
  return spawn(state, slot, view, known);
}

function clusterKey(partition: number): Uint8Array {
  return Uint8Array.of(clusterRoom, partition);
}
