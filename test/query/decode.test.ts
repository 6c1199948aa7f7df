// Decoding of client requests: defaults, ranges, limits, refusals that help; and cursors that go on page by page.

import assert from "node:assert/strict";
import fc from "fast-check";
import { limits } from "../../src/config/limits.js";
import { type Bytes, compareBytes } from "../../src/kernel/bytes.js";
import type { FaultCode } from "../../src/kernel/fault.js";
import { pack } from "../../src/protocol/codec.js";
import { encodeScanCursor, encodeWatchCursor } from "../../src/query/cursor.js";
import { decodeQuery, isQueryOp, queryOps } from "../../src/query/decode.js";
import { encodeDocument } from "../../src/query/document.js";
import type { Query } from "../../src/query/query.js";
import { keyOfPosition, positionOf } from "../../src/table/key.js";
import type { RowKey, TableDef } from "../../src/table/table.js";
import { testHash } from "../hash.js";
import { must, refused } from "../results.js";
import { documents } from "./values.js";

const users: TableDef = { id: 1, name: "users", partitioning: "hash", key: { partition: "string" }, replicas: 3 };
const series: TableDef = {
  id: 2,
  name: "series",
  partitioning: "range",
  key: { partition: "string", sort: "date" },
  replicas: 3,
};
const posts: TableDef = {
  ...series,
  id: 3,
  name: "posts",
  partitioning: "hash",
  key: { partition: "number", sort: "string" },
};

type Asked<Op extends Query["op"]> = Extract<Query, { op: Op }>;

function decode<Op extends Query["op"]>(as: Op, op: string, body: unknown, table = users): Asked<Op> {
  const query = must(decodeQuery(op, body, table, testHash));
  if (query.op !== as) throw new Error(`expected ${as}, got ${query.op}`);
  return query as Asked<Op>;
}

const at = (table: TableDef, key: RowKey) => must(positionOf(table, key, testHash));
const inside = (position: Bytes, { from, to }: { from: Bytes; to: Bytes | undefined }) =>
  compareBytes(position, from) >= 0 && (to === undefined || compareBytes(position, to) < 0);

describe("requests", () => {
  it("have an operation of the list", () => {
    assert.deepEqual([...queryOps].sort(), [
      "aggregate",
      "batch",
      "delete",
      "get",
      "getMany",
      "insert",
      "put",
      "scan",
      "update",
      "watch",
    ]);
    refused(decodeQuery("drop", {}, users, testHash), "UNKNOWN_OPERATION", /get, getMany, put/);
    assert.ok(!isQueryOp("toString"));
  });

  it("to read give position, level, fields and deadline", () => {
    const get = decode("get", "get", { key: "a" });
    assert.deepEqual(get, {
      op: "get",
      position: at(users, ["a"]),
      read: { level: "strong" },
      fields: undefined,
      deadlineMs: limits.defaultDeadlineMs,
    });
    const many = decode("getMany", "getMany", {
      keys: ["a", ["b"]],
      level: "bounded",
      maxStaleMs: 50,
      fields: ["x.y"],
      deadlineMs: 1,
    });
    assert.deepEqual(many.positions, [at(users, ["a"]), at(users, ["b"])]);
    assert.deepEqual(
      [many.read, many.fields, many.deadlineMs],
      [{ level: "bounded", maxStaleMs: 50 }, [["x", "y"]], 1],
    );
  });

  it("to write take documents as values or as bytes, and mean the same", () => {
    fc.assert(
      fc.property(documents, (doc) => {
        const bytes = must(encodeDocument(doc));
        const [byValue, byBytes] = [doc, bytes].map((given) =>
          decode("write", "put", { key: "a", doc: given, requestId: "r 1" }),
        );
        assert.deepEqual(byValue, byBytes);
        assert.deepEqual(byValue?.steps, [{ act: "put", position: at(users, ["a"]), document: bytes }]);
      }),
      { numRuns: 300 },
    );
    assert.equal(decode("write", "insert", { key: "a", doc: {}, ifVersion: 0 }).single, true);
    const patch = decode("write", "update", { key: "a", patch: { b: null }, ifVersion: 7 }).steps;
    assert.deepEqual(patch, [{ act: "update", position: at(users, ["a"]), document: pack({ b: null }), ifVersion: 7 }]);
    const removed = decode("write", "delete", { key: "a" }).steps;
    assert.deepEqual(removed, [{ act: "delete", position: at(users, ["a"]), document: new Uint8Array(0) }]);
    const batch = decode("write", "batch", {
      ops: [
        { op: "put", key: "a", doc: { x: 1 } },
        { op: "insert", key: "b", doc: {} },
        { op: "update", key: "a", patch: {} },
        { op: "delete", key: "c", ifVersion: 3 },
      ],
      requestId: "batch-1",
    });
    assert.deepEqual(
      batch.steps.map(({ act, ifVersion }) => [act, ifVersion]),
      [
        ["put", undefined],
        ["insert", undefined],
        ["update", undefined],
        ["delete", 3],
      ],
    );
    assert.deepEqual([batch.single, batch.requestId], [false, "batch-1"]);
  });

  it("to watch start from now or from a cursor", () => {
    const first = decode("watch", "watch", {});
    assert.deepEqual(
      [first.after.marks, first.waitMs, first.limit],
      [[], limits.watchDefaultWaitMs, limits.watchChanges],
    );
    const place = { viewSeq: 7, marks: [{ fragment: 16, lsn: 5, seq: 9 }] };
    const cursor = encodeWatchCursor(first.fingerprint, place, testHash);
    assert.deepEqual(decode("watch", "watch", { cursor, waitMs: 0, limit: 5 }).after, place);
    refused(
      decodeQuery("watch", { cursor, filter: { a: 1 } }, users, testHash),
      "BAD_CURSOR",
      /another table or query/,
    );
    refused(decodeQuery("watch", { cursor }, posts, testHash), "BAD_CURSOR", /another table or query/);
  });

  it("to aggregate name their answers", () => {
    const { aggregates, groupBy } = decode("aggregate", "aggregate", {
      groupBy: ["a.b"],
      aggregates: [
        { fn: "count" },
        { fn: "count", field: "x" },
        { fn: "sum", field: "x.y" },
        { fn: "avg", field: "x", as: "mean" },
      ],
    });
    assert.deepEqual(groupBy, [["a", "b"]]);
    assert.deepEqual(aggregates, [
      { fn: "count", as: "count" },
      { fn: "count", field: ["x"], as: "count_x" },
      { fn: "sum", field: ["x", "y"], as: "sum_x.y" },
      { fn: "avg", field: ["x"], as: "mean" },
    ]);
  });
});

describe("ranges", () => {
  const day = (text: string) => new Date(`${text}T00:00:00Z`);

  it("of a range table run from key to key, whole or only their partition key", () => {
    const range = decode("scan", "scan", { from: "b", to: ["c", "2020-01-02"] }, series);
    const has = (key: RowKey) => inside(at(series, key), range);
    assert.deepEqual(
      [
        has(["a", day("2030-01-01")]),
        has(["b", day("1900-01-01")]),
        has(["c", day("2020-01-01")]),
        has(["c", day("2020-01-02")]),
      ],
      [false, true, true, false],
    );
    const all = decode("scan", "scan", {}, series);
    assert.deepEqual([all.from.length, all.to, all.limit, all.reverse], [0, undefined, limits.scanDefaultLimit, false]);
    const prefixed = decode("scan", "scan", { prefix: "svc" }, series);
    assert.ok(inside(at(series, ["svc021", day("2020-01-01")]), prefixed));
    assert.ok(!inside(at(series, ["svd", day("2020-01-01")]), prefixed));
  });

  it("within a partition bound its sort key, on any table", () => {
    const range = decode("scan", "scan", { partition: "a", from: "2020-01-01", to: "2020-01-02" }, series);
    assert.ok(inside(at(series, ["a", day("2020-01-01")]), range));
    assert.ok(!inside(at(series, ["a", day("2020-01-02")]), range));
    const prefixed = decode("scan", "scan", { partition: 7, prefix: "2020-" }, posts);
    assert.ok(inside(at(posts, [7, "2020-05"]), prefixed));
    assert.ok(!inside(at(posts, [7, "2021"]), prefixed) && !inside(at(posts, [8, "2020-05"]), prefixed));
    const whole = decode("aggregate", "aggregate", { partition: 7, aggregates: [{ fn: "count" }] }, posts);
    assert.ok(inside(at(posts, [7, ""]), whole) && !inside(at(posts, [7.5, ""]), whole));
    const rest = decode("scan", "scan", { partition: 7, from: "m" }, posts);
    assert.ok(inside(at(posts, [7, "z"]), rest) && !inside(at(posts, [8, "z"]), rest));
  });

  it("are refused where they make no sense, with what would", () => {
    const cases: readonly (readonly [TableDef, object, FaultCode, RegExp])[] = [
      [users, { from: "a" }, "BAD_REQUEST", /partitioned by hash.*name a partition/],
      [users, { prefix: "a" }, "BAD_REQUEST", /partitioned by hash/],
      [users, { partition: "a", from: "b" }, "BAD_REQUEST", /no sort key/],
      [series, { partition: "a", prefix: "2020" }, "BAD_REQUEST", /strings, bytes or tuples, not a date/],
      [series, { prefix: "a", from: "b" }, "BAD_REQUEST", /either prefix, or from and to/],
      [series, { from: "b", to: "a" }, "BAD_REQUEST", /from comes after to/],
      [series, { from: 5 }, "BAD_KEY", /partition key in from must be a string/],
      [series, { from: ["a", "b", "c"] }, "BAD_KEY", /3 parts/],
      [
        series,
        { partition: "a", from: 5 },
        "BAD_KEY",
        /from \(a sort key, because partition is given\) must be a date/,
      ],
      [series, { partition: 5 }, "BAD_KEY", /partition must be a string/],
      [series, { from: null }, "BAD_KEY", /is null/],
    ];
    for (const [table, body, code, words] of cases) refused(decodeQuery("scan", body, table, testHash), code, words);
  });
});

describe("cursors of scans", () => {
  const keys = Array.from({ length: 50 }, (_, index) => `k${String(index).padStart(2, "0")}`);
  const table: TableDef = { ...users, partitioning: "range" };
  const stored = keys.map((key) => at(table, [key]));

  for (const reverse of [false, true])
    it(`page through a range ${reverse ? "in reverse" : "in order"}, each row once`, () => {
      const body = { from: "k05", to: "k40", reverse, limit: 7, filter: { a: 1 } };
      const seen: unknown[] = [];
      let cursor: string | null = null;
      let pages = 0;
      do {
        const query: Asked<"scan"> = decode("scan", "scan", { ...body, cursor }, table);
        const hits = stored.filter((position) => inside(position, query));
        const page = (reverse ? hits.reverse() : hits).slice(0, query.limit);
        seen.push(...page.map((position) => must(keyOfPosition(table, position))[0]));
        const last = page.at(-1);
        const next = last === undefined || reverse ? last : Uint8Array.from([...last, 0]);
        cursor = next === undefined ? null : encodeScanCursor(query.fingerprint, next, testHash);
      } while (cursor !== null && ++pages < 20);
      const expected = keys.slice(5, 40);
      assert.deepEqual(seen, reverse ? expected.reverse() : expected);
    });

  it("are bound to range, direction and filter, not to page size, and never widen the range", () => {
    const body = { from: "k05", to: "k40", filter: { a: 1 } };
    const { fingerprint } = decode("scan", "scan", body, table);
    const cursor = encodeScanCursor(fingerprint, at(table, ["k07"]), testHash);
    assert.deepEqual(
      decode("scan", "scan", { ...body, cursor, limit: 1, fields: ["a"] }, table).from,
      at(table, ["k07"]),
    );
    for (const change of [{ from: "k04" }, { to: "k41" }, { reverse: true }, { filter: { a: 2 } }])
      refused(
        decodeQuery("scan", { ...body, ...change, cursor }, table, testHash),
        "BAD_CURSOR",
        /another table or query/,
      );
    refused(decodeQuery("scan", { ...body, cursor }, { ...table, id: 9 }, testHash), "BAD_CURSOR", /another table/);
    const beyond = encodeScanCursor(fingerprint, at(table, ["k99"]), testHash);
    assert.deepEqual(decode("scan", "scan", { ...body, cursor: beyond }, table).from, at(table, ["k40"]));
    const before = encodeScanCursor(fingerprint, new Uint8Array(0), testHash);
    assert.deepEqual(decode("scan", "scan", { ...body, cursor: before }, table).from, at(table, ["k05"]));
  });
});

describe("bad requests", () => {
  it("are refused by name, with what would be right", () => {
    const keys = (count: number) => Array.from({ length: count }, (_, index) => `k${index}`);
    const puts = (count: number, doc: object) => keys(count).map((key) => ({ op: "put", key, doc }));
    const cases: readonly (readonly [string, unknown, FaultCode, RegExp])[] = [
      ...[undefined, null, 5, "x", [], new Date(0)].map(
        (body) => ["get", body, "BAD_REQUEST", /must be an object; its fields are key/] as const,
      ),
      ["get", {}, "BAD_KEY", /missing/],
      ["get", { key: "a", levle: "any" }, "BAD_REQUEST", /no field "levle"; its fields are key, fields, level/],
      ["get", { key: "a", level: "weak" }, "BAD_REQUEST", /"strong", "bounded" or "any", not "weak"/],
      ["get", { key: "a", level: "bounded" }, "BAD_REQUEST", /needs maxStaleMs/],
      ["get", { key: "a", maxStaleMs: 5 }, "BAD_REQUEST", /goes with level "bounded"/],
      ["get", { key: "a", fields: ["a", 5] }, "BAD_REQUEST", /fields\[1\].*field path/],
      ["get", { key: "a", fields: ["a..b"] }, "BAD_REQUEST", /fields\[0\]: the path has an empty part/],
      ["get", { key: "a", fields: keys(257) }, "BAD_REQUEST", /at most 256/],
      ...[0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, "5", 60_001, null, 5n].map(
        (deadlineMs) => ["get", { key: "a", deadlineMs }, "BAD_REQUEST", /deadlineMs.*from 1 to 60000/] as const,
      ),
      ["getMany", { keys: [] }, "BAD_REQUEST", /1 to 1000 keys/],
      ["getMany", { keys: keys(1001) }, "BAD_REQUEST", /1 to 1000 keys, not an array of 1001/],
      ["getMany", { keys: ["a", 5] }, "BAD_KEY", /keys\[1\]: the partition key must be a string/],
      ["put", { key: "a" }, "BAD_REQUEST", /doc is missing/],
      ["put", { key: "a", doc: 5 }, "BAD_DOCUMENT", /must be an object/],
      ["put", { key: "a", doc: { a: Number.NaN } }, "BAD_DOCUMENT", /"a" must be finite/],
      ["put", { key: "a", doc: Uint8Array.of(0x81) }, "BAD_DOCUMENT", /middle/],
      ["put", { key: "a", doc: {}, patch: {} }, "BAD_REQUEST", /no field "patch"/],
      ["put", { key: "x".repeat(2000), doc: {} }, "KEY_TOO_LARGE", /1024/],
      ...["", "x".repeat(65), "a\nb", "é", 5].map(
        (requestId) => ["put", { key: "a", doc: {}, requestId }, "BAD_REQUEST", /1 to 64 printable ASCII/] as const,
      ),
      ...[-1, 1.5, "1", 2 ** 53].map(
        (ifVersion) => ["put", { key: "a", doc: {}, ifVersion }, "BAD_REQUEST", /ifVersion.*whole number/] as const,
      ),
      ["insert", { key: "a", doc: {}, ifVersion: 1 }, "BAD_REQUEST", /only be 0/],
      ["update", { key: "a", doc: {} }, "BAD_REQUEST", /no field "doc"/],
      ["update", { key: "a" }, "BAD_REQUEST", /patch is missing/],
      ["batch", { ops: [] }, "BAD_REQUEST", /1 to 1000 operations/],
      ["batch", { ops: [{ key: "a" }] }, "BAD_REQUEST", /ops\[0\]: each needs "op"/],
      ["batch", { ops: [{ op: "get", key: "a" }] }, "BAD_REQUEST", /ops\[0\]: each needs "op": "put"/],
      ["batch", { ops: [null] }, "BAD_REQUEST", /ops\[0\]/],
      ["batch", { ops: [{ op: "put", key: "a", doc: {}, requestId: "x" }] }, "BAD_REQUEST", /ops\[0\].*"requestId"/],
      ["batch", { ops: puts(1001, {}) }, "BAD_REQUEST", /not an array of 1001/],
      ["batch", { ops: puts(4, { a: "x".repeat(100_000) }) }, "TOO_LARGE", /393216 bytes/],
      ...[0, -1, 1.5, limits.scanLimit + 1, "10"].map(
        (limit) => ["scan", { limit }, "BAD_REQUEST", /limit.*1 to 10000/] as const,
      ),
      ["scan", { reverse: 1 }, "BAD_REQUEST", /true or false/],
      ["scan", { cursor: 5 }, "BAD_REQUEST", /cursor string/],
      ["scan", { cursor: "abc" }, "BAD_CURSOR", /not a cursor/],
      ["scan", { filter: 5 }, "BAD_FILTER", /must be an object/],
      ["aggregate", {}, "BAD_REQUEST", /aggregates.*missing/],
      ["aggregate", { aggregates: [] }, "BAD_REQUEST", /1 to 64/],
      ["aggregate", { aggregates: [{ fn: "sum" }] }, "BAD_REQUEST", /aggregates\[0\]: sum needs a field/],
      ["aggregate", { aggregates: [{ fn: "median", field: "a" }] }, "BAD_REQUEST", /"count", "sum"/],
      ["aggregate", { aggregates: [{ fn: "count" }, { fn: "count" }] }, "BAD_REQUEST", /both answer as "count"/],
      ["aggregate", { aggregates: [{ fn: "count", as: "group" }] }, "BAD_REQUEST", /cannot have/],
      ["aggregate", { aggregates: [{ fn: "count", as: "__proto__" }] }, "BAD_REQUEST", /no field may have/],
      ["aggregate", { aggregates: [{ fn: "count" }], groupBy: keys(9) }, "BAD_REQUEST", /at most 8/],
      ["watch", { waitMs: -1 }, "BAD_REQUEST", /0 to 30000/],
      ["watch", { limit: 1001 }, "BAD_REQUEST", /1 to 1000/],
      ["watch", { key: "a" }, "BAD_REQUEST", /no field "key"/],
    ];
    for (const [op, body, code, words] of cases) refused(decodeQuery(op, body, users, testHash), code, words);
  });

  it("never make decoding throw", () => {
    const fields = [
      "key",
      "keys",
      "doc",
      "patch",
      "ops",
      "op",
      "filter",
      "fields",
      "level",
      "maxStaleMs",
      "deadlineMs",
      "cursor",
      "partition",
      "from",
      "to",
      "prefix",
      "limit",
      "groupBy",
      "aggregates",
      "fn",
      "field",
      "as",
      "requestId",
      "ifVersion",
      "waitMs",
      "__proto__",
    ];
    const anything = fc.oneof(fc.anything({ withBigInt: true, withDate: true, withTypedArray: true }), fc.jsonValue());
    const body = fc.oneof(
      anything,
      fc.dictionary(fc.constantFrom(...fields), fc.oneof(anything, fc.constantFrom("a", 5, ["a"], [{ op: "put" }]))),
    );
    let judged = 0;
    fc.assert(
      fc.property(fc.constantFrom(...queryOps), body, fc.constantFrom(users, series, posts), (op, given, table) => {
        const query = decodeQuery(op, given, table, testHash);
        if (query.ok) return;
        judged++;
        assert.ok(query.fault.message.length > 10 && query.fault.message.length < 2000);
      }),
      { numRuns: 3000 },
    );
    assert.ok(judged > 1000);
  });
});
