// Past hosts. Owns the memory of which hosts the last run of this data folder had, so that the next one need not wait for their leases.
// G1 what it calls gone is gone: a process of the last run that still runs is ended first, recognised by more than its pid.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { valueOfJson } from "../../src/protocol/json-text.js";
import { writePrivate } from "../engine/credentials.js";
import { until } from "../engine/until.js";
import type { HostLine } from "../hosts/supervisor.js";
import { processMark } from "./process-mark.js";

const line = z.object({
  id: z.string(),
  role: z.enum(["node", "router", "control", "forecaster"]),
  incarnation: z.string(),
  pid: z.number().int(),
  mark: z.string(),
});
const schema = z.array(line);

export type PastHost = Readonly<z.infer<typeof line>>;

const endMs = 5_000;

export interface HostRecord {
  /** Notes the hosts as they are now; the last call counts. */
  note(hosts: readonly HostLine[]): void;
  /** Resolves when everything noted is on disk. */
  settled(): Promise<void>;
}

function pathIn(dataDir: string): string {
  return join(dataDir, "hosts.json");
}

/** The hosts of the last run, all of them certainly gone. Call it while holding the folder's lock, before any host starts. */
export async function buryPastHosts(dataDir: string): Promise<readonly PastHost[]> {
  const text = await readFile(pathIn(dataDir), "utf8").catch(() => "[]");
  const found = schema.safeParse(valueOfJson(text));
  const past = found.success ? found.data : [];
  const gone = await Promise.all(past.map(async (host) => ((await isEnded(host)) ? [host] : [])));
  return gone.flat();
}

async function isEnded(host: PastHost): Promise<boolean> {
  const runs = async (): Promise<boolean> => host.mark !== "" && (await processMark(host.pid)) === host.mark;
  if (host.pid === process.pid || !(await runs())) return true;
  try {
    process.kill(host.pid, "SIGKILL");
  } catch {
    // It ended in this very moment.
  }
  return until(async () => !(await runs()), endMs);
}

export function hostRecord(dataDir: string): HostRecord {
  let last: Promise<void> = Promise.resolve();
  async function write(hosts: readonly HostLine[]): Promise<void> {
    const lines = await Promise.all(
      hosts.map(async ({ id, role, incarnation, pid }): Promise<PastHost> => {
        return { id, role, incarnation, pid, mark: (await processMark(pid)) ?? "" };
      }),
    );
    await writePrivate(pathIn(dataDir), `${JSON.stringify(lines, null, 2)}\n`);
  }
  return {
    note(hosts) {
      last = last.then(() => write(hosts)).catch(() => undefined);
    },
    settled: () => last,
  };
}
