// Foreshard. Owns this store as a peer: a whole cluster as a user starts it, reached through the client library.

import { connect as connectNats } from "nats";
import { z } from "zod";
import { connect } from "../../../cluster/client/index.js";
import { pack, unpack } from "../../../src/protocol/codec.js";
import { subjects } from "../../../src/protocol/subjects.js";
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
  /** Raw requests through a router, which gathers what the clients do not. */
  readonly raw?: true;
}

export function foreshardPeer(name: string, wish: ForeshardWish): Peer {
  const { nodes, durability, fragments, rows, nodeOptions = [], raw } = wish;
  return {
    name,
    says: `Foreshard, ${nodes} node${nodes === 1 ? "" : "s"}, ${nodes} cop${nodes === 1 ? "y" : "ies"}, durability ${durability}, ${fragments} fragments${raw === true ? ", raw requests through a router" : ""}`,
    offers: raw === true ? ["get", "put", "insert", "readModifyWrite"] : everything,
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
        address: { kind: "foreshard", url: cluster.ready.natsUrl, table, ...(raw === true ? { raw } : {}) },
        family: () => cluster.family(),
        stop: () => cluster.stop(),
      };
    },
  };
}

export function foreshardCaller(address: Extract<PeerAddress, { kind: "foreshard" }>): Promise<Caller> {
  return address.raw === true ? rawCaller(address) : libraryCaller(address);
}

async function libraryCaller(address: Extract<PeerAddress, { kind: "foreshard" }>): Promise<Caller> {
  const client = await connect(address.url);
  const rows = client.table<{ value: string }>(address.table);
  return {
    get: async (key) => (await rows.get(key))?.doc.value,
    put: (key, value) => rows.put(key, { value }),
    insert: (key, value) => rows.put(key, { value }),
    scan: async (key, limit) => (await rows.page({ from: key, limit })).rows.length,
    async rows(keys) {
      let came = 0;
      let cursor: string | null | undefined;
      // A page holds what fits into one message.
      while (came < keys.length && cursor !== null) {
        const at = cursor === undefined ? {} : { cursor };
        const page = await rows.page({ from: keys[0] ?? "", limit: keys.length - came, ...at });
        came += page.rows.length;
        cursor = page.cursor;
      }
      return came;
    },
    close: () => client.close(),
  };
}

const rowAnswer = z.object({ row: z.object({ doc: z.object({ value: z.string() }) }).nullable() });
const writeAnswer = z.object({ version: z.number() });
const rawTimeoutMs = 20_000;

/** One request and one reply of NATS for each operation, as a client in any language would send them. */
async function rawCaller({ url, table }: Extract<PeerAddress, { kind: "foreshard" }>): Promise<Caller> {
  const { hostname, port, username, password } = new URL(url);
  const [user, pass] = [username, password].map(decodeURIComponent);
  const nats = await connectNats({
    servers: `${hostname}:${port}`,
    ...(user === "" || user === undefined || pass === undefined ? {} : { user, pass }),
  });
  const ask = async (op: string, body: object): Promise<unknown> => {
    const { data } = await nats.request(subjects.query(table, op), pack(body), { timeout: rawTimeoutMs });
    const answer = unpack(data);
    if (!answer.ok) throw new Error(answer.fault.message);
    return answer.value;
  };
  const put = async (key: string, value: string): Promise<unknown> =>
    writeAnswer.parse(await ask("put", { key, doc: { value } }));
  return {
    get: async (key) => rowAnswer.parse(await ask("get", { key })).row?.doc.value,
    put,
    insert: put,
    scan: () => Promise.reject(new Error("only gets and puts are measured here")),
    rows: () => Promise.reject(new Error("only gets and puts are measured here")),
    close: () => nats.close(),
  };
}
