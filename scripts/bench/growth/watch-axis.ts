// Watch axis. Owns how the number of watchers of one table changes things: writes per second, changes delivered, and how late a change comes.
// Writer and watchers share this process, so that one clock tells how late; each watcher polls for itself, as watchers of different processes would.

import { setMaxListeners } from "node:events";
import { connect, type Watch } from "../../../cluster/client/index.js";
import { quantile } from "../../live/figures.js";
import { foreshardPeer } from "../peers/foreshard.js";
import { keyOf } from "../ycsb/keys.js";
import type { Axis, Figures, Ground } from "./axis.js";

const rows = 1000;
const fragments = 16;
const writers = 16;
const table = "rows";

interface Told {
  readonly at: number;
}

async function measure(watchers: number, { farewell, seconds }: Ground): Promise<Figures> {
  const peer = foreshardPeer("foreshard", { nodes: 1, fragments, rows, durability: "interval" });
  const running = await peer.start(farewell);
  if (running.address.kind !== "foreshard") throw new Error("not a cluster of ours");
  const client = await connect(running.address.url);
  const undo = farewell.later(() => client.close());
  const all = client.table<Told>(table);
  const ending = new AbortController();
  setMaxListeners(watchers + 1, ending.signal);
  const lateMs: number[] = [];
  const watch = async (watching: Watch<Told>): Promise<void> => {
    for await (const { doc } of watching) if (doc !== null) lateMs.push(performance.now() - doc.at);
  };
  const watches = Array.from({ length: watchers }, () => all.watch({ signal: ending.signal, waitMs: 1000 }));
  const watching = Promise.all(watches.map(watch));
  // Each has its first cursor before anything is written.
  while (watches.some(({ cursor }) => cursor === undefined)) await new Promise((resolve) => setTimeout(resolve, 10));
  const endMs = performance.now() + seconds * 1000;
  let written = 0;
  const write = async (at: number): Promise<void> => {
    for (let n = at; performance.now() < endMs; n += writers) {
      await all.put(keyOf(n % rows), { at: performance.now() });
      written++;
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, at) => write(at)));
  const delivered = lateMs.length;
  ending.abort();
  await watching;
  await undo();
  await running.stop();
  return {
    puts: written / seconds,
    delivered: delivered / seconds,
    p50: quantile(lateMs, 0.5) ?? Number.NaN,
    p99: quantile(lateMs, 0.99) ?? Number.NaN,
  };
}

export const watchAxis: Axis = {
  name: "watchers",
  says: `watchers of one table that ${writers} writers write as fast as they are answered; one node, ${fragments} fragments`,
  steps: [1, 4, 16, 64],
  columns: [
    { key: "puts", title: "put/s", digits: 0 },
    { key: "delivered", title: "changes delivered/s", digits: 0 },
    { key: "p50", title: "late p50 ms", digits: 1 },
    { key: "p99", title: "late p99 ms", digits: 1 },
  ],
  plots: [
    { name: "rate", title: "writes, and changes delivered", unit: "per second", keys: ["puts", "delivered"] },
    { name: "late", title: "from the put's begin to its change", unit: "ms", keys: ["p50", "p99"] },
  ],
  measure,
};
