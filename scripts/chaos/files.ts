// Files. Owns the faults of what lies on disk, each done to one copy of several while its process is down: put back to an older state, or a bit flipped.
// They strike only when every copy is there: with the last of them the harm would be beyond every promise.

import { cp, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../../cluster/engine/until.js";
import { streams } from "../../src/protocol/subjects.js";
import { messageStretches } from "../live/block-file.js";
import { blockFiles, streamInfos, withStreams } from "../live/engine-room.js";
import { readIncidents } from "../live/locations.js";
import type { TrialCluster } from "../live/trial-cluster.js";
import { untilWhole } from "../live/wholeness.js";
import { nodeNames, serverNames } from "./ends.js";
import { type Alarm, chosen, type Draw, type FaultKind, type Stage, type Strike, seconds } from "./fault.js";

const wholeLimitMs = 40_000;
const alarmLimitMs = 15_000;

export const fileFaults: readonly FaultKind[] = [
  { ...kind("nodeOld", "oldFolder"), lastsMs: [2_000, 5_000], strike: whole(putNodeBack) },
  { ...kind("storeOld", "oldFolder"), needs: ["threeServers"], lastsMs: [2_000, 5_000], strike: whole(putStoreBack) },
  { ...kind("nodeFlip", "flip"), lastsMs: [1_000, 3_000], strike: whole(flipNodeHeader) },
  { ...kind("storeFlip", "flip"), needs: ["threeServers"], strike: whole(flipMessage) },
];

function kind(name: string, group: string) {
  return { name, groups: [group], needs: [], joins: false, lastsMs: [0, 0] } as const;
}

function whole(strike: FaultKind["strike"]): FaultKind["strike"] {
  return async (stage, draw) => {
    const { cluster, door } = stage.scene;
    if (await untilWhole(cluster, door, wholeLimitMs)) return strike(stage, draw);
    stage.tell(`not every copy is there after ${seconds(wholeLimitMs)}: no file is touched`);
    return undefined;
  };
}

/** The copy is of the running node, as a disk's snapshot; in one of two strikes it was opened again since, and then the cluster must notice. */
async function putNodeBack(stage: Stage, draw: Draw): Promise<Strike | undefined> {
  const { cluster } = stage.scene;
  const victim = chosen(await nodeNames(stage), draw);
  if (victim === undefined) return undefined;
  const store = nodeStore(cluster, victim);
  const older = olderCopy(cluster, victim);
  if (!(await cluster.whileFrozen(victim, () => replace(store, older)))) return undefined;
  await sleep(draw.lastsMs / 2);
  const isOpened = draw.chance < 0.5;
  if (isOpened) await cluster.signal(victim, "SIGKILL");
  await sleep(draw.lastsMs / 2);
  if (isOpened && !(await untilWhole(cluster, stage.scene.door, wholeLimitMs))) return undefined;
  const known = await countIncidents(stage, victim, "storeRolledBack");
  await cluster.whileDown(victim, () => replace(older, store));
  const words = `${victim}'s store put back to where it was ${seconds(draw.lastsMs)} ago${isOpened ? " and one start earlier" : ""}`;
  const isHeard = async () => (await countIncidents(stage, victim, "storeRolledBack")) > known;
  const alarm: Alarm = { words: `storeRolledBack at ${victim}`, isHeard };
  return { words, atMs: performance.now(), ...(isOpened ? { alarm } : {}) };
}

async function putStoreBack(stage: Stage, draw: Draw): Promise<Strike | undefined> {
  const { cluster } = stage.scene;
  const victim = chosen(await serverNames(stage), draw);
  if (victim === undefined) return undefined;
  const store = join(serverFolder(cluster, victim), "jetstream");
  const older = olderCopy(cluster, victim);
  if (!(await cluster.whileFrozen(victim, () => replace(store, older)))) return undefined;
  await sleep(draw.lastsMs);
  if (!(await untilWhole(cluster, stage.scene.door, wholeLimitMs))) return undefined;
  await cluster.whileDown(victim, () => replace(older, store));
  return {
    words: `${victim}'s store put back to where it was ${seconds(draw.lastsMs)} ago`,
    atMs: performance.now(),
  };
}

/**
 * The first page of a node's data file no longer reads as one: its start must be refused, with a sentence that says so, until the operator moves the
 * folder away; then the node is filled again from the others.
 */
async function flipNodeHeader(stage: Stage, draw: Draw): Promise<Strike | undefined> {
  const { cluster } = stage.scene;
  const victim = chosen(await nodeNames(stage), draw);
  if (victim === undefined) return undefined;
  const store = nodeStore(cluster, victim);
  const file = join(store, "data.mdb");
  await cluster.whileDown(victim, async () => {
    const head = await readFile(file);
    await flipBit(file, head.indexOf(lmdbMagic), draw.which);
  });
  const isHeard = async () =>
    (await readFile(join(cluster.dataDir, "cluster.log"), "utf8")).includes(`${file} is damaged`);
  return {
    words: `a bit of the first page of ${victim}'s store flipped, its folder moved away once that was reported`,
    atMs: performance.now(),
    lasting: {
      forMs: draw.lastsMs,
      async end() {
        await until(isHeard, alarmLimitMs, 100);
        await cluster.whileDown(victim, async () => {
          await rm(olderCopy(cluster, victim), { recursive: true, force: true });
          await mkdir(join(cluster.folder, "older"), { recursive: true });
          await cp(store, olderCopy(cluster, victim), { recursive: true });
          await rm(store, { recursive: true });
        });
      },
    },
    alarm: { words: `"${victim}'s file is damaged"`, isHeard },
  };
}

const lmdbMagic = Buffer.from([0xde, 0xc0, 0xef, 0xbe]);

/** In a message of the fullest log: what the other servers hold must make up for it. */
async function flipMessage(stage: Stage, draw: Draw): Promise<Strike | undefined> {
  const { cluster } = stage.scene;
  const victim = chosen(await serverNames(stage), draw);
  const stream = await fullestLog(cluster);
  if (victim === undefined || stream === undefined) return undefined;
  let words: string | undefined;
  await cluster.whileDown(victim, async () => {
    const [block] = await blockFiles(cluster, stream, indexOf(victim));
    const stretches = block === undefined ? [] : messageStretches(await readFile(block));
    const stretch = stretches[Math.floor(draw.chance * stretches.length)];
    if (block === undefined || stretch === undefined) return;
    const at = stretch.from + (draw.which % (stretch.to - stretch.from));
    await flipBit(block, at, draw.which);
    words = `a bit of message ${stretches.indexOf(stretch) + 1} of ${stretches.length} of ${stream} flipped on ${victim}`;
  });
  return words === undefined ? undefined : { words, atMs: performance.now() };
}

async function flipBit(path: string, at: number, bit: number): Promise<void> {
  const file = await open(path, "r+");
  try {
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
    await file.write(Buffer.from([(buffer[0] ?? 0) ^ (1 << (bit & 7))]), 0, 1, at);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes `to` hold what `from` holds, and nothing else. */
async function replace(from: string, to: string): Promise<void> {
  await mkdir(join(to, ".."), { recursive: true });
  const next = `${to}.next`;
  await rm(next, { recursive: true, force: true });
  await cp(from, next, { recursive: true });
  await rm(to, { recursive: true, force: true });
  await rename(next, to);
}

async function countIncidents({ scene }: Stage, node: string, what: string): Promise<number> {
  const incidents = await readIncidents(scene.door);
  return incidents.filter((incident) => incident.node === node && incident.what === what).length;
}

async function fullestLog(cluster: TrialCluster): Promise<string | undefined> {
  const infos = await withStreams(cluster, streamInfos);
  const logs = infos.filter(({ config, state }) => config.name.startsWith(logPrefix) && state.messages > 0);
  return logs.sort((a, b) => b.state.bytes - a.state.bytes)[0]?.config.name;
}

const logPrefix = streams.log(0).slice(0, -1);

function nodeStore(cluster: TrialCluster, node: string): string {
  return join(cluster.dataDir, "nodes", node, "store");
}

function serverFolder(cluster: TrialCluster, server: string): string {
  return join(cluster.dataDir, "nats", String(indexOf(server)));
}

function indexOf(server: string): number {
  return Number(server.replace("nats-", ""));
}

/** Beside the data folder, so that it takes no room on a small disk. */
function olderCopy(cluster: TrialCluster, name: string): string {
  return join(cluster.folder, "older", name);
}
