// Process mark. Owns the answer to "is the process that wrote this still running?": a pid alone may have been given to another since.

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** When `pid` began, in words that no other process with this pid has had; undefined when there is none. */
export async function processMark(pid: number): Promise<string | undefined> {
  if (process.platform !== "linux") return startedByPs(pid);
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (stat === undefined) return undefined;
  // The second field is the command in parentheses and may hold blanks; state is the 3rd field, the start in ticks since boot the 22nd.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return undefined;
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "");
  return `${boot.trim()}/${fields[19]}`;
}

async function startedByPs(pid: number): Promise<string | undefined> {
  return run("ps", ["-o", "lstart=", "-p", String(pid)]).then(
    ({ stdout }) => stdout.trim() || undefined,
    () => undefined,
  );
}
