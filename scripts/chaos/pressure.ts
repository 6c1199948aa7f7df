// Pressure. Owns the faults of too little room and too much work: a full disk, and ten times the load.

import type { Load } from "../live/load.js";
import { type Draw, type FaultKind, type Stage, type Strike, seconds } from "./fault.js";

export const floodTable = "flood";
/** One for each writer that an overload may have at most. */
export const floodWriters = 5_000;

const leastWriters = 500;
const times = 10;
const lookBackMs = 3_000;
const MiB = 1024 * 1024;

export const pressureFaults: readonly FaultKind[] = [
  { name: "disk", groups: [], needs: ["disk"], joins: false, lastsMs: [2_000, 5_000], strike: fillDisk },
  { name: "overload", groups: [], needs: [], joins: false, lastsMs: [2_000, 5_000], strike: overload },
];

async function fillDisk({ scene }: Stage, { lastsMs }: Draw): Promise<Strike | undefined> {
  const { disk } = scene.cluster;
  if (typeof disk === "string") return undefined;
  const bytes = await disk.fill();
  return {
    words: `the disk of ${where(scene)} is full (${Math.round(bytes / MiB)} MiB of ballast) for ${seconds(lastsMs)}`,
    atMs: performance.now(),
    lasting: { forMs: lastsMs, end: () => disk.free() },
  };
}

function where({ cluster }: Stage["scene"]): string {
  return cluster.ready.natsServers.length === 1 ? "everything" : "one nats-server";
}

/** As many requests at once as ten times what was answered in a second; each is tried again until it is answered or out of time. */
async function overload({ scene, flood }: Stage, { lastsMs }: Draw): Promise<Strike | undefined> {
  const rate = answeredPerSecond(scene.load);
  const writers = Math.min(floodWriters, Math.max(leastWriters, Math.round(rate * times)));
  flood.start(writers);
  return {
    words: `${writers} inserts at once, again and again, for ${seconds(lastsMs)} (${Math.round(rate)} operations/s before)`,
    atMs: performance.now(),
    lasting: {
      forMs: lastsMs,
      async end() {
        await flood.stop();
      },
    },
  };
}

function answeredPerSecond({ history }: Load): number {
  const sinceNs = (performance.now() - lookBackMs) * 1e6;
  let answered = 0;
  for (let at = history.length - 1; at >= 0 && (history[at]?.returnNs ?? 0) >= sinceNs; at--)
    if (history[at]?.ending === "ok") answered++;
  return (answered / lookBackMs) * 1_000;
}
