// Lanes. Owns the network of a trial of several machines: a network namespace for each, joined by a bridge in one more, in which the trial itself runs.
// L1 nothing outside these namespaces is touched, and no packet leaves them. L2 what was made is gone after `remove`. L3 only root on Linux can make any.

import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Lane {
  readonly name: string;
  readonly address: string;
  /** Its namespace; and the hub's end of its cable. */
  readonly space: string;
  readonly cable: string;
}

export interface Lanes {
  readonly hub: string;
  readonly lanes: readonly Lane[];
}

const net = "10.213.7";

/** Names only: nothing is made yet. `mark` keeps two trials apart; an interface's name has 15 letters at most. */
export function lanesFor(names: readonly string[], mark: string): Lanes {
  return {
    hub: `fs${mark}hub`,
    lanes: names.map((name, at) => ({
      name,
      address: `${net}.${at + 11}`,
      space: `fs${mark}m${at + 1}`,
      cable: `fs${mark}c${at + 1}`,
    })),
  };
}

export async function makeLanes({ hub, lanes }: Lanes): Promise<void> {
  await ip(`netns add ${hub}`);
  await ip(`-n ${hub} link set lo up`);
  await ip(`-n ${hub} link add bridge type bridge`);
  await ip(`-n ${hub} addr add ${net}.1/24 dev bridge`);
  await ip(`-n ${hub} link set bridge up`);
  for (const { space, cable, address } of lanes) {
    await ip(`netns add ${space}`);
    await ip(`-n ${space} link set lo up`);
    await ip(`-n ${hub} link add ${cable} type veth peer name eth0 netns ${space}`);
    await ip(`-n ${hub} link set ${cable} master bridge`);
    await ip(`-n ${hub} link set ${cable} up`);
    await ip(`-n ${space} addr add ${address}/24 dev eth0`);
    await ip(`-n ${space} link set eth0 up`);
  }
}

/** A namespace goes with everything in it, once its processes have ended. */
export async function removeLanes({ hub, lanes }: Lanes): Promise<void> {
  for (const space of [...lanes.map((lane) => lane.space), hub]) await ip(`netns del ${space}`).catch(() => undefined);
}

/** Pulls the cable of a machine, or puts it back. */
export async function setCable({ hub }: Lanes, { cable }: Lane, isIn: boolean): Promise<void> {
  await ip(`-n ${hub} link set ${cable} ${isIn ? "up" : "down"}`);
}

async function ip(words: string): Promise<void> {
  await run("ip", words.split(" "), { timeout: 10_000 });
}
