// Server configuration. Owns what the embedded nats-server is told: addresses, limits, JetStream, accounts and permissions.
// Pure: a value in, the configuration's text out (JSON is a subset of its language, and quotes every text safely).
//
// A1 Everything listens on loopback. No account has a user without password, no role of ours may publish or subscribe `>`.
// A2 Clients live in EDGE. What they reach of CORE is the query service and the discovery of micro services, and they hear the events; nothing else is exported, so the
//    reply subject that a client chooses is rewritten by the server and can never name an inner subject.
// A3 The query service is imported with `share`: the server stamps `Nats-Request-Info` on each request, over whatever the client wrote there.
// A4 A message is acknowledged after it is on disk (`sync_interval: always`), unless the operator relaxed it.

import type { Credentials, UserCredentials } from "./credentials.js";

export type Durability = "always" | "interval";

/** Another user of EDGE, limited to the subjects named (e.g. `foreshard.query.orders.get`). */
export interface EdgeUser {
  readonly user: string;
  readonly pass: string;
  readonly publish: readonly string[];
}

export interface ServerSpec {
  readonly name: string;
  readonly port: number;
  readonly monitorPort: number;
  /** Where clients reach it instead, through a proxy or a tunnel. */
  readonly advertise?: string;
  /** Absent for a single server. */
  readonly cluster?: ClusterSpec;
  /** Own folder of this server: configuration, log, pid file and stores. */
  readonly folder: string;
  readonly durability: Durability;
  readonly maxFileBytes: number;
  readonly credentials: Credentials;
  readonly edgeUsers: readonly EdgeUser[];
}

export interface ClusterSpec {
  readonly port: number;
  /** Where the others reach that port instead. */
  readonly advertise?: string;
  /** Where it reaches the others. */
  readonly routes: readonly string[];
}

export const loopback = "127.0.0.1";
/** With `--durability interval`: how much acknowledged time a power loss may cost on one machine. */
export const relaxedSync = "1s";

const MiB = 1024 * 1024;
const queryService = "foreshard.query.>";
const discovery = "$SRV.>";
/** What leaders tell: nothing can be asked there, and clients only listen. */
const events = "foreshard.event.>";

export function configText(spec: ServerSpec): string {
  return `${JSON.stringify(configOf(spec), null, 2)}\n`;
}

function configOf(spec: ServerSpec) {
  return {
    server_name: spec.name,
    listen: `${loopback}:${spec.port}`,
    ...(spec.advertise === undefined ? {} : { client_advertise: spec.advertise }),
    http: `${loopback}:${spec.monitorPort}`,
    pid_file: `${spec.folder}/nats-server.pid`,
    log_file: `${spec.folder}/nats-server.log`,
    logfile_size_limit: 16 * MiB,
    logfile_max_num: 3,
    max_payload: MiB,
    max_control_line: 4096,
    max_connections: 10_000,
    max_subscriptions: 100_000,
    max_pending: 64 * MiB,
    write_deadline: "5s",
    ping_interval: "5s",
    ping_max: 2,
    jetstream: {
      store_dir: `${spec.folder}/jetstream`,
      sync_interval: spec.durability === "always" ? "always" : relaxedSync,
      max_file_store: spec.maxFileBytes,
      max_memory_store: 256 * MiB,
    },
    ...(spec.cluster === undefined ? {} : { cluster: clusterOf(spec.cluster, spec.credentials.route) }),
    accounts: {
      CORE: {
        jetstream: "enabled",
        users: [coreUser(spec.credentials.core)],
        exports: [
          { service: queryService, accounts: ["EDGE"] },
          { service: discovery, accounts: ["EDGE"], response_type: "stream" },
          { stream: events, accounts: ["EDGE"] },
        ],
      },
      EDGE: {
        users: [clientUser(spec.credentials.client), ...spec.edgeUsers.map(edgeUser)],
        imports: [
          { service: { account: "CORE", subject: queryService }, share: true },
          { service: { account: "CORE", subject: discovery } },
          { stream: { account: "CORE", subject: events } },
        ],
      },
      SYS: { users: [{ user: spec.credentials.sys.user, password: spec.credentials.sys.pass }] },
    },
    system_account: "SYS",
  };
}

function clusterOf(cluster: ClusterSpec, route: UserCredentials) {
  return {
    name: "foreshard",
    listen: `${loopback}:${cluster.port}`,
    ...(cluster.advertise === undefined ? {} : { advertise: cluster.advertise }),
    authorization: { user: route.user, password: route.pass },
    routes: cluster.routes.map((address) => `nats-route://${route.user}:${route.pass}@${address}`),
  };
}

/** The actors. `_R_` is where the server expects answers to imported requests. */
function coreUser({ user, pass, inboxPrefix }: UserCredentials) {
  return {
    user,
    password: pass,
    permissions: {
      publish: ["foreshard.>", "$JS.API.>", "$JS.ACK.>", "$JS.FC.>", "_R_.>", discovery, `${inboxPrefix}.>`],
      subscribe: ["foreshard.>", "$JS.EVENT.ADVISORY.>", discovery, `${inboxPrefix}.>`],
    },
  };
}

/**
 * The client user may listen on the common `_INBOX.>` beside its own prefix, so that any NATS client works by pasting the URL. That gives nothing away:
 * whoever holds this password can read its private prefix too, and all other users of EDGE have only a prefix of their own.
 */
function clientUser({ user, pass, inboxPrefix }: UserCredentials) {
  return {
    user,
    password: pass,
    permissions: { publish: [queryService, discovery], subscribe: [`${inboxPrefix}.>`, "_INBOX.>", events] },
  };
}

function edgeUser({ user, pass, publish }: EdgeUser) {
  return {
    user,
    password: pass,
    permissions: { publish: [...publish], subscribe: [`_INBOX_${user}.>`] },
  };
}
