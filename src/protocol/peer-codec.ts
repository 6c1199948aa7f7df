// Peer codec. Owns the check of what peers say to each other. Bodies are plain msgpack maps.

import { z } from "zod";
import { type Fault, fail, isFaultCode, ok, type Result } from "../kernel/fault.js";
import type { PeerAnswer, PeerRequest } from "./peer.js";

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array);
const whole = z.number().int().nonnegative();

const request = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("position"), fragment: whole, epoch: whole }),
  z.object({ kind: z.literal("fresh"), fragment: whole }),
  z.object({ kind: z.literal("copy"), fragment: whole, cursor: bytes, maxBytes: whole }),
]);

const position = z.object({
  fragment: whole,
  known: z.boolean(),
  lsn: whole,
  epoch: whole,
  hash: bytes,
  partial: z.boolean(),
});
const slice = z.object({
  fragment: whole,
  entries: z.array(z.tuple([bytes, bytes])),
  nextCursor: bytes,
  done: z.boolean(),
  lsn: whole,
  seq: whole,
  epoch: whole,
  hash: bytes,
  digest: bytes,
});
const faultShape = z.custom<Fault>(
  (value) => typeof value === "object" && value !== null && isFaultCode((value as { code?: unknown }).code),
);
const answer = z.union([
  z.object({ position }),
  z.object({ freshLsn: whole }),
  z.object({ slice }),
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
