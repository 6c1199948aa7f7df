#!/usr/bin/env node
// Bench of damage. Owns what becomes of a cluster whose files were hurt behind its back: each kind of damage must be noticed, and healed from the
// replicas without losing an acknowledged row, or refused with a clear alarm where no replica has it. Nothing may be lost in silence.

import { setTimeout as sleep } from "node:timers/promises";
import { createFarewell, type Farewell } from "../live/farewell.js";
import { publish, say, secondsText } from "../live/figures.js";
import { type IncidentLine, readIncidents } from "../live/locations.js";
import type { ReceiptCount } from "../live/receipts.js";
import { openScene, type Scene } from "../live/scene.js";
import { type Damage, damages } from "./damages.js";
import { type BenchChoice, runBench } from "./options.js";

interface Finding {
  readonly damage: string;
  readonly incidents: readonly IncidentLine[];
  readonly servedAfterMs: number | undefined;
  readonly receipts: ReceiptCount | undefined;
  readonly isRight: boolean;
}

const loadMs = 2_500;
const serveLimitMs = 60_000;
const noticeLimitMs = 20_000;

async function damage(choice: BenchChoice, farewell: Farewell): Promise<boolean> {
  const only = choice.arguments;
  const chosen = damages.filter(({ name }) => only.length === 0 || only.some((word) => name.includes(word)));
  if (chosen.length === 0)
    throw new Error(`there is no such damage; there are: ${damages.map(({ name }) => name).join("; ")}`);
  const findings: Finding[] = [];
  for (const each of chosen) findings.push(await suffer(choice, farewell, each));
  publish(
    choice.isJson,
    ["damage", "noticed", "answered, once it ran", "rows acknowledged", "lost", ""],
    findings.map((finding) => [
      finding.damage,
      noticedText(finding.incidents),
      secondsText(finding.servedAfterMs),
      finding.receipts?.acknowledged ?? "-",
      finding.receipts === undefined ? "refused" : finding.receipts.lost + finding.receipts.strange,
      finding.isRight ? "ok" : "WRONG",
    ]),
    { findings },
  );
  return findings.every(({ isRight }) => isRight);
}

async function suffer({ seed }: BenchChoice, outer: Farewell, { name, expect, strike }: Damage): Promise<Finding> {
  say(`${name} …`);
  const farewell = createFarewell();
  const done = outer.later(() => farewell.all());
  const wish = { nodes: 3, natsServers: 1, isolation: "processes", restart: "always" } as const;
  const scene = await openScene(farewell, wish, { seed, clients: 4, fragmentsPerTable: 4 });
  scene.receipts.start();
  await sleep(loadMs);
  const struckAtMs = performance.now();
  await strike({ scene, writeMore: () => writeMore(scene) });
  scene.prober.start();
  const { recoveredMs } = await scene.prober.recovery(struckAtMs, expect === "healed" ? serveLimitMs : noticeLimitMs);
  if (expect === "healed") await writeMore(scene);
  await Promise.all([scene.receipts.stop(), scene.prober.stop()]);
  const receipts = await scene.receipts.compare(noticeLimitMs).catch(() => undefined);
  const incidents = await untilNoticed(scene);
  await done();

  const isWhole = receipts !== undefined && receipts.lost === 0 && receipts.strange === 0 && receipts.acknowledged > 0;
  const isRefused = receipts === undefined && incidents.some(({ outcome }) => outcome === "refused");
  const isRight = incidents.length > 0 && (isWhole || (expect === "refused" && isRefused));
  for (const { node, what, outcome, fragments, note } of incidents)
    say(`  ${node}: ${what}, ${outcome}, fragments ${fragments.join(" ")}: ${note}`);
  for (const example of receipts?.examples ?? []) say(`  lost: ${example}`);
  return { damage: name, incidents, servedAfterMs: recoveredMs, receipts, isRight };
}

/** Some seconds of load beside what runs. */
async function writeMore({ receipts }: Scene): Promise<void> {
  await receipts.stop();
  receipts.start();
  await sleep(loadMs);
}

async function untilNoticed({ door }: Scene): Promise<readonly IncidentLine[]> {
  const endMs = performance.now() + noticeLimitMs;
  for (;;) {
    const incidents = await readIncidents(door).catch(() => []);
    if (incidents.length > 0 || performance.now() > endMs) return incidents;
    await sleep(250);
  }
}

function noticedText(incidents: readonly IncidentLine[]): string {
  const kinds = new Map<string, Set<number>>();
  for (const { what, outcome, fragments } of incidents) {
    const name = `${what} (${outcome})`;
    const seen = kinds.get(name) ?? new Set();
    for (const fragment of fragments) seen.add(fragment);
    kinds.set(name, seen);
  }
  if (kinds.size === 0) return "NOT NOTICED";
  return [...kinds].map(([name, fragments]) => `${name}: ${fragments.size} fragments`).join("\n");
}

await runBench(
  {
    name: "bench:damage",
    description: "Hurts the files of a cluster and prints whether it was noticed and healed, or refused.",
    argument: { name: "[words...]", description: "only damages whose name holds one of these" },
    tries: 1,
  },
  damage,
);
