// Report. Owns how the outcome of a chaos run is summed up and told, to people or as JSON; and whether it passed.
// R1 a run passes only when it had something to judge: writes, faults, and checks that saw enough.

import { describe, type Entry, passed, type Verdict } from "../../src/verify/history.js";
import { printTable, say, spreadText } from "../live/figures.js";
import type { IncidentLine } from "../live/locations.js";
import type { ReceiptCount } from "../live/receipts.js";
import { codesOf, countOf } from "../live/verdicts.js";

export interface Healed {
  /** `node`, or `node + nats` for two together. */
  readonly blow: string;
  /** Undefined: not within the limit. */
  readonly recoveredMs: number | undefined;
}

export interface Outcome {
  readonly seed: number;
  readonly history: readonly Entry[];
  readonly receipts: ReceiptCount;
  readonly verdicts: readonly Verdict[];
  /** Rows whose last read contradicts an acknowledged write. */
  readonly lost: readonly string[];
  readonly healed: readonly Healed[];
  readonly incidents: readonly IncidentLine[];
}

export function hasPassed({ receipts, verdicts, lost, healed }: Outcome): boolean {
  const isWhole = lost.length === 0 && receipts.lost === 0 && receipts.strange === 0;
  const isTried = receipts.acknowledged > 0 && healed.length > 0;
  return isWhole && isTried && healed.every(({ recoveredMs }) => recoveredMs !== undefined) && verdicts.every(passed);
}

export function printJson(outcome: Outcome): void {
  const { seed, history, receipts, verdicts, lost, incidents } = outcome;
  const recoveryMs = Object.fromEntries(
    [...byBlow(outcome.healed)].map(([blow, times]) => [blow, times.map((ms) => ms ?? null)]),
  );
  const facts = {
    passed: hasPassed(outcome),
    seed,
    writes: countOf(history, true),
    reads: countOf(history, false),
    receipts,
    lost,
    codes: codesOf(history),
    recoveryMs,
    verdicts,
    incidents,
  };
  process.stdout.write(`${JSON.stringify(facts, null, 2)}\n`);
}

export function printOutcome(outcome: Outcome): void {
  const { history, receipts, verdicts, lost, healed, incidents } = outcome;
  const writes = countOf(history, true);
  const reads = countOf(history, false);
  printTable(
    ["", "acknowledged", "refused", "failed", "unknown", "lost"],
    [
      ["writes to shared rows", writes.acknowledged, writes.refused, writes.failed, writes.unknown, lost.length],
      ["rows inserted once", receipts.acknowledged, 0, receipts.failed, receipts.unknown, receipts.lost],
      ["reads, scans, counts", reads.acknowledged, reads.refused, reads.failed, reads.unknown, "-"],
    ],
  );
  printTable(
    ["fault", "times", "every fragment answered again"],
    [...byBlow(healed)].map(([blow, times]) => [blow, times.length, spreadText(times)]),
  );
  for (const verdict of verdicts) {
    say(describe(verdict));
    for (const violation of verdict.violations.slice(0, 5)) say(`  ${violation}`);
  }
  for (const example of [...lost.slice(0, 10), ...receipts.examples]) say(`lost or strange: ${example}`);
  const codes = Object.entries(codesOf(history)).map(([code, count]) => `${code} ${count}`);
  if (codes.length > 0) say(`operations without an answer, by their last fault: ${codes.join(", ")}`);
  for (const { node, what, outcome: end, fragments, note } of incidents)
    say(`incident at ${node}: ${what}, ${end}, fragments ${fragments.join(" ")}: ${note}`);
}

function byBlow(healed: readonly Healed[]): ReadonlyMap<string, readonly (number | undefined)[]> {
  const times = new Map<string, (number | undefined)[]>();
  for (const { blow, recoveredMs } of healed) times.set(blow, [...(times.get(blow) ?? []), recoveredMs]);
  return times;
}
