// Scene. Owns what most trials need together: a cluster, its tables, a load on them through the router and through the client library, receipts, and
// a prober of every fragment; and the reading back of everything in the end.

import { loadHash } from "../../cluster/world/hash.js";
import { seededRandom } from "../../src/kernel/random.js";
import { passed, type Verdict } from "../../src/verify/history.js";
import { createWorkload } from "../../src/verify/workload.js";
import { type Door, type Gate, openDoor } from "./door.js";
import type { Farewell } from "./farewell.js";
import { openLibraryDoor } from "./library-door.js";
import { Load } from "./load.js";
import { probeKeys, readViews } from "./locations.js";
import { Prober } from "./prober.js";
import { type ReceiptCount, Receipts } from "./receipts.js";
import { createTables, receiptTable, workTables } from "./tables.js";
import { type ClusterWish, TrialCluster } from "./trial-cluster.js";
import { judgeHistory, lostRows } from "./verdicts.js";

export interface SceneOptions {
  readonly seed: number;
  readonly clients: number;
  readonly fragmentsPerTable: number;
}

/** Everything but the cluster itself: what asks it, and what is remembered of the answers. */
export interface Play {
  readonly door: Door;
  readonly load: Load;
  readonly receipts: Receipts;
  readonly prober: Prober;
  start(): void;
  stop(): Promise<void>;
}

export interface Scene extends Play {
  readonly cluster: TrialCluster;
}

/** What became of everything that was written. */
export interface ReadBack {
  readonly receipts: ReceiptCount;
  readonly verdicts: readonly Verdict[];
  /** Rows whose last read contradicts an acknowledged write. */
  readonly lost: readonly string[];
}

const receiptWriters = 3;

/** Starts the cluster and makes the tables; nobody asks anything yet. */
export async function openScene(farewell: Farewell, wish: ClusterWish, options: SceneOptions): Promise<Scene> {
  const cluster = await TrialCluster.prepare(farewell, wish);
  await cluster.start();
  return { cluster, ...(await openPlay(farewell, cluster.gate, options)) };
}

/** The same on a cluster that somebody else started. */
export async function openPlay(farewell: Farewell, gate: Gate, options: SceneOptions): Promise<Play> {
  const random = seededRandom(options.seed);
  const door = await openDoor(gate);
  const library = await openLibraryDoor(gate);
  const probeDoor = await openDoor(gate, "foreshard-trial-prober");
  for (const open of [door, library, probeDoor]) farewell.later(() => open.close());
  await createTables(door, options.fragmentsPerTable);

  const mix = { tables: workTables, hot: 0.1, maxStaleMs: 2_000, relaxed: 0.25 };
  const workload = createWorkload(random.fork("workload"), mix);
  const load = new Load([door, library], workload, random.fork("think"), { clients: options.clients, thinkMs: 15 });
  const receipts = new Receipts(door, { table: receiptTable, writers: receiptWriters, rowsPerRequest: 1, thinkMs: 5 });
  const prober = new Prober(probeDoor, probeKeys(await readViews(door), await loadHash()));
  return {
    door,
    load,
    receipts,
    prober,
    start() {
      load.start();
      receipts.start();
      prober.start();
    },
    async stop() {
      await Promise.all([load.stop(), receipts.stop(), prober.stop()]);
    },
  };
}

/** Reads every row and judges every answer; the load has ended. `needed`: fewer strong operations are too little to judge. */
export async function readBack({ load, receipts }: Play, needed: number): Promise<ReadBack> {
  const finalReads = await load.finalReads();
  return {
    receipts: await receipts.compare(),
    verdicts: judgeHistory(load.history, needed),
    lost: lostRows(load.history, finalReads),
  };
}

export function isWhole({ receipts, verdicts, lost }: ReadBack): boolean {
  return (
    lost.length === 0 &&
    receipts.lost === 0 &&
    receipts.strange === 0 &&
    receipts.acknowledged > 0 &&
    verdicts.every(passed)
  );
}
