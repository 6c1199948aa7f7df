#!/usr/bin/env node
// Start. Owns what a person sees who starts a cluster: options, the words while it starts, what to type next, and a calm end.
// A start that fails says why in a sentence or two with its code; no stack trace reaches anybody.

import { readFile } from "node:fs/promises";
import { relative } from "node:path";
import { Command } from "commander";
import { type RunningCluster, startCluster } from "../cluster/boot/cluster.js";
import { decodeOptions, type StartOptions } from "../cluster/boot/options.js";
import { packageVersion } from "../cluster/version.js";
import { type Fault, fail, ok, type Result } from "../src/kernel/fault.js";

const examples = `
Examples:
  $ npm start                                         three nodes, one router, two control hosts in ./data
  $ npm start -- --nodes 5 --zones a,b,c              five nodes over three zones
  $ npm start -- --isolation processes                each host in a process of its own
  $ npm start -- --nats-servers 3                     a real three-server NATS cluster, streams in three copies
  $ npm start -- --nats nats://10.0.0.5:4222 --creds core.json
                                                      on a NATS cluster that runs already
  $ npm start -- --nats nats://10.0.0.5:4222 --creds core.json --machine east
                                                      one machine of several: see docs/OPERATIONS.md
  $ npm start -- --config cluster.json                the same options from a file: {"nodes": 5, "zones": ["a", "b"]}

Options on the command line win over those of the file.`;

const command = new Command("start")
  .description("Starts a Foreshard cluster on this machine and serves until Ctrl-C.")
  .option("--nodes <count>", "nodes that hold the data (default: 3)")
  .option("--routers <count>", "routers that answer queries (default: 1)")
  .option("--control <count>", "control hosts; one leads, the others stand by (default: 2)")
  .option("--forecasters <count>", "hosts that forecast the load; 0: none (default: 1)")
  .option("--control-partitions <count>", "parts of the metadata, each with a leader of its own (default: 1)")
  .option("--log-groups <count>", "streams that hold the data's log (default: 16)")
  .option(
    "--replicas <count>",
    "copies of each fragment where a table does not say (default: 3, or as many as there are nodes)",
  )
  .option("--data-dir <folder>", "where everything is kept (default: ./data)")
  .option("--port <port>", "port of NATS (default: 4222 if it is free, else any free one)")
  .option(
    "--durability <when>",
    "always: acknowledged writes survive power loss; interval: faster, a power loss may cost the last second (default: always)",
  )
  .option("--nats <url>", "an existing NATS cluster with JetStream, instead of one started here")
  .option("--creds <file>", 'who to be there: JSON {"user", "pass"} or a NATS credentials file')
  .option(
    "--machine <name>",
    "this machine's name among several on one NATS cluster (--nats); it is also the zone of its nodes",
  )
  .option("--nats-server <path>", "the nats-server to start (default: from the npm package, else the PATH)")
  .option("--nats-servers <count>", "1, or 3 for a JetStream cluster on this machine (default: 1)")
  .option(
    "--nats-advertise <addresses>",
    "where the nats-servers are reached instead, through a proxy or a tunnel: host:port for each",
  )
  .option("--route-advertise <addresses>", "the same for the links between three nats-servers")
  .option("--tls-cert <file>", "PEM certificate of the nats-servers, which the hosts show too (default: no TLS)")
  .option("--tls-key <file>", "its key")
  .option("--tls-ca <file>", "PEM authority: everybody who connects must show a certificate of it (mutual TLS)")
  .option("--isolation <how>", "threads or processes (default: threads)")
  .option(
    "--copy-floor <MiB/s>",
    "copies of fragments to one node go at least so fast, whatever they disturb (default: 2)",
  )
  .option("--copy-ceiling <MiB/s>", "and at most so fast (default: 256)")
  .option(
    "--scrub-rate <MiB/s>",
    "how fast a node has the copies of its fragments compared all the time, 0: never (default: 4)",
  )
  .option(
    "--capacity <limit>",
    "what a node may be asked of: queries per second, e.g. 500, or a share of a core, e.g. 50%; several with commas: one for each node (default: no limit)",
  )
  .option("--user-rate <count>", "requests per second that one user may ask of one router (default: no limit)")
  .option("--sample-interval <time>", "time between two load samples of a node, e.g. 10s or 500ms (default: 10s)")
  .option("--load-history-days <count>", "how long load samples are kept (default: 30)")
  .option("--zones <names>", "zones to spread the nodes over, e.g. a,b,c")
  .option("--restart <when>", "always or never start again what died (default: always)")
  .option(
    "--page <address>",
    "where the live page and the metrics are: HOST:PORT or off (default: 127.0.0.1:8220, or another port if that is taken)",
  )
  .option("--page-actions", "orders may be given on the page, with the token in operator.json of the data folder")
  .option(
    "--traces <url>",
    "send traces of queries there by OTLP over HTTP, e.g. http://127.0.0.1:4318; needs OpenTelemetry's packages (default: none)",
  )
  .option("--ready-file <file>", "write addresses and pids there as JSON once queries are served")
  .option("--log-level <level>", "debug, info, warn or error (default: info)")
  .option("--log-to <where>", "files in the data folder, or stderr (default: files)")
  .option("--config <file>", "options from a JSON file, by their names in camelCase")
  .version(packageVersion())
  .allowExcessArguments(false)
  .addHelpText("after", examples);

async function main(): Promise<void> {
  command.parse();
  serveOnUnheard();
  const options = await chosenOptions(command.opts());
  if (!options.ok) return giveUp(options.fault);
  const end = endings();
  const started = await startCluster(options.value, {
    onProgress: (step) => say(`  ${step} …`),
    onNotice: (notice) => say(`  ${new Date().toISOString().slice(11, 19)} UTC  ${notice}`),
    onFailed(why) {
      process.exitCode = 1;
      say(`\n${why}`);
      end.ask();
    },
  });
  if (!started.ok) return giveUp(started.fault);
  if (!end.wasAsked()) welcome(started.value, options.value);
  await end.asked;
  say("\nStopping …");
  await started.value.stop();
  say("Stopped. All acknowledged data is in the data folder.");
  process.exit();
}

async function chosenOptions(flags: Readonly<Record<string, unknown>>): Promise<Result<StartOptions>> {
  const { config, ...given } = flags;
  if (typeof config !== "string") return decodeOptions(given);
  const file = await readConfig(config);
  return file.ok ? decodeOptions({ ...file.value, ...given }) : file;
}

async function readConfig(path: string): Promise<Result<Record<string, unknown>>> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return fail("CONFIG", `the configuration file ${path} cannot be read`);
  try {
    const content: unknown = JSON.parse(text);
    if (typeof content === "object" && content !== null && !Array.isArray(content)) return ok({ ...content });
    return fail("CONFIG", `the configuration file ${path} must hold one JSON object, e.g. {"nodes": 5}`);
  } catch (error) {
    return fail(
      "CONFIG",
      `the configuration file ${path} is not JSON: ${error instanceof Error ? error.message : error}`,
    );
  }
}

/** The first signal asks for an end in order; the second ends at once. */
function endings() {
  let isAsked = false;
  let resolve: () => void = () => undefined;
  const asked = new Promise<void>((settle) => {
    resolve = settle;
  });
  const ask = (): void => {
    isAsked = true;
    resolve();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (isAsked) process.exit(130);
      ask();
    });
  }
  return { asked, ask, wasAsked: () => isAsked };
}

function welcome(cluster: RunningCluster, options: StartOptions): void {
  const names = (lines: readonly { readonly id: string }[]): string => lines.map(({ id }) => id).join(" ");
  const servers = cluster.natsServers();
  const near = relative(process.cwd(), cluster.dataDir) || ".";
  const where = near.startsWith("..") ? cluster.dataDir : near;
  const flag = where === "data" ? "" : ` --data-dir ${where}`;
  say(`
Foreshard ${packageVersion()} serves queries (ready in ${(cluster.startedInMs / 1000).toFixed(1)} s).

  nodes    ${names(cluster.nodes())}
  routers  ${names(cluster.routers())}
  control  ${names(cluster.control())}
  nats     ${cluster.natsUrl}${servers.length > 1 ? `  (${servers.length} servers, streams in ${servers.length} copies)` : ""}
  data     ${cluster.dataDir}
${cluster.pageUrl === undefined ? "" : `  page     ${cluster.pageUrl}  (metrics at /metrics)\n`}${warnings(cluster, options)}
Try it from another terminal:

  npx foreshard${flag} table create users --fragments 8
  npx foreshard${flag} put users ada '{"name":"Ada","born":1815}'
  npx foreshard${flag} get users ada

or with any NATS client:

  nats req -s ${cluster.natsUrl} -H Content-Type:application/json \\
    foreshard.query.users.get '{"key":"ada"}'

Ctrl-C stops it.`);
}

function warnings(cluster: RunningCluster, options: StartOptions): string {
  const lines: string[] = [];
  if (options.durability === "interval" && options.nats === undefined)
    lines.push("  durability is `interval`: a power loss may cost writes acknowledged in the last second.");
  if (cluster.closedTables.length > 0)
    lines.push(`  not all fragments serve yet: ${cluster.closedTables.join(", ")} (see \`npx foreshard incidents\`).`);
  return lines.map((line) => `${line}\n`).join("");
}

function giveUp({ code, message }: Fault): void {
  process.stderr.write(`${code}: ${message}\n`);
  process.exit(1);
}

/** Whoever read what it says has gone (`npm start | head`): a cluster does not end because of that. */
function serveOnUnheard(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

await main();
