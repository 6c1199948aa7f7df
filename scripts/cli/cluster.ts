// Cluster commands. Owns `foreshard nodes|ring|fragments|incidents|undrain|remove`.

import type { Command } from "commander";
import type { Client } from "../../cluster/client/index.js";
import { note, write, writeJson, writeTable } from "./output.js";
import { type CommonOptions, withClient, withCommon } from "./session.js";
import { common, keyText } from "./tables.js";

export function addClusterCommands(program: Command): void {
  withCommon(program.command("nodes"))
    .description("nodes, what they hold, and the leaders")
    .action(async (_options: CommonOptions, command: Command) => nodes(common(command)));
  withCommon(program.command("ring"))
    .description("share of each node: wanted by weight, and as it is")
    .action(async (_options: CommonOptions, command: Command) => ring(common(command)));
  withCommon(program.command("fragments").argument("[table]"))
    .description("fragments of all tables, or of one")
    .action(async (table: string | undefined, _options: CommonOptions, command: Command) =>
      fragments(table, common(command)),
    );
  withCommon(program.command("incidents"))
    .description("what was found wrong, and what became of it")
    .action(async (_options: CommonOptions, command: Command) => incidents(common(command)));
  addOrder(program, "undrain", "let a drained node hold data again", (client, node) => client.admin.undrain(node));
  addOrder(program, "remove", "forget a node that is down for good", (client, node) => client.admin.removeNode(node));
}

function addOrder(
  program: Command,
  name: string,
  description: string,
  order: (client: Client, node: string) => Promise<void>,
): void {
  withCommon(program.command(name).argument("<node>"))
    .description(description)
    .action(async (node: string, _options: CommonOptions, command: Command) => {
      const options = common(command);
      await withClient(options, (client) => order(client, node));
      await (options.json === true
        ? writeJson({ done: name, node })
        : write(`${name} ${node}: accepted; watch it with: foreshard nodes\n`));
    });
}

async function nodes(options: CommonOptions): Promise<void> {
  const answer = await withClient(options, (client) => client.cluster.nodes());
  if (options.json === true) return writeJson(answer);
  await writeTable(
    ["NODE", "STATE", "ZONE", "WEIGHT", "PRIMARIES", "REPLICAS"],
    answer.nodes.map(({ id, state, draining, zone, weight, primaries, replicas }) => [
      id,
      draining ? `${state}, draining` : state,
      zone,
      weight,
      primaries,
      replicas,
    ]),
  );
  for (const { partition, leader, term, seq } of answer.partitions)
    await write(`control partition ${partition}: led by ${leader}, term ${term}, ledger at ${seq}\n`);
}

async function ring(options: CommonOptions): Promise<void> {
  const shares = await withClient(options, (client) => client.cluster.ring());
  if (options.json === true) return writeJson({ ring: shares });
  await writeTable(
    ["NODE", "STATE", "ZONE", "WEIGHT", "WANTED", "HAS"],
    shares.map(({ id, state, draining, zone, weight, wantedShare, share }) => [
      id,
      draining ? `${state}, draining` : state,
      zone,
      weight,
      percent(wantedShare),
      `${percent(share)} ${"█".repeat(Math.round(share * 40))}`,
    ]),
  );
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

async function fragments(table: string | undefined, options: CommonOptions): Promise<void> {
  const all = await withClient(options, (client) => client.cluster.fragments(table));
  if (options.json === true) return writeJson({ fragments: all });
  if (all.length === 0) return note("no fragments yet");
  await writeTable(
    ["FRAGMENT", "TABLE", "FROM", "PRIMARY", "EPOCH", "SERVES", "REPLICAS"],
    all.map(({ id, table: name, from, primary, epoch, serving, replicas }) => [
      id,
      name,
      from === null ? "(start)" : keyText(from),
      primary,
      epoch,
      serving ? "yes" : "no",
      replicas.map(({ node, state }) => (state === "ready" ? node : `${node} (${state})`)).join(" "),
    ]),
  );
}

async function incidents(options: CommonOptions): Promise<void> {
  const all = await withClient(options, (client) => client.cluster.incidents());
  if (options.json === true) return writeJson({ incidents: all });
  if (all.length === 0) return note("no incidents");
  await writeTable(
    ["WHEN", "NODE", "WHAT", "OUTCOME", "FRAGMENTS", "NOTE"],
    all.map(({ atMs, node, what, outcome, fragments: touched, note: text }) => [
      new Date(atMs).toISOString(),
      node,
      what,
      outcome,
      touched.length > 8 ? `${touched.slice(0, 8).join(" ")} … (${touched.length})` : touched.join(" "),
      text,
    ]),
  );
}
