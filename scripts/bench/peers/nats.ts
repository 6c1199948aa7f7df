// NATS. Owns the two peers that are bare NATS on the same nats-server: its key-value bucket, and requests that are merely echoed.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect, StringCodec } from "nats";
import { findBinary } from "../../../cluster/engine/binary.js";
import type { Farewell } from "../../live/farewell.js";
import type { Operation } from "../ycsb/workloads.js";
import type { Caller, Peer, PeerAddress, RunningPeer } from "./peer.js";
import { startServer } from "./server.js";

const text = StringCodec();
const bucket = "rows";
const echoSubject = "echo";
/** JetStream's API refuses what waits too long by itself; slow is not lost. */
const timeoutMs = 20_000;

const pointwise: readonly Operation[] = ["get", "put", "insert", "readModifyWrite"];

async function missing(): Promise<string | undefined> {
  const found = await findBinary(undefined);
  return found.ok ? undefined : found.fault.message;
}

async function startNats(
  farewell: Farewell,
  sync: "always" | "interval",
  kind: "jetstream" | "echo",
): Promise<RunningPeer> {
  const found = await findBinary(undefined);
  if (!found.ok) throw new Error(found.fault.message);
  return startServer(
    farewell,
    found.value.path,
    async ({ folder, port }) => {
      const config = join(folder, "nats.conf");
      const interval = sync === "always" ? "always" : '"2m"';
      await writeFile(
        config,
        `listen: "127.0.0.1:${port}"\njetstream: { store_dir: ${JSON.stringify(folder)}, sync_interval: ${interval} }\n`,
      );
      return ["-c", config];
    },
    ({ port }) => ({ kind, url: `nats://127.0.0.1:${port}` }),
  );
}

export function jetstreamPeer(name: string, sync: "always" | "interval"): Peer {
  return {
    name,
    says: `JetStream key-value bucket, one server, one copy, sync ${sync}`,
    offers: pointwise,
    missing,
    start: (farewell) => startNats(farewell, sync, "jetstream"),
  };
}

export function echoPeer(name: string): Peer {
  return {
    name,
    says: "bare NATS: a request and a reply of the same sizes, nothing stored",
    offers: ["get", "put"],
    missing,
    start: (farewell) => startNats(farewell, "interval", "echo"),
  };
}

export async function jetstreamCaller({ url }: Extract<PeerAddress, { kind: "jetstream" }>): Promise<Caller> {
  const nats = await connect({ servers: url });
  const kv = await nats.jetstream({ timeout: timeoutMs }).views.kv(bucket, { history: 1, timeout: timeoutMs });
  return {
    async get(key) {
      const entry = await kv.get(key);
      return entry === null ? undefined : text.decode(entry.value);
    },
    put: (key, value) => kv.put(key, text.encode(value)),
    insert: (key, value) => kv.put(key, text.encode(value)),
    scan: () => Promise.reject(new Error("a bucket has no scans in key order")),
    rows: () => Promise.reject(new Error("a bucket has no scans in key order")),
    close: () => nats.close(),
  };
}

/** Answers in the same process as a store would: on a connection of its own, in the caller process of the other side. */
export async function echoCaller({ url }: Extract<PeerAddress, { kind: "echo" }>): Promise<Caller> {
  const nats = await connect({ servers: url });
  return {
    get: async (key) =>
      text.decode((await nats.request(`${echoSubject}.get`, text.encode(key), { timeout: timeoutMs })).data),
    put: (_key, value) => nats.request(`${echoSubject}.put`, text.encode(value), { timeout: timeoutMs }),
    insert: (_key, value) => nats.request(`${echoSubject}.put`, text.encode(value), { timeout: timeoutMs }),
    scan: () => Promise.reject(new Error("the echo has no rows")),
    rows: () => Promise.reject(new Error("the echo has no rows")),
    close: () => nats.close(),
  };
}

/** The echo's answering side: a value for a get, a few bytes for a put. Runs in a process of its own. */
export async function answerEchoes(url: string, valueBytes: number): Promise<void> {
  const nats = await connect({ servers: url });
  const value = text.encode("x".repeat(valueBytes));
  const short = text.encode("ok");
  nats.subscribe(`${echoSubject}.get`, { callback: (_error, msg) => void msg.respond(value) });
  nats.subscribe(`${echoSubject}.put`, { callback: (_error, msg) => void msg.respond(short) });
  await nats.flush();
}
