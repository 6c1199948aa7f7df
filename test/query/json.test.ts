// JSON forms, and the base64 beneath them.

import assert from "node:assert/strict";
import fc from "fast-check";
import { fromBase64, fromBase64Url, toBase64, toBase64Url } from "../../src/query/base64.js";
import { fromJson, toJson } from "../../src/query/json.js";
import type { Value } from "../../src/query/query.js";
import { isFields } from "../../src/query/value.js";
import { must, refused } from "../results.js";
import { values } from "./values.js";

describe("base64", () => {
  it("is what Node writes, both ways", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
        assert.equal(toBase64(bytes), Buffer.from(bytes).toString("base64"));
        assert.equal(toBase64Url(bytes), Buffer.from(bytes).toString("base64url"));
        assert.deepEqual(fromBase64(toBase64(bytes)), bytes);
        assert.deepEqual(fromBase64Url(toBase64Url(bytes)), bytes);
      }),
    );
  });

  it("decodes only the one text of some bytes", () => {
    for (const text of ["A", "AA", "AQI", "AQ==A", "AB==", "A===", "AQ=", "====", "A Q=", "AQI=\n", "A-I=", "é"])
      assert.equal(fromBase64(text), undefined, text);
    for (const text of ["A", "AQI=", "AB", "A+I", "AQ Q"]) assert.equal(fromBase64Url(text), undefined, text);
  });
});

/** What JSON keeps of a value: dates become their strings. */
function withoutDates(value: Value): Value {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(withoutDates);
  if (typeof value === "number") return value + 0;
  return isFields(value)
    ? Object.fromEntries(Object.entries(value).map(([name, field]) => [name, withoutDates(field)]))
    : value;
}

describe("JSON", () => {
  it("keeps every value but the type of dates, also of objects that look like special ones", () => {
    fc.assert(
      fc.property(values, (value) => {
        assert.deepEqual(must(fromJson(JSON.parse(JSON.stringify(toJson(value))))), withoutDates(value));
      }),
      { numRuns: 2000 },
    );
  });

  it("reads and writes bytes and dates", () => {
    const instant = new Date("2026-03-01T12:00:00Z");
    assert.deepEqual(toJson({ a: Uint8Array.of(1, 2), b: instant }), {
      a: { $bytes: "AQI=" },
      b: "2026-03-01T12:00:00.000Z",
    });
    assert.deepEqual(must(fromJson({ a: [{ $bytes: "AQI=" }], b: { $date: "2026-03-01T12:00:00Z" } })), {
      a: [Uint8Array.of(1, 2)],
      b: instant,
    });
    assert.deepEqual(must(fromJson({ a: { $$bytes: 1 }, b: { $bytes: "AQI=", c: 1 } })), {
      a: { $bytes: 1 },
      b: { $bytes: "AQI=", c: 1 },
    });
  });

  it("refuses what it cannot read", () => {
    refused(fromJson({ a: { $bytes: "?" } }), "BAD_REQUEST", /base64/);
    refused(fromJson({ a: { $bytes: 5 } }), "BAD_REQUEST", /base64/);
    refused(fromJson({ a: { $date: "2026-03-01T12:00:00" } }), "BAD_REQUEST", /zone/);
    refused(fromJson(JSON.parse('{"a":{"__proto__":{"b":1}}}')), "BAD_DOCUMENT", /__proto__/);
    refused(fromJson(JSON.parse(`${"[".repeat(5000)}${"]".repeat(5000)}`)), "TOO_DEEP", /levels/);
    refused(fromJson(JSON.parse(`${'{"$$bytes":'.repeat(3000)}1${"}".repeat(3000)}`)), "TOO_DEEP", /levels/);
  });
});
