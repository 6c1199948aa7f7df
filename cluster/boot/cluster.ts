// Cluster. The one composition root: data folder, engine, streams, hosts, until queries are served; and the way back down.
// B1 a start that fails says why and leaves nothing running and nothing locked. B2 `stop` ends everything in order and within bounds.
// B3 the ready file exists exactly while queries are served; it and the connection file are written whole or not at all.

import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { accessToEngine, accessToExisting, accessToMeeting, type EngineAccess } from "../engine/access.js";
import { startEngine } from "../engine/nats-server.js";
import { tlsFilesOf } from "../engine/tls.js";
import { openUserBook, type UserBook } from "../engine/users.js";
import { openLog } from "../host/log.js";
import { openProcess } from "../hosts/process-door.js";
import { type HostLine, type HostPlan, type HostRole, Supervisor } from "../hosts/supervisor.js";
import { openThread } from "../hosts/thread-door.js";
import { keeperDesk } from "../keeper/desk.js";
import { openKeeper } from "../keeper/keeper.js";
import type { Log } from "../log.js";
import { openPage } from "../page/page.js";
import { checkExporter } from "../trace/exporter.js";
import { packageVersion } from "../version.js";
import { type Connection, openConnection } from "../world/connection.js";
import { openInbox } from "../world/inbox.js";
import { agreeOnShape, ensureStreams } from "../world/streams.js";
import { announceDeath } from "./announcer.js";
import { connectionFiles } from "./connection-files.js";
import { type DataDir, openDataDir } from "./data-dir.js";
import type { StartOptions } from "./options.js";
import { buryPastHosts, type HostRecord, hostRecord } from "./past-hosts.js";
import { folderOf, plansOf } from "./plans.js";
import { waitUntilServed } from "./readiness.js";

export interface ClusterWatcher {
  /** A step of the start, for a person who waits. */
  onProgress?(step: string): void;
  /** Something that a person should know while the cluster runs: a death, a restart. */
  onNotice?(notice: string): void;
  /** It cannot go on by itself. */
  onFailed?(why: string): void;
}

export interface RunningHostLine {
  readonly id: string;
  readonly pid: number;
}

export interface RunningCluster {
  readonly natsUrl: string;
  /** The live page; metrics are at `/metrics` beside it. Undefined: off. */
  readonly pageUrl: string | undefined;
  readonly dataDir: string;
  /** How long the start took. */
  readonly startedInMs: number;
  /** Tables with fragments that did not serve when the start was over. */
  readonly closedTables: readonly string[];
  nodes(): readonly RunningHostLine[];
  routers(): readonly RunningHostLine[];
  control(): readonly RunningHostLine[];
  forecasters(): readonly RunningHostLine[];
  natsServers(): readonly { readonly pid: number; readonly port: number }[];
  /** Kills one host as a crash would; false: there is none of that name. */
  kill(id: string): boolean;
  /** Ends one host in order; it stays away. */
  leave(id: string): Promise<boolean>;
  /** Ends one host in order and starts it again. */
  restart(id: string): Promise<Result<void>>;
  /** A planned restart of one nats-server: its streams are handed over first. */
  restartServer(index: number): Promise<Result<void>>;
  stop(): Promise<void>;
}

const servedLimits = { nodesMs: 60_000, fragmentsMs: 20_000 } as const;
const hostModule = new URL("../host/host.js", import.meta.url).href;

/** What has been opened so far; closed in the opposite order. */
type Closers = (() => Promise<unknown>)[];

export async function startCluster(
  options: StartOptions,
  watcher: ClusterWatcher = {},
): Promise<Result<RunningCluster>> {
  const closers: Closers = [];
  try {
    const started = await bringUp(options, watcher, closers);
    if (!started.ok) await closeAll(closers);
    return started;
  } catch (error) {
    await closeAll(closers);
    return fail("INTERNAL", `the start failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function closeAll(closers: Closers): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
}

async function bringUp(
  options: StartOptions,
  watcher: ClusterWatcher,
  closers: Closers,
): Promise<Result<RunningCluster>> {
  const begunMs = performance.now();
  const exportable = options.traces === undefined ? ok(undefined) : await checkExporter();
  if (!exportable.ok) return exportable;
  // Pids change when something is started again; what other programs read must follow.
  let refresh = async (): Promise<void> => undefined;
  let tellPage = (_notice: string): void => undefined;
  const watch: ClusterWatcher = {
    ...watcher,
    onNotice(notice) {
      watcher.onNotice?.(notice);
      tellPage(notice);
      void refresh();
    },
  };
  const dataDir = await openDataDir(options);
  if (!dataDir.ok) return dataDir;
  closers.push(() => dataDir.value.release());
  const { path, facts } = dataDir.value;
  const log = openLog(
    { level: options.logLevel, ...(options.logTo === "files" ? { file: join(path, "cluster.log") } : {}) },
    { host: "cluster" },
  );

  watcher.onProgress?.(options.nats === undefined ? "starting nats-server" : "joining the NATS cluster");
  const book = options.nats === undefined ? await openUserBook(path, options.users) : ok(undefined);
  if (!book.ok) return book;
  const access = await openAccess(options, dataDir.value, book.value, log, watch);
  if (!access.ok) return access;
  closers.push(() => access.value.stop());
  const connection = await openConnection({
    address: access.value.inner.keeper,
    name: "foreshard-supervisor",
    waitOnFirstConnect: false,
  });
  if (!connection.ok) return connection;
  closers.push(() => connection.value.close());

  watcher.onProgress?.("preparing the streams");
  const streams = await prepareStreams(connection.value, facts, access.value.copies, options);
  if (!streams.ok) return streams;

  watcher.onProgress?.("starting the hosts");
  const ground = {
    dataDir: dataDir.value,
    inner: access.value.inner,
    copies: access.value.copies,
    version: packageVersion(),
  };
  const plans = plansOf(options, ground);
  for (const { role, id } of plans) await mkdir(folderOf(path, role, id), { recursive: true, mode: 0o700 });
  const past = await buryPastHosts(path);
  const record = hostRecord(path);
  closers.push(() => record.settled());
  const supervisor = supervisorOf(plans, options, connection.value, log, watch, record);
  const page = await openPage({
    page: options.page,
    orders: options.pageActions,
    dataDir: path,
    sampleIntervalMs: options.sampleInterval,
    keeper: access.value.inner.keeper,
    stats: (limitMs) => supervisor.stats(limitMs),
    hosts: () => supervisor.hosts(),
    onNotice: (notice) => watcher.onNotice?.(notice),
  });
  // A page that was asked for is part of the start; the usual one is not worth a cluster.
  if (!page.ok && options.page !== undefined) return page;
  if (!page.ok) watcher.onNotice?.(`there is no page: ${page.fault.message}`);
  const shown = page.ok ? page.value : undefined;
  closers.push(async () => shown?.close());
  tellPage = (notice) => shown?.notice(notice);
  closers.push(() => supervisor.stop());
  const inbox = openInbox(connection.value);
  closers.push(async () => inbox.close());
  const keeper = openKeeper(
    connection.value,
    keeperDesk({
      access: access.value,
      book: book.value,
      supervisor,
      inbox,
      log,
      isOneOfSeveral: options.machine !== undefined,
      notice: (text) => watch.onNotice?.(text),
    }),
    log,
  );
  closers.push(async () => keeper.close());
  const hosts = await supervisor.start();
  if (!hosts.ok) return hosts;
  for (const { id, role, incarnation } of past) if (holdsLease(role)) announceDeath(connection.value, id, incarnation);

  watcher.onProgress?.("waiting until queries are served");
  const served = await checkServed(access.value, supervisor, facts.controlPartitions);
  if (!served.ok) return served;
  const cluster = clusterOf(access.value, supervisor, path, closers, {
    startedInMs: Math.round(performance.now() - begunMs),
    closedTables: served.value,
    pageUrl: shown?.url,
  });
  shown?.ready();
  const files = connectionFiles(options, access.value, cluster);
  closers.push(() => files.remove());
  await files.write();
  // A disk that is full now must not end what runs.
  refresh = () =>
    files.write().catch((error: unknown) => {
      log("warn", "connectionFilesStale", { why: error instanceof Error ? error.message : String(error) });
    });
  log("info", "clusterReady", { startedInMs: cluster.startedInMs, closedTables: cluster.closedTables });
  return ok(cluster);
}

async function openAccess(
  options: StartOptions,
  { path, facts }: DataDir,
  book: UserBook | undefined,
  log: Log,
  watcher: ClusterWatcher,
): Promise<Result<EngineAccess>> {
  const tls = await tlsFilesOf(options);
  if (!tls.ok) return tls;
  if (options.nats !== undefined) {
    const join = options.machine === undefined ? accessToExisting : accessToMeeting;
    return join(options.nats, options.creds, tls.value);
  }
  const engine = await startEngine({
    dataDir: path,
    ...(options.port === undefined ? {} : { port: options.port }),
    servers: facts.natsServers,
    durability: options.durability,
    ...(options.natsServer === undefined ? {} : { binary: options.natsServer }),
    seats: book?.seats() ?? [],
    ...(tls.value === undefined ? {} : { tls: tls.value }),
    ...(options.natsAdvertise === undefined ? {} : { advertise: options.natsAdvertise }),
    ...(options.routeAdvertise === undefined ? {} : { routeAdvertise: options.routeAdvertise }),
    log(level, event, fields) {
      log(level, event, fields);
      const notice = engineNotice(event, fields);
      if (notice !== undefined) watcher.onNotice?.(notice);
    },
    onFailed: (why) => watcher.onFailed?.(why),
  });
  return engine.ok ? ok(accessToEngine(engine.value)) : engine;
}

function engineNotice(event: string, fields: Readonly<Record<string, unknown>> = {}): string | undefined {
  if (event === "defaultPortTaken") return `port ${fields.port} is taken; another one was chosen`;
  if (event === "natsServerDied") return `nats-server ${fields.server} ${fields.how}; it is started again`;
  if (event === "diskShort")
    return `the disk of ${fields.dataDir} has ${fields.freeMiB} MiB left: writes will fail, make room`;
  if (event === "diskHasRoom") return `the disk of ${fields.dataDir} has room again`;
  if (event === "natsServerRestarted") return `nats-server ${fields.server} runs again`;
  if (event === "staleServerEnded") return "a nats-server that an earlier run left behind was ended";
  return undefined;
}

async function prepareStreams(
  connection: Connection,
  facts: DataDir["facts"],
  copies: number,
  { loadHistoryDays, nats }: StartOptions,
): Promise<Result<unknown>> {
  const inbox = openInbox(connection);
  try {
    const { controlPartitions, logGroups } = facts;
    const wish = { partitions: controlPartitions, logGroups, replicas: copies, loadHistoryDays };
    // On the servers of a folder only that folder's cluster lives.
    const agreed = nats === undefined ? ok(undefined) : await agreeOnShape(inbox, wish);
    return agreed.ok ? await ensureStreams(inbox, wish) : agreed;
  } finally {
    inbox.close();
  }
}

function supervisorOf(
  plans: readonly HostPlan[],
  options: StartOptions,
  connection: Connection,
  log: Log,
  watcher: ClusterWatcher,
  record: HostRecord,
): Supervisor {
  const supervisor: Supervisor = new Supervisor(plans, {
    moduleUrl: hostModule,
    openDoor: options.isolation === "threads" ? openThread : openProcess,
    restart: options.restart,
    log(level, event, fields) {
      log(level, event, fields);
      if (event === "hostRestarted") watcher.onNotice?.(`${fields?.host} runs again`);
      if (event === "hostRestartFailed") watcher.onNotice?.(`${fields?.host} does not start: ${fields?.why}`);
    },
    drawIncarnation: () => randomBytes(8).toString("hex"),
    began: () => record.note(supervisor.hosts()),
    died(plan, incarnation) {
      watcher.onNotice?.(`${plan.id} died`);
      if (holdsLease(plan.role)) announceDeath(connection, plan.id, incarnation);
    },
    gaveUp(plan, why) {
      log("error", "hostGivenUp", { host: plan.id, why });
      watcher.onNotice?.(why);
    },
  });
  return supervisor;
}

/** Somebody may be waiting for the lease of such a host to run out. */
function holdsLease(role: HostRole): boolean {
  return role === "node" || role === "control";
}

async function checkServed(
  access: EngineAccess,
  supervisor: Supervisor,
  partitions: number,
): Promise<Result<readonly string[]>> {
  const client = await openConnection({ address: access.client, name: "foreshard-start", waitOnFirstConnect: false });
  if (!client.ok) return client;
  const inbox = openInbox(client.value);
  try {
    const nodes = () => new Map(linesOf(supervisor, "node").map(({ id, incarnation }) => [id, incarnation]));
    return await waitUntilServed(inbox, { partitions, nodes }, servedLimits);
  } finally {
    inbox.close();
    await client.value.close();
  }
}

function linesOf(supervisor: Supervisor, role: HostRole): readonly HostLine[] {
  return supervisor.hosts().filter((line) => line.role === role);
}

function clusterOf(
  access: EngineAccess,
  supervisor: Supervisor,
  dataDir: string,
  closers: Closers,
  start: Pick<RunningCluster, "startedInMs" | "closedTables" | "pageUrl">,
): RunningCluster {
  const lines = (role: HostRole) => linesOf(supervisor, role).map(({ id, pid }) => ({ id, pid }));
  let stopping: Promise<void> | undefined;
  return {
    ...start,
    natsUrl: access.natsUrl,
    dataDir,
    nodes: () => lines("node"),
    routers: () => lines("router"),
    control: () => lines("control"),
    forecasters: () => lines("forecaster"),
    natsServers: () => access.servers().map(({ pid, port }) => ({ pid, port })),
    kill: (id) => supervisor.kill(id),
    leave: (id) => supervisor.leave(id),
    restart: (id) => supervisor.restart(id),
    restartServer: (index) => access.restartServer(index),
    stop() {
      stopping ??= closeAll(closers);
      return stopping;
    },
  };
}
