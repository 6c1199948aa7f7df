// Profile. Owns how hard one run is: which faults it has and how often, drawn from the seed so that runs differ in kind and not only in order.
// B1 what the promises exclude is never drawn together: a run whose log loses records keeps its disks, and the other way round.

import type { CopyBounds } from "../../src/fragment/pace.js";
import type { Random } from "../../src/kernel/random.js";
import { type ComputeWeather, calmCompute } from "./compute.js";
import { calmLog, type LogWeather } from "./log.js";
import { type Cell, cells } from "./move-cells.js";
import { calm, type LinkWeather } from "./network.js";

export const allFaults = [
  "crashNode",
  "crashRouter",
  "crashControl",
  "crashAll",
  "pauseNode",
  "pauseControl",
  "pauseRouter",
  "slowHost",
  "partitionPair",
  "partitionHost",
  "partitionHalf",
  "cutFromLog",
  "logPause",
  "logCrash",
  "streamPause",
  "logFull",
  "wallJump",
  "trimHead",
  "slowLink",
  "wipeDisk",
  "oldDisk",
  "loseTail",
  "loseOne",
  "recreateLog",
  "leftBehind",
  "handOver",
  "drainNode",
  "extraTable",
  "leaderCrashAtEvent",
  "fullDisk",
  "overload",
  "copyOnWrite",
  "move",
  "moveCrash",
  "flipBit",
  "split",
  "merge",
] as const;
export type FaultKind = (typeof allFaults)[number];

export interface Profile {
  /** Mean time between two faults of a kind, virtual seconds; absent kinds never happen. */
  readonly everyS: ReadonlyMap<FaultKind, number>;
  readonly link: LinkWeather;
  readonly log: LogWeather;
  readonly compute: ComputeWeather;
  readonly tellsDeath: number;
  readonly restartMaxMs: number;
  readonly thinkMs: number;
  readonly hotKeys: boolean;
  /** How fast fragments are copied: slow and in small pieces where copies are to be met by faults. */
  readonly copy: CopyBounds;
  /** Share of the steps of moves after which the administrator wants the fragment back. */
  readonly regret: number;
  /** The death in some phase of some strategy that this run looks for. */
  readonly aim: Cell | undefined;
}

/** Of what is charged: a row of these runs has about 40 bytes, and costs 64 more. */
const usualCopy: CopyBounds = { floorBytesPerS: 20 * 1024, ceilingBytesPerS: 160 * 1024, chunkBytes: 512 };

export const calmProfile: Profile = {
  everyS: new Map(),
  link: calm,
  log: calmLog,
  compute: calmCompute,
  tellsDeath: 0.5,
  restartMaxMs: 800,
  thinkMs: 60,
  hotKeys: false,
  copy: usualCopy,
  regret: 0,
  aim: undefined,
};

/** Kinds every run may have, with the mean time between two of them when they are at full strength. */
const ordinary: readonly (readonly [FaultKind, number])[] = [
  ["crashNode", 8],
  ["crashRouter", 15],
  ["crashControl", 10],
  ["crashAll", 60],
  ["pauseNode", 8],
  ["pauseControl", 10],
  ["pauseRouter", 20],
  ["slowHost", 12],
  ["partitionPair", 8],
  ["partitionHost", 10],
  ["partitionHalf", 20],
  ["cutFromLog", 10],
  ["logPause", 15],
  ["logCrash", 25],
  ["streamPause", 12],
  ["logFull", 25],
  ["wallJump", 15],
  ["trimHead", 5],
  ["slowLink", 12],
];

/** The same, drawn from a fork of their own, with the share of runs that have them. */
const directed: readonly (readonly [FaultKind, number, number])[] = [
  ["leftBehind", 0.3, 9],
  ["handOver", 0.3, 7],
  ["drainNode", 0.25, 10],
  ["extraTable", 0.15, 15],
  ["leaderCrashAtEvent", 0.35, 4],
  ["fullDisk", 0.25, 15],
  ["overload", 0.25, 12],
  ["copyOnWrite", 0.35, 3],
  ["move", 0.6, 2],
  ["moveCrash", 0.5, 1],
  ["split", 0.5, 6],
  ["merge", 0.5, 6],
];

/** Only these kinds of the profile's faults. */
export function narrowed(profile: Profile, only: readonly FaultKind[] | undefined): Profile {
  if (only === undefined) return profile;
  return { ...profile, everyS: new Map([...profile.everyS].filter(([kind]) => only.includes(kind))) };
}

export function drawProfile(random: Random): Profile {
  const everyS = new Map<FaultKind, number>();
  const storm = 0.5 + random.next() * 1.5;
  for (const [kind, meanS] of ordinary) if (random.next() < 0.5) everyS.set(kind, meanS * storm);
  const more = random.fork("directed");
  for (const [kind, share, meanS] of directed) if (more.next() < share) everyS.set(kind, meanS);
  const damage = random.next();
  // One kind of damage per run, and mild company: two copies lost at once is more than was promised.
  if (damage < 0.1) everyS.set("wipeDisk", 20);
  else if (damage < 0.2) everyS.set("oldDisk", 20);
  else if (damage >= 0.35 && damage < 0.5) everyS.set("flipBit", 12);
  else if (damage < 0.27) return damaged(random, "loseTail");
  else if (damage < 0.31) return damaged(random, "loseOne");
  else if (damage < 0.35) return damaged(random, "recreateLog");
  return { ...weather(random), everyS, ...movement(random.fork("movement"), everyS) };
}

/** How fragments move in a run, and in which of their phases somebody dies; moves of the strategy that is aimed at are many. */
function movement(random: Random, everyS: Map<FaultKind, number>): Pick<Profile, "copy" | "regret" | "aim"> {
  const slow = random.next() < 0.5;
  const rate = 2560 * (1 + random.next() * 6);
  const copy = slow ? { floorBytesPerS: rate, ceilingBytesPerS: rate * 2, chunkBytes: 256 } : usualCopy;
  const regret = random.next() < 0.4 ? random.next() * 0.2 : 0;
  const aim = everyS.has("moveCrash") ? cells[random.below(cells.length)] : undefined;
  if (aim !== undefined) everyS.set(aim.strategy === "copy-on-write" ? "copyOnWrite" : "move", 1.2);
  return { copy, regret, aim };
}

function damaged(random: Random, kind: FaultKind): Profile {
  const everyS = new Map<FaultKind, number>([
    [kind, 15],
    ["crashRouter", 20],
    ["crashControl", 20],
    ["wallJump", 20],
  ]);
  const drawn = weather(random);
  return { ...drawn, link: { ...drawn.link, loss: 0 }, everyS, copy: usualCopy, regret: 0, aim: undefined };
}

function weather(random: Random): Omit<Profile, "everyS" | "copy" | "regret" | "aim"> {
  const some = (share: number, most: number): number => (random.next() < share ? random.next() * most : 0);
  return {
    link: {
      baseMs: 0.1 + random.next(),
      jitterMs: 0.2 + random.next() * 3,
      straggle: some(0.4, 0.03),
      straggleMs: 20 + random.next() * 1000,
      loss: some(0.4, 0.03),
      duplicate: some(0.4, 0.05),
    },
    log: {
      ...calmLog,
      lostAcks: some(0.5, 0.03),
      notStored: some(0.4, 0.02),
      late: some(0.4, 0.02),
      lateMs: 500 + random.next() * 6000,
      staleReads: some(0.3, 0.3),
      staleRecords: 1 + random.below(20),
      tailDelayMs: 1 + some(0.5, 150),
      tailStalls: some(0.3, 0.01),
      syncMs: 0.3 + some(0.3, 10),
    },
    compute: { slowestMs: 1 + some(0.5, 300), never: some(0.2, 0.05) },
    tellsDeath: random.next() < 0.5 ? 0 : random.next(),
    restartMaxMs: 300 + random.next() * (random.next() < 0.3 ? 15_000 : 2_000),
    thinkMs: 60 + random.next() * 240,
    hotKeys: random.next() < 0.4,
  };
}
