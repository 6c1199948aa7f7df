// Door. Owns a trial's way to ask: raw NATS requests in msgpack, as a client in any language would send them, with their outcome as a value.

import { connect, type NatsConnection, NatsError } from "nats";
import { z } from "zod";
import { pack, unpack } from "../../src/protocol/codec.js";
import { subjects } from "../../src/protocol/subjects.js";
import type { TryOutcome } from "../../src/verify/attempt.js";

/** Where a cluster is asked, and as whom. */
export interface Gate {
  /** `host:port` of each nats-server. */
  readonly servers: readonly string[];
  readonly user: string;
  readonly pass: string;
}

export interface Door {
  query(table: string, op: string, body: object, timeoutMs: number): Promise<TryOutcome>;
  /** Administration, tried again (each try as long as its `deadlineMs`) until it is answered without a fault; throws the last fault after `limitMs`. */
  cluster<T>(op: string, body: object, shape: z.ZodType<T>, limitMs?: number): Promise<T>;
  close(): Promise<void>;
}

const faultAnswer = z.object({ fault: z.object({ code: z.string(), message: z.string() }) });
const clusterLimitMs = 20_000;
const clusterTryMs = 3_000;

export async function openDoor({ servers, user, pass }: Gate, name = "foreshard-trial"): Promise<Door> {
  const nats = await connect({
    servers: [...servers],
    ...{ user, pass },
    name,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
    reconnectJitter: 50,
    pingInterval: 2_000,
    maxPingOut: 2,
  });
  return {
    query: (table, op, body, timeoutMs) => ask(nats, subjects.query(table, op), body, timeoutMs),
    async cluster(op, body, shape, limitMs = clusterLimitMs) {
      const endMs = performance.now() + limitMs;
      const tryMs = "deadlineMs" in body && typeof body.deadlineMs === "number" ? body.deadlineMs + 500 : clusterTryMs;
      for (let why = "no answer"; ; ) {
        const outcome = await ask(nats, subjects.cluster(op), body, tryMs);
        if (outcome.kind === "answer") {
          const refused = faultAnswer.safeParse(outcome.body);
          if (!refused.success) return shape.parse(outcome.body);
          why = `${refused.data.fault.code}: ${refused.data.fault.message}`;
        } else why = outcome.kind;
        if (performance.now() > endMs) throw new Error(`_cluster.${op} failed: ${why}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
    close: () => nats.close(),
  };
}

async function ask(nats: NatsConnection, subject: string, body: object, timeoutMs: number): Promise<TryOutcome> {
  try {
    const answer = await nats.request(subject, pack(body), { timeout: timeoutMs });
    const decoded = unpack(answer.data);
    return decoded.ok ? { kind: "answer", body: decoded.value } : { kind: "silence" };
  } catch (error) {
    // 503: nobody listens. Anything else (time-out, disconnect) leaves the end unknown.
    return error instanceof NatsError && error.code === "503" ? { kind: "nobody" } : { kind: "silence" };
  }
}
