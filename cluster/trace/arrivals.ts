// Arrivals. Owns how requests that reach a host become spans: from when one is handed to its actor until its answer leaves.
// A1 a request is known by its way back, weakly: one that is never answered leaves no span, and nothing has to be swept.
// A2 a router begins a trace where none came with the request; a node only goes on with those that did.

import type { Attributes } from "@opentelemetry/api";
import type { Msg } from "nats";
import { faultIn } from "../../actors/router/faults.js";
import type { ReplyTo } from "../../src/kernel/effect.js";
import { faultCodeAt, operationAt } from "../../src/protocol/exec-glance.js";
import { contextIn, operationContextsIn } from "./headers.js";
import type { Tracing, Visit } from "./tracing.js";

export interface Arrivals {
  /** A request on its way to an actor. Gives what the actor is to hand on with what it asks on its behalf; undefined: nothing. */
  arrived(msg: Msg, from: ReplyTo, body: unknown): string | undefined;
  /** An answer on its way out. */
  answered(to: ReplyTo, body: unknown): void;
}

/** At a router. */
export function routeArrivals(tracing: Tracing, router: string): Arrivals {
  const open = new WeakMap<ReplyTo, Visit>();
  return {
    arrived(msg, from) {
      const visit = tracing.routed(msg.subject, router, contextIn(msg.headers));
      open.set(from, visit);
      return visit.trace;
    },
    answered(to, body) {
      const visit = open.get(to);
      if (visit === undefined) return;
      open.delete(to);
      visit.end(faultIn(body)?.code);
    },
  };
}

interface Operation {
  readonly visit: Visit;
  readonly place: readonly [part: number, index: number];
}

/** At a node: one span for each operation of a batch that a traced request asks for. */
export function executeArrivals(tracing: Tracing, node: string): Arrivals {
  const open = new WeakMap<ReplyTo, readonly Operation[]>();

  function begin(msg: Msg, body: unknown): readonly Operation[] {
    return operationContextsIn(msg.headers).flatMap(({ context, place }) => {
      const what = operationAt(body, place);
      if (what === undefined) return [];
      const attributes: Attributes = { "db.operation.name": what.op, "foreshard.fragment": what.fragment };
      return [{ place, visit: tracing.executed(attributes, node, context) }];
    });
  }

  return {
    arrived(msg, from, body) {
      const operations = begin(msg, body);
      if (operations.length > 0) open.set(from, operations);
      return undefined;
    },
    answered(to, body) {
      const operations = open.get(to);
      if (operations === undefined) return;
      open.delete(to);
      const whole = faultIn(body)?.code;
      for (const { visit, place } of operations) visit.end(whole ?? faultCodeAt(body, place));
    },
  };
}
