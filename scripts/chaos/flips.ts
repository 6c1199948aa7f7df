// Flips. Owns the faults of bits that changed on disk: in a node's store, and in a message that one of three servers holds.
// L1 a node must not serve what changed: it stops, says so, and does not start again on that file; then the operator of this run moves the folder away,
//    and the node is filled again from the others. Or a comparison of the copies came first and repaired it. L2 what one server of three lost, the other two or the replicas make up for.

import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { until } from "../../cluster/engine/until.js";
import { streams } from "../../src/protocol/subjects.js";
import { messageStretches } from "../live/block-file.js";
import { blockFiles, streamInfos, withStreams } from "../live/engine-room.js";
import { readIncidents } from "../live/locations.js";
import { receiptTable } from "../live/tables.js";
import type { TrialCluster } from "../live/trial-cluster.js";
import { nodeNames, serverNames } from "./ends.js";
import { chosen, type Draw, type FaultKind, type Stage, type Strike } from "./fault.js";
import { besideOf, fileFault, nodeStore, replace, serverIndex } from "./files.js";

export const flipFaults: readonly FaultKind[] = [
  fileFault("nodeFlip", "flip", flipInNode),
  { ...fileFault("storeFlip", "flip", flipInServer), needs: ["threeServers"] },
];

/** What was hurt in a node's file, and how the node comes to look at it. */
interface Wound {
  readonly words: string;
  look(): Promise<void>;
}

const alarmLimitMs = 20_000;
const sampledRows = 200;
const lmdbMagic = Buffer.from([0xde, 0xc0, 0xef, 0xbe]);
const logPrefix = streams.log(0).slice(0, -1);

async function flipInNode(stage: Stage, draw: Draw): Promise<Strike | undefined> {
  const { cluster } = stage.scene;
  const victim = chosen(await nodeNames(stage), draw);
  if (victim === undefined) return undefined;
  const store = nodeStore(cluster, victim);
  const file = join(store, "data.mdb");
  const known = { alarms: await countAlarms(cluster, file), repairs: await countRepairs(stage, victim) };
  const hasStopped = async () => (await countAlarms(cluster, file)) > known.alarms;
  const isHeard = async () => (await hasStopped()) || (await countRepairs(stage, victim)) > known.repairs;
  let wound: Wound | undefined;
  await cluster.whileDown(victim, async () => {
    wound = draw.chance < 0.3 ? await flipHeader(file, draw) : await flipRow(stage, file, draw);
  });
  if (wound === undefined) return undefined;
  const { words, look } = wound;
  const atMs = performance.now();
  async function end(): Promise<void> {
    const isSeen = async () => {
      await look();
      return isHeard();
    };
    await until(isSeen, alarmLimitMs, 100);
    if (!(await hasStopped())) return;
    await cluster.whileDown(victim ?? "", async () => {
      await replace(store, besideOf(cluster, "damaged"));
      await rm(store, { recursive: true });
    });
  }
  return {
    words: `a bit of ${words} in ${victim}'s store flipped, its folder moved away once that was reported`,
    atMs,
    lasting: { forMs: draw.lastsMs, end },
    alarm: { words: `the damage in ${victim}'s store`, isHeard },
  };
}

async function flipHeader(file: string, { which }: Draw): Promise<Wound> {
  await flipBits(file, [(await readFile(file)).indexOf(lmdbMagic)], which);
  return { words: "the first page", look: async () => undefined };
}

/** Of a row that was acknowledged and is on this node; wherever its bytes lie in the file, for old pages of LMDB hold them too. */
async function flipRow({ scene }: Stage, file: string, { which }: Draw): Promise<Wound | undefined> {
  const bytes = await readFile(file);
  for (let at = 0; at < sampledRows; at++) {
    const row = scene.receipts.someAcknowledged(which + at);
    const places = row === undefined ? [] : placesOf(bytes, Buffer.from(row.text));
    if (row === undefined || places.length === 0) continue;
    await flipBits(file, places, which);
    const look = async () => {
      for (let copy = 0; copy < 8; copy++) await readAnywhere(scene.door, row.key, row.text);
    };
    return { words: `row ${row.key.join("/")}`, look };
  }
  return undefined;
}

const answered = z.object({ row: z.object({ doc: z.object({ text: z.string() }) }) });

/** Any replica may answer, or none; but nobody may answer anything else. */
async function readAnywhere(door: Stage["scene"]["door"], key: readonly unknown[], text: string): Promise<void> {
  const outcome = await door.query(receiptTable, "get", { key, level: "any", deadlineMs: 900 }, 1_000);
  const read = outcome.kind === "answer" ? answered.safeParse(outcome.body) : undefined;
  if (read?.success === true && read.data.row.doc.text !== text)
    throw new Error(`a damaged row was served: ${JSON.stringify(read.data.row)} instead of ${text}`);
}

function placesOf(bytes: Buffer, text: Buffer): number[] {
  const places: number[] = [];
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) places.push(at);
  return places;
}

async function countRepairs({ scene }: Stage, node: string): Promise<number> {
  const incidents = await readIncidents(scene.door).catch(() => []);
  return incidents.filter((incident) => incident.node === node && incident.what === "replicaRepaired").length;
}

async function countAlarms(cluster: TrialCluster, file: string): Promise<number> {
  const log = await readFile(join(cluster.dataDir, "cluster.log"), "utf8").catch(() => "");
  return log.split(`${file} is damaged`).length - 1;
}

/** In a message of the fullest log: what the other servers hold must make up for it. */
async function flipInServer(stage: Stage, draw: Draw): Promise<Strike | undefined> {
  const { cluster } = stage.scene;
  const victim = chosen(await serverNames(stage), draw);
  const stream = await fullestLog(cluster);
  if (victim === undefined || stream === undefined) return undefined;
  let words: string | undefined;
  await cluster.whileDown(victim, async () => {
    const [block] = await blockFiles(cluster, stream, serverIndex(victim));
    const stretches = block === undefined ? [] : messageStretches(await readFile(block));
    const stretch = stretches[Math.floor(draw.chance * stretches.length)];
    if (block === undefined || stretch === undefined) return;
    await flipBits(block, [stretch.from + (draw.which % (stretch.to - stretch.from))], draw.which);
    words = `a bit of message ${stretches.indexOf(stretch) + 1} of ${stretches.length} of ${stream} flipped on ${victim}`;
  });
  return words === undefined ? undefined : { words, atMs: performance.now() };
}

async function fullestLog(cluster: TrialCluster): Promise<string | undefined> {
  const infos = await withStreams(cluster, streamInfos);
  const logs = infos.filter(({ config, state }) => config.name.startsWith(logPrefix) && state.messages > 0);
  return logs.sort((a, b) => b.state.bytes - a.state.bytes)[0]?.config.name;
}

/** The same bit of the byte at each place. */
async function flipBits(path: string, places: readonly number[], bit: number): Promise<void> {
  const file = await open(path, "r+");
  try {
    for (const at of places) {
      const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
      await file.write(Buffer.from([(buffer[0] ?? 0) ^ (1 << (bit & 7))]), 0, 1, at);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}
