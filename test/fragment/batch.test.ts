import assert from "node:assert/strict";
import { limits } from "../../src/config/limits.js";
import { createBatch } from "../../src/fragment/batch.js";
import { rowKey, rowValue } from "../../src/fragment/layout.js";
import { versionOf } from "../../src/fragment/record.js";
import { emptyReplica, type Replica } from "../../src/fragment/replica.js";
import type { Store } from "../../src/fragment/store.js";
import { createWindow } from "../../src/fragment/window.js";
import type { OpResult } from "../../src/protocol/exec.js";
import { decodeDocument, encodeDocument } from "../../src/query/document.js";
import type { WriteAct, WriteStep } from "../../src/query/query.js";

const position = (name: string) => new TextEncoder().encode(name);
const document = (value: unknown) => {
  const encoded = encodeDocument(value);
  assert.ok(encoded.ok);
  return encoded.value;
};
const step = (act: WriteAct, name: string, value?: unknown, ifVersion?: number): WriteStep => ({
  act,
  position: position(name),
  document: value === undefined ? new Uint8Array(0) : document(value),
  ...(ifVersion === undefined ? {} : { ifVersion }),
});

function setUp(rows: Record<string, { version: number; value: unknown }> = {}): { replica: Replica; store: Store } {
  const replica = emptyReplica(16, 1, { from: new Uint8Array(0), to: undefined });
  replica.lsn = 9;
  const kept = new Map<string, Uint8Array>();
  for (const [name, { version, value }] of Object.entries(rows)) {
    kept.set(Buffer.from(rowKey(1, position(name))).toString("hex"), rowValue(version, document(value)));
  }
  return { replica, store: { get: (key) => kept.get(Buffer.from(key).toString("hex")), range: () => [] } };
}
function codeOf(result: OpResult | "full"): string {
  assert.ok(result !== "full" && result.op === "fault", JSON.stringify(result));
  return result.fault.code;
}

describe("a batch", () => {
  it("gives every change its own version and sees earlier changes of the same batch", () => {
    const { replica, store } = setUp();
    const batch = createBatch(replica, store, createWindow());
    assert.deepEqual(batch.add({ requestId: "1", steps: [step("put", "k", { n: 1 })] }), {
      op: "write",
      versions: [versionOf(10, 0)],
    });
    assert.equal(codeOf(batch.add({ requestId: "2", steps: [step("insert", "k", { n: 2 })] })), "EXISTS");
    assert.deepEqual(batch.add({ requestId: "3", steps: [step("update", "k", { m: 3 }, versionOf(10, 0))] }), {
      op: "write",
      versions: [versionOf(10, 1)],
    });
    assert.deepEqual(decodeDocument(batch.changes[1]?.document as Uint8Array), { n: 1, m: 3 });
  });

  it("carries out all steps of a request or none", () => {
    const { replica, store } = setUp();
    const batch = createBatch(replica, store, createWindow());
    const result = batch.add({ requestId: "1", steps: [step("put", "a", {}), step("update", "missing", {})] });
    assert.equal(codeOf(result), "NOT_FOUND");
    assert.equal(batch.changes.length, 0);
    assert.equal(codeOf(batch.add({ requestId: "2", steps: [step("delete", "a", undefined, 5)] })), "CONFLICT");
  });

  it("says at which version the row is when a condition fails; version 0 means no row", () => {
    const { replica, store } = setUp({ k: { version: 77, value: {} } });
    const batch = createBatch(replica, store, createWindow());
    const result = batch.add({ requestId: "1", steps: [step("put", "k", {}, 0)] });
    assert.ok(result !== "full" && result.op === "fault");
    assert.deepEqual(result.fault.detail, { held: 77, asked: 0 });
    assert.equal(codeOf(batch.add({ requestId: "2", steps: [step("put", "new", {}, 3)] })), "CONFLICT");
    assert.equal((batch.add({ requestId: "3", steps: [step("put", "new", {}, 0)] }) as OpResult).op, "write");
  });

  it("answers a repeated request id from the first try, in the window and in the batch", () => {
    const { replica, store } = setUp();
    const window = createWindow();
    window.add({ lsn: 4, stampMs: 0, requests: [{ requestId: "before", first: 2, count: 1 }] });
    const batch = createBatch(replica, store, window);
    assert.deepEqual(batch.add({ requestId: "before", steps: [step("put", "k", {})] }), {
      op: "write",
      versions: [versionOf(4, 2)],
    });
    const first = batch.add({ requestId: "now", steps: [step("put", "k", {})] });
    assert.deepEqual(batch.add({ requestId: "now", steps: [step("put", "k", {})] }), first);
    assert.equal(batch.changes.length, 1);
    assert.equal(
      codeOf(batch.add({ requestId: "now", steps: [step("put", "a", {}), step("put", "b", {})] })),
      "BAD_REQUEST",
    );
  });

  it("is full before a record grows past its limit", () => {
    const { replica, store } = setUp();
    const batch = createBatch(replica, store, createWindow());
    const big = { text: "x".repeat(200_000) };
    assert.equal((batch.add({ requestId: "1", steps: [step("put", "a", big)] }) as OpResult).op, "write");
    assert.equal((batch.add({ requestId: "2", steps: [step("put", "b", big)] }) as OpResult).op, "write");
    assert.equal(batch.add({ requestId: "3", steps: [step("put", "c", big)] }), "full");
    const alone = createBatch(replica, store, createWindow());
    assert.equal(
      codeOf(alone.add({ requestId: "4", steps: ["a", "b", "c"].map((name) => step("put", name, big)) })),
      "TOO_LARGE",
    );
    assert.ok(limits.recordBytes < 1024 * 1024);
  });
});
