// Backfill. Owns how a cluster is given a past that it did not live through: samples of one made-up node are written to the load stream, and the forecaster,
// started again, reads them as it would its own past.
// BF1 nothing but the load stream is touched. BF2 the past ends where the replay begins: it is of other slots than what the nodes say themselves.
// BF3 counts scatter as those of the queries will: models that learnt from a smooth past would take the scatter of the present for signs.

import { connect } from "nats";
import { loadCredentials } from "../../cluster/engine/credentials.js";
import { type Random, seededRandom } from "../../src/kernel/random.js";
import { noLoad, packSample } from "../../src/load/sample.js";
import { subjects } from "../../src/protocol/subjects.js";
import { poisson } from "./arrivals.js";
import { userOf } from "./callers.js";
import type { Demand } from "./demand.js";

export interface BackfillWish {
  readonly dataDir: string;
  readonly natsUrl: string;
  readonly demand: Demand;
  /** Ids by the place of the fragment in the table. */
  readonly fragments: readonly number[];
  /** Wall clock at which the replay begins, and the recorded time there. */
  readonly beginsAtMs: number;
  readonly fromMs: number;
  readonly speed: number;
  /** Real time of the past. */
  readonly lengthMs: number;
  readonly slotMs: number;
  readonly seed: number;
}

const pastNode = "past";
const inFlight = 64;
const publishLimitMs = 10_000;

/** How many samples were written. */
export async function backfill(wish: BackfillWish): Promise<number> {
  const credentials = await loadCredentials(wish.dataDir);
  if (!credentials.ok) throw new Error(credentials.fault.message);
  const { host } = new URL(wish.natsUrl);
  const link = await connect({ servers: host, ...credentials.value.core, reconnect: false });
  const stream = link.jetstream();
  const random = seededRandom(wish.seed).fork("past");
  try {
    const last = Math.floor(wish.beginsAtMs / wish.slotMs) - 1;
    const first = last - Math.floor(wish.lengthMs / wish.slotMs) + 1;
    let waiting: Promise<unknown>[] = [];
    for (let interval = first; interval <= last; interval++) {
      waiting.push(
        stream.publish(subjects.load(pastNode), sampleOf(wish, interval, random), { timeout: publishLimitMs }),
      );
      if (waiting.length < inFlight && interval < last) continue;
      await Promise.all(waiting);
      waiting = [];
    }
    return last - first + 1;
  } finally {
    await link.close();
  }
}

function sampleOf(wish: BackfillWish, interval: number, random: Random): Uint8Array {
  const { slotMs, demand, fragments, fromMs, beginsAtMs, speed } = wish;
  const recordedMs = fromMs + ((interval + 0.5) * slotMs - beginsAtMs) * speed;
  const cells = demand.streams.flatMap((stream) => {
    const fragment = fragments[stream.fragment];
    if (fragment === undefined) return [];
    const count = poisson((demand.rate(stream, recordedMs) * slotMs) / 1000, random);
    return [{ fragment, table: 0, group: userOf(stream), ops: [{ kind: 0, count, bytes: 0, serviceMs: 0 }] }];
  });
  const plain = { node: pastNode, incarnation: "past", interval, intervalMs: slotMs, spanMs: slotMs };
  return packSample({ ...plain, part: 0, parts: 1, load: noLoad, cells });
}
