// Credentials. Owns the users and passwords of the embedded engine: drawn once, kept in one file that only its owner reads.
// C1 the file has mode 0600 from its first byte. C2 a restart finds the same passwords, so that what clients hold stays good.

import { randomBytes } from "node:crypto";
import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { fail, ok, type Result } from "../../src/kernel/fault.js";

const user = z.object({ user: z.string().min(1), pass: z.string().min(1), inboxPrefix: z.string().min(1) });
const schema = z.object({ core: user, client: user, sys: user, route: user });

export type UserCredentials = Readonly<z.infer<typeof user>>;
/** `core`: the actors. `client`: whoever asks queries. `sys`: the server's own account. `route`: servers among themselves. */
export type Credentials = Readonly<z.infer<typeof schema>>;

export async function loadCredentials(dataDir: string): Promise<Result<Credentials>> {
  const path = join(dataDir, "credentials.json");
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return create(path);
  const found = schema.safeParse(parse(text));
  if (found.success) return ok(found.data);
  return fail("DATA_DIR", `${path} is damaged: put it back from a copy, or delete it to have new passwords made`);
}

async function create(path: string): Promise<Result<Credentials>> {
  const made: Credentials = { core: draw("core"), client: draw("client"), sys: draw("sys"), route: draw("route") };
  try {
    await writePrivate(path, `${JSON.stringify(made, null, 2)}\n`);
    return ok(made);
  } catch (error) {
    return fail("DATA_DIR", `${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function draw(name: string): UserCredentials {
  return { user: name, pass: randomBytes(18).toString("base64url"), inboxPrefix: `_INBOX_${name}` };
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

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
