// Examples. Owns what the help of each command shows as examples: one place, so that none is forgotten; a test asks for every command.

import type { Command } from "commander";

/** By the command's words. */
export const examples: Readonly<Record<string, readonly string[]>> = {
  table: ["foreshard table create users --fragments 8", "foreshard table list"],
  "table create": [
    "foreshard table create users                                  16 fragments by hash, keys are text",
    "foreshard table create load --range --key string,date         in key order: a series and a time",
    "foreshard table create scores --range --split m --replicas 2  two fragments, cut at m",
  ],
  "table list": ["foreshard table list", "foreshard table list --json"],
  "table describe": ["foreshard table describe users"],
  "table drop": ["foreshard table drop users --yes"],
  put: [
    `foreshard put users ann '{"name": "Ann", "age": 41}'`,
    `foreshard put load '["oslo", "2026-03-01T00:00:00Z"]' '{"value": 1}'`,
  ],
  get: ["foreshard get users ann", "foreshard get users ann bob --json"],
  delete: ["foreshard delete users ann"],
  scan: [`foreshard scan users --where "age >= 18" --fields name`, "foreshard scan load --partition oslo --limit 10"],
  aggregate: ["foreshard aggregate users count avg:age", "foreshard aggregate load count sum:value --by series"],
  watch: ["foreshard watch users", "foreshard watch users | head -n 5"],
  import: [
    "foreshard import load series.csv --key series,timestamp --types value:number",
    "foreshard import users users.ndjson --key id",
  ],
  export: ["foreshard export users users.csv", "foreshard export users | head"],
  backup: ["foreshard backup --out monday", "foreshard backup --out tuesday --incremental --since monday --rate 4"],
  restore: ["foreshard restore --from tuesday --as users=users-of-tuesday", "foreshard restore --from tuesday --check"],
  nodes: ["foreshard nodes", "foreshard nodes --json"],
  ring: ["foreshard ring"],
  fragments: ["foreshard fragments users"],
  incidents: ["foreshard incidents"],
  undrain: ["foreshard undrain n2"],
  remove: ["foreshard remove n4      it is down and will not come back"],
  move: [
    `foreshard move users/16 --to n4 --why "n2 is hot" --watch`,
    "foreshard move users/16 --to n4 --strategy copy-on-write",
  ],
  "move cancel": ["foreshard move cancel 7"],
  "move rollback": ["foreshard move rollback 7"],
  moves: ["foreshard moves --watch", "foreshard moves --history"],
  replicas: ["foreshard replicas users/16 3", "foreshard replicas users/16 0      as its table says"],
  drain: ["foreshard drain n2 --watch"],
  split: ["foreshard split users/16", "foreshard split scores/32 --at m"],
  merge: ["foreshard merge users/16 users/128"],
  hot: ["foreshard hot", "foreshard hot users"],
  verify: ["foreshard verify users"],
  forecast: ["foreshard forecast users", "foreshard forecast users/16 --horizon long --json"],
  profile: ["foreshard profile put nightly.json"],
  "profile put": ["foreshard profile put nightly.json"],
  "profile list": ["foreshard profile list"],
  "profile remove": ["foreshard profile remove nightly"],
  "user add": ["foreshard user add shop --role writer --tables orders,users --read prices --out shop.json"],
  "user rotate": ["foreshard user rotate shop --out shop.json"],
  "user remove": ["foreshard user remove shop"],
  "user list": ["foreshard user list", "foreshard user list --json"],
  audit: ["foreshard audit", "foreshard audit --limit 10 --json"],
  restart: ["foreshard restart --rolling", "foreshard restart --watch"],
  plan: ["foreshard plan", "foreshard plan --json"],
  explain: ["foreshard explain 3"],
  advise: ["foreshard advise"],
  backtest: [
    "foreshard backtest --trace load.csv --nodes 6 --report report.html",
    "foreshard backtest --trace load.csv --policies reactive,predictive --set risk=0.02 --json",
  ],
  policy: ["foreshard policy show", "foreshard policy set reactive"],
  "policy show": ["foreshard policy show", "foreshard policy show --json"],
  "policy set": ["foreshard policy set shadow", "foreshard policy set risk=0.1 budget.concurrentMoves=8"],
  top: ["foreshard top", "foreshard top --once", "foreshard top --json"],
  doctor: ["foreshard doctor", "foreshard doctor --json || echo something is wrong"],
  completion: [
    "source <(foreshard completion bash)",
    "foreshard completion fish > ~/.config/fish/completions/foreshard.fish",
  ],
};

/** Adds them to the help of a program's commands. */
export function addExamples(program: Command, path = ""): void {
  for (const command of program.commands) {
    const own = path === "" ? command.name() : `${path} ${command.name()}`;
    const lines = examples[own];
    if (lines !== undefined)
      command.addHelpText("after", `\nExamples:\n${lines.map((line) => `  $ ${line}`).join("\n")}`);
    addExamples(command, own);
  }
}
