// Views. Owns the check that every member sees the same cluster: the ledger is folded once more here, and each snapshot that a leader
// wrote must be the fold of the ledger up to its sequence (I9). A term has one member, and a deposed one appends nothing any more (I8).

import type { Hash } from "../../../src/kernel/hash.js";
import { emptyView, fold } from "../../../src/ledger/fold.js";
import { decodeLedgerRecord } from "../../../src/ledger/record.js";
import {
  copyView,
  decodeSnapshotPart,
  joinSnapshot,
  type SnapshotPart,
  viewDigest,
} from "../../../src/ledger/snapshot.js";
import type { ClusterView } from "../../../src/ledger/view.js";
import { streams } from "../../../src/protocol/subjects.js";
import type { Verdict } from "../../../src/verify/history.js";
import type { Witness } from "./witness.js";

export interface Folded {
  readonly view: ClusterView;
  /** Ledger records read. */
  readonly records: number;
  /** Digest after each sequence of which a leader wrote a snapshot. */
  readonly digests: ReadonlyMap<number, string>;
  readonly violations: readonly string[];
}

export function foldLedger(witness: Witness, partition: number, hash: Hash): Folded {
  const view = emptyView(partition);
  const digests = new Map<number, string>();
  const members = new Map<number, string>();
  const violations: string[] = [];
  const wanted = new Set<number>();
  for (const view of snapshots(witness, partition)) if (typeof view !== "string") wanted.add(view.seq);
  let records = 0;
  for (const { seq, bytes } of witness.records.get(streams.ledger(partition)) ?? []) {
    const record = decodeLedgerRecord(bytes);
    if (!record.ok) {
      violations.push(`ledger ${partition} at ${seq}: ${record.fault.message}`);
      continue;
    }
    const { term, member } = record.value;
    const known = members.get(term);
    if (known === undefined) members.set(term, member);
    else if (known !== member)
      violations.push(`ledger ${partition}: term ${term} was written by ${known} and, at ${seq}, by ${member}`);
    if (term < view.term)
      violations.push(
        `ledger ${partition} at ${seq}: ${member} of term ${term} wrote after term ${view.term} had begun`,
      );
    fold(view, seq, record.value);
    records++;
    if (wanted.has(seq)) digests.set(seq, viewDigest(view, hash));
  }
  return { view: copyView(view), records, digests, violations };
}

/** Views that are folded on as the ledgers grow: what an administrator would see. */
export function followLedgers(witness: Witness, partitions: number): () => readonly ClusterView[] {
  const views = Array.from({ length: partitions }, (_, partition) => emptyView(partition));
  const read = views.map(() => 0);
  return () => {
    for (const [partition, view] of views.entries()) {
      const records = witness.records.get(streams.ledger(partition)) ?? [];
      for (const { seq, bytes } of records.slice(read[partition])) {
        const record = decodeLedgerRecord(bytes);
        if (record.ok) fold(view, seq, record.value);
      }
      read[partition] = records.length;
    }
    return views;
  };
}

export function checkViews(witness: Witness, folded: readonly Folded[], hash: Hash): Verdict {
  const violations = folded.flatMap((one) => one.violations);
  let judged = 0;
  for (const [partition, { records, digests }] of folded.entries()) {
    judged += records;
    for (const view of snapshots(witness, partition)) {
      if (typeof view === "string") {
        violations.push(view);
        continue;
      }
      const expected = digests.get(view.seq);
      if (expected !== undefined && expected !== viewDigest(view, hash))
        violations.push(`snapshot of ledger ${partition} at ${view.seq} is not the fold of the ledger`);
    }
  }
  return { checker: "view n is the same everywhere", unit: "ledger records", judged, needed: 3, violations };
}

function* snapshots(witness: Witness, partition: number): Iterable<ClusterView | string> {
  let parts: SnapshotPart[] = [];
  for (const { seq, bytes } of witness.records.get(streams.snapshot(partition)) ?? []) {
    const part = decodeSnapshotPart(bytes);
    if (!part.ok) {
      yield `snapshot of ledger ${partition}, record ${seq}: ${part.fault.message}`;
      continue;
    }
    if (part.value.index === 0) parts = [];
    parts.push(part.value);
    if (parts.length < part.value.count) continue;
    const view = joinSnapshot(parts);
    parts = [];
    yield view.ok ? view.value : `snapshot of ledger ${partition}, record ${seq}: ${view.fault.message}`;
  }
}
