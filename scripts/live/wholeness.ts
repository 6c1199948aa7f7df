// Wholeness. Owns the wait until a cluster has all its copies again: of every fragment on the nodes, and of every stream on the servers. A fault that
// takes a copy away strikes only then, or two of them could take all.

import { until } from "../../cluster/engine/until.js";
import type { Door } from "./door.js";
import { streamInfos, withStreams } from "./engine-room.js";
import { readViews, underReplicated } from "./locations.js";
import type { TrialCluster } from "./trial-cluster.js";

export function untilWhole(cluster: TrialCluster, door: Door, limitMs: number): Promise<boolean> {
  return until(
    async () => {
      const isWhole = async () => (await fragmentsShort(door)) === 0 && (await streamsShort(cluster)) === 0;
      return isWhole().catch(() => false);
    },
    limitMs,
    250,
  );
}

async function fragmentsShort(door: Door): Promise<number> {
  const views = await readViews(door);
  const isDown = views.some(({ nodes }) => [...nodes.values()].some(({ state }) => state === "down"));
  return isDown ? 1 : underReplicated(views);
}

/** Streams with a copy that is away or behind; none of a single server. */
async function streamsShort(cluster: TrialCluster): Promise<number> {
  if (cluster.ready.natsServers.length === 1) return 0;
  const infos = await withStreams(cluster, streamInfos);
  const isShort = infos.filter(({ cluster: group }) => {
    const replicas = group?.replicas ?? [];
    return (
      group?.leader === undefined ||
      replicas.length < 2 ||
      !replicas.every(({ current, offline }) => current && offline !== true)
    );
  });
  return isShort.length;
}
