// Control codec: what nodes and operators may say to a leader, and that nothing else gets through or throws.

import assert from "node:assert/strict";
import fc from "fast-check";
import { pack, unpack } from "../../src/protocol/codec.js";
import type { AdminRequest, Heartbeat } from "../../src/protocol/control.js";
import {
  decodeAdminAnswer,
  decodeAdminRequest,
  decodeHeartbeat,
  decodeHeartbeatAnswer,
  decodeHostDied,
  encodeAdminRequest,
} from "../../src/protocol/control-codec.js";

const heartbeat: Heartbeat = {
  kind: "heartbeat",
  node: "n1",
  incarnation: "a1",
  zone: "",
  weight: 1,
  storeId: "disk",
  bootCount: 3,
  viewSeq: 17,
  statuses: [
    {
      fragment: 16,
      state: "serving",
      epoch: 2,
      lsn: 9,
      markerLsn: 5,
      durableSeq: 100,
      sparse: false,
      rows: 3,
      bytes: 300,
      verified: { lsn: 8, agree: ["n1"], differ: [{ node: "n2", from: "a", to: "" }] },
    },
  ],
  all: true,
  incidents: [{ node: "n1", what: "logGap", outcome: "healed", fragments: [16], note: "a note" }],
  leaving: false,
  freeBytes: 12345,
};

function travelled(value: unknown): unknown {
  const back = unpack(pack(value));
  assert.ok(back.ok);
  return back.value;
}

describe("control codec", () => {
  it("carries a heartbeat unchanged", () => {
    assert.deepEqual(decodeHeartbeat(travelled(heartbeat)), { ok: true, value: heartbeat });
  });

  it("carries an answer unchanged", () => {
    const answer = {
      term: 2,
      leaseMs: 1500,
      viewSeq: 9,
      wantAll: true,
      checkpoint: [16],
      verify: [32],
      drained: false,
    };
    assert.deepEqual(decodeHeartbeatAnswer(travelled(answer)), { ok: true, value: answer });
  });

  it("carries orders with keys of every type", () => {
    const order: AdminRequest = {
      kind: "createTable",
      name: "visits",
      partitioning: "range",
      key: { partition: "date", sort: "bytes" },
      fragments: 0,
      splitAt: [[new Date(5), Uint8Array.of(1)]],
      replicas: 0,
    };
    const back = decodeAdminRequest(travelled(encodeAdminRequest(order)));
    assert.ok(back.ok && back.value.kind === "createTable");
    assert.deepEqual(back.value.key, order.key);
    assert.deepEqual(back.value.splitAt[0], [new Date(5), Uint8Array.of(1)]);
  });

  it("takes what is left out for the default, and null for left out", () => {
    const key = { partition: "string", sort: null };
    const bare = decodeAdminRequest({ kind: "createTable", name: "t", partitioning: "hash", key, replicas: null });
    assert.ok(bare.ok && bare.value.kind === "createTable");
    assert.deepEqual(bare.value, {
      kind: "createTable",
      name: "t",
      partitioning: "hash",
      key: { partition: "string" },
      fragments: 0,
      splitAt: [],
      replicas: 0,
    });
  });

  it("says which field is wrong", () => {
    const refused = decodeHeartbeat({ ...heartbeat, node: "a b" });
    assert.ok(!refused.ok && refused.fault.code === "BAD_REQUEST");
    assert.match(refused.fault.message, /node/);
    for (const wrong of [
      { weight: 0 },
      { weight: Number.NaN },
      { bootCount: -1 },
      { zone: "a.b" },
      { incarnation: "" },
      { statuses: [{ ...heartbeat.statuses[0], state: "asleep" }] },
      { statuses: [{ ...heartbeat.statuses[0], durableSeq: 0.5 }] },
      { incidents: [{ ...heartbeat.incidents[0], what: "weather" }] },
    ])
      assert.equal(decodeHeartbeat({ ...heartbeat, ...wrong }).ok, false, JSON.stringify(wrong));
  });

  it("knows both kinds of an order's answer, and no other", () => {
    assert.deepEqual(decodeAdminAnswer({ done: true, viewSeq: 4 }), { ok: true, value: { done: true, viewSeq: 4 } });
    const fault = { code: "TABLE_EXISTS", message: "there is a table t already" };
    assert.deepEqual(decodeAdminAnswer({ fault }), { ok: true, value: { fault } });
    const listed = { code: "NOT_POSSIBLE", message: "no", detail: { fragments: [16, 32] } };
    assert.deepEqual(decodeAdminAnswer({ fault: listed }), { ok: true, value: { fault: listed } });
    assert.equal(decodeAdminAnswer({ fault: { code: "WEATHER", message: "" } }).ok, false);
    assert.equal(decodeAdminAnswer({}).ok, false);
  });

  it("never throws", () => {
    fc.assert(
      fc.property(fc.anything(), (body) => {
        decodeHeartbeat(body);
        decodeHeartbeatAnswer(body);
        decodeHostDied(body);
        decodeAdminRequest(body);
        decodeAdminAnswer(body);
      }),
    );
  });
});
