// Session. Owns how a command finds its cluster and connects: `--url`, else FORESHARD_URL, else connection.json in the data folder.

import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { z } from "zod";
import { type Client, type ConnectOptions, connect, FaultError } from "../../cluster/client/index.js";
import { fault } from "../../src/kernel/fault.js";
import { valueOfJson } from "../../src/protocol/json-text.js";
import { UsageError } from "./failure.js";

export interface CommonOptions {
  readonly url?: string;
  readonly creds?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly dataDir?: string;
  readonly json?: boolean;
  readonly deadline?: number;
}

/** Options that every command takes, before or after its name. */
export function withCommon(command: Command): Command {
  return withCommonButDeadline(command).option(
    "--deadline <ms>",
    "how long the command may wait for an answer",
    positive("--deadline"),
  );
}

/** Of a command whose deadline is that of what it begins. */
export function withCommonButDeadline(command: Command): Command {
  return command
    .option("--url <url>", "nats://user:password@host:port of the cluster (or FORESHARD_URL)")
    .option(
      "--creds <file>",
      "who to be there: JSON {user, pass}, as `foreshard user add --out` writes it, or a NATS credentials file",
    )
    .option("--tls-ca <file>", "PEM authority that the servers' certificate must come from")
    .option("--tls-cert <file>", "own PEM certificate, where the servers want one")
    .option("--tls-key <file>", "its key")
    .option("--data-dir <folder>", "data folder of a cluster on this machine (default: ./data)")
    .option("--json", "machine-readable output");
}

/** A whole number above zero. */
export function positive(name: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isSafeInteger(value) && value > 0) return value;
    throw new UsageError(`${name} must be a whole number above 0, not ${JSON.stringify(text)}`);
  };
}

const connectionFile = z.object({
  natsUrl: z.string(),
  servers: z.array(z.string()).optional(),
  inboxPrefix: z.string().optional(),
  creds: z.string().optional(),
  tls: z.object({ ca: z.string().optional(), cert: z.string().optional(), key: z.string().optional() }).optional(),
  pageUrl: z.string().optional(),
});

export async function addressFor(options: CommonOptions): Promise<ConnectOptions> {
  const url = options.url ?? (options.dataDir === undefined ? process.env.FORESHARD_URL : undefined);
  const tls = tlsOf(options);
  const who = {
    ...(options.creds === undefined ? {} : { creds: options.creds }),
    ...(tls === undefined ? {} : { tls }),
  };
  if (url !== undefined && url !== "") return { servers: url, name: "foreshard-cli", ...who };
  const path = join(resolve(options.dataDir ?? "data"), "connection.json");
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined)
    throw new FaultError(
      fault(
        "CONFIG",
        `no running cluster was found: there is no ${path}. Start one with npm start, or name one with --url or --data-dir`,
      ),
    );
  const parsed = connectionFile.safeParse(valueOfJson(text));
  if (!parsed.success)
    throw new FaultError(fault("CONFIG", `${path} is damaged; start the cluster again, or name it with --url`));
  const { natsUrl, inboxPrefix, creds } = parsed.data;
  const files =
    tls ?? tlsOf({ tlsCa: parsed.data.tls?.ca, tlsCert: parsed.data.tls?.cert, tlsKey: parsed.data.tls?.key });
  return {
    servers: natsUrl,
    name: "foreshard-cli",
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
    ...(files === undefined ? {} : { tls: files }),
    // The address may carry a client's user already; the credentials are then those of the cluster itself.
    ...(creds === undefined || natsUrl.includes("@") ? {} : { creds }),
  };
}

function tlsOf({
  tlsCa,
  tlsCert,
  tlsKey,
}: { readonly [N in "tlsCa" | "tlsCert" | "tlsKey"]?: string | undefined }): ConnectOptions["tls"] {
  if (tlsCa === undefined && tlsCert === undefined && tlsKey === undefined) return undefined;
  return {
    ...(tlsCa === undefined ? {} : { ca: tlsCa }),
    ...(tlsCert === undefined ? {} : { cert: tlsCert }),
    ...(tlsKey === undefined ? {} : { key: tlsKey }),
  };
}

/** Where the cluster's page is; undefined where nobody can know (an address was given) or it is off. */
export async function pageOf({ url, dataDir }: CommonOptions): Promise<string | undefined> {
  if (url !== undefined || (dataDir === undefined && (process.env.FORESHARD_URL ?? "") !== "")) return undefined;
  const text = await readFile(join(resolve(dataDir ?? "data"), "connection.json"), "utf8").catch(() => "");
  const parsed = connectionFile.safeParse(valueOfJson(text));
  return parsed.success ? parsed.data.pageUrl : undefined;
}

/** Connects, works, and closes whatever happens. */
export async function withClient<T>(options: CommonOptions, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await connect(await addressFor(options));
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

/** `{deadlineMs}` when one was given. */
export function deadlineOf({ deadline }: CommonOptions): { deadlineMs?: number } {
  return deadline === undefined ? {} : { deadlineMs: deadline };
}
