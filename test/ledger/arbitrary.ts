// Arbitrary ledgers: records of every kind of event over few names, so that events meet, repeat, and name what is not there.

import fc from "fast-check";
import type { IncidentKind, LedgerEvent, LedgerRecord } from "../../src/ledger/event.js";
import { moveCauses, moveOutcomes, movePhases, strategies } from "../../src/ledger/move.js";
import { decodePolicy, defaultPolicy } from "../../src/plan/policy.js";

/** A record as a literal would make it. */
function plain<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(model, { noNullPrototype: true });
}

const node = fc.constantFrom("n1", "n2", "n3", "n4");
const fragment = fc.nat(7).map((number) => number * 16);
const epoch = fc.nat(5);
const refs = fc.array(plain({ fragment, node }), { maxLength: 4 });
const cause = fc.constant("test");
const move = fc.integer({ min: 1, max: 6 });
const what = fc.constantFrom<IncidentKind>("logRegressed", "storeReplaced");

/** Of moves alone: they meet more often. */
export const moveEvent: fc.Arbitrary<LedgerEvent> = fc.oneof(
  plain({
    id: move,
    fragment,
    strategy: fc.constantFrom(...strategies),
    from: node,
    to: node,
    role: fc.boolean(),
    cause: fc.constantFrom(...moveCauses),
    by: fc.string({ maxLength: 8 }),
    why: fc.string({ maxLength: 8 }),
    startedMs: fc.nat(),
    deadlineMs: fc.nat(),
  }).map((started): LedgerEvent => ({ kind: "moveStarted", move: started })),
  plain({
    kind: fc.constant("moveAdvanced" as const),
    move,
    phase: fc.constantFrom(...movePhases),
    atMs: fc.nat(),
    lsn: fc.nat(100),
    note: fc.string({ maxLength: 8 }),
  }),
  plain({
    kind: fc.constant("moveEnded" as const),
    move,
    outcome: fc.constantFrom(...moveOutcomes),
    atMs: fc.nat(),
    why: fc.string({ maxLength: 8 }),
  }),
);

const profileName = fc.constantFrom("nightly", "sale", "audit");
const profileEvent: fc.Arbitrary<LedgerEvent> = fc.oneof(
  plain({ kind: fc.constant("profileRemoved" as const), name: profileName }),
  plain({
    name: profileName,
    group: fc.constantFrom("office", "*"),
    targets: fc.constantFrom([{ table: "t1", positions: [] }], [{ table: "t2", positions: [Uint8Array.of(1, 2)] }]),
    schedule: fc.constant("0 2 * * *"),
    timeZone: fc.constantFrom("UTC", "Europe/Oslo"),
    durationMs: fc.integer({ min: 1000, max: 1e6 }),
    rates: fc.constantFrom({}, { get: 5 }, { scan: 1, get: 2 }),
    factor: fc.constantFrom(0, 2),
    expiresMs: fc.nat(),
  }).map((profile): LedgerEvent => ({ kind: "profilePut", profile })),
);

const cut = fc.constantFrom(64, 128, 192).map((byte) => Uint8Array.of(byte));
const childId = fc.nat(20).map((number) => number * 16);
/** Of splits and merges alone: they meet more often. */
export const reshapeEvent: fc.Arbitrary<LedgerEvent> = fc.oneof(
  plain({
    kind: fc.constant("splitStarted" as const),
    fragment,
    child: childId,
    at: fc.option(cut, { nil: undefined }),
    by: fc.constant("test"),
    startedMs: fc.nat(),
  }),
  plain({
    kind: fc.constant("splitCancelled" as const),
    fragment,
    child: childId,
    atMs: fc.nat(),
    why: fc.string({ maxLength: 8 }),
  }),
  plain({
    kind: fc.constant("fragmentSplit" as const),
    fragment,
    child: childId,
    at: cut,
    baseLsn: fc.nat(100),
    baseHash: fc.constant(new Uint8Array(8)),
    atMs: fc.nat(),
  }),
  plain({
    kind: fc.constant("mergeStarted" as const),
    left: fragment,
    right: fragment,
    by: fc.constant("test"),
    startedMs: fc.nat(),
  }),
  plain({
    kind: fc.constant("fragmentsMerged" as const),
    left: fragment,
    right: fragment,
    lsn: fc.nat(100),
    rightLsn: fc.nat(100),
    changedLsn: fc.nat(100),
    atMs: fc.nat(),
  }),
);

const policyEvent: fc.Arbitrary<LedgerEvent> = fc
  .tuple(fc.constantFrom("static", "reactive", "shadow", "predictive"), fc.double({ min: 0.01, max: 0.4, noNaN: true }))
  .map(([mode, risk]): LedgerEvent => {
    const policy = decodePolicy({ mode, risk });
    return { kind: "policyChanged", policy: policy.ok ? policy.value : defaultPolicy, by: "test", atMs: 1 };
  });

const event: fc.Arbitrary<LedgerEvent> = fc.oneof(
  policyEvent,
  plain({ kind: fc.constant("moveJudged" as const), move: fc.nat(6), atMs: fc.nat(), verdict: fc.string() }),
  plain({
    kind: fc.constant("clusterCreated" as const),
    logGroups: fc.constantFrom(4, 16),
    partitions: fc.constant(1),
    createdMs: fc.nat(),
  }),
  plain({ kind: fc.constant("leaderElected" as const), term: fc.nat(5), member: fc.constantFrom("c1", "c2") }),
  plain({
    kind: fc.constant("nodeJoined" as const),
    node,
    zone: fc.constantFrom("", "a", "b"),
    weight: fc.constantFrom(1, 0.5, 2),
    storeId: fc.constantFrom("d1", "d2"),
    bootCount: fc.nat(3),
  }),
  plain({
    kind: fc.constant("nodeUp" as const),
    node,
    incarnation: fc.constantFrom("i1", "i2"),
    bootCount: fc.nat(3),
  }),
  plain({ kind: fc.constant("nodeDown" as const), node, incarnation: fc.constantFrom("i1", "i2"), atMs: fc.nat() }),
  plain({ kind: fc.constant("nodeDraining" as const), node, draining: fc.boolean(), by: fc.string({ maxLength: 20 }) }),
  plain({ kind: fc.constant("nodeRemoved" as const), node }),
  fc.tuple(fc.integer({ min: 1, max: 3 }), fc.nat(3), fc.array(node, { minLength: 1, maxLength: 3 })).map(
    ([id, first, nodes]): LedgerEvent => ({
      kind: "tableCreated",
      table: { id, name: `t${id}`, partitioning: "hash", key: { partition: "string" }, replicas: 3 },
      fragments: [0, 1].map((at) => ({
        id: (first * 2 + at) * 16,
        from: at === 0 ? new Uint8Array(0) : Uint8Array.of(128),
        to: at === 0 ? Uint8Array.of(128) : undefined,
        group: 0,
        replicas: [...new Set(nodes)],
      })),
    }),
  ),
  plain({ kind: fc.constant("tableDropped" as const), table: fc.integer({ min: 1, max: 3 }) }),
  plain({
    kind: fc.constant("primariesChanged" as const),
    changes: fc.array(plain({ fragment, epoch, primary: node }), { maxLength: 4 }),
    cause,
  }),
  plain({
    kind: fc.constant("fragmentsActivated" as const),
    activations: fc.array(plain({ fragment, epoch, lsn: fc.nat(100) }), { maxLength: 4 }),
  }),
  plain({ kind: fc.constant("replicasAdded" as const), replicas: refs, cause }),
  plain({ kind: fc.constant("replicasReady" as const), replicas: refs }),
  plain({ kind: fc.constant("replicasRemoved" as const), replicas: refs, cause }),
  plain({ kind: fc.constant("replicaCountChanged" as const), fragment, count: fc.nat(9), spare: fc.nat(3) }),
  moveEvent,
  profileEvent,
  reshapeEvent,
  plain({ kind: fc.constant("logStreamSeen" as const), group: fc.nat(3), created: fc.constantFrom("x", "y") }),
  plain({
    atMs: fc.nat(),
    node,
    what,
    outcome: fc.constant("healed" as const),
    fragments: fc.array(fragment),
    note: fc.string(),
  }).map((incident): LedgerEvent => ({ kind: "incidentReported", incident })),
);

export const ledgerRecord: fc.Arbitrary<LedgerRecord> = plain({
  term: fc.nat(4),
  member: fc.constantFrom("c1", "c2"),
  nonce: fc.string({ maxLength: 8 }),
  events: fc.array(event, { maxLength: 5 }),
});

export const ledgerRecords = fc.array(ledgerRecord, { maxLength: 40 });
