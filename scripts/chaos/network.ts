// Network. Owns the faults of links, made in the proxies that the cluster is wired through: between a host and all servers, and between a server and
// the other two. A cut holds bytes back until it heals, as a network does whose packets are sent again.

import type { Weather } from "../live/proxy.js";
import { partNames, serverNames } from "./ends.js";
import { chosen, type Draw, type FaultKind, type Stage, type Strike, seconds } from "./fault.js";

const cut = Number.POSITIVE_INFINITY;
const hostNames = /^[ncr]\d+$/;
const hostDelayMs = { least: 20, most: 200 };
const serverDelayMs = { least: 10, most: 80 };

/** What passes from the victim to the others, and to it from them. */
interface Passing {
  readonly saysMs: number;
  readonly hearsMs: number;
  readonly words: string;
}

export const networkFaults: readonly FaultKind[] = [
  hostFault("hostCut", "partition", () => whole),
  hostFault("hostCutOneWay", "partition", half),
  hostFault("hostDelay", "delay", (draw) => late(draw, hostDelayMs)),
  { ...kind("hostDrop", "partition"), lastsMs: [0, 0], strike: dropHost },
  serverFault("serverCut", "partition", () => whole),
  serverFault("serverCutOneWay", "partition", half),
  serverFault("serverDelay", "delay", (draw) => late(draw, serverDelayMs)),
];

const whole: Passing = { saysMs: cut, hearsMs: cut, words: "cut off" };

function half({ chance }: Draw): Passing {
  if (chance < 0.5) return { saysMs: cut, hearsMs: 0, words: "not heard" };
  return { saysMs: 0, hearsMs: cut, words: "deaf" };
}

function late({ chance }: Draw, { least, most }: { readonly least: number; readonly most: number }): Passing {
  const ms = Math.round(least + chance * (most - least));
  return { saysMs: ms, hearsMs: ms, words: `${ms} ms away` };
}

function kind(name: string, group: string) {
  return { name, groups: [group], needs: ["wires"], joins: true, lastsMs: [2_000, 6_000] } as const;
}

function hostFault(name: string, group: string, passing: (draw: Draw) => Passing): FaultKind {
  return {
    ...kind(name, group),
    async strike({ scene }, draw) {
      const { cluster } = scene;
      const victim = chosen(await partNames(cluster, hostNames), draw);
      if (victim === undefined) return undefined;
      const { saysMs, hearsMs, words } = passing(draw);
      const weather: Weather = { outMs: saysMs, backMs: hearsMs };
      cluster.wires.aroundHost(victim, weather);
      return lasting(`${victim} ${words} from the servers`, draw, () => {
        cluster.wires.aroundHost(victim, { outMs: 0, backMs: 0 });
      });
    },
  };
}

function serverFault(name: string, group: string, passing: (draw: Draw) => Passing): FaultKind {
  return {
    ...kind(name, group),
    needs: ["wires", "threeServers"],
    joins: false,
    lastsMs: [3_000, 8_000],
    async strike({ scene }, draw) {
      const { cluster } = scene;
      const victim = chosen(await serverNames({ scene }), draw);
      if (victim === undefined) return undefined;
      const index = Number(victim.replace("nats-", ""));
      const { saysMs, hearsMs, words } = passing(draw);
      cluster.wires.aroundServer(index, { saysMs, hearsMs });
      return lasting(`${victim} ${words} from the other two`, draw, () => {
        cluster.wires.aroundServer(index, { saysMs: 0, hearsMs: 0 });
      });
    },
  };
}

async function dropHost({ scene }: Stage, draw: Draw): Promise<Strike | undefined> {
  const { cluster } = scene;
  const victim = chosen(await partNames(cluster, hostNames), draw);
  if (victim === undefined || cluster.wires.drop(victim) === 0) return undefined;
  return { words: `${victim}'s connection dropped`, atMs: performance.now() };
}

function lasting(what: string, { lastsMs }: Draw, heal: () => void): Strike {
  return {
    words: `${what} for ${seconds(lastsMs)}`,
    atMs: performance.now(),
    lasting: {
      forMs: lastsMs,
      async end() {
        heal();
      },
    },
  };
}
