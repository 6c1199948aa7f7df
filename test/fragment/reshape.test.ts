import assert from "node:assert/strict";
import fc from "fast-check";
import { contains, withoutRange } from "../../src/fragment/range.js";
import { mergeEntries, type WindowEntry } from "../../src/fragment/reshape.js";
import type { PositionRange } from "../../src/table/table.js";

const window = (ids: string, first: number): WindowEntry[] =>
  Array.from({ length: 4 }, (_, at) => ({
    lsn: first + at,
    stampMs: first + at * 10,
    requests: [{ requestId: `${ids}${at}`, first: 0, count: 1, lsn: first + at }],
  }));

describe("the windows of a merge", () => {
  it("remember every request of both, once, by age, under new numbers below the record", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 50 }), (a, b) => {
        const lsn = Math.max(a, b) + 4;
        const merged = mergeEntries(window("a", a), [...window("b", b), ...window("a", a)], lsn, 10_000);
        const ids = merged.flatMap(({ requests }) => requests.map(({ requestId }) => requestId));
        assert.deepEqual([...ids].sort(), ["a0", "a1", "a2", "a3", "b0", "b1", "b2", "b3"]);
        merged.forEach((entry, at) => {
          assert.ok(entry.lsn >= 1 && entry.lsn < lsn);
          const before = merged[at - 1];
          assert.ok(before === undefined || (before.lsn < entry.lsn && before.stampMs <= entry.stampMs));
        });
      }),
    );
  });
});

describe("what a replica clears when it goes", () => {
  it("is its range without what others own", () => {
    const byte = fc.nat(255).map((value) => Uint8Array.of(value));
    const range = fc.tuple(byte, fc.option(byte, { nil: undefined })).map(([from, to]) => ({ from, to }));
    fc.assert(
      fc.property(range, fc.array(range, { maxLength: 4 }), byte, (own, others, position) => {
        const cleared = others
          .reduce<readonly PositionRange[]>(withoutRange, [own])
          .some((part) => contains(part, position));
        const wanted = contains(own, position) && !others.some((other) => contains(other, position));
        assert.equal(cleared, wanted);
      }),
    );
  });
});
