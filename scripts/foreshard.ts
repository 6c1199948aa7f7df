#!/usr/bin/env node
// Foreshard. Owns the command line: its commands, how it finds the cluster, and how it ends: 0 done, 1 a fault, 2 called wrongly.

import { Command, CommanderError } from "commander";
import { packageVersion } from "../cluster/version.js";
import { addClusterCommands } from "./cli/cluster.js";
import { addExportCommand } from "./cli/export.js";
import { exitCodes, report } from "./cli/failure.js";
import { addForecastCommand } from "./cli/forecast.js";
import { addImportCommand } from "./cli/import.js";
import { addMoveCommands } from "./cli/moves.js";
import { endCalmlyOnClosedPipe } from "./cli/output.js";
import { addPlanCommands } from "./cli/plan.js";
import { addProfileCommands } from "./cli/profiles.js";
import { addReshapeCommands } from "./cli/reshape.js";
import { addRowCommands } from "./cli/rows.js";
import { withCommon } from "./cli/session.js";
import { addTableCommands } from "./cli/tables.js";
import { addVerifyCommand } from "./cli/verify.js";

const examples = `
Examples:
  $ foreshard table create users
  $ foreshard put users ann '{"name": "Ann", "age": 41}'
  $ foreshard get users ann
  $ foreshard scan users --where "age >= 18" --fields name
  $ foreshard table create load --range --key string,date
  $ foreshard import load series.csv --key series,timestamp --types value:number
  $ foreshard aggregate load count sum:value --by series
  $ foreshard watch users
  $ foreshard move users/16 --to n4 --watch
  $ foreshard forecast users

A key is JSON when it reads as an array, number or object, else text; ["a", "b"] is a partition and a sort key.
The cluster is found by --url, FORESHARD_URL, or the data folder of one started here (./data, or --data-dir).`;

function program(): Command {
  const command = withCommon(new Command("foreshard"))
    .description("Ask and administer a Foreshard cluster.")
    .version(packageVersion())
    .addHelpText("after", examples);
  addTableCommands(command);
  addRowCommands(command);
  addImportCommand(command);
  addExportCommand(command);
  addClusterCommands(command);
  addMoveCommands(command);
  addReshapeCommands(command);
  addVerifyCommand(command);
  addForecastCommand(command);
  addProfileCommands(command);
  addPlanCommands(command);
  return command;
}

/** Every command throws instead of ending the process, so that there is one way out. */
function throwing(command: Command): Command {
  command.exitOverride().showHelpAfterError("(see --help)");
  for (const inner of command.commands) throwing(inner);
  return command;
}

async function main(): Promise<void> {
  endCalmlyOnClosedPipe();
  const json = process.argv.includes("--json");
  try {
    await throwing(program()).parseAsync();
  } catch (error) {
    // Commander has said it already: help and version are no mistakes.
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    else process.exitCode = report(error, json);
  }
}

await main();
