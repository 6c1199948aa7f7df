// Wire. Owns what the bench and its caller processes say to each other.

import { z } from "zod";
import type { PeerAddress } from "../peers/peer.js";
import type { Workload } from "./workloads.js";

export type Order =
  | { readonly kind: "connect"; readonly address: PeerAddress }
  | { readonly kind: "echo"; readonly url: string; readonly valueBytes: number }
  /** Inserts rows `from` to `to` - 1. */
  | { readonly kind: "load"; readonly from: number; readonly to: number; readonly valueBytes: number }
  | {
      readonly kind: "run";
      readonly workload: Workload;
      readonly callers: number;
      readonly rows: number;
      readonly valueBytes: number;
      readonly warmMs: number;
      readonly runMs: number;
      readonly seed: number;
      /** Asked at this rate, whatever the answers take; absent: each caller asks when it was answered. */
      readonly perSecond?: number;
      /** Of how many callers' processes this is which: inserted rows must not collide. */
      readonly process: number;
      readonly processes: number;
    };

export const outcomeSchema = z.object({
  operations: z.number(),
  failed: z.number(),
  firstFailure: z.string().optional(),
  /** Latencies in microseconds, drawn from all with equal chance. */
  sampleUs: z.array(z.number()),
  cpuMs: z.number(),
});
export type Outcome = Readonly<z.infer<typeof outcomeSchema>>;

export const replySchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("done") }),
  z.object({ kind: z.literal("ran"), outcome: outcomeSchema }),
  z.object({ kind: z.literal("failed"), why: z.string() }),
]);
export type Reply = z.infer<typeof replySchema>;
