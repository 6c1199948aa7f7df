#!/usr/bin/env node
// Hosts. Owns a trial of three machines in network namespaces: one is cut off under load and comes back, another is lost with its disk and replaced.
// It exits 0 only when every answer was right, nothing acknowledged was lost, and all copies were whole again in the end. Root on Linux only.

import { execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Command } from "commander";
import { z } from "zod";
import { findBinary } from "../cluster/engine/binary.js";
import { writePrivate } from "../cluster/engine/credentials.js";
import { until } from "../cluster/engine/until.js";
import { describe, passed } from "../src/verify/history.js";
import { type Lane, type Lanes, lanesFor, makeLanes, removeLanes, setCable } from "./hosts/lanes.js";
import { Machine } from "./hosts/machine.js";
import type { Gate } from "./live/door.js";
import { createFarewell, type Farewell, runTrial } from "./live/farewell.js";
import { say, secondsText } from "./live/figures.js";
import { readViews, underReplicated } from "./live/locations.js";
import { isWhole, openPlay, type Play, readBack } from "./live/scene.js";
import { countOf } from "./live/verdicts.js";

const run = promisify(execFile);
const names = ["east", "west", "north"] as const;
const calmMs = 5_000;
const recoveryLimitMs = 90_000;
const wholeLimitMs = 180_000;
const port = 4222;
const insideMark = "FORESHARD_TRIAL_MARK";
const program = fileURLToPath(new URL("./foreshard.js", import.meta.url));
const creds = z.object({ client: z.object({ user: z.string(), pass: z.string() }) });

const command = new Command("hosts")
  .description(
    "Three machines in network namespaces: one is cut off under load and comes back, one is lost for good and replaced.",
  )
  .option("--cut <seconds>", "how long a machine is cut off", "30")
  .option("--seed <number>", "draws the load", "1")
  .allowExcessArguments(false)
  .parse();
const options = command.opts<{ cut: string; seed: string }>();
const cutMs = Number(options.cut) * 1000;
if (!(cutMs >= 1_000 && cutMs <= 600_000)) refuse("--cut must be from 1 to 600 seconds");

function refuse(why: string): never {
  process.stderr.write(`CONFIG: ${why}\n`);
  process.exit(1);
}

/** Makes the network, and runs this program again within it. */
async function outside(): Promise<void> {
  if (process.platform !== "linux" || process.getuid?.() !== 0)
    refuse("network namespaces need root on Linux; nothing was started");
  const farewell = createFarewell();
  const mark = String(process.pid % 100_000);
  const lanes = lanesFor(names, mark);
  farewell.later(() => removeLanes(lanes));
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => undefined);
  let code = 1;
  try {
    await makeLanes(lanes);
    const words = ["netns", "exec", lanes.hub, process.execPath, ...process.argv.slice(1)];
    const child = spawn("ip", words, { stdio: "inherit", env: { ...process.env, [insideMark]: mark } });
    code = await new Promise<number>((resolve) => child.once("exit", (status) => resolve(status ?? 1)));
  } catch (error) {
    process.stderr.write(`ENGINE: the network cannot be made: ${error instanceof Error ? error.message : error}\n`);
  } finally {
    await farewell.all();
  }
  process.exit(code);
}

async function trial(farewell: Farewell, lanes: Lanes): Promise<boolean> {
  const { machines, gate } = await startAll(farewell, lanes.lanes);
  const play = await openPlay(farewell, gate, { seed: Number(options.seed), clients: 8, fragmentsPerTable: 6 });
  play.start();
  const slowMs = await play.prober.calibrate(calmMs);
  say(`all is well; an answer that takes more than ${Math.round(slowMs)} ms counts as none from now on`);
  const [, west, north] = machines;
  if (west === undefined || north === undefined) throw new Error("three machines are needed");
  const outcomes = [await cutOff(play, lanes, west), await replace(play, north)];
  await play.stop();
  return judge(play, outcomes);
}

interface Started {
  readonly machines: readonly Machine[];
  readonly gate: Gate;
}

async function startAll(farewell: Farewell, lanes: readonly Lane[]): Promise<Started> {
  const folder = await mkdtemp(join(tmpdir(), "foreshard-hosts-"));
  farewell.later(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
  const binary = await findBinary(undefined);
  if (!binary.ok) throw new Error(binary.fault.message);
  const files = join(folder, "machines");
  const place = join(folder, "disk");
  await writeFiles(lanes, files, place);
  const machines = lanes.map(
    (lane) =>
      new Machine({
        lane,
        files: join(files, lane.name),
        folder: join(place, lane.name),
        natsUrls: urlsFor(lane, lanes),
        natsServer: binary.value.path,
      }),
  );
  for (const machine of machines) farewell.later(() => machine.kill());
  const begunMs = performance.now();
  for (const machine of machines) await machine.startServer();
  for (const machine of machines) await machine.startHosts();
  await Promise.all(machines.map((machine) => machine.served()));
  say(`three machines serve after ${secondsText(performance.now() - begunMs)}`);
  const { client } = creds.parse(JSON.parse(await readFile(join(files, names[0], "creds.json"), "utf8")));
  return { machines, gate: { servers: lanes.map(({ address }) => `${address}:${port}`), ...client } };
}

/** By the command that an operator uses. The machines of this trial share one file system, so each gets a folder of its own in it. */
async function writeFiles(lanes: readonly Lane[], files: string, place: string): Promise<void> {
  const servers = lanes.map(({ name, address }) => `${name}=${address}`).join(",");
  await run(process.execPath, [program, "machines", "--servers", servers, "--out", files, "--folder", place]);
  for (const { name } of lanes) {
    const path = join(files, name, "nats.conf");
    const text = await readFile(path, "utf8");
    await writePrivate(path, text.replaceAll(`"${place}/`, `"${join(place, name)}/`));
  }
}

/** Its own server first. */
function urlsFor(own: Lane, lanes: readonly Lane[]): string {
  return [own, ...lanes.filter(({ name }) => name !== own.name)]
    .map(({ address }) => `nats://${address}:${port}`)
    .join(",");
}

interface Healed {
  readonly what: string;
  /** Since the harm began; undefined: never. */
  readonly answeredMs: number | undefined;
  /** Since it ended. */
  readonly wholeMs: number | undefined;
}

async function cutOff(play: Play, lanes: Lanes, machine: Machine): Promise<Healed> {
  const beganMs = performance.now();
  await setCable(lanes, machine.lane, false);
  say(`${machine.name} is cut off`);
  await sleep(cutMs);
  const served = countOf(play.load.history, true).acknowledged;
  await setCable(lanes, machine.lane, true);
  const endedMs = performance.now();
  say(`${machine.name} is back after ${secondsText(endedMs - beganMs)}; ${served} writes acknowledged so far`);
  return heal(play, `${machine.name} cut off for ${secondsText(cutMs)}`, beganMs, endedMs);
}

async function replace(play: Play, machine: Machine): Promise<Healed> {
  const beganMs = performance.now();
  await machine.kill();
  await machine.wipe();
  say(`${machine.name} is lost, and its disk with it`);
  await sleep(calmMs);
  await machine.startServer();
  await machine.startHosts();
  const endedMs = performance.now();
  say(`another machine takes the place of ${machine.name}`);
  const healed = await heal(play, `${machine.name} lost and replaced`, beganMs, endedMs);
  await machine.served();
  return healed;
}

async function heal(play: Play, what: string, beganMs: number, endedMs: number): Promise<Healed> {
  const { recoveredMs, slowest } = await play.prober.recovery(beganMs, recoveryLimitMs, endedMs);
  say(
    recoveredMs === undefined
      ? `NOT answered again: ${slowest}`
      : `all fragments were answered again ${secondsText(recoveredMs)} after it began, last the ${slowest}`,
  );
  const copiesAreBack = async (): Promise<boolean> => (await lacking(play).catch(() => "nobody tells")) === undefined;
  const isBack = await until(copiesAreBack, wholeLimitMs, 250);
  const wholeMs = isBack ? performance.now() - endedMs : undefined;
  say(`all copies are ready ${secondsText(wholeMs)} after its end${isBack ? "" : `: ${await lacking(play)}`}`);
  return { what, answeredMs: recoveredMs, wholeMs };
}

async function lacking({ door }: Play): Promise<string | undefined> {
  const views = await readViews(door);
  const nodes = views.flatMap((view) => [...view.nodes.values()]);
  const down = nodes.filter(({ state }) => state !== "up");
  if (down.length > 0 || nodes.length === 0) return `${down.map(({ id }) => id).join(", ")} is not up`;
  const fragments = underReplicated(views);
  return fragments === 0 ? undefined : `${fragments} fragments have too few copies`;
}

async function judge(play: Play, outcomes: readonly Healed[]): Promise<boolean> {
  say("reading everything back");
  const read = await readBack(play, 100);
  for (const verdict of read.verdicts) say(`  ${describe(verdict)}`);
  const { acknowledged, lost, strange } = read.receipts;
  say(`  receipts: ${acknowledged} rows acknowledged, ${lost} lost, ${strange} strange`);
  const why = [
    ...(isWhole(read) ? [] : read.verdicts.filter((verdict) => !passed(verdict)).map(describe)),
    ...(read.lost.length + lost + strange > 0 ? [`${read.lost.length + lost + strange} rows lost or strange`] : []),
    ...outcomes.filter(({ answeredMs }) => answeredMs === undefined).map(({ what }) => `no recovery: ${what}`),
    ...outcomes.filter(({ wholeMs }) => wholeMs === undefined).map(({ what }) => `copies stayed away: ${what}`),
  ];
  for (const failing of why) say(`FAILED: ${failing}`);
  if (why.length === 0 && isWhole(read)) say("passed: nothing acknowledged was lost");
  return why.length === 0 && isWhole(read);
}

const mark = process.env[insideMark];
if (mark === undefined) await outside();
else await runTrial((farewell) => trial(farewell, lanesFor(names, mark)));
