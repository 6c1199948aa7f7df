// The fold: one view per ledger, whatever way it was reached (I9); deposed leaders change nothing; indexes agree with what they index.

import assert from "node:assert/strict";
import fc from "fast-check";
import type { LedgerEvent, LedgerRecord } from "../../src/ledger/event.js";
import { emptyView, fold } from "../../src/ledger/fold.js";
import { fragmentAt, fragmentsIn, liveNodes, replicasOn, tableNamed } from "../../src/ledger/lookup.js";
import { firstPhase, mayFollow } from "../../src/ledger/move.js";
import { decodeLedgerRecord, encodeLedgerRecord } from "../../src/ledger/record.js";
import {
  copyView,
  cutSnapshot,
  decodeSnapshot,
  decodeSnapshotPart,
  encodeSnapshot,
  joinSnapshot,
  viewDigest,
} from "../../src/ledger/snapshot.js";
import type { ClusterView } from "../../src/ledger/view.js";
import { pack } from "../../src/protocol/codec.js";
import { hashRange } from "../../src/table/key.js";
import { testHash } from "../hash.js";
import { ledgerRecord, ledgerRecords, moveEvent } from "./arbitrary.js";

function folded(records: readonly LedgerRecord[], view = emptyView(0)): ClusterView {
  for (const record of records) fold(view, view.seq + 1, record);
  return view;
}

const digest = (view: ClusterView): string => viewDigest(view, testHash);

describe("ledger fold", () => {
  it("gives the same view for the same records", () => {
    fc.assert(
      fc.property(ledgerRecords, (records) => {
        assert.equal(digest(folded(records)), digest(folded(records)));
      }),
    );
  });

  it("comes back whole from a snapshot, and goes on from it as without", () => {
    fc.assert(
      fc.property(ledgerRecords, ledgerRecords, (before, after) => {
        const restored = decodeSnapshot(encodeSnapshot(folded(before)));
        assert.ok(restored.ok);
        assert.deepEqual(sortedView(restored.value), sortedView(folded(before)));
        assert.equal(digest(folded(after, restored.value)), digest(folded([...before, ...after])));
      }),
    );
  });

  it("copies a view that then changes alone", () => {
    fc.assert(
      fc.property(ledgerRecords, ledgerRecords, (before, after) => {
        const view = folded(before);
        const kept = digest(view);
        const changed = folded(after, copyView(view));
        assert.equal(digest(view), kept);
        assert.equal(digest(changed), digest(folded([...before, ...after])));
      }),
    );
  });

  it("cuts a snapshot into parts that join again", () => {
    fc.assert(
      fc.property(ledgerRecords, fc.integer({ min: 10, max: 400 }), (records, partBytes) => {
        const view = folded(records);
        const parts = cutSnapshot(view, partBytes).flatMap((bytes) => {
          const part = decodeSnapshotPart(bytes);
          return part.ok ? [part.value] : [];
        });
        assert.ok(parts.length > 0);
        assert.ok(parts.every((part) => part.bytes.length <= partBytes && part.count === parts.length));
        const joined = joinSnapshot(parts);
        assert.ok(joined.ok && digest(joined.value) === digest(view));
      }),
    );
  });

  it("reads back every record that it writes", () => {
    fc.assert(
      fc.property(ledgerRecord, (record) => {
        assert.deepEqual(decodeLedgerRecord(encodeLedgerRecord(record)), { ok: true, value: record });
      }),
    );
  });

  it("never throws on bytes that are no record", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.anything().map(packed)), (bytes) => {
        decodeLedgerRecord(bytes);
        decodeSnapshot(bytes);
        decodeSnapshotPart(bytes);
      }),
    );
    assert.equal(decodeLedgerRecord(new Uint8Array(0)).ok, false);
    assert.equal(decodeSnapshot(pack({ seq: 1 })).ok, false);
  });

  it("keeps its indexes and its invariants", () => {
    fc.assert(
      fc.property(ledgerRecords, (records) => {
        const view = folded(records);
        for (const table of view.tables.values()) assert.equal(tableNamed(view, table.name), table);
        assert.equal(view.tableIds.size, view.tables.size);
        for (const id of ["n1", "n2", "n3", "n4"]) {
          const held = [...view.fragments.values()].filter((f) => f.replicas.some(({ node }) => node === id));
          assert.deepEqual(
            replicasOn(view, id).map((f) => f.id),
            held.map((f) => f.id).sort((a, b) => a - b),
          );
        }
        for (const fragment of view.fragments.values()) {
          assert.ok(
            fragment.replicas.some(({ node }) => node === fragment.primary),
            "a primary without a replica",
          );
          assert.ok(fragment.activatedEpoch <= fragment.epoch);
        }
        assert.deepEqual(
          liveNodes(view).map(({ id }) => id),
          [...view.nodes.values()]
            .filter(({ state }) => state === "up")
            .map(({ id }) => id)
            .sort(),
        );
      }),
    );
  });

  it("has at most one move of a fragment under way, and takes only the steps of its strategy", () => {
    let steps = 0;
    fc.assert(
      fc.property(ledgerRecords, fc.array(moveEvent, { maxLength: 300, size: "max" }), (records, events) => {
        const first = { term: 0, member: "c1", nonce: "", events: [...someTable, ...recent(events)] };
        const view = folded([first, ...records]);
        for (const { id, fragment, phase, phases, strategy } of view.moves.values()) {
          assert.equal(view.moving.get(fragment), id);
          assert.ok(view.fragments.has(fragment), "a move of nothing");
          assert.ok(id < view.nextMove);
          assert.equal(phases[0]?.phase, firstPhase(strategy));
          assert.equal(phases.at(-1)?.phase, phase);
          for (const [at, { phase: next }] of phases.entries()) {
            const before = phases[at - 1];
            if (before !== undefined) assert.ok(mayFollow(strategy, before.phase, next), `${before.phase} ${next}`);
          }
          steps += phases.length - 1;
        }
        assert.equal(view.moving.size, view.moves.size);
        const ids = [...view.moves.keys(), ...view.pastMoves.map(({ id }) => id)];
        assert.equal(new Set(ids).size, ids.length, "a move that ended goes on");
      }),
    );
    assert.ok(steps > 10, `only ${steps} steps`);
  });

  it("remembers the last moves, and as much of each, without end", () => {
    const view = withMoves(300);
    assert.equal(view.pastMoves.length, 200);
    assert.equal(view.pastMoves.at(-1)?.id, 300);
    assert.ok(view.pastMoves.every(({ phases }) => phases.length <= 24 && phases[0]?.phase === "copying"));
  });

  it("lets a deposed leader's record change nothing but the sequence", () => {
    fc.assert(
      fc.property(ledgerRecords, ledgerRecord, (records, late) => {
        const view = folded([...records, { term: 9, member: "c1", nonce: "", events: [] }]);
        const before = { ...sortedView(view), seq: 0 };
        assert.equal(fold(view, view.seq + 1, late), false);
        assert.deepEqual({ ...sortedView(view), seq: 0 }, before);
      }),
    );
  });

  it("folds a sequence once", () => {
    const joined: LedgerEvent = { kind: "nodeJoined", node: "n1", zone: "", weight: 1, storeId: "d", bootCount: 1 };
    const view = folded([{ term: 1, member: "c1", nonce: "", events: [joined] }]);
    const before = digest(view);
    assert.equal(
      fold(view, 1, { term: 1, member: "c1", nonce: "", events: [{ kind: "nodeRemoved", node: "n1" }] }),
      false,
    );
    assert.equal(digest(view), before);
  });

  it("never lowers an epoch, and never takes the primary's replica away", () => {
    fc.assert(
      fc.property(ledgerRecords, (records) => {
        const view = emptyView(0);
        for (const record of records) {
          const before = new Map([...view.fragments.values()].map(({ id, epoch, table }) => [id, { epoch, table }]));
          fold(view, view.seq + 1, record);
          const made = record.events.some(({ kind }) => kind === "tableCreated" || kind === "tableDropped");
          if (made) continue;
          for (const { id, epoch } of view.fragments.values()) assert.ok(epoch >= (before.get(id)?.epoch ?? 0));
        }
      }),
    );
  });
});

describe("ledger lookup", () => {
  const view = folded([
    {
      term: 1,
      member: "c1",
      nonce: "",
      events: [
        {
          kind: "tableCreated",
          table: { id: 1, name: "t", partitioning: "hash", key: { partition: "any" }, replicas: 1 },
          fragments: hashRange(37).map(({ from, to }, at) => ({ id: at * 16, from, to, group: 0, replicas: ["n1"] })),
        },
      ],
    },
  ]);
  const position = fc.uint8Array({ minLength: 4, maxLength: 8 });

  it("finds the one fragment that holds a position", () => {
    fc.assert(
      fc.property(position, (at) => {
        const holders = [...view.fragments.values()].filter(
          ({ from, to }) => Buffer.compare(from, at) <= 0 && (to === undefined || Buffer.compare(at, to) < 0),
        );
        assert.equal(holders.length, 1);
        assert.equal(fragmentAt(view, 1, at), holders[0]);
      }),
    );
    assert.equal(fragmentAt(view, 2, Uint8Array.of(1)), undefined);
  });

  it("finds the fragments that a range touches, in order", () => {
    fc.assert(
      fc.property(position, fc.option(position, { nil: undefined }), (from, to) => {
        const empty = to !== undefined && Buffer.compare(from, to) >= 0;
        const touched = [...view.fragments.values()].filter(
          (f) =>
            !empty &&
            (f.to === undefined || Buffer.compare(from, f.to) < 0) &&
            (to === undefined || Buffer.compare(f.from, to) < 0),
        );
        assert.deepEqual(fragmentsIn(view, 1, { from, to }), touched);
      }),
    );
  });
});

const someTable: readonly LedgerEvent[] = [
  {
    kind: "tableCreated",
    table: { id: 9, name: "t9", partitioning: "hash", key: { partition: "any" }, replicas: 1 },
    fragments: [...Array(8).keys()].map((at) => ({
      id: at * 16,
      from: Uint8Array.of(at),
      to: at === 7 ? undefined : Uint8Array.of(at + 1),
      group: 0,
      replicas: ["n1"],
    })),
  },
];

/** Started moves get the next number, the others name one of the last three. */
function recent(events: readonly LedgerEvent[]): LedgerEvent[] {
  let started = 0;
  return events.map((event) => {
    if (event.kind === "moveStarted") return { ...event, move: { ...event.move, id: ++started } };
    if (event.kind === "moveAdvanced" || event.kind === "moveEnded")
      return { ...event, move: Math.max(1, started - (event.move % 3)) };
    return event;
  });
}

/** Moves of one fragment, one after the other, each going back and forth. */
function withMoves(count: number): ClusterView {
  const table = { id: 1, name: "t", partitioning: "hash", key: { partition: "any" }, replicas: 1 } as const;
  const fragment = { id: 0, from: new Uint8Array(0), to: undefined, group: 0, replicas: ["n1"] };
  const events: LedgerEvent[] = [{ kind: "tableCreated", table, fragments: [fragment] }];
  for (let id = 1; id <= count; id++) {
    const named = { id, fragment: 0, from: "n1", to: "n2", role: true, cause: "operator", by: "me", why: "" } as const;
    events.push({ kind: "moveStarted", move: { ...named, strategy: "log-shipping", startedMs: 1, deadlineMs: 0 } });
    const phases = ["verifying", ...Array.from({ length: 40 }, () => "handingOver" as const)] as const;
    for (const phase of phases) events.push({ kind: "moveAdvanced", move: id, phase, atMs: 2, lsn: 0, note: "" });
    events.push({ kind: "moveEnded", move: id, outcome: "done", atMs: 3, why: "" });
  }
  return folded([{ term: 1, member: "c1", nonce: "", events }]);
}

function packed(value: unknown): Uint8Array {
  try {
    return pack(value);
  } catch {
    return new Uint8Array(0);
  }
}

/** The view with its maps as sorted lists: what a snapshot keeps is the same, the order in which it came is not. */
function sortedView(view: ClusterView) {
  const entries = <K extends string | number, V>(map: ReadonlyMap<K, V>) =>
    [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    ...view,
    nodes: entries(view.nodes).map(([, node]) => ({ ...node })),
    tables: entries(view.tables),
    fragments: entries(view.fragments).map(([, f]) => ({ ...f, replicas: f.replicas.map((r) => ({ ...r })) })),
    order: entries(view.order),
    logStreams: entries(view.logStreams),
    incidents: [...view.incidents],
    tableIds: entries(view.tableIds),
    held: entries(view.held).map(([node, held]) => [node, [...held].sort((a, b) => a - b)]),
  };
}
