// Disk watch. Owns the way back from a full disk: nats-server closes a stream whose write failed until the server is started again (FACTS R19),
// so a server that was short of room is asked, once there is room again, whether it is well, and started again if it is not.
// W1 servers that never were short of room are left alone. W2 looks never overlap; `stop` ends them.

import { statfs } from "node:fs/promises";
import type { Log } from "../log.js";
import { askHealth } from "./monitor.js";
import type { ServerProcess } from "./server-process.js";

const MiB = 1024 * 1024;
/** Below this much free space writes may fail any moment. */
const shortBytes = 64 * MiB;
const roomBytes = 2 * shortBytes;
const everyMs = 1_000;

export function watchDisk(
  dataDir: string,
  servers: readonly ServerProcess[],
  log: Log,
  readyMs: number,
): { readonly stop: () => void } {
  let short = false;
  let looking = false;

  async function look(): Promise<void> {
    const { bavail, bsize } = await statfs(dataDir);
    const freeBytes = bavail * bsize;
    if (!short && freeBytes < shortBytes) {
      short = true;
      log("error", "diskShort", { dataDir, freeMiB: Math.floor(freeBytes / MiB) });
    }
    if (!short || freeBytes < roomBytes) return;
    const well = await Promise.all(servers.map(heal));
    if (!well.every(Boolean)) return;
    short = false;
    log("info", "diskHasRoom", { dataDir, freeMiB: Math.floor(freeBytes / MiB) });
  }

  async function heal(server: ServerProcess): Promise<boolean> {
    // It died and is being started again already.
    if (server.pid === 0) return false;
    if ((await askHealth(server.spec.monitorPort)) === "ok") return true;
    const back = await server.restart(readyMs);
    if (back.ok) log("warn", "natsServerRestarted", { server: server.spec.name, pid: server.pid });
    else log("error", "natsServerRestartFailed", { server: server.spec.name, why: back.fault.message });
    return back.ok;
  }

  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    // A look that fails is a look that said nothing; the next one comes.
    void look()
      .catch(() => undefined)
      .finally(() => {
        looking = false;
      });
  }, everyMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
