#!/usr/bin/env node
// Bench of the forecaster. Owns the figures of its budget: 10,000 live series updated once a minute and refitted once an hour, on at most half a core, with no turn
// of the event loop over 20 ms. The actor, the samples' decoding and the worker pool are the product's; only the network and the clock are made up.

import { createCompute } from "../../cluster/world/compute.js";
import { horizonsOf } from "../../src/forecast/horizons.js";
import { createSeries, packSeries, preload } from "../../src/forecast/series.js";
import { seededRandom } from "../../src/kernel/random.js";
import { addTo, createCounter } from "../../src/load/counter.js";
import { loadKinds } from "../../src/load/kinds.js";
import { median, publish, say } from "../live/figures.js";
import { ForecasterWorld, sampleMs } from "./forecaster-world.js";
import { type BenchChoice, runBench } from "./options.js";

const series = 10_000;
const warmMinutes = 6;
const measuredMinutes = 6;
const refitBatches = 12;
const batchSize = 8;

async function forecaster({ isJson, seed }: BenchChoice): Promise<boolean> {
  const world = await ForecasterWorld.open(series);
  const before = process.memoryUsage();
  for (let minute = 0; minute < warmMinutes; minute++) await world.minute();
  const after = process.memoryUsage();
  say(`${series} series begun`);
  const busy: number[] = [];
  const longest: number[] = [];
  for (let minute = 0; minute < measuredMinutes; minute++) {
    world.busyMs = 0;
    world.longestMs = 0;
    await world.minute();
    busy.push(world.busyMs);
    longest.push(world.longestMs);
    say(`minute ${minute + 1}: ${world.busyMs.toFixed(0)} ms of turns, the longest ${world.longestMs.toFixed(1)} ms`);
  }
  await world.close();
  const refits = await measureRefits(seed);
  const counting = measureCounting();
  const updateShare = (median(busy) ?? 0) / 60_000;
  const refitMs = refits.reduce((sum, { ms }) => sum + ms, 0);
  const refitShare = (series * refitMs) / 3_600_000;
  const bytes = (after.rss - before.rss) / series;
  const slowest = Math.max(...longest);
  publish(
    isJson,
    ["what", "measured", "wanted"],
    [
      ["series, each over two horizons", series, "10,000"],
      ["event loop, samples and forecasts of a minute", `${(median(busy) ?? 0).toFixed(0)} ms`, ""],
      ["longest turn of the event loop", `${slowest.toFixed(1)} ms`, "at most 20 ms"],
      ...refits.map(({ name, ms, slots }) => [
        `refit over ${slots} slots (${name}), in a worker`,
        `${ms.toFixed(1)} ms`,
        "at most 50 ms",
      ]),
      ["counting one operation on a node, with the look-up of its cell", `${counting.toFixed(0)} ns`, ""],
      ["updates, share of a core", updateShare.toFixed(3), ""],
      ["refits once an hour, share of a core", refitShare.toFixed(3), ""],
      ["together, share of a core", (updateShare + refitShare).toFixed(3), "at most 0.5"],
      ["memory per series and horizon", `${(bytes / 2 / 1024).toFixed(0)} KiB`, "under 100 KB"],
    ],
    {
      series,
      countingNs: counting,
      busyMs: busy,
      longestMs: longest,
      refits,
      updateShare,
      refitShare,
      bytesPerSeries: bytes,
    },
  );
  return true;
}

/** Nanoseconds of processor time for one operation: what sampling adds to the hot path of a node. */
function measureCounting(): number {
  const counter = createCounter();
  const ops = 4_000_000;
  const before = process.cpuUsage();
  for (let op = 0; op < ops; op++) addTo(counter.cell((op & 63) * 16, 1, "shop"), op % loadKinds.length, 100, 0.5);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / ops;
}

/** Series with a whole history, through the real pool, a batch at a time. */
async function measureRefits(seed: number): Promise<{ name: string; slots: number; ms: number }[]> {
  const compute = createCompute();
  const random = seededRandom(seed);
  const results: { name: string; slots: number; ms: number }[] = [];
  for (const { name, slotMs, steps, historySlots } of horizonsOf(sampleMs)) {
    const shape = { intervalMs: slotMs, horizonSteps: steps, historySlots };
    const day = 86_400_000 / slotMs;
    const state = createSeries(shape);
    const values = Float32Array.from(
      { length: historySlots },
      (_, slot) => 50 + 30 * Math.sin((2 * Math.PI * slot) / day) + 10 * random.next(),
    );
    preload(state, 1_000_000, values);
    const whole = packSeries(state);
    const times: number[] = [];
    for (let batch = 0; batch < refitBatches; batch++) {
      const packed = Array.from({ length: batchSize }, () => ({
        ...whole,
        buffers: whole.buffers.map((buffer) => buffer.slice(0)),
      }));
      const begunMs = performance.now();
      await new Promise<void>((resolve, reject) => {
        compute.run("refitSeries", { series: packed }, (outcome) =>
          outcome.ok ? resolve() : reject(new Error(outcome.fault.message)),
        );
      });
      // The first batch starts the thread.
      if (batch > 0) times.push((performance.now() - begunMs) / batchSize);
    }
    results.push({ name, slots: historySlots, ms: median(times) ?? Number.NaN });
  }
  await compute.close();
  return results;
}

await runBench(
  {
    name: "bench:forecaster",
    description: "Feeds one forecaster with 10,000 series and prints what a minute and an hour of them cost.",
    tries: 1,
  },
  forecaster,
);
