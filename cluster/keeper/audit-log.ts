// Audit log. Owns the reading of the audit stream for whoever may ask: newest first, in pages.

import { z } from "zod";
import { ok } from "../../src/kernel/fault.js";
import { streams } from "../../src/protocol/subjects.js";
import type { Inbox } from "../world/inbox.js";
import { callApiLater, fieldsOf, numberOf, stringOf } from "../world/jetstream.js";
import type { KeeperAnswer } from "./keeper.js";
import { badRequest, withoutDeadline } from "./user-desk.js";

const wish = z.strictObject({
  limit: z.int().min(1).max(500).default(50),
  /** Only acts with a lower sequence. */
  before: z.int().min(1).optional(),
});
const callMs = 2_000;
const atOnce = 32;

export async function readAudit(inbox: Inbox, body: unknown): Promise<KeeperAnswer> {
  const asked = wish.safeParse(withoutDeadline(body));
  if (!asked.success) return badRequest(asked.error);
  const { limit, before } = asked.data;
  const info = await callApiLater(inbox, `STREAM.INFO.${streams.audit}`, undefined, callMs);
  if (info.kind !== "ok")
    return { ok: false, fault: { code: "UNAVAILABLE", message: "the audit stream does not answer; try again" } };
  const state = fieldsOf(info.body.state);
  const firstSeq = numberOf(state.first_seq);
  let seq = Math.min(numberOf(state.last_seq), (before ?? Number.POSITIVE_INFINITY) - 1);
  const acts: object[] = [];
  while (seq >= Math.max(1, firstSeq) && acts.length < limit) {
    const count = Math.min(atOnce, limit - acts.length, seq - firstSeq + 1);
    const found = await Promise.all(Array.from({ length: count }, (_, at) => readOne(inbox, seq - at)));
    acts.push(...found.filter((one) => one !== undefined));
    seq -= count;
  }
  return ok({ acts, next: seq >= Math.max(1, firstSeq) ? seq + 1 : null });
}

async function readOne(inbox: Inbox, seq: number): Promise<object | undefined> {
  const answer = await callApiLater(inbox, `STREAM.MSG.GET.${streams.audit}`, { seq }, callMs);
  if (answer.kind !== "ok") return undefined;
  const text = Buffer.from(stringOf(fieldsOf(answer.body.message).data), "base64").toString("utf8");
  try {
    const note: unknown = JSON.parse(text);
    return typeof note === "object" && note !== null ? { seq, ...note } : undefined;
  } catch {
    return undefined;
  }
}
