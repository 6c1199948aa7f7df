// Trial. Owns one policy's run: a fresh cluster of processes with a ceiling at each node, the past, the same queries as every other policy, and what came of it.
// TR1 nothing is judged before `warmMs`: until then the forecaster reads the past. TR2 whatever was started has ended when this returns or throws.
// TR3 rows are written under `static`: the load of that is nobody's demand.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Client,
  connect,
  type ForecastAnswer,
  type FragmentInfo,
  type MoveInfo,
  type PlanAnswer,
} from "../../cluster/client/index.js";
import type { PolicyMode } from "../../src/plan/policy.js";
import { createFarewell, type Farewell } from "../live/farewell.js";
import { TrialCluster } from "../live/trial-cluster.js";
import { backfill } from "./backfill.js";
import { Callers, keysPerFragment, regionsOf, replayTable, rowOf, rowsPerFragment, userOf } from "./callers.js";
import type { Demand } from "./demand.js";
import { Meter, windowMs } from "./meter.js";

export interface TrialWish {
  readonly demand: Demand;
  readonly nodes: number;
  readonly replicas: number;
  /** Queries per second of one node. */
  readonly ceiling: number;
  readonly writeShare: number;
  readonly rowBytes: number;
  /** MiB per second, at most. */
  readonly copyRate: number;
  readonly seed: number;
  /** Recorded time per real time. */
  readonly speed: number;
  readonly sampleMs: number;
  /** Recorded time at which the queries begin. */
  readonly fromMs: number;
  /** Real time: of the past, before anything is judged, and judged. */
  readonly pastMs: number;
  readonly warmMs: number;
  readonly judgedMs: number;
  /** Fields of the policy beside its mode. */
  readonly policy: Readonly<Record<string, unknown>>;
  /** `HOST:PORT`, or `off`. */
  readonly page: string;
}

/** What is known at one moment of a run. */
export interface Glimpse {
  /** Since the queries began. */
  readonly elapsedMs: number;
  readonly beganAtMs: number;
  readonly plan: PlanAnswer | undefined;
  readonly moves: readonly MoveInfo[];
  readonly forecast: ForecastAnswer | undefined;
  /** Queries per second that are asked of the fragments that each node leads. */
  readonly loads: ReadonlyMap<string, number>;
  readonly meter: Meter;
  readonly pageUrl: string | undefined;
  /** Ids in the order of the streams. */
  readonly fragments: readonly number[];
}

export interface TrialResult {
  readonly mode: PolicyMode;
  readonly meter: Meter;
  readonly beganAtMs: number;
  /** Those that ended or are under way. */
  readonly moves: readonly MoveInfo[];
  readonly glimpses: readonly Glimpse[];
  /** Shares of one core, over the judged time. */
  readonly forecasterCpu: number;
  readonly leaderCpu: number;
  /** When the judged time began: series whose forecasts were not believed, and all. */
  readonly doubted: number;
  readonly series: number;
}

/** Samples in one step of the short horizon. */
const slotSamples = 6;
const lookEveryMs = 1000;

/** `look` is told once a second how things are, and says whether to go on. */
export async function runPolicy(
  mode: PolicyMode,
  wish: TrialWish,
  outer: Farewell,
  look: (glimpse: Glimpse) => boolean,
): Promise<TrialResult> {
  const farewell = createFarewell();
  const undo = outer.later(() => farewell.all());
  try {
    return await run(mode, wish, farewell, look);
  } finally {
    await undo();
  }
}

async function run(
  mode: PolicyMode,
  wish: TrialWish,
  farewell: Farewell,
  look: (glimpse: Glimpse) => boolean,
): Promise<TrialResult> {
  const cluster = await start(wish, farewell);
  const client = await connect(cluster.ready.natsUrl);
  farewell.later(() => client.close());
  await client.admin.setPolicy({ mode: "static" });
  const fragments = await prepare(client, cluster.ready.natsUrl, wish);
  const meter = new Meter(Math.ceil((wish.warmMs + wish.judgedMs) / windowMs));
  const { natsUrl, dataDir, pageUrl } = cluster.ready;
  const callers = await Callers.open({ ...wish, natsUrl, meter });
  farewell.later(() => callers.close());
  callers.start();
  const beganAtMs = Date.now();
  const slotMs = slotSamples * wish.sampleMs;
  await backfill({ ...wish, dataDir, natsUrl, fragments, beginsAtMs: beganAtMs, lengthMs: wish.pastMs, slotMs });
  await cluster.signal("f1", "SIGKILL");
  await client.admin.setPolicy({ ...wish.policy, mode });

  const glimpses: Glimpse[] = [];
  async function watch(untilMs: number): Promise<boolean> {
    while (callers.elapsedMs() < untilMs) {
      await sleep(Math.max(1, Math.min(lookEveryMs, untilMs - callers.elapsedMs())));
      const [plans, moves, forecast, placed] = await Promise.all([
        client.cluster.plan().catch(() => []),
        client.cluster.moves(true).catch(() => []),
        client.cluster.forecast({ table: replayTable }).catch(() => undefined),
        client.cluster.fragments(replayTable).catch(() => []),
      ]);
      const elapsedMs = callers.elapsedMs();
      const loads = loadsAt(wish, fragments, placed, elapsedMs);
      const last = { elapsedMs, beganAtMs, plan: plans[0], moves, forecast, loads, meter, pageUrl, fragments };
      glimpses.push(last);
      if (!look(last)) return false;
    }
    return true;
  }
  const goesOn = await watch(wish.warmMs);
  const atBegin = glimpses.at(-1)?.plan;
  const before = await cpuOf(cluster);
  if (goesOn) await watch(wish.warmMs + wish.judgedMs);
  const after = await cpuOf(cluster);
  const moves = await client.cluster.moves(true);
  await callers.close();
  await client.close();
  await cluster.stop();
  const share = (name: string): number => ((after.get(name) ?? 0) - (before.get(name) ?? 0)) / wish.judgedMs;
  const [doubted, series] = [atBegin?.doubted?.length ?? 0, atBegin?.series ?? 0];
  return {
    mode,
    meter,
    beganAtMs,
    moves,
    glimpses,
    forecasterCpu: share("f1"),
    leaderCpu: share("c1"),
    doubted,
    series,
  };
}

function loadsAt(
  { demand, nodes, fromMs, speed }: TrialWish,
  fragments: readonly number[],
  placed: readonly FragmentInfo[],
  elapsedMs: number,
): ReadonlyMap<string, number> {
  const loads = new Map(Array.from({ length: nodes }, (_, at) => [`n${at + 1}`, 0]));
  const primaries = new Map(placed.map(({ id, primary }) => [id, primary]));
  for (const stream of demand.streams) {
    const node = primaries.get(fragments[stream.fragment] ?? -1);
    if (node !== undefined) loads.set(node, (loads.get(node) ?? 0) + demand.rate(stream, fromMs + elapsedMs * speed));
  }
  return loads;
}

/** Time on a processor, by part. */
async function cpuOf(cluster: TrialCluster): Promise<ReadonlyMap<string, number>> {
  const family = await cluster.family();
  const parts = await cluster.parts();
  return new Map(parts.map(({ name, pid }) => [name, family.find((line) => line.pid === pid)?.cpuMs ?? 0]));
}

async function start(wish: TrialWish, farewell: Farewell): Promise<TrialCluster> {
  const { nodes, replicas, ceiling, sampleMs, demand, page } = wish;
  const common = { nodes, natsServers: 1, isolation: "processes", restart: "always" } as const;
  const cluster = await TrialCluster.prepare(farewell, common);
  const users = regionsOf(demand).map(({ user, pass }) => ({
    user,
    pass,
    group: user,
    publish: ["foreshard.query.>"],
  }));
  const config = join(cluster.folder, "users.json");
  await writeFile(config, JSON.stringify({ users }), { mode: 0o600 });
  const options = {
    config,
    replicas,
    capacity: ceiling,
    control: 1,
    page,
    "copy-floor": Math.min(2, wish.copyRate),
    "copy-ceiling": wish.copyRate,
    "sample-interval": `${sampleMs}ms`,
    durability: "interval",
    "log-groups": 4,
  };
  await cluster.start({ more: Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]) });
  return cluster;
}

/** One table, its rows written by the groups that will ask for them; gives the ids of its fragments in the order of their keys. */
async function prepare(
  client: Client,
  natsUrl: string,
  { demand: { streams }, replicas, rowBytes }: TrialWish,
): Promise<number[]> {
  const splitAt = streams.slice(1).map((_, at) => [(at + 1) * keysPerFragment]);
  await client.admin.createTable({ name: replayTable, partitioning: "range", key: "number", splitAt, replicas });
  for (const { user, pass } of regionsOf({ streams })) {
    const region = await connect({ servers: natsUrl.replace(/\/\/[^@]*@/, "//"), user, pass });
    for (const stream of streams) if (userOf(stream) === user) await writeRows(region, stream.fragment, rowBytes);
    await region.close();
  }
  const fragments = await client.cluster.fragments(replayTable);
  const begins = (key: unknown): number => (Array.isArray(key) ? Number(key[0]) : key === null ? -1 : Number(key));
  return [...fragments].sort((a, b) => begins(a.from) - begins(b.from)).map(({ id }) => id);
}

async function writeRows(client: Client, fragment: number, rowBytes: number): Promise<void> {
  const rows = client.table(replayTable);
  await Promise.all(
    Array.from({ length: rowsPerFragment }, (_, row) => {
      const key = fragment * keysPerFragment + row;
      return rows.put(key, rowOf(key, rowBytes), { deadlineMs: 20_000 });
    }),
  );
}
