// Desk. Owns the requests that a router has accepted and not answered yet: admission, deadlines, and the one answer to each.
// D1 every admitted request is answered exactly once, at the latest at its deadline: one timer stands at the earliest of them.
// D2 requests and bytes held have limits, and so has one user's part of them (`quota.ts`); past them the answer is OVERLOADED.
// D3 a write that may have been carried out ends as UNKNOWN_OUTCOME, never as a plain time-out.

import { limits } from "../../src/config/limits.js";
import type { Effect, Effects, ReplyTo } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import { type Fault, fault, ok, type Result } from "../../src/kernel/fault.js";
import { IdMap } from "../../src/kernel/id-map.js";
import type { Context } from "../../src/kernel/machine.js";
import type { Courier, Trip } from "./courier.js";
import { createQuota } from "./quota.js";

/** One request at the desk. */
export interface Inquiry {
  readonly number: number;
  readonly from: ReplyTo;
  /** Client group of whoever asks. */
  readonly group: string;
  /** Who asks, as the server stamped it. */
  readonly user: string;
  /** The world's name of it, where it is traced. */
  readonly trace: string | undefined;
  /** Monotonic, of this host. */
  deadlineMs: number;
  grantedMs: number;
  bytes: number;
  finished: boolean;
  /** Set by writes: what to retry with when the outcome is unknown. */
  requestId: string | undefined;
  /** Why it has not gone on, when no trip is under way that could say so. */
  waitingFor: string | undefined;
  trips: Trip[];
}

/** Whose a request is. */
export type Asker = Pick<Inquiry, "user" | "group"> & Partial<Pick<Inquiry, "trace">>;

export interface Desk {
  admit(from: ReplyTo, asker: Asker, context: Context): Result<Inquiry>;
  /** Sets the time that the client grants, counted from now. */
  grant(inquiry: Inquiry, grantedMs: number, context: Context): void;
  /** Takes more memory for a request; false when there is none left. */
  hold(inquiry: Inquiry, bytes: number): boolean;
  answer(inquiry: Inquiry, body: object): Effects;
  refuse(inquiry: Inquiry, why: Fault): Effects;
  sweep(context: Context): Effects;
  /** The router is ending. */
  refuseAll(): Effects;
  /** Arms the sweep at the earliest deadline, where it does not stand there already. */
  arm(context: Context): Effects;
  waiting(): number;
}

export const sweepTimer = "router/sweep";
const emptyRequestBytes = 256;

export interface DeskRules {
  readonly requestsHeld?: number;
  /** Requests of one user per second. */
  readonly userPerSecond?: number;
}

export function createDesk(courier: Courier, rules: DeskRules = {}): Desk {
  const { requestsHeld = limits.routerRequests, userPerSecond } = rules;
  const underWay = Math.max(1, Math.floor(requestsHeld * limits.userShare));
  const quota = createQuota({ underWay, ...(userPerSecond === undefined ? {} : { perSecond: userPerSecond }) });
  const open = new IdMap<Inquiry>();
  let admitted = 0;
  let bytes = 0;
  /** No deadline of an open request is before this; it may be that of one that is answered already. */
  let earliestMs = Number.POSITIVE_INFINITY;
  let armedMs = Number.POSITIVE_INFINITY;

  function overloaded(what: string): { ok: false; fault: Fault } {
    return {
      ok: false,
      fault: fault("OVERLOADED", `this router holds as many ${what} as it may; try again later`, { retryAfterMs: 20 }),
    };
  }

  function close(inquiry: Inquiry, body: object): Effects {
    if (inquiry.finished) return none;
    inquiry.finished = true;
    open.delete(inquiry.number);
    quota.free(inquiry.user);
    bytes -= inquiry.bytes;
    for (const trip of inquiry.trips) if (!trip.ended) courier.cancel(trip);
    inquiry.trips = [];
    return [{ kind: "reply", to: inquiry.from, body }];
  }

  return {
    admit(from, { user, group, trace }, context) {
      if (open.size >= requestsHeld) return overloaded("requests");
      if (bytes + emptyRequestBytes > limits.routerBytes) return overloaded("bytes");
      const refused = quota.take(user, context.nowMs);
      if (refused !== undefined) return { ok: false, fault: refused };
      const inquiry: Inquiry = {
        number: admitted++,
        from,
        group,
        user,
        trace,
        deadlineMs: context.nowMs + limits.defaultDeadlineMs,
        grantedMs: limits.defaultDeadlineMs,
        bytes: emptyRequestBytes,
        finished: false,
        requestId: undefined,
        waitingFor: undefined,
        trips: [],
      };
      bytes += inquiry.bytes;
      open.set(inquiry.number, inquiry);
      earliestMs = Math.min(earliestMs, inquiry.deadlineMs);
      return ok(inquiry);
    },
    grant(inquiry, grantedMs, context) {
      inquiry.grantedMs = grantedMs;
      inquiry.deadlineMs = context.nowMs + grantedMs;
      earliestMs = Math.min(earliestMs, inquiry.deadlineMs);
    },
    hold(inquiry, more) {
      if (inquiry.finished || bytes + more > limits.routerBytes) return false;
      inquiry.bytes += more;
      bytes += more;
      return true;
    },
    answer: close,
    refuse: (inquiry, why) => close(inquiry, { fault: why }),
    sweep(context) {
      const effects: Effect[] = [];
      armedMs = Number.POSITIVE_INFINITY;
      earliestMs = Number.POSITIVE_INFINITY;
      for (const [, inquiry] of open.entries()) {
        if (context.nowMs >= inquiry.deadlineMs) effects.push(...close(inquiry, { fault: expiry(inquiry) }));
        else earliestMs = Math.min(earliestMs, inquiry.deadlineMs);
      }
      return effects;
    },
    refuseAll: () => open.entries().flatMap(([, inquiry]) => close(inquiry, { fault: ending(inquiry) })),
    arm(context) {
      if (earliestMs >= armedMs || open.size === 0) return none;
      armedMs = earliestMs;
      return [{ kind: "wake", name: sweepTimer, afterMs: Math.max(0, earliestMs - context.nowMs) }];
    },
    waiting: () => open.size,
  };
}

function ending(inquiry: Inquiry): Fault {
  const why = expiry(inquiry);
  return why.code === "UNKNOWN_OUTCOME"
    ? why
    : fault("UNAVAILABLE", "this router is stopping; try again, another one answers");
}

/** What to say about a request whose time is over. */
function expiry(inquiry: Inquiry): Fault {
  const pending = inquiry.trips.filter((trip) => !trip.ended);
  const unsure = pending.some((trip) => trip.errand.access === "write" && (trip.maybeDone || trip.sent));
  const obstacle = pending.find((trip) => trip.lastFault !== undefined)?.lastFault;
  if (unsure)
    return fault(
      "UNKNOWN_OUTCOME",
      `no answer within ${inquiry.grantedMs} ms: the write may or may not have been carried out; send it again with the same requestId to find out`,
      inquiry.requestId === undefined ? undefined : { requestId: inquiry.requestId },
    );
  if (obstacle?.code === "FRAGMENT_FAULTED" || obstacle?.code === "OVERLOADED") return obstacle;
  const why = obstacle?.message ?? inquiry.waitingFor;
  return fault(
    "DEADLINE_EXCEEDED",
    `not carried out within ${inquiry.grantedMs} ms${why === undefined ? "" : ` (${why})`}; try again, or grant more time with deadlineMs`,
    obstacle === undefined ? undefined : { cause: obstacle.code },
  );
}
