// Router. Owns the way of a query: decodes it, finds the fragments, sends operations to nodes in batches, gathers, tries again, answers.
// It keeps no data: any router can serve any request, and one that dies loses only what its clients send again.
// R1 every request is answered once, at the latest a moment after its deadline. R2 requests and bytes in flight have limits (I2).
// R3 a write is sent again only with its own request id (I5), so trying again never writes twice.
// R4 `edge` is the same router inside a client: its views come from a router of the cluster, its operations go straight to the nodes.

import { limits, type Timing } from "../src/config/limits.js";
import type { Effect, Effects } from "../src/kernel/effect.js";
import { none } from "../src/kernel/effect.js";
import type { Hash } from "../src/kernel/hash.js";
import { type Actor, type Context, dispatch, type Handlers } from "../src/kernel/machine.js";
import { countingTickets } from "../src/kernel/tickets.js";
import type { ClientGroups } from "../src/load/group.js";
import { type Admin, adminTimer, createAdmin } from "./router/admin.js";
import { createCoreViews } from "./router/core-views.js";
import { type Courier, createCourier, flushTimer, gatherTimer, retryTimer } from "./router/courier.js";
import { createDesk, type Desk, sweepTimer } from "./router/desk.js";
import { createEdgeViews } from "./router/edge-views.js";
import { createIntake, graceTimer, type Intake } from "./router/intake.js";
import type { Kit } from "./router/kit.js";
import { createLocations, type ViewSource } from "./router/locations.js";
import type { RouterMessage } from "./router/message.js";

export type { RouterMessage } from "./router/message.js";

export interface RouterConfig {
  /** Unique among routers and clients: request ids begin with it. */
  readonly id: string;
  /** Control partitions; an `edge` router learns the number itself. */
  readonly partitions: number;
  readonly timing: Timing;
  /** `core`: inside the cluster. `edge`: inside a client. */
  readonly reach: "core" | "edge";
  /** Copies of a new table's fragments where whoever makes it does not say; absent or 0: as many as fit, at most 3. */
  readonly tableReplicas?: number;
  /** Requests held at once; absent: `limits.routerRequests`. */
  readonly requestsHeld?: number;
  /** Requests per second that one user may ask of this router; absent: no limit. */
  readonly userPerSecond?: number;
  /** Client group by user; absent: each user is a group. */
  readonly clientGroups?: ClientGroups;
}

export interface RouterPorts {
  readonly hash: Hash;
}

interface RouterState {
  readonly source: ViewSource;
  readonly courier: Courier;
  readonly desk: Desk;
  readonly admin: Admin;
  readonly intake: Intake;
  stopping: boolean;
}

/** The name under which a host spawns its router. */
export const routerActorId = "router";

export function createRouter(config: RouterConfig, { hash }: RouterPorts): Actor<RouterMessage> {
  const tickets = countingTickets();
  const source = config.reach === "core" ? createCoreViews(config.partitions, tickets) : createEdgeViews(tickets);
  const locations = createLocations(source, hash);
  const courier = createCourier(config, locations, source, tickets);
  const desk = createDesk(courier, config);
  const admin = createAdmin(config, desk, locations, hash, tickets);
  const kit: Kit = { config, courier, desk, locations, hash, requestId: requestIds(config.id) };
  const intake = createIntake(kit, admin, source, hash, tickets);
  const state: RouterState = { source, courier, desk, admin, intake, stopping: false };
  return {
    mailboxLimit: limits.mailbox,
    step(message, context) {
      const effects = dispatch(handlers, state, message, context);
      if (state.stopping && desk.waiting() === 0) return [...effects, ...leave];
      const sweep = desk.arm(context);
      return sweep.length === 0 ? effects : [...effects, ...sweep];
    },
  };
}

/** Unique by the router's name, the moment and chance of its first draw, and a count. */
function requestIds(id: string): (context: Context) => string {
  let prefix: string | undefined;
  let count = 0;
  return ({ random, wallMs }) => {
    prefix ??= `${id.slice(-24)}.${Math.floor(wallMs).toString(36)}.${random.hex(6)}`;
    count++;
    return `${prefix}.${count.toString(36)}`;
  };
}

const stopTimer = "router/stop";
/** For what is at the desk: when it simply ends, and when somebody waits for it to end in order. */
const stopMs = 250;
const leaveMs = 10_000;
const leave: Effects = [{ kind: "stop", id: routerActorId }];
const ignored = (): Effects => none;

const handlers: Handlers<RouterState, RouterMessage> = {
  start: ({ source }) => source.start(),
  // What is at the desk gets until the next sweep, or the time that whoever asks to leave grants; the rest is told to ask another router.
  stop(state, { leave: inOrder, withinMs }) {
    state.stopping = true;
    const afterMs = inOrder ? Math.max(stopMs, Math.min(leaveMs, withinMs / 2)) : stopMs;
    return state.desk.waiting() === 0 ? leave : [{ kind: "wake", name: stopTimer, afterMs }];
  },
  request: ({ intake }, request, context) => intake.accept(request, context),
  answered({ source, courier, admin, intake }, message, context) {
    const { ticket, outcome } = message;
    const known =
      courier.answered(ticket, outcome, context) ??
      admin.answered(ticket, outcome, context) ??
      intake.answered(ticket, outcome, context);
    if (known !== undefined) return known;
    return onViews({ source, courier, admin, intake }, message, context);
  },
  woke(state, message, context) {
    switch (message.name) {
      case flushTimer:
        return state.courier.flush(context);
      case gatherTimer:
        return state.courier.gathered(context);
      case retryTimer:
        return state.courier.retry(context);
      case sweepTimer:
        return state.desk.sweep(context);
      case adminTimer:
        return state.admin.retry(context);
      case stopTimer:
        return [...state.desk.refuseAll(), ...leave];
      case graceTimer:
        return state.intake.expire(context);
      default:
        return onViews(state, message, context);
    }
  },
  followed: (state, message, context) => onViews(state, message, context),
  followNews: (state, message, context) => onViews(state, message, context),
  logRead: (state, message, context) => onViews(state, message, context),
  childFailed: (_state, { id, error }) => [
    { kind: "log", level: "error", event: "routerChildFailed", fields: { id, error } },
  ],
  appended: ignored,
  streamRead: ignored,
  committed: ignored,
  computed: ignored,
};

/** News for the views; when they grew, what waited for that goes on. */
function onViews(
  { source, courier, admin, intake }: Omit<RouterState, "desk" | "stopping">,
  message: Parameters<ViewSource["on"]>[0],
  context: Context,
): Effects {
  const news = source.on(message);
  if (news === undefined) return none;
  if (!news.changed) return news.effects;
  const effects: Effect[] = [...news.effects];
  effects.push(...courier.viewChanged(context), ...admin.viewChanged(), ...intake.viewChanged(context));
  return effects;
}
