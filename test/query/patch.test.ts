// Merge patch and projection.

import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeDocument, encodeDocument } from "../../src/query/document.js";
import { mergePatch } from "../../src/query/patch.js";
import { valueAt } from "../../src/query/path.js";
import { createProjection, project, projectBytes } from "../../src/query/projection.js";
import type { Document, FieldPath, Value } from "../../src/query/query.js";
import { compareValues, isFields } from "../../src/query/value.js";
import { must } from "../results.js";
import { documents, smallDocuments } from "./values.js";

describe("merge patch", () => {
  it("does what RFC 7386 shows in its appendix", () => {
    const cases: readonly (readonly [Document, Document, Document])[] = [
      [{ a: "b" }, { a: "c" }, { a: "c" }],
      [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
      [{ a: "b" }, { a: null }, {}],
      [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
      [{ a: ["b"] }, { a: "c" }, { a: "c" }],
      [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
      [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
      [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
      [{ e: null }, { a: 1 }, { e: null, a: 1 }],
      [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
    ];
    for (const [target, patch, result] of cases) assert.deepEqual(mergePatch(target, patch), result);
  });

  it("replaces dates and bytes whole, and never touches what it was given", () => {
    const target: Document = { at: new Date(0), raw: Uint8Array.of(1), keep: { a: 1 } };
    const patch: Document = { at: new Date(5), raw: { a: 1 }, keep: { b: new Date(1) } };
    assert.deepEqual(mergePatch(target, patch), { at: new Date(5), raw: { a: 1 }, keep: { a: 1, b: new Date(1) } });
    assert.deepEqual(target.keep, { a: 1 });
  });

  it("applied twice changes nothing more, and what it sets is there", () => {
    fc.assert(
      fc.property(smallDocuments, smallDocuments, (target, patch) => {
        const once = mergePatch(target, patch);
        assert.deepEqual(mergePatch(once, patch), once);
        for (const [name, value] of Object.entries(patch)) {
          if (value === null) assert.ok(!Object.hasOwn(once, name));
          else if (!isFields(value)) assert.equal(compareValues(once[name] ?? null, value), 0);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe("projection", () => {
  const document: Document = { a: 1, b: { c: 2, d: { e: 3 }, f: [1] }, g: null };

  it("picks fields with all they hold, in one shape", () => {
    const pick = (...paths: string[]) => project(createProjection(paths.map((path) => path.split("."))), document);
    assert.deepEqual(pick("a"), { a: 1 });
    assert.deepEqual(pick("b.d.e", "b.c"), { b: { d: { e: 3 }, c: 2 } });
    assert.deepEqual(pick("b", "b.c"), { b: document.b });
    assert.deepEqual(pick("b.c", "b"), { b: document.b });
    assert.deepEqual(pick("g", "missing", "toString"), { g: null });
    assert.deepEqual(pick("a.x", "b.x", "b.f.0"), { b: {} });
    assert.deepEqual(pick(), {});
  });

  it("keeps the value at every path, and reads bytes alike", () => {
    const paths: readonly FieldPath[] = [["a"], ["b", "a"], ["c", "b", "a"]];
    fc.assert(
      fc.property(documents, (any) => {
        const projection = createProjection(paths);
        const picked = project(projection, any);
        for (const path of paths) assert.deepEqual(valueAt(picked, path), valueAt(any, path));
        const stored = must(encodeDocument(any));
        const fromBytes: Value = decodeDocument(projectBytes(projection, stored));
        assert.equal(compareValues(fromBytes, picked), 0);
      }),
    );
  });
});
