// Primaries. Owns the check of the data logs: one writer per epoch, epochs that never fall, and a chain without holes.
// Every record ever stored is looked at, also those that are trimmed by now.

import { decodeRecord, type FragmentRecord, lsnBefore } from "../../../src/fragment/record.js";
import { sameBytes } from "../../../src/kernel/bytes.js";
import type { Hash } from "../../../src/kernel/hash.js";
import type { Verdict } from "../../../src/verify/history.js";
import type { Witness } from "./witness.js";

interface Last {
  readonly record: FragmentRecord;
  readonly seq: number;
  /** Others of the same LSN, stored where this one had been lost: the fragment may go on after one of them. */
  readonly rivals: FragmentRecord[];
}

/** `lossy`: the log lost records in this run; an append sent before may then land behind its successors, and replicas pass over it. */
export function checkPrimaries(witness: Witness, hash: Hash, lossy = false): Verdict {
  const violations: string[] = [];
  const writers = new Map<string, string[]>();
  const last = new Map<number, Last>();
  const births = new Map<number, FragmentRecord>();
  const taken = new Map<number, number>();
  const faultsOfBirth: [FragmentRecord, number][] = [];
  let judged = 0;
  for (const [stream, stored] of witness.records) {
    if (!stream.startsWith("FORESHARD_LOG_")) continue;
    for (const { bytes, seq, subject } of stored) {
      judged++;
      const decoded = decodeRecord(bytes, hash);
      if (!decoded.ok) {
        violations.push(`${subject} ${seq}: ${decoded.fault.message}`);
        continue;
      }
      const record = decoded.value;
      const name = `fragment ${record.fragment} epoch ${record.epoch}`;
      const known = writers.get(name) ?? [];
      if (!mayWrite(known, record.writer))
        violations.push(`${name} was written by ${known.join(", then ")} and, at ${seq}, by ${record.writer}`);
      if (known.at(-1) !== record.writer) writers.set(name, [...known, record.writer]);
      const before = last.get(record.fragment);
      if (lossy && before !== undefined && record.lsn <= before.record.lsn && record.kind !== "rebase") {
        if (record.lsn === before.record.lsn && seq <= before.seq) before.rivals.push(record);
        continue;
      }
      if (before === undefined && record.lsn > 1 && record.kind !== "rebase") faultsOfBirth.push([record, seq]);
      if (record.mark?.kind === "split") births.set(record.mark.child, record);
      if (record.mark?.kind === "absorb") taken.set(record.mark.right, record.mark.rightLsn);
      // A log that lost its tail starts over from an older record, and says so with a rebase.
      if (before !== undefined && record.kind !== "rebase" && seq > before.seq)
        violations.push(...linkFaults(before, record, seq));
      last.set(record.fragment, { record, seq, rivals: [] });
    }
  }
  for (const [record, seq] of faultsOfBirth) {
    const parent = births.get(record.fragment);
    if (parent === undefined || parent.lsn !== lsnBefore(record) || !sameBytes(parent.hash, record.previousHash))
      violations.push(`fragment ${record.fragment} at ${seq}: LSN ${record.lsn} does not hang on a split`);
  }
  for (const [fragment, lsn] of taken) {
    const end = last.get(fragment)?.record;
    if (end !== undefined && (end.kind !== "seal" || end.lsn !== lsn))
      violations.push(`fragment ${fragment} was taken over at LSN ${lsn} and goes on to ${end.lsn} (${end.kind})`);
  }
  return { checker: "one primary per epoch", unit: "log records", judged, needed: 1, violations };
}

/** An epoch has one node. Its process may be a new one, and then no earlier one writes again. */
function mayWrite(known: readonly string[], writer: string): boolean {
  const node = writer.split("/")[0];
  return known.every((one) => one.split("/")[0] === node) && !known.slice(0, -1).includes(writer);
}

function linkFaults({ record: before, rivals }: Last, record: FragmentRecord, seq: number): string[] {
  const where = `fragment ${record.fragment} at ${seq}`;
  const faults: string[] = [];
  if (record.epoch < before.epoch) faults.push(`${where}: epoch ${record.epoch} after ${before.epoch}`);
  if (lsnBefore(record) !== before.lsn) faults.push(`${where}: LSN ${record.lsn} after ${before.lsn}`);
  else if (![before, ...rivals].some(({ hash }) => sameBytes(record.previousHash, hash)))
    faults.push(`${where}: LSN ${record.lsn} hangs on another record`);
  return faults;
}
