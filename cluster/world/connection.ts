// Connection. Owns one NATS connection of a host: its settings, and the news of going down and coming back.
// C1 it reconnects for ever and tells; nothing is sent while it is down (what nats buffers meanwhile may be dropped in silence).
// C2 a frozen server is left after pingMs * (pingsMissed + 1).
// C3 every inbox of the host lies under its own prefix, so that no other user can read the answers.

import {
  type Authenticator,
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  Events,
  type NatsConnection,
  type Status,
} from "nats";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { type NatsAddress, tlsOptionsOf } from "./nats-address.js";

export interface ConnectionWish {
  readonly address: NatsAddress;
  /** Shown by the server in its list of connections. */
  readonly name: string;
  /** Keep trying when no server answers yet, instead of failing. */
  readonly waitOnFirstConnect: boolean;
}

/** What the server did not allow this user. */
export interface Denied {
  /** `publish` or `subscription`. */
  readonly operation: string;
  readonly subject: string;
}

export interface Connection {
  readonly nats: NatsConnection;
  readonly inboxPrefix: string;
  isUp(): boolean;
  /** Calls back on every change; returns how to stop. */
  onChange(listener: (up: boolean) => void): () => void;
  /** Errors that the server reports out of band: a denied publish, a cut slow consumer. */
  onError(listener: (what: string, denied: Denied | undefined) => void): () => void;
  /** Settles when the connection is closed for good; with the reason when it was not by will. */
  readonly closed: Promise<string | undefined>;
  close(): Promise<void>;
}

const pingMs = 2000;
const pingsMissed = 2;
const reconnectMs = 250;
const connectTimeoutMs = 3000;

export async function openConnection(wish: ConnectionWish): Promise<Result<Connection>> {
  try {
    return ok(watch(await connect(options(wish)), wish.address.inboxPrefix));
  } catch (error) {
    const servers = wish.address.servers.join(", ");
    return fail("ENGINE", `no NATS server could be reached at ${servers}: ${wordsOf(error)}`);
  }
}

function options(wish: ConnectionWish): ConnectionOptions {
  const { address } = wish;
  return {
    servers: [...address.servers],
    name: wish.name,
    inboxPrefix: address.inboxPrefix,
    waitOnFirstConnect: wish.waitOnFirstConnect,
    maxReconnectAttempts: -1,
    reconnectTimeWait: reconnectMs,
    reconnectJitter: reconnectMs,
    pingInterval: pingMs,
    maxPingOut: pingsMissed,
    timeout: connectTimeoutMs,
    noAsyncTraces: true,
    ...tlsOptionsOf(address.tls),
    ...identity(address),
  };
}

function identity(address: NatsAddress): { authenticator?: Authenticator; user?: string; pass?: string } {
  if (address.creds !== undefined)
    return { authenticator: credsAuthenticator(new TextEncoder().encode(address.creds)) };
  return {
    ...(address.user === undefined ? {} : { user: address.user }),
    ...(address.pass === undefined ? {} : { pass: address.pass }),
  };
}

function watch(nats: NatsConnection, inboxPrefix: string): Connection {
  let up = true;
  const changes = new Set<(up: boolean) => void>();
  const errors = new Set<(what: string, denied: Denied | undefined) => void>();
  const turn = (now: boolean): void => {
    if (up === now) return;
    up = now;
    for (const listener of [...changes]) listener(now);
  };
  const hear = (status: Status): void => {
    if (status.type === Events.Disconnect) turn(false);
    else if (status.type === Events.Reconnect) turn(true);
    else if (status.type === Events.Error)
      for (const listener of [...errors]) listener(String(status.data), deniedIn(status));
  };
  void listen(nats, hear).finally(() => turn(false));
  return {
    nats,
    inboxPrefix,
    isUp: () => up && !nats.isClosed(),
    onChange: (listener) => subscribe(changes, listener),
    onError: (listener) => subscribe(errors, listener),
    closed: nats.closed().then((error) => (error instanceof Error ? wordsOf(error) : undefined)),
    close: () => nats.close().catch(() => undefined),
  };
}

/** The library says only a code in the status itself. */
function deniedIn({ permissionContext }: Status): Denied | undefined {
  return permissionContext === undefined
    ? undefined
    : { operation: permissionContext.operation, subject: permissionContext.subject };
}

async function listen(nats: NatsConnection, hear: (status: Status) => void): Promise<void> {
  for await (const status of nats.status()) hear(status);
}

function subscribe<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
