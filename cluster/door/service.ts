// Service. Owns the query door: a NATS micro service (ADR-32) named `foreshard`, one endpoint per operation, shared by all routers.
// D1 one subscription takes every operation, known or not, so that an unknown one is answered as well; it is announced as an endpoint per operation.
//    (Endpoints with subscriptions of their own would share a queue group with the catch-all, and the server would draw between them.)
// D2 what an endpoint counts is what was answered: number, errors, and the whole time from arrival to answer.
// D3 what changes the cluster is noted before the router sees it, and when it is answered (`audit.ts`).
// D4 requests that nobody answers are forgotten after `forgetMs`; the number that is remembered is bounded.

import type { Msg, NatsConnection, Subscription } from "nats";
import { limits } from "../../src/config/limits.js";
import type { ActorId, ReplyTo } from "../../src/kernel/effect.js";
import type { Fault } from "../../src/kernel/fault.js";
import { queues, subjects } from "../../src/protocol/subjects.js";
import type { Log } from "../log.js";
import type { Requests } from "../world/requests.js";
import { createAudit } from "./audit.js";
import { clusterOperations, type OperationInfo, tableOperations } from "./operations.js";

export interface ServicePorts {
  readonly nats: NatsConnection;
  readonly requests: Requests;
  /** The router's actor id. */
  readonly actor: ActorId;
  /** Unique among routers. */
  readonly id: string;
  readonly version: string;
  readonly log: Log;
}

export interface Service {
  /** To be told of every reply before it leaves, so that it can be counted. */
  replied(to: ReplyTo, body: unknown): void;
  close(): void;
}

interface Endpoint {
  readonly name: string;
  readonly subject: string;
  readonly info: OperationInfo;
  requests: number;
  errors: number;
  lastError: string;
  busyNanos: number;
}

interface Underway {
  readonly endpoint: Endpoint;
  /** Of what is audited. */
  readonly decided: ((decision: string) => void) | undefined;
  readonly startedMs: number;
}

const serviceName = "foreshard";
const description = "Queries and administration of a Foreshard cluster";
const forgetMs = limits.deadlineMs + limits.watchWaitMs;

export function openService({ nats, requests, actor, id, version, log }: ServicePorts): Service {
  const started = new Date().toISOString();
  const endpoints = endpointTable();
  const unknown = endpointOf("unknown", subjects.queries, {
    description: "everything else: answered with UNKNOWN_OPERATION",
    body: "",
    answer: "{fault}",
  });
  const all = [...endpoints.values(), unknown];
  const underway = new Map<string, Underway>();
  const audit = createAudit({ nats, router: id, log });
  const subscriptions: Subscription[] = [];

  function take(msg: Msg): void {
    const reply = msg.reply ?? "";
    const endpoint = endpointFor(msg.subject);
    const decided = reply === "" ? undefined : audit.asked(operationOf(msg.subject), msg);
    if (reply !== "" && (decided !== undefined || underway.size < limits.routerRequests * 2))
      underway.set(reply, { endpoint, decided, startedMs: performance.now() });
    requests.take(actor, msg);
  }

  function endpointFor(subject: string): Endpoint {
    const [, , table = "", op = ""] = subject.split(".");
    return endpoints.get(table === "_cluster" ? `_cluster.${op}` : op) ?? unknown;
  }

  function forget(): void {
    const before = performance.now() - forgetMs;
    for (const [reply, { startedMs }] of underway) {
      if (startedMs > before) break;
      underway.delete(reply);
    }
  }

  const identity = { name: serviceName, id, version, metadata: { role: "router" } };
  const verbs: Readonly<Record<string, () => object>> = {
    PING: () => ({ type: "io.nats.micro.v1.ping_response", ...identity }),
    INFO: () => ({
      type: "io.nats.micro.v1.info_response",
      ...identity,
      description,
      endpoints: all.map(({ name, subject, info }) => ({
        name,
        subject,
        queue_group: queues.routers,
        metadata: { description: info.description, body: info.body, answer: info.answer },
      })),
    }),
    STATS: () => ({
      type: "io.nats.micro.v1.stats_response",
      ...identity,
      started,
      endpoints: all.map(statsOf),
    }),
  };

  subscriptions.push(
    nats.subscribe(subjects.queries, {
      queue: queues.routers,
      callback: (error, msg) => {
        if (error === null) take(msg);
      },
    }),
  );
  for (const [verb, answer] of Object.entries(verbs)) {
    for (const subject of [`$SRV.${verb}`, `$SRV.${verb}.${serviceName}`, `$SRV.${verb}.${serviceName}.${id}`]) {
      subscriptions.push(
        nats.subscribe(subject, {
          callback: (error, msg) => {
            if (error === null && mayAnswer(msg)) msg.respond(JSON.stringify(answer()));
          },
        }),
      );
    }
  }
  const sweep = setInterval(forget, forgetMs / 4);
  sweep.unref();

  return {
    replied({ reply }, body) {
      if (typeof reply !== "string") return;
      // The world marks the form of the body in front of the subject.
      const subject = reply.slice(1);
      const one = underway.get(subject);
      if (one === undefined) return;
      underway.delete(subject);
      count(one, body);
    },
    close() {
      clearInterval(sweep);
      if (nats.isClosed()) return;
      for (const subscription of subscriptions) subscription.unsubscribe();
    },
  };
}

/** Answers to discovery go to inboxes, never to a subject of ours. */
function mayAnswer(msg: Msg): boolean {
  const reply = msg.reply ?? "";
  return reply !== "" && !reply.startsWith("foreshard.") && !reply.startsWith("$");
}

function endpointTable(): Map<string, Endpoint> {
  const table = new Map<string, Endpoint>();
  for (const [op, info] of Object.entries(tableOperations))
    table.set(op, endpointOf(op, `foreshard.query.*.${op}`, info));
  for (const [op, info] of Object.entries(clusterOperations))
    table.set(`_cluster.${op}`, endpointOf(`cluster-${op}`, subjects.cluster(op), info));
  return table;
}

function endpointOf(name: string, subject: string, info: OperationInfo): Endpoint {
  return { name, subject, info, requests: 0, errors: 0, lastError: "", busyNanos: 0 };
}

/** Of the cluster; else nothing that is audited. */
function operationOf(subject: string): string {
  const [, , table, op = ""] = subject.split(".");
  return table === "_cluster" ? op : "";
}

function count({ endpoint, startedMs, decided }: Underway, body: unknown): void {
  decided?.(isRefusal(body) ? body.fault.code : "done");
  endpoint.requests++;
  endpoint.busyNanos += Math.round((performance.now() - startedMs) * 1e6);
  if (!isRefusal(body)) return;
  endpoint.errors++;
  endpoint.lastError = `${body.fault.code}: ${body.fault.message}`;
}

function isRefusal(body: unknown): body is { readonly fault: Fault } {
  return typeof body === "object" && body !== null && "fault" in body;
}

function statsOf({ name, subject, requests, errors, lastError, busyNanos }: Endpoint): object {
  return {
    name,
    subject,
    queue_group: queues.routers,
    num_requests: requests,
    num_errors: errors,
    last_error: lastError,
    processing_time: busyNanos,
    average_processing_time: requests === 0 ? 0 : Math.round(busyNanos / requests),
  };
}
