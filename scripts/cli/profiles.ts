// Profile commands. Owns `foreshard profile put|list|remove`: demand that is declared before it comes.

import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import type { ProfileInfo, ProfileWish } from "../../cluster/client/index.js";
import { documentArgument } from "./arguments.js";
import { UsageError } from "./failure.js";
import { note, write, writeJson, writeTable } from "./output.js";
import { type CommonOptions, deadlineOf, withClient, withCommon } from "./session.js";
import { common } from "./tables.js";

const example = `
A profile is a JSON file such as
  {"name": "nightly", "group": "report", "tables": ["orders"], "schedule": "0 2 * * *", "timeZone": "Europe/Oslo",
   "duration": "30m", "rates": {"scan": 20, "get": 200}, "expires": "2027-12-31"}
and a calendar event, for all groups,
  {"name": "sale", "group": "*", "tables": ["orders"], "schedule": "0 8 27 11 *", "duration": "12h", "factor": 3, "expires": "2027-12-31"}
A table may also be {"table": "orders", "keys": [...]}: only those keys are asked.`;

export function addProfileCommands(program: Command): void {
  const profile = program.command("profile").description("demand that client groups declare in advance");
  withCommon(profile.command("put").argument("<file>"))
    .description("declare what stands in a JSON file, or declare it anew")
    .addHelpText("after", example)
    .action(async (file: string, _options: CommonOptions, command: Command) => put(file, common(command)));
  withCommon(profile.command("list"))
    .description("declared profiles, and when they begin next")
    .action(async (_options: CommonOptions, command: Command) => list(common(command)));
  withCommon(profile.command("remove").argument("<name>"))
    .description("take a profile back")
    .action(async (name: string, _options: CommonOptions, command: Command) => remove(name, common(command)));
}

async function put(file: string, options: CommonOptions): Promise<void> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) throw new UsageError(`the file ${file} cannot be read`);
  // What a profile must be is decided where it is decoded: in the cluster.
  const wish = { ...documentArgument(text, file), ...deadlineOf(options) } as unknown as ProfileWish;
  await withClient(options, (client) => client.admin.putProfile(wish));
  await (options.json === true ? writeJson({ profile: wish.name }) : write(`profile ${wish.name} is declared\n`));
}

async function list(options: CommonOptions): Promise<void> {
  const profiles = await withClient(options, (client) => client.cluster.profiles());
  if (options.json === true) return writeJson({ profiles });
  if (profiles.length === 0) return note("no profiles are declared");
  await writeTable(
    ["PROFILE", "GROUP", "TABLES", "SCHEDULE", "LASTS", "DEMAND", "NEXT", "EXPIRES"],
    profiles.map((profile) => [
      profile.name,
      profile.group,
      profile.tables.map(({ table, keys }) => (keys === 0 ? table : `${table} (${keys} keys)`)).join(" "),
      `${profile.schedule} ${profile.timeZone}`,
      `${profile.durationMs / 60_000} min`,
      demandOf(profile),
      profile.nextMs === null ? "never" : new Date(profile.nextMs).toISOString(),
      new Date(profile.expiresMs).toISOString().slice(0, 10),
    ]),
  );
}

function demandOf({ rates, factor }: ProfileInfo): string {
  if (factor !== null) return `times ${factor}`;
  return Object.entries(rates)
    .map(([op, rate]) => `${rate} ${op}/s`)
    .join(" ");
}

async function remove(name: string, options: CommonOptions): Promise<void> {
  await withClient(options, (client) => client.admin.removeProfile(name));
  await (options.json === true ? writeJson({ removed: name }) : write(`profile ${name} is removed\n`));
}
