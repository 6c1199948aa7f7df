// Server. Owns the process of a measured system that is not ours: started in a temporary folder on a free port, ended with the trial.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../../cluster/engine/ports.js";
import { until } from "../../../cluster/engine/until.js";
import type { Farewell } from "../../live/farewell.js";
import { familyOf } from "../../live/processes.js";
import type { PeerAddress, RunningPeer } from "./peer.js";

const readyMs = 15_000;
const stopMs = 10_000;

export interface Place {
  readonly folder: string;
  readonly port: number;
}

/** Runs `command` with the arguments that `how` makes for its folder and port; it is ready when it takes connections. */
export async function startServer(
  farewell: Farewell,
  command: string,
  how: (place: Place) => Promise<readonly string[]> | readonly string[],
  addressOf: (place: Place) => PeerAddress,
): Promise<RunningPeer> {
  const folder = await mkdtemp(join(tmpdir(), "foreshard-peer-"));
  const forget = farewell.later(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const [port = 0] = await freePorts(1);
  const place = { folder, port };
  const child = spawn(command, [...(await how(place))], { stdio: "ignore", cwd: folder });
  const end = farewell.later(() => endOf(child));
  const isUp = await until(() => takesConnections(port), readyMs, 20);
  if (!isUp || child.pid === undefined)
    throw new Error(`${command} did not take connections within ${readyMs / 1000} s`);
  const { pid } = child;
  return {
    address: addressOf(place),
    family: () => familyOf(pid),
    async stop() {
      await end();
      await forget();
    },
  };
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const forced = setTimeout(() => child.kill("SIGKILL"), stopMs);
  await ended;
  clearTimeout(forced);
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const settle = (is: boolean): void => {
      socket.destroy();
      resolve(is);
    };
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
  });
}
