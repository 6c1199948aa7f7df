// Verifying. Owns a primary's comparison of all copies at one record of the log, and what follows from it.
// Y1 all copies are compared at the same LSN, each with the digests that its own node computed on its own store.
// Y2 only a majority of all copies, not of those that answered, says what is right. Without one nothing is repaired, and an operator is told.
// Y3 a copy in the minority is told to replace itself; a primary that is in the minority reports it, loses the role to a copy of the majority, and then does the same.
// Y4 a comparison ends: whoever does not answer in time is left out of its result.

import { mostDifferences, narrow, startSearch } from "../../src/fragment/digest.js";
import { emptyBytes } from "../../src/kernel/bytes.js";
import type { AskOutcome, Effect, Effects, Ticket } from "../../src/kernel/effect.js";
import type { Verified } from "../../src/protocol/control.js";
import type { Damage, DigestAnswer, PeerRequest } from "../../src/protocol/peer.js";
import { decodePeerAnswer } from "../../src/protocol/peer-codec.js";
import { type NodeId, subjects } from "../../src/protocol/subjects.js";
import { boundText } from "../../src/table/key.js";
import type { PositionRange } from "../../src/table/table.js";
import { incident, publishStatus } from "./apply.js";
import type { Comparison, DigestSearch, PeerDigest, ShardReport, ShardState } from "./state.js";

export const comparisonTimer = "comparison";
const firstTickMs = 10;
const longestTickMs = 250;
/** How long the slowest copy may take for its digests: a part for any, and more for large ones. */
const patienceMs = 10_000;
const patientBytesPerMs = 20_000;

/** The node, or the leader through it, wants the copies compared; one comparison at a time. */
export function wantComparison(state: ShardState): Effects {
  if (state.mode.kind !== "serving") return [done(state)];
  if (state.comparison === undefined) state.wantVerify = true;
  return [];
}

/** This primary's `verify` record is stored and applied here. */
export function startComparison(state: ShardState): Effects {
  const peers = new Map<NodeId, PeerDigest>();
  for (const peer of state.assignment.livePeers) peers.set(peer, { ticket: 0, answer: undefined, done: false });
  const { lsn } = state.replica;
  state.comparison = { lsn, sinceMs: state.stepAtMs, peers, ticks: 0, search: undefined, damages: new Map() };
  return [tick(state.comparison)];
}

/** This copy is primary no more, or begins anew. */
export function endComparison(state: ShardState): Effects {
  const isAwaited = state.comparison !== undefined || state.wantVerify;
  state.comparison = undefined;
  state.wantVerify = false;
  state.verified = undefined;
  // The node waits for this one's end before it has the next fragment compared.
  return isAwaited ? [{ kind: "unwake", name: comparisonTimer }, done(state)] : [];
}

function tick(run: Comparison): Effect {
  run.ticks++;
  return { kind: "wake", name: comparisonTimer, afterMs: Math.min(longestTickMs, firstTickMs * 2 ** run.ticks) };
}

export function onOwnDigest(state: ShardState): Effects {
  const run = state.comparison;
  if (run === undefined) return [];
  return state.digest?.lsn === run.lsn ? [...askPeers(state, run), ...judge(state, run)] : giveUp(state);
}

export function onComparisonTimer(state: ShardState): Effects {
  const run = state.comparison;
  if (run === undefined) return [];
  const late = state.stepAtMs - run.sinceMs > patienceMs + state.replica.bytes / patientBytesPerMs;
  if (state.digest?.lsn !== run.lsn || (late && state.digest.tree === undefined)) return giveUp(state);
  if (state.digest.tree === undefined) return [tick(run)];
  if (late) return onLate(state, run);
  const { search } = run;
  const again = search === undefined ? askPeers(state, run) : search.ticket === 0 ? askParts(state, run, search) : [];
  return [tick(run), ...again];
}

function onLate(state: ShardState, run: Comparison): Effects {
  for (const peer of run.peers.values()) peer.done = true;
  if (run.search !== undefined) {
    run.damages.set(run.search.odd, everything("somewhere: the search for it was not answered in time"));
    run.search = undefined;
  }
  return [tick(run), ...judge(state, run)];
}

/** Without digests of its own a primary has nothing to compare with. */
function giveUp(state: ShardState): Effects {
  state.comparison = undefined;
  return [{ kind: "unwake", name: comparisonTimer }, done(state)];
}

function done(state: ShardState): Effect {
  const message: ShardReport = { kind: "verifyDone", fragment: state.config.fragment };
  return { kind: "tell", to: state.config.parent, message };
}

// Asking.

function askPeers(state: ShardState, run: Comparison): Effects {
  const effects: Effect[] = [];
  for (const [node, peer] of run.peers) {
    if (peer.done || peer.ticket !== 0) continue;
    const { ticket, effect } = ask(state, run, node, whole);
    peer.ticket = ticket;
    effects.push(effect);
  }
  return effects;
}

const whole: PositionRange = { from: emptyBytes, to: undefined };

function ask(
  state: ShardState,
  { lsn }: Comparison,
  node: NodeId,
  { from, to }: PositionRange,
): { readonly ticket: Ticket; readonly effect: Effect } {
  const ticket = state.tickets.next();
  const body: PeerRequest = { kind: "digest", fragment: state.config.fragment, lsn, from, to: to ?? null };
  const timeoutMs = state.config.timing.askTimeoutMs;
  return { ticket, effect: { kind: "ask", subject: subjects.peer(node), body, timeoutMs, ticket } };
}

export function isOfComparison({ peers, search }: Comparison, ticket: Ticket): boolean {
  return search?.ticket === ticket || [...peers.values()].some((peer) => peer.ticket === ticket);
}

/** Whoever did not answer, or not yet, is asked again at the next tick. */
export function onComparisonAnswer(state: ShardState, run: Comparison, ticket: Ticket, outcome: AskOutcome): Effects {
  const answer = digestIn(run, outcome);
  if (run.search?.ticket === ticket) return onParts(state, run, run.search, answer);
  for (const peer of run.peers.values()) {
    if (peer.ticket !== ticket) continue;
    peer.ticket = 0;
    if (answer === undefined || answer.state === "pending") continue;
    peer.done = true;
    peer.answer = answer.state === "ready" ? answer : undefined;
  }
  return judge(state, run);
}

function digestIn({ lsn }: Comparison, outcome: AskOutcome): DigestAnswer | undefined {
  const decoded = outcome.kind === "answer" ? decodePeerAnswer(outcome.body) : undefined;
  if (decoded === undefined || !decoded.ok || !("digest" in decoded.value)) return undefined;
  return decoded.value.digest.lsn === lsn ? decoded.value.digest : undefined;
}

// Judging.

interface Parties {
  /** Copies that are taken for right: the majority, or without one those that are like the primary's. */
  readonly agree: readonly NodeId[];
  readonly odd: readonly NodeId[];
  readonly majority: boolean;
}

/** All answers are there: who agrees, and where do the others differ? */
function judge(state: ShardState, run: Comparison): Effects {
  const tree = state.digest?.tree;
  if (tree === undefined || run.search !== undefined || [...run.peers.values()].some((peer) => !peer.done)) return [];
  const parties = partiesOf(state, run, tree.root);
  const own = state.config.node;
  const unknown = parties.odd.find((node) => !run.damages.has(node));
  if (unknown === undefined) return finish(state, run, parties);
  // Compared is always with this primary's own digests: when they are the odd ones, with a copy of the majority.
  if (parties.agree.includes(own)) return lookFor(state, run, unknown, unknown);
  const [reference] = parties.agree;
  if (!run.damages.has(own) && reference !== undefined) return lookFor(state, run, own, reference);
  run.damages.set(
    unknown,
    everything("somewhere: only the primary's own differences are looked for before it loses the role"),
  );
  return judge(state, run);
}

function partiesOf(state: ShardState, run: Comparison, ownRoot: string): Parties {
  const own = state.config.node;
  const groups = new Map<string, NodeId[]>([[ownRoot, [own]]]);
  for (const [node, { answer }] of run.peers) {
    if (answer === undefined) continue;
    const group = groups.get(answer.root);
    if (group === undefined) groups.set(answer.root, [node]);
    else group.push(node);
  }
  const copies = state.assignment.peers.length + 1;
  const majority = [...groups.values()].find((group) => group.length * 2 > copies);
  const agree = majority ?? groups.get(ownRoot) ?? [own];
  const odd = [...groups.values()].flat().filter((node) => !agree.includes(node));
  return { agree, odd, majority: majority !== undefined };
}

/** Begins with what `peer` has told already. */
function lookFor(state: ShardState, run: Comparison, odd: NodeId, peer: NodeId): Effects {
  const search: DigestSearch = { odd, peer, ranges: startSearch(whole), ticket: 0 };
  run.search = search;
  return onParts(state, run, search, run.peers.get(peer)?.answer);
}

function askParts(state: ShardState, run: Comparison, search: DigestSearch): Effects {
  const { next } = search.ranges;
  if (next === undefined) return [];
  const { ticket, effect } = ask(state, run, search.peer, next);
  search.ticket = ticket;
  return [effect];
}

function onParts(state: ShardState, run: Comparison, search: DigestSearch, answer: DigestAnswer | undefined): Effects {
  const tree = state.digest?.tree;
  search.ticket = 0;
  if (tree === undefined) return giveUp(state);
  if (answer === undefined || answer.state !== "ready") return [];
  narrow(search.ranges, tree, answer.parts, state.wiring.hash);
  if (search.ranges.next !== undefined) return askParts(state, run, search);
  const sameRest = answer.window === tree.window && answer.counts === tree.counts;
  run.damages.set(search.odd, damageOf(state, search.ranges.found, sameRest));
  run.search = undefined;
  return judge(state, run);
}

function damageOf(state: ShardState, found: readonly PositionRange[], sameRest: boolean): Damage {
  const [first] = found;
  const last = found.at(-1);
  if (first === undefined || last === undefined) return everything("in its counts or its remembered request ids");
  const { table } = state.config;
  const where = `between the keys ${boundText(table, first.from)} and ${boundText(table, last.to)}`;
  if (!sameRest || found.length >= mostDifferences) return everything(where);
  return { ranges: found.map(({ from, to }) => ({ from, to: to ?? null })), whole: false, where };
}

function everything(where: string): Damage {
  return { ranges: [], whole: true, where };
}

// Acting.

function finish(state: ShardState, run: Comparison, parties: Parties): Effects {
  const { lsn, damages } = run;
  const { agree, odd, majority } = parties;
  const own = state.config.node;
  state.comparison = undefined;
  state.verified = { lsn, agree, differ: odd.map((node) => ({ node, ...spanOf(state, damages.get(node)) })) };
  publishStatus(state);
  const effects: Effect[] = [{ kind: "unwake", name: comparisonTimer }, done(state)];
  for (const node of odd) {
    const damage = damages.get(node) ?? everything("somewhere");
    tell(state, lsn, node, parties, damage);
    if (!majority) continue;
    if (node === own) state.damage = { ...damage, begun: false };
    else if (agree.includes(own)) effects.push(mend(state, lsn, node, damage));
  }
  return effects;
}

function tell(state: ShardState, lsn: number, node: NodeId, { agree, majority }: Parties, { where }: Damage): void {
  const found = `the copies on ${node} and ${agree.join(", ")} differ at LSN ${lsn} ${where}`;
  if (majority) incident(state, "replicaDiverged", "noticed", `${found}; the one on ${node} is replaced`, node);
  else
    incident(
      state,
      "replicaDiverged",
      "refused",
      `${found}, and no majority says which is right; nothing was changed: compare them and wipe the wrong one`,
      node,
    );
}

function spanOf(state: ShardState, damage: Damage | undefined): Pick<Verified["differ"][number], "from" | "to"> {
  const first = damage?.ranges[0];
  const last = damage?.ranges.at(-1);
  const { table } = state.config;
  if (first === undefined || last === undefined) return { from: damage?.where ?? "", to: "" };
  return { from: boundText(table, first.from), to: boundText(table, last.to ?? undefined) };
}

function mend(state: ShardState, lsn: number, node: NodeId, damage: Damage): Effect {
  const body: PeerRequest = { kind: "mend", fragment: state.config.fragment, lsn, damage };
  const timeoutMs = state.config.timing.askTimeoutMs;
  return { kind: "ask", subject: subjects.peer(node), body, timeoutMs, ticket: state.tickets.next() };
}
