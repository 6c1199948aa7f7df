// Wholeness. Owns the wait until a cluster has all its copies again: of every fragment on the nodes, and of every stream on the servers. A fault that
// takes a copy away strikes only then, or two of them could take all.

import { until } from "../../cluster/engine/until.js";
import type { Door } from "./door.js";
import { streamInfos, withStreams } from "./engine-room.js";
import { readViews, underReplicated } from "./locations.js";
import type { TrialCluster } from "./trial-cluster.js";

/** What is still lacking after `limitMs`, or undefined: nothing. */
export async function untilWhole(cluster: TrialCluster, door: Door, limitMs: number): Promise<string | undefined> {
  let lacks: string | undefined;
  const isWhole = async (): Promise<boolean> => {
    lacks = await lacking(cluster, door).catch((error: unknown) => `nobody tells (${String(error)})`);
    return lacks === undefined;
  };
  await until(isWhole, limitMs, 250);
  return lacks;
}

async function lacking(cluster: TrialCluster, door: Door): Promise<string | undefined> {
  const views = await readViews(door);
  const down = views.flatMap(({ nodes }) => [...nodes.values()].filter(({ state }) => state === "down"));
  if (down.length > 0) return `${down.map(({ id }) => id).join(", ")} is down`;
  const fragments = underReplicated(views);
  if (fragments > 0) return `${fragments} fragments have too few copies`;
  const streams = await streamsBehind(cluster);
  return streams.length === 0 ? undefined : `the copies of ${streams.join(", ")} are not whole`;
}

/** Streams with a copy that is away or behind; none of a single server. */
async function streamsBehind(cluster: TrialCluster): Promise<readonly string[]> {
  if (cluster.ready.natsServers.length === 1) return [];
  const infos = await withStreams(cluster, streamInfos);
  const behind = infos.filter(({ cluster: group }) => {
    const replicas = group?.replicas ?? [];
    const isThere = replicas.every(({ current, offline }) => current && offline !== true);
    return group?.leader === undefined || replicas.length < 2 || !isThere;
  });
  return behind.map(({ config }) => config.name);
}
