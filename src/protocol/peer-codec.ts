// Peer codec. Owns the check of what peers say to each other. Bodies are plain msgpack maps.

import { z } from "zod";
import { limits } from "../config/limits.js";
import { fanOut, mostDifferences } from "../fragment/digest.js";
import { type Fault, fail, isFaultCode, ok, type Result } from "../kernel/fault.js";
import type { PeerAnswer, PeerRequest } from "./peer.js";

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array);
const whole = z.number().int().nonnegative();

/** Absent and null are one. */
function maybe<T extends z.ZodType>(schema: T) {
  return schema.nullish().transform((value) => value ?? undefined);
}

const request = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("position"), fragment: whole, epoch: whole }),
  z.object({ kind: z.literal("fresh"), fragment: whole }),
  z.object({ kind: z.literal("hot"), table: z.object({ partition: whole, id: whole }).nullable() }),
  z.object({
    kind: z.literal("copy"),
    fragment: whole,
    session: z.string().max(limits.nameLength * 2),
    chunk: whole,
    cursor: bytes.nullable(),
    maxBytes: whole,
  }),
  z.object({ kind: z.literal("window"), fragment: whole, after: bytes, maxBytes: whole }),
  z.object({
    kind: z.literal("pull"),
    fragment: whole,
    baseLsn: whole,
    positions: z.array(bytes).max(limits.pullPositions),
    range: z.object({ from: bytes, to: bytes.nullable(), reverse: z.boolean() }).nullable(),
    maxBytes: whole,
  }),
  z.object({ kind: z.literal("digest"), fragment: whole, lsn: whole, from: bytes, to: bytes.nullable() }),
  z.object({
    kind: z.literal("mend"),
    fragment: whole,
    lsn: whole,
    damage: z.object({
      ranges: z.array(z.object({ from: bytes, to: bytes.nullable() })).max(mostDifferences),
      whole: z.boolean(),
      where: z.string().max(2048),
    }),
  }),
]);

const shape = z.object({
  from: bytes,
  to: maybe(bytes),
  changedLsn: whole,
  sealed: z.boolean(),
  cut: maybe(z.object({ child: whole, at: bytes, lsn: whole, hash: bytes })),
  joined: maybe(z.object({ right: whole, lsn: whole, rightLsn: whole, changedLsn: whole })),
});
const position = z.object({
  fragment: whole,
  known: z.boolean(),
  lsn: whole,
  epoch: whole,
  hash: bytes,
  partial: z.boolean(),
  sparse: z.boolean(),
  busy: z.number().nonnegative().optional(),
});
const chunk = z.object({
  fragment: whole,
  chunk: whole,
  block: bytes,
  cursor: bytes,
  nextCursor: bytes,
  done: z.boolean(),
  rows: whole,
  bytes: whole,
  lsn: whole,
  seq: whole,
  epoch: whole,
  hash: bytes,
  // Nodes of an earlier version do not tell.
  stampMs: z.number().default(0),
  shape,
  lateMs: z.number().nonnegative(),
  digest: bytes,
});
const early = z.object({ fragment: whole, chunk: whole });
const window = z.object({
  fragment: whole,
  entries: z.array(z.tuple([bytes, bytes])),
  done: z.boolean(),
  lsn: whole,
  seq: whole,
  epoch: whole,
  hash: bytes,
  stampMs: z.number(),
  rows: whole,
  bytes: whole,
  shape,
  digest: bytes,
});
const pulled = z.object({
  fragment: whole,
  lsn: whole,
  hash: bytes,
  found: z.array(z.tuple([bytes, bytes.nullable()])),
  rows: z.array(z.tuple([bytes, bytes])),
  covered: z.object({ from: bytes, to: bytes.nullable() }).nullable(),
  // Nodes of an earlier version do not tell.
  lateMs: z.number().nonnegative().default(0),
  digest: bytes,
});
const digest = z.object({
  fragment: whole,
  lsn: whole,
  state: z.enum(["ready", "pending", "missed"]),
  root: z.string(),
  window: z.string(),
  counts: z.string(),
  parts: z.array(z.object({ from: bytes, digest: z.string(), leaf: z.boolean() })).max(fanOut * 2),
});
const hot = z.object({
  fragment: whole,
  perSecond: z.number(),
  keys: z.array(z.tuple([bytes, z.number()])).max(64),
});
const faultShape = z.custom<Fault>(
  (value) => typeof value === "object" && value !== null && isFaultCode((value as { code?: unknown }).code),
);
const answer = z.union([
  z.object({ position }),
  z.object({ freshLsn: whole }),
  z.object({ chunk }),
  z.object({ early }),
  z.object({ window }),
  z.object({ pulled }),
  z.object({ digest }),
  z.object({ hot: z.array(hot).max(1024) }),
  z.object({ fault: faultShape }),
]);

export function decodePeerRequest(body: unknown): Result<PeerRequest> {
  const parsed = request.safeParse(body);
  return parsed.success ? ok(parsed.data) : fail("UNDECODABLE", "not a peer request");
}

export function decodePeerAnswer(body: unknown): Result<PeerAnswer> {
  const parsed = answer.safeParse(body);
  return parsed.success ? ok(parsed.data) : fail("UNDECODABLE", "not a peer answer");
}
