// Disk watch. Owns the way back from a full disk: nats-server closes a stream whose write failed until the server is started again (FACTS R19),
// so a server that was short of room is asked, once there is room again, whether it is well, and started again if it is not.
// W1 servers that never were short of room are left alone. W2 looks never overlap; `stop` ends them. W3 each disk that holds a store is watched.

import { statfs } from "node:fs/promises";
import type { Log } from "../log.js";
import { askHealth } from "./monitor.js";
import type { ServerProcess } from "./server-process.js";

const MiB = 1024 * 1024;
/** Below this much free space writes may fail any moment. */
const shortBytes = 64 * MiB;
const roomBytes = 2 * shortBytes;
const everyMs = 1_000;

/** A disk by a folder on it, and the servers whose stores lie there. */
export interface WatchedDisk {
  readonly folder: string;
  readonly servers: readonly ServerProcess[];
}

export function watchDisks(disks: readonly WatchedDisk[], log: Log, readyMs: number): { readonly stop: () => void } {
  const short = new Set<string>();
  let looking = false;

  async function look({ folder, servers }: WatchedDisk): Promise<void> {
    const { bavail, bsize } = await statfs(folder);
    const freeBytes = bavail * bsize;
    if (!short.has(folder) && freeBytes < shortBytes) {
      short.add(folder);
      log("error", "diskShort", { dataDir: folder, freeMiB: Math.floor(freeBytes / MiB) });
    }
    if (!short.has(folder) || freeBytes < roomBytes) return;
    const well = await Promise.all(servers.map(heal));
    if (!well.every(Boolean)) return;
    short.delete(folder);
    log("info", "diskHasRoom", { dataDir: folder, freeMiB: Math.floor(freeBytes / MiB) });
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
    void Promise.all(disks.map((disk) => look(disk).catch(() => undefined))).finally(() => {
      looking = false;
    });
  }, everyMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
