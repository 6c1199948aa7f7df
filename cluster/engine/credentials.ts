// Credentials. Owns the users and passwords of the embedded engine: drawn once, kept in one file that only its owner reads.
// C1 the file has mode 0600 from its first byte. C2 a restart finds the same passwords, so that what clients hold stays good.
// C3 a folder of an earlier version, which knew fewer users, gets the missing ones drawn.

import { randomBytes } from "node:crypto";
import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { valueOfJson } from "../../src/protocol/json-text.js";

const user = z.object({ user: z.string().min(1), pass: z.string().min(1), inboxPrefix: z.string().min(1) });
export type UserCredentials = Readonly<z.infer<typeof user>>;

/** The users inside: one per kind of actor, `keeper` the supervisor, `core` whoever works behind the cluster's back with this file. */
export const innerUsers = ["core", "keeper", "node", "router", "control", "forecaster"] as const;
export type InnerUser = (typeof innerUsers)[number];
/** `client`: whoever asks queries. `sys`: the server's own account. `route`: servers among themselves. */
export const reservedUsers = [...innerUsers, "client", "sys", "route"] as const;
export type Credentials = { readonly [U in (typeof reservedUsers)[number]]: UserCredentials };

const schema = z.partialRecord(z.enum(reservedUsers), user);
/** What every version had. */
const oldest = ["core", "client", "sys", "route"] as const;

export async function loadCredentials(dataDir: string): Promise<Result<Credentials>> {
  const path = join(dataDir, "credentials.json");
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return complete(path, {});
  const found = schema.safeParse(valueOfJson(text));
  if (found.success && oldest.every((name) => found.data[name] !== undefined)) return complete(path, found.data);
  return fail("DATA_DIR", `${path} is damaged: put it back from a copy, or delete it to have new passwords made`);
}

/** Draws whoever is missing. */
async function complete(path: string, held: Partial<Credentials>): Promise<Result<Credentials>> {
  const all = filled(held);
  if (reservedUsers.every((name) => held[name] !== undefined)) return ok(all);
  try {
    await writePrivate(path, `${JSON.stringify(all, null, 2)}\n`);
    return ok(all);
  } catch (error) {
    return fail("DATA_DIR", `${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function filled(held: Partial<Credentials>): Credentials {
  const of = (name: keyof Credentials): UserCredentials => held[name] ?? draw(name);
  return {
    core: of("core"),
    keeper: of("keeper"),
    node: of("node"),
    router: of("router"),
    control: of("control"),
    forecaster: of("forecaster"),
    client: of("client"),
    sys: of("sys"),
    route: of("route"),
  };
}

/** All of them, new. */
export function drawCredentials(): Credentials {
  return filled({});
}

export function drawPassword(): string {
  return randomBytes(18).toString("base64url");
}

function draw(name: string): UserCredentials {
  return { user: name, pass: drawPassword(), inboxPrefix: `_INBOX_${name}` };
}

/** Whole or not at all, and never readable by others. */
export async function writePrivate(path: string, text: string): Promise<void> {
  const draft = `${path}.${process.pid}.new`;
  const file = await open(draft, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
}
