// Engine access. Owns the one view of the NATS underneath that the rest needs, whether we started it or somebody else runs it.

import { readFile } from "node:fs/promises";
import { z } from "zod";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { valueOfJson } from "../../src/protocol/json-text.js";
import { openConnection } from "../world/connection.js";
import { openInbox } from "../world/inbox.js";
import { callApiLater } from "../world/jetstream.js";
import type { NatsAddress, TlsPaths } from "../world/nats-address.js";
import { isNewEnough, tooOld } from "./binary.js";
import type { EdgeUser } from "./config.js";
import type { Engine } from "./nats-server.js";
import { until } from "./until.js";

export interface EngineAccess {
  /** For each kind of host, and for the supervisor. */
  readonly inner: Readonly<Record<InnerRole, NatsAddress>>;
  /** For whoever asks queries. */
  readonly client: NatsAddress;
  /** The client's address in one line that any NATS client can paste. */
  readonly natsUrl: string;
  /** Copies of each stream. */
  readonly copies: number;
  servers(): readonly { readonly name: string; readonly pid: number; readonly port: number }[];
  restartServer(index: number): Promise<Result<void>>;
  /** Seats the users for clients anew. */
  reseat(seats: readonly (EdgeUser | undefined)[]): Promise<Result<void>>;
  stop(): Promise<void>;
}

export function accessToEngine(engine: Engine): EngineAccess {
  const addressOf = (who: keyof Engine["credentials"]): NatsAddress => ({
    servers: engine.coreServers,
    ...(engine.tls === undefined ? {} : { tls: engine.tls }),
    ...engine.credentials[who],
  });
  return {
    inner: innerOf(addressOf),
    client: addressOf("client"),
    natsUrl: engine.clientUrl,
    copies: engine.coreServers.length,
    servers: () => engine.servers(),
    restartServer: (index) => engine.restartServer(index),
    reseat: (seats) => engine.reseat(seats),
    stop: () => engine.stop(),
  };
}

/** Roles of inner users that something which runs on connects as. */
export const innerRoles = ["keeper", "node", "router", "control", "forecaster"] as const;
export type InnerRole = (typeof innerRoles)[number];

function innerOf(addressOf: (role: InnerRole) => NatsAddress): Readonly<Record<InnerRole, NatsAddress>> {
  const [keeper, node, router, control, forecaster] = innerRoles;
  return {
    keeper: addressOf(keeper),
    node: addressOf(node),
    router: addressOf(router),
    control: addressOf(control),
    forecaster: addressOf(forecaster),
  };
}

const login = z.object({ user: z.string(), pass: z.string(), inboxPrefix: z.string().optional() });
const other = login.optional();
const loginFile = login.extend({
  client: other,
  keeper: other,
  node: other,
  router: other,
  control: other,
  forecaster: other,
});

/** Servers that several machines wait for before they make a stream: it has as many copies from then on. */
const severalServers = 3;
const meetingMs = 60_000;

/** Of one machine of several: its start waits until the servers have found each other. */
export async function accessToMeeting(
  url: string,
  creds: string | undefined,
  tls?: TlsPaths,
): Promise<Result<EngineAccess>> {
  let access: Result<EngineAccess> | undefined;
  let isMet = false;
  await until(
    async () => {
      access = await accessToExisting(url, creds, tls);
      isMet = access.ok && access.value.copies >= severalServers;
      // What was written wrongly does not get better by waiting.
      return isMet || (!access.ok && access.fault.code === "CONFIG");
    },
    meetingMs,
    500,
  );
  if (access !== undefined && (isMet || !access.ok)) return access;
  return fail(
    "ENGINE",
    `the NATS servers at ${url} are fewer than ${severalServers} after ${meetingMs / 1000} s: streams made now would stay in one copy; start the other servers first`,
  );
}

/**
 * Joins a NATS cluster that runs already; `creds` names a file with `{user, pass}` as JSON, or a NATS credentials file. The JSON may hold a user of its own
 * for each role (`client`, `keeper`, `node`, `router`, `control`, `forecaster`); who has none is the user of the file.
 */
export async function accessToExisting(
  url: string,
  creds: string | undefined,
  tls?: TlsPaths,
): Promise<Result<EngineAccess>> {
  const named = addressOfUrl(url);
  if (!named.ok) return named;
  const logins = await loginsOf(tls === undefined ? named.value : { ...named.value, tls }, creds);
  if (!logins.ok) return logins;
  const copies = await inspect(logins.value.inner.keeper, url);
  if (!copies.ok) return copies;
  return ok({
    ...logins.value,
    natsUrl: urlOf(logins.value.client),
    copies: copies.value,
    servers: () => [],
    restartServer: async () => fail("NOT_POSSIBLE", "these NATS servers were not started by this cluster"),
    reseat: async () =>
      fail("NOT_POSSIBLE", "the users of these NATS servers are in the hands of who runs them, not of this cluster"),
    stop: async () => undefined,
  });
}

/** Reads `nats://user:password@host:port`, several with commas between them. */
export function addressOfUrl(text: string): Result<NatsAddress> {
  const servers: string[] = [];
  let user = "";
  let pass = "";
  for (const part of text.split(",")) {
    const word = part.trim();
    const url = parseUrl(word);
    if (url === null || url.hostname === "" || !["nats:", "tls:"].includes(url.protocol))
      return fail("CONFIG", `${JSON.stringify(word)} is no NATS address: write nats://host:port`);
    servers.push(`${url.hostname}:${url.port === "" ? "4222" : url.port}`);
    if (url.username !== "") {
      user = decodeURIComponent(url.username);
      pass = decodeURIComponent(url.password);
    }
  }
  return ok({ servers, inboxPrefix: "_INBOX", ...(user === "" ? {} : { user, pass }) });
}

function parseUrl(word: string): URL | null {
  try {
    return new URL(word.includes("://") ? word : `nats://${word}`);
  } catch {
    return null;
  }
}

async function loginsOf(
  named: NatsAddress,
  creds: string | undefined,
): Promise<Result<Pick<EngineAccess, "inner" | "client">>> {
  const same = (address: NatsAddress) => ok({ inner: innerOf(() => address), client: address });
  if (creds === undefined) return same(named);
  const text = await readFile(creds, "utf8").catch(() => undefined);
  if (text === undefined) return fail("CONFIG", `the credentials file ${creds} cannot be read`);
  const { servers, inboxPrefix, tls } = named;
  const certified = tls === undefined ? {} : { tls };
  if (text.includes("BEGIN NATS USER JWT")) {
    return same({ servers, inboxPrefix, creds: text, ...certified });
  }
  const found = loginFile.safeParse(valueOfJson(text));
  if (!found.success)
    return fail("CONFIG", `${creds} is neither a NATS credentials file nor JSON with {"user": …, "pass": …}`);
  const { client, ...own } = found.data;
  const address = (one: z.infer<typeof login>): NatsAddress => ({
    servers,
    user: one.user,
    pass: one.pass,
    inboxPrefix: one.inboxPrefix ?? inboxPrefix,
    ...certified,
  });
  return ok({ inner: innerOf((role) => address(own[role] ?? own)), client: address(client ?? own) });
}

/** Looks at the servers as the actors will; answers how many copies of each stream they can hold. */
async function inspect(address: NatsAddress, url: string): Promise<Result<number>> {
  const opened = await openConnection({ address, name: "foreshard-start", waitOnFirstConnect: false });
  if (!opened.ok) return opened;
  const inbox = openInbox(opened.value);
  try {
    const info = opened.value.nats.info;
    if (info !== undefined && !isNewEnough(info.version)) return tooOld(url, info.version);
    const account = callApiLater(inbox, "INFO", undefined, 5_000).then(({ kind }) => kind === "ok");
    // A denied publish is answered by nothing: the server tells it out of band only.
    const denied = new Promise<boolean>((resolve) => opened.value.onError(() => resolve(false)));
    if (!(await Promise.race([account, denied])))
      return fail(
        "ENGINE",
        `the NATS servers at ${url} do not offer JetStream to this user: enable it for the account`,
      );
    return ok((info?.connect_urls?.length ?? 1) >= 3 ? 3 : 1);
  } finally {
    inbox.close();
    await opened.value.close();
  }
}

function urlOf({ servers, user, pass, tls }: NatsAddress): string {
  const who = user === undefined ? "" : `${encodeURIComponent(user)}:${encodeURIComponent(pass ?? "")}@`;
  return `${tls === undefined ? "nats" : "tls"}://${who}${servers[0] ?? ""}`;
}
