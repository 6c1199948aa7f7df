// Keys: order, round trip, types, positions.

import assert from "node:assert/strict";
import fc from "fast-check";
import { limits } from "../../src/config/limits.js";
import { type Bytes, compareBytes, toHex } from "../../src/kernel/bytes.js";
import {
  checkPosition,
  decodeKey,
  decodeRowKey,
  encodeKey,
  hashRange,
  keyOfPosition,
  positionOf,
  rangeOfPartition,
  rangeOfPrefix,
  splitRange,
} from "../../src/table/key.js";
import type { KeySchema, KeyValue, Partitioning, RowKey, TableDef } from "../../src/table/table.js";
import { testHash } from "../hash.js";
import { must, refused } from "../results.js";

const table = (partitioning: Partitioning, key: KeySchema): TableDef => ({
  id: 1,
  name: "t",
  partitioning,
  key,
  replicas: 1,
});
const anyKeys = { partition: "any", sort: "any" } as const;

/** Order as the documentation says it, apart from the encoding: types by rank, then values. */
function compareKeyValues(a: KeyValue, b: KeyValue): number {
  const rank = (value: KeyValue) =>
    value instanceof Uint8Array
      ? 0
      : typeof value === "string"
        ? 1
        : Array.isArray(value)
          ? 2
          : typeof value === "number"
            ? 3
            : 4;
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (typeof a === "string" && typeof b === "string") return Buffer.compare(Buffer.from(a), Buffer.from(b));
  if (typeof a === "number" && typeof b === "number") return a < b ? -1 : a > b ? 1 : 0;
  if (a instanceof Date && b instanceof Date) return a.getTime() - b.getTime();
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  if (Array.isArray(a) && Array.isArray(b)) return compareLists(a, b);
  return 0;
}

function compareLists(a: readonly KeyValue[], b: readonly KeyValue[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compareKeyValues(a[i] as KeyValue, b[i] as KeyValue);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

// Zeros, 0xff and neighbours are where an escape goes wrong.
const edgyBytes = fc
  .array(fc.constantFrom(0, 1, 2, 0x61, 0xfe, 0xff), { maxLength: 4 })
  .map((list) => Uint8Array.from(list));
const keyValues: fc.Arbitrary<KeyValue> = fc.letrec<{ value: KeyValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.string({ unit: fc.constantFrom("\u0000", "\u0001", "a", "é", "\uffff", "\u{10000}"), maxLength: 4 }),
    fc.string({ unit: "binary", maxLength: 6 }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer({ min: -3, max: 3 }),
    fc.date({ noInvalidDate: true }),
    edgyBytes,
    fc.array(tie("value"), { maxLength: 3 }),
  ),
})).value;
const rowKeys: fc.Arbitrary<RowKey> = fc.oneof(
  fc.tuple(keyValues),
  fc.tuple(keyValues, keyValues),
) as fc.Arbitrary<RowKey>;

describe("keys", () => {
  it("order as bytes like values, and come back whole", () => {
    fc.assert(
      fc.property(rowKeys, rowKeys, (a, b) => {
        const [left, right] = [must(encodeKey(a)), must(encodeKey(b))];
        assert.equal(Math.sign(compareBytes(left, right)), Math.sign(compareLists(a, b)));
        assert.equal(compareLists(must(decodeKey(left)), a), 0);
      }),
      { numRuns: 3000 },
    );
  });

  it("have one encoding each: whatever else decodes, encodes to itself", () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 24 }),
      fc
        .array(fc.constantFrom(0, 1, 2, 5, 0x21, 0x40, 0x61, 0x80, 0xc3, 0xff), { maxLength: 20 })
        .map((list) => Uint8Array.from(list)),
    );
    let decoded = 0;
    fc.assert(
      fc.property(noise, (bytes) => {
        const key = decodeKey(bytes);
        if (!key.ok) return;
        decoded++;
        assert.equal(toHex(must(encodeKey(key.value))), toHex(bytes));
      }),
      { numRuns: 20_000 },
    );
    assert.ok(decoded > 50, `only ${decoded} of the noise decoded: nothing was judged`);
  });

  it("read -0 as 0, and refuse what no key can hold", () => {
    assert.deepEqual(must(encodeKey([-0])), must(encodeKey([0])));
    refused(encodeKey([Number.NaN]), "BAD_KEY", /finite/);
    refused(encodeKey([Number.POSITIVE_INFINITY]), "BAD_KEY", /finite/);
    refused(encodeKey([new Date(Number.NaN)]), "BAD_KEY", /valid date/);
    refused(encodeKey(["\ud800"]), "BAD_KEY", /surrogate/);
    refused(encodeKey(["\udc00x"]), "BAD_KEY", /surrogate/);
    refused(encodeKey([nested(limits.keyDepth + 1)]), "TOO_DEEP", /nest/);
    assert.ok(encodeKey([nested(limits.keyDepth)]).ok);
  });

  it("fit up to the limit and not beyond", () => {
    const longest = "x".repeat(limits.keyBytes - 2);
    assert.equal(must(encodeKey([longest])).length, limits.keyBytes);
    refused(encodeKey([`${longest}x`]), "KEY_TOO_LARGE", /1024 bytes/);
    refused(encodeKey(["x".repeat(10_000_000)]), "KEY_TOO_LARGE", /1024 bytes/);
    refused(encodeKey(["x".repeat(600), "y".repeat(600)]), "KEY_TOO_LARGE", /1024 bytes/);
    refused(encodeKey([Array.from({ length: 100_000 }, () => 1)]), "KEY_TOO_LARGE", /1024 bytes/);
    assert.ok(encodeKey([""]).ok, "an empty string is a key like any other");
  });
});

describe("positions", () => {
  const tables = [table("hash", anyKeys), table("range", anyKeys)];

  it("give their keys back, and only they do", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...tables),
        keyValues,
        keyValues,
        fc.nat(),
        fc.nat(255),
        (def, partition, sort, at, byte) => {
          const position = must(positionOf(def, [partition, sort], testHash));
          assert.equal(compareLists(must(keyOfPosition(def, position)), [partition, sort]), 0);
          assert.ok(checkPosition(def, position, testHash).ok);
          const bent = position.slice();
          bent[at % bent.length] = byte;
          const checked = checkPosition(def, bent, testHash);
          if (checked.ok) assert.deepEqual(must(positionOf(def, checked.value, testHash)), bent);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it("keep the rows of a partition key together, in the order of their sort keys, apart from all others", () => {
    fc.assert(
      fc.property(fc.constantFrom(...tables), keyValues, keyValues, keyValues, (def, partition, other, sort) => {
        const { from, to } = must(rangeOfPartition(def, partition, testHash));
        const inside = (position: Bytes) => compareBytes(position, from) >= 0 && compareBytes(position, to) < 0;
        assert.ok(inside(must(positionOf(def, [partition, sort], testHash))));
        const same = compareKeyValues(partition, other) === 0;
        assert.equal(inside(must(positionOf(def, [other, sort], testHash))), same);
      }),
      { numRuns: 3000 },
    );
  });

  it("of a prefix hold exactly the keys that begin with it", () => {
    const beginnings = fc.oneof(
      fc.tuple(
        fc.string({ unit: fc.constantFrom("\u0000", "a", "é"), maxLength: 2 }),
        fc.string({ unit: fc.constantFrom("\u0000", "a", "é"), maxLength: 4 }),
      ),
      fc.tuple(edgyBytes, edgyBytes),
      fc.tuple(fc.array(keyValues, { maxLength: 2 }), fc.array(keyValues, { maxLength: 3 })),
    );
    let hits = 0;
    fc.assert(
      fc.property(beginnings, fc.boolean(), keyValues, ([prefix, plain], extend, sort) => {
        const value = (extend ? join(prefix, plain) : plain) as KeyValue;
        const { from, to } = must(rangeOfPrefix(new Uint8Array(0), prefix));
        const key = must(encodeKey([value, sort]));
        const expected = startsWith(value, prefix);
        if (expected) hits++;
        assert.equal(compareBytes(key, from) >= 0 && compareBytes(key, to) < 0, expected);
      }),
      { numRuns: 5000 },
    );
    assert.ok(hits > 500, `only ${hits} keys began with their prefix`);
    refused(rangeOfPrefix(new Uint8Array(0), 5), "BAD_KEY", /no beginning/);
  });

  it("refuse keys of another type or shape, and say what would be right", () => {
    const users = table("hash", { partition: "string" });
    const series = table("range", { partition: "string", sort: "date" });
    refused(positionOf(users, [5], testHash), "BAD_KEY", /partition key must be a string, but is the number 5/);
    refused(positionOf(users, ["a", "b"], testHash), "BAD_KEY", /2 parts.*string partition key, alone/);
    refused(positionOf(series, ["a"], testHash), "BAD_KEY", /1 part;.*\[partition, sort\]/);
    refused(positionOf(series, ["a", "b"], testHash), "BAD_KEY", /sort key must be a date/);
    refused(
      checkPosition(users, must(positionOf(table("range", { partition: "string" }), ["a"], testHash)), testHash),
      "BAD_KEY",
      /not a/,
    );
    refused(checkPosition(users, new Uint8Array(5000), testHash), "BAD_KEY", /not a position/);
    refused(checkPosition(users, new Uint8Array(0), testHash), "BAD_KEY", /not an encoded key/);
  });
});

describe("row keys as clients write them", () => {
  const users = table("hash", { partition: "string" });
  const series = table("range", { partition: "string", sort: "date" });
  const pairs = table("range", { partition: "tuple" });

  it("stand alone or in an array; dates may be ISO-8601 with a zone", () => {
    assert.deepEqual(must(decodeRowKey(users, "a")), ["a"]);
    assert.deepEqual(must(decodeRowKey(users, ["a"])), ["a"]);
    const instant = new Date("1998-04-30T21:30:00Z");
    assert.deepEqual(must(decodeRowKey(series, ["a", "1998-04-30T21:30:00Z"])), ["a", instant]);
    assert.deepEqual(must(decodeRowKey(series, ["a", "1998-04-30T23:30:00.000+02:00"])), ["a", instant]);
    assert.deepEqual(must(decodeRowKey(series, ["a", instant])), ["a", instant]);
    assert.deepEqual(must(decodeRowKey(pairs, [["x", 1]])), [["x", 1]]);
    assert.deepEqual(must(decodeRowKey(table("hash", { partition: "number" }), 7n)), [7]);
  });

  it("are refused with what would be right", () => {
    refused(decodeRowKey(users, undefined), "BAD_KEY", /missing/);
    refused(decodeRowKey(users, null), "BAD_KEY", /is null/);
    refused(decodeRowKey(users, {}), "BAD_KEY", /an object/);
    refused(decodeRowKey(series, "a"), "BAD_KEY", /\[partition, sort\]/);
    refused(decodeRowKey(series, ["a", "yesterday"]), "BAD_KEY", /ISO-8601 string with a zone/);
    refused(decodeRowKey(series, ["a", 5]), "BAD_KEY", /must be a date/);
    refused(decodeRowKey(pairs, ["x", 1]), "BAD_KEY", /2 parts/);
    refused(decodeRowKey(pairs, [[{}]]), "BAD_KEY", /an array of/);
    refused(decodeRowKey(table("hash", { partition: "number" }), 2n ** 60n), "BAD_KEY", /finite number/);
  });
});

describe("cuts", () => {
  it("of the hash space are even, gapless and complete", () => {
    for (const fragments of [1, 2, 3, 7, 1000, limits.fragmentsPerTable]) {
      const ranges = hashRange(fragments);
      assert.equal(ranges.length, fragments);
      assert.equal(ranges[0]?.from.length, 0);
      assert.equal(ranges.at(-1)?.to, undefined);
      for (const [index, { to }] of ranges.slice(0, -1).entries()) {
        assert.ok(to !== undefined && compareBytes(to, ranges[index]?.from ?? to) > 0);
        assert.deepEqual(ranges[index + 1]?.from, to);
      }
    }
    assert.deepEqual(
      hashRange(4).map(({ from }) => toHex(from)),
      ["", "40000000", "80000000", "c0000000"],
    );
  });

  it("of a range table stand at the keys given, in order", () => {
    const series = table("range", { partition: "string", sort: "date" });
    const ranges = must(splitRange(series, ["g", ["n", "2020-01-01"]], testHash));
    assert.equal(ranges.length, 3);
    const place = (key: RowKey) => {
      const position = must(positionOf(series, key, testHash));
      return ranges.findIndex(
        ({ from, to }) => compareBytes(position, from) >= 0 && (to === undefined || compareBytes(position, to) < 0),
      );
    };
    const day = new Date("2020-01-01");
    assert.deepEqual(
      [place(["f", day]), place(["g", new Date(-1)]), place(["n", new Date(0)]), place(["n", day])],
      [0, 1, 1, 2],
    );
    refused(splitRange(series, ["n", "g"], testHash), "BAD_KEY", /splitAt\[1\] does not come after/);
    refused(splitRange(series, ["n", "n"], testHash), "BAD_KEY", /ascend/);
    refused(splitRange(series, [5], testHash), "BAD_KEY", /splitAt\[0\] must be a string/);
  });
});

function nested(depth: number): KeyValue {
  let value: KeyValue = [];
  for (let i = 1; i < depth; i++) value = [value];
  return value;
}

function join(a: unknown, b: unknown): unknown {
  if (typeof a === "string") return a + String(b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Uint8Array.from([...a, ...b]);
  return [...(a as unknown[]), ...(b as unknown[])];
}

function startsWith(value: KeyValue, prefix: KeyValue): boolean {
  if (typeof value === "string" && typeof prefix === "string") return value.startsWith(prefix);
  if (value instanceof Uint8Array && prefix instanceof Uint8Array) return toHex(value).startsWith(toHex(prefix));
  if (!Array.isArray(value) || !Array.isArray(prefix)) return false;
  return value.length >= prefix.length && compareLists(value.slice(0, prefix.length), prefix) === 0;
}
