// Engine room. Owns what a trial does to NATS behind the cluster's back, as an operator with the folder's passwords could: which server leads
// what, handing leadership over before a planned stop, deleting and purging streams, and where a stream's files lie.

import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { connect, type JetStreamManager, type NatsConnection, type StreamInfo } from "nats";
import { z } from "zod";
import { loopback, type ServerSpec } from "../../cluster/engine/config.js";
import { type Credentials, loadCredentials } from "../../cluster/engine/credentials.js";
import { handLeadershipOver } from "../../cluster/engine/leadership.js";
import type { TrialCluster } from "./trial-cluster.js";

const serverConfig = z.object({ server_name: z.string(), listen: z.string(), http: z.string() });

export async function credentialsOf(cluster: TrialCluster): Promise<Credentials> {
  const found = await loadCredentials(cluster.dataDir);
  if (!found.ok) throw new Error(found.fault.message);
  return found.value;
}

/** Runs `work` with JetStream's administration, as the cluster's inner user. */
export async function withStreams<T>(
  cluster: TrialCluster,
  work: (manager: JetStreamManager) => Promise<T>,
): Promise<T> {
  const nats = await connectCore(cluster);
  try {
    return await work(await nats.jetstreamManager({ timeout: 5_000 }));
  } finally {
    await nats.close();
  }
}

export async function streamInfos(manager: JetStreamManager): Promise<readonly StreamInfo[]> {
  const infos: StreamInfo[] = [];
  for await (const info of manager.streams.list()) infos.push(info);
  return infos;
}

/** The server that leads the most streams, as `nats-1`. */
export async function busiestServer(cluster: TrialCluster): Promise<string> {
  const infos = await withStreams(cluster, streamInfos);
  const counts = new Map<string, number>();
  for (const { cluster: group } of infos)
    if (group?.leader !== undefined) counts.set(group.leader, (counts.get(group.leader) ?? 0) + 1);
  const [busiest] = [...counts].sort(([, a], [, b]) => b - a);
  if (busiest === undefined) throw new Error("no server leads any stream");
  return busiest[0];
}

/** Hands over what `server` leads, as the engine does before it stops a server. */
export async function handOver(cluster: TrialCluster, server: string): Promise<void> {
  const { natsServers } = cluster.ready;
  const servers = natsServers.map(({ port }) => `${loopback}:${port}`);
  await handLeadershipOver(await specOf(cluster, server), servers, await credentialsOf(cluster));
}

/** The block files of a stream on one server (by its index), largest first. */
export async function blockFiles(cluster: TrialCluster, stream: string, server = 0): Promise<readonly string[]> {
  const folder = join(
    cluster.dataDir,
    "nats",
    String(server),
    "jetstream",
    "jetstream",
    "CORE",
    "streams",
    stream,
    "msgs",
  );
  const names = (await readdir(folder)).filter((name) => name.endsWith(".blk"));
  const sized = await Promise.all(names.map(async (name) => ({ name, bytes: (await stat(join(folder, name))).size })));
  return sized.sort((a, b) => b.bytes - a.bytes).map(({ name }) => join(folder, name));
}

export async function connectCore(cluster: TrialCluster): Promise<NatsConnection> {
  const { user, pass, inboxPrefix } = (await credentialsOf(cluster)).core;
  const servers = cluster.ready.natsServers.map(({ port }) => `${loopback}:${port}`);
  return connect({ servers, user, pass, inboxPrefix, name: "foreshard-trial-operator" });
}

async function specOf(cluster: TrialCluster, server: string): Promise<ServerSpec> {
  const folder = join(cluster.dataDir, "nats", server.replace("nats-", ""));
  const { server_name, listen, http } = serverConfig.parse(
    JSON.parse(await readFile(join(folder, "nats-server.conf"), "utf8")),
  );
  const credentials = await credentialsOf(cluster);
  const ports = { port: portOf(listen), monitorPort: portOf(http) };
  return { name: server_name, ...ports, folder, durability: "always", maxFileBytes: 0, credentials, seats: [] };
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}
