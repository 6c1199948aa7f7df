// Values. Owns the arbitrary values, documents and filters of the query tests.

import fc from "fast-check";
import type { Document, Filter, Value } from "../../src/query/query.js";
import { forbiddenNames } from "../../src/query/value.js";

const dates = fc.date({ noInvalidDate: true });
export const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.string({ maxLength: 80 }),
  fc.constantFrom(
    "",
    "\u0000",
    "\ufeffBOM, and long enough to leave every quick path of a decoder behind it",
    "a\u0000b",
  ),
);
export const names = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("a", "b", "c", "d") },
  { weight: 1, arbitrary: fc.string({ maxLength: 10 }).filter((name) => !forbiddenNames.has(name)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("toString", "hasOwnProperty", "toJSON", "0", "7", "$bytes", "$date", "$$date"),
  },
);
const numbers = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, 1, 2 ** 53, -(2 ** 53), 2 ** 32, -(2 ** 31) - 1, 5e-324, Number.MAX_VALUE),
);
const scalars = fc.oneof(fc.constant(null), fc.boolean(), numbers, text, dates, fc.uint8Array({ maxLength: 20 }));

export const values: fc.Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    scalars,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(names, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

export const documents: fc.Arbitrary<Document> = fc.dictionary(names, values, { maxKeys: 6, noNullPrototype: true });

/** Few fields and values, so that conditions meet what they ask for. */
const small = fc.constantFrom<Value>(null, true, false, 0, 1, 2, "", "a", "ab", new Date(0), [1, "a"], { a: 1 });
export const smallDocuments: fc.Arbitrary<Document> = fc.dictionary(
  fc.constantFrom("a", "b"),
  fc.oneof(small, fc.dictionary(fc.constantFrom("a", "b"), small, { noNullPrototype: true })),
  { noNullPrototype: true },
);
const fields = fc.constantFrom(["a"], ["b"], ["a", "a"], ["b", "a"]);
const plain = { noNullPrototype: true };
export const filters: fc.Arbitrary<Filter> = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3 },
    fc.record({ op: fc.constantFrom("eq", "ne", "lt", "le", "gt", "ge"), field: fields, value: small }, plain),
    fc.record({ op: fc.constant("in" as const), field: fields, values: fc.array(small, { maxLength: 3 }) }, plain),
    fc.record({ op: fc.constant("prefix" as const), field: fields, value: fc.constantFrom("", "a", "ab") }, plain),
    fc.record({ op: fc.constant("exists" as const), field: fields, value: fc.boolean() }, plain),
    fc.record({ op: fc.constant("contains" as const), field: fields, value: small }, plain),
    fc.record(
      { op: fc.constantFrom("and", "or"), all: fc.array(tie("filter"), { minLength: 1, maxLength: 3 }) },
      plain,
    ),
    fc.record({ op: fc.constant("not" as const), of: tie("filter") }, plain),
  ),
})).filter as fc.Arbitrary<Filter>;
