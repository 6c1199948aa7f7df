// Newsroom. Owns when the page is told what: once a second while anybody looks, and only what changed.
// N1 nobody looks: nothing is asked of the cluster, nothing is put into words. N2 rows of large topics go out only when they changed.

import { setTimeout as pause } from "node:timers/promises";
import type { Hash } from "../../src/kernel/hash.js";
import type { Lookout } from "../lookout/lookout.js";
import { eventsOf, loadOf, movesOf, outlookOf, pastOf, shapeOf, sizesOf } from "./telling.js";
import type { Load, Shape, Sizes, Status, TopicName } from "./topics.js";
import type { Viewers } from "./viewers.js";

export interface Newsroom {
  /** Everything as it is, for a page that was just opened. */
  everything(): Promise<readonly (readonly [TopicName, string])[]>;
  /** Somebody looks now: begin, unless it has begun. */
  wake(): void;
  close(): void;
}

export interface NewsroomPorts {
  readonly lookout: Lookout;
  readonly viewers: Viewers;
  readonly hash: Hash;
  status(): Status;
}

const everyMs = 1_000;
/** Sizes are told less often: they change with every write. */
const sizesEvery = 5;
/** How long a page that is opened waits for fresh figures; older ones come at once otherwise, and the fresh ones as soon as they are there. */
const patienceMs = 120;
/** How long where there are no older ones. */
const firstPatienceMs = 600;
/** Pages that are opened within this time are told the same. */
const sharedMs = 300;

export function createNewsroom({ lookout, viewers, hash, status }: NewsroomPorts): Newsroom {
  const told = new Map<TopicName, string>();
  let load: Load = { nodes: {}, fragments: {} };
  let sizes: Sizes = { fragments: {} };
  let shape: Shape | undefined;
  let shapeOfSeqs = "";
  let outlookOfVersion = -1;
  let bandsTold: unknown;
  let round = 0;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let opening: Promise<readonly (readonly [TopicName, string])[]> | undefined;
  let openedAtMs = Number.NEGATIVE_INFINITY;
  let isBehind = false;

  function say(topic: TopicName, value: object): void {
    const text = JSON.stringify(value);
    if (told.get(topic) === text) return;
    told.set(topic, text);
    viewers.tell(topic, text);
  }
  function sayChanged<T extends Load | Sizes>(topic: "load" | "sizes", before: T, now: T): void {
    const changed = changedRows(before, now);
    if (changed !== undefined) viewers.tell(topic, JSON.stringify(changed));
    told.set(topic, JSON.stringify(now));
  }

  function update(): void {
    const seqs = JSON.stringify([lookout.census.partitions(), lookout.census.nodes().length]);
    if (shape === undefined || seqs !== shapeOfSeqs) {
      shape = shapeOf(lookout, hash);
      shapeOfSeqs = seqs;
      say("shape", shape);
    }
    say("status", status());
    const newLoad = loadOf(lookout);
    sayChanged("load", load, newLoad);
    load = newLoad;
    if (round++ % sizesEvery === 0) {
      const newSizes = sizesOf(lookout);
      sayChanged("sizes", sizes, newSizes);
      sizes = newSizes;
    }
    if (lookout.outlook.version() !== outlookOfVersion || lookout.bands("short") !== bandsTold) {
      outlookOfVersion = lookout.outlook.version();
      bandsTold = lookout.bands("short");
      say("outlook", outlookOf(lookout));
    }
    say("moves", movesOf(lookout));
    say("events", eventsOf(lookout));
    say("plan", { plan: lookout.census.plan() ?? null });
  }

  async function all(): Promise<readonly (readonly [TopicName, string])[]> {
    const patience = new AbortController();
    const waitMs = lookout.census.partitions() === undefined ? firstPatienceMs : patienceMs;
    const enough = pause(waitMs, true, { signal: patience.signal }).catch(() => true);
    isBehind = await Promise.race([lookout.refresh().then(() => false), enough]);
    patience.abort();
    update();
    return [["past", JSON.stringify(pastOf(lookout))], ...told];
  }

  async function tick(): Promise<void> {
    const begunMs = performance.now();
    await lookout.refresh();
    if (!closed) update();
    if (closed || viewers.count() === 0) timer = undefined;
    else timer = setTimeout(() => void tick(), Math.max(50, everyMs - (performance.now() - begunMs)));
  }

  return {
    everything() {
      if (opening === undefined || performance.now() - openedAtMs > sharedMs) {
        openedAtMs = performance.now();
        opening = all();
      }
      return opening;
    },
    wake() {
      if (timer !== undefined || closed) return;
      timer = setTimeout(() => void tick(), isBehind ? 0 : everyMs);
    },
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

/** Rows that are new or other than before; a fragment that has gone quiet is told once, as 0. Undefined: all are as they were. */
function changedRows(before: Load | Sizes, now: Load | Sizes): object | undefined {
  const parts = Object.entries(now).map(
    ([name, rows]) => [name, changedIn(Object.entries(before), name, rows)] as const,
  );
  return parts.every(([, rows]) => Object.keys(rows).length === 0) ? undefined : Object.fromEntries(parts);
}

function changedIn(before: readonly (readonly [string, object])[], name: string, rows: object): object {
  const old = new Map(
    Object.entries(before.find(([other]) => other === name)?.[1] ?? {}).map(([key, row]) => [key, JSON.stringify(row)]),
  );
  const changed: Record<string, unknown> = {};
  for (const [key, row] of Object.entries(rows)) {
    if (old.get(key) !== JSON.stringify(row)) changed[key] = row;
    old.delete(key);
  }
  for (const key of old.keys()) changed[key] = name === "fragments" ? 0 : undefined;
  return changed;
}
