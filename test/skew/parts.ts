// Parts. Owns the things of which several examples are made.

import type { Profile } from "../../src/forecast/profile.js";
import type { Bytes } from "../../src/kernel/bytes.js";
import type { Move } from "../../src/ledger/move.js";
import type { Verified } from "../../src/protocol/control.js";

export function bytes(...values: readonly number[]): Bytes {
  return Uint8Array.from(values);
}

export const aHash = bytes(1, 2, 3, 4, 5, 6, 7, 8);

export const aProfile: Profile = {
  name: "nightly",
  group: "office",
  targets: [{ table: "orders", positions: [bytes(1, 2)] }],
  schedule: "0 2 * * *",
  timeZone: "Europe/Oslo",
  durationMs: 1_800_000,
  rates: { get: 2, scan: 1 },
  factor: 0,
  expiresMs: 2_000_000,
};

export const aMove: Move = {
  id: 4,
  fragment: 16,
  strategy: "copy-on-write",
  from: "n1",
  to: "n2",
  role: true,
  cause: "plan",
  by: "planner",
  why: "a peak at noon",
  startedMs: 1000,
  deadlineMs: 5000,
};

export const verified: Verified = { lsn: 88, agree: ["n1", "n2"], differ: [{ node: "n3", from: "a", to: "b" }] };
