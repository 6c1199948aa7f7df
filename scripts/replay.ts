#!/usr/bin/env node
// Replay. Owns the question whether moving before a peak pays: a recorded load runs at speed against one real cluster for each policy, and its clients judge.

import { runTrial } from "./live/farewell.js";
import { say } from "./live/figures.js";
import { choose, stage } from "./replay/options.js";
import { scoreOf, tellScores, writePlots } from "./replay/report.js";
import { statusLine } from "./replay/status.js";
import { runPolicy, type TrialResult } from "./replay/trial.js";

const choice = choose();
await runTrial(async (farewell) => {
  const staged = await stage(choice);
  const { warmMs, judgedMs, pastMs, speed, sampleMs } = staged.wish;
  for (const note of staged.notes) say(note);
  say(
    `${staged.names.join(", ")} at ${speed} times its speed: ${(judgedMs / 1000).toFixed(0)} s judged after ${(warmMs / 1000).toFixed(0)} s, for each policy; a sample every ${sampleMs} ms`,
  );
  if (pastMs > 0)
    say(`the ${choice.pastDays} days before are written into FORESHARD_LOAD, where the forecaster reads its past`);
  const results: TrialResult[] = [];
  for (const mode of choice.policies) {
    say(`${mode}: a fresh cluster of ${choice.nodes} nodes`);
    const result = await runPolicy(mode, staged.wish, farewell, (glimpse) => {
      say(statusLine(mode, glimpse));
      return true;
    });
    results.push(result);
    const { violated, judged, moves } = scoreOf(result, staged.wish);
    say(`${mode}: ${violated} of ${judged} windows violated, ${moves} moves`);
  }
  tellScores(choice, staged, results);
  await writePlots(choice, staged, results);
  return results.every((result) => scoreOf(result, staged.wish).judged > 0);
});
