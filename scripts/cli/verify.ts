// Verify command. Owns `foreshard verify TABLE[/FRAGMENT]`: has all copies compared now, shows how far it is, and says per fragment what was found.
// Ends with 1 when copies differ, or when a comparison did not come in time.

import type { Command } from "commander";
import type { Client, VerifyInfo } from "../../cluster/client/index.js";
import { exitCodes } from "./failure.js";
import { fragmentArgument } from "./move-lines.js";
import { writeJson, writeTable } from "./output.js";
import { startProgress } from "./progress.js";
import { type CommonOptions, withClient, withCommon } from "./session.js";
import { common } from "./tables.js";

const lookEveryMs = 200;
/** A primary that changed meanwhile knows of nothing: it is told again. */
const askAgainMs = 3000;
const defaultDeadlineMs = 120_000;

export function addVerifyCommand(program: Command): void {
  withCommon(program.command("verify").argument("<table>", "TABLE, or TABLE/FRAGMENT such as users/16"))
    .description("compare all copies of a table's fragments at one record of their log; ends with 1 when they differ")
    .action(async (what: string, _options: CommonOptions, command: Command) => verify(what, common(command)));
}

async function verify(what: string, options: CommonOptions): Promise<void> {
  const { table, fragment } = what.includes("/") ? fragmentArgument(what) : { table: what, fragment: undefined };
  const lines = await withClient(options, (client) => compare(client, table, fragment, options));
  const bad = lines.some(({ result }) => result !== "same");
  if (bad) process.exitCode = exitCodes.fault;
  if (options.json === true) return writeJson({ table, same: !bad, fragments: lines });
  await writeTable(
    ["FRAGMENT", "RESULT", "COPIES", "AT LSN", "AGREE", "DIFFER"],
    lines.map(({ fragment: id, result, copies, verified }) => [
      id,
      result,
      `${verified?.agree.length ?? 0} of ${copies}`,
      verified?.lsn ?? "",
      verified?.agree.join(" ") ?? "",
      verified?.differ.map(({ node, from, to }) => `${node}: ${from}${to === "" ? "" : ` to ${to}`}`).join("; ") ?? "",
    ]),
  );
}

interface Line extends VerifyInfo {
  readonly result: "same" | "DIFFERENT" | "not compared in time" | "not all answered";
}

async function compare(
  client: Client,
  table: string,
  fragment: number | undefined,
  options: CommonOptions,
): Promise<readonly Line[]> {
  const endMs = performance.now() + (options.deadline ?? defaultDeadlineMs);
  let lines = await client.cluster.verify(table, fragment, true);
  const since = new Map(lines.map(({ fragment: id, lsn }) => [id, lsn]));
  const isNew = ({ fragment: id, verified }: VerifyInfo): boolean => (verified?.lsn ?? 0) > (since.get(id) ?? 0);
  const bar = startProgress(options.json !== true, lines.length);
  let askedMs = performance.now();
  try {
    while (!lines.every(isNew) && performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
      const again = performance.now() - askedMs > askAgainMs;
      if (again) askedMs = performance.now();
      lines = again
        ? await client.cluster.verify(table, fragment, true)
        : await client.cluster.verify(table, fragment, false);
      const done = lines.filter(isNew).length;
      bar.update(done, done);
    }
  } finally {
    bar.end();
  }
  return lines.map((line) => ({ ...line, result: resultOf(line, isNew(line)) }));
}

function resultOf({ verified, copies }: VerifyInfo, isNew: boolean): Line["result"] {
  if (!isNew || verified === null) return "not compared in time";
  if (verified.differ.length > 0) return "DIFFERENT";
  return verified.agree.length < copies ? "not all answered" : "same";
}
