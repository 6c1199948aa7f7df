import assert from "node:assert/strict";
import { headers } from "nats";
import { FaultError } from "../../cluster/client/index.js";
import { limits } from "../../src/config/limits.js";
import type { FaultCode } from "../../src/kernel/fault.js";
import { pack } from "../../src/protocol/codec.js";
import { bytesOf, type Fields, refusedWith, rowOf, Siege, told } from "./siege.js";

/** Sent in both forms, but for what only one of them can say. */
type Case = readonly [
  name: string,
  op: string,
  body: unknown,
  code: FaultCode,
  words: RegExp,
  only?: "msgpack" | "json",
];

const deepArray = (levels: number): unknown => {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = [value];
  return value;
};
/** A document of nested objects, `levels` deep, itself included. */
const deepDocument = (levels: number): Fields => {
  let value: Fields = { end: 1 };
  for (let level = 1; level < levels; level++) value = { in: value };
  return value;
};
const keyOfBytes = (encoded: number) => "k".repeat(encoded - keyFrame);
/** What the encoding of a text key adds to its characters: type and end. */
const keyFrame = 2;
/** A document whose encoding takes exactly `size` bytes. */
function documentOf(size: number): Fields {
  const frame = pack({ text: "x".repeat(70_000) }).length - 70_000;
  return { text: "x".repeat(size - frame) };
}

describe("bad input", () => {
  const siege = new Siege();
  const kept = (op: string) => `foreshard.query.kept.${op}`;

  before(async function () {
    this.timeout(60_000);
    await siege.begin();
    const { admin } = siege.client;
    await Promise.all([
      admin.createTable({ name: "days", key: "date", fragments: 1 }),
      admin.createTable({ name: "numbers", key: "number", fragments: 1 }),
      admin.createTable({ name: "blobs", key: "bytes", fragments: 1 }),
      admin.createTable({ name: "any", key: "any", fragments: 1 }),
      admin.createTable({ name: "series", partitioning: "range", key: { partition: "string", sort: "number" } }),
      // Names that are words of the language are names like others.
      admin.createTable({ name: "constructor", fragments: 1 }),
    ]);
  });
  afterEach(() => siege.assertUnharmed());
  after(() => siege.close());

  function cases(title: string, all: readonly Case[]): void {
    describe(title, () => {
      for (const [name, op, body, code, words, only] of all) {
        it(`${name}: ${code}`, async () => {
          const subject = op.includes(".") ? `foreshard.query.${op}` : kept(op);
          if (only !== "json") refusedWith(await siege.msgpack(subject, body), code, words);
          if (only !== "msgpack") refusedWith(await siege.json(subject, body), code, words);
        });
      }
    });
  }

  describe("bytes that are no request", () => {
    const bombs: readonly (readonly [string, Uint8Array])[] = [
      ["the byte msgpack never uses", bytesOf(0xc1)],
      ["an array said to have 2^32-1 elements", bytesOf(0xdd, 255, 255, 255, 255)],
      ["a map said to have 2^32-1 fields", bytesOf(0xdf, 255, 255, 255, 255)],
      ["text said to have 2^32-1 bytes", bytesOf(0xdb, 255, 255, 255, 255)],
      ["binary said to have 2^32-1 bytes", bytesOf(0xc6, 255, 255, 255, 255)],
      ["an extension said to have 2^32-1 bytes", bytesOf(0xc9, 255, 255, 255, 255, 1)],
      ["a number cut short", bytesOf(0xcf, 1)],
      ["bytes after the end", bytesOf(0x80, 0x80)],
      ["arrays nested 100,000 deep", new Uint8Array(100_000).fill(0x91)],
      ["a record definition of one msgpack library", bytesOf(0xd4, 0x72, 0x40, 0x91, 0xa1, "a", 1)],
      ["text of another protocol", bytesOf("GET / HTTP/1.1\r\n\r\n")],
    ];
    for (const [name, bytes] of bombs) {
      it(`${name}`, async () => {
        const { code, message } = told(await siege.raw(kept("get"), bytes));
        assert.ok(["UNDECODABLE", "BAD_REQUEST"].includes(code), `${code}: ${message}`);
      });
    }

    it("bytes of chance, a thousand times, each answered with a fault", async () => {
      let state = 7;
      const draw = (below: number): number => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.floor((state / 2 ** 32) * below);
      };
      const openers = [0x81, 0x91, 0xc7, 0xd4, 0xd6, 0x72, 0x62, 0x69, 0x70, 0x73, 0x74, 0x78, 0xff, 0xdc];
      const noise = (): Uint8Array =>
        Uint8Array.from({ length: 1 + draw(40) }, () =>
          draw(3) === 0 ? (openers[draw(openers.length)] ?? 0) : draw(256),
        );
      const answers = await Promise.all(Array.from({ length: 1000 }, () => siege.raw(kept("put"), noise())));
      for (const answer of answers) told(answer);
    });

    it("JSON that is cut short, is not UTF-8, nests without end, or is no object", async () => {
      const type = "application/json";
      refusedWith(await siege.raw(kept("get"), '{"key":', type), "UNDECODABLE", /not JSON/);
      refusedWith(await siege.raw(kept("get"), bytesOf('{"key":"', 0xff, '"}'), type), "UNDECODABLE", /not JSON/);
      const nested = "[".repeat(200_000) + "]".repeat(200_000);
      refusedWith(await siege.raw(kept("get"), nested, type), "TOO_DEEP", /levels deep/);
      for (const body of ["[]", "7", "null", '"key"', "true"])
        refusedWith(await siege.raw(kept("get"), body, type), "BAD_REQUEST", /must be an object.*key/);
    });

    it("no body at all: the request says what is missing", async () => {
      refusedWith(await siege.raw(kept("get"), ""), "BAD_KEY", /key is missing/);
      refusedWith(await siege.raw(kept("put"), "", "application/json"), "BAD_KEY", /key is missing/);
      refusedWith(await siege.raw(kept("scan"), "\0"), "BAD_REQUEST", /must be an object/);
    });

    it("a content type that nobody speaks, and JSON without one", async () => {
      const { message, code } = told(await siege.raw(kept("get"), "<key/>", "text/xml"));
      assert.equal(code, "UNSUPPORTED_CONTENT_TYPE");
      assert.match(message, /text\/xml.*application\/json/);
      refusedWith(await siege.raw(kept("get"), '{"key":"a"}'), "UNDECODABLE", /Content-Type: application\/json/);
      refusedWith(
        await siege.raw(kept("get"), "key=a", `text/${"x".repeat(5000)}`),
        "UNSUPPORTED_CONTENT_TYPE",
        /text\/x/,
      );
    });

    it("a content type in another spelling is understood", async () => {
      const odd = headers();
      odd.append("content-type", "Application/JSON; charset=utf-8");
      const { row } = await siege.raw(kept("get"), '{"key":"witness"}', undefined, odd);
      assert.deepEqual(rowOf(row).doc, { still: "here" });
    });

    it("a request over its limit, and one beyond what NATS carries", async () => {
      const large = { key: "a", doc: { text: "x".repeat(limits.requestBytes) } };
      refusedWith(await siege.json(kept("put"), large), "TOO_LARGE", /524288 bytes/);
      refusedWith(await siege.msgpack(kept("put"), large), "TOO_LARGE", /524288 bytes/);
      await assert.rejects(siege.raw(kept("put"), new Uint8Array(1024 * 1024 + 1)), /MAX_PAYLOAD_EXCEEDED/);
    });

    it("headers that would steer a stream are no orders here", async () => {
      const steering = headers();
      for (const [name, value] of [
        ["Nats-Msg-Id", "1"],
        ["Nats-Expected-Last-Sequence", "0"],
        ["Nats-Expected-Stream", "FORESHARD_LOG_0"],
        ["Nats-Rollup", "all"],
        ["Nats-TTL", "1"],
        ["Nats-Schedule-Target", "foreshard.log.0.1"],
      ] as const)
        steering.set(name, value);
      const before = await siege.writesInLogs();
      const { row } = await siege.raw(kept("get"), '{"key":"witness"}', "application/json", steering);
      assert.deepEqual(rowOf(row).doc, { still: "here" });
      assert.deepEqual(await siege.writesInLogs(), before);
    });
  });

  cases("unknown names", [
    ["an operation", "frobnicate", {}, "UNKNOWN_OPERATION", /"frobnicate".*get.*put.*scan/],
    ["an operation that every object has", "constructor", {}, "UNKNOWN_OPERATION", /"constructor"/],
    ["another one", "__proto__", {}, "UNKNOWN_OPERATION", /"__proto__"/],
    ["an operation of 5,000 letters", "x".repeat(3000), {}, "UNKNOWN_OPERATION", /there are get/],
    ["a cluster operation", "_cluster.hasOwnProperty", {}, "UNKNOWN_OPERATION", /ping.*tables/],
    ["a table", "nope.get", { key: "a" }, "UNKNOWN_TABLE", /"nope".*table create/],
    ["a table that is no name", "a%b.get", { key: "a" }, "UNKNOWN_TABLE", /"a%b"/],
    ["a table that every object has", "toString.get", { key: "a" }, "UNKNOWN_TABLE", /"toString"/],
    [
      "a field: a misspelt condition is no absent one",
      "put",
      { key: "a", doc: {}, ifversion: 1 },
      "BAD_REQUEST",
      /"ifversion".*ifVersion/,
    ],
    [
      "a field of a batch's step",
      "batch",
      { ops: [{ op: "put", key: "a", doc: {}, when: 1 }] },
      "BAD_REQUEST",
      /ops\[0\].*"when"/,
    ],
    ["a field of an aggregate", "aggregate", { aggregates: [{ fn: "count", over: "a" }] }, "BAD_REQUEST", /"over"/],
    ["a cluster's field", "_cluster.createTable", { name: "t", colour: 1 }, "BAD_REQUEST", /"colour".*partitioning/],
    ["a node", "_cluster.drain", { node: "n99" }, "UNKNOWN_NODE", /n99/],
  ]);

  cases("keys", [
    ["none", "get", {}, "BAD_KEY", /missing.*string partition key/],
    ["null", "get", { key: null }, "BAD_KEY", /must be a string, but is null/],
    ["a number for text", "put", { key: 5, doc: {} }, "BAD_KEY", /must be a string, but is the number 5/],
    ["an object", "get", { key: { a: 1 } }, "BAD_KEY", /must be a string, but is an object/],
    ["true", "delete", { key: true }, "BAD_KEY", /must be a string/],
    ["no part", "get", { key: [] }, "BAD_KEY", /0 parts/],
    ["a part too many", "get", { key: ["a", "b"] }, "BAD_KEY", /2 parts/],
    ["a part too few", "series.get", { key: "a" }, "BAD_KEY", /1 part; this table wants \[partition, sort\]/],
    ["the sort key of a wrong type", "series.get", { key: ["a", "b"] }, "BAD_KEY", /sort key must be a finite number/],
    ["no date", "days.get", { key: "yesterday" }, "BAD_KEY", /ISO-8601/],
    ["a date without its zone", "days.get", { key: "2026-03-01T12:00:00" }, "BAD_KEY", /ISO-8601/],
    ["an invalid date", "days.get", { key: new Date(Number.NaN) }, "BAD_KEY", /date/, "msgpack"],
    ["NaN", "numbers.put", { key: Number.NaN, doc: {} }, "BAD_KEY", /finite number, but is the number NaN/, "msgpack"],
    ["infinity", "numbers.get", { key: Number.POSITIVE_INFINITY }, "BAD_KEY", /finite number/, "msgpack"],
    ["an integer beyond 2^53", "numbers.get", { key: 2n ** 60n }, "BAD_KEY", /finite number/, "msgpack"],
    ["text for bytes", "blobs.get", { key: "AQI=" }, "BAD_KEY", /\$bytes/],
    ["over the limit", "put", { key: keyOfBytes(limits.keyBytes + 1), doc: {} }, "KEY_TOO_LARGE", /1024/],
    ["far over the limit", "get", { key: "k".repeat(200_000) }, "KEY_TOO_LARGE", /1024/],
    ["nested too deep", "any.get", { key: [deepArray(20)] }, "BAD_KEY", /array/],
    ["half a surrogate pair", "put", { key: "\ud800", doc: {} }, "BAD_KEY", /surrogate|Unicode/, "json"],
    ["one wrong among many", "getMany", { keys: ["a", "b", 3] }, "BAD_KEY", /keys\[2\]/],
    [
      "too many at once",
      "getMany",
      { keys: new Array(1001).fill("a") },
      "BAD_REQUEST",
      /1 to 1000 keys, not an array of 1001/,
    ],
    ["a huge array of them", "getMany", { keys: new Array(100_000).fill("a") }, "BAD_REQUEST", /1 to 1000 keys/],
    ["an empty list of them", "getMany", { keys: [] }, "BAD_REQUEST", /1 to 1000 keys/],
    ["text for a list", "getMany", { keys: "abc" }, "BAD_REQUEST", /keys.*array/],
  ]);

  cases("documents", [
    ["none", "put", { key: "bad" }, "BAD_REQUEST", /doc is missing/],
    ["null", "put", { key: "bad", doc: null }, "BAD_DOCUMENT", /must be an object/],
    ["an array", "put", { key: "bad", doc: [1] }, "BAD_DOCUMENT", /must be an object/],
    ["text", "insert", { key: "bad", doc: "{}" }, "BAD_DOCUMENT", /must be an object/],
    ["a patch that is none", "update", { key: "bad", patch: 1 }, "BAD_DOCUMENT", /must be an object/],
    [
      "__proto__ as a field",
      "put",
      { key: "bad", doc: JSON.parse('{"a":{"__proto__":{"x":1}}}') },
      "BAD_DOCUMENT",
      /__proto_.*no field may have/,
    ],
    [
      "constructor as a field",
      "put",
      { key: "bad", doc: { constructor: { prototype: 1 } } },
      "BAD_DOCUMENT",
      /constructor.*no field may have/,
    ],
    [
      "prototype in a patch",
      "update",
      { key: "bad", patch: { a: { prototype: 1 } } },
      "BAD_DOCUMENT",
      /prototype.*no field may have/,
    ],
    ["NaN", "put", { key: "bad", doc: { n: Number.NaN } }, "BAD_DOCUMENT", /"n" must be finite/, "msgpack"],
    [
      "minus infinity, deep inside",
      "put",
      { key: "bad", doc: { a: [{ b: Number.NEGATIVE_INFINITY }] } },
      "BAD_DOCUMENT",
      /"a\.0\.b" must be finite/,
      "msgpack",
    ],
    [
      "an integer beyond 2^53",
      "put",
      { key: "bad", doc: { n: 2n ** 60n } },
      "BAD_DOCUMENT",
      /2\^53.*string/,
      "msgpack",
    ],
    ["an invalid date", "put", { key: "bad", doc: { at: new Date(Number.NaN) } }, "BAD_DOCUMENT", /"at"/, "msgpack"],

    ["half a surrogate pair", "put", { key: "bad", doc: { s: "\udc00" } }, "BAD_DOCUMENT", /surrogate/, "json"],
    ["a wrong $bytes", "put", { key: "bad", doc: { b: { $bytes: 5 } } }, "BAD_REQUEST", /base64/, "json"],
    ["one level too deep", "put", { key: "bad", doc: deepDocument(limits.documentDepth + 1) }, "TOO_DEEP", /32 levels/],
    ["500 levels too deep", "put", { key: "bad", doc: { d: deepArray(500) } }, "TOO_DEEP", /levels deep/],
    [
      "one element too many",
      "put",
      { key: "bad", doc: { a: new Array(limits.documentNodes).fill(0) } },
      "TOO_LARGE",
      /16384 fields and elements/,
    ],
    [
      "a field name too long",
      "put",
      { key: "bad", doc: { ["f".repeat(257)]: 1 } },
      "BAD_DOCUMENT",
      /more than 256 bytes/,
    ],
    [
      "one byte too many",
      "put",
      { key: "bad", doc: documentOf(limits.documentBytes + 1) },
      "DOCUMENT_TOO_LARGE",
      /262144 bytes/,
    ],
    [
      "bytes that are no document",
      "put",
      { key: "bad", doc: bytesOf(0x81, 0xa1, "a") },
      "BAD_DOCUMENT",
      /ends in the middle/,
      "msgpack",
    ],
    [
      "bytes with a field twice",
      "put",
      { key: "bad", doc: bytesOf(0x82, 0xa1, "a", 1, 0xa1, "a", 2) },
      "BAD_DOCUMENT",
      /twice/,
      "msgpack",
    ],
    [
      "bytes with text that is no Unicode",
      "put",
      { key: "bad", doc: bytesOf(0x81, 0xa1, "a", 0xa1, 0xff) },
      "BAD_DOCUMENT",
      /UTF-8|Unicode/,
      "msgpack",
    ],
  ]);

  describe("at the limit it is stored and read back", () => {
    const at = async (key: string, doc: Fields): Promise<void> => {
      const { version } = await siege.msgpack(kept("put"), { key, doc });
      assert.ok(typeof version === "number" && version > 0);
      assert.deepEqual(rowOf((await siege.msgpack(kept("get"), { key })).row).doc, doc);
    };
    it("a key", () => at(keyOfBytes(limits.keyBytes), { is: "long" }));
    it("a document's bytes", () => at("largest", documentOf(limits.documentBytes)));
    it("a document's depth", () => at("deepest", deepDocument(limits.documentDepth)));
    it("a document's elements", () => at("widest", { a: new Array(limits.documentNodes - 1).fill(0) }));
    it("a field's name", () => at("named", { ["f".repeat(limits.fieldNameBytes)]: 1 }));
    it("an empty key, an empty document, and a key that holds a zero and line ends", async () => {
      await at("", {});
      await at("a\0b\r\nPUB foreshard.log.0.1 0\r\n\r\n", { safe: true });
    });
    it("dates and bytes, by either form of the body", async () => {
      const when = new Date("2026-03-01T12:00:00.000Z");
      const doc = { when, raw: bytesOf(1, 2, 255) };
      await at("typed", doc);
      const spoken = { when: when.toISOString(), raw: { $bytes: "AQL/" } };
      assert.deepEqual(rowOf((await siege.json(kept("get"), { key: "typed" })).row).doc, spoken);
      await siege.json(kept("put"), { key: "typed", doc: { ...spoken, when: { $date: spoken.when } } });
      assert.deepEqual(rowOf((await siege.msgpack(kept("get"), { key: "typed" })).row).doc, doc);
      await siege.json("foreshard.query.blobs.put", { key: { $bytes: "AQI=" }, doc: {} });
      const { rows } = await siege.json("foreshard.query.blobs.scan", {});
      assert.deepEqual((rows as Fields[])[0]?.key, { $bytes: "AQI=" });
      await siege.json("foreshard.query.days.put", { key: "2026-03-01T13:00:00+01:00", doc: {} });
      const days = await siege.json("foreshard.query.days.scan", {});
      assert.deepEqual((days.rows as Fields[])[0]?.key, "2026-03-01T12:00:00.000Z");
    });
    it("minus zero becomes zero, a safe big integer a number", async () => {
      await siege.msgpack(kept("put"), { key: "numbers", doc: { a: -0, b: 5n } });
      const { doc } = rowOf((await siege.msgpack(kept("get"), { key: "numbers" })).row);
      assert.deepEqual(doc, { a: 0, b: 5 });
    });
    it("a table named like a word of the language", async () => {
      await siege.json("foreshard.query.constructor.put", { key: "toString", doc: { a: 1 } });
      const { row } = await siege.json("foreshard.query.constructor.get", { key: "toString" });
      assert.deepEqual(rowOf(row).doc, { a: 1 });
    });
  });

  cases("conditions and batches", [
    [
      "ifVersion on a row that is not there",
      "put",
      { key: "absent", doc: {}, ifVersion: 7 },
      "CONFLICT",
      /version 7.*no such row/,
    ],
    ["the same for a patch", "update", { key: "absent", patch: {}, ifVersion: 7 }, "CONFLICT", /no such row/],
    ["the same for a delete", "delete", { key: "absent", ifVersion: 7 }, "CONFLICT", /no such row/],
    ["a patch on a row that is not there", "update", { key: "absent", patch: {} }, "NOT_FOUND", /put or insert/],
    ["an insert where a row is", "insert", { key: "witness", doc: {} }, "EXISTS", /version \d+.*put/],
    ["ifVersion 0 where a row is", "put", { key: "witness", doc: {}, ifVersion: 0 }, "CONFLICT", /it is at version/],
    ["a negative ifVersion", "put", { key: "absent", doc: {}, ifVersion: -1 }, "BAD_REQUEST", /ifVersion.*-1/],
    ["half an ifVersion", "put", { key: "absent", doc: {}, ifVersion: 1.5 }, "BAD_REQUEST", /ifVersion.*1\.5/],
    ["ifVersion as text", "put", { key: "absent", doc: {}, ifVersion: "7" }, "BAD_REQUEST", /ifVersion.*"7"/],
    ["ifVersion NaN", "put", { key: "absent", doc: {}, ifVersion: Number.NaN }, "BAD_REQUEST", /ifVersion/, "msgpack"],
    [
      "an insert with ifVersion",
      "insert",
      { key: "absent", doc: {}, ifVersion: 3 },
      "BAD_REQUEST",
      /insert can only be 0/,
    ],
    [
      "a batch over several fragments",
      "batch",
      { ops: Array.from({ length: 20 }, (_, i) => ({ op: "put", key: `b${i}`, doc: {} })) },
      "SPANS_FRAGMENTS",
      /"b\d+"/,
    ],
    ["a batch of nothing", "batch", { ops: [] }, "BAD_REQUEST", /1 to 1000 operations/],
    [
      "a batch of too much",
      "batch",
      { ops: new Array(1001).fill({ op: "delete", key: "b" }) },
      "BAD_REQUEST",
      /1 to 1000 operations/,
    ],
    [
      "a batch of too many bytes",
      "batch",
      { ops: [1, 2, 3, 4].map((n) => ({ op: "put", key: "b", doc: { n, text: "x".repeat(100_000) } })) },
      "TOO_LARGE",
      /393216 bytes/,
    ],
    [
      "an unknown step",
      "batch",
      { ops: [{ op: "get", key: "b" }] },
      "BAD_REQUEST",
      /ops\[0\].*"put", "insert", "update" or "delete"/,
    ],
    ["a step that every object has", "batch", { ops: [{ op: "toString", key: "b" }] }, "BAD_REQUEST", /ops\[0\]/],
    ["a step that is null", "batch", { ops: [{ op: "put", key: "b", doc: {} }, null] }, "BAD_REQUEST", /ops\[1\]/],
    [
      "one refused step refuses all",
      "batch",
      {
        ops: [
          { op: "put", key: "b", doc: {} },
          { op: "update", key: "b", patch: {}, ifVersion: 1 },
        ],
      },
      "CONFLICT",
      /step 2 of 2/,
    ],
    [
      "a request id too long",
      "put",
      { key: "absent", doc: {}, requestId: "r".repeat(65) },
      "BAD_REQUEST",
      /requestId.*printable ASCII/,
    ],
    [
      "a request id with line ends",
      "put",
      { key: "absent", doc: {}, requestId: "a\r\nb" },
      "BAD_REQUEST",
      /requestId.*printable ASCII/,
    ],
    ["an empty request id", "put", { key: "absent", doc: {}, requestId: "" }, "BAD_REQUEST", /requestId/],
  ]);

  it("nothing that was refused left a trace", async () => {
    for (const key of ["bad", "absent", "b", "b0"])
      assert.equal((await siege.json(kept("get"), { key })).row, null, key);
  });

  it("a request id used for another request is told, not carried out", async () => {
    const ops = [1, 2].map((n) => ({ op: "put", key: "reused", doc: { n } }));
    const once = await siege.json(kept("put"), { key: "reused", doc: { n: 0 }, requestId: "reused-1" });
    refusedWith(await siege.json(kept("batch"), { ops, requestId: "reused-1" }), "BAD_REQUEST", /request id was used/);
    const row = rowOf((await siege.json(kept("get"), { key: "reused" })).row);
    assert.deepEqual([row.doc, row.version], [{ n: 0 }, once.version]);
  });

  cases("ranges, pages and filters", [
    ["a negative limit", "scan", { limit: -1 }, "BAD_REQUEST", /limit.*1 to 10000, not -1/],
    ["limit 0", "scan", { limit: 0 }, "BAD_REQUEST", /limit.*not 0/],
    ["a limit beyond all rows", "scan", { limit: 1e9 }, "BAD_REQUEST", /1 to 10000/],
    ["a limit as text", "scan", { limit: "10" }, "BAD_REQUEST", /limit.*"10"/],
    ["a limit that is no number", "scan", { limit: Number.NaN }, "BAD_REQUEST", /limit/, "msgpack"],
    ["a cursor of nobody", "scan", { cursor: "AAAA" }, "BAD_CURSOR", /cursor of an earlier answer/],
    ["a cursor that is no text", "scan", { cursor: 7 }, "BAD_REQUEST", /cursor string/],
    ["a cursor without end", "scan", { cursor: "A".repeat(300_000) }, "BAD_CURSOR", /cursor/],
    ["from on a hash table", "scan", { from: "a" }, "BAD_REQUEST", /partitioned by hash/],
    ["prefix and from", "series.scan", { prefix: "a", from: "b" }, "BAD_REQUEST", /either prefix, or from and to/],
    ["from after to", "series.scan", { from: "b", to: "a" }, "BAD_REQUEST", /from comes after to/],
    ["a bound of the wrong type", "series.scan", { from: 7 }, "BAD_KEY", /from.*string/],
    ["reverse as text", "scan", { reverse: "yes" }, "BAD_REQUEST", /reverse.*true or false/],
    ["fields that are none", "scan", { fields: "name" }, "BAD_REQUEST", /fields.*array of field paths/],
    ["too many fields", "get", { key: "a", fields: new Array(300).fill("a") }, "BAD_REQUEST", /at most 256/],
    ["a level that is none", "get", { key: "a", level: "eventual" }, "BAD_REQUEST", /"strong", "bounded" or "any"/],
    ["bounded without its bound", "get", { key: "a", level: "bounded" }, "BAD_REQUEST", /maxStaleMs/],
    ["a filter that is none", "scan", { filter: "age > 3" }, "BAD_FILTER", /must be an object/],
    ["a filter's operator", "scan", { filter: { age: { regex: "(a+)+$" } } }, "BAD_FILTER", /regex/],
    ["a filter's junction", "scan", { filter: { $where: "1" } }, "BAD_FILTER", /\$where/],
    [
      "a filter nested too deep",
      "scan",
      { filter: Array.from({ length: 30 }).reduce((inner) => ({ $not: inner }), { a: 1 }) },
      "TOO_DEEP",
      /16/,
    ],
    [
      "a filter with too many parts",
      "scan",
      { filter: { $or: Array.from({ length: 300 }, (_, a) => ({ a })) } },
      "TOO_LARGE",
      /256/,
    ],
    ["no aggregate", "aggregate", { aggregates: [] }, "BAD_REQUEST", /1 to 64 aggregates/],
    ["an aggregate of nothing", "aggregate", { aggregates: [{ fn: "sum" }] }, "BAD_REQUEST", /sum needs a field/],
    [
      "an unknown aggregate",
      "aggregate",
      { aggregates: [{ fn: "median", field: "a" }] },
      "BAD_REQUEST",
      /"count", "sum"/,
    ],
    [
      "two of one name",
      "aggregate",
      { aggregates: [{ fn: "count" }, { fn: "count" }] },
      "BAD_REQUEST",
      /both answer as "count"/,
    ],
    [
      "a forbidden name",
      "aggregate",
      { aggregates: [{ fn: "count", as: "__proto__" }] },
      "BAD_REQUEST",
      /no field may have/,
    ],
    ["a watch that waits for ever", "watch", { waitMs: 1e9 }, "BAD_REQUEST", /waitMs.*30000/],
    ["a watch's cursor of nobody", "watch", { cursor: "zzzz" }, "BAD_CURSOR", /cursor/],
  ]);

  it("cursors go with their table, query and operation, and no byte of them can be changed", async () => {
    await Promise.all(["p1", "p2", "p3"].map((key) => siege.json(kept("put"), { key, doc: { n: 1 } })));
    const { cursor } = await siege.json(kept("scan"), { limit: 1 });
    assert.ok(typeof cursor === "string");
    const foreign = /another table or query/;
    refusedWith(await siege.json("foreshard.query.any.scan", { limit: 1, cursor }), "BAD_CURSOR", foreign);
    refusedWith(await siege.json(kept("scan"), { reverse: true, cursor }), "BAD_CURSOR", foreign);
    refusedWith(await siege.json(kept("scan"), { filter: { n: 1 }, cursor }), "BAD_CURSOR", foreign);
    refusedWith(await siege.json(kept("watch"), { cursor }), "BAD_CURSOR", foreign);
    const at = Math.floor(cursor.length / 2);
    const bent = cursor.slice(0, at) + (cursor[at] === "A" ? "B" : "A") + cursor.slice(at + 1);
    refusedWith(await siege.json(kept("scan"), { limit: 1, cursor: bent }), "BAD_CURSOR", /not a cursor/);
    const next = await siege.json(kept("scan"), { limit: 1, cursor });
    assert.equal((next.rows as unknown[]).length, 1);
  });

  cases("deadlines", [
    ["0", "get", { key: "a", deadlineMs: 0 }, "BAD_REQUEST", /deadlineMs.*1 to 60000, not 0/],
    ["in the past", "put", { key: "absent", doc: {}, deadlineMs: -5 }, "BAD_REQUEST", /deadlineMs.*-5/],
    ["of a day", "get", { key: "a", deadlineMs: 86_400_000 }, "BAD_REQUEST", /60000/],
    ["as text", "scan", { deadlineMs: "soon" }, "BAD_REQUEST", /deadlineMs.*"soon"/],
    ["of the cluster's operations", "_cluster.tables", { deadlineMs: -1 }, "BAD_REQUEST", /deadlineMs/],
  ]);

  it("a deadline that runs out is answered soon, as what it was", async () => {
    // A wait ends at its deadline; a write that was not carried out in time says whether it may have been.
    const begunMs = performance.now();
    const watched = await siege.json(kept("watch"), { waitMs: 20_000, deadlineMs: 300 });
    assert.deepEqual(watched.changes, []);
    assert.ok(performance.now() - begunMs < 5000, "answered long after the deadline");
    const hurried = await Promise.all(
      Array.from({ length: 200 }, (_, n) => siege.json(kept("put"), { key: `h${n}`, doc: { n }, deadlineMs: 1 })),
    );
    for (const [n, answer] of hurried.entries()) {
      if (!("fault" in answer)) {
        assert.deepEqual(rowOf((await siege.json(kept("get"), { key: `h${n}` })).row).doc, { n });
        continue;
      }
      const { code } = told(answer);
      assert.ok(code === "DEADLINE_EXCEEDED" || code === "UNKNOWN_OUTCOME", code);
    }
  });

  describe("through the client library", () => {
    const table = () => siege.client.table("kept");
    async function thrown(call: () => Promise<unknown>): Promise<FaultError> {
      const error = await call().then(
        () => undefined,
        (why: unknown) => why,
      );
      assert.ok(error instanceof FaultError, `should throw a fault: ${error}`);
      return error;
    }

    it("a name with line ends reaches no wire", async () => {
      const evil = "a\r\nPUB foreshard.log.0.1 2\r\nhi\r\n";
      const before = await siege.writesInLogs();
      assert.throws(
        () => siege.client.table(evil),
        (error) => error instanceof FaultError && error.code === "BAD_NAME",
      );
      assert.equal((await thrown(() => siege.client.admin.createTable({ name: evil }))).code, "BAD_NAME");
      assert.equal((await thrown(() => siege.client.admin.drain(evil))).code, "BAD_NAME");
      assert.equal((await thrown(() => siege.client.admin.dropTable(evil))).code, "BAD_NAME");
      assert.equal((await thrown(() => siege.client.cluster.table(evil))).code, "UNKNOWN_TABLE");
      assert.deepEqual(await siege.writesInLogs(), before);
    });

    it("values that no wire carries are refused with the field's name", async () => {
      const cycle: Fields = {};
      cycle.self = cycle;
      const wrong: readonly (readonly [Fields, FaultCode, RegExp])[] = [
        [{ n: Number.NaN }, "BAD_DOCUMENT", /"n"/],
        [{ f: () => 1 }, "BAD_DOCUMENT", /"f" is a function/],
        [{ s: Symbol("x") }, "BAD_DOCUMENT", /"s" is a symbol/],
        [{ b: 2n ** 70n }, "BAD_DOCUMENT", /"b" is an integer/],
        [{ m: new Map([["a", 1]]) }, "BAD_DOCUMENT", /"m" is a Map/],
        [cycle, "TOO_DEEP", /levels/],
      ];
      for (const [doc, code, words] of wrong) {
        const error = await thrown(() => table().put("bad", doc));
        assert.equal(error.code, code, error.message);
        assert.match(error.message, words);
        assert.equal(error.retry, "no");
      }
      assert.equal(await table().get("bad"), null);
    });

    it("a batch over several fragments, a wrong cursor, a wrong key", async () => {
      const ops = Array.from({ length: 20 }, (_, n) => ({ op: "put" as const, key: `b${n}`, doc: {} }));
      assert.equal((await thrown(() => table().batch(ops))).code, "SPANS_FRAGMENTS");
      assert.equal((await thrown(() => table().page({ cursor: "x" }))).code, "BAD_CURSOR");
      assert.equal((await thrown(() => table().get(["a", "b"]))).code, "BAD_KEY");
      assert.equal((await thrown(() => siege.client.table("nope").get("a"))).code, "UNKNOWN_TABLE");
      assert.equal(await table().get("b0"), null);
    });
  });
});
