// Import. Owns `foreshard import`: a CSV or NDJSON file into a table, fast, with a bar, and to be taken up again where it stopped.

import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { Transform } from "node:stream";
import type { Command } from "commander";
import { type Client, FaultError } from "../../cluster/client/index.js";
import { fault } from "../../src/kernel/fault.js";
import { listArgument } from "./arguments.js";
import { typesArgument } from "./csv-typing.js";
import { faultOf, UsageError } from "./failure.js";
import { note, write, writeJson } from "./output.js";
import { startProgress } from "./progress.js";
import { forget, type ImportMark, markOf, resumePath, rowsDone, saveRows } from "./resume-file.js";
import { createRowWriter, RowFault, type RowWriter } from "./row-writer.js";
import { type CommonOptions, positive, withClient, withCommon } from "./session.js";
import { readRows, type SourceShape } from "./source-rows.js";
import { common } from "./tables.js";

interface ImportFlags extends CommonOptions {
  readonly format?: string;
  readonly key?: string;
  readonly types?: string;
  readonly dropKey?: boolean;
  readonly resume?: boolean;
  readonly inFlight?: number;
}

const defaultInFlightRows = 8000;
const defaultDeadlineMs = 30_000;
const saveEveryMs = 500;

export function addImportCommand(program: Command): void {
  withCommon(program.command("import").argument("<table>").argument("<file>", "- for standard input"))
    .description("put the rows of a CSV or NDJSON file into a table")
    .option("--format <format>", "csv or ndjson (default: by the file's name)")
    .option("--key <columns>", "columns that make the key: one, or two for partition and sort key")
    .option(
      "--types <types>",
      "types of columns, as in value:number,when:date (string, number, boolean, date, json; default: numbers are recognised)",
    )
    .option("--drop-key", "leave the key's columns out of the documents")
    .option("--resume", "go on where an earlier import of this file stopped")
    .option(
      "--in-flight <rows>",
      `rows on their way at once (default: ${defaultInFlightRows})`,
      positive("--in-flight"),
    )
    .action(async (table: string, file: string, flags: ImportFlags, command: Command) =>
      importRows(table, file, { ...flags, ...common(command) }),
    );
}

async function importRows(table: string, file: string, flags: ImportFlags): Promise<void> {
  const key = flags.key === undefined ? undefined : listArgument(flags.key);
  const mark = file === "-" ? undefined : await markOf(file, table, key ?? []);
  if (flags.resume === true && mark === undefined)
    throw new UsageError("standard input cannot be resumed; import from a file");
  const skip = flags.resume === true && mark !== undefined ? await rowsDone(file, mark) : 0;
  const shape: SourceShape = {
    format: formatOf(flags.format, file),
    key,
    types: flags.types === undefined ? new Map() : typesArgument(flags.types),
    dropKey: flags.dropKey === true,
    skip,
  };
  const startedMs = performance.now();
  const rows = await withClient(flags, (client) => pour(client, table, { file, mark, shape, flags }));
  const seconds = (performance.now() - startedMs) / 1000;
  const perSecond = Math.round((rows - skip) / Math.max(seconds, 0.001));
  if (flags.json === true)
    return writeJson({
      table,
      rows: rows - skip,
      resumedAt: skip,
      seconds: Math.round(seconds * 1000) / 1000,
      rowsPerSecond: perSecond,
    });
  const resumed = skip === 0 ? "" : ` after ${skip} of an earlier import`;
  await write(`${rows - skip} rows${resumed} acknowledged in ${seconds.toFixed(1)} s (${perSecond} rows/s)\n`);
}

export function formatOf(named: string | undefined, file: string): "csv" | "ndjson" {
  const format = named ?? (/\.(ndjson|jsonl)$/i.test(file) ? "ndjson" : /\.csv$/i.test(file) ? "csv" : undefined);
  if (format === "csv" || format === "ndjson") return format;
  throw new UsageError("say with --format whether it is csv or ndjson");
}

interface Pouring {
  readonly file: string;
  readonly mark: ImportMark | undefined;
  readonly shape: SourceShape;
  readonly flags: ImportFlags;
}

async function pour(client: Client, name: string, { file, mark, shape, flags }: Pouring): Promise<number> {
  const { table } = await client.cluster.table(name);
  const writer = createRowWriter(client.table<object>(name), {
    inFlightRows: flags.inFlight ?? defaultInFlightRows,
    deadlineMs: flags.deadline ?? defaultDeadlineMs,
    skipped: shape.skip,
  });
  const counted = countBytes(file === "-" ? process.stdin : createReadStream(file));
  const progress = startProgress(flags.json !== true, mark?.sizeBytes);
  let stopped = false;
  const stop = (): void => {
    stopped = true;
  };
  process.once("SIGINT", stop).once("SIGTERM", stop);
  const save = saver(file, mark, writer, () => progress.update(counted.bytes(), writer.acknowledged - shape.skip));
  try {
    for await (const row of readRows(counted.stream, shape, table)) {
      await writer.add(row);
      if (stopped) throw new FaultError(fault("NOT_POSSIBLE", "the import was interrupted"));
    }
    await writer.finish();
  } catch (error) {
    await save.now();
    progress.end();
    if (mark !== undefined && flags.json !== true)
      note(`${writer.acknowledged} rows are done; go on with --resume (kept in ${resumePath(file)})`);
    throw error instanceof RowFault ? named(error) : error;
  } finally {
    save.end();
    process.removeListener("SIGINT", stop).removeListener("SIGTERM", stop);
  }
  progress.end();
  if (mark !== undefined) await forget(file);
  return writer.acknowledged;
}

/** The fault of a group of rows, with their numbers. */
function named({ fault: cause, first, last }: RowFault): FaultError {
  const why = faultOf(cause);
  const where = first === last ? `row ${first}` : `rows ${first} to ${last}`;
  return new FaultError({ ...why, message: `${where}: ${why.message}` });
}

/** Saves how far the import came, now and then; one save at a time. */
function saver(file: string, mark: ImportMark | undefined, writer: RowWriter, shown: () => void) {
  let last: Promise<void> = Promise.resolve();
  const now = (): Promise<void> => {
    if (mark !== undefined) last = last.then(() => saveRows(file, mark, writer.acknowledged)).catch(() => undefined);
    return last;
  };
  const timer = setInterval(() => {
    shown();
    void now();
  }, saveEveryMs);
  return { now, end: () => clearInterval(timer) };
}

function countBytes(source: Readable): { readonly stream: Readable; bytes(): number } {
  let bytes = 0;
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  source.once("error", (error) => counter.destroy(error));
  return { stream: source.pipe(counter), bytes: () => bytes };
}
