// Rolling. Owns a rolling restart: every host, and three nats-servers, one after the other, the next only when everything is whole again.
// G1 one runs at a time. G2 routers are replaced: the new one answers before the old one leaves. G3 a node goes on only when all its copies are ready and every
//    fragment serves. G4 leaders last, so that their office changes hands once. G5 what does not come back whole ends the restart, with the reason; the rest stays as it was.
// G6 a single nats-server is not restarted: whoever asks meanwhile would be refused.

import { z } from "zod";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import { subjects } from "../../src/protocol/subjects.js";
import { until } from "../engine/until.js";
import type { Log } from "../log.js";
import type { Inbox } from "../world/inbox.js";
import type { KeeperAnswer } from "./keeper.js";

export interface RollingPorts {
  readonly inbox: Inbox;
  hosts(): readonly { readonly id: string; readonly role: string; readonly incarnation: string }[];
  restartHost(id: string): Promise<Result<void>>;
  /** Number of nats-servers that are ours. */
  servers(): number;
  restartServer(index: number): Promise<Result<void>>;
  readonly log: Log;
  notice(text: string): void;
}

export interface Rolling {
  begin(): Promise<KeeperAnswer>;
  state(): Promise<KeeperAnswer>;
}

interface Step {
  readonly name: string;
  run(): Promise<Result<void>>;
}

const wholeLimitMs = 120_000;
const askMs = 2_000;
const roleOrder = ["router", "forecaster", "node", "control"];

export function createRolling(ports: RollingPorts): Rolling {
  let running = false;
  let done: string[] = [];
  let left: string[] = [];
  let now: string | null = null;
  let failed: string | null = null;

  async function steps(): Promise<Step[]> {
    const leaders = await leadersIn(ports.inbox);
    const rank = ({ id, role }: { readonly id: string; readonly role: string }): number =>
      roleOrder.indexOf(role) * 2 + (leaders.has(id) ? 1 : 0);
    const hosts = [...ports.hosts()].sort((a, b) => rank(a) - rank(b));
    const count = ports.servers();
    return [
      ...hosts.map(({ id }): Step => ({ name: id, run: () => ports.restartHost(id) })),
      ...Array.from(
        { length: count >= 3 ? count : 0 },
        (_, index): Step => ({
          name: `nats-${index}`,
          run: () => ports.restartServer(index),
        }),
      ),
    ];
  }

  async function roll(list: readonly Step[]): Promise<void> {
    for (const { name, run } of list) {
      now = name;
      left = left.filter((other) => other !== name);
      const outcome = await run();
      const missing = outcome.ok ? await whole(ports) : outcome.fault.message;
      if (missing !== "") {
        failed = `${name}: ${missing}`;
        ports.log("error", "rollingRestartFailed", { at: name, why: missing });
        ports.notice(`the rolling restart ended at ${name}: ${missing}`);
        return;
      }
      done.push(name);
    }
    ports.notice(`the rolling restart is done: ${done.join(" ")}`);
  }

  return {
    async begin() {
      if (running) return fail("NOT_POSSIBLE", "a rolling restart is under way: foreshard restart --watch shows it");
      running = true;
      const missing = await whole(ports);
      if (missing !== "") {
        running = false;
        return fail(
          "NOT_POSSIBLE",
          `the cluster is not whole (${missing}): a restart now could take the last copy of something`,
        );
      }
      const list = await steps();
      done = [];
      left = list.map(({ name }) => name);
      failed = null;
      void roll(list)
        .catch((error: unknown) => {
          failed = `${now}: ${error instanceof Error ? error.message : String(error)}`;
        })
        .finally(() => {
          running = false;
          now = null;
        });
      return ok({ begun: true, steps: left });
    },
    state: async () => ok({ running, done, left, now, failed }),
  };
}

const nodesAnswer = z.object({
  nodes: z.array(z.object({ id: z.string(), state: z.string(), incarnation: z.string() })),
  partitions: z.array(z.object({ term: z.number(), leader: z.string() })),
});
const fragmentsAnswer = z.object({
  fragments: z.array(
    z.object({ serving: z.boolean(), replicas: z.array(z.object({ node: z.string(), state: z.string() })) }),
  ),
  next: z.number().nullable(),
});

/** Empty: every node of ours is up, every fragment serves and has all its copies; else what is missing after the time granted. */
async function whole(ports: RollingPorts): Promise<string> {
  let missing = "no router answers";
  await until(
    async () => {
      missing = await missingIn(ports);
      return missing === "";
    },
    wholeLimitMs,
    100,
  );
  return missing;
}

async function missingIn({ inbox, hosts }: RollingPorts): Promise<string> {
  const answer = nodesAnswer.safeParse(await ask(inbox, "nodes", {}));
  if (!answer.success) return "no router answers";
  const { nodes, partitions } = answer.data;
  if (partitions.some(({ term }) => term === 0)) return "a control partition has no leader";
  const own = hosts().filter(({ role }) => role === "node");
  const late = own.find(
    ({ id, incarnation }) =>
      !nodes.some((node) => node.id === id && node.incarnation === incarnation && node.state === "up"),
  );
  return late === undefined ? missingFragments(inbox) : `node ${late.id} is not up`;
}

async function missingFragments(inbox: Inbox): Promise<string> {
  let closed = 0;
  let unready = 0;
  for (let skip: number | null = 0; skip !== null; ) {
    const page: z.output<typeof fragmentsAnswer> | undefined = fragmentsAnswer.safeParse(
      await ask(inbox, "fragments", { skip }),
    ).data;
    if (page === undefined) return "no router answers";
    for (const { serving, replicas } of page.fragments) {
      if (!serving) closed++;
      unready += replicas.filter(({ state }) => state !== "ready").length;
    }
    skip = page.next;
  }
  if (closed > 0) return `${closed} fragments do not serve`;
  return unready > 0 ? `${unready} copies are not ready` : "";
}

async function leadersIn(inbox: Inbox): Promise<ReadonlySet<string>> {
  const answer = nodesAnswer.safeParse(await ask(inbox, "nodes", {}));
  return new Set(answer.success ? answer.data.partitions.map(({ leader }) => leader) : []);
}

function ask(inbox: Inbox, op: string, body: object): Promise<unknown> {
  return new Promise((resolve) => {
    inbox.ask(subjects.cluster(op), pack(body), { timeoutMs: askMs }, (answer) => {
      const unpacked = answer.kind === "message" ? unpack(answer.msg.data) : undefined;
      resolve(unpacked?.ok === true ? unpacked.value : undefined);
    });
  });
}
