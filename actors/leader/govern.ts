// Govern. Owns the writing of records while in office: everything that came in since the last append goes into one (group commit).
// G1 one append is in flight; what comes meanwhile waits for the next record. G2 each part of a record sees what the parts before it do.
// G3 every part only compares the view with what is wanted: a leader that takes over in the middle goes on where the other stopped.

import type { Effect, Effects } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import type { Context } from "../../src/kernel/machine.js";
import type { Incident } from "../../src/ledger/event.js";
import { moveNumber } from "../../src/ledger/move.js";
import { eventsBytes } from "../../src/ledger/record.js";
import type { ClusterView } from "../../src/ledger/view.js";
import { evaluate } from "./admin.js";
import { createDraft, type Draft } from "./draft.js";
import { recordMembers } from "./members.js";
import { planMoves } from "./moves/plan.js";
import { advanceMoves } from "./moves.js";
import { type HeldReply, submit } from "./office.js";
import { planAhead } from "./plan.js";
import { balance, movePrimaries } from "./primaries.js";
import { recordReports, repairReplicas } from "./replicas.js";
import { recordReshapes } from "./reshape.js";
import type { LeaderState } from "./state.js";

/** Orders go into one record up to this size; one big order has a record of its own. */
const ordersBytes = 64 * 1024;
const incidentsAtOnce = 4;
/** The same incident told again within this time is the same: nodes repeat what they do not know to be heard. */
const sameIncidentMs = 60_000;

/** The next record, when there is something to say and nothing in flight. */
export function govern(state: LeaderState, context: Context): Effects {
  if (state.office.kind !== "leading" || state.flight !== undefined || !state.dirty) return none;
  state.dirty = false;
  const draft = createDraft(state.tail.view);
  const returns = recordMembers(state, draft, context);
  let more = movePrimaries(state, draft, returns);
  const orders = carryOutOrders(state, draft, context);
  more = orders.full || recordReports(state, draft) || more;
  advanceMoves(state, draft, context);
  if (!orders.full) {
    planMoves(state, draft, context);
    recordReshapes(state, draft, context);
    balance(state, draft, context);
    repairReplicas(state, draft, context);
    planAhead(state, draft, context);
    recordSightings(state, draft, context);
  }
  more = recordIncidents(state, draft) || more;
  state.dirty = more;
  return draft.events.length === 0 ? orders.answers : [...orders.answers, ...submit(state, draft.events, orders.held)];
}

interface CarriedOut {
  /** Refusals, and answers to what was so already. */
  readonly answers: Effects;
  readonly held: readonly HeldReply[];
  readonly full: boolean;
}

function carryOutOrders(state: LeaderState, draft: Draft, context: Context): CarriedOut {
  const answers: Effect[] = [];
  const held: HeldReply[] = [];
  const viewSeq = state.tail.view.seq;
  let bytes = 0;
  while (state.orders.length > 0 && bytes < ordersBytes) {
    const order = state.orders.shift();
    if (order === undefined) break;
    const result = evaluate(state, draft, order.request, context);
    if (!result.ok) {
      answers.push({ kind: "reply", to: order.from, body: { fault: result.fault } });
      continue;
    }
    bytes += eventsBytes(result.value);
    for (const event of result.value) draft.emit(event);
    const changed = draft.events.length > 0;
    const started = result.value.find((event) => event.kind === "moveStarted");
    const move = started === undefined ? {} : { move: moveNumber(started.move.id, state.config) };
    held.push({ to: order.from, body: { done: true, viewSeq: changed ? viewSeq + 1 : viewSeq, ...move } });
  }
  if (draft.events.length > 0) return { answers, held, full: state.orders.length > 0 || bytes >= ordersBytes };
  for (const { to, body } of held) answers.push({ kind: "reply", to, body });
  return { answers, held: [], full: false };
}

function recordSightings({ trimmer }: LeaderState, draft: Draft, { wallMs }: Context): void {
  for (const [group, created] of trimmer.sightings) {
    const known = draft.view.logStreams.get(group);
    if (known === created) continue;
    if (known !== undefined) draft.emit({ kind: "incidentReported", incident: recreated(draft.view, group, wallMs) });
    draft.emit({ kind: "logStreamSeen", group, created });
  }
}

function recreated(view: ClusterView, group: number, atMs: number): Incident {
  const fragments = [...view.fragments.values()].filter((fragment) => fragment.group === group).map(({ id }) => id);
  return {
    atMs,
    node: view.leader,
    what: "logRecreated",
    outcome: "noticed",
    fragments: fragments.slice(0, 4096),
    note: `the log stream of group ${group} was deleted and made again; its ${fragments.length} fragments go on from their replicas`,
  };
}

function recordIncidents(state: LeaderState, draft: Draft): boolean {
  for (const incident of state.incidents.splice(0, incidentsAtOnce))
    if (!draft.view.incidents.some((known) => isSame(known, incident)))
      draft.emit({ kind: "incidentReported", incident });
  return state.incidents.length > 0;
}

function isSame(a: Incident, b: Incident): boolean {
  return (
    a.node === b.node &&
    a.what === b.what &&
    a.outcome === b.outcome &&
    a.note === b.note &&
    a.fragments.length === b.fragments.length &&
    a.fragments[0] === b.fragments[0] &&
    Math.abs(a.atMs - b.atMs) < sameIncidentMs
  );
}
