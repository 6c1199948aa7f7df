// Stale server. Owns the end of a nats-server that an earlier run of this same data folder left behind.
// S1 it ends only a process whose command line names our configuration file: a pid alone proves nothing.

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { until } from "./until.js";

const run = promisify(execFile);

/** True when one was found and ended. */
export async function endStale(pidFile: string, configFile: string): Promise<Result<boolean>> {
  const pid = Number.parseInt(await readFile(pidFile, "utf8").catch(() => ""), 10);
  if (!Number.isSafeInteger(pid) || pid <= 1) return ok(false);
  const runs = async (): Promise<boolean> => (await commandLine(pid)).includes(configFile);
  if (!(await runs())) return ok(false);
  const gone = async (): Promise<boolean> => !(await runs());
  signal(pid, "SIGTERM");
  if (await until(gone, 5_000)) return ok(true);
  signal(pid, "SIGKILL");
  if (await until(gone, 5_000)) return ok(true);
  return fail("ENGINE", `an earlier nats-server of this data folder (pid ${pid}) does not end: end it by hand`, {
    pid,
  });
}

async function commandLine(pid: number): Promise<string> {
  const fromProc = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => undefined);
  if (fromProc !== undefined) return fromProc;
  if (process.platform === "linux") return "";
  return run("ps", ["-o", "command=", "-p", String(pid)]).then(
    ({ stdout }) => stdout,
    () => "",
  );
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It is gone already: what we wanted.
  }
}
