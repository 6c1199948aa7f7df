#!/usr/bin/env node
// Foreshard. Owns the command line: how it ends: 0 done, 1 a fault, 2 called wrongly. Its commands are in `cli/`.

import { type Command, CommanderError } from "commander";
import { exitCodes, report } from "./cli/failure.js";
import { endCalmlyOnClosedPipe } from "./cli/output.js";
import { program } from "./cli/program.js";

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
