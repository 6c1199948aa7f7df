#!/usr/bin/env node
// Bench of the start. Owns the figures of the default cluster doing nothing: how long until it serves, what memory it holds, what it computes.

import { setTimeout as sleep } from "node:timers/promises";
import type { Farewell } from "../live/farewell.js";
import { mebibytes, median, publish, say, secondsText, spreadText } from "../live/figures.js";
import type { ProcessLine } from "../live/processes.js";
import { TrialCluster } from "../live/trial-cluster.js";
import { type BenchChoice, runBench } from "./options.js";

const settleMs = 5_000;
const idleMs = 20_000;
const marks = { readyMs: 5_000, rssBytes: 500 * 1024 * 1024, cpuPercent: 5 } as const;

interface Idle {
  readonly rssBytes: number;
  readonly cpuPercent: number;
  readonly processes: number;
}

async function start({ tries, isJson }: BenchChoice, farewell: Farewell): Promise<boolean> {
  const readyMs: number[] = [];
  let idle: Idle | undefined;
  let againMs = 0;
  for (let at = 0; at < tries; at++) {
    const cluster = await TrialCluster.prepare(farewell, {
      nodes: 3,
      natsServers: 1,
      isolation: "threads",
      restart: "always",
    });
    await cluster.start();
    readyMs.push(cluster.readyMs);
    say(`ready after ${secondsText(cluster.readyMs)}`);
    if (at === tries - 1) {
      await sleep(settleMs);
      idle = await watchIdle(cluster);
    }
    await cluster.stop();
    if (at < tries - 1) continue;
    await cluster.start();
    againMs = cluster.readyMs;
    await cluster.stop();
  }
  if (idle === undefined) throw new Error("nothing was measured");
  publish(
    isJson,
    ["what", "mark", "measured"],
    [
      ["ready to serve after npm start, new folder", secondsText(marks.readyMs), spreadText(readyMs)],
      ["ready to serve, same folder again", "-", secondsText(againMs)],
      [
        "resident memory of all processes, idle",
        mebibytes(marks.rssBytes),
        `${mebibytes(idle.rssBytes)} in ${idle.processes} processes`,
      ],
      [
        `processor, idle for ${idleMs / 1000} s`,
        `${marks.cpuPercent} % of a core`,
        `${idle.cpuPercent.toFixed(1)} % of a core`,
      ],
    ],
    { readyMs, medianReadyMs: median(readyMs), againMs, ...idle },
  );
  return true;
}

async function watchIdle(cluster: TrialCluster): Promise<Idle> {
  const before = await cluster.family();
  const beganMs = performance.now();
  await sleep(idleMs);
  const after = await cluster.family();
  const tookMs = performance.now() - beganMs;
  return {
    rssBytes: sum(after, ({ rssBytes }) => rssBytes),
    cpuPercent: ((sum(after, ({ cpuMs }) => cpuMs) - sum(before, ({ cpuMs }) => cpuMs)) / tookMs) * 100,
    processes: after.length,
  };
}

function sum(family: readonly ProcessLine[], of: (line: ProcessLine) => number): number {
  return family.reduce((total, line) => total + of(line), 0);
}

await runBench(
  {
    name: "bench:start",
    description: "Starts the default cluster and prints ready time, idle memory and idle processor time.",
    tries: 5,
  },
  start,
);
