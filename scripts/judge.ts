#!/usr/bin/env node
// Judge. Owns the judgement of a history that was written to a file, by whichever run: the same checkers, nothing but the file.

import { readFile } from "node:fs/promises";
import { Command } from "commander";
import { describe, passed } from "../src/verify/history.js";
import { historyOf } from "../src/verify/history-file.js";
import { say } from "./live/figures.js";
import { judgeHistory } from "./live/verdicts.js";

const shown = 5;
const command = new Command("judge")
  .description(
    "Judges a history as `npm run chaos -- --history FILE` and `npm run simulate -- --history FILE` write it.",
  )
  .argument("<file>", "the history, docs/HISTORY.md tells its form")
  .option(
    "--late",
    "a refused write may have been carried out later: for simulated runs, whose network keeps copies",
    false,
  )
  .parse();
const [file = ""] = command.args;
const { late } = command.opts<{ late: boolean }>();

const text = await readFile(file, "utf8").catch(() => undefined);
const history = text === undefined ? undefined : historyOf(text);
if (history === undefined || !history.ok) {
  say(history === undefined ? `NOT_FOUND: ${file} cannot be read` : `${history.fault.code}: ${history.fault.message}`);
  process.exit(1);
}
const verdicts = judgeHistory(history.value, 1, late);
for (const verdict of verdicts) {
  say(describe(verdict));
  for (const violation of verdict.violations.slice(0, shown)) say(`  ${violation}`);
}
process.exit(verdicts.every(passed) ? 0 : 1);
