// Documents: what may be stored, in bytes and as values; the two ways agree.

import assert from "node:assert/strict";
import fc from "fast-check";
import { limits } from "../../src/config/limits.js";
import type { FaultCode } from "../../src/kernel/fault.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import { checkDocument, decodeDocument, encodeDocument } from "../../src/query/document.js";
import { cleanValue } from "../../src/query/value.js";
import { must, refused } from "../results.js";
import { documents } from "./values.js";

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
/** A document whose one field `a` holds these bytes. */
const field = (hex: string) => bytes(`81 a1 61 ${hex}`);

describe("documents", () => {
  it("come back as they went in, and their bytes pass the check", () => {
    fc.assert(
      fc.property(documents, (document) => {
        const encoded = must(encodeDocument(document));
        must(checkDocument(encoded));
        assert.deepEqual(must(cleanValue(decodeDocument(encoded))), must(cleanValue(document)));
      }),
      { numRuns: 2000 },
    );
  });

  it("never make the check throw; what passes it decodes to a storable value", () => {
    let passed = 0;
    const bent = fc
      .tuple(documents, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }), fc.nat(3))
      .map(([document, changes, cut]) => {
        const encoded = must(encodeDocument(document)).slice();
        for (const [at, byte] of changes) encoded[at % encoded.length] = byte;
        return encoded.subarray(0, encoded.length - Math.min(cut, 1));
      });
    fc.assert(
      fc.property(fc.oneof(bent, fc.uint8Array({ maxLength: 60 })), (given) => {
        if (!checkDocument(given).ok) return;
        passed++;
        must(cleanValue(decodeDocument(given)));
      }),
      { numRuns: 20_000 },
    );
    assert.ok(passed > 500, `only ${passed} passed: little was judged`);
  });

  it("are refused by the check exactly when their values would be", () => {
    const cases: readonly (readonly [string, FaultCode, RegExp])[] = [
      ["cb 7ff8000000000000", "BAD_DOCUMENT", /finite/],
      ["ca ff800000", "BAD_DOCUMENT", /finite/],
      ["cf 0020000000000000", "BAD_DOCUMENT", /2\^53/],
      ["cf ffffffffffffffff", "BAD_DOCUMENT", /2\^53/],
      ["d3 ffe0000000000000", "BAD_DOCUMENT", /2\^53/],
      ["d3 8000000000000000", "BAD_DOCUMENT", /2\^53/],
      ["c1", "BAD_DOCUMENT", /0xc1/],
      ["d4 72 00", "BAD_DOCUMENT", /timestamp/],
      ["d6 01 00000000", "BAD_DOCUMENT", /timestamp/],
      ["c7 03 ff 000000", "BAD_DOCUMENT", /timestamp/],
      ["c7 0c ff 00000000 7fffffffffffffff", "BAD_DOCUMENT", /outside the years/],
      ["d7 ff ffffffff 00000000", "BAD_DOCUMENT", /timestamp/],
      ["a2 c328", "BAD_DOCUMENT", /UTF-8/],
      ["a3 eda080", "BAD_DOCUMENT", /UTF-8/],
      ["81 01 01", "BAD_DOCUMENT", /names must be strings/],
      ["81 a9 5f5f70726f746f5f5f 01", "BAD_DOCUMENT", /__proto__/],
      ["81 d9 0b 636f6e7374727563746f72 01", "BAD_DOCUMENT", /constructor/],
      ["81 a9 70726f746f74797065 01", "BAD_DOCUMENT", /prototype/],
      ["82 a1 62 01 d9 01 62 02", "BAD_DOCUMENT", /twice/],
      ["dd ffffffff", "TOO_LARGE", /fields and elements/],
      ["df ffffffff", "TOO_LARGE", /fields and elements/],
      ["db ffffffff", "BAD_DOCUMENT", /middle/],
      ["c6 ffffffff", "BAD_DOCUMENT", /middle/],
      ["01 01", "BAD_DOCUMENT", /follow the end/],
    ];
    for (const [hex, code, words] of cases) refused(checkDocument(field(hex)), code, words);
    for (const hex of ["", "90", "01", "a1 61", "c0", "dc 0000"])
      refused(checkDocument(bytes(hex)), "BAD_DOCUMENT", /an object/);
    for (const hex of [
      "cf 001fffffffffffff",
      "d3 ffe0000000000001",
      "d6 ff 00000000",
      "c7 0c ff 00000000 0000000000000001",
      "cb 7fefffffffffffff",
    ])
      must(checkDocument(field(hex)));
  });

  it("refuse a name that stands twice, also among many", () => {
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`field${index}`, index]));
    const encoded = must(encodeDocument(many));
    must(checkDocument(encoded));
    const twice = Buffer.from(encoded);
    twice.write("field198", twice.indexOf("field199"));
    refused(checkDocument(twice), "BAD_DOCUMENT", /twice/);
  });

  it("refuse values that JavaScript has and documents have not, naming the field", () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    const wide: unknown[] = [];
    wide.push(wide, wide, wide);
    const cases: readonly (readonly [unknown, FaultCode, RegExp])[] = [
      [{ a: { b: Number.NaN } }, "BAD_DOCUMENT", /field "a\.b" must be finite/],
      [{ a: [1, undefined] }, "BAD_DOCUMENT", /field "a\.1" is undefined/],
      [{ a: 2n ** 60n }, "BAD_DOCUMENT", /2\^53/],
      [{ a: () => 1 }, "BAD_DOCUMENT", /function/],
      [{ a: Symbol("s") }, "BAD_DOCUMENT", /symbol/],
      [{ a: new Map() }, "BAD_DOCUMENT", /is a Map/],
      [{ a: new Set() }, "BAD_DOCUMENT", /is a Set/],
      [{ a: new Float64Array(1) }, "BAD_DOCUMENT", /Float64Array/],
      [{ a: new Date(Number.NaN) }, "BAD_DOCUMENT", /invalid date/],
      [{ a: "\udc00" }, "BAD_DOCUMENT", /surrogate/],
      [{ "\udc00": 1 }, "BAD_DOCUMENT", /surrogate/],
      [JSON.parse('{"__proto__": 1}'), "BAD_DOCUMENT", /__proto__/],
      [{ a: { constructor: 1 } }, "BAD_DOCUMENT", /a\.constructor/],
      [{ ["x".repeat(limits.fieldNameBytes + 1)]: 1 }, "BAD_DOCUMENT", /256 bytes/],
      [{ ["é".repeat(129)]: 1 }, "BAD_DOCUMENT", /256 bytes/],
      [cycle, "TOO_DEEP", /32 levels/],
      [{ wide }, "TOO_DEEP", /32 levels/],
      [{ a: "x".repeat(limits.documentBytes + 1) }, "DOCUMENT_TOO_LARGE", /262144/],
      [{ a: new Uint8Array(limits.documentBytes) }, "DOCUMENT_TOO_LARGE", /262144/],
      [new Map(), "BAD_DOCUMENT", /Map/],
      ...[undefined, null, 1, "a", [], new Date(0), new Uint8Array(1), () => 1].map(
        (value) => [value, "BAD_DOCUMENT", /must be an object/] as const,
      ),
    ];
    for (const [value, code, words] of cases) refused(encodeDocument(value), code, words);
    assert.deepEqual(decodeDocument(must(encodeDocument({ a: undefined, b: 5n, c: -0 }))), { b: 5, c: 0 });
  });

  it("keep their limits in bytes as in values: at the limit yes, beyond no", () => {
    const deep = (levels: number) => Array.from({ length: levels - 1 }).reduce<unknown>((inner) => ({ a: inner }), {});
    const nodes = (count: number) => ({ a: Array.from({ length: count - 1 }, () => 1) });
    const long = (size: number) => ({ a: "x".repeat(size - 3 - 5) });
    const pairs: readonly (readonly [unknown, unknown, FaultCode])[] = [
      [deep(limits.documentDepth), deep(limits.documentDepth + 1), "TOO_DEEP"],
      [nodes(limits.documentNodes), nodes(limits.documentNodes + 1), "TOO_LARGE"],
      [long(limits.documentBytes), long(limits.documentBytes + 1), "DOCUMENT_TOO_LARGE"],
      [{ ["é".repeat(128)]: 1 }, { ["é".repeat(129)]: 1 }, "BAD_DOCUMENT"],
    ];
    for (const [fits, exceeds, code] of pairs) {
      must(checkDocument(must(encodeDocument(fits))));
      refused(encodeDocument(exceeds), code);
      refused(checkDocument(pack(exceeds)), code);
    }
  });

  it("do not overflow the stack, however deep the bytes nest", () => {
    refused(checkDocument(field("91".repeat(200_000))), "TOO_DEEP");
    assert.ok(unpack(field("91 01")).ok);
  });
});
