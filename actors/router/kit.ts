// Kit. Owns what every query handler of a router works with, and the way an inquiry sends its errands.

import { limits } from "../../src/config/limits.js";
import { type Effects, none } from "../../src/kernel/effect.js";
import type { Fault } from "../../src/kernel/fault.js";
import type { Hash } from "../../src/kernel/hash.js";
import type { Context } from "../../src/kernel/machine.js";
import type { FragmentView } from "../../src/ledger/view.js";
import type { Op } from "../../src/protocol/exec.js";
import type { Query, ReadLevel } from "../../src/query/query.js";
import type { RouterConfig } from "../router.js";
import type { Courier, Errand, Lane, Outcome, Trip } from "./courier.js";
import type { Desk, Inquiry } from "./desk.js";
import type { Located, Locations } from "./locations.js";

export interface Kit {
  readonly config: RouterConfig;
  readonly courier: Courier;
  readonly desk: Desk;
  readonly locations: Locations;
  readonly hash: Hash;
  /** Draws a request id that no other router draws. */
  requestId(context: Context): string;
}

export type QueryOf<K extends Query["op"]> = Extract<Query, { op: K }>;
export type QueryHandler<K extends Query["op"]> = (
  kit: Kit,
  inquiry: Inquiry,
  table: Located,
  query: QueryOf<K>,
  context: Context,
) => Effects;

/** What differs between the errands of the queries; the rest follows from the inquiry. */
export interface ErrandSpec {
  readonly access: "read" | "write";
  readonly lane: Lane;
  readonly read: ReadLevel | undefined;
  readonly bytes: number;
  readonly find: () => FragmentView | undefined;
  readonly ends?: (trip: Trip) => Fault | undefined;
  readonly opFor: (fragment: FragmentView) => Op;
  readonly done: (outcome: Outcome, context: Context) => Effects;
  /** How long one try may take; by default what the lane gives. */
  readonly tryMs?: number;
}

export function send(kit: Kit, inquiry: Inquiry, table: Located, spec: ErrandSpec, context: Context): Effects {
  const errand: Errand = {
    table,
    access: spec.access,
    group: inquiry.group,
    trace: inquiry.trace,
    lane: spec.lane,
    anyReplica: spec.read !== undefined && spec.read.level !== "strong",
    deadlineMs: inquiry.deadlineMs,
    tryMs: spec.tryMs ?? tryTime(kit, inquiry, spec.lane),
    bytes: spec.bytes,
    find: spec.find,
    ends: spec.ends,
    opFor: spec.opFor,
    done: spec.done,
  };
  return sendErrand(kit, inquiry, errand, context);
}

/** When the inquiry is answered its trips are cancelled, so an errand's `done` is never called for one that is finished. */
export function sendErrand(kit: Kit, inquiry: Inquiry, errand: Errand, context: Context): Effects {
  if (inquiry.finished) return none;
  const { trip, effects } = kit.courier.submit(errand, context);
  if (trip.ended) return effects;
  if (inquiry.trips.length > longTripList) inquiry.trips = inquiry.trips.filter((other) => !other.ended);
  inquiry.trips.push(trip);
  return effects;
}

const longTripList = 2 * limits.getManyKeys;

/** One try of a slow operation may take most of the time granted, so that a large fragment can be read through at all. */
function tryTime(kit: Kit, inquiry: Inquiry, lane: Lane): number {
  const { askTimeoutMs } = kit.config.timing;
  return lane === "slow" ? Math.max(askTimeoutMs, Math.floor(inquiry.grantedMs * 0.6)) : askTimeoutMs;
}

/** The end of a request with a fault of one fragment; names the fragment where several were asked. */
export function refuseFor(
  kit: Kit,
  inquiry: Inquiry,
  outcome: { readonly fault: Fault; readonly fragment: FragmentView | undefined },
): Effects {
  const { fault: why, fragment } = outcome;
  if (fragment === undefined) return kit.desk.refuse(inquiry, why);
  return kit.desk.refuse(inquiry, {
    ...why,
    message: `fragment ${fragment.id}: ${why.message}`,
    detail: { ...why.detail, fragment: fragment.id },
  });
}
