#!/usr/bin/env node
// Bench of recovery. Owns the figures of every kind of death under a running load: how long until every fragment answers strong reads and writes
// again, whether lost replicas are rebuilt, and whether anything acknowledged was lost.

import { setTimeout as sleep } from "node:timers/promises";
import { busiestServer, handOver } from "../live/engine-room.js";
import { createFarewell, type Farewell } from "../live/farewell.js";
import { publish, say, secondsText, spreadText } from "../live/figures.js";
import { leaderNames, readViews, underReplicated } from "../live/locations.js";
import type { Recovery } from "../live/prober.js";
import { isWhole, openScene, readBack, type Scene } from "../live/scene.js";
import { countOf } from "../live/verdicts.js";
import { type BenchChoice, runBench } from "./options.js";

/** One kind of death, measured several times. */
interface Measured {
  readonly what: string;
  readonly mark: string;
  readonly timesMs: readonly (number | undefined)[];
}

interface Part {
  readonly measured: readonly Measured[];
  readonly acknowledged: number;
  readonly lost: number;
  readonly isRight: boolean;
}

const fragmentsPerTable = 6;
const clients = 8;
const recoveryLimitMs = 60_000;
const rebuildLimitMs = 120_000;
const restMs = 1_500;

async function recovery(choice: BenchChoice, farewell: Farewell): Promise<boolean> {
  const parts = [
    await inScene(choice, farewell, { nodes: 4, natsServers: 1, restart: "always" }, singleDeaths),
    await inScene(choice, farewell, { nodes: 4, natsServers: 1, restart: "never" }, nodeStaysAway),
    await inScene(choice, farewell, { nodes: 3, natsServers: 3, restart: "always" }, serverDeaths),
  ];
  const measured = parts.flatMap((part) => part.measured);
  const acknowledged = parts.reduce((sum, part) => sum + part.acknowledged, 0);
  const lost = parts.reduce((sum, part) => sum + part.lost, 0);
  publish(
    choice.isJson,
    ["what", "mark", "measured"],
    [
      ...measured.map(({ what, mark, timesMs }) => [what, mark, spreadText(timesMs)]),
      ["acknowledged writes lost", "0", `${lost} of ${acknowledged}`],
    ],
    { measured, acknowledged, lost },
  );
  return parts.every(({ isRight }) => isRight);
}

type Wish = { readonly nodes: number; readonly natsServers: 1 | 3; readonly restart: "always" | "never" };

/** A cluster of its own under load for one part of the bench, read back and judged in the end. */
async function inScene(
  { seed, tries }: BenchChoice,
  outer: Farewell,
  wish: Wish,
  work: (scene: Scene, tries: number) => Promise<readonly Measured[]>,
): Promise<Part> {
  const farewell = createFarewell();
  const done = outer.later(() => farewell.all());
  const scene = await openScene(farewell, { ...wish, isolation: "processes" }, { seed, clients, fragmentsPerTable });
  scene.start();
  await sleep(restMs);
  const measured = await work(scene, tries);
  await scene.stop();
  const read = await readBack(scene, 100);
  const isRight = isWhole(read) && measured.every(({ timesMs }) => timesMs.every((ms) => ms !== undefined));
  if (!isRight) say(JSON.stringify(read, null, 2));
  const { acknowledged, lost, strange } = read.receipts;
  const shared = countOf(scene.load.history, true).acknowledged;
  await done();
  return { measured, acknowledged: acknowledged + shared, lost: lost + strange + read.lost.length, isRight };
}

async function singleDeaths(scene: Scene, tries: number): Promise<readonly Measured[]> {
  const node = (at: number): string => `n${1 + (at % 4)}`;
  const leader = async (): Promise<string> => (await leaderNames(scene.door))[0] ?? "c1";
  return [
    await measure(scene, "kill -9 of a node", "3 s", tries, async (at) => kill(scene, node(at))),
    await measure(scene, "kill -9 of the leader's host", "3 s", tries, async () => kill(scene, await leader())),
    await measure(scene, "kill -9 of the router", "3 s", tries, async () => kill(scene, "r1")),
    await measure(scene, "kill -9 of the only nats-server", "-", tries, async () => kill(scene, "nats-0")),
    await measure(scene, "kill -9 of everything, then start again", "-", 1, () => endAndBegin(scene)),
  ];
}

async function nodeStaysAway(scene: Scene): Promise<readonly Measured[]> {
  const beganMs = performance.now();
  await kill(scene, "n2");
  const answered = await scene.prober.recovery(beganMs, recoveryLimitMs);
  tell("a node that stays away", answered);
  const rebuiltMs = await untilRebuilt(scene, beganMs);
  say(`every lost replica rebuilt elsewhere after ${secondsText(rebuiltMs)}`);
  return [
    { what: "a node dies and stays away: answered", mark: "3 s", timesMs: [answered.recoveredMs] },
    { what: "its replicas rebuilt elsewhere", mark: "-", timesMs: [rebuiltMs] },
  ];
}

async function serverDeaths(scene: Scene, tries: number): Promise<readonly Measured[]> {
  const busiest = (): Promise<string> => busiestServer(scene.cluster);
  return [
    await measure(scene, "kill -9 of the busiest of 3 nats-servers", "12 s", tries, async () =>
      kill(scene, await busiest()),
    ),
    ...(await measurePlanned(scene, tries)),
  ];
}

async function measure(
  scene: Scene,
  what: string,
  mark: string,
  tries: number,
  strike: (at: number) => Promise<void>,
): Promise<Measured> {
  const timesMs: (number | undefined)[] = [];
  for (let at = 0; at < tries; at++) {
    await sleep(restMs);
    const beganMs = performance.now();
    await strike(at);
    const found = await scene.prober.recovery(beganMs, recoveryLimitMs);
    tell(what, found);
    timesMs.push(found.recoveredMs);
  }
  return { what, mark, timesMs };
}

/** A planned stop hands leadership over first: told are the longest that a request waits, and the time from the first step of it until all is answered. */
async function measurePlanned(scene: Scene, tries: number): Promise<readonly Measured[]> {
  const waitsMs: (number | undefined)[] = [];
  const timesMs: (number | undefined)[] = [];
  for (let at = 0; at < tries; at++) {
    // A server that has just come back must have caught up before the next one goes.
    await sleep(restMs * 4);
    const server = await busiestServer(scene.cluster);
    const beganMs = performance.now();
    await handOver(scene.cluster, server);
    await scene.cluster.signal(server, "SIGTERM");
    const found = await scene.prober.recovery(beganMs, recoveryLimitMs);
    tell(`planned stop of ${server}`, found);
    timesMs.push(found.recoveredMs);
    waitsMs.push(found.recoveredMs === undefined ? undefined : found.longestMs);
  }
  return [
    { what: "planned stop of the busiest of 3 nats-servers: longest wait", mark: "1.5 s", timesMs: waitsMs },
    { what: "the same, from the hand-over's start until answered", mark: "-", timesMs },
  ];
}

async function kill(scene: Scene, name: string): Promise<void> {
  if (!(await scene.cluster.signal(name, "SIGKILL"))) throw new Error(`${name} does not run: it cannot be killed`);
}

async function endAndBegin({ cluster }: Scene): Promise<void> {
  const killed = await cluster.killAll();
  await cluster.start();
  say(`killed ${killed} processes at once; ready again in ${secondsText(cluster.readyMs)}`);
}

async function untilRebuilt({ door }: Scene, sinceMs: number): Promise<number | undefined> {
  while (performance.now() < sinceMs + rebuildLimitMs) {
    const views = await readViews(door);
    const isDown = views.some((view) => [...view.nodes.values()].some(({ state }) => state === "down"));
    if (isDown && underReplicated(views) === 0) return performance.now() - sinceMs;
    await sleep(250);
  }
  return undefined;
}

function tell(what: string, { recoveredMs, longestMs, slowest, fragments }: Recovery): void {
  say(
    recoveredMs === undefined
      ? `${what}: NOT answered again: ${slowest}`
      : `${what}: all ${fragments} fragments answered again after ${secondsText(recoveredMs)} (longest wait ${secondsText(longestMs)}, last the ${slowest})`,
  );
}

await runBench(
  {
    name: "bench:recovery",
    description: "Kills every kind of process under load and prints how long until every fragment is answered again.",
    tries: 5,
  },
  recovery,
);
