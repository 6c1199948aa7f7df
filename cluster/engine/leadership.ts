// Leadership. Owns the planned hand-over of a server's streams before it is stopped: a step-down costs readers and writers a fraction of
// the election that follows a stop (FACTS R15). Best effort: what is not handed over is elected after the stop.

import { connect, type NatsConnection } from "nats";
import { tlsOptionsOf } from "../world/nats-address.js";
import type { ServerSpec } from "./config.js";
import type { Credentials } from "./credentials.js";
import { askMetaLeader } from "./monitor.js";
import { until } from "./until.js";

export async function handLeadershipOver(
  { name, monitorPort, tls }: ServerSpec,
  servers: readonly string[],
  credentials: Credentials,
): Promise<void> {
  const { user, pass, inboxPrefix } = credentials.core;
  const common = { servers: [...servers], name: "foreshard-engine", ...tlsOptionsOf(tls) };
  const connection = await connect({ ...common, user, pass, inboxPrefix });
  const system = await connect({
    ...common,
    user: credentials.sys.user,
    pass: credentials.sys.pass,
  });
  try {
    await stepDownStreams(connection, name);
    if ((await askMetaLeader(monitorPort)) !== name) return;
    await system.request("$JS.API.META.LEADER.STEPDOWN", "", { timeout: 2_000 }).catch(() => undefined);
  } finally {
    await connection.close();
    await system.close();
  }
}

async function stepDownStreams(connection: NatsConnection, server: string): Promise<void> {
  const manager = await connection.jetstreamManager();
  const ledHere = async (): Promise<string[]> => {
    const infos = await manager.streams.list().next();
    return infos.filter((info) => info.cluster?.leader === server).map((info) => info.config.name);
  };
  const stepDown = (stream: string) =>
    connection.request(`$JS.API.STREAM.LEADER.STEPDOWN.${stream}`, "", { timeout: 2_000 }).catch(() => undefined);
  await Promise.all((await ledHere()).map(stepDown));
  await until(async () => (await ledHere()).length === 0, 2_000, 50);
}
