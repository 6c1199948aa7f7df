// Guard. Owns the promise that a nats-server does not outlive the cluster that started it, also when that cluster is killed and can do nothing.
// A shell of a few hundred kilobytes waits on a pipe whose other end dies with us; then it ends the server, first kindly.

import { type ChildProcess, spawn } from "node:child_process";

const script = `read -r _
kill -TERM "$1" 2>/dev/null || exit 0
for _ in 1 2 3 4 5 6 7 8 9 10; do sleep 1; kill -0 "$1" 2>/dev/null || exit 0; done
grep -q -- "$2" "/proc/$1/cmdline" 2>/dev/null && kill -KILL "$1"`;

/** Watches over `pid`, whose command line holds `mark`. Returns what calls the watch off. */
export function guard(pid: number, mark: string): () => void {
  const shell: ChildProcess = spawn("/bin/sh", ["-c", script, "foreshard-guard", String(pid), mark], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  shell.on("error", () => undefined);
  shell.stdin?.on("error", () => undefined);
  return () => {
    shell.kill("SIGKILL");
  };
}
