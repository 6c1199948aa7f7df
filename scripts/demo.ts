#!/usr/bin/env node
// Demo. Owns three minutes in which a newcomer sees the point: a made-up day passes at speed on a real cluster, and data moves before each peak, with the reason.
// DE1 it ends what it started. DE2 it exits with 0 only if a move came before its peak.

import { Command } from "commander";
import { dailyDemand, dayMs, regionNames } from "./demo/day.js";
import { legend, loadLine, moveLine, type Scale } from "./demo/screen.js";
import { runTrial } from "./live/farewell.js";
import { policyAt } from "./replay/options.js";
import { runPolicy } from "./replay/trial.js";

const nodes = 3;
const ceiling = 100;
const fill = 0.45;
const pastDays = 7;
const secondsPerDay = 60;
const sampleMs = 100;

const command = new Command("demo")
  .description("A made-up day passes at speed on a real cluster of three nodes: watch data move before the load comes.")
  .option("--seconds <count>", "how long it is shown", "150")
  .option("--enough <count>", "end earlier, once so many moves came before their peak")
  .option("--page <address>", "where the live page is: HOST:PORT or off", "127.0.0.1:0")
  .allowExcessArguments(false)
  .parse();
const { seconds, enough, page } = command.opts<{ seconds: string; enough?: string; page: string }>();
const enoughMoves = enough === undefined ? Number.POSITIVE_INFINITY : Number(enough);
const shownMs = Number(seconds) * 1000;
if (!(shownMs >= 5000 && shownMs <= 3_600_000)) {
  process.stderr.write(`CONFIG: --seconds must be a number from 5 to 3600, not ${seconds}\n`);
  process.exit(1);
}

if (!(enoughMoves >= 1)) {
  process.stderr.write(`CONFIG: --enough must be a number from 1, not ${enough}\n`);
  process.exit(1);
}

const tell = (line: string): void => void process.stdout.write(`${line}\n`);
const speed = dayMs / 1000 / secondsPerDay;
const days = pastDays + 2 + Math.ceil((shownMs * speed) / dayMs);
const demand = dailyDemand(days, nodes * ceiling * fill);
const policy = policyAt(sampleMs);
const scale: Scale = {
  ceiling,
  fullShare: 0.85,
  hoursPerSecond: speed / 3600,
  hourAtBegin: 0,
  regionOf: (fragment) => regionNames[order.indexOf(fragment)] ?? `fragment ${fragment}`,
};
let order: readonly number[] = [];

await runTrial(async (farewell) => {
  tell(
    `A day of ${secondsPerDay} seconds, again and again: four regions ask for data of their own, each with its peak in its evening.`,
  );
  tell(
    `${nodes} nodes; no single placement bears all peaks, so data has to move several times a day, before each of them.`,
  );
  tell(
    `Starting the cluster; ${pastDays} made-up days are written into its load history, for the forecaster to learn from …`,
  );
  const told = new Set<number>();
  let ahead = 0;
  let shown = false;
  const wish = {
    demand,
    nodes,
    replicas: 1,
    ceiling,
    writeShare: 0.1,
    rowBytes: 1000,
    copyRate: 256,
    seed: 1,
    speed,
    sampleMs,
    fromMs: (pastDays + 1) * dayMs,
    pastMs: (pastDays * dayMs) / speed,
    warmMs: 0,
    judgedMs: shownMs,
    policy,
    page,
  };
  const result = await runPolicy("predictive", wish, farewell, (glimpse) => {
    if (!shown) {
      shown = true;
      order = glimpse.fragments;
      if (glimpse.pageUrl !== undefined) tell(`The live page: ${glimpse.pageUrl}`);
      tell(legend(ceiling));
    }
    for (const move of [...glimpse.moves].sort((a, b) => a.startedMs - b.startedMs)) {
      if (told.has(move.move) || move.startedMs < glimpse.beganAtMs) continue;
      told.add(move.move);
      if (move.cause === "plan" && move.deadlineMs > move.startedMs) ahead++;
      tell(moveLine(move, glimpse.beganAtMs, scale));
    }
    tell(loadLine(glimpse, scale));
    return ahead < enoughMoves;
  });
  const windows = result.meter.windows();
  const refused = windows.reduce((sum, one) => sum + one.refused, 0);
  const asked = windows.reduce((sum, one) => sum + one.queries, 0);
  tell(`\n${asked} queries, ${refused} of them refused; ${told.size} moves, ${ahead} of them before their peak came.`);
  tell("The same on your own load: npm run replay -- --trace FILE.csv");
  if (ahead === 0)
    tell("No move came before its peak: the forecaster had too little time, or the machine was too busy.");
  return ahead > 0;
});
