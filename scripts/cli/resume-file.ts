// Resume file. Owns the small file beside an imported one that says how far an import came; it is gone when the import is complete.
// F1 it never counts a row that was not acknowledged. F2 it is written whole or not at all. F3 it fits only the file, table and key it was made for.

import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { z } from "zod";
import { valueOfJson } from "../../src/protocol/json-text.js";
import { UsageError } from "./failure.js";

const schema = z.object({
  format: z.literal(1),
  table: z.string(),
  key: z.array(z.string()),
  sizeBytes: z.number(),
  modifiedMs: z.number(),
  rows: z.number().int().min(0),
});

export interface ImportMark {
  readonly table: string;
  readonly key: readonly string[];
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

export function resumePath(file: string): string {
  return `${file}.foreshard-import`;
}

export async function markOf(file: string, table: string, key: readonly string[]): Promise<ImportMark> {
  const facts = await stat(file).catch(() => undefined);
  if (facts === undefined || !facts.isFile()) throw new UsageError(`there is no file ${file}`);
  return { table, key, sizeBytes: facts.size, modifiedMs: Math.floor(facts.mtimeMs) };
}

/** Rows that an earlier import of the same file has done; 0 without one. */
export async function rowsDone(file: string, mark: ImportMark): Promise<number> {
  const text = await readFile(resumePath(file), "utf8").catch(() => undefined);
  if (text === undefined) return 0;
  const found = schema.safeParse(valueOfJson(text));
  if (!found.success) throw new UsageError(`${resumePath(file)} is damaged; delete it and import from the start`);
  const { table, key, sizeBytes, modifiedMs, rows } = found.data;
  const same =
    table === mark.table &&
    sizeBytes === mark.sizeBytes &&
    modifiedMs === mark.modifiedMs &&
    key.join("\n") === mark.key.join("\n");
  if (!same)
    throw new UsageError(
      `${resumePath(file)} belongs to an import of another file, table or key; delete it, or import without --resume`,
    );
  return rows;
}

export async function saveRows(file: string, mark: ImportMark, rows: number): Promise<void> {
  const draft = `${resumePath(file)}.new`;
  await writeFile(draft, `${JSON.stringify({ format: 1, ...mark, rows })}\n`);
  await rename(draft, resumePath(file));
}

export async function forget(file: string): Promise<void> {
  await rm(resumePath(file), { force: true });
}
