// Reconciling. Owns that the shards of this node are those that the cluster view names, each with its newest assignment.
// N1 a replica's rows are deleted only when the ledger of the cluster that they came from says that it is no replica any more: a ledger that is new, empty or
//    older than what the store has seen deletes nothing, and starts nothing. The store remembers how far it has followed the ledger (`clusterRoom`), and does so
//    before it holds anything of what that ledger record brought.

import {
  bookkeepingKey,
  bookkeepingRange,
  markRange,
  rowRange,
  rowRoomRange,
  shelfOfRowKey,
  windowRange,
} from "../../src/fragment/layout.js";
import { readBookkeeping } from "../../src/fragment/replica.js";
import type { Effect, Effects } from "../../src/kernel/effect.js";
import { fault } from "../../src/kernel/fault.js";
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

/** First free shelf: beyond every shelf that rows or bookkeeping use. */
export function firstFreeShelf(state: Pick<NodeState, "wiring">): number {
  const { store } = state.wiring;
  let highest = 0;
  for (const { value } of store.range(bookkeepingRange.from, bookkeepingRange.to, false)) {
    highest = Math.max(highest, readBookkeeping(0, value)?.shelf ?? 0);
  }
  for (const { key } of store.range(rowRoomRange.from, rowRoomRange.to, true)) {
    highest = Math.max(highest, shelfOfRowKey(key));
    break;
  }
  return highest + 1;
}

/** Starts, informs and ends shards after the view of a partition changed. */
export function reconcile(state: NodeState, partition: number): Effects {
  const { view } = (state.partitions[partition] as NodeState["partitions"][number]).tail;
  if (view.createdMs === 0) return [];
  const seen = seenOf(state, partition);
  if (seen !== undefined && seen.createdMs !== view.createdMs) return foreignLedger(seen, view);
  // The ledger is being read again from before the point that the store has followed it to: what it says now is history.
  if (seen !== undefined && view.seq < seen.seq) return [];
  const effects: Effect[] = [remember(state, view)];
  const wanted = new Set<FragmentId>();
  for (const fragment of replicasOn(view, state.config.id)) {
    wanted.add(fragment.id);
    effects.push(...settle(state, view, fragment));
  }
  effects.push(...removeOthers(state, view, wanted), ...followGroups(state));
  return effects;
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

function settle(state: NodeState, view: ClusterView, fragment: FragmentView): Effects {
  const assignment = assignmentOf(state, view, fragment);
  const slot = state.shards.get(fragment.id);
  if (slot === undefined) return start(state, view, fragment, assignment);
  if (sameAssignment(slot.assignment, assignment)) return [];
  slot.assignment = assignment;
  return [{ kind: "tell", to: slot.actor, message: { kind: "assign", assignment } }];
}

function assignmentOf(state: NodeState, view: ClusterView, fragment: FragmentView): Assignment {
  const peers = fragment.replicas.map(({ node }) => node).filter((node) => node !== state.config.id);
  return {
    epoch: fragment.epoch,
    primary: fragment.primary,
    activatedLsn: fragment.activatedLsn,
    peers,
    livePeers: peers.filter((node) => view.nodes.get(node)?.state === "up"),
    sparse: sparseOf(state, view, fragment),
  };
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
    a.peers.join() === b.peers.join() &&
    a.livePeers.join() === b.livePeers.join() &&
    a.sparse?.sources.join() === b.sparse?.sources.join()
  );
}

function start(state: NodeState, view: ClusterView, fragment: FragmentView, assignment: Assignment): Effects {
  const table = view.tables.get(fragment.table);
  if (table === undefined) return [];
  const slot: ShardSlot = {
    fragment: fragment.id,
    actor: `shard/${fragment.id}`,
    group: fragment.group,
    shelf: state.nextShelf++,
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
function removeOthers(state: NodeState, view: ClusterView, wanted: ReadonlySet<FragmentId>): Effects {
  const effects: Effect[] = [];
  for (const { key, value } of state.wiring.store.range(bookkeepingRange.from, bookkeepingRange.to, false)) {
    const fragment = fragmentOfKey(key);
    if (partitionOfFragment(fragment) !== view.partition || wanted.has(fragment)) continue;
    effects.push(...remove(state, fragment, value));
  }
  for (const fragment of [...state.shards.keys()]) {
    if (partitionOfFragment(fragment) === view.partition && !wanted.has(fragment))
      effects.push(...stopShard(state, fragment));
  }
  return effects;
}

function remove(state: NodeState, fragment: FragmentId, bookkeeping: Uint8Array): Effects {
  const replica = readBookkeeping(fragment, bookkeeping);
  const clears = [windowRange(fragment)];
  if (replica !== undefined)
    clears.push(rowRange(replica.shelf, replica.range), markRange(replica.shelf, replica.range));
  return [
    ...stopShard(state, fragment),
    { kind: "commit", writes: [{ key: bookkeepingKey(fragment), value: undefined }], clears },
  ];
}

function stopShard(state: NodeState, fragment: FragmentId): Effects {
  const slot = state.shards.get(fragment);
  if (slot === undefined) return [];
  state.shards.delete(fragment);
  state.board.statuses.delete(fragment);
  state.board.changed.delete(fragment);
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

function fragmentOfKey(key: Uint8Array): FragmentId {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return view.getUint32(1) * 4294967296 + view.getUint32(5);
}
