// Edge world. Owns the small world of the router inside a client: a kernel, timers, and asks over one NATS connection.
// E1 requests of one turn of the event loop reach the router together, and leave together.
// E2 every request settles, also when the router fails (it is made anew) or the connection closes.
// E3 a subject that this user may not publish on fails at once: the server says so out of band. Without the view, everything does.

import { randomInt, randomUUID } from "node:crypto";
import { createRouter, routerActorId } from "../../actors/router.js";
import { defaultTiming } from "../../src/config/limits.js";
import type { AskOutcome, ReplyTo } from "../../src/kernel/effect.js";
import { fault } from "../../src/kernel/fault.js";
import { IdMap } from "../../src/kernel/id-map.js";
import { Kernel, type Outward, type World } from "../../src/kernel/kernel.js";
import { seededRandom } from "../../src/kernel/random.js";
import { subjects } from "../../src/protocol/subjects.js";
import type { Connection, Denied } from "../world/connection.js";
import { loadHash } from "../world/hash.js";
import { openInbox } from "../world/inbox.js";
import { createRequests } from "../world/requests.js";
import { createTimers } from "../world/timers.js";

export interface EdgeWorld {
  /** `done` is called once, within the deadline that the body names, with the answer's body, `{fault}` included. */
  ask(subject: string, body: unknown, done: (answer: unknown) => void, trace?: string): void;
  close(): void;
}

export async function openEdgeWorld(connection: Connection): Promise<EdgeWorld> {
  const hash = await loadHash();
  const id = randomUUID().replaceAll("-", "");
  const waiting = new IdMap<{ readonly subject: string; readonly done: (body: unknown) => void }>();
  const asked = new IdMap<string>();
  let replies = 0;
  let due = false;
  let closed = false;

  const inbox = openInbox(connection);
  const timers = createTimers((actor, name) => kernel.deliver(actor, { kind: "woke", name }));
  const requests = createRequests({ connection, inbox, request: () => undefined });

  function settle({ reply }: ReplyTo, body: unknown): void {
    if (typeof reply !== "number") return;
    const asking = waiting.get(reply);
    waiting.delete(reply);
    asking?.done(body);
  }
  function settleAll(why: ReturnType<typeof fault>, concerns = (_subject: string): boolean => true): void {
    for (const [reply, { subject }] of waiting.entries()) if (concerns(subject)) settle({ reply }, { fault: why });
  }
  function turn(): void {
    due = false;
    if (!closed && kernel.run(turnMessages) > 0) scheduled();
  }
  function scheduled(): void {
    if (due) return;
    due = true;
    setImmediate(turn);
  }
  function begin(): void {
    const router = createRouter({ id: `client-${id}`, partitions: 0, timing: defaultTiming, reach: "edge" }, { hash });
    kernel.spawn(routerActorId, router);
    kernel.deliver(routerActorId, { kind: "start" });
  }
  function perform(actor: string, effect: Outward): void {
    switch (effect.kind) {
      case "ask": {
        const { subject, body, timeoutMs, ticket, behalf } = effect;
        asked.set(ticket, subject);
        const done = (outcome: AskOutcome): void => {
          if (asked.delete(ticket)) kernel.deliver(actor, { kind: "answered", ticket, outcome });
        };
        return requests.ask(subject, body, timeoutMs, done, behalf);
      }
      case "publish":
        return requests.publish(effect.subject, effect.body);
      case "wake":
        return timers.wake(actor, effect.name, effect.afterMs);
      case "unwake":
        return timers.unwake(actor, effect.name);
      case "log":
        return;
      default:
        throw new Error(`a client has no ${effect.kind}`);
    }
  }
  function onDenied({ operation, subject }: Denied): void {
    if (operation !== "publish") return;
    if (subject === subjects.cluster("view")) return settleAll(viewDenied, needsView);
    const why = fault("FORBIDDEN", `this user may not publish on ${subject}`);
    for (const [ticket, asking] of asked.entries()) {
      if (asking !== subject) continue;
      asked.delete(ticket);
      kernel.deliver(routerActorId, { kind: "answered", ticket, outcome: { kind: "answer", body: { fault: why } } });
    }
  }

  const world: World = {
    nowMs: () => performance.now(),
    wallMs: () => Date.now(),
    perform,
    reply: settle,
    forget: (actor) => timers.forget(actor),
    crashed(_actor, error) {
      for (const [ticket] of asked.entries()) asked.delete(ticket);
      const what = error instanceof Error ? error.message : String(error);
      settleAll(fault("INTERNAL", `the router in this client failed and was made anew: ${what}`));
      begin();
    },
    scheduled,
  };
  const kernel = new Kernel(world, seededRandom(randomInt(2 ** 32)));
  const stopListening = connection.onError((_what, denied) => {
    if (denied !== undefined) onDenied(denied);
  });
  begin();

  function ask(subject: string, body: unknown, done: (answer: unknown) => void, trace?: string): void {
    if (closed) return queueMicrotask(() => done({ fault: closedFault }));
    const reply = replies++;
    waiting.set(reply, { subject, done });
    const request = { kind: "request", subject, body, from: { reply }, user: "" } as const;
    kernel.request(routerActorId, trace === undefined ? request : { ...request, trace });
  }

  return {
    ask,
    close() {
      if (closed) return;
      closed = true;
      stopListening();
      settleAll(closedFault);
      timers.close();
      requests.close();
      inbox.close();
    },
  };
}

/** Messages stepped before other work of the process gets its turn. */
const turnMessages = 512;
/** Questions about the cluster go to a router inside; those about rows need to know where rows are. */
function needsView(subject: string): boolean {
  return !subject.startsWith(subjects.everyCluster.slice(0, -1));
}
const viewDenied = fault(
  "FORBIDDEN",
  `this user may not publish on ${subjects.cluster("view")}, which the client library asks where rows are: grant it, with the table's read.* and write.* (docs/PROTOCOL.md)`,
);
const closedFault = fault("UNAVAILABLE", "this client is closed; connect again");
