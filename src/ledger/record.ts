// Ledger record. Owns how one record of the ledger is written and read back. Never throws: bytes that make no sense are a fault.
// What can be many (fragments of a new table, changes of primaries) travels as tuples, so that thousands fit one record.

import { z } from "zod";
import { limits } from "../config/limits.js";
import type { Profile } from "../forecast/profile.js";
import type { Bytes } from "../kernel/bytes.js";
import { fail, ok, type Result } from "../kernel/fault.js";
import { storedPolicySchema } from "../plan/policy.js";
import { pack, unpack } from "../protocol/codec.js";
import { isName } from "../protocol/subjects.js";
import type { LedgerEvent, LedgerRecord, NewFragment } from "./event.js";
import { moveCauses, moveOutcomes, movePhases, strategies } from "./move.js";

const count = z.int().min(0);
const name = z.string().refine(isName, "a name: a letter, then letters, digits, _ and -");
const word = z.string().max(256);
/** Plain bytes, free of the buffer they were cut from. */
export const bytesSchema = z.instanceof(Uint8Array).transform((bytes): Bytes => new Uint8Array(bytes));
const replica = z.object({ fragment: count, node: name });
const replicas = z.array(replica);

export const tableSchema = z
  .object({
    id: count,
    name,
    partitioning: z.enum(["hash", "range"]),
    key: z.object({
      partition: z.enum(["string", "number", "date", "bytes", "tuple", "any"]),
      sort: z.enum(["string", "number", "date", "bytes", "tuple", "any"]).nullable(),
    }),
    replicas: z.int().min(1).max(limits.replicas),
  })
  .transform(({ key: { partition, sort }, ...table }) => ({
    ...table,
    key: sort === null ? { partition } : { partition, sort },
  }));

/** Fields in one fixed order: equal tables have equal bytes. */
export function tableWire(table: z.output<typeof tableSchema>): unknown {
  const { id, name, partitioning, key, replicas } = table;
  return { id, name, partitioning, key: { partition: key.partition, sort: key.sort ?? null }, replicas };
}

const fragment = z
  .tuple([count, bytesSchema, bytesSchema.nullable(), count, z.array(name).min(1)])
  .transform(
    ([id, from, to, group, nodes]): NewFragment => ({ id, from, to: to ?? undefined, group, replicas: nodes }),
  );

export const incidentSchema = z.object({
  atMs: z.number(),
  node: name,
  what: z.enum([
    "logRegressed",
    "logRecreated",
    "logGap",
    "recordCorrupt",
    "replicaDiverged",
    "replicaRebuilt",
    "replicaRepaired",
    "storeReplaced",
    "storeRolledBack",
    "storeCorrupt",
  ]),
  outcome: z.enum(["healed", "refused", "noticed"]),
  fragments: z.array(count).max(limits.fragmentsPerTable),
  note: z.string().max(2048),
});

export const moveSchema = z.object({
  id: count,
  fragment: count,
  strategy: z.enum(strategies),
  from: name,
  to: name,
  role: z.boolean(),
  cause: z.enum(moveCauses),
  by: word,
  why: word,
  startedMs: z.number(),
  deadlineMs: z.number(),
});
const sentence = z.string().max(2048);

export const profileSchema = z.object({
  name,
  group: word,
  targets: z
    .array(z.object({ table: name, positions: z.array(bytesSchema).max(limits.profileKeys) }))
    .max(limits.profileTables),
  schedule: word,
  timeZone: word,
  durationMs: z.number().positive(),
  rates: z.record(word, z.number().min(0)),
  factor: z.number().min(0),
  expiresMs: z.number(),
}) satisfies z.ZodType<Profile>;

/** Fields in one fixed order: equal profiles have equal bytes. */
export function profileWire(profile: Profile): unknown {
  const { name, group, targets, schedule, timeZone, durationMs, rates, factor, expiresMs } = profile;
  const sorted = Object.fromEntries(Object.entries(rates).sort(([a], [b]) => (a < b ? -1 : 1)));
  const tables = targets.map(({ table, positions }) => ({ table, positions }));
  return { name, group, targets: tables, schedule, timeZone, durationMs, rates: sorted, factor, expiresMs };
}

const event = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("clusterCreated"), logGroups: count, partitions: count, createdMs: z.number() }),
  z.object({ kind: z.literal("leaderElected"), term: count, member: name }),
  z.object({
    kind: z.literal("nodeJoined"),
    node: name,
    zone: word,
    weight: z.number().positive(),
    storeId: word,
    bootCount: count,
  }),
  z.object({ kind: z.literal("nodeUp"), node: name, incarnation: word, bootCount: count }),
  z.object({ kind: z.literal("nodeDown"), node: name, incarnation: word, atMs: z.number() }),
  z.object({ kind: z.literal("nodeDraining"), node: name, draining: z.boolean(), by: z.string().default("") }),
  z.object({ kind: z.literal("nodeRemoved"), node: name }),
  z.object({ kind: z.literal("tableCreated"), table: tableSchema, fragments: z.array(fragment).min(1) }),
  z.object({ kind: z.literal("tableDropped"), table: count }),
  z.object({
    kind: z.literal("primariesChanged"),
    changes: z.array(
      z.tuple([count, count, name]).transform(([fragment, epoch, primary]) => ({ fragment, epoch, primary })),
    ),
    cause: word,
  }),
  z.object({
    kind: z.literal("fragmentsActivated"),
    activations: z.array(z.object({ fragment: count, epoch: count, lsn: count })),
  }),
  z.object({ kind: z.literal("replicasAdded"), replicas, cause: word }),
  z.object({ kind: z.literal("replicasReady"), replicas }),
  z.object({ kind: z.literal("replicasRemoved"), replicas, cause: word }),
  z.object({
    kind: z.literal("replicaCountChanged"),
    fragment: count,
    count: z.int().min(0).max(limits.replicas),
    spare: z.int().min(0).max(limits.replicas).optional(),
  }),
  z.object({ kind: z.literal("moveStarted"), move: moveSchema }),
  z.object({
    kind: z.literal("moveAdvanced"),
    move: count,
    phase: z.enum(movePhases),
    atMs: z.number(),
    lsn: count,
    note: sentence,
  }),
  z.object({
    kind: z.literal("moveEnded"),
    move: count,
    outcome: z.enum(moveOutcomes),
    atMs: z.number(),
    why: sentence,
  }),
  z.object({ kind: z.literal("policyChanged"), policy: storedPolicySchema, by: word, atMs: z.number() }),
  z.object({ kind: z.literal("moveJudged"), move: count, atMs: z.number(), verdict: sentence }),
  z.object({ kind: z.literal("profilePut"), profile: profileSchema }),
  z.object({ kind: z.literal("profileRemoved"), name }),
  z.object({
    kind: z.literal("splitStarted"),
    fragment: count,
    child: count,
    at: bytesSchema.nullable().transform((at) => at ?? undefined),
    by: word,
    startedMs: z.number(),
  }),
  z.object({ kind: z.literal("splitCancelled"), fragment: count, child: count, atMs: z.number(), why: sentence }),
  z.object({
    kind: z.literal("fragmentSplit"),
    fragment: count,
    child: count,
    at: bytesSchema,
    baseLsn: count,
    baseHash: bytesSchema,
    atMs: z.number(),
  }),
  z.object({ kind: z.literal("mergeStarted"), left: count, right: count, by: word, startedMs: z.number() }),
  z.object({
    kind: z.literal("fragmentsMerged"),
    left: count,
    right: count,
    lsn: count,
    rightLsn: count,
    changedLsn: count,
    atMs: z.number(),
  }),
  z.object({ kind: z.literal("logStreamSeen"), group: count, created: word }),
  z.object({ kind: z.literal("incidentReported"), incident: incidentSchema }),
]);

const record = z.object({ term: count, member: name, nonce: word, events: z.array(event) });

export function encodeLedgerRecord(value: LedgerRecord): Bytes {
  return pack({ ...value, events: value.events.map(eventWire) });
}

/** Encoded size of `events` in a record, without the record's own head. */
export function eventsBytes(events: readonly LedgerEvent[]): number {
  return pack(events.map(eventWire)).length;
}

export function decodeLedgerRecord(bytes: Bytes): Result<LedgerRecord> {
  const unpacked = unpack(bytes);
  if (!unpacked.ok) return unpacked;
  const checked = record.safeParse(unpacked.value);
  return checked.success
    ? ok(checked.data)
    : fail("UNDECODABLE", `not a ledger record: ${z.prettifyError(checked.error)}`);
}

function eventWire(value: LedgerEvent): unknown {
  switch (value.kind) {
    case "tableCreated": {
      const fragments = value.fragments.map(({ id, from, to, group, replicas }) => [
        id,
        from,
        to ?? null,
        group,
        replicas,
      ]);
      return { kind: value.kind, table: tableWire(value.table), fragments };
    }
    case "splitStarted":
      return { ...value, at: value.at ?? null };
    case "primariesChanged":
      return { ...value, changes: value.changes.map(({ fragment, epoch, primary }) => [fragment, epoch, primary]) };
    default:
      return value;
  }
}
