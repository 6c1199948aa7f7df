// Host figures. Owns what hosts and routers say of themselves: queue lengths, stores, memory; and what each router answered.
// H1 a host that does not answer in time has no figures: it is told as silent, never as zero.

import { z } from "zod";
import type { Result } from "../../src/kernel/fault.js";
import { valueOfJson } from "../../src/protocol/json-text.js";
import type { Connection } from "../world/connection.js";

const count = z.number();
const store = z.object({ usedBytes: count, fileBytes: count, freePages: count, entries: count, readers: count });
const stats = z.object({
  id: z.string(),
  role: z.string(),
  actors: count,
  messagesWaiting: count,
  requestsUnderWay: count,
  storeWaitingBytes: count,
  follows: count,
  consumersMade: count,
  connected: z.boolean(),
  rssBytes: count,
  heapBytes: count,
  loopDelayMs: count,
  loopDelayMaxMs: count,
  requests: z.object({
    taken: count,
    refused: count,
    noReply: count,
    innerReply: count,
    tooLargeReplies: count,
    undelivered: count,
  }),
  store: store.optional(),
});
export type HostFigures = z.output<typeof stats>;

export function hostFigures(answers: ReadonlyMap<string, Result<unknown>>): Map<string, HostFigures | undefined> {
  return new Map(
    [...answers].map(([id, answer]) => {
      const checked = answer.ok ? stats.safeParse(answer.value) : undefined;
      return [id, checked?.success === true ? checked.data : undefined] as const;
    }),
  );
}

export interface RouterCount {
  readonly router: string;
  readonly operation: string;
  readonly requests: number;
  readonly errors: number;
  readonly busySeconds: number;
}

const endpoint = z.object({ name: z.string(), num_requests: count, num_errors: count, processing_time: count });
const serviceStats = z.object({ id: z.string(), endpoints: z.array(endpoint) });
const discoveryMs = 60;

/** Everything that routers answered since they began. */
export async function routerCounts({ nats }: Connection, routers: number): Promise<RouterCount[]> {
  if (nats.isClosed() || routers === 0) return [];
  const found: RouterCount[] = [];
  const answers = await nats.requestMany("$SRV.STATS.foreshard", "", { maxMessages: routers, maxWait: discoveryMs });
  for await (const msg of answers) {
    const checked = serviceStats.safeParse(valueOfJson(msg.string()));
    if (!checked.success) continue;
    const { id, endpoints } = checked.data;
    for (const { name, num_requests: requests, num_errors: errors, processing_time } of endpoints)
      if (requests > 0)
        found.push({ router: id, operation: name, requests, errors, busySeconds: processing_time / 1e9 });
  }
  return found;
}
