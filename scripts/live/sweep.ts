// Sweep. Owns one pass over many fragments: a strong read and a write of each, a bounded number under way, tried again until answered.

import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Door } from "./door.js";
import type { ProbeKey } from "./locations.js";

export interface Swept {
  /** Until the last was answered; undefined: not within the limit. */
  readonly tookMs: number | undefined;
  /** Those that never answered, with their last fault. */
  readonly silent: readonly string[];
}

const underWay = 64;
const tryMs = 4_000;
const pauseMs = 50;
const faultAnswer = z.object({ fault: z.object({ code: z.string() }) });

export async function sweep(door: Pick<Door, "query">, keys: readonly ProbeKey[], limitMs: number): Promise<Swept> {
  const beganMs = performance.now();
  const left = keys.flatMap((key) => [
    { key, op: "get" },
    { key, op: "delete" },
  ]);
  const silent: string[] = [];

  async function work(): Promise<void> {
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      const { table, key, fragment } = next.key;
      let why = await ask(door, table, next.op, key);
      while (why !== undefined && performance.now() < beganMs + limitMs) {
        await sleep(pauseMs);
        why = await ask(door, table, next.op, key);
      }
      if (why !== undefined) silent.push(`${next.op} of ${table}/${fragment}: ${why}`);
    }
  }
  await Promise.all(Array.from({ length: underWay }, work));
  return { tookMs: silent.length === 0 ? performance.now() - beganMs : undefined, silent };
}

/** Why it was not answered, or undefined. */
async function ask(door: Pick<Door, "query">, table: string, op: string, key: unknown): Promise<string | undefined> {
  const outcome = await door.query(table, op, { key, deadlineMs: tryMs - 500 }, tryMs);
  if (outcome.kind !== "answer") return outcome.kind;
  const refused = faultAnswer.safeParse(outcome.body);
  return refused.success ? refused.data.fault.code : undefined;
}
