// Doctor. Owns `foreshard doctor`: looks at everything that can be looked at from here, says what is wrong and what to do, and ends with 1 when something is.

import type { Command } from "commander";
import { addressOf } from "../../cluster/client/address.js";
import { type Client, connect, FaultError } from "../../cluster/client/index.js";
import { packageVersion } from "../../cluster/version.js";
import { openConnection } from "../../cluster/world/connection.js";
import { type Check, checksOf, type Findings } from "./checks.js";
import { exitCodes } from "./failure.js";
import { write, writeJson } from "./output.js";
import { addressFor, type CommonOptions, pageOf, withCommon } from "./session.js";
import { common } from "./tables.js";

const discoveryMs = 300;
const pageLimitMs = 3_000;

export function addDoctorCommand(program: Command): void {
  withCommon(program.command("doctor"))
    .description("checks the cluster and says what is wrong and what to do; ends with 1 when something is")
    .action(async (_options: CommonOptions, command: Command) => doctor(common(command)));
}

async function doctor(options: CommonOptions): Promise<void> {
  const checks = await examine(options);
  const isWell = checks.every(({ state }) => state !== "wrong" && state !== "warning");
  if (options.json === true) await writeJson({ well: isWell, checks });
  else await tell(checks, isWell);
  if (!isWell) process.exitCode = exitCodes.fault;
}

const marks = { well: "ok  ", warning: "WARN", wrong: "BAD ", unknown: "?   " } as const;

async function tell(checks: readonly Check[], isWell: boolean): Promise<void> {
  for (const { name, state, found, remedy } of checks) {
    await write(`${marks[state]}  ${name.padEnd(12)} ${found}\n`);
    if (remedy !== "") await write(`                    → ${remedy}\n`);
  }
  await write(isWell ? "\nNothing is wrong.\n" : "\nSomething needs a look: see the lines with an arrow.\n");
}

/** A cluster that cannot even be asked is a finding, too. */
async function examine(options: CommonOptions): Promise<Check[]> {
  const address = await addressFor(options);
  let client: Client;
  try {
    client = await connect(address);
  } catch (error) {
    return [
      unreachable(error, "NATS does not let us in: is the cluster running (npm start), and is the address right?"),
    ];
  }
  try {
    return checksOf(await findingsOf(client, options));
  } catch (error) {
    return [
      unreachable(error, "NATS is there, but no router answers: look at host.log of the routers and at cluster.log"),
    ];
  } finally {
    await client.close();
  }
}

function unreachable(error: unknown, remedy: string): Check {
  const found = error instanceof FaultError ? `${error.code}: ${error.message}` : String(error);
  return { name: "queries", state: "wrong", found, remedy };
}

async function findingsOf({ cluster }: Client, options: CommonOptions): Promise<Findings> {
  const [{ nodes, partitions }, tables, fragments, incidents, moves, versions, page] = await Promise.all([
    cluster.nodes(),
    cluster.tables(),
    cluster.fragments(),
    cluster.incidents(),
    cluster.moves(),
    routerVersions(options),
    askPage(await pageOf(options)),
  ]);
  const [first] = tables;
  const forecast =
    first === undefined ? undefined : await cluster.forecast({ table: first.name }).catch(() => undefined);
  return {
    nowMs: Date.now(),
    nodes,
    partitions,
    tables,
    fragments,
    incidents,
    moves,
    forecasters: first === undefined ? undefined : (forecast?.forecasters ?? []),
    versions,
    ownVersion: packageVersion(),
    metrics: page?.metrics,
    skewMs: page?.skewMs,
  };
}

/** As the micro service tells whoever discovers it. */
async function routerVersions(options: CommonOptions): Promise<string[]> {
  const address = await addressOf(await addressFor(options));
  if (!address.ok) return [];
  const connection = await openConnection({
    address: address.value,
    name: "foreshard-doctor",
    waitOnFirstConnect: false,
  });
  if (!connection.ok) return [];
  try {
    const versions: string[] = [];
    const answers = await connection.value.nats.requestMany("$SRV.PING.foreshard", "", { maxWait: discoveryMs });
    for await (const answer of answers) versions.push(String(answer.json<{ readonly version?: unknown }>().version));
    return versions;
  } catch {
    return [];
  } finally {
    await connection.value.close();
  }
}

interface PageFindings {
  readonly metrics: ReadonlyMap<string, number>;
  readonly skewMs: number | undefined;
}

async function askPage(url: string | undefined): Promise<PageFindings | undefined> {
  if (url === undefined) return undefined;
  const { origin, searchParams } = new URL(url);
  const token = searchParams.get("token");
  const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` };
  const answer = await fetch(`${origin}/metrics`, { headers, signal: AbortSignal.timeout(pageLimitMs) }).catch(
    () => undefined,
  );
  if (answer?.ok !== true) return undefined;
  const theirs = Date.parse(answer.headers.get("date") ?? "");
  const metrics = new Map<string, number>();
  for (const line of (await answer.text()).split("\n")) {
    const at = line.lastIndexOf(" ");
    if (at > 0 && !line.startsWith("#")) metrics.set(line.slice(0, at), Number(line.slice(at + 1)));
  }
  return { metrics, skewMs: Number.isNaN(theirs) ? undefined : theirs - Date.now() };
}
