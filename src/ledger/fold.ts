// Fold. Owns how a ledger record changes the cluster view. Pure and deterministic: it knows no clock, no chance, no order of maps.
// F1 same records, same view (I9). F2 a record of an older term changes nothing but `seq`: its leader was deposed.
// F3 an event that names what is not there, or that comes too late, changes nothing, on every member alike.

import { limits } from "../config/limits.js";
import { compareBytes, sameBytes } from "../kernel/bytes.js";
import type { FragmentId, NodeId } from "../protocol/subjects.js";
import type { LedgerEvent, LedgerRecord, NewFragment } from "./event.js";
import { firstPhase, type MoveOutcome, type MoveView, mayFollow, pastMovesKept, phasesKept } from "./move.js";
import { type PastReshape, pastReshapesKept, takenKept } from "./reshape.js";
import type { ClusterView, FragmentView, ReplicaView } from "./view.js";

const incidentsKept = 100;

export function emptyView(partition: number): ClusterView {
  return {
    partition,
    seq: 0,
    term: 0,
    leader: "",
    logGroups: 0,
    partitions: 0,
    createdMs: 0,
    nextTableId: 1,
    nextFragment: 0,
    nodes: new Map(),
    tables: new Map(),
    fragments: new Map(),
    order: new Map(),
    logStreams: new Map(),
    incidents: [],
    policy: undefined,
    profiles: new Map(),
    nextMove: 1,
    moves: new Map(),
    pastMoves: [],
    splits: new Map(),
    merges: new Map(),
    taken: [],
    pastReshapes: [],
    tableIds: new Map(),
    held: new Map(),
    moving: new Map(),
    merging: new Map(),
  };
}

/** Folds the record at `seq` into `view`. False when its events did not count: known already, or of an older term. */
export function fold(view: ClusterView, seq: number, record: LedgerRecord): boolean {
  if (seq <= view.seq) return false;
  view.seq = seq;
  if (record.term < view.term) return false;
  view.term = record.term;
  for (const event of record.events) applyEvent(view, event);
  return true;
}

type Appliers = {
  readonly [K in LedgerEvent["kind"]]: (view: ClusterView, event: Extract<LedgerEvent, { kind: K }>) => void;
};

/** One event on its own: the leader tries its next record on a draft with it. */
export function applyEvent(view: ClusterView, event: LedgerEvent): void {
  const apply = appliers[event.kind] as (view: ClusterView, event: LedgerEvent) => void;
  apply(view, event);
}

const appliers: Appliers = {
  clusterCreated(view, { logGroups, partitions, createdMs }) {
    if (view.logGroups !== 0) return;
    view.logGroups = logGroups;
    view.partitions = partitions;
    view.createdMs = createdMs;
  },
  leaderElected(view, { member }) {
    view.leader = member;
  },
  nodeJoined(view, { node, zone, weight, storeId, bootCount }) {
    const known = view.nodes.get(node);
    if (known !== undefined) {
      Object.assign(known, { zone, weight, storeId, bootCount });
      return;
    }
    view.nodes.set(node, {
      id: node,
      zone,
      weight,
      storeId,
      bootCount,
      incarnation: "",
      state: "down",
      draining: false,
      drainedBy: "",
      downSinceMs: 0,
    });
  },
  nodeUp(view, { node, incarnation, bootCount }) {
    const known = view.nodes.get(node);
    if (known !== undefined) Object.assign(known, { incarnation, bootCount, state: "up", downSinceMs: 0 });
  },
  nodeDown(view, { node, incarnation, atMs }) {
    const known = view.nodes.get(node);
    if (known === undefined || known.incarnation !== incarnation || known.state === "down") return;
    known.state = "down";
    known.downSinceMs = atMs;
  },
  nodeDraining(view, { node, draining, by }) {
    const known = view.nodes.get(node);
    if (known !== undefined) Object.assign(known, { draining, drainedBy: draining ? by : "" });
  },
  nodeRemoved(view, { node }) {
    view.nodes.delete(node);
  },
  tableCreated(view, { table, fragments }) {
    const taken = view.tables.has(table.id) || view.tableIds.has(table.name);
    if (taken || fragments.some(({ id }) => view.fragments.has(id))) return;
    view.tables.set(table.id, table);
    view.tableIds.set(table.name, table.id);
    view.nextTableId = Math.max(view.nextTableId, table.id + 1);
    view.order.set(
      table.id,
      fragments.map(({ id }) => id),
    );
    for (const fragment of fragments) addFragment(view, table.id, fragment);
  },
  tableDropped(view, { table }) {
    const known = view.tables.get(table);
    if (known === undefined) return;
    for (const id of view.order.get(table) ?? []) dropFragment(view, id);
    view.order.delete(table);
    view.tables.delete(table);
    view.tableIds.delete(known.name);
  },
  primariesChanged(view, { changes }) {
    for (const { fragment, epoch, primary } of changes) {
      const known = view.fragments.get(fragment);
      if (known === undefined || epoch <= known.epoch || replicaOn(known, primary) === undefined) continue;
      known.epoch = epoch;
      known.primary = primary;
    }
  },
  fragmentsActivated(view, { activations }) {
    for (const { fragment, epoch, lsn } of activations) {
      const known = view.fragments.get(fragment);
      if (known === undefined || epoch > known.epoch || epoch <= known.activatedEpoch) continue;
      known.activatedEpoch = epoch;
      known.activatedLsn = lsn;
    }
  },
  replicasAdded(view, { replicas }) {
    for (const { fragment, node } of replicas) {
      const known = view.fragments.get(fragment);
      if (known === undefined || replicaOn(known, node) !== undefined) continue;
      known.replicas.push({ node, state: "joining" });
      hold(view, node, fragment);
    }
  },
  replicasReady(view, { replicas }) {
    for (const { fragment, node } of replicas) {
      const replica = replicaOn(view.fragments.get(fragment), node);
      if (replica !== undefined) replica.state = "ready";
    }
  },
  /** The primary's replica stays: its role has to move first. */
  replicasRemoved(view, { replicas }) {
    for (const { fragment, node } of replicas) {
      const known = view.fragments.get(fragment);
      if (known === undefined || known.primary === node) continue;
      known.replicas = known.replicas.filter((replica) => replica.node !== node);
      release(view, node, fragment);
    }
  },
  replicaCountChanged(view, { fragment, count, spare = 0 }) {
    const known = view.fragments.get(fragment);
    if (known === undefined) return;
    known.replicasWanted = count;
    known.replicasSpare = Math.min(spare, count);
  },
  moveStarted(view, { move }) {
    if (move.id < view.nextMove) return;
    view.nextMove = move.id + 1;
    if (!view.fragments.has(move.fragment) || view.moving.has(move.fragment)) return;
    if (isReshaping(view, move.fragment)) return;
    const phase = firstPhase(move.strategy);
    const entry = { phase, atMs: move.startedMs, lsn: 0, seq: view.seq, note: "" };
    view.moves.set(move.id, { ...move, phase, phases: [entry] });
    view.moving.set(move.fragment, move.id);
  },
  moveAdvanced(view, { move, phase, atMs, lsn, note }) {
    const known = view.moves.get(move);
    if (known === undefined || !mayFollow(known.strategy, known.phase, phase)) return;
    known.phase = phase;
    known.phases.push({ phase, atMs, lsn, seq: view.seq, note });
    // The first ones say how it began, the last one where it is.
    if (known.phases.length > phasesKept) known.phases.splice(phasesKept / 2, 1);
  },
  moveEnded(view, { move, outcome, atMs, why }) {
    const known = view.moves.get(move);
    if (known !== undefined) endMove(view, known, outcome, atMs, why);
  },
  policyChanged(view, { policy, by, atMs }) {
    view.policy = { policy, by, atMs };
  },
  moveJudged(view, { move, verdict }) {
    const at = view.pastMoves.findIndex(({ id }) => id === move);
    const past = view.pastMoves[at];
    if (past !== undefined && past.verdict === "") view.pastMoves[at] = { ...past, verdict };
  },
  profilePut(view, { profile }) {
    if (view.profiles.has(profile.name) || view.profiles.size < limits.profiles)
      view.profiles.set(profile.name, profile);
  },
  profileRemoved(view, { name }) {
    view.profiles.delete(name);
  },
  splitStarted(view, { fragment, child, at, by, startedMs }) {
    if (numberOf(child) < view.nextFragment) return;
    view.nextFragment = numberOf(child) + 1;
    if (view.fragments.has(fragment) && !isReshaping(view, fragment) && !view.moving.has(fragment))
      view.splits.set(fragment, { fragment, child, at, by, startedMs });
  },
  splitCancelled(view, { fragment, child, atMs, why }) {
    if (view.splits.get(fragment)?.child === child) endSplit(view, fragment, "cancelled", atMs, why);
  },
  fragmentSplit(view, { fragment, child, at, baseLsn, baseHash, atMs }) {
    const parent = view.fragments.get(fragment);
    if (parent === undefined || view.fragments.has(child) || !isInside(parent, at)) return;
    // Whoever holds the parent as it was keeps it so: an answer is judged by the bounds that the question had.
    view.fragments.set(fragment, { ...parent, to: at, reshaped: true });
    view.fragments.set(child, {
      ...parent,
      id: child,
      from: at,
      epoch: 1,
      activatedEpoch: 0,
      activatedLsn: baseLsn,
      replicas: parent.replicas.map((replica) => ({ ...replica })),
      base: { parent: fragment, lsn: baseLsn, hash: baseHash },
      reshaped: true,
    });
    for (const { node } of parent.replicas) hold(view, node, child);
    view.nextFragment = Math.max(view.nextFragment, numberOf(child) + 1);
    const order = view.order.get(parent.table) ?? [];
    view.order.set(parent.table, [...order.flatMap((id) => (id === fragment ? [id, child] : [id]))]);
    if (view.splits.get(fragment)?.child === child) endSplit(view, fragment, "done", atMs, "");
  },
  mergeStarted(view, { left, right, by, startedMs }) {
    if (!areNeighbours(view, left, right)) return;
    if ([left, right].some((id) => isReshaping(view, id) || view.moving.has(id))) return;
    view.merges.set(left, { left, right, by, startedMs });
    view.merging.set(right, left);
  },
  fragmentsMerged(view, { left, right, lsn, rightLsn, changedLsn, atMs }) {
    const known = view.fragments.get(left);
    const gone = view.fragments.get(right);
    if (known === undefined || gone === undefined || !areNeighbours(view, left, right)) return;
    const merge = view.merges.get(left);
    if (merge?.right === right) {
      const { by, startedMs } = merge;
      endReshape(view, {
        kind: "merge",
        fragment: left,
        other: right,
        outcome: "done",
        by,
        startedMs,
        endedMs: atMs,
        why: "",
      });
    }
    view.fragments.set(left, { ...known, to: gone.to, reshaped: true });
    view.order.set(
      known.table,
      (view.order.get(known.table) ?? []).filter((id) => id !== right),
    );
    dropFragment(view, right);
    view.taken.push({ right, left, group: gone.group, lsn, rightLsn, changedLsn });
    if (view.taken.length > takenKept) view.taken.splice(0, view.taken.length - takenKept);
  },
  logStreamSeen(view, { group, created }) {
    view.logStreams.set(group, created);
  },
  incidentReported(view, { incident }) {
    view.incidents.push(incident);
    if (view.incidents.length > incidentsKept) view.incidents.splice(0, view.incidents.length - incidentsKept);
  },
};

function addFragment(view: ClusterView, table: number, made: NewFragment): void {
  const [primary] = made.replicas;
  if (primary === undefined) return;
  view.fragments.set(made.id, {
    id: made.id,
    table,
    from: made.from,
    to: made.to,
    group: made.group,
    epoch: 1,
    primary,
    activatedEpoch: 0,
    activatedLsn: 0,
    replicas: made.replicas.map((node): ReplicaView => ({ node, state: "ready" })),
    replicasWanted: 0,
    replicasSpare: 0,
    base: undefined,
    reshaped: false,
  });
  for (const node of made.replicas) hold(view, node, made.id);
  view.nextFragment = Math.max(view.nextFragment, numberOf(made.id) + 1);
}

/** Which fragment of its partition it is, counted from the first ever made. */
export function numberOf(fragment: FragmentId): number {
  return Math.floor(fragment / limits.controlPartitions);
}

/** A split or merge of the fragment is under way. */
export function isReshaping(view: ClusterView, fragment: FragmentId): boolean {
  return view.splits.has(fragment) || view.merges.has(fragment) || view.merging.has(fragment);
}

function isInside({ from, to }: FragmentView, at: FragmentView["from"]): boolean {
  return compareBytes(from, at) < 0 && (to === undefined || compareBytes(at, to) < 0);
}

/** `right` begins where `left` ends, in one table. */
export function areNeighbours(view: ClusterView, left: FragmentId, right: FragmentId): boolean {
  const one = view.fragments.get(left);
  const other = view.fragments.get(right);
  if (one?.to === undefined || other === undefined || left === right) return false;
  return one.table === other.table && sameBytes(one.to, other.from);
}

function endSplit(
  view: ClusterView,
  fragment: FragmentId,
  outcome: PastReshape["outcome"],
  endedMs: number,
  why: string,
): void {
  const split = view.splits.get(fragment);
  if (split === undefined) return;
  const { child, by, startedMs } = split;
  endReshape(view, { kind: "split", fragment, other: child, outcome, by, startedMs, endedMs, why });
}

function endReshape(view: ClusterView, past: PastReshape): void {
  view.splits.delete(past.fragment);
  if (view.merging.get(past.other) === past.fragment) {
    view.merges.delete(past.fragment);
    view.merging.delete(past.other);
  }
  view.pastReshapes.push(past);
  if (view.pastReshapes.length > pastReshapesKept)
    view.pastReshapes.splice(0, view.pastReshapes.length - pastReshapesKept);
}

function dropFragment(view: ClusterView, id: FragmentId): void {
  for (const { node } of view.fragments.get(id)?.replicas ?? []) release(view, node, id);
  view.fragments.delete(id);
  view.splits.delete(id);
  const left = view.merging.get(id) ?? id;
  view.merging.delete(view.merges.get(left)?.right ?? id);
  view.merges.delete(left);
  const move = view.moves.get(view.moving.get(id) ?? 0);
  if (move !== undefined)
    endMove(view, move, "cancelled", move.phases.at(-1)?.atMs ?? move.startedMs, "its fragment is no more");
}

function endMove(view: ClusterView, move: MoveView, outcome: MoveOutcome, endedMs: number, end: string): void {
  const { phase: _phase, ...kept } = move;
  view.moves.delete(move.id);
  view.moving.delete(move.fragment);
  view.pastMoves.push({ ...kept, outcome, endedMs, end, verdict: "" });
  if (view.pastMoves.length > pastMovesKept) view.pastMoves.splice(0, view.pastMoves.length - pastMovesKept);
}

export function replicaOn(fragment: FragmentView | undefined, node: NodeId): ReplicaView | undefined {
  return fragment?.replicas.find((replica) => replica.node === node);
}

/** Enters a replica into the index of what a node holds. */
export function hold(view: ClusterView, node: NodeId, fragment: FragmentId): void {
  const held = view.held.get(node);
  if (held === undefined) view.held.set(node, new Set([fragment]));
  else held.add(fragment);
}

function release(view: ClusterView, node: NodeId, fragment: FragmentId): void {
  const held = view.held.get(node);
  if (held === undefined) return;
  held.delete(fragment);
  if (held.size === 0) view.held.delete(node);
}
