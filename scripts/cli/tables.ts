// Table commands. Owns `foreshard table create|list|describe|drop`.

import type { Command } from "commander";
import type { Key, KeyTypeName, TableWish } from "../../cluster/client/index.js";
import { keyArgument, listArgument } from "./arguments.js";
import { UsageError } from "./failure.js";
import { jsonText, note, write, writeJson, writeTable } from "./output.js";
import { type CommonOptions, deadlineOf, positive, withClient, withCommon } from "./session.js";
import { visible } from "./terminal.js";

interface CreateOptions extends CommonOptions {
  readonly range?: boolean;
  readonly key?: string;
  readonly fragments?: number;
  readonly split?: string;
  readonly replicas?: number;
}

const keyTypes: readonly KeyTypeName[] = ["string", "number", "date", "bytes", "tuple", "any"];

export function addTableCommands(program: Command): void {
  const table = program.command("table").description("make, list, describe and drop tables");
  withCommon(table.command("create").argument("<name>"))
    .description("make a table")
    .option("--range", "keep rows in key order (default: spread them by hash)")
    .option(
      "--key <types>",
      "key types: partition, or partition,sort (string, number, date, bytes, tuple, any; default: string)",
    )
    .option("--fragments <count>", "into how many fragments a hash table is cut (default: 16)", positive("--fragments"))
    .option("--split <keys>", "where a range table is cut: a JSON array of keys, or keys with commas between them")
    .option(
      "--replicas <count>",
      "copies of each fragment (default: 3, or as many as there are nodes)",
      positive("--replicas"),
    )
    .action(async (name: string, options: CreateOptions, command: Command) =>
      create(name, { ...options, ...common(command) }),
    );
  withCommon(table.command("list"))
    .description("all tables")
    .action(async (_options: CommonOptions, command: Command) => list(common(command)));
  withCommon(table.command("describe").argument("<name>"))
    .description("one table and its fragments")
    .action(async (name: string, _options: CommonOptions, command: Command) => describe(name, common(command)));
  withCommon(table.command("drop").argument("<name>"))
    .description("drop a table and all its rows")
    .option("--yes", "do not ask; needed, for there is no way back")
    .action(async (name: string, options: { yes?: boolean }, command: Command) =>
      drop(name, options.yes === true, common(command)),
    );
}

/** Options of the command together with those given before its name. */
export function common(command: Command): CommonOptions {
  return command.optsWithGlobals<CommonOptions>();
}

async function create(name: string, options: CreateOptions): Promise<void> {
  const wish: TableWish = {
    name,
    partitioning: options.range === true ? "range" : "hash",
    ...(options.key === undefined ? {} : { key: keyTypesOf(options.key) }),
    ...(options.fragments === undefined ? {} : { fragments: options.fragments }),
    ...(options.split === undefined ? {} : { splitAt: splitKeys(options.split) }),
    ...(options.replicas === undefined ? {} : { replicas: options.replicas }),
    ...deadlineOf(options),
  };
  const made = await withClient(options, (client) => client.admin.createTable(wish));
  if (options.json === true) return writeJson(made);
  await write(`table ${made.table} serves: ${made.fragments} fragments, ${made.replicas} copies of each\n`);
}

function keyTypesOf(text: string): { partition: KeyTypeName; sort?: KeyTypeName } {
  const named = listArgument(text).map((word) => {
    const type = keyTypes.find((known) => known === word);
    if (type === undefined)
      throw new UsageError(`${JSON.stringify(word)} is no key type; there are ${keyTypes.join(", ")}`);
    return type;
  });
  const [partition, sort, ...more] = named;
  if (partition === undefined || more.length > 0)
    throw new UsageError("--key takes one type, or two for partition and sort key");
  return sort === undefined ? { partition } : { partition, sort };
}

function splitKeys(text: string): readonly Key[] {
  const asked = keyArgument(text);
  return Array.isArray(asked) ? asked : listArgument(text).map(keyArgument);
}

async function list(options: CommonOptions): Promise<void> {
  const tables = await withClient(options, (client) => client.cluster.tables());
  if (options.json === true) return writeJson({ tables });
  if (tables.length === 0) return note("no tables yet; make one with: foreshard table create NAME");
  await writeTable(
    ["TABLE", "BY", "KEY", "COPIES", "FRAGMENTS", "SERVING"],
    tables.map(({ name, partitioning, key, replicas, fragments, serving }) => [
      name,
      partitioning,
      key.sort === undefined ? key.partition : `${key.partition}, ${key.sort}`,
      replicas,
      fragments,
      serving,
    ]),
  );
}

async function describe(name: string, options: CommonOptions): Promise<void> {
  const { table, fragments } = await withClient(options, (client) => client.cluster.table(name));
  if (options.json === true) return writeJson({ table, fragments });
  const { partition, sort } = table.key;
  await write(
    `${table.name}: partitioned by ${table.partitioning}, key ${partition}${sort === undefined ? "" : `, then ${sort}`}, ${table.replicas} copies, ${table.serving} of ${table.fragments} fragments serve\n\n`,
  );
  await writeTable(
    ["FRAGMENT", "FROM", "TO", "PRIMARY", "EPOCH", "REPLICAS"],
    fragments.map(({ id, from, to, primary, epoch, replicas }) => [
      id,
      from === null ? "(start)" : keyText(from),
      to === null ? "(end)" : keyText(to),
      primary,
      epoch,
      replicas.map(({ node, state }) => (state === "ready" ? node : `${node} (${state})`)).join(" "),
    ]),
  );
}

export function keyText(key: Key): string {
  return typeof key === "string" ? visible(key) : jsonText(key);
}

async function drop(name: string, yes: boolean, options: CommonOptions): Promise<void> {
  if (!yes) throw new UsageError(`dropping ${name} deletes all its rows for good; say --yes if you mean it`);
  await withClient(options, (client) => client.admin.dropTable(name));
  if (options.json === true) return writeJson({ dropped: name });
  await write(`table ${name} was dropped\n`);
}
