// Restart command. Owns `foreshard restart --rolling`: begins it, and shows how far it is until it ends.

import { setTimeout as pause } from "node:timers/promises";
import type { Command } from "commander";
import { type Client, FaultError, type RestartState } from "../../cluster/client/index.js";
import { fault } from "../../src/kernel/fault.js";
import { UsageError } from "./failure.js";
import { note, write, writeJson } from "./output.js";
import { type CommonOptions, withClient, withCommon } from "./session.js";
import { common } from "./tables.js";

const lookMs = 300;

export function addRestartCommand(program: Command): void {
  withCommon(program.command("restart"))
    .description("restart all hosts, and three nats-servers, one after the other; a single nats-server stays")
    .option("--rolling", "one after the other; the only way there is, so it must be said")
    .option("--watch", "only show the restart that is under way, or was the last")
    .option("--no-wait", "begin it and go away")
    .action(async (options: { rolling?: boolean; watch?: boolean; wait: boolean }, command: Command) =>
      restart(options, common(command)),
    );
}

async function restart(
  { rolling, watch, wait }: { readonly rolling?: boolean; readonly watch?: boolean; readonly wait: boolean },
  session: CommonOptions,
): Promise<void> {
  if (rolling !== true && watch !== true)
    throw new UsageError("say --rolling: everything is restarted, one after the other");
  const state = await withClient(session, async (client) => {
    if (watch !== true) await client.admin.rollingRestart();
    return wait ? follow(client, session.json === true) : client.cluster.restartState();
  });
  if (session.json === true) await writeJson(state);
  else if (!state.running) await write(`restarted: ${state.done.join(" ")}\n`);
  if (state.failed !== null) throw new FaultError(fault("UNAVAILABLE", `the rolling restart ended: ${state.failed}`));
}

async function follow(client: Client, quiet: boolean): Promise<RestartState> {
  let told = "";
  for (;;) {
    const state = await client.cluster.restartState().catch((error: unknown) => {
      // A router that is being replaced may take an answer with it.
      if (error instanceof FaultError && error.retry !== "no") return undefined;
      throw error;
    });
    if (state?.running === false) return state;
    if (!quiet && state?.now != null && state.now !== told) {
      told = state.now;
      note(`${told} … (${state.done.length} done, ${state.left.length} to come)`);
    }
    await pause(lookMs);
  }
}
