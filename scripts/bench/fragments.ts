#!/usr/bin/env node
// Bench of many fragments. Owns the figures of 1,000 fragments in a cluster of 4 nodes: made, all served, started again in order and after kill -9.

import { z } from "zod";
import { loadHash } from "../../cluster/world/hash.js";
import { type Door, openDoor } from "../live/door.js";
import type { Farewell } from "../live/farewell.js";
import { mebibytes, publish, say, secondsText } from "../live/figures.js";
import { probeKeys, readViews } from "../live/locations.js";
import { Receipts, receiptKey } from "../live/receipts.js";
import { sweep } from "../live/sweep.js";
import { TrialCluster } from "../live/trial-cluster.js";
import { type BenchChoice, runBench } from "./options.js";

const fragments = 1_000;
const table = "many";
const servedLimitMs = 120_000;
const created = z.object({ fragments: z.number() });

interface Line {
  readonly what: string;
  readonly ms: number | undefined;
}

async function manyFragments({ isJson }: BenchChoice, farewell: Farewell): Promise<boolean> {
  const cluster = await TrialCluster.prepare(farewell, {
    nodes: 4,
    natsServers: 1,
    isolation: "threads",
    restart: "always",
  });
  await cluster.start();
  const door = await openDoor(cluster.gate);
  farewell.later(() => door.close());
  const lines: Line[] = [];
  const note = (what: string, ms: number | undefined): void => {
    say(`${what}: ${secondsText(ms)}`);
    lines.push({ what, ms });
  };

  const beganMs = performance.now();
  const wish = { name: table, partitioning: "hash", key: receiptKey, fragments, deadlineMs: 60_000 };
  const made = await door.cluster("createTable", wish, created, servedLimitMs);
  note(`${made.fragments} fragments in 3 copies made`, performance.now() - beganMs);
  const receipts = new Receipts(door, { table, writers: 20, rowsPerRequest: 1, thinkMs: 0 });
  receipts.start();
  note("every fragment read and written", await untilAllServed(door));
  await receipts.stop();
  const rssBytes = (await cluster.family()).reduce((sum, line) => sum + line.rssBytes, 0);

  note("stopped in order", await cluster.stop());
  await cluster.start();
  note("ready again, same folder", cluster.readyMs);
  note("every fragment read and written after that", await untilAllServed(door));
  await cluster.killAll();
  await cluster.start();
  note("ready again after kill -9 of everything", cluster.readyMs);
  note("every fragment read and written after that", await untilAllServed(door));
  const count = await receipts.compare();
  await cluster.stop();
  publish(
    isJson,
    ["what", "measured"],
    [
      ...lines.map(({ what, ms }) => [what, secondsText(ms)]),
      ["resident memory of all processes", mebibytes(rssBytes)],
      ["acknowledged rows lost", `${count.lost + count.strange} of ${count.acknowledged}`],
    ],
    { lines, rssBytes, count },
  );
  return lines.every(({ ms }) => ms !== undefined) && count.lost + count.strange === 0 && count.acknowledged > 0;
}

/** Time until a strong read and a write of each fragment were answered, from now. */
async function untilAllServed(door: Door): Promise<number | undefined> {
  const { tookMs, silent } = await sweep(
    door,
    probeKeys(await readViews(door), await loadHash(), table),
    servedLimitMs,
  );
  for (const line of silent.slice(0, 5)) say(line);
  return tookMs;
}

await runBench(
  {
    name: "bench:fragments",
    description: "Makes 1,000 fragments in a cluster of 4 nodes, starts it again, and prints times and memory.",
    tries: 1,
  },
  manyFragments,
);
