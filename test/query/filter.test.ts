// Filters: the grammar, and what holds of which document.

import assert from "node:assert/strict";
import fc from "fast-check";
import { limits } from "../../src/config/limits.js";
import { decodeFilter, encodeFilter, matches } from "../../src/query/filter.js";
import type { Document, Filter, Value } from "../../src/query/query.js";
import { compareText, compareValues } from "../../src/query/value.js";
import { must, refused } from "../results.js";
import { filters, smallDocuments, text, values } from "./values.js";

const holds = (filter: unknown, document: Document) => matches(must(decodeFilter(filter)), document);

describe("filters", () => {
  it("hold as the grammar says", () => {
    const ann: Document = { name: "ann", age: 30, address: { city: "Oslo" }, tags: ["a", "b"], gone: null };
    const yes: unknown[] = [
      {},
      { name: "ann" },
      { age: { ge: 18, lt: 65 }, name: "ann" },
      { "address.city": "Oslo" },
      { address: { eq: { city: "Oslo" } } },
      { age: { in: [1, 30] } },
      { name: { prefix: "an" } },
      { tags: { contains: "b" } },
      { name: { contains: "nn" } },
      { gone: null },
      { gone: { exists: true }, missing: { exists: false } },
      { missing: { ne: 5 } },
      { name: { ne: 5 } },
      { $or: [{ age: 1 }, { name: "ann" }] },
      { $and: [{ age: 30 }, { name: "ann" }] },
      { $not: { age: 1 } },
      { tags: { eq: ["a", "b"] }, name: { gt: "an" } },
    ];
    const no: unknown[] = [
      { name: "bob" },
      { age: { gt: 30 } },
      { age: { gt: "1" } },
      { age: { lt: "z" } },
      { age: "30" },
      { missing: null },
      { missing: { eq: null } },
      { missing: { lt: 5 } },
      { missing: { in: [null] } },
      { "name.length": 3 },
      { "tags.0": "a" },
      { toString: { exists: true } },
      { "address.city.x": { exists: true } },
      { age: { prefix: "3" } },
      { age: { in: [] } },
      { address: { eq: {} } },
      { $not: {} },
      { $or: [{ age: 1 }] },
    ];
    for (const filter of yes) assert.equal(holds(filter, ann), true, JSON.stringify(filter));
    for (const filter of no) assert.equal(holds(filter, ann), false, JSON.stringify(filter));
  });

  it("obey the laws of logic and order", () => {
    const hits = { yes: 0, no: 0 };
    fc.assert(
      fc.property(filters, filters, smallDocuments, (a, b, document) => {
        const [left, right] = [matches(a, document), matches(b, document)];
        hits[left ? "yes" : "no"]++;
        assert.equal(matches({ op: "not", of: a }, document), !left);
        assert.equal(matches({ op: "and", all: [a, b] }, document), left && right);
        assert.equal(matches({ op: "or", all: [a, b] }, document), left || right);
        if (a.op === "eq") {
          const as = (op: "ne" | "lt" | "le" | "gt" | "ge") => matches({ ...a, op }, document);
          assert.equal(as("ne"), !left);
          assert.ok(!(as("lt") && as("gt")));
          assert.equal(as("le"), as("lt") || left);
          assert.equal(as("ge"), as("gt") || left);
        }
      }),
      { numRuns: 3000 },
    );
    assert.ok(hits.yes > 300 && hits.no > 300, `one-sided: ${JSON.stringify(hits)}`);
  });

  it("travel unchanged", () => {
    fc.assert(
      fc.property(filters, (filter) => assert.deepEqual(must(decodeFilter(encodeFilter(filter))), filter)),
      {
        numRuns: 2000,
      },
    );
    assert.deepEqual(must(decodeFilter(encodeFilter({ op: "and", all: [] }))), { op: "and", all: [] });
    assert.deepEqual(must(decodeFilter(encodeFilter(deepest()))), deepest(), "also at the limit of depth");
  });

  it("are refused with what would be right, and never make decoding throw", () => {
    const cases: readonly (readonly [unknown, RegExp])[] = [
      [5, /must be an object/],
      [null, /must be an object/],
      [[], /must be an object/],
      [{ a: { foo: 1 } }, /unknown operator "foo".*whole object use \{"eq"/],
      [{ a: {} }, /is empty/],
      [{ "a..b": 1 }, /empty part/],
      [{ "": 1 }, /empty part/],
      [{ "a.__proto__": 1 }, /__proto__/],
      [{ $nor: [] }, /\$and, \$or and \$not/],
      [{ $and: [] }, /at least one/],
      [{ $or: {} }, /array/],
      [{ $not: 5 }, /filter\.\$not must be an object/],
      [{ $or: [{ a: 1 }, 7] }, /filter\.\$or\[1\] must be an object/],
      [{ a: { in: 5 } }, /in must be an array/],
      [{ a: { prefix: 5 } }, /prefix must be a string/],
      [{ a: { exists: 1 } }, /exists must be true or false/],
      [{ a: { lt: Number.NaN } }, /finite/],
      [{ a: undefined }, /cannot be compared/],
    ];
    for (const [filter, words] of cases) refused(decodeFilter(filter), "BAD_FILTER", words);
    fc.assert(
      fc.property(fc.anything(), (given) => void decodeFilter(given)),
      { numRuns: 2000 },
    );
  });

  it("have bounds in depth and number", () => {
    assert.ok(decodeFilter(nested(limits.filterDepth)).ok);
    refused(decodeFilter(nested(limits.filterDepth + 1)), "TOO_DEEP", /16/);
    refused(decodeFilter(nested(50_000)), "TOO_DEEP");
    const many = (count: number) => ({ a: { in: Array.from({ length: count }, (_, index) => index) } });
    assert.ok(decodeFilter(many(limits.filterNodes - 1)).ok);
    refused(decodeFilter(many(limits.filterNodes)), "TOO_LARGE", /256/);
    refused(decodeFilter({ $or: Array.from({ length: 300 }, () => ({ a: 1 })) }), "TOO_LARGE");
  });
});

describe("the order of values", () => {
  it("is total: antisymmetric, transitive, and equal only for what is the same", () => {
    fc.assert(
      fc.property(values, values, values, (a, b, c) => {
        assert.equal(Math.sign(compareValues(a, b)) + 0, Math.sign(-compareValues(b, a)) + 0);
        assert.equal(compareValues(a, a), 0);
        const [first, second, third] = [a, b, c].sort(compareValues) as [Value, Value, Value];
        assert.ok(compareValues(first, second) <= 0 && compareValues(second, third) <= 0);
        assert.ok(compareValues(first, third) <= 0);
      }),
      { numRuns: 2000 },
    );
  });

  it("does not see the order of fields, and reads text by code point", () => {
    assert.equal(compareValues({ a: 1, b: 2 }, { b: 2, a: 1 }), 0);
    assert.ok(compareText("\uffff", "\u{10000}") < 0);
    fc.assert(
      fc.property(text, text, (a, b) => {
        assert.equal(Math.sign(compareText(a, b)), Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b))));
      }),
    );
  });
});

/** `levels` levels: `$not`s around one condition. */
function nested(levels: number): unknown {
  let filter: unknown = { a: 1 };
  for (let i = 1; i < levels; i++) filter = { $not: filter };
  return filter;
}

function deepest(): Filter {
  return must(decodeFilter(nested(limits.filterDepth)));
}
