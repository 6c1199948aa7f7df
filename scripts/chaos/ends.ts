// Ends. Owns the faults of processes: killed, frozen, and stopped in order.

import { handOver } from "../live/engine-room.js";
import { leaderNames, readNodes } from "../live/locations.js";
import type { TrialCluster } from "../live/trial-cluster.js";
import { chosen, type Draw, type FaultKind, type Stage, type Strike, seconds } from "./fault.js";

type Names = (stage: Stage) => Promise<readonly string[]>;

const instant = [0, 0] as const;

export const endFaults: readonly FaultKind[] = [
  killing("node", nodeNames),
  killing("leader", ({ scene }) => leaderNames(scene.door)),
  killing("router", ({ scene }) => partNames(scene.cluster, /^r\d+$/)),
  killing("nats", serverNames, ["servers"]),
  { ...plain("pause"), joins: true, lastsMs: [2_000, 4_500], strike: (stage, draw) => freeze(stage, draw, primaries) },
  {
    ...plain("natsPause", ["servers"]),
    needs: ["threeServers"],
    lastsMs: [2_000, 9_000],
    strike: (stage, draw) => freeze(stage, draw, serverNames),
  },
  { ...plain("natsStop", ["servers"]), strike: stopServer },
];

function plain(name: string, groups: readonly string[] = []) {
  return { name, groups, needs: [], joins: false, lastsMs: instant } as const;
}

function killing(name: string, names: Names, groups: readonly string[] = []): FaultKind {
  return {
    ...plain(name, ["kill", ...groups]),
    joins: true,
    async strike(stage, draw) {
      const victim = chosen(await names(stage), draw);
      if (victim === undefined || !(await stage.scene.cluster.signal(victim, "SIGKILL"))) return undefined;
      return { words: `kill -9 ${victim}`, atMs: performance.now() };
    },
  };
}

async function freeze(stage: Stage, draw: Draw, names: Names): Promise<Strike | undefined> {
  const { cluster } = stage.scene;
  const victim = chosen(await names(stage), draw);
  if (victim === undefined || !(await cluster.signal(victim, "SIGSTOP"))) return undefined;
  const atMs = performance.now();
  return {
    words: `${victim} frozen for ${seconds(draw.lastsMs)}`,
    atMs,
    lasting: {
      forMs: draw.lastsMs,
      async end() {
        await cluster.signal(victim, "SIGCONT");
      },
    },
  };
}

/** As an operator would: what it leads is handed over first. The supervisor starts it again. */
async function stopServer(stage: Stage, draw: Draw): Promise<Strike | undefined> {
  const { cluster } = stage.scene;
  const servers = await serverNames(stage);
  const victim = chosen(servers, draw);
  if (victim === undefined) return undefined;
  const atMs = performance.now();
  if (servers.length > 1) await handOver(cluster, victim);
  if (!(await cluster.signal(victim, "SIGTERM"))) return undefined;
  return { words: `${victim} stopped in order`, atMs };
}

/** Nodes that are primary of something. */
async function primaries({ scene }: Stage): Promise<readonly string[]> {
  const { nodes } = await readNodes(scene.door);
  return nodes.filter(({ state, primaries }) => state === "up" && primaries > 0).map(({ id }) => id);
}

export async function nodeNames({ scene }: Pick<Stage, "scene">): Promise<readonly string[]> {
  return partNames(scene.cluster, /^n\d+$/);
}

export async function serverNames({ scene }: Pick<Stage, "scene">): Promise<readonly string[]> {
  return partNames(scene.cluster, /^nats-\d+$/);
}

export async function partNames(cluster: TrialCluster, like: RegExp): Promise<readonly string[]> {
  const names = (await cluster.parts()).map(({ name }) => name);
  return names.filter((name) => like.test(name)).sort();
}
