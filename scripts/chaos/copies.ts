// Copies. Owns the faults of old copies: what one node or one of three servers has on disk is put back to where it was some seconds before.

import { setTimeout as sleep } from "node:timers/promises";
import { readIncidents } from "../live/locations.js";
import { nodeNames, serverNames } from "./ends.js";
import { type Alarm, chosen, type Draw, type FaultKind, type Stage, type Strike, seconds } from "./fault.js";
import { besideOf, fileFault, isWhole, nodeStore, replace, serverStore } from "./files.js";

const lastsMs = [2_000, 5_000] as const;

export const copyFaults: readonly FaultKind[] = [
  { ...fileFault("nodeOld", "oldFolder", putNodeBack), lastsMs },
  { ...fileFault("storeOld", "oldFolder", putStoreBack), lastsMs, needs: ["threeServers"] },
];

/** The copy is of the running node, as a disk's snapshot; in one of two strikes it was opened again since, and then the cluster must notice. */
async function putNodeBack(stage: Stage, draw: Draw): Promise<Strike | undefined> {
  const { cluster } = stage.scene;
  const victim = chosen(await nodeNames(stage), draw);
  if (victim === undefined) return undefined;
  const store = nodeStore(cluster, victim);
  const older = besideOf(cluster, victim);
  if (!(await cluster.whileFrozen(victim, () => replace(store, older)))) return undefined;
  await sleep(draw.lastsMs / 2);
  const isOpened = draw.chance < 0.5;
  if (isOpened) await cluster.signal(victim, "SIGKILL");
  await sleep(draw.lastsMs / 2);
  if (isOpened && !(await isWhole(stage.scene))) return undefined;
  const known = await countRolledBack(stage, victim);
  await cluster.whileDown(victim, () => replace(older, store));
  const words = `${victim}'s store put back to where it was ${seconds(draw.lastsMs)} ago${isOpened ? " and one start earlier" : ""}`;
  const isHeard = async () => (await countRolledBack(stage, victim)) > known;
  const alarm: Alarm = { words: `storeRolledBack at ${victim}`, isHeard };
  return { words, atMs: performance.now(), ...(isOpened ? { alarm } : {}) };
}

async function putStoreBack(stage: Stage, draw: Draw): Promise<Strike | undefined> {
  const { cluster } = stage.scene;
  const victim = chosen(await serverNames(stage), draw);
  if (victim === undefined) return undefined;
  const store = serverStore(cluster, victim);
  const older = besideOf(cluster, victim);
  if (!(await cluster.whileFrozen(victim, () => replace(store, older)))) return undefined;
  await sleep(draw.lastsMs);
  if (!(await isWhole(stage.scene))) return undefined;
  await cluster.whileDown(victim, () => replace(older, store));
  const words = `${victim}'s store put back to where it was ${seconds(draw.lastsMs)} ago`;
  return { words, atMs: performance.now() };
}

async function countRolledBack({ scene }: Stage, node: string): Promise<number> {
  const incidents = await readIncidents(scene.door);
  return incidents.filter((incident) => incident.node === node && incident.what === "storeRolledBack").length;
}
