// Report. Owns how the outcome of a chaos run is summed up and told, to people or as JSON; and whether it passed.
// R1 a run passes only when it had something to judge: writes, every fault that was asked for, and checks that saw enough.
// R2 a fault that cannot be made on this machine is no failure of the run, and is never passed over in silence.

import { describe, type Entry, passed, type Verdict } from "../../src/verify/history.js";
import { median, printTable, say, secondsText, spreadText } from "../live/figures.js";
import type { IncidentLine } from "../live/locations.js";
import type { MoveCount } from "../live/mover.js";
import type { ReceiptCount } from "../live/receipts.js";
import { codesOf, countOf } from "../live/verdicts.js";
import type { Healed } from "./blows.js";

export interface Outcome {
  readonly seed: number;
  readonly history: readonly Entry[];
  readonly receipts: ReceiptCount;
  /** Rows inserted during overloads. */
  readonly flood: ReceiptCount;
  readonly verdicts: readonly Verdict[];
  /** Rows whose last read contradicts an acknowledged write. */
  readonly lost: readonly string[];
  /** Kinds of faults asked for. */
  readonly asked: readonly string[];
  /** Those of them that cannot be made here, and why. */
  readonly impossible: ReadonlyMap<string, string>;
  readonly healed: readonly Healed[];
  /** Undefined: nobody asked for moves. */
  readonly moves?: MoveCount | undefined;
  readonly incidents: readonly IncidentLine[];
}

/** Everything that keeps the run from passing, a sentence each. */
export function failings(outcome: Outcome): readonly string[] {
  const { receipts, flood, verdicts, lost, healed } = outcome;
  const rows = [...[receipts, flood].map((count) => count.lost + count.strange), lost.length];
  const bad = rows.reduce((sum, count) => sum + count, 0);
  return [
    ...(bad === 0 ? [] : [`${bad} rows lost or strange`]),
    ...(receipts.acknowledged === 0 ? ["nothing was written"] : []),
    ...verdicts.filter((verdict) => !passed(verdict)).map(describe),
    ...neverStruck(outcome).map((name) => `${name} was asked for and never struck: a longer --duration gives it time`),
    ...healed
      .filter(({ recoveredMs }) => recoveredMs === undefined)
      .map(({ kinds }) => `no recovery: ${nameOf(kinds)}`),
    ...(outcome.moves === undefined || moved(outcome.moves) > 0 ? [] : ["no move was brought to its end"]),
    ...healed.flatMap(({ unheard }) => unheard.map((alarm) => `not reported: ${alarm}`)),
  ];
}

function moved({ ended }: MoveCount): number {
  return [...ended].reduce((sum, [end, count]) => sum + (end.endsWith(" done") ? count : 0), 0);
}

function countsText(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([name, count]) => `${name} ${count}`).join(", ");
}

function neverStruck({ asked, impossible, healed }: Outcome): string[] {
  return asked.filter((name) => !impossible.has(name) && !healed.some(({ kinds }) => kinds.includes(name)));
}

export function printJson(outcome: Outcome): void {
  const { seed, history, receipts, flood, verdicts, lost, incidents, impossible } = outcome;
  const recoveryMs = Object.fromEntries(
    [...byBlow(outcome.healed)].map(([blow, times]) => [blow, times.map(({ recoveredMs }) => recoveredMs ?? null)]),
  );
  const facts = {
    passed: failings(outcome).length === 0,
    failings: failings(outcome),
    seed,
    writes: countOf(history, true),
    reads: countOf(history, false),
    receipts,
    flood,
    lost,
    codes: codesOf(history),
    struck: Object.fromEntries(strikes(outcome)),
    notTried: Object.fromEntries(impossible),
    recoveryMs,
    ...(outcome.moves === undefined
      ? {}
      : { moves: Object.fromEntries(outcome.moves.ended), movesRefused: Object.fromEntries(outcome.moves.refused) }),
    verdicts,
    incidents,
  };
  process.stdout.write(`${JSON.stringify(facts, null, 2)}\n`);
}

export function printOutcome(outcome: Outcome): void {
  const { history, receipts, flood, verdicts, lost, healed, incidents } = outcome;
  const writes = countOf(history, true);
  const reads = countOf(history, false);
  const inserted = (name: string, count: ReceiptCount) =>
    [name, count.acknowledged, 0, count.failed, count.unknown, count.lost + count.strange] as const;
  printTable(
    ["", "acknowledged", "refused", "failed", "unknown", "lost"],
    [
      ["writes to shared rows", writes.acknowledged, writes.refused, writes.failed, writes.unknown, lost.length],
      inserted("rows inserted once", receipts),
      ...(flood.acknowledged + flood.failed + flood.unknown === 0 ? [] : [inserted("… in overloads", flood)]),
      ["reads, scans, counts", reads.acknowledged, reads.refused, reads.failed, reads.unknown, "-"],
    ],
  );
  printTable(
    ["fault", "times", "lasted", "every fragment answered again, from its beginning"],
    [...byBlow(healed)].map(([blow, times]) => [
      blow,
      times.length,
      lastedText(times),
      spreadText(times.map(({ recoveredMs }) => recoveredMs)),
    ]),
  );
  say(`struck: ${[...strikes(outcome)].map(([name, count]) => `${name} ${count}`).join(", ")}`);
  if (outcome.moves !== undefined)
    say(`moves: ${countsText(outcome.moves.ended)}; orders refused: ${countsText(outcome.moves.refused) || "none"}`);
  for (const [name, why] of outcome.impossible) say(`NOT TRIED: ${name}: ${why}`);
  for (const verdict of verdicts) {
    say(describe(verdict));
    for (const violation of verdict.violations.slice(0, 5)) say(`  ${violation}`);
  }
  for (const example of [...lost.slice(0, 10), ...receipts.examples, ...flood.examples])
    say(`lost or strange: ${example}`);
  const codes = Object.entries(codesOf(history)).map(([code, count]) => `${code} ${count}`);
  if (codes.length > 0) say(`operations without an answer, by their last fault: ${codes.join(", ")}`);
  for (const { node, what, outcome: end, fragments, note } of incidents)
    say(`incident at ${node}: ${what}, ${end}, fragments ${fragments.join(" ")}: ${note}`);
}

/** How often each kind that was asked for has struck, alone or with another. */
function strikes({ asked, healed }: Outcome): ReadonlyMap<string, number> {
  return new Map(asked.map((name) => [name, healed.filter(({ kinds }) => kinds.includes(name)).length]));
}

function lastedText(times: readonly Healed[]): string {
  const lasted = times.map(({ lastedMs }) => lastedMs).filter((ms) => ms > 0);
  return lasted.length === 0 ? "-" : secondsText(median(lasted));
}

function byBlow(healed: readonly Healed[]): ReadonlyMap<string, readonly Healed[]> {
  const blows = new Map<string, Healed[]>();
  for (const one of healed) blows.set(nameOf(one.kinds), [...(blows.get(nameOf(one.kinds)) ?? []), one]);
  return blows;
}

/** `node`, or `node + nats` for two together. */
function nameOf(kinds: readonly string[]): string {
  return kinds.join(" + ");
}
