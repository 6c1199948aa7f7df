// Snapshot. Owns the written form of a whole cluster view, its digest, a copy of it, and how a snapshot is cut into records.
// The form is canonical: maps are written in the order of their keys, so equal views have equal bytes whatever way they came to be.

import { z } from "zod";
import { limits } from "../config/limits.js";
import { type Bytes, joinBytes } from "../kernel/bytes.js";
import { fail, ok, type Result } from "../kernel/fault.js";
import type { Hash } from "../kernel/hash.js";
import { storedPolicySchema } from "../plan/policy.js";
import { pack, unpack } from "../protocol/codec.js";
import { emptyView, hold } from "./fold.js";
import { type Move, type MoveView, moveOutcomes, movePhases, type PastMove, type PhaseEntry } from "./move.js";
import {
  bytesSchema,
  incidentSchema,
  moveSchema,
  profileSchema,
  profileWire,
  tableSchema,
  tableWire,
} from "./record.js";
import type { Merge, PastReshape, Split, Taken } from "./reshape.js";
import type { ClusterView, FragmentView, PolicyView } from "./view.js";

const count = z.int().min(0);

const fragmentSchema = z
  .tuple([
    count,
    count,
    bytesSchema,
    bytesSchema.nullable(),
    count,
    count,
    z.string(),
    count,
    count,
    z.array(z.tuple([z.string(), z.boolean()])),
    // Not in snapshots of earlier versions.
    count.optional(),
    z.tuple([count, count, bytesSchema]).nullish(),
    z.boolean().optional(),
    // Only where there are some.
    count.optional(),
  ])
  .transform(
    ([
      id,
      table,
      from,
      to,
      group,
      epoch,
      primary,
      activatedEpoch,
      activatedLsn,
      replicas,
      wanted,
      base,
      reshaped,
      spare,
    ]): FragmentView => ({
      id,
      table,
      from,
      to: to ?? undefined,
      group,
      epoch,
      primary,
      activatedEpoch,
      activatedLsn,
      replicas: replicas.map(([node, ready]) => ({ node, state: ready ? "ready" : "joining" })),
      replicasWanted: wanted ?? 0,
      replicasSpare: spare ?? 0,
      base: base == null ? undefined : { parent: base[0], lsn: base[1], hash: base[2] },
      reshaped: reshaped ?? false,
    }),
  );

const phasesSchema = z
  .array(z.tuple([z.enum(movePhases), z.number(), count, count, z.string()]))
  .min(1)
  .transform((phases) => phases.map(([phase, atMs, lsn, seq, note]): PhaseEntry => ({ phase, atMs, lsn, seq, note })));
const movingSchema = moveSchema
  .extend({ phases: phasesSchema })
  .transform((move): MoveView => ({ ...move, phase: move.phases.at(-1)?.phase ?? "copying" }));
const pastMoveSchema = moveSchema.extend({
  phases: phasesSchema,
  outcome: z.enum(moveOutcomes),
  endedMs: z.number(),
  end: z.string(),
  // Not in snapshots of earlier versions.
  verdict: z.string().default(""),
});

const splitSchema = z
  .tuple([count, count, bytesSchema.nullable(), z.string(), z.number()])
  .transform(
    ([fragment, child, at, by, startedMs]): Split => ({ fragment, child, at: at ?? undefined, by, startedMs }),
  );
const mergeSchema = z
  .tuple([count, count, z.string(), z.number()])
  .transform(([left, right, by, startedMs]): Merge => ({ left, right, by, startedMs }));
const takenSchema = z.tuple([count, count, count, count, count, count]).transform(
  ([right, left, group, lsn, rightLsn, changedLsn]): Taken => ({
    right,
    left,
    group,
    lsn,
    rightLsn,
    changedLsn,
  }),
);
const pastReshapeSchema = z.object({
  kind: z.enum(["split", "merge"]),
  fragment: count,
  other: count,
  outcome: z.enum(["done", "cancelled"]),
  by: z.string(),
  startedMs: z.number(),
  endedMs: z.number(),
  why: z.string(),
}) satisfies z.ZodType<PastReshape>;

const viewSchema = z.object({
  partition: count,
  seq: count,
  term: count,
  leader: z.string(),
  logGroups: count,
  partitions: count,
  createdMs: z.number(),
  nextTableId: count,
  nextFragment: count,
  nodes: z.array(
    z.object({
      id: z.string(),
      zone: z.string(),
      weight: z.number(),
      storeId: z.string(),
      bootCount: count,
      incarnation: z.string(),
      state: z.enum(["up", "down"]),
      draining: z.boolean(),
      drainedBy: z.string().default(""),
      downSinceMs: z.number(),
    }),
  ),
  tables: z.array(tableSchema),
  fragments: z.array(fragmentSchema),
  order: z.array(z.tuple([count, z.array(count)])),
  logStreams: z.array(z.tuple([count, z.string()])),
  incidents: z.array(incidentSchema),
  // Snapshots of an earlier version have none.
  profiles: z.array(profileSchema).default([]),
  policy: z
    .object({ policy: storedPolicySchema, by: z.string(), atMs: z.number() })
    .nullish()
    .transform((given) => given ?? undefined),
  nextMove: count.default(1),
  moves: z.array(movingSchema).default([]),
  pastMoves: z.array(pastMoveSchema).default([]),
  splits: z.array(splitSchema).default([]),
  merges: z.array(mergeSchema).default([]),
  taken: z.array(takenSchema).default([]),
  pastReshapes: z.array(pastReshapeSchema).default([]),
});

export function encodeSnapshot(view: ClusterView): Bytes {
  return pack({
    partition: view.partition,
    seq: view.seq,
    term: view.term,
    leader: view.leader,
    logGroups: view.logGroups,
    partitions: view.partitions,
    createdMs: view.createdMs,
    nextTableId: view.nextTableId,
    nextFragment: view.nextFragment,
    nodes: sorted(view.nodes)
      .map(([, node]) => [node.id, node] as const)
      .map(nodeWire),
    tables: sorted(view.tables).map(([, table]) => tableWire(table)),
    fragments: sorted(view.fragments).map(([, fragment]) => fragmentWire(fragment)),
    order: sorted(view.order),
    logStreams: sorted(view.logStreams),
    profiles: sorted(view.profiles).map(([, profile]) => profileWire(profile)),
    incidents: view.incidents.map(({ atMs, node, what, outcome, fragments, note }) => ({
      atMs,
      node,
      what,
      outcome,
      fragments,
      note,
    })),
    policy: view.policy === undefined ? null : policyWire(view.policy),
    nextMove: view.nextMove,
    moves: sorted(view.moves).map(([, move]) => moveWire(move)),
    pastMoves: view.pastMoves.map(pastMoveWire),
    splits: sorted(view.splits).map(([, { fragment, child, at, by, startedMs }]) => [
      fragment,
      child,
      at ?? null,
      by,
      startedMs,
    ]),
    merges: sorted(view.merges).map(([, { left, right, by, startedMs }]) => [left, right, by, startedMs]),
    taken: view.taken.map(({ right, left, group, lsn, rightLsn, changedLsn }) => [
      right,
      left,
      group,
      lsn,
      rightLsn,
      changedLsn,
    ]),
    pastReshapes: view.pastReshapes.map(pastReshapeWire),
  });
}

export function decodeSnapshot(bytes: Bytes): Result<ClusterView> {
  const unpacked = unpack(bytes);
  if (!unpacked.ok) return unpacked;
  const checked = viewSchema.safeParse(unpacked.value);
  if (!checked.success) return fail("UNDECODABLE", `not a snapshot of a view: ${z.prettifyError(checked.error)}`);
  const { nodes, tables, fragments, order, logStreams, profiles, moves, splits, merges, ...plain } = checked.data;
  const view: ClusterView = {
    ...emptyView(plain.partition),
    ...plain,
    nodes: new Map(nodes.map((node) => [node.id, node])),
    tables: new Map(tables.map((table) => [table.id, table])),
    fragments: new Map(fragments.map((fragment) => [fragment.id, fragment])),
    order: new Map(order),
    logStreams: new Map(logStreams),
    profiles: new Map(profiles.map((profile) => [profile.name, profile])),
    moves: new Map(moves.map((move) => [move.id, move])),
    splits: new Map(splits.map((split) => [split.fragment, split])),
    merges: new Map(merges.map((merge) => [merge.left, merge])),
  };
  index(view);
  return ok(view);
}

/** The same for every member that folded the same sequence (I9): XXH64 of the snapshot, hex. */
export function viewDigest(view: ClusterView, hash: Hash): string {
  return hash.h64(encodeSnapshot(view)).toString(16).padStart(16, "0");
}

/** A view of its own: changing one leaves the other as it is. Bytes and table definitions are shared, nothing writes to them. */
export function copyView(view: ClusterView): ClusterView {
  const copy: ClusterView = {
    ...view,
    nodes: new Map([...view.nodes].map(([id, node]) => [id, { ...node }])),
    tables: new Map(view.tables),
    fragments: new Map(
      [...view.fragments].map(([id, fragment]) => [
        id,
        { ...fragment, replicas: fragment.replicas.map((replica) => ({ ...replica })) },
      ]),
    ),
    order: new Map(view.order),
    logStreams: new Map(view.logStreams),
    incidents: [...view.incidents],
    profiles: new Map(view.profiles),
    moves: new Map([...view.moves].map(([id, move]) => [id, { ...move, phases: [...move.phases] }])),
    pastMoves: [...view.pastMoves],
    splits: new Map(view.splits),
    merges: new Map(view.merges),
    taken: [...view.taken],
    pastReshapes: [...view.pastReshapes],
    tableIds: new Map(),
    held: new Map(),
    moving: new Map(),
    merging: new Map(),
  };
  index(copy);
  return copy;
}

function index(view: ClusterView): void {
  for (const { id, name } of view.tables.values()) view.tableIds.set(name, id);
  for (const { id, replicas } of view.fragments.values()) for (const { node } of replicas) hold(view, node, id);
  for (const { id, fragment } of view.moves.values()) view.moving.set(fragment, id);
  for (const { left, right } of view.merges.values()) view.merging.set(right, left);
}

type Entry<K, V> = readonly [K, V];

function sorted<K extends string | number, V>(map: ReadonlyMap<K, V>): Entry<K, V>[] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

function nodeWire([, node]: Entry<string, ClusterView["nodes"] extends Map<string, infer N> ? N : never>): unknown {
  const { id, zone, weight, storeId, bootCount, incarnation, state, draining, drainedBy, downSinceMs } = node;
  return { id, zone, weight, storeId, bootCount, incarnation, state, draining, drainedBy, downSinceMs };
}

function fragmentWire(fragment: FragmentView): unknown {
  const { id, table, from, to, group, epoch, primary, activatedEpoch, activatedLsn, replicas } = fragment;
  const { replicasWanted, replicasSpare, base, reshaped } = fragment;
  const copies = replicas.map(({ node, state }) => [node, state === "ready"]);
  const begins = base === undefined ? null : [base.parent, base.lsn, base.hash];
  const whose = [id, table, from, to ?? null, group, epoch, primary, activatedEpoch, activatedLsn];
  const spare = replicasSpare > 0 ? [replicasSpare] : [];
  return [...whose, copies, replicasWanted, begins, reshaped, ...spare];
}

function pastReshapeWire(past: PastReshape): object {
  const { kind, fragment, other, outcome, by, startedMs, endedMs, why } = past;
  return { kind, fragment, other, outcome, by, startedMs, endedMs, why };
}

/** Fields in one fixed order: equal moves have equal bytes. */
function moveWire(move: Move & { readonly phases: readonly PhaseEntry[] }): object {
  const { id, fragment, strategy, from, to, role, cause, by, why, startedMs, deadlineMs } = move;
  const phases = move.phases.map(({ phase, atMs, lsn, seq, note }) => [phase, atMs, lsn, seq, note]);
  return { id, fragment, strategy, from, to, role, cause, by, why, startedMs, deadlineMs, phases };
}

/** A policy's fields are in the order of its schema, which decoding gives them: equal policies have equal bytes. */
function policyWire({ policy, by, atMs }: PolicyView): object {
  return { policy, by, atMs };
}

function pastMoveWire(move: PastMove): object {
  const { outcome, endedMs, end, verdict } = move;
  return { ...moveWire(move), outcome, endedMs, end, verdict };
}

/** One record of the snapshot stream. The parts of one snapshot follow each other without a gap. */
export interface SnapshotPart {
  /** Ledger sequence of the view. */
  readonly seq: number;
  readonly index: number;
  readonly count: number;
  readonly bytes: Bytes;
}

const partSchema = z.object({ seq: count, index: count, count: z.int().min(1).max(4096), bytes: bytesSchema });
const partHeadBytes = 256;

export function cutSnapshot(view: ClusterView, partBytes = limits.recordBytes - partHeadBytes): Bytes[] {
  const bytes = encodeSnapshot(view);
  const parts = Math.ceil(bytes.length / partBytes);
  return Array.from({ length: parts }, (_, at) =>
    pack({ seq: view.seq, index: at, count: parts, bytes: bytes.subarray(at * partBytes, (at + 1) * partBytes) }),
  );
}

export function decodeSnapshotPart(bytes: Bytes): Result<SnapshotPart> {
  const unpacked = unpack(bytes);
  if (!unpacked.ok) return unpacked;
  const checked = partSchema.safeParse(unpacked.value);
  return checked.success && checked.data.index < checked.data.count
    ? ok(checked.data)
    : fail("UNDECODABLE", "not a part of a snapshot");
}

/** The view of all parts, first to last. */
export function joinSnapshot(parts: readonly SnapshotPart[]): Result<ClusterView> {
  return decodeSnapshot(joinBytes(...parts.map(({ bytes }) => bytes)));
}
