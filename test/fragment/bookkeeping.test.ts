import assert from "node:assert/strict";
import fc from "fast-check";
import { bookkeeping, emptyReplica, type Replica, readBookkeeping } from "../../src/fragment/replica.js";
import { decodeWindowEntry, encodeWindowEntry } from "../../src/fragment/window.js";

const bytes = fc.uint8Array({ maxLength: 12 });
const count = fc.nat({ max: 2 ** 40 });
function plain<T>(parts: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(parts, { noNullPrototype: true }) as fc.Arbitrary<T>;
}
const place = plain({
  cursor: bytes,
  ...{ lsn: count, seq: count, epoch: count, stampMs: count, rows: count, bytes: count, changedLsn: count },
  hash: fc.uint8Array({ minLength: 8, maxLength: 8 }),
  sealed: fc.boolean(),
  cut: fc.constant(undefined),
  joined: fc.constant(undefined),
});
const change: fc.Arbitrary<Partial<Replica>> = fc.record(
  {
    ...{ lsn: count, seq: count, epoch: count, stampMs: count, rows: fc.integer(), bytes: fc.integer() },
    ...{ changedLsn: count, wholeLsn: count, baseLsn: count, shelf: fc.nat() },
    hash: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    copying: fc.boolean(),
    sealed: fc.boolean(),
    place: fc.option(place, { nil: undefined }),
    range: plain({ from: bytes, to: fc.option(bytes, { nil: undefined }) }),
    missing: fc.array(plain({ from: bytes, to: fc.option(bytes, { nil: undefined }) }), { maxLength: 3 }),
    cut: fc.option(plain({ child: count, at: bytes, lsn: count, hash: bytes }), { nil: undefined }),
    joined: fc.option(plain({ right: count, lsn: count, rightLsn: count, changedLsn: count }), { nil: undefined }),
  },
  { requiredKeys: [], noNullPrototype: true },
);

describe("the bookkeeping of a replica", () => {
  it("reads back what was written, whatever changed before", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), (changes) => {
        const replica = emptyReplica(7, 3, { from: new Uint8Array(0), to: undefined });
        for (const next of changes) {
          Object.assign(replica, next);
          const { value } = bookkeeping(replica);
          // A base is kept only where something is missing.
          const baseLsn = replica.missing.length === 0 ? 0 : replica.baseLsn;
          assert.deepEqual(readBookkeeping(7, value as Uint8Array), { ...replica, baseLsn });
        }
      }),
    );
  });

  it("gives each record bytes of its own", () => {
    const replica = emptyReplica(7, 3, { from: new Uint8Array(0), to: undefined });
    const first = bookkeeping(replica).value as Uint8Array;
    const kept = first.slice();
    replica.lsn = 9;
    bookkeeping(replica);
    assert.deepEqual(first, kept);
  });
});

describe("an entry of the request window", () => {
  it("reads back what was written", () => {
    const id = fc
      .string({ minLength: 1, maxLength: 64, unit: "binary-ascii" })
      .map((text) => text.replace(/[^ -~]/g, "x"));
    const mark = fc.record(
      { requestId: id, first: fc.nat(4095), count: fc.nat(4096), lsn: count },
      { requiredKeys: ["requestId", "first", "count"], noNullPrototype: true },
    );
    fc.assert(
      fc.property(count, fc.array(mark, { maxLength: 200 }), (stampMs, requests) => {
        assert.deepEqual(decodeWindowEntry(encodeWindowEntry(stampMs, requests)), { stampMs, requests });
      }),
    );
  });
});
