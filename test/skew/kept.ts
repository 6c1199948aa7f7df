// Kept. Owns the folder test/fixtures/VERSION: the bytes of every example as that version wrote them, in base64, by name and meaning.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { controlExamples } from "./control-examples.js";
import type { Example } from "./example.js";
import { execExamples } from "./exec-examples.js";
import { ledgerExamples } from "./ledger-examples.js";
import { newsExamples } from "./news-examples.js";
import { storedExamples } from "./stored-examples.js";

/** The minor version of this code: as long as it stands, its bytes may not change. */
export const writtenVersion = "0.1";

export const examples: readonly Example[] = [
  ...execExamples,
  ...controlExamples,
  ...newsExamples,
  ...ledgerExamples,
  ...storedExamples,
];

const kept = z.array(z.strictObject({ name: z.string(), meaning: z.string(), base64: z.base64() }));
export type Kept = z.infer<typeof kept>;

function fileOf(version: string): string {
  return fileURLToPath(new URL(`../../../test/fixtures/${version}/bytes.json`, import.meta.url));
}

export async function readKept(version: string): Promise<Kept> {
  return kept.parse(JSON.parse(await readFile(fileOf(version), "utf8")));
}

/** Refuses to write over what is there: old bytes stay as they were. */
export async function writeKept(version: string): Promise<string> {
  const lines: Kept = examples.map(({ name, meaning, encode }) => ({
    ...{ name, meaning },
    base64: Buffer.from(encode()).toString("base64"),
  }));
  const file = fileOf(version);
  await mkdir(fileURLToPath(new URL(".", `file://${file}`)), { recursive: true });
  await writeFile(file, `${JSON.stringify(lines, null, 2)}\n`, { flag: "wx" });
  return file;
}
