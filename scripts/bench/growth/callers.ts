// Gets and puts. Owns the figures of point operations from one process of callers in closed loops, on any cluster that has a table of rows.

import { quantile } from "../../live/figures.js";
import type { PeerAddress } from "../peers/peer.js";
import { Callers } from "../ycsb/callers.js";
import { workloads } from "../ycsb/workloads.js";
import type { Column, Figures, Ground, Plot } from "./axis.js";

export const pointColumns: readonly Column[] = [
  { key: "gets", title: "get/s", digits: 0 },
  { key: "getP99", title: "get p99 ms", digits: 2 },
  { key: "puts", title: "put/s", digits: 0 },
  { key: "putP99", title: "put p99 ms", digits: 2 },
];

export const pointPlots: readonly Plot[] = [
  { name: "throughput", title: "gets and puts", unit: "per second", keys: ["gets", "puts"] },
  { name: "p99", title: "p99 of gets and puts", unit: "ms", keys: ["getP99", "putP99"] },
];

export interface PointWish {
  readonly address: PeerAddress;
  readonly rows: number;
  readonly valueBytes: number;
  readonly callers: number;
  /** The rows are not there yet. */
  readonly loads: boolean;
}

/** Throws where an operation failed: a rate of failures is none. */
export async function askPoints(wish: PointWish, { farewell, seconds }: Ground): Promise<Figures> {
  const { address, rows, valueBytes, callers: count } = wish;
  const callers = Callers.start(farewell, 1);
  try {
    await callers.tell(() => ({ kind: "connect", address }));
    if (wish.loads) await callers.tell(() => ({ kind: "load", from: 0, to: rows, valueBytes }));
    const run = async (name: "get" | "put"): Promise<{ perSecond: number; p99Ms: number }> => {
      const workload = workloads.find((one) => one.name === name);
      if (workload === undefined) throw new Error(`there is no workload ${name}`);
      const times = { warmMs: seconds * 500, runMs: seconds * 1000 };
      const share = { seed: 1, process: 0, processes: 1 };
      const [outcome] = await callers.run(() => ({
        kind: "run",
        ...{ workload, callers: count, rows, valueBytes, ...times, ...share },
      }));
      if (outcome === undefined || outcome.failed > 0)
        throw new Error(`${outcome?.failed ?? "all"} ${name}s failed: ${outcome?.firstFailure ?? "no outcome"}`);
      return {
        perSecond: outcome.operations / seconds,
        p99Ms: (quantile(outcome.sampleUs, 0.99) ?? Number.NaN) / 1000,
      };
    };
    const get = await run("get");
    const put = await run("put");
    return { gets: get.perSecond, getP99: get.p99Ms, puts: put.perSecond, putP99: put.p99Ms };
  } finally {
    await callers.end();
  }
}
