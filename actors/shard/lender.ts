// Lender. Owns whom a copy is asked of: the least burdened of those who hold everything, who are asked how they are before each copy.
// L1 the question promises nobody anything: its epoch is 0. L2 whoever does not answer in time is no source; where nobody else is one, it is tried all the same.
// L3 trifles do not count: burdens are compared in tenths of a core, and among equals the backups come first, as the primary has writes to do.

import type { AskOutcome, Effect, Effects, Ticket } from "../../src/kernel/effect.js";
import type { PeerRequest } from "../../src/protocol/peer.js";
import { decodePeerAnswer } from "../../src/protocol/peer-codec.js";
import { type NodeId, subjects } from "../../src/protocol/subjects.js";
import type { ShardState } from "./state.js";

export interface LenderSearch {
  /** Not answered yet. */
  readonly asked: Map<Ticket, NodeId>;
  /** Those who could lend, in the order of the ledger. */
  readonly offers: Map<NodeId, number>;
}

const perCore = 10;

export function startSearch(state: ShardState): { readonly search: LenderSearch; readonly effects: Effects } {
  const { assignment, config, tickets } = state;
  const search: LenderSearch = { asked: new Map(), offers: new Map() };
  const body: PeerRequest = { kind: "position", fragment: config.fragment, epoch: 0 };
  const timeoutMs = config.timing.askTimeoutMs / 2;
  const effects = assignment.livePeers.map((peer): Effect => {
    const ticket = tickets.next();
    search.asked.set(ticket, peer);
    return { kind: "ask", subject: subjects.peer(peer), body, timeoutMs, ticket };
  });
  return { search, effects };
}

/** True when nobody is left to be heard. */
export function onOffer(search: LenderSearch, ticket: Ticket, outcome: AskOutcome): boolean {
  const peer = search.asked.get(ticket);
  search.asked.delete(ticket);
  const answer = outcome.kind === "answer" ? decodePeerAnswer(outcome.body) : undefined;
  if (peer !== undefined && answer?.ok === true && "position" in answer.value) {
    const { known, partial, busy } = answer.value.position;
    if (known && !partial) search.offers.set(peer, busy ?? 0);
  }
  return search.asked.size === 0;
}

/** Best first; after `tries` that came to nothing, the next one. Undefined: there is no other replica. */
export function lenderAmong(
  { assignment: { primary, livePeers } }: ShardState,
  { offers }: LenderSearch,
  tries: number,
): NodeId | undefined {
  const lenders = livePeers.filter((peer) => offers.has(peer));
  const sources = lenders.length > 0 ? lenders : livePeers;
  const burden = (peer: NodeId): number => Math.round((offers.get(peer) ?? 0) * perCore);
  const ranked = [...sources].sort((a, b) => burden(a) - burden(b) || Number(a === primary) - Number(b === primary));
  return ranked[tries % Math.max(1, ranked.length)];
}
