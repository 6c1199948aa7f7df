// Mixes. What a node tells of the load of the fragments that it leads, and of which it keeps silent.

import assert from "node:assert/strict";
import { noteMixes } from "../../actors/node/mixes.js";
import { createBoard } from "../../actors/shard/board.js";
import type { LedgerEvent } from "../../src/ledger/event.js";
import { emptyView, fold } from "../../src/ledger/fold.js";
import { addAnyCopy, addTo, createCounter } from "../../src/load/counter.js";
import { isForAnyCopy, kindOf, loadKinds } from "../../src/load/kinds.js";
import type { MixMeter } from "../../src/load/mix.js";
import type { ReplicaStatus } from "../../src/protocol/control.js";
import type { Op } from "../../src/protocol/exec.js";

const led = 0;
const followed = 16;
const nodes = ["n1", "n2", "n3"];
const ledger: readonly LedgerEvent[] = [
  { kind: "clusterCreated", logGroups: 1, partitions: 1, createdMs: 5 },
  ...nodes.map((node): LedgerEvent => ({ kind: "nodeJoined", node, zone: "", weight: 1, storeId: node, bootCount: 1 })),
  ...nodes.map((node): LedgerEvent => ({ kind: "nodeUp", node, incarnation: `${node}-1`, bootCount: 1 })),
  {
    kind: "tableCreated",
    table: { id: 1, name: "t", partitioning: "hash", key: { partition: "string" }, replicas: 3 },
    fragments: [
      { id: led, from: new Uint8Array(0), to: Uint8Array.of(128), group: 0, replicas: ["n1", "n2", "n3"] },
      { id: followed, from: Uint8Array.of(128), to: undefined, group: 0, replicas: ["n2", "n1", "n3"] },
    ],
  },
];

const status: ReplicaStatus = {
  fragment: led,
  state: "serving",
  sparse: false,
  epoch: 1,
  lsn: 1,
  markerLsn: 1,
  durableSeq: 1,
  rows: 1,
  bytes: 1,
};

function home() {
  const view = emptyView(0);
  fold(view, 1, { term: 1, member: "c1", nonce: "n", events: ledger });
  const board = createBoard();
  board.statuses.set(led, status);
  board.statuses.set(followed, { ...status, fragment: followed, state: "following" });
  return { config: { id: "n1" }, partitions: [{ tail: { view } }], board, mixes: new Map<number, MixMeter>(), view };
}

const position = Uint8Array.of(1);
const read = (level: "strong" | "any"): Op => ({ op: "get", position, read: { level } });

describe("mixes: what a node tells of its fragments' load", () => {
  it("tells the leader what any copy may answer of a fragment that it leads, and nothing of others", () => {
    const here = home();
    const counter = createCounter();
    const count = (fragment: number, op: Op): void => {
      const cell = counter.cell(fragment, 1, "people");
      addTo(cell, kindOf(op), 1, 1);
      if (isForAnyCopy(op)) addAnyCopy(cell);
    };
    // A third of what any copy may answer comes here: 300 of them in all, and 100 strong reads.
    for (let at = 0; at < 100; at++) {
      for (const fragment of [led, followed]) count(fragment, read("any"));
      count(led, read("strong"));
    }
    noteMixes(here, counter.take());
    assert.deepEqual(here.board.statuses.get(led), { ...status, mix: { spread: 0.75, writes: 0 } });
    assert.deepEqual([...here.board.changed], [led]);
    assert.equal(here.board.statuses.get(followed)?.mix, undefined);
  });

  it("says nothing anew while nothing changed, and forgets what it leads no more", () => {
    const here = home();
    const writes = (ops: number) => [
      {
        fragment: led,
        table: 1,
        group: "people",
        ops: [{ kind: loadKinds.indexOf("put"), count: ops, bytes: 0, serviceMs: 0 }],
        anyCopy: 0,
      },
    ];
    noteMixes(here, writes(100));
    assert.deepEqual(here.board.mixes.get(led), { spread: 0, writes: 1 });
    here.board.changed.clear();
    noteMixes(here, writes(200));
    assert.deepEqual([...here.board.changed], []);
    const events: LedgerEvent[] = [
      { kind: "primariesChanged", changes: [{ fragment: led, epoch: 2, primary: "n2" }], cause: "test" },
    ];
    fold(here.view, 2, { term: 1, member: "c1", nonce: "m", events });
    noteMixes(here, []);
    assert.equal(here.mixes.size + here.board.mixes.size, 0);
  });
});
