// Forecast command. Owns `foreshard forecast`: what a running cluster expects, or with --trace what the same forecaster says of a recorded past.

import type { Command } from "commander";
import { UsageError } from "./failure.js";
import { type LiveOptions, showForecast } from "./forecast-live.js";
import { forecastTrace, type TraceOptions } from "./forecast-trace.js";
import { withCommon } from "./session.js";

export function addForecastCommand(program: Command): void {
  withCommon(program.command("forecast").argument("[table[/fragment]]"))
    .description(
      "queries per second that a table, or one fragment of it, is expected to be asked; or, with --trace, of a file",
    )
    .option("--group <name>", "of this client group only")
    .option("--horizon <which>", "short (minutes) or long (an hour); with --trace a number of steps (12)")
    .option("--trace <file>", "CSV timestamp_iso,series,value to forecast offline, without a cluster")
    .option("--origins <file>", "CSV trace,series,origin_index,timestamp_iso: the last observed moments")
    .option("--out <file>", "where the quantiles of every step go: trace,series,origin_index,step,quantile,value")
    .option("--max-out <file>", "where the quantiles of the maximum over the horizon go")
    .option("--models <names>", "only these models and bands, such as spar,residual")
    .option("--timing <file>", "where the cost of a full refit and a forecast at each origin goes, in ms")
    .action(async (target: string | undefined, _options: LiveOptions & TraceOptions, command: Command) => {
      const options = command.optsWithGlobals<LiveOptions & TraceOptions>();
      if (options.trace !== undefined) {
        if (target !== undefined) throw new UsageError("give a table, or --trace FILE, not both");
        return forecastTrace(options.trace, options);
      }
      if (target === undefined) throw new UsageError("give a table such as users or users/64, or --trace FILE");
      return showForecast(target, options);
    });
}
