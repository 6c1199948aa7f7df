// Row commands. Owns `foreshard put|get|delete|scan|aggregate|watch`.

import type { Command } from "commander";
import type { Client, GetOptions, RangeOptions, Row } from "../../cluster/client/index.js";
import { aggregateArgument, documentArgument, filterOf, gather, keyArgument, listArgument } from "./arguments.js";
import { exitCodes, UsageError } from "./failure.js";
import { cellText, jsonText, note, write, writeJson, writeTable } from "./output.js";
import { type CommonOptions, deadlineOf, positive, withClient, withCommon } from "./session.js";
import { common, keyText } from "./tables.js";

interface ReadFlags extends CommonOptions {
  readonly level?: string;
  readonly maxStale?: number;
}
export interface RangeFlags extends ReadFlags {
  readonly partition?: string;
  readonly from?: string;
  readonly to?: string;
  readonly prefix?: string;
  readonly where?: string[];
  readonly filter?: string;
}
interface ScanFlags extends RangeFlags {
  readonly limit?: number;
  readonly all?: boolean;
  readonly reverse?: boolean;
  readonly fields?: string;
}
interface WriteFlags extends CommonOptions {
  readonly ifVersion?: number;
  readonly insert?: boolean;
  readonly merge?: boolean;
}

const shownByDefault = 100;
const pageRows = 1000;

export function addRowCommands(program: Command): void {
  withCommon(program.command("put").argument("<table>").argument("<key>").argument("<document>", "a JSON object"))
    .description("write a row")
    .option("--insert", "only if there is no such row yet")
    .option("--merge", "merge into the row that is there (RFC 7386) instead of replacing it")
    .option("--if-version <version>", "only if the row has this version; 0 = only if there is none", wholeNumber)
    .action(async (table: string, key: string, document: string, flags: WriteFlags, command: Command) =>
      put(table, key, document, { ...flags, ...common(command) }),
    );
  reading(withCommon(program.command("get").argument("<table>").argument("<key...>")))
    .description("read rows by key")
    .option("--fields <paths>", "only these fields, with commas between them")
    .action(async (table: string, keys: string[], flags: ScanFlags, command: Command) =>
      get(table, keys, { ...flags, ...common(command) }),
    );
  withCommon(program.command("delete").argument("<table>").argument("<key>"))
    .description("delete a row")
    .option("--if-version <version>", "only if the row has this version", wholeNumber)
    .action(async (table: string, key: string, flags: WriteFlags, command: Command) =>
      remove(table, key, { ...flags, ...common(command) }),
    );
  ranging(withCommon(program.command("scan").argument("<table>")))
    .description("read rows in key order")
    .option("--limit <rows>", `how many rows to show (default: ${shownByDefault})`, positive("--limit"))
    .option("--all", "show all rows")
    .option("--reverse", "from the end")
    .option("--fields <paths>", "only these fields, with commas between them")
    .action(async (table: string, flags: ScanFlags, command: Command) => scan(table, { ...flags, ...common(command) }));
  ranging(
    withCommon(
      program
        .command("aggregate")
        .argument("<table>")
        .argument("<aggregates...>", "count, sum:field, avg:field:name …"),
    ),
  )
    .description("count, sum, min, max and avg over rows")
    .option("--by <fields>", "group by these fields, with commas between them")
    .action(async (table: string, aggregates: string[], flags: RangeFlags & { by?: string }, command: Command) =>
      aggregate(table, aggregates, { ...flags, ...common(command) }),
    );
  withCommon(program.command("watch").argument("<table>"))
    .description("follow the changes of a table, one JSON line each")
    .option("--cursor <cursor>", "go on where an earlier watch ended")
    .option("--where <condition>", 'only rows such as "age >= 18"; several must all hold', gather)
    .option("--filter <json>", "only rows that match this filter")
    .option("--count <changes>", "end after so many changes", positive("--count"))
    .action(async (table: string, flags: RangeFlags & { cursor?: string; count?: number }, command: Command) =>
      watch(table, { ...flags, ...common(command) }),
    );
}

function reading(command: Command): Command {
  return command
    .option("--level <level>", "strong (default), bounded or any")
    .option("--max-stale <ms>", "with --level bounded: how old an answer may be", positive("--max-stale"));
}

export function ranging(command: Command): Command {
  return reading(command)
    .option("--partition <key>", "rows of this partition key; the other bounds then speak of the sort key")
    .option("--from <key>", "from this key on")
    .option("--to <key>", "up to this key, which is not included")
    .option("--prefix <key>", "keys that begin so")
    .option("--where <condition>", 'only rows such as "age >= 18"; several must all hold', gather)
    .option("--filter <json>", "only rows that match this filter");
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new UsageError(`--if-version must be a whole number, not ${JSON.stringify(text)}`);
}

function readOptions({ level, maxStale, ...rest }: ReadFlags): GetOptions {
  if (level !== undefined && level !== "strong" && level !== "bounded" && level !== "any")
    throw new UsageError("--level is strong, bounded or any");
  if (level === "bounded" && maxStale === undefined) throw new UsageError("--level bounded needs --max-stale MS");
  return {
    ...(level === undefined ? {} : { level }),
    ...(maxStale === undefined ? {} : { maxStaleMs: maxStale }),
    ...deadlineOf(rest),
  };
}

export function rangeOptions(flags: RangeFlags): RangeOptions {
  const filter = filterOf(flags.where, flags.filter);
  return {
    ...readOptions(flags),
    ...(flags.partition === undefined ? {} : { partition: keyArgument(flags.partition) }),
    ...(flags.from === undefined ? {} : { from: keyArgument(flags.from) }),
    ...(flags.to === undefined ? {} : { to: keyArgument(flags.to) }),
    ...(flags.prefix === undefined ? {} : { prefix: keyArgument(flags.prefix) }),
    ...(filter === undefined ? {} : { filter }),
  };
}

async function put(table: string, key: string, text: string, flags: WriteFlags): Promise<void> {
  if (flags.insert === true && flags.merge === true) throw new UsageError("--insert and --merge exclude each other");
  const doc = documentArgument(text, "the document");
  const options = { ...(flags.ifVersion === undefined ? {} : { ifVersion: flags.ifVersion }), ...deadlineOf(flags) };
  const written = await withClient(flags, (client) => {
    const rows = client.table(table);
    if (flags.insert === true) return rows.insert(keyArgument(key), doc, deadlineOf(flags));
    return flags.merge === true
      ? rows.update(keyArgument(key), doc, options)
      : rows.put(keyArgument(key), doc, options);
  });
  await (flags.json === true ? writeJson(written) : write(`version ${written.version}\n`));
}

async function get(table: string, keys: readonly string[], flags: ScanFlags): Promise<void> {
  const options = { ...readOptions(flags), ...fieldsOf(flags) };
  const rows = await withClient(flags, (client) => client.table(table).getMany(keys.map(keyArgument), options));
  if (flags.json === true) await writeJson(keys.length === 1 ? { row: rows[0] ?? null } : { rows });
  else for (const row of rows) if (row !== null) await writeRow(row);
  const missing = keys.filter((_, index) => rows[index] === null);
  if (missing.length === 0) return;
  process.exitCode = exitCodes.fault;
  if (flags.json !== true) note(`no row ${missing.join(", ")} in table ${table}`);
}

function fieldsOf({ fields }: { readonly fields?: string }): { fields?: string[] } {
  return fields === undefined ? {} : { fields: listArgument(fields) };
}

async function writeRow({ key, version, doc }: Row<object>): Promise<void> {
  await write(`${keyText(key)}\t${version}\t${jsonText(doc)}\n`);
}

async function remove(table: string, key: string, flags: WriteFlags): Promise<void> {
  const options = { ...(flags.ifVersion === undefined ? {} : { ifVersion: flags.ifVersion }), ...deadlineOf(flags) };
  const gone = await withClient(flags, (client) => client.table(table).delete(keyArgument(key), options));
  await (flags.json === true ? writeJson(gone) : write(`deleted at version ${gone.version}\n`));
}

async function scan(table: string, flags: ScanFlags): Promise<void> {
  const most = flags.all === true ? Number.POSITIVE_INFINITY : (flags.limit ?? shownByDefault);
  const options = {
    ...rangeOptions(flags),
    ...fieldsOf(flags),
    ...(flags.reverse === true ? { reverse: true } : {}),
    limit: Math.min(pageRows, most),
  };
  const shown = await withClient(flags, (client) => show(client, table, options, most, flags.json === true));
  if (shown.more) note(`${shown.rows} rows shown, there are more: see them with --all or --limit`);
}

async function show(
  client: Client,
  table: string,
  options: RangeOptions & { limit: number },
  most: number,
  json: boolean,
): Promise<{ rows: number; more: boolean }> {
  let rows = 0;
  for await (const row of client.table(table).scan(options)) {
    if (rows === most) return { rows, more: true };
    rows++;
    await (json ? writeJson(row) : writeRow(row));
  }
  return { rows, more: false };
}

async function aggregate(table: string, words: readonly string[], flags: RangeFlags & { by?: string }): Promise<void> {
  const groupBy = flags.by === undefined ? [] : listArgument(flags.by);
  const options = { ...rangeOptions(flags), aggregates: words.map(aggregateArgument), groupBy };
  const answer = await withClient(flags, (client) => client.table(table).aggregate(options));
  if (flags.json === true) return writeJson(answer);
  const names = [...new Set(answer.groups.flatMap((group) => Object.keys(group)))].filter((name) => name !== "group");
  await writeTable(
    [...groupBy, ...names],
    answer.groups.map((row) => {
      const group =
        typeof row.group === "object" && row.group !== null ? new Map(Object.entries(row.group)) : new Map();
      return [...groupBy.map((path) => cellText(group.get(path))), ...names.map((name) => cellText(row[name]))];
    }),
  );
}

async function watch(table: string, flags: RangeFlags & { cursor?: string; count?: number }): Promise<void> {
  const filter = filterOf(flags.where, flags.filter);
  const stop = new AbortController();
  const end = (): void => stop.abort();
  process.once("SIGINT", end).once("SIGTERM", end);
  await withClient(flags, async (client) => {
    const feed = client.table(table).watch({
      signal: stop.signal,
      ...(flags.cursor === undefined ? {} : { cursor: flags.cursor }),
      ...(filter === undefined ? {} : { filter }),
    });
    let seen = 0;
    for await (const change of feed) {
      await writeJson(change);
      seen++;
      if (seen === flags.count) break;
    }
    if (feed.cursor !== undefined && flags.count === undefined) note(`go on with: --cursor ${feed.cursor}`);
  });
}
