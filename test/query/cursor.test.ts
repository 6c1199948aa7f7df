// Cursors: they work for the query they came from, and for nothing else.

import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeScanCursor,
  decodeWatchCursor,
  encodeScanCursor,
  encodeWatchCursor,
  fingerprintOf,
  watchPlaceOf,
} from "../../src/query/cursor.js";
import type { TableDef } from "../../src/table/table.js";
import { testHash } from "../hash.js";
import { must, refused } from "../results.js";

const table: TableDef = { id: 16, name: "users", partitioning: "hash", key: { partition: "string" }, replicas: 3 };
const mine = fingerprintOf(table, ["scan", 1], testHash);
const others = [
  fingerprintOf(table, ["scan", 2], testHash),
  fingerprintOf({ ...table, id: 17 }, ["scan", 1], testHash),
  fingerprintOf({ ...table, name: "users2" }, ["scan", 1], testHash),
];

describe("cursors", () => {
  it("give back what they hold, as text that needs no quoting", () => {
    const marks = fc.array(
      fc.record({ fragment: fc.nat(), lsn: fc.nat(), seq: fc.maxSafeNat() }, { noNullPrototype: true }),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), marks, (position, list) => {
        const scan = encodeScanCursor(mine, position, testHash);
        assert.match(scan, /^[A-Za-z0-9_-]+$/);
        assert.deepEqual(Uint8Array.from(must(decodeScanCursor(mine, scan, testHash))), position);
        const place = { viewSeq: list.length, marks: list };
        const watch = encodeWatchCursor(mine, place, testHash);
        assert.deepEqual(must(decodeWatchCursor(mine, watch, testHash)), place);
        assert.deepEqual(must(watchPlaceOf(watch, testHash)), place);
        assert.equal(watchPlaceOf(scan, testHash).ok, false);
      }),
    );
  });

  it("of another table or query are told apart from broken ones", () => {
    const cursor = encodeScanCursor(mine, Uint8Array.of(1), testHash);
    for (const other of others)
      refused(decodeScanCursor(other, cursor, testHash), "BAD_CURSOR", /another table or query/);
    refused(decodeWatchCursor(mine, cursor, testHash), "BAD_CURSOR", /not a cursor/);
    refused(
      decodeScanCursor(mine, encodeWatchCursor(mine, { viewSeq: 0, marks: [] }, testHash), testHash),
      "BAD_CURSOR",
      /not a cursor/,
    );
    for (const wrong of ["", "x", "!!", "AAAA", 5, null, "A".repeat(1_000_000)])
      refused(decodeScanCursor(mine, wrong, testHash), "BAD_CURSOR", /not a cursor/);
  });

  it("with any character changed are refused", () => {
    const cursor = encodeScanCursor(mine, Uint8Array.of(1, 2, 3), testHash);
    fc.assert(
      fc.property(fc.nat(cursor.length - 1), fc.constantFrom("A", "b", "7", "_", "="), (at, letter) => {
        fc.pre(cursor[at] !== letter);
        refused(decodeScanCursor(mine, cursor.slice(0, at) + letter + cursor.slice(at + 1), testHash), "BAD_CURSOR");
      }),
    );
  });
});
