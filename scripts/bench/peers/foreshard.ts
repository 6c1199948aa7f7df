// Foreshard. Owns this store as a peer: a whole cluster as a user starts it, reached through the client library.

import { z } from "zod";
import { connect } from "../../../cluster/client/index.js";
import { openDoor } from "../../live/door.js";
import { TrialCluster } from "../../live/trial-cluster.js";
import { keyOf } from "../ycsb/keys.js";
import { type Caller, everything, type Peer, type PeerAddress } from "./peer.js";

const created = z.object({ table: z.string() });
const table = "rows";

export interface ForeshardWish {
  readonly nodes: number;
  readonly durability: "always" | "interval";
  readonly fragments: number;
  /** Rows that will be loaded: the fragments divide them evenly. */
  readonly rows: number;
  /** Options of Node itself. */
  readonly nodeOptions?: readonly string[];
}

export function foreshardPeer(name: string, wish: ForeshardWish): Peer {
  const { nodes, durability, fragments, rows, nodeOptions = [] } = wish;
  return {
    name,
    says: `Foreshard, ${nodes} node${nodes === 1 ? "" : "s"}, ${nodes} cop${nodes === 1 ? "y" : "ies"}, durability ${durability}, ${fragments} fragments`,
    offers: everything,
    missing: () => Promise.resolve(undefined),
    async start(farewell) {
      const cluster = await TrialCluster.prepare(farewell, {
        nodes,
        natsServers: 1,
        isolation: "threads",
        restart: "never",
        more: ["--durability", durability],
        nodeOptions,
      });
      await cluster.start();
      const door = await openDoor(cluster.gate);
      const step = rows / fragments;
      const splitAt = Array.from({ length: fragments - 1 }, (_, at) => [keyOf(Math.round((at + 1) * step))]);
      const made = { name: table, partitioning: "range", key: { partition: "string" }, splitAt, deadlineMs: 60_000 };
      await door.cluster("createTable", made, created, 60_000);
      await door.close();
      return {
        address: { kind: "foreshard", url: cluster.ready.natsUrl, table },
        family: () => cluster.family(),
        stop: () => cluster.stop(),
      };
    },
  };
}

export async function foreshardCaller(address: Extract<PeerAddress, { kind: "foreshard" }>): Promise<Caller> {
  const client = await connect(address.url);
  const rows = client.table<{ value: string }>(address.table);
  return {
    get: async (key) => (await rows.get(key))?.doc.value,
    put: (key, value) => rows.put(key, { value }),
    insert: (key, value) => rows.put(key, { value }),
    scan: async (key, limit) => (await rows.page({ from: key, limit })).rows.length,
    close: () => client.close(),
  };
}
