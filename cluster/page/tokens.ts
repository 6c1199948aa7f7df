// Tokens. Owns the two secrets of the page: the viewers', needed beyond loopback, and the operator's, needed for orders. Each is drawn once and kept.

import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { valueOfJson } from "../../src/protocol/json-text.js";
import { writePrivate } from "../engine/credentials.js";

export const tokenFiles = { viewers: "viewers.json", operator: "operator.json" } as const;

const content = z.object({ token: z.string().min(16) });

export async function tokenIn(dataDir: string, whose: keyof typeof tokenFiles): Promise<Result<string>> {
  const path = join(dataDir, tokenFiles[whose]);
  try {
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text !== undefined) {
      const held = content.safeParse(valueOfJson(text));
      return held.success
        ? ok(held.data.token)
        : fail("DATA_DIR", `${path} is damaged: remove it, and a new token is drawn`);
    }
    const token = randomBytes(24).toString("base64url");
    await writePrivate(path, `${JSON.stringify({ token })}\n`);
    return ok(token);
  } catch (error) {
    return fail("DATA_DIR", `${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}
