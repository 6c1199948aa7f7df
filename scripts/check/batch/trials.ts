// Trials. Owns what is tried with atomic batches on a log stream, and what each came to. A trial says how often it looked, and what it saw that would break "all or nothing".

import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../../../cluster/engine/until.js";
import { seededRandom } from "../../../src/kernel/random.js";
import type { BareServers } from "./bare-servers.js";
import { type BatchLog, type Outcome, type Part, type Stored, stream, tails } from "./batch-log.js";

export interface Finding {
  readonly trial: string;
  /** Batches judged. */
  readonly batches: number;
  /** Stored whole, not at all, and in part. */
  readonly whole: number;
  readonly none: number;
  readonly part: number;
  /** Acknowledged and yet not whole, or refused and yet there. */
  readonly lies: number;
  readonly note: string;
}

export interface Asked {
  readonly name: string;
  readonly size: number;
  readonly outcome: Outcome;
}

export interface Ground {
  readonly servers: BareServers;
  readonly log: BatchLog;
  readonly replicas: 1 | 3;
  readonly seed: number;
}

export type Trial = (ground: Ground) => Promise<Finding>;

export function judge(trial: string, asked: readonly Asked[], stored: readonly Stored[], note: string): Finding {
  const counts = { whole: 0, none: 0, part: 0, lies: 0 };
  let torn = "";
  for (const [i, { name, size, outcome }] of asked.entries()) {
    const there = stored.filter((one) => one.name === name);
    const first = there[0]?.seq ?? 0;
    const isRow = there.every(({ seq }, i) => seq === first + i);
    if (there.length === 0) counts.none++;
    else if (there.length === size && isRow) counts.whole++;
    else {
      counts.part++;
      if (torn === "") torn = `; the first in part is number ${i + 1}: ${there.length} of ${size} stored`;
    }
    if (outcome.kind === "stored" && there.length !== size) counts.lies++;
    if (outcome.kind === "refused" && there.length > 0) counts.lies++;
  }
  return { trial, batches: asked.length, ...counts, note: `${note}${torn}` };
}

export function notes(asked: readonly Asked[]): string {
  const said = new Map<string, number>();
  for (const { outcome } of asked) {
    const words = outcome.kind === "refused" ? `refused ${outcome.errCode}` : outcome.kind;
    said.set(words, (said.get(words) ?? 0) + 1);
  }
  return [...said].map(([words, count]) => `${count} ${words}`).join(", ");
}

const fragments = [1, 2, 3] as const;

/** Every fragment has a record, so that every fence is a number above 0. */
export async function plant({ log }: Ground, which: readonly number[] = fragments): Promise<void> {
  for (const fragment of which) {
    const outcome = await log.append({ fragment, expectedSeq: 0 }, "plant");
    if (outcome.kind !== "stored") throw new Error("the log does not even take one record");
  }
}

/** What each fragment's fence is now. */
export async function fences(log: BatchLog, which: readonly number[] = fragments): Promise<Part[]> {
  const last = tails(await log.all());
  return which.map((fragment) => ({ fragment, expectedSeq: last(fragment) }));
}

export const rightAndWrong: Trial = async (ground) => {
  const { log } = ground;
  await plant(ground);
  const asked: Asked[] = [];
  const wrongs: string[] = [];
  for (let round = 0; round < 10; round++)
    for (const wrong of [-1, 0, 1, 2]) {
      const name = log.fresh();
      const right = await fences(log);
      const off = round % 2 === 0 ? 1 : -1;
      const parts = right.map((part, i) => (i === wrong ? { ...part, expectedSeq: part.expectedSeq + off } : part));
      const outcome = await log.batch(parts, name);
      asked.push({ name, size: parts.length, outcome });
      if ((wrong === -1) !== (outcome.kind === "stored")) wrongs.push(`place ${wrong}: ${outcome.kind}`);
    }
  const verdict = wrongs.length === 0 ? "every wrong fence refused" : `WRONG: ${wrongs.join("; ")}`;
  return judge("right fences; a wrong one first, in the middle, last", asked, await log.all(), verdict);
};

/** Two batches and two single appends, all behind the same fences, at once. */
export const races: Trial = async (ground) => {
  const { log } = ground;
  await plant(ground);
  const asked: Asked[] = [];
  let crowded = 0;
  for (let round = 0; round < 60; round++) {
    const right = await fences(log);
    const [a, b] = [log.fresh(), log.fresh()];
    const [c, d] = [log.fresh(), log.fresh()];
    const [first, , third] = right;
    if (first === undefined || third === undefined) throw new Error("three fragments have three fences");
    const [one, two, three, four] = await Promise.all([
      log.batch(right, a),
      log.append(first, c),
      log.batch([...right].reverse(), b),
      log.append(third, d),
    ]);
    asked.push({ name: a, size: 3, outcome: one }, { name: b, size: 3, outcome: three });
    asked.push({ name: c, size: 1, outcome: two }, { name: d, size: 1, outcome: four });
    const behindSame = (await log.all()).filter(({ fragment, seq }) => fragment === 1 && seq > first.expectedSeq);
    if (behindSame.length > 1) crowded++;
  }
  const found = judge("two batches and two appends race for the same fences", asked, await log.all(), notes(asked));
  return { ...found, lies: found.lies + crowded };
};

/** Nobody commits it: is anybody held up, and does a commit that comes late go through? */
export const abandoned: Trial = async (ground) => {
  const { log } = ground;
  await plant(ground);
  const asked: Asked[] = [];
  const right = await fences(log);
  const name = log.fresh();
  log.begin(right, name);
  await log.nats.flush();
  const startMs = performance.now();
  const single = await log.append(right[0] ?? { fragment: 0, expectedSeq: 0 }, log.fresh());
  const tookMs = Math.round(performance.now() - startMs);
  asked.push({ name, size: 3, outcome: await log.commit(right, name) });
  const other = log.fresh();
  const again = await fences(log);
  log.begin(again, other);
  await sleep(11_000);
  asked.push({ name: other, size: 3, outcome: await log.commit(again, other) });
  const holed = log.fresh();
  log.begin(again.slice(0, 2), holed);
  asked.push({ name: holed, size: 3, outcome: await log.commit(again, holed) });
  const note = `a single append beside it: ${single.kind} in ${tookMs} ms; commits: ${notes(asked)}`;
  return judge("abandoned, committed after 11 s, with a hole", asked, await log.all(), note);
};

/** A commit that takes long enough to be hit. */
export const many = Array.from({ length: 40 }, (_, i) => i + 1);

/** The server that leads the stream is killed around the commit, and comes back. */
export const killed = (times: number): Trial => {
  return async (ground) => {
    const { log, servers, seed, replicas } = ground;
    await plant(ground, many);
    const random = seededRandom(seed);
    const asked: Asked[] = [];
    for (let i = 0; i < times; i++) {
      const parts = await fences(log, many);
      const name = log.fresh();
      const leader = replicas === 1 ? 0 : await leaderOf(ground);
      const done = log.batch(parts, name, 3000);
      await sleep(random.next() * (replicas === 1 ? 18 : 30));
      await servers.kill(leader);
      asked.push({ name, size: parts.length, outcome: await afterDeath(done) });
      if (replicas === 3) await until(() => answers(log), 20_000);
      await servers.begin(leader);
      await until(() => answers(log), 20_000);
    }
    return judge(`kill -9 of the server around the commit of ${many.length}`, asked, await log.all(), notes(asked));
  };
};

/** The stream's leader hands over around the commit. */
export const steppedDown = (times: number): Trial => {
  return async (ground) => {
    const { log, seed } = ground;
    await plant(ground);
    const random = seededRandom(seed);
    const asked: Asked[] = [];
    for (let i = 0; i < times; i++) {
      const parts = await fences(log);
      const name = log.fresh();
      const half = random.next() < 0.5;
      if (half) log.begin(parts, name);
      const down = log.call(`STREAM.LEADER.STEPDOWN.${stream}`, undefined).catch(() => undefined);
      if (half) await sleep(random.next() * 20);
      const outcome = half ? await log.commit(parts, name, 3000) : await log.batch(parts, name, 3000);
      await down;
      asked.push({ name, size: parts.length, outcome });
      await until(() => answers(log), 20_000);
    }
    return judge("leader steps down around the commit", asked, await log.all(), notes(asked));
  };
};

/** What was heard of it by now or soon: a server that died says nothing more. */
export function afterDeath(done: Promise<Outcome>): Promise<Outcome> {
  return Promise.race([done, sleep(200, { kind: "unknown" } as const)]);
}

async function answers(log: BatchLog): Promise<boolean> {
  const info = await log.call(`STREAM.INFO.${stream}`, undefined).catch(() => undefined);
  const cluster = info?.cluster as { leader?: string } | undefined;
  return info !== undefined && (cluster === undefined || cluster.leader !== undefined);
}

async function leaderOf({ log, servers }: Ground): Promise<number> {
  let leader = "";
  await until(async () => {
    const info = await log.call(`STREAM.INFO.${stream}`, undefined).catch(() => undefined);
    leader = (info?.cluster as { leader?: string } | undefined)?.leader ?? "";
    return leader !== "";
  }, 20_000);
  return servers.indexOf(leader);
}
