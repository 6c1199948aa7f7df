import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import fc from "fast-check";
import type { TableInfo } from "../../cluster/client/index.js";
import {
  aggregateArgument,
  conditionArgument,
  documentArgument,
  filterOf,
  keyArgument,
} from "../../scripts/cli/arguments.js";
import { readCell, readKeyPart, typesArgument } from "../../scripts/cli/csv-typing.js";
import { UsageError } from "../../scripts/cli/failure.js";
import { forget, markOf, rowsDone, saveRows } from "../../scripts/cli/resume-file.js";
import { createRowWriter, RowFault } from "../../scripts/cli/row-writer.js";
import { readRows, type SourceRow, type SourceShape } from "../../scripts/cli/source-rows.js";
import { decodeFilter } from "../../src/query/filter.js";

const twoParts: TableInfo = {
  name: "load",
  partitioning: "range",
  key: { partition: "string", sort: "date" },
  replicas: 3,
  fragments: 1,
  serving: 1,
};
const onePart: TableInfo = { ...twoParts, key: { partition: "string" } };

describe("command line: arguments", () => {
  it("reads keys as JSON where they are, else as text", () => {
    const cases: readonly (readonly [string, unknown])[] = [
      ["ann", "ann"],
      ["42", 42],
      ['"42"', "42"],
      ['["a", 1]', ["a", 1]],
      ["true", "true"],
      ["null", "null"],
      ["[broken", "[broken"],
      ['{"$date": "2026-01-01T00:00:00Z"}', new Date("2026-01-01T00:00:00Z")],
    ];
    for (const [text, key] of cases) assert.deepEqual(keyArgument(text), key, text);
    assert.throws(() => keyArgument('{"$date": "soon"}'), UsageError);
  });

  it("reads conditions into filters that the store takes", () => {
    const cases: readonly (readonly [string, unknown])[] = [
      ["age >= 18", { age: { ge: 18 } }],
      ["city=Oslo", { city: { eq: "Oslo" } }],
      ["a.b != true", { "a.b": { ne: true } }],
      ["name ^= 1", { name: { prefix: "1" } }],
      ["tags ~= new", { tags: { contains: "new" } }],
    ];
    for (const [text, filter] of cases) {
      assert.deepEqual(conditionArgument(text), filter, text);
      assert.ok(decodeFilter(filter).ok, text);
    }
    const both = filterOf(["a>1", "b<2"], '{"c": 3}');
    assert.deepEqual(both, { $and: [{ a: { gt: 1 } }, { b: { lt: 2 } }, { c: 3 }] });
    assert.ok(decodeFilter(both).ok);
    assert.throws(() => conditionArgument("nonsense"), UsageError);
  });

  it("reads aggregates and documents, and refuses what they are not", () => {
    assert.deepEqual(aggregateArgument("count"), { fn: "count" });
    assert.deepEqual(aggregateArgument("avg:amount:mean"), { fn: "avg", field: "amount", as: "mean" });
    for (const wrong of ["sum", "median:x", "sum:a:b:c"]) assert.throws(() => aggregateArgument(wrong), UsageError);
    for (const wrong of ["[1]", "7", "{", "null"]) assert.throws(() => documentArgument(wrong, "it"), UsageError);
  });
});

describe("command line: CSV", () => {
  it("makes a number only of what reads back as the same text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.double({ noNaN: true }).map(String), fc.integer().map(String)), (text) => {
        const cell = readCell(text, "auto");
        assert.ok(cell.ok);
        if (text === "") assert.equal(cell.value, undefined);
        else assert.equal(String(cell.value), text);
      }),
    );
    for (const text of ["007", "1e5", "+1", "1.50", " 1", "0x10"])
      assert.deepEqual(readCell(text, "auto"), { ok: true, value: text });
    assert.deepEqual(readCell("7", "auto"), { ok: true, value: 7 });
  });

  it("types columns as told and refuses cells that do not fit", () => {
    const types = typesArgument("value:number,when:date,a:b:string");
    assert.deepEqual(
      [...types],
      [
        ["value", "number"],
        ["when", "date"],
        ["a:b", "string"],
      ],
    );
    assert.throws(() => typesArgument("value:float"), UsageError);
    assert.deepEqual(readCell("1.50", "number"), { ok: true, value: 1.5 });
    assert.deepEqual(readCell("2026-01-01T00:00:00Z", "date"), { ok: true, value: new Date("2026-01-01T00:00:00Z") });
    for (const [text, type] of [
      ["x", "number"],
      ["2026", "date"],
      ["yes", "boolean"],
      ["{", "json"],
    ] as const)
      assert.equal(readCell(text, type).ok, false, text);
    assert.equal(readKeyPart("soon", "date").ok, false);
    assert.deepEqual(readKeyPart("12", "number"), { ok: true, value: 12 });
  });

  const shape: SourceShape = { format: "csv", key: ["series", "at"], types: new Map(), dropKey: false, skip: 0 };

  async function rowsOf(text: string, over: Partial<SourceShape> = {}, table = twoParts): Promise<SourceRow[]> {
    const rows: SourceRow[] = [];
    for await (const row of readRows(Readable.from([text]), { ...shape, ...over }, table)) rows.push(row);
    return rows;
  }

  it("reads quoted cells, keys by the table's types, and passes over rows that are done", async () => {
    const text = '\ufeffat,series,value\n2026-01-01T00:00:00Z,"a, b",1\n2026-01-02T00:00:00Z,c,\n';
    assert.deepEqual(await rowsOf(text), [
      {
        number: 1,
        key: ["a, b", new Date("2026-01-01T00:00:00Z")],
        doc: { at: "2026-01-01T00:00:00Z", series: "a, b", value: 1 },
      },
      { number: 2, key: ["c", new Date("2026-01-02T00:00:00Z")], doc: { at: "2026-01-02T00:00:00Z", series: "c" } },
    ]);
    const rest = await rowsOf(text, { skip: 1, dropKey: true });
    assert.deepEqual(
      rest.map(({ number, doc }) => [number, doc]),
      [[2, {}]],
    );
  });

  it("names row and column of what is wrong", async () => {
    await assert.rejects(rowsOf("at,series\nsoon,a\n"), /row 1, column at/);
    await assert.rejects(
      rowsOf("at,series\n2026-01-01T00:00:00Z,a\n2026-01-01T00:00:00Z\n"),
      /no proper CSV: .*line 3/,
    );
    await assert.rejects(rowsOf("at,other\n"), /no column "series"/);
    await assert.rejects(rowsOf("at,series\n", { key: ["at"] }), /two parts/);
    await assert.rejects(rowsOf("at,series\n", { types: new Map([["x", "number"]]) }), /"x"/);
  });

  it("reads NDJSON as export writes it, and any objects with key fields", async () => {
    const exported = '{"key":["a",{"$date":"2026-01-01T00:00:00Z"}],"doc":{"n":1}}\n\n';
    assert.deepEqual(await rowsOf(exported, { format: "ndjson", key: undefined }), [
      { number: 1, key: ["a", new Date("2026-01-01T00:00:00Z")], doc: { n: 1 } },
    ]);
    assert.deepEqual(await rowsOf('{"id":"x","n":1}\n', { format: "ndjson", key: ["id"] }, onePart), [
      { number: 1, key: "x", doc: { id: "x", n: 1 } },
    ]);
    await assert.rejects(rowsOf("{\n", { format: "ndjson", key: undefined }), /row 1 is no JSON/);
    await assert.rejects(rowsOf('{"n":1}\n', { format: "ndjson", key: undefined }), /--key/);
  });
});

describe("command line: import", () => {
  interface Sent {
    readonly keys: readonly unknown[];
    done(): void;
    fail(error: Error): void;
  }
  function fakeTable(): { sent: Sent[]; table: Parameters<typeof createRowWriter>[0] } {
    const sent: Sent[] = [];
    const send = (keys: readonly unknown[]): Promise<unknown> =>
      new Promise((resolve, reject) => {
        sent.push({ keys, done: () => resolve({}), fail: reject });
      });
    const fake = {
      put: (key: unknown) => send([key]),
      batch: (ops: readonly { key: unknown }[]) => send(ops.map((op) => op.key)),
    };
    return { sent, table: fake as unknown as Parameters<typeof createRowWriter>[0] };
  }
  const row = (number: number, key: SourceRow["key"]): SourceRow => ({ number, key, doc: { number } });
  const options = { inFlightRows: 1000, deadlineMs: 1000, skipped: 0 };
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it("groups rows of one partition, and counts as done only what has no gap before it", async () => {
    const { sent, table } = fakeTable();
    const writer = createRowWriter(table, options);
    for (const [index, key] of [
      ["a", 1],
      ["a", 2],
      ["b", 1],
      ["c", 1],
    ].entries())
      await writer.add(row(index + 1, key));
    const end = writer.finish();
    assert.deepEqual(
      sent.map(({ keys }) => keys.length),
      [2, 1, 1],
    );
    sent[2]?.done();
    sent[1]?.done();
    await settled();
    assert.equal(writer.acknowledged, 0);
    sent[0]?.done();
    await end;
    assert.equal(writer.acknowledged, 4);
  });

  it("holds a row back while an earlier one of the same key is under way", async () => {
    const { sent, table } = fakeTable();
    const writer = createRowWriter(table, options);
    await writer.add(row(1, "a"));
    await writer.add(row(2, "b"));
    const again = writer.add(row(3, "a"));
    await settled();
    assert.deepEqual(
      sent.map(({ keys }) => keys),
      [["a"]],
    );
    sent[0]?.done();
    await again;
    const end = writer.finish();
    for (const one of sent.slice(1)) one.done();
    await end;
    assert.deepEqual(
      sent.map(({ keys }) => keys),
      [["a"], ["b"], ["a"]],
    );
  });

  it("stops at the first fault with the numbers of its rows", async () => {
    const { sent, table } = fakeTable();
    const writer = createRowWriter(table, options);
    await writer.add(row(1, "a"));
    await writer.add(row(2, "b"));
    const end = writer.finish();
    sent[1]?.fail(new Error("no"));
    sent[0]?.done();
    await assert.rejects(end, (error) => error instanceof RowFault && error.first === 2 && error.last === 2);
    assert.equal(writer.acknowledged, 1);
  });

  it("keeps how far it came beside the file, for that file only", async () => {
    const folder = await mkdtemp(join(tmpdir(), "foreshard-cli-"));
    try {
      const file = join(folder, "rows.csv");
      await writeFile(file, "a\n1\n");
      const mark = await markOf(file, "load", ["a"]);
      assert.equal(await rowsDone(file, mark), 0);
      await saveRows(file, mark, 17);
      assert.equal(await rowsDone(file, mark), 17);
      await assert.rejects(rowsDone(file, { ...mark, table: "other" }), UsageError);
      await writeFile(file, "a\n1\n2\n");
      await assert.rejects(async () => rowsDone(file, await markOf(file, "load", ["a"])), UsageError);
      await forget(file);
      assert.equal(await rowsDone(file, mark), 0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
