// Reshape commands. Owns `foreshard split|merge|hot`: fragments that change their bounds by hand, and the keys that make one want to.

import type { Command } from "commander";
import { keyArgument } from "./arguments.js";
import { UsageError } from "./failure.js";
import { fragmentArgument } from "./move-lines.js";
import { note, write, writeJson, writeTable } from "./output.js";
import { type CommonOptions, deadlineOf, withClient, withCommon } from "./session.js";
import { common, keyText } from "./tables.js";

interface SplitOptions extends CommonOptions {
  readonly at?: string;
}

/** From this share on, cutting the fragment leaves one half as hot as the whole was. */
const tooHotToSplit = 0.5;

export function addReshapeCommands(program: Command): void {
  withCommon(program.command("split").argument("<fragment>", "TABLE/NUMBER, such as users/16"))
    .description("cut a fragment in two where its load is halved, or at a key; no row is copied")
    .option("--at <key>", "the first key of the new fragment")
    .action(async (fragment: string, options: SplitOptions, command: Command) =>
      split(fragment, { ...options, ...common(command) }),
    );
  withCommon(program.command("merge").argument("<left>", "TABLE/NUMBER").argument("<right>", "its right neighbour"))
    .description("make one fragment of two neighbours that lie on the same nodes")
    .action(async (left: string, right: string, _options: CommonOptions, command: Command) =>
      merge(left, right, common(command)),
    );
  withCommon(program.command("hot").argument("[table]"))
    .description("keys that are asked for most, and their share of their fragment's load")
    .action(async (table: string | undefined, _options: CommonOptions, command: Command) =>
      hot(table, common(command)),
    );
}

async function split(text: string, options: SplitOptions): Promise<void> {
  const wish = { ...fragmentArgument(text), ...(options.at === undefined ? {} : { at: keyArgument(options.at) }) };
  const { fragment, child } = await withClient(options, (client) =>
    client.admin.split({ ...wish, ...deadlineOf(options) }),
  );
  await (options.json === true
    ? writeJson({ fragment, child })
    : write(`${wish.table}/${fragment} was split; its upper part is ${wish.table}/${child}\n`));
}

async function merge(left: string, right: string, options: CommonOptions): Promise<void> {
  const one = fragmentArgument(left);
  const other = fragmentArgument(right);
  if (one.table !== other.table) throw new UsageError("only neighbours of one table can be merged");
  const wish = { table: one.table, left: one.fragment, right: other.fragment };
  await withClient(options, (client) => client.admin.merge({ ...wish, ...deadlineOf(options) }));
  await (options.json === true
    ? writeJson(wish)
    : write(`${one.table}/${other.fragment} was merged into ${one.table}/${one.fragment}\n`));
}

async function hot(table: string | undefined, options: CommonOptions): Promise<void> {
  const { fragments, silent } = await withClient(options, (client) => client.cluster.hot(table));
  if (options.json === true) return writeJson({ fragments, silent });
  if (silent.length > 0) await note(`no answer from ${silent.join(", ")}`);
  const lines = fragments.flatMap(({ fragment, table: name, keys }) =>
    keys.map(({ key, share, perSecond }) => [
      `${name}/${fragment}`,
      keyText(key),
      `${(share * 100).toFixed(1)} %`,
      perSecond.toFixed(1),
      share >= tooHotToSplit ? "cannot be split: one key has most of the load" : "",
    ]),
  );
  if (lines.length === 0) return note("no key stands out");
  await writeTable(["FRAGMENT", "KEY", "SHARE", "OPS/S", "NOTE"], lines);
}
