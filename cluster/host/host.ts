// Host. Owns one running part of the cluster: its connection, its store, its world and the actors in it, from start to end.
// O1 a start that fails leaves nothing open. O2 however many ask for the end, it happens once; `failed` settles only after everything is closed.
// O3 a host whose actor crashed, whose store failed or whose connection was refused for good ends by itself and says why; whoever runs it starts it anew.

import { randomInt, randomUUID } from "node:crypto";
import { join } from "node:path";
import { ok, type Result } from "../../src/kernel/fault.js";
import type { Message } from "../../src/kernel/machine.js";
import { seededRandom } from "../../src/kernel/random.js";
import type { Log } from "../log.js";
import { type HostTraces, openHostTraces } from "../trace/host-traces.js";
import { type Connection, openConnection } from "../world/connection.js";
import { type OpenGauges, openGauges } from "../world/gauges.js";
import { loadHash } from "../world/hash.js";
import type { RequestCounts } from "../world/requests.js";
import { type NodeStore, openStore, type StoreFigures } from "../world/store.js";
import type { StreamsWish } from "../world/streams.js";
import { createWorld, type HostWorld } from "../world/world.js";
import { openLog } from "./log.js";
import { type Compose, type Composition, type RolePorts, roles, type Service } from "./roles.js";
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
  /** How late the event loop was since it was asked last: the 99th percentile and the worst. Not of a node: its samples tell. */
  readonly loopDelayMs: number;
  readonly loopDelayMaxMs: number;
  /** Of a node. */
  readonly store?: StoreFigures;
}

export interface Host {
  stats(): HostStats;
  /** Ends it in order, writing what waits. `leaving`: the actors are asked to stop first (a node has its primaries moved away), within the spec's limit. */
  stop(leaving: boolean): Promise<void>;
  /** Ends at once, as a crash would: nothing is said, nothing that waits is written. */
  crash(): Promise<void>;
  /** Settles when the host failed, after everything is closed, with the reason; never when it was told to end. */
  readonly failed: Promise<string>;
}

/** A message that the host itself sends to its actors; each understands it. */
type Lifecycle =
  | (Message & { readonly kind: "start" })
  | (Message & { readonly kind: "stop"; readonly leave: boolean; readonly withinMs: number });

const stopLookMs = 20;

export async function startHost(spec: HostSpec, compose: Compose = roles[spec.role]): Promise<Result<Host>> {
  const log = openLog(
    { level: spec.logLevel, ...(spec.logToFile ? { file: join(spec.dataDir, "host.log") } : {}) },
    { host: spec.id, role: spec.role },
  );
  const connection = await openConnection({ address: spec.nats, name: spec.id, waitOnFirstConnect: false });
  if (!connection.ok) return connection;
  const traces = await openHostTraces(spec, log);
  if (!traces.ok) {
    await connection.value.close();
    return traces;
  }
  const store = await storeOf(spec);
  if (!store.ok) {
    await traces.value.close();
    await connection.value.close();
    return store;
  }
  const gauges = openGauges();
  const open = { log, connection: connection.value, store: store.value, gauges, traces: traces.value };
  return ok(await run(spec, compose, open));
}

async function storeOf(spec: HostSpec): Promise<Result<NodeStore | undefined>> {
  return spec.role === "node" ? openStore(join(spec.dataDir, "store"), randomUUID) : ok(undefined);
}

interface Open {
  readonly log: Log;
  readonly connection: Connection;
  readonly store: NodeStore | undefined;
  readonly gauges: OpenGauges;
  readonly traces: HostTraces;
}

async function run(spec: HostSpec, compose: Compose, open: Open): Promise<Host> {
  const { log, connection, store } = open;
  const end = createEnd(
    open,
    () => service,
    () => world,
  );
  let service: Service | undefined;
  const world: HostWorld = createWorld({
    hostName: `${spec.id}-${spec.incarnation}`,
    connection,
    store,
    streams: streamsOf(spec),
    times: { appendTimeoutMs: spec.timing.appendTimeoutMs, readTimeoutMs: spec.timing.askTimeoutMs },
    random: seededRandom(randomInt(2 ** 32)),
    log,
    arrivals: open.traces.arrivals,
    onCrash(actor, error) {
      log("error", "actorCrashed", {
        actor,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
      end.fail(`the actor ${actor} failed`);
    },
  });
  store?.onFailure((fault) => end.fail(fault.message));
  void connection.closed.then((why) => end.fail(`the connection to NATS was closed: ${why ?? "no reason given"}`));

  try {
    const composition = await compose(spec, await portsOf(open));
    for (const { id, actor } of composition.actors) world.kernel.spawn(id, actor);
    for (const door of composition.doors) world.requests.openDoor(door);
    service = composition.serve?.({ nats: connection.nats, requests: world.requests, log });
    if (service !== undefined) world.requests.onReply(service.replied);
    // The subscriptions have reached the server before the actors make themselves known.
    await connection.nats.flush();
    tellAll(world, composition, { kind: "start" });
    return hostOf(spec, open, world, composition, end);
  } catch (error) {
    await end.close(false);
    throw error;
  }
}

async function portsOf({ store, gauges }: Open): Promise<RolePorts> {
  return {
    hash: await loadHash(),
    store: store?.store,
    storeId: store?.storeId ?? "",
    bootCount: store?.bootCount ?? 0,
    gauges,
  };
}

function streamsOf(spec: HostSpec): StreamsWish {
  const { role, partitions, logGroups, streamReplicas, maxLogBytes, loadHistoryDays } = spec;
  return {
    partitions,
    logGroups,
    replicas: streamReplicas,
    ...(maxLogBytes === undefined ? {} : { maxLogBytes }),
    ...(loadHistoryDays === undefined ? {} : { loadHistoryDays }),
    restoresMetadata: role === "control",
  };
}

/** The one way out. */
interface End {
  readonly failed: Promise<string>;
  fail(why: string): void;
  /** Only the way in, for clients. */
  closeService(): Promise<void>;
  close(flush: boolean): Promise<void>;
}

function createEnd(
  { log, connection, store, gauges, traces }: Open,
  service: () => Service | undefined,
  world: () => HostWorld,
): End {
  let ending: Promise<void> | undefined;
  let settle: (why: string) => void = () => undefined;
  const failed = new Promise<string>((resolve) => {
    settle = resolve;
  });

  async function closeAll(flush: boolean): Promise<void> {
    service()?.close();
    gauges.close();
    await world().close();
    await traces.close();
    await connection.close();
    await store?.close(flush);
  }
  function close(flush: boolean): Promise<void> {
    ending ??= closeAll(flush);
    return ending;
  }
  return {
    failed,
    close,
    async closeService() {
      service()?.close();
      await connection.nats.flush().catch(() => undefined);
    },
    fail(why) {
      if (ending !== undefined) return;
      log("error", "hostFailed", { why });
      void close(false).then(() => settle(why));
    },
  };
}

function tellAll(world: HostWorld, { actors }: Composition, message: Lifecycle): void {
  for (const { id } of actors) if (world.kernel.has(id)) world.kernel.deliver(id, message);
}

function hostOf(spec: HostSpec, open: Open, world: HostWorld, composition: Composition, end: End): Host {
  const { connection } = open;
  const alive = (): boolean => composition.actors.some(({ id }) => world.kernel.has(id));
  return {
    stats: () => statsOf(spec, open, world),
    async stop(leaving) {
      const limit = performance.now() + spec.leaveLimitMs;
      // Nobody is to ask whoever leaves any more; what the server has sent already arrives before the flush is answered.
      if (leaving && connection.isUp()) await end.closeService();
      if (leaving) tellAll(world, composition, { kind: "stop", leave: true, withinMs: spec.leaveLimitMs });
      while (leaving && alive() && performance.now() < limit) await pause(stopLookMs);
      await end.close(true);
    },
    crash: () => end.close(false),
    failed: end.failed,
  };
}

function statsOf(spec: HostSpec, { connection, store, gauges }: Open, world: HostWorld): HostStats {
  const { waiting, actors } = world.kernel.load();
  const memory = process.memoryUsage();
  // A node's own sampling reads these, and begins anew each time.
  const late = spec.role === "node" ? { loopDelayMs: 0, loopDelayMaxMs: 0 } : gauges.read();
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
    loopDelayMs: late.loopDelayMs,
    loopDelayMaxMs: late.loopDelayMaxMs,
    ...(store === undefined ? {} : { store: store.figures() }),
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
