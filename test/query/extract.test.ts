// Extract: a few fields read from stored bytes are those of the whole document.

import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeDocument, encodeDocument } from "../../src/query/document.js";
import { FieldExtract, fieldsOf } from "../../src/query/extract.js";
import { matches } from "../../src/query/filter.js";
import type { Document } from "../../src/query/query.js";
import { filters, names, smallDocuments, values } from "./values.js";

describe("extract", () => {
  it("reads each field as decoding the document does, and no other", () => {
    const lengths = fc.constantFrom(0, 1, 23, 24, 31, 32, 255, 256, 65_535, 65_536);
    const value = fc.oneof(
      values,
      lengths.map((length) => "x".repeat(length)),
      lengths.map((length) => new Uint8Array(length)),
      fc.constantFrom(0, 15, 16, 300).map((length) => new Array<number>(length).fill(-1)),
      fc.constantFrom(127, 128, 255, 256, 65_535, 65_536, 2 ** 32, -1, -33, -129, -32_769, -(2 ** 31), 0.5),
    );
    const name = fc.oneof(names, fc.constantFrom("été", "x".repeat(40)));
    const pairs = fc.array(fc.tuple(name, value), { maxLength: 20 });
    let judged = 0;
    fc.assert(
      fc.property(pairs, fc.array(name, { minLength: 1, maxLength: 4 }), (given, wanted) => {
        const encoded = encodeDocument(Object.fromEntries(given));
        if (!encoded.ok) return;
        const whole = decodeDocument(encoded.value);
        const some = Object.fromEntries(Object.entries(whole).filter(([one]) => wanted.includes(one)));
        const read = new FieldExtract(wanted.map((one) => [one, "below"])).from(encoded.value);
        assert.deepEqual({ ...read }, some);
        judged += Object.keys(some).length;
      }),
      { numRuns: 2000 },
    );
    assert(judged > 500, `${judged} fields were read`);
  });

  it("gives a filter all that it looks at", () => {
    let matched = 0;
    fc.assert(
      fc.property(smallDocuments, filters, (document, filter) => {
        const encoded = encodeDocument(document);
        if (!encoded.ok) return;
        const whole: Document = decodeDocument(encoded.value);
        const expected = matches(filter, whole);
        assert.equal(matches(filter, new FieldExtract(fieldsOf(filter)).from(encoded.value)), expected);
        if (expected) matched++;
      }),
      { numRuns: 2000 },
    );
    assert(matched > 100, `${matched} matched`);
  });

  it("throws on bytes that are no document", () => {
    const reader = new FieldExtract([["a"]]);
    for (const bytes of [[], [0x90], [0x81], [0x81, 0xa1], [0x81, 0xa1, 0x61], [0x81, 1, 1], [0x82, 0xa1, 0x62, 0xc1]])
      assert.throws(() => reader.from(Uint8Array.from(bytes)), /not a document/, String(bytes));
  });
});
