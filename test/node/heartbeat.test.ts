import assert from "node:assert/strict";
import { createNode, type NodeMessage } from "../../actors/node.js";
import { defaultTiming } from "../../src/config/limits.js";
import type { AskOutcome, Effects } from "../../src/kernel/effect.js";
import { seededRandom } from "../../src/kernel/random.js";
import type { LedgerEvent } from "../../src/ledger/event.js";
import { encodeLedgerRecord } from "../../src/ledger/record.js";
import type { HeartbeatAnswer } from "../../src/protocol/control.js";
import { streams, subjects } from "../../src/protocol/subjects.js";
import { testHash } from "../hash.js";

const granted: HeartbeatAnswer = {
  term: 1,
  leaseMs: 1500,
  viewSeq: 0,
  wantAll: false,
  checkpoint: [],
  verify: [],
  drained: false,
};

/** A node whose heartbeats a test hears and answers. */
class Heart {
  private nowMs = 0;
  private seq = 0;
  private readonly node = createNode(
    {
      id: "n1",
      zone: "z",
      weight: 1,
      incarnation: "i",
      storeId: "s",
      bootCount: 1,
      partitions: 1,
      logGroups: 1,
      timing: defaultTiming,
    },
    { store: { get: () => undefined, range: () => [] }, hash: testHash },
  );

  constructor() {
    const read = this.send({ kind: "start" }).find((effect) => effect.kind === "readLog");
    assert.ok(read?.kind === "readLog");
    this.send({ kind: "logRead", ticket: read.ticket, outcome: { kind: "none" } });
  }

  elected(member: string): void {
    this.seq++;
    const events: LedgerEvent[] = [{ kind: "leaderElected", term: this.seq, member }];
    const bytes = encodeLedgerRecord({ term: this.seq, member, nonce: `${this.seq}`, events });
    const record = { seq: this.seq, bytes, timeMs: 0 };
    this.send({ kind: "followed", stream: streams.ledger(0), subject: subjects.ledger(0), record, pending: 0 });
  }

  /** The next heartbeat: whom it is for, and what becomes of it. */
  beat(outcome: AskOutcome): string {
    this.nowMs += defaultTiming.heartbeatMs;
    const asked = this.send({ kind: "woke", name: "beat" }).find(({ kind }) => kind === "ask");
    assert.ok(asked?.kind === "ask", "no heartbeat was sent");
    this.send({ kind: "answered", ticket: asked.ticket, outcome });
    return asked.subject;
  }

  private send(message: NodeMessage): Effects {
    return this.node.step(message, { nowMs: ++this.nowMs, wallMs: 0, random: seededRandom(1) });
  }
}

describe("a node's heartbeats", () => {
  const answer: AskOutcome = { kind: "answer", body: granted };
  const everybody = subjects.heartbeat(0);

  it("go to the leader alone once it has answered, and to everybody when it changed or fell silent (L5)", () => {
    const heart = new Heart();
    assert.equal(heart.beat({ kind: "nobody" }), everybody);
    heart.elected("c1");
    assert.equal(heart.beat(answer), everybody);
    assert.equal(heart.beat(answer), subjects.heartbeatTo(0, "c1"));
    heart.elected("c2");
    assert.equal(heart.beat(answer), everybody);
    assert.equal(heart.beat(answer), subjects.heartbeatTo(0, "c2"));
    for (const outcome of [{ kind: "nobody" }, { kind: "answer", body: { fault: {} } }] as const) {
      assert.equal(heart.beat(outcome), subjects.heartbeatTo(0, "c2"));
      assert.equal(heart.beat(answer), everybody);
    }
  });
});
