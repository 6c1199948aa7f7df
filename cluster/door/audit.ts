// Audit. Owns the notes of administration: who asked for a change of the cluster, what, when, and what was decided; written to a stream that nobody can shorten.
// A1 a change is noted as asked before the router sees it: both go over one connection, in this order. A2 the decision is noted with the answer. A3 a note holds
//    names and numbers of the request from a fixed list, never documents or passwords. A4 a note that could not be stored is logged; the request goes on.

import type { Msg, NatsConnection } from "nats";
import { limits } from "../../src/config/limits.js";
import { subjects } from "../../src/protocol/subjects.js";
import type { Log } from "../log.js";
import { decodeBody, formOf } from "../world/body.js";

export interface AuditNote {
  readonly atMs: number;
  /** The same for the asking and the decision. */
  readonly id: string;
  readonly router: string;
  readonly user: string;
  readonly account: string;
  readonly op: string;
  readonly what: Readonly<Record<string, unknown>>;
  readonly phase: "asked" | "decided";
  /** `done`, or the code of the fault. */
  readonly decision?: string;
}

/** Operations that change the cluster, or let somebody in. */
const audited: ReadonlySet<string> = new Set([
  "createTable",
  "dropTable",
  "drain",
  "undrain",
  "removeNode",
  "split",
  "merge",
  "move",
  "cancelMove",
  "rollbackMove",
  "setPolicy",
  "replicas",
  "putProfile",
  "removeProfile",
  "addUser",
  "removeUser",
  "rotateUser",
  "rollingRestart",
]);
/** Fields of a request that a note may hold. */
const told = [
  "name",
  "table",
  "partitioning",
  "fragments",
  "fragment",
  "left",
  "right",
  "node",
  "from",
  "to",
  "move",
  "strategy",
  "role",
  "replicas",
  "user",
  "tables",
  "reads",
  "group",
  "why",
] as const;
const longestText = 128;

export interface AuditPorts {
  readonly nats: NatsConnection;
  readonly router: string;
  readonly log: Log;
}

export interface Audit {
  /** To be called before the router gets the request; answers how to note the decision. */
  asked(op: string, msg: Msg): ((decision: string) => void) | undefined;
}

export function createAudit({ nats, router, log }: AuditPorts): Audit {
  let count = 0;
  const born = Date.now().toString(36);

  function note(what: AuditNote): void {
    const lost = (error: unknown): void => log("error", "auditNotStored", { op: what.op, why: String(error) });
    // An answer of JetStream's means stored.
    nats.request(subjects.audit, JSON.stringify(what), { timeout: limits.defaultDeadlineMs }).catch(lost);
  }

  return {
    asked(op, msg) {
      if (!audited.has(op)) return undefined;
      const { user, acc } = stampOf(msg);
      const id = `${router}.${born}.${count++}`;
      const common = { id, router, user, account: acc, op, what: whatOf(msg) };
      note({ ...common, atMs: Date.now(), phase: "asked" });
      return (decision) => note({ ...common, atMs: Date.now(), phase: "decided", decision });
    },
  };
}

function stampOf(msg: Msg): { readonly user: string; readonly acc: string } {
  const text = msg.headers?.get("Nats-Request-Info");
  if (!text) return { user: "", acc: "" };
  try {
    const { user, acc }: { user?: unknown; acc?: unknown } = JSON.parse(text);
    return { user: String(user ?? ""), acc: String(acc ?? "") };
  } catch {
    return { user: "", acc: "" };
  }
}

function whatOf(msg: Msg): Record<string, unknown> {
  const form = formOf(msg.headers);
  if (form === undefined || msg.data.byteLength > limits.requestBytes) return {};
  const body = decodeBody(msg.data, form);
  if (!body.ok || typeof body.value !== "object" || body.value === null) return {};
  const fields: Readonly<Record<string, unknown>> = { ...body.value };
  const kept: Record<string, unknown> = {};
  for (const name of told) {
    const value = Object.hasOwn(fields, name) ? shortOf(fields[name]) : undefined;
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

function shortOf(value: unknown): unknown {
  if (typeof value === "string") return value.slice(0, longestText);
  if (typeof value === "number" || typeof value === "boolean" || value === null) return value;
  if (Array.isArray(value)) return value.slice(0, 16).map((one) => (typeof one === "string" ? one.slice(0, 64) : "…"));
  return undefined;
}
