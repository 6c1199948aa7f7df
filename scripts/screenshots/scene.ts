// Scene. Owns what is to be seen on the screenshots: a small shop's tables, two client groups whose load comes and goes, and moves of which one is under way.
// SC1 everything on the picture is real: real tables, real queries, real forecasts, real moves; only the shop is made up.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, connect } from "../../cluster/client/index.js";
import { until } from "../../cluster/engine/until.js";
import { type Random, seededRandom } from "../../src/kernel/random.js";
import type { Farewell } from "../live/farewell.js";
import { TrialCluster } from "../live/trial-cluster.js";

const users = [
  { user: "shop", pass: "password-of-shop", publish: ["foreshard.query.>"] },
  { user: "reports", pass: "password-of-reports", publish: ["foreshard.query.>"] },
] as const;

interface Flow {
  readonly user: (typeof users)[number]["user"];
  readonly table: string;
  /** Gets per second on average, and how much of that comes and goes. */
  readonly perSecond: number;
  readonly swing: number;
  readonly periodS: number;
  readonly writeShare: number;
}

const tables = [
  { name: "orders", fragments: 16, replicas: 2 },
  { name: "sessions", fragments: 12, replicas: 2 },
  { name: "catalogue", fragments: 6, replicas: 3 },
] as const;
const flows: readonly Flow[] = [
  { user: "shop", table: "orders", perSecond: 60, swing: 0.6, periodS: 40, writeShare: 0.3 },
  { user: "shop", table: "sessions", perSecond: 90, swing: 0.7, periodS: 40, writeShare: 0.2 },
  { user: "shop", table: "catalogue", perSecond: 40, swing: 0.3, periodS: 40, writeShare: 0 },
  { user: "reports", table: "orders", perSecond: 40, swing: 0.9, periodS: 20, writeShare: 0 },
];
const rowsEach = 400;
const everyMs = 250;
const moveLimitMs = 60_000;
/** Bytes that a move is under way with for some seconds, in rows of 64 KiB. */
const heavyRows = 320;

export interface Scene {
  readonly cluster: TrialCluster;
  readonly client: Client;
  readonly pageUrl: string;
  /** Begins a move that takes a while; settles when it is under way. */
  beginMove(): Promise<void>;
}

export async function openScene(farewell: Farewell): Promise<Scene> {
  const cluster = await TrialCluster.prepare(farewell, {
    nodes: 4,
    natsServers: 1,
    isolation: "threads",
    restart: "always",
  });
  const config = join(cluster.folder, "config.json");
  await writeFile(config, JSON.stringify({ users }));
  await cluster.start({
    more: [
      ...["--config", config, "--page", "127.0.0.1:0", "--zones", "north,south", "--sample-interval", "500ms"],
      ...["--copy-floor", "1", "--copy-ceiling", "1"],
    ],
  });
  const { natsUrl, pageUrl } = cluster.ready;
  if (pageUrl === undefined) throw new Error("the cluster has no page");
  const client = await connect(natsUrl);
  farewell.later(() => client.close());
  for (const table of tables) await client.admin.createTable(table);
  await client.admin.createTable({ name: "images", fragments: 1, replicas: 1 });
  await fill(client);
  for (const { user, pass } of users) {
    const asker = await connect({ servers: natsUrl, user, pass });
    farewell.later(() => asker.close());
    for (const [at, flow] of flows.entries())
      if (flow.user === user) farewell.later(startFlow(asker, flow, seededRandom(1).fork(`flow ${at}`)));
  }
  return {
    cluster,
    client,
    pageUrl,
    async beginMove() {
      const [heavy] = await client.cluster.fragments("images");
      const taker = (await client.cluster.nodes()).nodes.find(({ id }) => id !== heavy?.primary);
      if (heavy === undefined || taker === undefined) throw new Error("there is nothing to move");
      const wish = { table: "images", fragment: heavy.id, to: taker.id, why: "room for the sale on Friday" };
      const isMoving = async (): Promise<boolean> =>
        (await client.cluster.moves()).some(({ table }) => table === wish.table) ||
        (await client.admin.move(wish).catch(() => 0)) > 0;
      if (!(await until(isMoving, moveLimitMs, 500))) throw new Error("the move does not begin");
      await sleep(6_000);
    },
  };
}

async function fill(client: Client): Promise<void> {
  for (const { name } of tables) {
    const rows = client.table(name);
    await Promise.all(
      Array.from({ length: rowsEach }, (_, at) => rows.put(`${name}-${at}`, { at, text: "x".repeat(200) })),
    );
  }
  const images = client.table("images");
  const data = "x".repeat(64 * 1024);
  for (let at = 0; at < heavyRows; at++) await images.put(`image-${at}`, { data });
}

/** Asks at the flow's rate of now, whatever the answers; returns how to end it. */
function startFlow(client: Client, { table, perSecond, swing, periodS, writeShare }: Flow, random: Random): () => void {
  const rows = client.table(table);
  let owed = 0;
  const timer = setInterval(() => {
    const wave = 1 + swing * Math.sin((2 * Math.PI * Date.now()) / 1000 / periodS);
    owed += perSecond * wave * (everyMs / 1000);
    for (; owed >= 1; owed--) {
      // Some rows are asked for much more than others.
      const key = `${table}-${Math.floor(rowsEach * random.next() ** 3)}`;
      const one = random.next() < writeShare ? rows.update(key, { seen: random.below(1e6) }) : rows.get(key);
      one.catch(() => undefined);
    }
  }, everyMs);
  return () => clearInterval(timer);
}
