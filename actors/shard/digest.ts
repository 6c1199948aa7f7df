// Digests of a shard. Owns what this copy was at the last `verify` record: has it computed on the store of exactly that moment, and tells peers.
// T1 only a whole copy has digests. T2 one set at a time; a newer record takes its place. T3 they are forgotten after a while: nobody asks later.

import { z } from "zod";
import { type DigestTree, type DigestWish, digestJob, partsOf } from "../../src/fragment/digest.js";
import { isWhole } from "../../src/fragment/replica.js";
import type { Effects, ReplyTo, Ticket, WorldMessage } from "../../src/kernel/effect.js";
import type { DigestAnswer, PeerAnswer, PeerRequest } from "../../src/protocol/peer.js";
import type { ShardState } from "./state.js";

export const digestTimer = "digest";
const keptMs = 120_000;
/** A replica that reads up on old records passes over those further than this from its goal: nobody waits for them any more. */
const longAgoLsns = 64;

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array).transform((value) => new Uint8Array(value));
const treeSchema = z.object({
  lsn: z.number(),
  root: z.string(),
  leaves: z.array(z.object({ from: bytes, digest: z.string() })),
  window: z.string(),
  counts: z.string(),
}) satisfies z.ZodType<DigestTree>;

/** The copy has just applied the `verify` record at `lsn`. */
export function startDigest(state: ShardState, lsn: number): Effects {
  state.digest = undefined;
  const { mode } = state;
  const readsUp = mode.kind === "behind" && (mode.catchUp?.targetLsn ?? lsn) - lsn > longAgoLsns;
  if (readsUp || !isWhole(state.replica)) return [];
  const ticket = state.tickets.next();
  state.digest = { lsn, ticket, tree: undefined };
  const input: DigestWish = { fragment: state.config.fragment, lsn };
  return [
    { kind: "compute", job: digestJob, input, ticket, onStore: true },
    { kind: "wake", name: digestTimer, afterMs: keptMs },
  ];
}

/** True when these are the digests that were waited for. */
export function onDigest(
  state: ShardState,
  ticket: Ticket,
  outcome: Extract<WorldMessage, { kind: "computed" }>["outcome"],
): boolean {
  const run = state.digest;
  if (run?.ticket !== ticket) return false;
  const tree = outcome.ok ? treeSchema.safeParse(outcome.output) : undefined;
  if (tree?.success === true && tree.data.lsn === run.lsn) run.tree = tree.data;
  else state.digest = undefined;
  return true;
}

export function forgetDigest(state: ShardState): Effects {
  if (state.comparison === undefined) state.digest = undefined;
  return [];
}

export function onDigestRequest(
  state: ShardState,
  request: Extract<PeerRequest, { kind: "digest" }>,
  from: ReplyTo,
): Effects {
  return [{ kind: "reply", to: from, body: { digest: answerTo(state, request) } satisfies PeerAnswer }];
}

function answerTo(state: ShardState, { lsn, from, to }: Extract<PeerRequest, { kind: "digest" }>): DigestAnswer {
  const { replica, digest, config, wiring } = state;
  const nothing = { fragment: config.fragment, lsn, root: "", window: "", counts: "", parts: [] };
  const tree = digest?.lsn === lsn ? digest.tree : undefined;
  if (tree !== undefined) {
    const { root, window, counts } = tree;
    const parts = partsOf(tree, { from, to: to ?? undefined }, wiring.hash);
    return { ...nothing, state: "ready", root, window, counts, parts };
  }
  const comes = digest?.lsn === lsn || replica.lsn < lsn || replica.copying;
  return { ...nothing, state: comes ? "pending" : "missed" };
}
