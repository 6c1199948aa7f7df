// Blows. Owns the loop of a chaos run: wait, strike, let it last, end it, and measure until every fragment is answered again.
// B1 the next blow comes only after the last one healed. B2 a blow that hits nobody is put back and counts for nothing.
// B3 a run goes on until every kind has struck once, at most twice as long as was asked for.

import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../../cluster/engine/until.js";
import type { Random } from "../../src/kernel/random.js";
import { secondsText } from "../live/figures.js";
import type { Alarm, FaultKind, Stage, Strike } from "./fault.js";
import { createFaultPlan, type PlannedBlow } from "./plan.js";

/** What became of one blow. */
export interface Healed {
  readonly kinds: readonly string[];
  /** 0: it was over at once. */
  readonly lastedMs: number;
  /** From its beginning until every fragment was answered again; undefined: not within the limit. */
  readonly recoveredMs: number | undefined;
  /** Alarms that had to be heard and were not. */
  readonly unheard: readonly string[];
}

const recoveryLimitMs = 60_000;
const alarmLimitMs = 15_000;
const calmMs = 3_000;

export async function dealBlows(
  stage: Stage,
  kinds: readonly FaultKind[],
  durationMs: number,
  random: Random,
): Promise<readonly Healed[]> {
  const { cluster } = stage.scene;
  const plan = createFaultPlan(random, kinds);
  const healed: Healed[] = [];
  const beganMs = performance.now();
  const isOver = (): boolean => {
    const spentMs = performance.now() - beganMs;
    const hasStruck = (name: string): boolean => healed.some((blow) => blow.kinds.includes(name));
    return spentMs >= 2 * durationMs || (spentMs >= durationMs && kinds.every(({ name }) => hasStruck(name)));
  };
  const slowMs = await stage.scene.prober.calibrate(calmMs);
  stage.tell(`all is well; an answer that takes more than ${Math.round(slowMs)} ms counts as none from now on`);
  while (!isOver()) {
    const blow = plan.next();
    await sleep(blow.afterMs);
    const struck = await strike(stage, blow);
    for (const { kind } of blow.faults) if (!struck.some((one) => one.kind === kind)) plan.putBack(kind);
    if (struck.length > 0) healed.push(await heal(stage, struck));
    if (cluster.hasEnded()) throw new Error(`the cluster ended:\n${await cluster.lastWords()}`);
  }
  return healed;
}

interface Struck extends Strike {
  readonly kind: FaultKind;
}

async function strike(stage: Stage, blow: PlannedBlow): Promise<readonly Struck[]> {
  const struck: Struck[] = [];
  for (const { kind, draw } of blow.faults) {
    const done = await kind.strike(stage, draw);
    if (done !== undefined) struck.push({ ...done, kind });
  }
  if (struck.length > 0) stage.tell(struck.map(({ words }) => words).join(", then "));
  return struck;
}

async function heal(stage: Stage, struck: readonly Struck[]): Promise<Healed> {
  const { prober } = stage.scene;
  await Promise.all(struck.map(endLater));
  const lasting = struck.filter((one) => one.lasting !== undefined);
  const endedMs = performance.now();
  // Of deaths the last one counts, of what lasts the first moment.
  const beganMs = lasting.length > 0 ? Math.min(...lasting.map(({ atMs }) => atMs)) : (struck.at(-1)?.atMs ?? endedMs);
  const lastedMs = lasting.length > 0 ? endedMs - beganMs : 0;
  const { recoveredMs, fragments, slowest } = await prober.recovery(beganMs, recoveryLimitMs, beganMs + lastedMs);
  const since = lastedMs === 0 ? "" : `, ${afterEnd(recoveredMs, lastedMs)}`;
  stage.tell(
    recoveredMs === undefined
      ? `NOT answered again: ${slowest}`
      : `all ${fragments} fragments answered again after ${secondsText(recoveredMs)}${since}, last the ${slowest}`,
  );
  const unheard = await listen(
    stage,
    struck.flatMap(({ alarm }) => alarm ?? []),
  );
  return { kinds: struck.map(({ kind }) => kind.name), lastedMs, recoveredMs, unheard };
}

async function endLater({ lasting, atMs }: Struck): Promise<void> {
  if (lasting === undefined) return;
  await sleep(Math.max(0, atMs + lasting.forMs - performance.now()));
  await lasting.end();
}

export function afterEnd(recoveredMs: number | undefined, lastedMs: number): string {
  if (recoveredMs === undefined) return "never";
  return recoveredMs <= lastedMs ? "while it lasted" : `${secondsText(recoveredMs - lastedMs)} after its end`;
}

async function listen({ tell }: Stage, alarms: readonly Alarm[]): Promise<readonly string[]> {
  const unheard: string[] = [];
  for (const { words, isHeard } of alarms) {
    const heard = await until(() => isHeard().catch(() => false), alarmLimitMs, 250);
    tell(heard ? `the cluster reported ${words}` : `the cluster did NOT report ${words}`);
    if (!heard) unheard.push(words);
  }
  return unheard;
}
