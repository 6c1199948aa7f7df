#!/usr/bin/env node
// Bench of growth. Owns the figures of what happens as one thing grows: fragments, nodes, rows, sizes of values, callers, watchers; as a table and as plots.
// G1 what was left out for its time is said to be. G2 each step has a cluster of its own.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { type Farewell, runTrial } from "../live/farewell.js";
import { loadAverage, printTable, say } from "../live/figures.js";
import { chart, standing } from "../plot/chart.js";
import type { Axis, Figures } from "./growth/axis.js";
import { pointAxes } from "./growth/point-axes.js";
import { rowsAxis } from "./growth/rows-axis.js";
import { watchAxis } from "./growth/watch-axis.js";

interface Choice {
  readonly json?: true;
  readonly only?: readonly string[];
  readonly seconds: number;
  readonly mostRows: number;
  readonly steps?: readonly number[];
  readonly plots?: string;
}

interface Measured {
  readonly axis: Axis;
  readonly steps: readonly number[];
  readonly figures: readonly Figures[];
}

const axes: readonly Axis[] = [...pointAxes, rowsAxis, watchAxis];
const colours = ["#1a6fc2", "#c2571a", "#2c8a3c", "#8a5fb0"];

async function bench(choice: Choice, farewell: Farewell): Promise<boolean> {
  const measured: Measured[] = [];
  for (const axis of axes) {
    if (choice.only !== undefined && !choice.only.includes(axis.name)) continue;
    const wished = choice.steps ?? axis.steps;
    const steps = wished.filter((step) => axis !== rowsAxis || step <= choice.mostRows);
    for (const step of wished.filter((one) => !steps.includes(one)))
      say(`not measured: ${axis.name} ${numberText(step)}, beyond --most-rows ${numberText(choice.mostRows)}`);
    const figures: Figures[] = [];
    for (const step of steps) {
      figures.push(await axis.measure(step, { farewell, seconds: choice.seconds }));
      say(`${axis.name} ${numberText(step)}: ${JSON.stringify(figures.at(-1))}`);
    }
    measured.push({ axis, steps, figures });
  }
  for (const one of measured) await report(one, choice);
  if (choice.json === true) {
    const lines = measured.map(({ axis: { name, says }, steps, figures }) => ({ name, says, steps, figures }));
    process.stdout.write(`${JSON.stringify({ lines, loadAverage: loadAverage() }, null, 2)}\n`);
  }
  return measured.length > 0;
}

async function report({ axis, steps, figures }: Measured, { json, plots }: Choice): Promise<void> {
  if (json !== true) {
    process.stdout.write(`${axis.name}: ${axis.says}; load average ${loadAverage().toFixed(1)}\n`);
    const textOf = (of: Figures): string[] => axis.columns.map(({ key, digits }) => (of[key] ?? 0).toFixed(digits));
    printTable(
      [axis.name, ...axis.columns.map(({ title }) => title)],
      steps.map((step, at) => [numberText(step), ...textOf(figures[at] ?? {})]),
    );
  }
  if (plots === undefined) return;
  await mkdir(plots, { recursive: true });
  for (const { name, title, unit, keys } of axis.plots) {
    const lines = keys.map((key, at) => ({
      name: axis.columns.find((column) => column.key === key)?.title ?? key,
      colour: colours[at] ?? "#000",
      values: figures.map((of) => of[key] ?? Number.NaN),
    }));
    const svg = chart({
      title: `${title}, by ${axis.name}`,
      unit,
      lines,
      from: "",
      to: "",
      steps: steps.map(numberText),
    });
    await writeFile(join(plots, `${axis.name}-${name}.svg`), standing(svg));
  }
  say(`plots: ${plots}`);
}

function numberText(value: number): string {
  return value.toLocaleString("en-US");
}

function whole(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError("a whole number of at least 1");
  return number;
}

function names(text: string): string[] {
  const all = text.split(",");
  const unknown = all.find((name) => !axes.some((axis) => axis.name === name));
  if (unknown !== undefined) throw new InvalidArgumentError(`of ${axes.map(({ name }) => name).join(", ")}`);
  return all;
}

const command = new Command("bench:growth")
  .description("What happens to throughput, p99, memory and start-up as one thing grows and the others stay.")
  .option("--json", "print every measurement as JSON")
  .addOption(new Option("--only <axes>", `of ${axes.map(({ name }) => name).join(",")}`).argParser(names))
  .addOption(new Option("--steps <numbers>", "other steps than usual").argParser((text) => text.split(",").map(whole)))
  .addOption(new Option("--seconds <count>", "measured time of each workload").argParser(whole).default(3))
  .addOption(new Option("--most-rows <count>", "larger tables are left out").argParser(whole).default(1_000_000))
  .option("--plots <folder>", "write plots there, one SVG each")
  .allowExcessArguments(false)
  .parse();
const choice = command.opts<Choice>();
await runTrial((farewell) => bench(choice, farewell));
