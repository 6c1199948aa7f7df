// Forecast command. Owns `foreshard forecast`: what a running cluster expects.

import type { Command } from "commander";
import { type LiveOptions, showForecast } from "./forecast-live.js";
import { withCommon } from "./session.js";

export function addForecastCommand(program: Command): void {
  withCommon(program.command("forecast").argument("<table[/fragment]>"))
    .description("queries per second that a table, or one fragment of it, is expected to be asked")
    .option("--group <name>", "of this client group only")
    .option("--horizon <which>", "short (minutes) or long (an hour) at the default sample interval", "short")
    .action(async (target: string, _options: LiveOptions, command: Command) =>
      showForecast(target, command.optsWithGlobals<LiveOptions>()),
    );
}
