// Export. Owns `foreshard export`: the rows of a table, or of a range, as NDJSON (exact) or CSV (flat).

import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import type { Writable } from "node:stream";
import { finished } from "node:stream/promises";
import type { Command } from "commander";
import { stringify } from "csv-stringify/sync";
import type { Client, Row, ScanOptions, TableInfo } from "../../cluster/client/index.js";
import { listArgument } from "./arguments.js";
import { formatOf } from "./import.js";
import { cellText, jsonText, note } from "./output.js";
import { startProgress } from "./progress.js";
import { type RangeFlags, rangeOptions, ranging } from "./rows.js";
import { withClient, withCommon } from "./session.js";
import { common } from "./tables.js";

interface ExportFlags extends RangeFlags {
  readonly format?: string;
  readonly columns?: string;
}

const pageRows = 2000;
/** CSV columns are those of the first rows, where none are named. */
const lookAheadRows = 1000;

export function addExportCommand(program: Command): void {
  ranging(withCommon(program.command("export").argument("<table>").argument("[file]", "- for standard output", "-")))
    .description("write rows of a table to a CSV or NDJSON file")
    .option("--format <format>", "csv or ndjson (default: by the file's name, ndjson on standard output)")
    .option("--columns <fields>", "fields of a CSV file, with commas between them (default: those of the first rows)")
    .action(async (table: string, file: string, flags: ExportFlags, command: Command) =>
      exportRows(table, file, { ...flags, ...common(command) }),
    );
}

async function exportRows(name: string, file: string, flags: ExportFlags): Promise<void> {
  const format = file === "-" && flags.format === undefined ? "ndjson" : formatOf(flags.format, file);
  const draft = `${file}.part`;
  const sink: Writable = file === "-" ? process.stdout : createWriteStream(draft);
  const failed = file === "-" ? undefined : once(sink, "error").then(([error]) => Promise.reject(error));
  failed?.catch(() => undefined);
  const options = { ...rangeOptions(flags), limit: pageRows };
  try {
    const work = withClient(flags, (client) => pour(client, name, options, format, sink, flags));
    const rows = await (failed === undefined ? work : Promise.race([work, failed]));
    if (file !== "-") {
      sink.end();
      await finished(sink);
      await rename(draft, file);
    }
    note(flags.json === true ? JSON.stringify({ table: name, rows }) : `${rows} rows written`);
  } catch (error) {
    if (file !== "-") {
      sink.destroy();
      await rm(draft, { force: true });
    }
    throw error;
  }
}

async function pour(
  client: Client,
  name: string,
  options: ScanOptions,
  format: "csv" | "ndjson",
  sink: Writable,
  flags: ExportFlags,
): Promise<number> {
  const { table } = await client.cluster.table(name);
  const progress = startProgress(flags.json !== true && sink !== process.stdout, undefined);
  const lines =
    format === "csv"
      ? csvLines(table, flags.columns === undefined ? undefined : listArgument(flags.columns))
      : ndjsonLines();
  let rows = 0;
  let text = "";
  for await (const row of client.table(name).scan(options)) {
    rows++;
    text += lines.next(row);
    if (text.length < chunkChars) continue;
    await put(sink, text);
    text = "";
    progress.update(0, rows);
  }
  await put(sink, text + lines.end());
  progress.end();
  if (lines.left() > 0)
    note(`${lines.left()} fields that are no columns were left out; name the columns with --columns, or use NDJSON`);
  return rows;
}

const chunkChars = 64 * 1024;

async function put(sink: Writable, text: string): Promise<void> {
  if (text !== "" && !sink.write(text)) await once(sink, "drain");
}

interface Lines {
  next(row: Row<object>): string;
  end(): string;
  /** Fields that found no column. */
  left(): number;
}

function ndjsonLines(): Lines {
  return { next: ({ key, doc }) => `${jsonText({ key, doc })}\n`, end: () => "", left: () => 0 };
}

/** The key stands in columns of its own, before the fields. */
function csvLines({ key }: TableInfo, named: readonly string[] | undefined): Lines {
  const keyColumns = key.sort === undefined ? ["key"] : ["key.partition", "key.sort"];
  let early: Row<object>[] = [];
  let columns: readonly string[] | undefined = named;
  let begun = false;
  let left = 0;

  function line(row: Row<object>, fields: readonly string[]): string {
    const cells = new Map<string, unknown>(Object.entries(row.doc));
    for (const name of cells.keys()) if (!fields.includes(name)) left++;
    const parts = key.sort === undefined || !Array.isArray(row.key) ? [row.key] : row.key;
    return stringify([[...parts.map(cellOf), ...fields.map((name) => cellOf(cells.get(name)))]]);
  }
  function begin(fields: readonly string[]): string {
    begun = true;
    const rows = early;
    early = [];
    return stringify([[...keyColumns, ...fields]]) + rows.map((row) => line(row, fields)).join("");
  }
  function fieldsSeen(): readonly string[] {
    columns ??= [...new Set(early.flatMap(({ doc }) => Object.keys(doc)))];
    return columns;
  }
  return {
    next(row) {
      if (begun) return line(row, fieldsSeen());
      early.push(row);
      return named !== undefined || early.length >= lookAheadRows ? begin(fieldsSeen()) : "";
    },
    end: () => (begun ? "" : begin(fieldsSeen())),
    left: () => left,
  };
}

function cellOf(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  return typeof value === "number" ? String(value) : cellText(value);
}
