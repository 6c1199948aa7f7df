// Damages. Owns the list of what the bench of damage does to a cluster, one function each.
// A damage leaves the cluster running, with its receipts being written.

import { cp, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { streams } from "../../src/protocol/subjects.js";
import { blockFiles, streamInfos, withStreams } from "../live/engine-room.js";
import type { Scene } from "../live/scene.js";
import type { TrialCluster } from "../live/trial-cluster.js";

export interface Victim {
  readonly scene: Scene;
  /** Some seconds of load. */
  writeMore(): Promise<void>;
}

export interface Damage {
  readonly name: string;
  /** `refused`: no replica has what was lost, so the fragments must stay closed, with an alarm; served whole would be right as well. */
  readonly expect: "healed" | "refused";
  strike(victim: Victim): Promise<void>;
}

export const damages: readonly Damage[] = [
  { name: "a byte of a log flipped after a stop", expect: "healed", strike: (victim) => flipByte(victim, "stop") },
  { name: "a byte of a log flipped after kill -9", expect: "healed", strike: (victim) => flipByte(victim, "kill") },
  { name: "a log's stream deleted while it runs", expect: "healed", strike: ({ scene }) => deleteLog(scene) },
  { name: "a log's files deleted while stopped", expect: "healed", strike: deleteFiles },
  { name: "a log purged to nothing while it runs", expect: "healed", strike: ({ scene }) => purgeLog(scene) },
  { name: "a node's folder replaced by an older copy", expect: "healed", strike: (victim) => putOlder(victim, ["n2"]) },
  { name: "a node's folder emptied", expect: "healed", strike: emptyNode },
  { name: "the ledger's stream deleted while it runs", expect: "healed", strike: ({ scene }) => deleteLedger(scene) },
  {
    name: "all nodes' folders older and the logs deleted",
    expect: "refused",
    strike: loseEverywhere,
  },
];

async function halt({ scene }: Victim, how: "stop" | "kill"): Promise<void> {
  // What is written when everything ends has its receipt only if it was acknowledged.
  if (how === "stop") await scene.receipts.stop();
  if (how === "stop") await scene.cluster.stop();
  else await scene.cluster.killAll();
}

async function goOn({ scene }: Victim, how: "stop" | "kill"): Promise<void> {
  await scene.cluster.start();
  if (how === "stop") scene.receipts.start();
}

async function flipByte(victim: Victim, how: "stop" | "kill"): Promise<void> {
  const { cluster } = victim.scene;
  const stream = await fullestLog(cluster);
  await halt(victim, how);
  const [block] = await blockFiles(cluster, stream);
  if (block === undefined) throw new Error(`${stream} has no block file`);
  const { size } = await stat(block);
  const file = await open(block, "r+");
  try {
    const at = Math.floor(size * 0.6);
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
    await file.write(Buffer.from([(buffer[0] ?? 0) ^ 0x10]), 0, 1, at);
    await file.sync();
  } finally {
    await file.close();
  }
  await goOn(victim, how);
}

async function deleteLog({ cluster }: Scene): Promise<void> {
  const stream = await fullestLog(cluster);
  await withStreams(cluster, (manager) => manager.streams.delete(stream));
}

async function deleteLedger({ cluster }: Scene): Promise<void> {
  await withStreams(cluster, (manager) => manager.streams.delete(streams.ledger(0)));
}

async function purgeLog({ cluster }: Scene): Promise<void> {
  const stream = await fullestLog(cluster);
  await withStreams(cluster, (manager) => manager.streams.purge(stream));
}

async function deleteFiles(victim: Victim): Promise<void> {
  const { cluster } = victim.scene;
  const stream = await fullestLog(cluster);
  await halt(victim, "stop");
  await removeStream(cluster, stream);
  await goOn(victim, "stop");
}

async function emptyNode(victim: Victim): Promise<void> {
  const { cluster } = victim.scene;
  await halt(victim, "stop");
  await rm(nodeFolder(cluster, "n2"), { recursive: true });
  await goOn(victim, "stop");
}

async function putOlder(victim: Victim, nodes: readonly string[]): Promise<void> {
  const { cluster } = victim.scene;
  await halt(victim, "stop");
  for (const node of nodes) await cp(nodeFolder(cluster, node), olderCopy(cluster, node), { recursive: true });
  await goOn(victim, "stop");
  await victim.writeMore();
  await halt(victim, "stop");
  await restore(cluster, nodes);
  await goOn(victim, "stop");
}

async function loseEverywhere(victim: Victim): Promise<void> {
  const { cluster } = victim.scene;
  const nodes = ["n1", "n2", "n3"];
  await halt(victim, "stop");
  for (const node of nodes) await cp(nodeFolder(cluster, node), olderCopy(cluster, node), { recursive: true });
  await goOn(victim, "stop");
  await victim.writeMore();
  const logs = (await withStreams(cluster, streamInfos)).map(({ config }) => config.name).filter(isLog);
  await halt(victim, "stop");
  await restore(cluster, nodes);
  for (const stream of logs) await removeStream(cluster, stream);
  await cluster.start();
}

async function restore(cluster: TrialCluster, nodes: readonly string[]): Promise<void> {
  for (const node of nodes) {
    await rm(nodeFolder(cluster, node), { recursive: true });
    await cp(olderCopy(cluster, node), nodeFolder(cluster, node), { recursive: true });
  }
}

async function fullestLog(cluster: TrialCluster): Promise<string> {
  const infos = await withStreams(cluster, streamInfos);
  const [fullest] = infos.filter(({ config }) => isLog(config.name)).sort((a, b) => b.state.bytes - a.state.bytes);
  if (fullest === undefined || fullest.state.messages === 0) throw new Error("no log holds anything");
  return fullest.config.name;
}

function isLog(stream: string): boolean {
  return stream.startsWith("FORESHARD_LOG_");
}

function nodeFolder(cluster: TrialCluster, node: string): string {
  return join(cluster.dataDir, "nodes", node);
}

function olderCopy(cluster: TrialCluster, node: string): string {
  return join(cluster.folder, "older", node);
}

async function removeStream(cluster: TrialCluster, stream: string): Promise<void> {
  const [block] = await blockFiles(cluster, stream);
  const folder = block === undefined ? undefined : join(block, "..", "..");
  if (folder === undefined || (await readdir(folder)).length === 0) throw new Error(`${stream} has no files`);
  await rm(folder, { recursive: true });
}
