// Readiness. Owns the question "are queries served?", asked as a client would: through a router, as the client user.
// Y1 ready means: every control partition has a leader, and every node of this start is up. Fragments that do not serve yet are waited for within
//    bounds, then reported: one that is faulted must not keep the others from being served.

import { z } from "zod";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import { subjects } from "../../src/protocol/subjects.js";
import { until } from "../engine/until.js";
import type { Inbox } from "../world/inbox.js";

const nodesAnswer = z.object({
  nodes: z.array(z.object({ id: z.string(), state: z.string(), incarnation: z.string() })),
  partitions: z.array(z.object({ term: z.number(), leader: z.string() })),
});
const tablesAnswer = z.object({
  tables: z.array(z.object({ name: z.string(), fragments: z.number(), serving: z.number() })),
});

export interface Expected {
  readonly partitions: number;
  /** Incarnation of each node as it is now. */
  nodes(): ReadonlyMap<string, string>;
}

/** Settles once queries are served; `value` says which tables do not serve all their fragments. */
export async function waitUntilServed(
  inbox: Inbox,
  expected: Expected,
  limits: { readonly nodesMs: number; readonly fragmentsMs: number },
): Promise<Result<readonly string[]>> {
  let missing = "no router answers";
  const nodesUp = await until(async () => {
    missing = await missingOf(inbox, expected);
    return missing === "";
  }, limits.nodesMs);
  if (!nodesUp)
    return fail(
      "UNAVAILABLE",
      `the cluster does not serve after ${limits.nodesMs / 1000} s: ${missing}; see the log files`,
    );
  let closed: readonly string[] = [];
  await until(async () => {
    closed = await closedTables(inbox);
    return closed.length === 0;
  }, limits.fragmentsMs);
  return ok(closed);
}

async function missingOf(inbox: Inbox, expected: Expected): Promise<string> {
  const answer = nodesAnswer.safeParse(await ask(inbox, "nodes"));
  if (!answer.success) return "no router answers";
  const { nodes, partitions } = answer.data;
  if (partitions.filter(({ term }) => term > 0).length < expected.partitions) return "no leader is elected yet";
  const late = [...expected.nodes()].find(
    ([id, incarnation]) =>
      !nodes.some((node) => node.id === id && node.incarnation === incarnation && node.state === "up"),
  );
  return late === undefined ? "" : `node ${late[0]} is not up`;
}

async function closedTables(inbox: Inbox): Promise<readonly string[]> {
  const answer = tablesAnswer.safeParse(await ask(inbox, "tables"));
  if (!answer.success) return ["(unknown)"];
  return answer.data.tables.filter(({ fragments, serving }) => serving < fragments).map(({ name }) => name);
}

function ask(inbox: Inbox, op: string): Promise<unknown> {
  return new Promise((resolve) => {
    inbox.ask(subjects.cluster(op), pack({}), { timeoutMs: 1_000 }, (answer) => {
      const body = answer.kind === "message" ? unpack(answer.msg.data) : undefined;
      resolve(body?.ok === true ? body.value : undefined);
    });
  });
}
