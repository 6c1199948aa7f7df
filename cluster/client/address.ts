// Address. Owns what a caller of `connect` may give, and what the connection makes of it.

import { readFile } from "node:fs/promises";
import { z } from "zod";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import type { NatsAddress } from "../world/nats-address.js";

export interface ConnectOptions {
  /** `nats://user:password@host:port`, as `npm start` prints it; or several, with the same user. */
  readonly servers: string | readonly string[];
  readonly user?: string;
  readonly pass?: string;
  /** Path of a `.creds` file, or of JSON `{user, pass}`, instead of user and password. */
  readonly creds?: string;
  /** PEM files, where the servers want TLS: the authority that theirs must come from, and an own certificate with its key for mutual TLS. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** Under which answers arrive; by default `_INBOX_<user>`, which the server lets no other user read. */
  readonly inboxPrefix?: string;
  /** Shown by the server in its list of connections. */
  readonly name?: string;
}

/** User and password may stand in the first URL. */
export async function addressOf(wish: string | ConnectOptions): Promise<Result<NatsAddress>> {
  const options: ConnectOptions = typeof wish === "string" ? { servers: wish } : wish;
  const given = typeof options.servers === "string" ? options.servers.split(",") : options.servers;
  const urls: URL[] = [];
  for (const text of given) {
    const url = urlOf(text.trim());
    if (url === undefined)
      return fail(
        "CONFIG",
        `${JSON.stringify(text.slice(0, 200))} is no NATS address; write nats://user:password@host:port`,
      );
    urls.push(url);
  }
  const [first] = urls;
  if (first === undefined)
    return fail("CONFIG", "give at least one server, such as nats://user:password@127.0.0.1:4222");
  const user = options.user ?? (first.username === "" ? undefined : decodeURIComponent(first.username));
  const pass = options.pass ?? (first.password === "" ? undefined : decodeURIComponent(first.password));
  const creds = await credsOf(options.creds);
  if (!creds.ok) return creds;
  const named = typeof creds.value === "object" ? creds.value.user : user;
  const base = {
    servers: urls.map((url) => `${url.protocol}//${url.host}`),
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    inboxPrefix: options.inboxPrefix ?? (named === undefined ? "_INBOX" : `_INBOX_${named}`),
  };
  if (creds.value !== undefined && typeof creds.value !== "string") return ok({ ...base, ...creds.value });
  return ok({
    ...base,
    ...(user === undefined ? {} : { user }),
    ...(pass === undefined ? {} : { pass }),
    ...(creds.value === undefined ? {} : { creds: creds.value }),
  });
}

function urlOf(text: string): URL | undefined {
  const full = /^[a-z]+:\/\//i.test(text) ? text : `nats://${text}`;
  if (!URL.canParse(full)) return undefined;
  const url = new URL(full);
  return url.host === "" || !["nats:", "tls:"].includes(url.protocol) ? undefined : url;
}

const login = z.object({ user: z.string().min(1), pass: z.string() });

/** User and password from JSON; the text itself of a `.creds` file. */
async function credsOf(path: string | undefined): Promise<Result<string | z.output<typeof login> | undefined>> {
  if (path === undefined) return ok(undefined);
  try {
    const text = await readFile(path, "utf8");
    if (!text.trimStart().startsWith("{")) return ok(text);
    const found = login.safeParse(JSON.parse(text));
    return found.success ? ok(found.data) : fail("CONFIG", `the credentials file ${path} has no user and pass`);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return fail("CONFIG", `the credentials file ${path} cannot be read: ${why}`);
  }
}
