// Program. Owns which commands there are, and the help of the whole.

import { Command } from "commander";
import { packageVersion } from "../../cluster/version.js";
import { addBacktestCommand } from "./backtest.js";
import { addBackupCommands } from "./backup.js";
import { addClusterCommands } from "./cluster.js";
import { addCompletionCommand } from "./completion.js";
import { addDoctorCommand } from "./doctor.js";
import { addExamples } from "./examples.js";
import { addExportCommand } from "./export.js";
import { addForecastCommand } from "./forecast.js";
import { addImportCommand } from "./import.js";
import { addMachinesCommand } from "./machines.js";
import { addMoveCommands } from "./moves.js";
import { addPlanCommands } from "./plan.js";
import { addProfileCommands } from "./profiles.js";
import { addReshapeCommands } from "./reshape.js";
import { addRestartCommand } from "./restart.js";
import { addRowCommands } from "./rows.js";
import { withCommon } from "./session.js";
import { addTableCommands } from "./tables.js";
import { addTopCommand } from "./top.js";
import { addUserCommands } from "./users.js";
import { addVerifyCommand } from "./verify.js";

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
  $ foreshard top
  $ foreshard doctor

A key is JSON when it reads as an array, number or object, else text; ["a", "b"] is a partition and a sort key.
The cluster is found by --url, FORESHARD_URL, or the data folder of one started here (./data, or --data-dir).`;

export function program(): Command {
  const command = withCommon(new Command("foreshard"))
    .description("Ask and administer a Foreshard cluster.")
    .version(packageVersion())
    .addHelpText("after", examples);
  addTableCommands(command);
  addRowCommands(command);
  addImportCommand(command);
  addExportCommand(command);
  addBackupCommands(command);
  addClusterCommands(command);
  addMoveCommands(command);
  addReshapeCommands(command);
  addVerifyCommand(command);
  addForecastCommand(command);
  addProfileCommands(command);
  addPlanCommands(command);
  addUserCommands(command);
  addRestartCommand(command);
  addMachinesCommand(command);
  addBacktestCommand(command);
  addTopCommand(command);
  addDoctorCommand(command);
  addCompletionCommand(command);
  addExamples(command);
  return command;
}
