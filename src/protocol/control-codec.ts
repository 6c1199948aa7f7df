// Control codec. Owns the decoders of what is said to a leader and of its answers. Bodies are plain objects of msgpack or JSON; unknown fields are ignored.

import { z } from "zod";
import { limits } from "../config/limits.js";
import { type Detail, fail, isFaultCode, ok, type Result } from "../kernel/fault.js";
import { moveOutcomes, movePhases, strategies } from "../ledger/move.js";
import { bytesSchema, incidentSchema, profileSchema } from "../ledger/record.js";
import type {
  AdminAnswer,
  AdminRequest,
  CopyProgress,
  Heartbeat,
  HeartbeatAnswer,
  HostDied,
  MoveLine,
  ReplicaStatus,
  Verified,
  VerifyLine,
} from "./control.js";
import { isName } from "./subjects.js";

const count = z.int().min(0);
const name = z.string().refine(isName, "must be a name: a letter, then letters, digits, _ and -, at most 64");
const word = z.string().max(256);
const fragmentIds = z.array(count).max(limits.tables * limits.fragmentsPerTable);

const verified = z.object({
  lsn: count,
  agree: z.array(name).max(limits.replicas * 2),
  differ: z
    .array(z.object({ node: name, from: z.string().max(4096), to: z.string().max(4096) }))
    .max(limits.replicas * 2),
}) satisfies z.ZodType<Verified>;

const amount = z.number().min(0);
const share = z.number().min(0).max(1);
const progress = z.object({
  rows: count,
  bytes: count,
  totalRows: count,
  totalBytes: count,
  lagLsn: count,
  bytesPerSecond: amount,
}) satisfies z.ZodType<CopyProgress>;

const status = z.object({
  fragment: count,
  state: z.enum(["opening", "serving", "following", "attached", "behind", "copying", "faulted"]),
  sparse: z.boolean(),
  epoch: count,
  lsn: count,
  markerLsn: count,
  durableSeq: count,
  rows: count,
  bytes: count,
  verified: verified.optional(),
  mix: z.object({ spread: share, writes: share }).optional(),
  progress: progress.optional(),
  cut: z.object({ child: count, at: bytesSchema, lsn: count, hash: bytesSchema }).optional(),
  refused: z.object({ child: count, why: z.string().max(1024) }).optional(),
  joined: z.object({ right: count, lsn: count, rightLsn: count, changedLsn: count }).optional(),
  apart: z.boolean().optional(),
}) satisfies z.ZodType<ReplicaStatus>;

const incident = incidentSchema.omit({ atMs: true });

const heartbeat = z.object({
  kind: z.literal("heartbeat"),
  node: name,
  incarnation: word.min(1),
  zone: z.union([name, z.literal("")]),
  weight: z.number().positive().max(1000),
  storeId: word,
  bootCount: count,
  viewSeq: count,
  statuses: z.array(status),
  all: z.boolean(),
  incidents: z.array(incident).max(1000),
  leaving: z.boolean(),
  freeBytes: amount.optional(),
  power: z
    .object({
      qps: amount,
      capacityQps: z.number().positive().max(Number.MAX_SAFE_INTEGER),
      basis: z.enum(["configured", "learned", "assumed"]),
    })
    .optional(),
}) satisfies z.ZodType<Heartbeat>;

const heartbeatAnswer = z.object({
  term: count,
  leaseMs: z.number().min(0),
  viewSeq: count,
  wantAll: z.boolean(),
  checkpoint: fragmentIds,
  // Leaders of an earlier version ask for none.
  verify: fragmentIds.default([]),
  drained: z.boolean(),
}) satisfies z.ZodType<HeartbeatAnswer>;

const hostDied = z.object({
  kind: z.literal("hostDied"),
  node: name,
  incarnation: word,
}) satisfies z.ZodType<HostDied>;

const keyType = z.enum(["string", "number", "date", "bytes", "tuple", "any"]);
/** What a cut may be is decided by the table's key types: see `splitRange`. */
type LooseCreate = Omit<Extract<AdminRequest, { kind: "createTable" }>, "splitAt"> & { splitAt: unknown[] };
type LooseSplit = Omit<Extract<AdminRequest, { kind: "splitFragment" }>, "at"> & { at?: unknown };
export type LooseAdminRequest =
  | Exclude<AdminRequest, { kind: "createTable" | "splitFragment" }>
  | LooseCreate
  | LooseSplit;

const admin = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("createTable"),
    name: z.string(),
    partitioning: z.enum(["hash", "range"]),
    key: z
      .object({ partition: keyType, sort: keyType.nullish() })
      .transform(({ partition, sort }) => (sort == null ? { partition } : { partition, sort })),
    fragments: count.nullish().transform((given) => given ?? 0),
    splitAt: z
      .array(z.unknown())
      .max(limits.fragmentsPerTable)
      .nullish()
      .transform((given) => given ?? []),
    replicas: count.nullish().transform((given) => given ?? 0),
  }),
  z.object({ kind: z.literal("dropTable"), name: z.string() }),
  z.object({ kind: z.literal("drainNode"), node: z.string(), draining: z.boolean(), by: word.default("") }),
  z.object({ kind: z.literal("removeNode"), node: z.string() }),
  z.object({
    kind: z.literal("moveFragment"),
    table: z.string(),
    fragment: count,
    to: z.string(),
    from: z.string(),
    strategy: z.enum([...strategies, ""]),
    role: z.boolean(),
    withinMs: z.number().min(0),
    by: word,
    why: word,
  }),
  z.object({ kind: z.literal("putProfile"), profile: profileSchema }),
  z.object({ kind: z.literal("removeProfile"), name: z.string() }),
  z.object({ kind: z.literal("cancelMove"), move: count, by: word }),
  z.object({ kind: z.literal("rollbackMove"), move: count, by: word }),
  z.object({ kind: z.literal("setPolicy"), change: z.unknown(), by: word }),
  z.object({ kind: z.literal("showPlan") }),
  z.object({ kind: z.literal("listMoves"), history: z.boolean() }),
  z.object({ kind: z.literal("verify"), table: z.string(), fragment: count.nullable(), begin: z.boolean() }),
  z.object({ kind: z.literal("setReplicas"), table: z.string(), fragment: count, count }),
  z.object({
    kind: z.literal("splitFragment"),
    table: z.string(),
    fragment: count,
    at: z.unknown().optional(),
    by: word,
  }),
  z.object({
    kind: z.literal("mergeFragments"),
    table: z.string(),
    left: count,
    right: count,
    by: word,
  }),
]) satisfies z.ZodType<LooseAdminRequest>;

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const detail: z.ZodType<Detail> = z.union([scalar, z.array(z.lazy(() => detail))]);
const faultSchema = z.object({
  code: z.string().refine(isFaultCode),
  message: z.string(),
  detail: z.record(z.string(), detail).optional(),
});
const phaseLine = z.object({ phase: z.enum(movePhases), atMs: z.number(), note: z.string() });
const moveLine = z.object({
  move: count,
  table: z.string(),
  fragment: count,
  strategy: z.enum(strategies),
  from: z.string(),
  to: z.string(),
  role: z.boolean(),
  cause: z.string(),
  by: z.string(),
  why: z.string(),
  phase: z.enum(movePhases),
  phases: z.array(phaseLine),
  startedMs: z.number(),
  deadlineMs: z.number(),
  waitsFor: z.string(),
  progress: progress.optional(),
  outcome: z.enum(moveOutcomes).optional(),
  endedMs: z.number().optional(),
  end: z.string().optional(),
  verdict: z.string().optional(),
}) satisfies z.ZodType<MoveLine>;
const verifyLine = z.object({
  fragment: count,
  primary: name,
  copies: count,
  lsn: count,
  verified: verified.nullable(),
}) satisfies z.ZodType<VerifyLine>;
const done = z.object({
  done: z.literal(true),
  viewSeq: count,
  move: count.optional(),
  moves: z.array(moveLine).optional(),
  verify: z.array(verifyLine).optional(),
  plan: z.record(z.string(), z.unknown()).optional(),
});
const adminAnswer = z.union([done, z.object({ fault: faultSchema })]);

export function decodeHeartbeat(body: unknown): Result<Heartbeat> {
  return check(heartbeat, body, "a heartbeat");
}

export function decodeHeartbeatAnswer(body: unknown): Result<HeartbeatAnswer> {
  return check(heartbeatAnswer, body, "an answer to a heartbeat");
}

export function decodeHostDied(body: unknown): Result<HostDied> {
  return check(hostDied, body, "the news of a host's end");
}

export function decodeAdminRequest(body: unknown): Result<LooseAdminRequest> {
  return check(admin, body, "a request of administration");
}

/** Travels as it is: dates and bytes inside keys are values of msgpack. */
export function encodeAdminRequest(request: AdminRequest): unknown {
  return request;
}

export function decodeAdminAnswer(body: unknown): Result<AdminAnswer> {
  const checked = adminAnswer.safeParse(body);
  if (!checked.success) return fail("UNDECODABLE", "not an answer of a leader");
  const answer = checked.data;
  if ("done" in answer) return ok(answer);
  const { code, message, detail } = answer.fault;
  if (!isFaultCode(code)) return fail("UNDECODABLE", "not an answer of a leader");
  return ok({ fault: detail === undefined ? { code, message } : { code, message, detail } });
}

function check<T>(schema: z.ZodType<T>, body: unknown, what: string): Result<T> {
  const checked = schema.safeParse(body);
  if (checked.success) return ok(checked.data);
  const issue = checked.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? "the body" : issue.path.join(".");
  return fail("BAD_REQUEST", `not ${what}: ${where}: ${issue?.message ?? "of the wrong shape"}`);
}
