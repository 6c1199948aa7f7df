// Files. Owns where the files of a trial's cluster lie, and the rule for touching them: one copy of several, while its process is down, and only when every
// copy is there. With the last of them the harm would be beyond every promise.

import { cp, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { TrialCluster } from "../live/trial-cluster.js";
import { untilWhole } from "../live/wholeness.js";
import { type FaultKind, seconds } from "./fault.js";

const wholeLimitMs = 40_000;

export function fileFault(name: string, group: string, strike: FaultKind["strike"]): FaultKind {
  return { name, groups: [group], needs: [], joins: false, lastsMs: [0, 0], strike: whenWhole(strike) };
}

function whenWhole(strike: FaultKind["strike"]): FaultKind["strike"] {
  return async (stage, draw) => {
    const { cluster, door } = stage.scene;
    const lacks = await untilWhole(cluster, door, wholeLimitMs);
    if (lacks === undefined) return strike(stage, draw);
    stage.tell(`no file is touched: after ${seconds(wholeLimitMs)} ${lacks}`);
    return undefined;
  };
}

export async function isWhole({
  cluster,
  door,
}: {
  readonly cluster: TrialCluster;
  readonly door: Parameters<typeof untilWhole>[1];
}): Promise<boolean> {
  return (await untilWhole(cluster, door, wholeLimitMs)) === undefined;
}

export function nodeStore(cluster: TrialCluster, node: string): string {
  return join(cluster.dataDir, "nodes", node, "store");
}

export function serverStore(cluster: TrialCluster, server: string): string {
  return join(cluster.dataDir, "nats", String(serverIndex(server)), "jetstream");
}

export function serverIndex(server: string): number {
  return Number(server.replace("nats-", ""));
}

/** Beside the data folder, so that it takes no room on a small disk. */
export function besideOf(cluster: TrialCluster, name: string): string {
  return join(cluster.folder, "beside", name);
}

/** Makes `to` hold what `from` holds, and nothing else. */
export async function replace(from: string, to: string): Promise<void> {
  await mkdir(join(to, ".."), { recursive: true });
  const next = `${to}.next`;
  await rm(next, { recursive: true, force: true });
  await cp(from, next, { recursive: true });
  await rm(to, { recursive: true, force: true });
  await rename(next, to);
}
