// Options. Owns the few choices that all benches share, and how a bench ends: its figures printed, its exit code by what was lost, never by speed.

import { Command } from "commander";
import { type Farewell, runTrial } from "../live/farewell.js";

export interface BenchChoice {
  readonly isJson: boolean;
  readonly seed: number;
  readonly tries: number;
  readonly arguments: readonly string[];
}

export interface BenchAbout {
  readonly name: string;
  readonly description: string;
  /** As commander spells it, e.g. `<files...>`; absent: none. */
  readonly argument?: { readonly name: string; readonly description: string };
  readonly tries: number;
}

/** `bench` returns whether everything was right. */
export async function runBench(
  about: BenchAbout,
  bench: (choice: BenchChoice, farewell: Farewell) => Promise<boolean>,
): Promise<void> {
  const command = new Command(about.name)
    .description(about.description)
    .option("--json", "print the figures as JSON")
    .option("--seed <number>", "draws the load", "1")
    .option("--tries <count>", "how often each thing is measured", String(about.tries));
  if (about.argument === undefined) command.allowExcessArguments(false);
  else command.argument(about.argument.name, about.argument.description);
  command.parse();
  const { json, seed, tries } = command.opts<{ json?: true; seed: string; tries: string }>();
  if (!isWhole(seed, 0) || !isWhole(tries, 1)) {
    process.stderr.write("CONFIG: --seed and --tries must be whole numbers, tries at least 1\n");
    process.exit(1);
  }
  const choice = { isJson: json === true, seed: Number(seed), tries: Number(tries), arguments: command.args };
  await runTrial((farewell) => bench(choice, farewell));
}

function isWhole(text: string, least: number): boolean {
  return Number.isInteger(Number(text)) && Number(text) >= least;
}
