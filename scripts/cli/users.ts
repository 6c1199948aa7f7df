// User commands. Owns `foreshard user add|remove|rotate|list` and `foreshard audit`: who is let in, and what was asked for.
// C1 a password is written to a file of mode 0600, or to standard output where that is asked for; never both.

import { resolve } from "node:path";
import type { Command } from "commander";
import type { AuditAct, UserLogin, UserWish } from "../../cluster/client/index.js";
import { writePrivate } from "../../cluster/engine/credentials.js";
import { listArgument } from "./arguments.js";
import { UsageError } from "./failure.js";
import { note, write, writeJson, writeTable } from "./output.js";
import { type CommonOptions, positive, withClient, withCommon } from "./session.js";
import { common } from "./tables.js";

interface AddOptions {
  readonly role: string;
  readonly tables?: string;
  readonly read?: string;
  readonly maxConnections?: number;
  readonly maxSubscriptions?: number;
  readonly maxPayload?: number;
  readonly out?: string;
}

const example = `
Examples:
  $ foreshard user add shop --role writer --tables orders,users --read prices --out shop.json
  $ foreshard get prices tea --url nats://HOST:PORT --creds shop.json
A reader reads, a writer reads and writes its tables, an operator may do everything. See docs/SECURITY.md.`;

export function addUserCommands(program: Command): void {
  const user = program.command("user").description("let others in, each with a role on tables");
  withCommon(user.command("add").argument("<name>"))
    .description("add a user; its password is drawn")
    .requiredOption("--role <role>", "reader, writer or operator")
    .option("--tables <names>", "tables of the role, with commas between them (default: all)")
    .option("--read <names>", "more tables that a writer may only read")
    .option("--max-connections <count>", "connections of this user on each server", positive("--max-connections"))
    .option("--max-subscriptions <count>", "subscriptions of this user on each server", positive("--max-subscriptions"))
    .option("--max-payload <bytes>", "the largest message of this user", positive("--max-payload"))
    .option("--out <file>", "write user and password there, for --creds (default: print them)")
    .addHelpText("after", example)
    .action(async (name: string, options: AddOptions, command: Command) => add(name, options, common(command)));
  withCommon(user.command("rotate").argument("<name>"))
    .description("give a user a new password; connections with the old one end")
    .option("--out <file>", "write user and password there (default: print them)")
    .action(async (name: string, { out }: { out?: string }, command: Command) => rotate(name, out, common(command)));
  withCommon(user.command("remove").argument("<name>"))
    .description("shut a user out; its connections end")
    .action(async (name: string, _options: object, command: Command) => remove(name, common(command)));
  withCommon(user.command("list"))
    .description("users that were added")
    .action(async (_options: object, command: Command) => list(common(command)));
  withCommon(program.command("audit"))
    .description("who asked for changes of the cluster, what, when, and what was decided")
    .option("--limit <count>", "how many notes, newest first (default: 50)", positive("--limit"))
    .action(async ({ limit }: { limit?: number }, command: Command) => audit(limit, common(command)));
}

async function add(name: string, options: AddOptions, session: CommonOptions): Promise<void> {
  const login = await withClient(session, (client) => client.admin.addUser(wishOf(name, options)));
  await handOut(login, options.out, session);
}

function wishOf(user: string, options: AddOptions): UserWish {
  const role = (["reader", "writer", "operator"] as const).find((known) => known === options.role);
  if (role === undefined) throw new UsageError("--role must be reader, writer or operator");
  const { maxConnections, maxSubscriptions, maxPayload } = options;
  return {
    user,
    role,
    ...(options.tables === undefined ? {} : { tables: listArgument(options.tables) }),
    ...(options.read === undefined ? {} : { reads: listArgument(options.read) }),
    limits: {
      ...(maxConnections === undefined ? {} : { maxConnections }),
      ...(maxSubscriptions === undefined ? {} : { maxSubscriptions }),
      ...(maxPayload === undefined ? {} : { maxPayloadBytes: maxPayload }),
    },
  };
}

async function rotate(name: string, out: string | undefined, session: CommonOptions): Promise<void> {
  const login = await withClient(session, (client) => client.admin.rotateUser(name));
  await handOut(login, out, session);
}

async function handOut(login: UserLogin, out: string | undefined, { json }: CommonOptions): Promise<void> {
  if (out === undefined && json === true) return writeJson(login);
  const [server = ""] = login.servers;
  if (out === undefined) return write(`nats://${login.user}:${login.pass}@${server}\n`);
  const path = resolve(out);
  await writePrivate(path, `${JSON.stringify(login, null, 2)}\n`);
  if (json === true) return writeJson({ user: login.user, file: path });
  await write(`user ${login.user} is in ${path}: foreshard … --url nats://${server} --creds ${out}\n`);
}

async function remove(name: string, session: CommonOptions): Promise<void> {
  await withClient(session, (client) => client.admin.removeUser(name));
  await (session.json === true ? writeJson({ removed: name }) : write(`user ${name} is removed\n`));
}

async function list(session: CommonOptions): Promise<void> {
  const users = await withClient(session, (client) => client.cluster.users());
  if (session.json === true) return writeJson({ users });
  if (users.length === 0) return note("no users were added; the client user of the printed address is an operator");
  await writeTable(
    ["USER", "ROLE", "TABLES", "READS", "SINCE"],
    users.map(({ user, role, tables, reads, sinceMs }) => [
      user,
      role,
      role === "operator" ? "(all)" : tables.join(" "),
      reads.join(" "),
      new Date(sinceMs).toISOString(),
    ]),
  );
}

async function audit(limit: number | undefined, session: CommonOptions): Promise<void> {
  const { acts } = await withClient(session, (client) => client.cluster.audit(limit));
  if (session.json === true) return writeJson({ acts });
  if (acts.length === 0) return note("nothing was asked for yet");
  await writeTable(["WHEN", "WHO", "ASKED FOR", "DECISION"], acts.map(lineOf));
}

function lineOf({ atMs, user, op, what, phase, decision }: AuditAct): string[] {
  const fields = Object.entries(what).map(
    ([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return [
    new Date(atMs).toISOString(),
    user === "" ? "(inside)" : user,
    [op, ...fields].join(" "),
    phase === "asked" ? "" : (decision ?? ""),
  ];
}
