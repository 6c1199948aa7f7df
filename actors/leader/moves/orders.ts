// Orders. Owns what an operator's request does to moves: which may start, be cancelled, be rolled back; every refusal says what would be right.

import { limits } from "../../../src/config/limits.js";
import { type Fault, fail, ok, type Result } from "../../../src/kernel/fault.js";
import type { Context } from "../../../src/kernel/machine.js";
import type { LedgerEvent } from "../../../src/ledger/event.js";
import { isReshaping, replicaOn } from "../../../src/ledger/fold.js";
import { tableNamed } from "../../../src/ledger/lookup.js";
import { type Move, moveNumber, moveOfNumber, type Strategy } from "../../../src/ledger/move.js";
import type { FragmentView, NodeView } from "../../../src/ledger/view.js";
import type { AdminRequest } from "../../../src/protocol/control.js";
import { isFull } from "../capacity.js";
import type { Draft } from "../draft.js";
import { sightOf } from "../moves.js";
import type { LeaderState } from "../state.js";
import { withoutDestination } from "./phases.js";
import { handOverTo, isActivated, isUp, type Sight } from "./sight.js";

type Order<K extends AdminRequest["kind"]> = Extract<AdminRequest, { kind: K }>;
type Answer = Result<readonly LedgerEvent[]>;
type Refused = { readonly ok: false; readonly fault: Fault };

const namesTold = 20;

export function orderMove(state: LeaderState, draft: Draft, order: Order<"moveFragment">, context: Context): Answer {
  const { view } = draft;
  const fragment = fragmentIn(draft, order.table, order.fragment);
  if (!fragment.ok) return fragment;
  const from = order.from === "" ? fragment.value.primary : order.from;
  const held = replicaOn(fragment.value, order.to) !== undefined;
  const strategy = order.strategy === "" ? (held ? "leader-only" : "log-shipping") : order.strategy;
  const refused =
    nodeRefusal(state, draft, order.to) ??
    fragmentRefusal(state, draft, fragment.value, from) ??
    strategyRefusal(state, draft, fragment.value, { from, to: order.to, strategy, role: order.role });
  if (refused !== undefined) return refused;
  const move: Move = {
    id: view.nextMove,
    fragment: fragment.value.id,
    strategy,
    from: strategy === "leader-only" ? fragment.value.primary : from,
    to: order.to,
    role: strategy !== "log-shipping" || order.role || from === fragment.value.primary,
    cause: "operator",
    by: order.by,
    why: order.why,
    startedMs: context.wallMs,
    deadlineMs: order.withinMs === 0 ? 0 : context.wallMs + order.withinMs,
  };
  return ok(startOf(state, draft, fragment.value, move, context));
}

/** The events with which a move begins. */
export function startOf(
  state: LeaderState,
  draft: Draft,
  fragment: FragmentView,
  move: Move,
  context: Context,
): readonly LedgerEvent[] {
  const started: LedgerEvent = { kind: "moveStarted", move };
  if (move.strategy !== "leader-only") {
    state.sessions.get(move.to)?.statuses.delete(fragment.id);
    return [started, { kind: "replicasAdded", replicas: [{ fragment: fragment.id, node: move.to }], cause: "move" }];
  }
  const entry = { phase: "handingOver", atMs: move.startedMs, lsn: 0, seq: 0, note: "" } as const;
  const sight: Sight = {
    state,
    draft,
    context,
    fragment,
    entry,
    move: { ...move, phase: entry.phase, phases: [entry] },
  };
  return [started, handOverTo(sight, move.to)];
}

/** A fragment by its table and number. */
export function fragmentIn({ view }: Draft, name: string, id: number): Result<FragmentView> {
  const table = tableNamed(view, name);
  if (table === undefined)
    return fail("UNKNOWN_TABLE", `there is no table ${JSON.stringify(name.slice(0, limits.nameLength))}`);
  const fragment = view.fragments.get(id);
  if (fragment?.table === table.id) return ok(fragment);
  const ids = view.order.get(table.id) ?? [];
  const some = ids.slice(0, namesTold).join(", ") + (ids.length > namesTold ? ", …" : "");
  return fail("UNKNOWN_FRAGMENT", `table ${name} has no fragment ${id}; it has ${some}`);
}

/** Why nothing can be moved to `to`. */
function nodeRefusal(state: LeaderState, { view }: Draft, to: string): Refused | undefined {
  const node = view.nodes.get(to);
  const open = [...view.nodes.values()].filter((other) => isOpen(state, other)).map(({ id }) => id);
  const right = open.length === 0 ? "no node can take it now" : `nodes that can: ${open.sort().join(", ")}`;
  if (node === undefined)
    return fail("UNKNOWN_NODE", `there is no node ${JSON.stringify(to.slice(0, limits.nameLength))}; ${right}`);
  if (node.state === "down") return fail("NOT_POSSIBLE", `${to} is down; ${right}`);
  if (node.draining)
    return fail("NOT_POSSIBLE", `${to} is being drained; undrain it first, or choose another: ${right}`);
  if (state.sessions.get(to)?.leaving === true) return fail("NOT_POSSIBLE", `${to} is stopping; ${right}`);
  return undefined;
}

function isOpen({ sessions }: LeaderState, { id, state, draining }: NodeView): boolean {
  return state === "up" && !draining && sessions.get(id)?.leaving !== true;
}

/** Why this fragment cannot be moved away from `from` now. */
function fragmentRefusal(
  state: LeaderState,
  { view }: Draft,
  fragment: FragmentView,
  from: string,
): Refused | undefined {
  const active = view.moves.get(view.moving.get(fragment.id) ?? 0);
  if (active !== undefined) {
    const number = moveNumber(active.id, state.config);
    return fail(
      "NOT_POSSIBLE",
      `fragment ${fragment.id} is moving already, to ${active.to} (move ${number}); cancel that move, or wait for its end`,
      {
        move: number,
        to: active.to,
      },
    );
  }
  if (isReshaping(view, fragment.id))
    return fail("NOT_POSSIBLE", `fragment ${fragment.id} is being split or merged; try again when that is done`);
  if (view.moves.size >= limits.movesUnderWay)
    return fail("OVERLOADED", `${view.moves.size} moves are under way; try again when some have ended`, {
      retryAfterMs: 1000,
    });
  if (replicaOn(fragment, from) === undefined)
    return fail("NOT_POSSIBLE", `${from} holds no replica of fragment ${fragment.id}; ${holdersOf(fragment)}`);
  if (fragment.activatedEpoch !== fragment.epoch)
    return fail("UNAVAILABLE", `fragment ${fragment.id} is just getting a new primary, ${fragment.primary}; try again`);
  return undefined;
}

function holdersOf({ replicas }: FragmentView): string {
  return `replicas are on ${replicas.map(({ node }) => node).join(", ")}`;
}

interface Wish {
  readonly from: string;
  readonly to: string;
  readonly strategy: Strategy;
  readonly role: boolean;
}

function strategyRefusal(state: LeaderState, draft: Draft, fragment: FragmentView, wish: Wish): Refused | undefined {
  const { from, to, strategy } = wish;
  const replica = replicaOn(fragment, to);
  if (to === fragment.primary)
    return fail("NOT_POSSIBLE", `${to} is the primary of fragment ${fragment.id} already; choose another node`);
  if (strategy === "copy-on-write" && from !== fragment.primary)
    return fail(
      "NOT_POSSIBLE",
      `copy-on-write relieves the primary, which is ${fragment.primary}; move a backup with log-shipping`,
    );
  if (strategy === "leader-only") {
    if (replica?.state === "ready") return undefined;
    const ready = fragment.replicas.filter(({ node, state: is }) => is === "ready" && node !== fragment.primary);
    const right =
      ready.length === 0
        ? "it has no other ready replica"
        : `ready replicas: ${ready.map(({ node }) => node).join(", ")}`;
    return fail(
      "NOT_POSSIBLE",
      `${to} holds no ready replica of fragment ${fragment.id}, so the role alone cannot move there; ${right}; or move with log-shipping`,
    );
  }
  if (from === to) return fail("NOT_POSSIBLE", `fragment ${fragment.id} is on ${to} already; choose another node`);
  if (replica !== undefined)
    return fail(
      "NOT_POSSIBLE",
      `${to} holds a replica of fragment ${fragment.id} already; leader-only gives it the primary role, ${holdersOf(fragment)}`,
    );
  return zoneRefusal(draft, fragment, wish) ?? spaceRefusal(state, fragment, to);
}

/** A move must not bring two replicas into one zone that are in two now. */
function zoneRefusal({ view }: Draft, fragment: FragmentView, { from, to }: Wish): Refused | undefined {
  const zoneOf = (node: string): string => view.nodes.get(node)?.zone ?? "";
  const zone = zoneOf(to);
  if (zone === "" || zone === zoneOf(from)) return undefined;
  const neighbour = fragment.replicas.find(({ node }) => node !== from && zoneOf(node) === zone);
  if (neighbour === undefined) return undefined;
  return fail(
    "NOT_POSSIBLE",
    `${to} is in zone ${zone}, where ${neighbour.node} holds a replica already; choose a node of another zone, or of ${from}'s`,
  );
}

function spaceRefusal(state: LeaderState, fragment: FragmentView, to: string): Refused | undefined {
  const bytes = state.sessions.status(fragment.primary, fragment.id)?.bytes ?? 0;
  if (!isFull(state, to, bytes)) return undefined;
  const free = state.sessions.get(to)?.freeBytes ?? 0;
  return fail(
    "NOT_POSSIBLE",
    `the disk of ${to} is full: ${free} bytes are free, the fragment needs ${bytes} and ${limits.diskFloorBytes} must stay free; choose another node, or make room`,
  );
}

export function orderCancel(state: LeaderState, draft: Draft, order: Order<"cancelMove">, context: Context): Answer {
  const sight = sightOfOrder(state, draft, order.move, context);
  if (!sight.ok) return sight;
  const { move, fragment } = sight.value;
  const ended: LedgerEvent = {
    kind: "moveEnded",
    move: move.id,
    outcome: "cancelled",
    atMs: context.wallMs,
    why: `by ${order.by}`,
  };
  switch (move.phase) {
    case "copying":
    case "verifying":
      if (move.strategy === "copy-on-write" && move.phase === "verifying")
        return tooLate(order.move, "its destination is primary already");
      if (fragment.primary === move.to) return tooLate(order.move, "its destination became primary");
      return ok([...withoutDestination(sight.value), ended]);
    case "handingOver":
    case "pulling":
    case "verifyingAgain":
      return tooLate(order.move, "the role was handed over");
    case "decommissioning":
      return fail(
        "NOT_POSSIBLE",
        `move ${order.move} is as good as done: its source was verified and is letting go; move the fragment back instead`,
      );
    case "rollingBack":
      return fail("NOT_POSSIBLE", `move ${order.move} is being rolled back already`);
  }
}

function tooLate(number: number, why: string): Refused {
  return fail("NOT_POSSIBLE", `move ${number} cannot be cancelled any more: ${why}; use rollback`);
}

export function orderRollback(
  state: LeaderState,
  draft: Draft,
  order: Order<"rollbackMove">,
  context: Context,
): Answer {
  const sight = sightOfOrder(state, draft, order.move, context);
  if (!sight.ok) return sight;
  const { move, fragment } = sight.value;
  const early = move.phase === "copying" || (move.phase === "verifying" && move.strategy !== "copy-on-write");
  if (early) return fail("NOT_POSSIBLE", `move ${order.move} has handed nothing over yet; use cancel`);
  if (move.phase === "decommissioning")
    return fail(
      "NOT_POSSIBLE",
      `move ${order.move} is as good as done: its source was verified and is letting go; move the fragment back instead`,
    );
  if (move.phase === "rollingBack") return ok([]);
  if (!isActivated(sight.value))
    return fail("UNAVAILABLE", `the hand-over of move ${order.move} is just happening; try again`, {
      retryAfterMs: 100,
    });
  if (replicaOn(fragment, move.from)?.state !== "ready" || !isUp(sight.value, move.from))
    return fail("NOT_POSSIBLE", `${move.from} cannot take fragment ${fragment.id} back: it is down or lost its copy`);
  const back = fragment.primary === move.to ? [handOverTo(sight.value, move.from)] : [];
  return ok([
    ...back,
    { kind: "moveAdvanced", move: move.id, phase: "rollingBack", atMs: context.wallMs, lsn: 0, note: `by ${order.by}` },
  ]);
}

function sightOfOrder(state: LeaderState, draft: Draft, number: number, context: Context): Result<Sight> {
  const { view } = draft;
  const id = moveOfNumber(number, state.config);
  const sight = sightOf(state, draft, context, view.moves.get(id));
  if (sight !== undefined) return ok(sight);
  const past = view.pastMoves.find((move) => move.id === id);
  if (past === undefined) return fail("NOT_FOUND", `there is no move ${number}`);
  const words = { done: "is done", cancelled: "was cancelled", rolledBack: "was rolled back", failed: "failed" };
  const why = past.end === "" ? "" : `: ${past.end}`;
  return fail("NOT_POSSIBLE", `move ${number} ${words[past.outcome]}${why}`, { outcome: past.outcome });
}

/** Read replicas: another number of copies than the table's; 0 = as the table. */
export function orderReplicas(state: LeaderState, draft: Draft, order: Order<"setReplicas">): Answer {
  const { view } = draft;
  const fragment = fragmentIn(draft, order.table, order.fragment);
  if (!fragment.ok) return fragment;
  const { count } = order;
  const usual = view.tables.get(fragment.value.table)?.replicas ?? 1;
  if (count > limits.replicas)
    return fail("BAD_REQUEST", `replicas must be from 0 (as the table: ${usual}) to ${limits.replicas}, not ${count}`);
  const open = [...view.nodes.values()].filter((node) => isOpen(state, node));
  if (count > open.length)
    return fail("NOT_POSSIBLE", `${count} replicas need ${count} nodes; ${open.length} are up and not draining`);
  const zones = new Set(open.map(({ zone }) => zone));
  // Nodes that all stand in one zone, as those do that were given none, have nothing to be spread over.
  if (zones.size > 1 && !zones.has("") && count > Math.max(usual, zones.size))
    return fail(
      "NOT_POSSIBLE",
      `${count} replicas need ${count} zones; there are ${zones.size}: ${[...zones].sort().join(", ")}`,
    );
  if (fragment.value.replicasWanted === count) return ok([]);
  return ok([{ kind: "replicaCountChanged", fragment: fragment.value.id, count }]);
}
