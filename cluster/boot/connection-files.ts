// Connection files. Owns what other programs read to find a running cluster: `connection.json` in the data folder, for the command line,
// and the ready file that whoever started the cluster asked for.
// F1 they exist only while queries are served. F2 they are written whole or not at all, for the owner only: they hold the client's password.

import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { EngineAccess } from "../engine/access.js";
import { writePrivate } from "../engine/credentials.js";
import type { RunningCluster } from "./cluster.js";
import type { StartOptions } from "./options.js";

/** Where the command line looks when it is told no address. */
export const connectionFile = "connection.json";

export interface ConnectionFiles {
  /** Writes them as things are now; one call at a time, the last one counts. */
  write(): Promise<void>;
  remove(): Promise<void>;
}

export function connectionFiles(
  options: Pick<StartOptions, "creds" | "readyFile">,
  access: EngineAccess,
  cluster: RunningCluster,
): ConnectionFiles {
  const own = join(cluster.dataDir, connectionFile);
  const ready = options.readyFile === undefined ? undefined : resolve(options.readyFile);
  let last: Promise<void> = Promise.resolve();
  let removed = false;

  async function writeNow(): Promise<void> {
    if (removed) return;
    await writeJson(own, {
      natsUrl: access.natsUrl,
      servers: access.client.servers,
      inboxPrefix: access.client.inboxPrefix,
      ...(access.client.tls === undefined ? {} : { tls: access.client.tls }),
      ...(options.creds === undefined ? {} : { creds: resolve(options.creds) }),
      ...(cluster.pageUrl === undefined ? {} : { pageUrl: cluster.pageUrl }),
      pid: process.pid,
    });
    if (ready !== undefined) await writeJson(ready, readyContent(cluster));
  }
  return {
    write() {
      last = last.catch(() => undefined).then(writeNow);
      return last;
    },
    async remove() {
      removed = true;
      await last.catch(() => undefined);
      for (const path of [own, ready]) if (path !== undefined) await rm(path, { force: true });
    },
  };
}

function readyContent(cluster: RunningCluster): object {
  return {
    natsUrl: cluster.natsUrl,
    nodes: cluster.nodes(),
    routers: cluster.routers(),
    control: cluster.control(),
    forecasters: cluster.forecasters(),
    natsServers: cluster.natsServers(),
    ...(cluster.pageUrl === undefined ? {} : { pageUrl: cluster.pageUrl }),
    dataDir: cluster.dataDir,
  };
}

function writeJson(path: string, content: object): Promise<void> {
  return writePrivate(path, `${JSON.stringify(content, null, 2)}\n`);
}
