// Move requests. Owns the decoders of what a client asks about moves and copies; what the cluster thinks of it is the leader's to say.

import { z } from "zod";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { strategies } from "../../src/ledger/move.js";
import type { AdminRequest } from "../../src/protocol/control.js";
import type { Fields } from "./cluster-ops.js";

type Request<K extends AdminRequest["kind"]> = Extract<AdminRequest, { kind: K }>;

const count = z.int().min(0);
const deadlineMs = z.number().optional();
const text = z.string().max(200);

const move = z.strictObject({
  table: z.string(),
  fragment: count,
  to: z.string(),
  from: z.string().nullish(),
  strategy: z.enum(strategies).nullish(),
  role: z.boolean().nullish(),
  withinMs: z.number().min(0).nullish(),
  why: text.nullish(),
  deadlineMs,
});
const named = z.strictObject({ move: z.int().min(1), deadlineMs });
const list = z.strictObject({ history: z.boolean().nullish(), deadlineMs });
const verify = z.strictObject({
  table: z.string(),
  fragment: count.nullish(),
  begin: z.boolean().nullish(),
  deadlineMs,
});
const replicas = z.strictObject({ table: z.string(), fragment: count, replicas: count, deadlineMs });

export function moveRequest(body: Fields, by: string): Result<Request<"moveFragment">> {
  const given = check(move, body, "move takes {table, fragment, to, from?, strategy?, role?, withinMs?, why?}");
  if (!given.ok) return given;
  const { table, fragment, to, from, strategy, role, withinMs, why } = given.value;
  const wish = { from: from ?? "", strategy: strategy ?? "", role: role ?? false, withinMs: withinMs ?? 0 } as const;
  return ok({ kind: "moveFragment", table, fragment, to, ...wish, by, why: why ?? "" });
}

export function namedMove(body: Fields, op: string): Result<number> {
  const given = check(named, body, `${op} takes {move}, a move's number`);
  return given.ok ? ok(given.value.move) : given;
}

export function listRequest(body: Fields): Result<Request<"listMoves">> {
  const given = check(list, body, "moves takes {history?}");
  return given.ok ? ok({ kind: "listMoves", history: given.value.history ?? false }) : given;
}

export function verifyRequest(body: Fields): Result<Request<"verify">> {
  const given = check(verify, body, "verify takes {table, fragment?, begin?}");
  if (!given.ok) return given;
  const { table, fragment, begin } = given.value;
  return ok({ kind: "verify", table, fragment: fragment ?? null, begin: begin ?? false });
}

export function replicasRequest(body: Fields): Result<Request<"setReplicas">> {
  const given = check(replicas, body, "replicas takes {table, fragment, replicas}; 0 replicas = as the table says");
  if (!given.ok) return given;
  return ok({
    kind: "setReplicas",
    table: given.value.table,
    fragment: given.value.fragment,
    count: given.value.replicas,
  });
}

function check<T>(schema: z.ZodType<T>, body: Fields, right: string): Result<T> {
  const checked = schema.safeParse(body);
  if (checked.success) return ok(checked.data);
  const issue = checked.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
  return fail("BAD_REQUEST", `${right}; ${where}${issue?.message ?? "the body has another shape"}`);
}
