// Embedded. Owns a cluster inside somebody else's program: up in one call, and gone with everything it made after `stop`.
// E1 a start that fails throws why, and leaves no process, no lock and no temporary folder behind.
// E2 a client that only connects loads nothing of what a cluster is made of: it is imported by the first start.

import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunningCluster } from "../boot/cluster.js";
import type { ConnectOptions } from "../client/address.js";
import { FaultError } from "../client/fault-error.js";
import { type Client, connect } from "../client/index.js";
import type { EmbeddedOptions } from "./options.js";

/** A running cluster inside this program. */
export interface EmbeddedCluster {
  /** `nats://user:password@127.0.0.1:port`, for `connect` or any NATS client: this user may ask everything. */
  readonly url: string;
  /** The live page, or undefined where it is off. */
  readonly pageUrl: string | undefined;
  /** Absolute path of the folder that everything is kept in. */
  readonly dataDir: string;
  /** Names of the nodes: `n1`, `n2`, … */
  readonly nodes: readonly string[];
  /** A client, as `url`'s user or as the one named; `stop` closes it. */
  connect(as?: Pick<ConnectOptions, "user" | "pass" | "name">): Promise<Client>;
  /** Ends a node as a crash would; it is started again by itself. False: there is none of that name. */
  kill(node: string): boolean;
  /** Ends it all and removes the temporary folder. May be called more than once. */
  stop(): Promise<void>;
  /** The same as `stop`: `await using cluster = await startCluster()`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a cluster of this machine's own: a NATS server, nodes, a router, a control host. It settles once queries are served.
 *
 * @throws FaultError `CONFIG` for an impossible option, `DATA_DIR` or `ALREADY_RUNNING` for the folder, `ENGINE` where there is no
 * nats-server, `UNAVAILABLE` when it does not serve within a minute. Nothing is left behind then.
 */
export async function startCluster(options: EmbeddedOptions = {}): Promise<EmbeddedCluster> {
  const [boot, { startOptionsOf }] = await Promise.all([import("../boot/cluster.js"), import("./start-options.js")]);
  const folder = options.dataDir === undefined ? await temporaryFolder() : undefined;
  try {
    const chosen = startOptionsOf(options, folder?.path);
    if (!chosen.ok) throw new FaultError(chosen.fault);
    const { onNotice } = options;
    const started = await boot.startCluster(
      chosen.value,
      onNotice === undefined ? {} : { onNotice, onFailed: onNotice },
    );
    if (!started.ok) throw new FaultError(started.fault);
    return embeddedOf(started.value, folder);
  } catch (error) {
    await folder?.remove();
    throw error;
  }
}

function embeddedOf(cluster: RunningCluster, folder: TemporaryFolder | undefined): EmbeddedCluster {
  const clients = new Set<Client>();
  let ended: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    await Promise.all([...clients].map((client) => client.close()));
    await cluster.stop();
    await folder?.remove();
  };
  const stop = (): Promise<void> => {
    ended ??= end();
    return ended;
  };
  return {
    url: cluster.natsUrl,
    pageUrl: cluster.pageUrl,
    dataDir: cluster.dataDir,
    nodes: cluster.nodes().map(({ id }) => id),
    async connect(as = {}) {
      const client = await connect({ ...as, servers: cluster.natsUrl });
      clients.add(client);
      return client;
    },
    kill: (node) => cluster.kill(node),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

interface TemporaryFolder {
  readonly path: string;
  remove(): Promise<void>;
}

/** It also goes when the process ends without a word to the cluster. */
async function temporaryFolder(): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), "foreshard-embedded-"));
  const atExit = (): void => rmSync(path, { recursive: true, force: true });
  process.once("exit", atExit);
  return {
    path,
    async remove() {
      process.off("exit", atExit);
      await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}
