import assert from "node:assert/strict";
import { createNode, type NodeMessage } from "../../actors/node.js";
import { defaultTiming } from "../../src/config/limits.js";
import { bookkeepingKey, rowKey, rowValue } from "../../src/fragment/layout.js";
import type { Store } from "../../src/fragment/store.js";
import type { Effect, Effects } from "../../src/kernel/effect.js";
import type { Actor } from "../../src/kernel/machine.js";
import { seededRandom } from "../../src/kernel/random.js";
import type { LedgerEvent } from "../../src/ledger/event.js";
import { encodeLedgerRecord } from "../../src/ledger/record.js";
import { streams, subjects } from "../../src/protocol/subjects.js";
import { testHash } from "../hash.js";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** A store of one node over its lives: commits show at once. */
class Disk implements Store {
  readonly rows = new Map<string, { key: Uint8Array; value: Uint8Array }>();
  cleared = 0;

  get(key: Uint8Array): Uint8Array | undefined {
    return this.rows.get(hex(key))?.value;
  }
  range(from: Uint8Array, to: Uint8Array, reverse: boolean): Iterable<{ key: Uint8Array; value: Uint8Array }> {
    const names = [...this.rows.keys()].filter((name) => name >= hex(from) && name < hex(to)).sort();
    return (reverse ? names.reverse() : names).flatMap((name) => this.rows.get(name) ?? []);
  }
  commit(effect: Extract<Effect, { kind: "commit" }>): void {
    this.cleared += effect.clears?.length ?? 0;
    for (const { key, value } of effect.writes)
      value === undefined ? this.rows.delete(hex(key)) : this.rows.set(hex(key), { key, value });
  }
}

const table = { id: 1, name: "t", partitioning: "hash", key: { partition: "string" }, replicas: 1 } as const;
const ledger: readonly (readonly LedgerEvent[])[] = [
  [
    { kind: "leaderElected", term: 1, member: "c1" },
    { kind: "clusterCreated", logGroups: 1, partitions: 1, createdMs: 5 },
  ],
  [{ kind: "nodeJoined", node: "n1", zone: "z", weight: 1, storeId: "s", bootCount: 1 }],
  [{ kind: "nodeUp", node: "n1", incarnation: "i", bootCount: 1 }],
  [
    {
      kind: "tableCreated",
      table,
      fragments: [{ id: 0, from: new Uint8Array(0), to: undefined, group: 0, replicas: ["n1"] }],
    },
  ],
];

class Life {
  readonly node: Actor<NodeMessage>;
  readonly spawnedAt: number[] = [];
  private nowMs = 0;
  private seq = 0;

  constructor(private readonly disk: Disk) {
    const config = {
      id: "n1",
      zone: "z",
      weight: 1,
      incarnation: "i",
      storeId: "s",
      bootCount: 1,
      partitions: 1,
      logGroups: 1,
      timing: defaultTiming,
    };
    this.node = createNode(config, { store: disk, hash: testHash });
    const begun = this.send({ kind: "start" });
    const read = begun.find((effect) => effect.kind === "readLog");
    assert.ok(read?.kind === "readLog", "the ledger's tail looks for a snapshot first");
    this.send({ kind: "logRead", ticket: read.ticket, outcome: { kind: "none" } });
  }

  /** The next record of the ledger arrives. */
  fold(events: readonly LedgerEvent[]): Effects {
    this.seq++;
    const bytes = encodeLedgerRecord({ term: 1, member: "c1", nonce: `n${this.seq}`, events });
    const record = { seq: this.seq, bytes, timeMs: 0 };
    return this.send({ kind: "followed", stream: streams.ledger(0), subject: subjects.ledger(0), record, pending: 0 });
  }

  private send(message: NodeMessage): Effects {
    const effects = this.node.step(message, { nowMs: ++this.nowMs, wallMs: 0, random: seededRandom(1) });
    for (const effect of effects) {
      if (effect.kind === "commit") this.disk.commit(effect);
      if (effect.kind === "spawn") this.spawnedAt.push(this.seq);
    }
    return effects;
  }
}

describe("a node that starts again", () => {
  it("deletes nothing and starts nothing while it reads old ledger records (N1)", () => {
    const disk = new Disk();
    const first = new Life(disk);
    for (const events of ledger) first.fold(events);
    assert.deepEqual(first.spawnedAt, [4]);
    // What a shard would have written by now.
    const row = rowKey(1, Uint8Array.of(7));
    const kept = hex(row);
    disk.rows.set(kept, { key: row, value: rowValue(1, Uint8Array.of(0x80)) });
    disk.rows.set(`02${"00".repeat(8)}`, {
      key: new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0, 0]),
      value: Uint8Array.of(0xc0),
    });

    const second = new Life(disk);
    for (const events of ledger) second.fold(events);
    assert.equal(disk.cleared, 0);
    assert.ok(disk.rows.has(kept));
    assert.deepEqual(second.spawnedAt, [4]);
  });

  it("deletes its replicas when the ledger says so for the first time", () => {
    const disk = new Disk();
    const first = new Life(disk);
    for (const events of ledger) first.fold(events);
    disk.rows.set(`02${"00".repeat(8)}`, {
      key: new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0, 0]),
      value: Uint8Array.of(0xc0),
    });
    const dropped = first.fold([{ kind: "tableDropped", table: 1 }]);
    assert.ok(dropped.some((effect) => effect.kind === "stop"));
    assert.equal(disk.cleared, 1);
  });

  it("keeps everything when the ledger is another cluster's, and says so", () => {
    const disk = new Disk();
    const first = new Life(disk);
    for (const events of ledger) first.fold(events);
    disk.rows.set(`02${"00".repeat(8)}`, {
      key: new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0, 0]),
      value: Uint8Array.of(0xc0),
    });
    const second = new Life(disk);
    const effects = second.fold([
      { kind: "leaderElected", term: 1, member: "c1" },
      { kind: "clusterCreated", logGroups: 1, partitions: 1, createdMs: 6 },
    ]);
    assert.ok(effects.some((effect) => effect.kind === "log" && effect.event === "ledgerForeign"));
    assert.equal(disk.cleared, 0);
    assert.deepEqual(second.spawnedAt, []);
  });

  it("keeps a half that the ledger has not told of as long as the whole is here, and not after", () => {
    const disk = new Disk();
    const life = new Life(disk);
    const both: LedgerEvent = {
      kind: "tableCreated",
      table: { ...table, replicas: 2 },
      fragments: [{ id: 0, from: new Uint8Array(0), to: undefined, group: 0, replicas: ["n2", "n1"] }],
    };
    for (const events of [...ledger.slice(0, 3), [both]]) life.fold(events);
    const child = bookkeepingKey(16);
    disk.rows.set(hex(child), { key: child, value: Uint8Array.of(0xc0) });
    life.fold([{ kind: "splitStarted", fragment: 0, child: 16, at: undefined, by: "planner", startedMs: 1 }]);
    assert.ok(disk.rows.has(hex(child)));
    life.fold([{ kind: "replicasRemoved", replicas: [{ fragment: 0, node: "n1" }], cause: "move" }]);
    assert.ok(!disk.rows.has(hex(child)), "it would be in the way of the whole, should that come back");
  });
});
