// Orders. Owns what an operator may have done from the page: a move, a drain, their taking back. Decoded here, carried to the cluster as any client's order.

import { z } from "zod";
import { isFaultCode } from "../../src/kernel/fault.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import { isName, subjects } from "../../src/protocol/subjects.js";
import type { Inbox } from "../world/inbox.js";
import { type Answer, json, plain } from "./server.js";
import type { Order } from "./topics.js";

const name = z.string().refine(isName);
const count = z.int().min(0);
const order = z.discriminatedUnion("order", [
  z.strictObject({ order: z.literal("move"), table: name, fragment: count, to: name }),
  z.strictObject({ order: z.enum(["drain", "undrain"]), node: name }),
  z.strictObject({ order: z.literal("cancelMove"), move: z.int().min(1) }),
]);

const deadlineMs = 10_000;

export function decodeOrder(body: unknown): Order | undefined {
  const checked = order.safeParse(body);
  return checked.success ? checked.data : undefined;
}

export const orderShape =
  'an order is {"order": "move", "table", "fragment", "to"}, {"order": "drain" or "undrain", "node"}, or {"order": "cancelMove", "move"}';

export function carryOut(inbox: Inbox, given: Order): Promise<Answer> {
  const { order: op, ...fields } = given;
  const why = op === "move" ? { why: "ordered on the page" } : {};
  const body = pack({ ...fields, ...why, deadlineMs });
  return new Promise((resolve) => {
    inbox.ask(subjects.cluster(op), body, { timeoutMs: deadlineMs + 1_000 }, (answer) => {
      const unpacked = answer.kind === "message" ? unpack(answer.msg.data) : undefined;
      if (unpacked?.ok !== true) return resolve(plain(503, "no router answered; try again, and look at the events"));
      const fault = faultOf(unpacked.value);
      resolve(fault === undefined ? json(unpacked.value) : plain(409, fault));
    });
  });
}

function faultOf(body: unknown): string | undefined {
  const checked = z.object({ fault: z.object({ code: z.string(), message: z.string() }) }).safeParse(body);
  if (!checked.success) return undefined;
  const { code, message } = checked.data.fault;
  return isFaultCode(code) ? `${code}: ${message}` : message;
}
