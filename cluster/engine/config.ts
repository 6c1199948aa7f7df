// Server configuration. Owns what the embedded nats-server is told: addresses, limits, JetStream, accounts and permissions.
// Pure: a value in, the configuration's text out (JSON is a subset of its language, and quotes every text safely).
//
// A1 Everything listens on loopback, unless the servers stand on machines of their own (`address`). No account has a user without password, nobody of ours may publish or subscribe `>` (`roles.ts`).
// A2 Clients live in accounts of their own: the client user in EDGE, every other user alone in a seat. What they reach of CORE is the query service and the discovery of
//    micro services, and they hear the events; nothing else is exported, so the reply subject that a client chooses is rewritten by the server, can never name
//    an inner subject, and never reaches another user.
// A3 The query service is imported with `share`: the server stamps `Nats-Request-Info` on each request, over whatever the client wrote there.
// A4 All seats are there from the start: a reload of a running server fills and empties them, but makes no account (nats-server 2.14.0 in a cluster may lose
//    what an account that comes by a reload imports: nats-server#8560), and no user changes seats.
// A5 A message is acknowledged after it is on disk (`sync_interval: always`), unless the operator relaxed it.

import type { TlsPaths } from "../world/nats-address.js";
import { type Credentials, type InnerUser, innerUsers, type UserCredentials } from "./credentials.js";
import { discovery, events, permissionsOf, queryService } from "./roles.js";

export type Durability = "always" | "interval";

/** Another user for clients, limited to the subjects named (e.g. `foreshard.query.orders.get`). */
export interface EdgeUser {
  readonly user: string;
  readonly pass: string;
  readonly publish: readonly string[];
  /** Beside the own inbox. */
  readonly subscribe?: readonly string[];
  readonly limits?: Partial<SeatLimits>;
}

/** What the server allows one user: all its connections and subscriptions together, and one message. */
export interface SeatLimits {
  readonly maxConnections: number;
  readonly maxSubscriptions: number;
  readonly maxPayloadBytes: number;
}

/** Users besides the client user. */
export const seatCount = 64;

export interface ServerSpec {
  readonly name: string;
  readonly port: number;
  readonly monitorPort: number;
  /** Where clients and other servers reach it; absent: on this machine only. */
  readonly address?: string;
  /** Where clients reach it instead, through a proxy or a tunnel. */
  readonly advertise?: string;
  /** Absent for a single server. */
  readonly cluster?: ClusterSpec;
  /** Own folder of this server: configuration, log, pid file and stores. */
  readonly folder: string;
  readonly durability: Durability;
  readonly maxFileBytes: number;
  readonly credentials: Credentials;
  /** Absent: no TLS. */
  readonly tls?: TlsPaths;
  /** By seat; undefined: nobody sits there. */
  readonly seats: readonly (EdgeUser | undefined)[];
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
export const defaultSeatLimits: SeatLimits = { maxConnections: 256, maxSubscriptions: 4096, maxPayloadBytes: MiB };

export function configText(spec: ServerSpec): string {
  return `${JSON.stringify(configOf(spec), null, 2)}\n`;
}

function configOf(spec: ServerSpec) {
  return {
    server_name: spec.name,
    listen: `${spec.address ?? loopback}:${spec.port}`,
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
    ...(spec.tls === undefined ? {} : { tls: tlsOf(spec.tls) }),
    jetstream: {
      store_dir: `${spec.folder}/jetstream`,
      sync_interval: spec.durability === "always" ? "always" : relaxedSync,
      max_file_store: spec.maxFileBytes,
      max_memory_store: 256 * MiB,
    },
    ...(spec.cluster === undefined ? {} : { cluster: clusterOf(spec.cluster, spec) }),
    accounts: {
      CORE: {
        jetstream: "enabled",
        users: innerUsers.map((name) => innerUser(name, spec.credentials[name])),
        exports: [{ service: queryService }, { service: discovery, response_type: "stream" }, { stream: events }],
      },
      EDGE: { users: [clientUser(spec.credentials.client)], imports },
      ...Object.fromEntries(
        Array.from({ length: seatCount }, (_, seat) => [`CLIENT_${seat}`, seatOf(spec.seats[seat])]),
      ),
      SYS: { users: [{ user: spec.credentials.sys.user, password: spec.credentials.sys.pass }] },
    },
    system_account: "SYS",
  };
}

/** With an authority everybody who connects must show a certificate of it. */
function tlsOf({ cert, key, ca }: TlsPaths) {
  return {
    cert_file: cert,
    key_file: key,
    min_version: "1.2",
    timeout: tlsTimeoutS,
    ...(ca === undefined ? {} : { ca_file: ca, verify: true }),
  };
}

const tlsTimeoutS = 5;

function clusterOf(cluster: ClusterSpec, { address, credentials: { route }, tls }: ServerSpec) {
  return {
    name: "foreshard",
    listen: `${address ?? loopback}:${cluster.port}`,
    ...(cluster.advertise === undefined ? {} : { advertise: cluster.advertise }),
    authorization: { user: route.user, password: route.pass },
    // Without an authority a server could not judge another's certificate; the links stay on loopback then.
    ...(tls?.ca === undefined ? {} : { tls: tlsOf(tls) }),
    routes: cluster.routes.map((address) => `nats-route://${route.user}:${route.pass}@${address}`),
  };
}

const imports = [
  { service: { account: "CORE", subject: queryService }, share: true },
  { service: { account: "CORE", subject: discovery } },
  { stream: { account: "CORE", subject: events } },
];

function innerUser(name: InnerUser, { user, pass, inboxPrefix }: UserCredentials) {
  const { publish, subscribe } = permissionsOf[name];
  const inbox = `${inboxPrefix}.>`;
  return { user, password: pass, permissions: { publish: [...publish, inbox], subscribe: [...subscribe, inbox] } };
}

/**
 * The client user may listen on the common `_INBOX.>` beside its own prefix, so that any NATS client works by pasting the URL. That gives nothing away: nobody
 * else is in its account, and whoever holds this password can read its private prefix too.
 */
function clientUser({ user, pass, inboxPrefix }: UserCredentials) {
  return {
    user,
    password: pass,
    permissions: { publish: [queryService, discovery], subscribe: [`${inboxPrefix}.>`, "_INBOX.>", events] },
  };
}

function seatOf(held: EdgeUser | undefined) {
  const limits = { ...defaultSeatLimits, ...held?.limits };
  return {
    users: held === undefined ? [] : [edgeUser(held)],
    limits: {
      max_connections: limits.maxConnections,
      max_subscriptions: limits.maxSubscriptions,
      max_payload: limits.maxPayloadBytes,
    },
    imports,
  };
}

function edgeUser({ user, pass, publish, subscribe = [] }: EdgeUser) {
  return {
    user,
    password: pass,
    permissions: { publish: [...publish], subscribe: [`_INBOX_${user}.>`, ...subscribe] },
  };
}
