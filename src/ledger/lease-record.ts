// Lease record. Owns what stands in the lease of a control partition's leadership: who holds it, and in which process.

import { z } from "zod";
import type { Bytes } from "../kernel/bytes.js";
import { fail, ok, type Result } from "../kernel/fault.js";
import { pack, unpack } from "../protocol/codec.js";
import type { MemberId } from "../protocol/subjects.js";

export interface LeaseRecord {
  readonly term: number;
  readonly member: MemberId;
  /** Names the holder's process to its supervisor. */
  readonly incarnation: string;
  /** Drawn by the holder at its start: tells it its own record. */
  readonly nonce: string;
  readonly renewals: number;
  /** Given back: whoever comes first may have it. */
  readonly released: boolean;
}

const count = z.int().min(0);
const record = z.object({
  term: count,
  member: z.string(),
  incarnation: z.string(),
  nonce: z.string(),
  renewals: count,
  released: z.boolean(),
});

export function encodeLeaseRecord(value: LeaseRecord): Bytes {
  return pack(value);
}

export function decodeLeaseRecord(bytes: Bytes): Result<LeaseRecord> {
  const unpacked = unpack(bytes);
  if (!unpacked.ok) return unpacked;
  const checked = record.safeParse(unpacked.value);
  return checked.success ? ok(checked.data) : fail("UNDECODABLE", "not a lease record");
}
