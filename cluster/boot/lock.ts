// Lock. Owns the right of one running cluster to its data folder.
// L1 at most one process holds it. L2 a holder that was killed leaves nothing in the way: its mark does not match a living process.

import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { valueOfJson } from "../../src/protocol/json-text.js";
import { processMark } from "./process-mark.js";

const schema = z.object({ pid: z.number().int(), mark: z.string() });
const mostTries = 5;

/** Returns how to let go of it. */
export async function lockFolder(folder: string): Promise<Result<() => Promise<void>>> {
  const path = join(folder, "lock");
  const mine = JSON.stringify({ pid: process.pid, mark: (await processMark(process.pid)) ?? "" });
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, mine, { mode: 0o600 });
  try {
    for (let tries = 0; tries < mostTries; tries++) {
      if (await claim(draft, path)) return ok(() => release(path, mine));
      const held = await readFile(path, "utf8").catch(() => "");
      const holder = await livingHolder(held);
      if (holder !== undefined)
        return fail(
          "ALREADY_RUNNING",
          `a cluster runs on ${folder} already (pid ${holder}): stop it, or name another folder with --data-dir`,
          { pid: holder },
        );
      await putAside(path, held, draft);
    }
    return fail("DATA_DIR", `the lock ${path} is contended: try again`);
  } finally {
    await rm(draft, { force: true });
  }
}

/** A link is made whole or not at all, and never over an existing one. */
async function claim(draft: string, path: string): Promise<boolean> {
  return link(draft, path).then(
    () => true,
    () => false,
  );
}

async function livingHolder(text: string): Promise<number | undefined> {
  const found = schema.safeParse(valueOfJson(text));
  if (!found.success) return undefined;
  const mark = await processMark(found.data.pid);
  return mark !== undefined && mark === found.data.mark ? found.data.pid : undefined;
}

/** Removes the stale lock, but not one that somebody else claimed since we read it. */
async function putAside(path: string, stale: string, draft: string): Promise<void> {
  const aside = `${draft}.stale`;
  const moved = await rename(path, aside).then(
    () => true,
    () => false,
  );
  if (!moved) return;
  if ((await readFile(aside, "utf8").catch(() => stale)) !== stale) await claim(aside, path);
  await rm(aside, { force: true });
}

async function release(path: string, mine: string): Promise<void> {
  if ((await readFile(path, "utf8").catch(() => "")) === mine) await rm(path, { force: true });
}
