#!/usr/bin/env node
// Batch check. Owns the question whether an atomic batch of nats-server is all or nothing on log streams as the product makes them: beside other writers, when its server is killed or
// hands over, and when the power goes. It exits 0 when the server does what ARCHITECTURE.md says it does, faults included, and 1 when it does something else.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { findBinary } from "../../cluster/engine/binary.js";
import { type Farewell, runTrial } from "../live/farewell.js";
import { publish, say } from "../live/figures.js";
import { BareServers } from "./batch/bare-servers.js";
import { BatchLog } from "./batch/batch-log.js";
import { powerLost, syncsOfOneBatch } from "./batch/power.js";
import {
  abandoned,
  type Finding,
  type Ground,
  killed,
  races,
  rightAndWrong,
  steppedDown,
  type Trial,
} from "./batch/trials.js";

const command = new Command("check:batch")
  .description(
    "What an atomic batch of nats-server is worth on a log stream: a table of what was tried, and what was stored whole, not at all and in part.",
  )
  .option("--servers <list>", "1, 3 or 1,3", "1,3")
  .option("--kills <number>", "how often a server is killed, for each count of servers", "20")
  .option("--seed <number>", "draws when servers are killed", "1")
  .option("--nats-server <path>", "another nats-server")
  .option("--json", "figures as JSON")
  .allowExcessArguments(false)
  .parse();
const options = command.opts<{ servers: string; kills: string; seed: string; natsServer?: string; json?: true }>();

interface Row extends Finding {
  readonly servers: number;
  /** What ARCHITECTURE.md says of it. */
  readonly mayTear: boolean;
}

async function check(farewell: Farewell): Promise<boolean> {
  const binary = await findBinary(options.natsServer);
  if (!binary.ok) throw new Error(binary.fault.message);
  say(`nats-server ${binary.value.version}, streams as the product makes them with allow_atomic, sync_interval always`);
  const rows: Row[] = [];
  for (const count of options.servers.split(",").map(Number))
    if (count === 1 || count === 3) rows.push(...(await tryAll(binary.value.path, count, farewell)));
  const head = ["servers", "tried", "batches", "whole", "none", "in part", "lies", "note"];
  const lines = rows.map((row) => [
    row.servers,
    row.trial,
    row.batches,
    row.whole,
    row.none,
    row.part,
    row.lies,
    row.note,
  ]);
  publish(options.json === true, head, lines, rows);
  return rows.length > 0 && rows.every((row) => row.lies === 0 && row.part > 0 === row.mayTear);
}

async function tryAll(binary: string, count: 1 | 3, farewell: Farewell): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "foreshard-batch-"));
  farewell.later(() => rm(folder, { recursive: true, force: true }));
  const servers = await BareServers.start(binary, folder, count);
  farewell.later(() => servers.stop());
  const log = await BatchLog.open(servers.addresses);
  farewell.later(() => log.close());
  const ground: Ground = { servers, log, replicas: count, seed: Number(options.seed) };
  const kills = Number(options.kills);
  const rows: Row[] = [];
  const attempt = async (trial: Trial, mayTear = false): Promise<void> => {
    await log.make(count);
    const found = await trial(ground);
    say(`${count} server(s), ${found.trial}: ${found.part} of ${found.batches} in part`);
    rows.push({ ...found, servers: count, mayTear });
  };
  await attempt(rightAndWrong);
  await attempt(races);
  await attempt(abandoned);
  if (count === 3) await attempt(steppedDown(kills));
  await attempt(killed(count === 3 ? Math.ceil(kills / 2) : kills));
  if (count === 3) return rows;
  await log.make(count);
  const syncs = await syncsOfOneBatch(ground, folder);
  say(
    syncs === undefined
      ? "NOT TRIED: strace is missing or may not look, so what the server syncs was not seen"
      : `while it committed one batch the server synced files of the stream ${syncs.ofStream} times, files of the uncommitted batch ${syncs.ofBatch} times`,
  );
  await attempt(powerLost(kills), true);
  return rows;
}

await runTrial(check);
