// The tail: snapshot first, then every record once; holes, regressions and torn snapshots never make the view go back or skip.

import assert from "node:assert/strict";
import type { Effect, WorldMessage } from "../../src/kernel/effect.js";
import { countingTickets } from "../../src/kernel/tickets.js";
import type { LedgerRecord } from "../../src/ledger/event.js";
import { emptyView, fold } from "../../src/ledger/fold.js";
import { encodeLedgerRecord } from "../../src/ledger/record.js";
import { cutSnapshot } from "../../src/ledger/snapshot.js";
import { createTail, type Tail } from "../../src/ledger/tail.js";
import type { ClusterView } from "../../src/ledger/view.js";
import { streams, subjects } from "../../src/protocol/subjects.js";

const stream = streams.ledger(0);

function record(seq: number): LedgerRecord {
  return {
    term: 1,
    member: "c1",
    nonce: `r${seq}`,
    events: [{ kind: "nodeJoined", node: `n${seq}`, zone: "", weight: 1, storeId: "d", bootCount: 1 }],
  };
}

function viewAt(seq: number): ClusterView {
  const view = emptyView(0);
  for (let at = 1; at <= seq; at++) fold(view, at, record(at));
  return view;
}

/** A tail over snapshot records `snapshots`; collects what it asks for. */
function rig(snapshots: Uint8Array[]) {
  const tail: Tail = createTail({ partition: 0, tickets: countingTickets() });
  const follows: number[] = [];
  const waits: string[] = [];
  let reloads = 0;
  const carryOut = (effects: readonly Effect[]): void => {
    for (const effect of effects) {
      if (effect.kind === "follow") follows.push(effect.fromSeq);
      if (effect.kind === "wake") waits.push(effect.name);
      if (effect.kind !== "readLog") continue;
      const at = effect.at === "last" ? snapshots.length : effect.seq;
      const bytes = snapshots[at - 1];
      send({
        kind: "logRead",
        ticket: effect.ticket,
        outcome: bytes === undefined ? { kind: "none" } : { kind: "record", record: { seq: at, bytes, timeMs: 0 } },
      });
    }
  };
  const send = (message: WorldMessage) => {
    const step = tail.on(message);
    if (step?.reloaded === true) reloads++;
    carryOut(step?.effects ?? []);
    return step;
  };
  const followed = (seq: number) =>
    send({
      kind: "followed",
      stream,
      subject: subjects.ledger(0),
      record: { seq, bytes: encodeLedgerRecord(record(seq)), timeMs: 0 },
      pending: 0,
    });
  carryOut(tail.start());
  return {
    tail,
    follows,
    waits,
    send,
    followed,
    reloads: () => reloads,
    wake: () => send({ kind: "woke", name: "tail/0" }),
  };
}

describe("ledger tail", () => {
  it("starts from nothing and folds every record once", () => {
    const { tail, follows, followed } = rig([]);
    assert.deepEqual(follows, [1]);
    const step = followed(1);
    assert.equal(step?.advanced, true);
    assert.equal(step?.events.length, 1);
    assert.equal(followed(1)?.advanced, false);
    followed(2);
    assert.deepEqual(tail.view, viewAt(2));
  });

  it("starts from the last whole snapshot, passing over a torso", () => {
    const whole = cutSnapshot(viewAt(5), 100);
    const torn = cutSnapshot(viewAt(9), 100).slice(0, 2);
    assert.ok(whole.length > 2);
    const { tail, follows } = rig([...cutSnapshot(viewAt(3)), ...whole, ...torn, Uint8Array.of(0xc1)]);
    assert.equal(tail.view.seq, 5);
    assert.deepEqual(follows, [6]);
  });

  it("starts from the torso's predecessor when a snapshot of one record lies between torsos", () => {
    const torn = cutSnapshot(viewAt(9), 100);
    assert.ok(torn.length > 3);
    const { tail } = rig([...torn.slice(0, 2), ...cutSnapshot(viewAt(4)), ...torn.slice(2)]);
    assert.equal(tail.view.seq, 4);
  });

  it("waits at a hole for a snapshot from beyond it", () => {
    const snapshots: Uint8Array[] = [];
    const { tail, follows, followed, wake, reloads } = rig(snapshots);
    followed(1);
    followed(3);
    assert.equal(tail.view.seq, 1);
    assert.equal(tail.holeBefore, 3);
    assert.equal(followed(2)?.advanced, false);
    wake();
    assert.deepEqual(follows, [1, 2]);
    followed(3);
    snapshots.push(...cutSnapshot(viewAt(7)));
    wake();
    assert.equal(tail.view.seq, 7);
    assert.equal(reloads(), 1);
    assert.deepEqual(follows, [1, 2, 8]);
  });

  it("notices records that exist and do not come", () => {
    const { tail, followed, send, waits } = rig([]);
    followed(1);
    send({ kind: "followNews", stream, news: "idle", lastSeq: 1, created: "x" });
    assert.deepEqual(waits, []);
    send({ kind: "followNews", stream, news: "idle", lastSeq: 4, created: "x" });
    assert.deepEqual(waits, ["tail/0"]);
    assert.equal(tail.holeBefore, 5);
  });

  it("keeps its view when the ledger went back, until a newer snapshot is there", () => {
    const snapshots = cutSnapshot(viewAt(2));
    const { tail, followed, send, wake } = rig(snapshots);
    followed(3);
    followed(4);
    send({ kind: "followNews", stream, news: "regressed", lastSeq: 2, created: "x" });
    wake();
    assert.equal(tail.view.seq, 4);
    followed(3);
    assert.deepEqual(tail.view, viewAt(4));
    const ahead = viewAt(4);
    ahead.seq = 1004;
    snapshots.push(...cutSnapshot(ahead));
    send({ kind: "followNews", stream, news: "recreated", lastSeq: 0, created: "y" });
    wake();
    assert.equal(tail.view.seq, 1004);
  });

  it("takes an undecodable record for an empty one, as every member does", () => {
    const { tail, send } = rig([]);
    const step = send({
      kind: "followed",
      stream,
      subject: subjects.ledger(0),
      record: { seq: 1, bytes: Uint8Array.of(0xc1), timeMs: 0 },
      pending: 0,
    });
    assert.equal(tail.view.seq, 1);
    assert.ok(step?.effects.some(({ kind }) => kind === "log"));
  });
});
