// Host. Owns one running part of the cluster: its connection, its store, its world and the actors in it, from start to end.
// O1 a start that fails leaves nothing open. O2 the end has one way out: `ended` settles once, after everything is closed.
// O3 a host whose actor crashed, whose store failed or whose connection was refused for good ends by itself and says why; whoever runs it starts it anew.

import { randomInt, randomUUID } from "node:crypto";
import { join } from "node:path";
import { ok, type Result } from "../../src/kernel/fault.js";
import type { Actor, Message } from "../../src/kernel/machine.js";
import { seededRandom } from "../../src/kernel/random.js";
import type { Log } from "../log.js";
import { type Connection, openConnection } from "../world/connection.js";
import { loadHash } from "../world/hash.js";
import type { RequestCounts } from "../world/requests.js";
import { type NodeStore, openStore } from "../world/store.js";
import { createWorld, type HostWorld } from "../world/world.js";
import { openLog } from "./log.js";
import { type Compose, type Composition, roles } from "./roles.js";
import type { HostSpec } from "./spec.js";

export interface HostStats {
  readonly id: string;
  readonly role: HostSpec["role"];
  readonly actors: number;
  readonly messagesWaiting: number;
  readonly requestsUnderWay: number;
  readonly storeWaitingBytes: number;
  readonly follows: number;
  readonly consumersMade: number;
  readonly requests: RequestCounts;
  readonly connected: boolean;
  readonly rssBytes: number;
  readonly heapBytes: number;
}

export interface Host {
  stats(): HostStats;
  /** Asks the actors to stop, waits for them up to `limitMs`, writes what waits, closes. */
  stop(limitMs: number): Promise<void>;
  /** Ends at once, as a crash would: nothing is said, nothing that waits is written. */
  crash(): Promise<void>;
  /** Settles when the host is closed; with the reason when nobody asked for it. */
  readonly ended: Promise<string | undefined>;
}

/** A message that the host itself sends to its actors; each understands it. */
interface Lifecycle extends Message {
  readonly kind: "start" | "stop";
}

const stopLookMs = 20;

export async function startHost(spec: HostSpec, compose: Compose = roles[spec.role]): Promise<Result<Host>> {
  const log = openLog(
    { level: spec.logLevel, ...(spec.logToFile ? { file: join(spec.dataDir, "host.log") } : {}) },
    { host: spec.id, role: spec.role },
  );
  const connection = await openConnection({ address: spec.nats, name: spec.id, waitOnFirstConnect: false });
  if (!connection.ok) return connection;
  const store = await storeOf(spec);
  if (!store.ok) {
    await connection.value.close();
    return store;
  }
  return ok(await run(spec, compose, { log, connection: connection.value, store: store.value }));
}

async function storeOf(spec: HostSpec): Promise<Result<NodeStore | undefined>> {
  return spec.role === "node" ? openStore(join(spec.dataDir, "store"), randomUUID) : ok(undefined);
}

interface Open {
  readonly log: Log;
  readonly connection: Connection;
  readonly store: NodeStore | undefined;
}

async function run(spec: HostSpec, compose: Compose, open: Open): Promise<Host> {
  const { log, connection, store } = open;
  let ending: Promise<void> | undefined;
  let stopping = false;
  let endService: (() => Promise<void>) | undefined;
  let settleEnded: (why: string | undefined) => void = () => undefined;
  const ended = new Promise<string | undefined>((resolve) => {
    settleEnded = resolve;
  });

  const world: HostWorld = createWorld({
    hostName: `${spec.id}-${spec.incarnation}`,
    connection,
    store,
    streams: {
      partitions: spec.partitions,
      logGroups: spec.logGroups,
      replicas: spec.streamReplicas,
      ...(spec.maxLogBytes === undefined ? {} : { maxLogBytes: spec.maxLogBytes }),
    },
    times: { appendTimeoutMs: spec.timing.appendTimeoutMs, readTimeoutMs: spec.timing.askTimeoutMs },
    random: seededRandom(randomInt(2 ** 32)),
    log,
    onCrash(actor, error) {
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
      log("error", "actorCrashed", { actor, error: what });
      void end(false, `the actor ${actor} failed`);
    },
    onForget: () => undefined,
  });

  function end(flush: boolean, why: string | undefined): Promise<void> {
    ending ??= close(flush, why);
    return ending;
  }
  async function close(flush: boolean, why: string | undefined): Promise<void> {
    if (why !== undefined && !stopping) log("error", "hostEnded", { why });
    if (flush) await endService?.().catch(() => undefined);
    await world.close();
    await connection.close();
    await store?.close(flush);
    settleEnded(stopping ? undefined : why);
  }

  store?.onFailure((fault) => void end(false, fault.message));
  void connection.closed.then((why) => end(false, `the connection to NATS was closed: ${why ?? "no reason given"}`));

  try {
    const composition = await compose(spec, {
      hash: await loadHash(),
      store: store?.store,
      storeId: store?.storeId ?? "",
      bootCount: store?.bootCount ?? 0,
    });
    for (const { id, actor } of composition.actors) spawn(world, id, actor);
    for (const door of composition.doors) world.requests.openDoor(door);
    endService = await composition.serve?.({ nats: connection.nats, log, deliverRequest: world.requests.take });
    // The subscriptions have reached the server before the actors make themselves known.
    await connection.nats.flush();
    return hostOf(spec, open, world, composition, {
      ended,
      end,
      beginStop: () => {
        stopping = true;
      },
    });
  } catch (error) {
    await end(false, "it could not be put together");
    throw error;
  }
}

function spawn(world: HostWorld, id: string, actor: Actor): void {
  const start: Lifecycle = { kind: "start" };
  world.kernel.spawn(id, actor);
  world.kernel.deliver(id, start);
}

interface Ending {
  readonly ended: Promise<string | undefined>;
  end(flush: boolean, why: string | undefined): Promise<void>;
  beginStop(): void;
}

function hostOf(spec: HostSpec, open: Open, world: HostWorld, { actors }: Composition, ending: Ending): Host {
  const alive = (): boolean => actors.some(({ id }) => world.kernel.has(id));
  return {
    stats: () => statsOf(spec, open, world),
    async stop(limitMs) {
      ending.beginStop();
      const stop: Lifecycle = { kind: "stop" };
      for (const { id } of actors) world.kernel.deliver(id, stop);
      const limit = performance.now() + limitMs;
      while (alive() && performance.now() < limit) await pause(stopLookMs);
      await ending.end(true, undefined);
    },
    crash() {
      ending.beginStop();
      return ending.end(false, undefined);
    },
    ended: ending.ended,
  };
}

function statsOf(spec: HostSpec, { connection, store }: Open, world: HostWorld): HostStats {
  const { waiting, actors } = world.kernel.load();
  const memory = process.memoryUsage();
  return {
    id: spec.id,
    role: spec.role,
    actors,
    messagesWaiting: waiting,
    requestsUnderWay: world.inbox.waiting(),
    storeWaitingBytes: store?.waitingBytes() ?? 0,
    follows: world.tails.count(),
    consumersMade: world.tails.made(),
    requests: world.requests.counts(),
    connected: connection.isUp(),
    rssBytes: memory.rss,
    heapBytes: memory.heapUsed,
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
