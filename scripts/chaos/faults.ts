// Faults. Owns when something is broken in a chaos run and what: drawn from the seed, carried out on whatever runs under that name then.
// F1 every kind comes once before any comes again. F2 about one fault in four is joined by a second of another kind before the first has healed.

import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../../src/kernel/random.js";
import type { Door } from "../live/door.js";
import { readNodes } from "../live/locations.js";
import type { TrialCluster } from "../live/trial-cluster.js";
import type { FaultKind } from "./options.js";

/** One fault as planned: which of the parts of that kind is a number that is taken modulo how many there are. */
export interface PlannedFault {
  readonly kind: FaultKind;
  readonly which: number;
  readonly pauseMs: number;
}

/** Faults that happen together, and how long to wait before them once everything before has healed. */
export interface PlannedBlow {
  readonly afterMs: number;
  readonly faults: readonly PlannedFault[];
}

export interface FaultPlan {
  next(): PlannedBlow;
}

export function createFaultPlan(random: Random, kinds: readonly FaultKind[]): FaultPlan {
  let bag: FaultKind[] = [];

  function draw(): PlannedFault {
    if (bag.length === 0) bag = [...kinds];
    const [kind] = bag.splice(random.below(bag.length), 1);
    if (kind === undefined) throw new Error("a fault plan needs kinds of faults");
    return { kind, which: random.below(1_000), pauseMs: 1_000 + random.below(3_500) };
  }
  return {
    next() {
      const afterMs = 500 + random.below(3_000);
      const first = draw();
      const second = random.next() < 0.25 ? draw() : undefined;
      return { afterMs, faults: second === undefined ? [first] : [first, second] };
    },
  };
}

/** Carries it out; says on whom, or nothing when there was nobody. */
export async function carryOutFault(
  cluster: TrialCluster,
  door: Door,
  { kind, which, pauseMs }: PlannedFault,
): Promise<string | undefined> {
  const names = await namesOf(cluster, door, kind);
  const name = names[which % Math.max(1, names.length)];
  if (name === undefined) return undefined;
  if (kind !== "pause") return (await cluster.signal(name, "SIGKILL")) ? `kill -9 ${name}` : undefined;
  if (!(await cluster.signal(name, "SIGSTOP"))) return undefined;
  await sleep(pauseMs);
  await cluster.signal(name, "SIGCONT");
  return `${name} frozen for ${(pauseMs / 1000).toFixed(1)} s`;
}

async function namesOf(cluster: TrialCluster, door: Door, kind: FaultKind): Promise<readonly string[]> {
  if (kind === "leader") return leaderNames(door);
  const parts = (await cluster.parts()).map(({ name }) => name).sort();
  switch (kind) {
    case "node":
    case "pause":
      return parts.filter((name) => /^n\d+$/.test(name));
    case "router":
      return parts.filter((name) => /^r\d+$/.test(name));
    case "nats":
      return parts.filter((name) => name.startsWith("nats-"));
  }
}

/** The control hosts that lead a partition now. */
export async function leaderNames(door: Door): Promise<readonly string[]> {
  const { partitions } = await readNodes(door);
  return [...new Set(partitions.map(({ leader }) => leader))].sort();
}
