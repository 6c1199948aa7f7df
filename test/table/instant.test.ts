// Instants: which spellings are read, and which would mean different things on different machines.

import assert from "node:assert/strict";
import fc from "fast-check";
import { parseInstant } from "../../src/table/instant.js";

describe("instants", () => {
  it("read back every ISO string", () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true }), (date) => {
        assert.equal(parseInstant(date.toISOString())?.getTime(), date.getTime());
      }),
    );
  });

  it("take zones, bare dates and zeros beyond the millisecond", () => {
    const spellings = [
      "2024-02-29",
      "2024-02-29T00:00Z",
      "2024-02-29T01:30:00+01:30",
      "2024-02-28T19:00:00.000000-05:00",
    ];
    for (const text of spellings) assert.equal(parseInstant(text)?.toISOString(), "2024-02-29T00:00:00.000Z", text);
  });

  it("refuse everything else", () => {
    const wrong = [
      "",
      "yesterday",
      "2024-02-29T00:00:00",
      "2023-02-29",
      "2024-13-01",
      "2024-00-10",
      "2024-01-32",
      "2024-01-01T24:00Z",
      "2024-01-01T00:60Z",
      "2024-01-01T00:00:60Z",
      "2024-01-01T00:00:00.0001Z",
      "2024-01-01T00:00Z ",
      "1714512600",
      "2024-01-01T00:00:00+25:00",
      "+999999-01-01",
      "-000000-01-01",
      "24-01-01",
      "2024/01/01",
    ];
    for (const text of wrong) assert.equal(parseInstant(text), undefined, text);
  });
});
