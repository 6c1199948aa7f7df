// Ledger examples. Owns one record of every event, a lease, and a snapshot of a view that has everything in it.

import type { Incident, LedgerEvent } from "../../src/ledger/event.js";
import { emptyView } from "../../src/ledger/fold.js";
import { decodeLeaseRecord, encodeLeaseRecord, type LeaseRecord } from "../../src/ledger/lease-record.js";
import { decodeLedgerRecord, encodeLedgerRecord } from "../../src/ledger/record.js";
import { cutSnapshot, decodeSnapshot, decodeSnapshotPart, encodeSnapshot } from "../../src/ledger/snapshot.js";
import type { ClusterView } from "../../src/ledger/view.js";
import { defaultPolicy } from "../../src/plan/policy.js";
import { must } from "../results.js";
import { type Example, entriesOf, type Growth, ignoredOnTop } from "./example.js";
import { aHash, aMove, aProfile, bytes } from "./parts.js";

/** What was the default when these bytes were written. */
const aPolicy = { ...defaultPolicy, splitCoolDownMs: 1_800_000 };
const table = {
  id: 2,
  name: "orders",
  partitioning: "range",
  key: { partition: "string", sort: "date" },
  replicas: 3,
} as const;
const refs = [{ fragment: 16, node: "n1" }];
const incident: Incident = {
  atMs: 5000,
  node: "n1",
  what: "storeReplaced",
  outcome: "healed",
  fragments: [16],
  note: "a new disk",
};
const ids = { fragment: 16, child: 32 };

const events: { readonly [K in LedgerEvent["kind"]]: Extract<LedgerEvent, { kind: K }> } = {
  clusterCreated: { kind: "clusterCreated", logGroups: 16, partitions: 1, createdMs: 1000 },
  leaderElected: { kind: "leaderElected", term: 3, member: "c1" },
  nodeJoined: { kind: "nodeJoined", node: "n1", zone: "east", weight: 1.5, storeId: "s1", bootCount: 2 },
  nodeUp: { kind: "nodeUp", node: "n1", incarnation: "i-1", bootCount: 2 },
  nodeDown: { kind: "nodeDown", node: "n1", incarnation: "i-1", atMs: 2000 },
  nodeDraining: { kind: "nodeDraining", node: "n1", draining: true, by: "ops" },
  nodeRemoved: { kind: "nodeRemoved", node: "n1" },
  tableCreated: {
    kind: "tableCreated",
    table,
    fragments: [
      { id: 16, from: bytes(), to: bytes(0x80), group: 3, replicas: ["n1", "n2"] },
      { id: 32, from: bytes(0x80), to: undefined, group: 4, replicas: ["n2"] },
    ],
  },
  tableDropped: { kind: "tableDropped", table: 2 },
  primariesChanged: {
    kind: "primariesChanged",
    changes: [{ fragment: 16, epoch: 4, primary: "n2" }],
    cause: "nodeDown",
  },
  fragmentsActivated: { kind: "fragmentsActivated", activations: [{ fragment: 16, epoch: 4, lsn: 60 }] },
  replicasAdded: { kind: "replicasAdded", replicas: refs, cause: "rebuild" },
  replicasReady: { kind: "replicasReady", replicas: refs },
  replicasRemoved: { kind: "replicasRemoved", replicas: refs, cause: "drain" },
  replicaCountChanged: { kind: "replicaCountChanged", fragment: 16, count: 4 },
  moveStarted: { kind: "moveStarted", move: aMove },
  moveAdvanced: { kind: "moveAdvanced", move: 4, phase: "verifying", atMs: 2000, lsn: 90, note: "copied" },
  moveEnded: { kind: "moveEnded", move: 4, outcome: "rolledBack", atMs: 3000, why: "n2 died" },
  policyChanged: { kind: "policyChanged", policy: aPolicy, by: "ops", atMs: 4000 },
  moveJudged: { kind: "moveJudged", move: 4, atMs: 5000, verdict: "n1 would have been full" },
  profilePut: { kind: "profilePut", profile: aProfile },
  profileRemoved: { kind: "profileRemoved", name: "nightly" },
  splitStarted: { kind: "splitStarted", ...ids, at: bytes(0x40), by: "ops", startedMs: 1000 },
  splitCancelled: { kind: "splitCancelled", ...ids, atMs: 1000, why: "one row" },
  fragmentSplit: { kind: "fragmentSplit", ...ids, at: bytes(0x40), baseLsn: 70, baseHash: aHash, atMs: 1000 },
  mergeStarted: { kind: "mergeStarted", left: 16, right: 32, by: "ops", startedMs: 1000 },
  fragmentsMerged: {
    ...{ kind: "fragmentsMerged", left: 16, right: 32, lsn: 80, rightLsn: 12, changedLsn: 10, atMs: 1000 },
  } as const,
  logStreamSeen: { kind: "logStreamSeen", group: 3, created: "2026-03-01T00:00:00Z" },
  incidentReported: { kind: "incidentReported", incident },
};

const eventGrowth: Partial<Record<LedgerEvent["kind"], Growth>> = {
  tableCreated: { at: ["events", 0, "fragments", 0], is: "refused" },
  primariesChanged: { at: ["events", 0, "changes", 0], is: "refused" },
};

function fullView(): ClusterView {
  const view = emptyView(0);
  Object.assign(view, { seq: 40, term: 3, leader: "c1", logGroups: 16, partitions: 1, createdMs: 1000 });
  Object.assign(view, { nextTableId: 3, nextFragment: 4, nextMove: 6 });
  view.policy = { policy: aPolicy, by: "ops", atMs: 4000 };
  view.nodes.set("n1", {
    ...{ id: "n1", zone: "east", weight: 1.5, storeId: "s1", bootCount: 2, incarnation: "i-1", state: "up" },
    ...{ draining: true, drainedBy: "ops", downSinceMs: 0 },
  });
  view.tables.set(2, table);
  view.tableIds.set("orders", 2);
  view.fragments.set(16, {
    ...{ id: 16, table: 2, from: bytes(), to: undefined, group: 3, epoch: 4, primary: "n1" },
    ...{
      activatedEpoch: 4,
      activatedLsn: 60,
      replicas: [{ node: "n1", state: "ready" }],
      replicasWanted: 4,
      replicasSpare: 0,
    },
    ...{ base: { parent: 48, lsn: 50, hash: aHash }, reshaped: true },
  });
  view.order.set(2, [16]);
  view.held.set("n1", new Set([16]));
  view.logStreams.set(3, "2026-03-01T00:00:00Z");
  view.incidents.push(incident);
  view.profiles.set("nightly", aProfile);
  const phases = [{ phase: "copying" as const, atMs: 1000, lsn: 0, seq: 39, note: "" }];
  view.moves.set(4, { ...aMove, phase: "copying", phases });
  view.moving.set(16, 4);
  view.pastMoves.push({ ...aMove, id: 3, phases, outcome: "done", endedMs: 900, end: "whole", verdict: "" });
  view.splits.set(16, { ...ids, at: undefined, by: "ops", startedMs: 1000 });
  view.merges.set(16, { left: 16, right: 32, by: "ops", startedMs: 1000 });
  view.merging.set(32, 16);
  view.taken.push({ right: 64, left: 16, group: 3, lsn: 80, rightLsn: 12, changedLsn: 10 });
  view.pastReshapes.push({
    ...{
      kind: "split",
      fragment: 16,
      other: 32,
      outcome: "cancelled",
      by: "ops",
      startedMs: 1,
      endedMs: 2,
      why: "one row",
    },
  });
  return view;
}

const lease: LeaseRecord = { term: 3, member: "c1", incarnation: "i-1", nonce: "x", renewals: 7, released: false };
const view = fullView();
const part = cutSnapshot(view)[0] ?? bytes();

export const ledgerExamples: readonly Example[] = [
  ...entriesOf(events).map(([name, event]): Example => {
    const value = { term: 3, member: "c1", nonce: "c1-7", events: [event] };
    const more = eventGrowth[name];
    return {
      ...{ name: `ledger.${name}`, meaning: "a record of the ledger, with one event", value },
      encode: () => encodeLedgerRecord(value),
      decode: decodeLedgerRecord,
      grows: [...ignoredOnTop, { at: ["events", 0], is: "ignored" }, ...(more === undefined ? [] : [more])],
    };
  }),
  {
    ...{ name: "lease", meaning: "who leads a control partition", value: lease },
    ...{ encode: () => encodeLeaseRecord(lease), decode: decodeLeaseRecord, grows: ignoredOnTop },
  },
  {
    ...{ name: "snapshot", meaning: "a whole view of the cluster", value: view },
    ...{ encode: () => encodeSnapshot(view), decode: decodeSnapshot },
    grows: [...ignoredOnTop, { at: ["nodes", 0], is: "ignored" }, { at: ["fragments", 0], is: "refused" }],
  },
  {
    ...{ name: "snapshot.part", meaning: "a record of the snapshot stream", value: must(decodeSnapshotPart(part)) },
    ...{ encode: () => part, decode: decodeSnapshotPart, grows: ignoredOnTop },
  },
];
