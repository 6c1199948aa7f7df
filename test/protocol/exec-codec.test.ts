// Exec codec: whole round trips through msgpack, and nothing that throws on what strangers send.

import assert from "node:assert/strict";
import fc from "fast-check";
import { limits } from "../../src/config/limits.js";
import { type FaultCode, faultCodes } from "../../src/kernel/fault.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import type { ExecReply, ExecRequest } from "../../src/protocol/exec.js";
import { decodeExec, decodeExecReply, encodeExec, encodeExecReply } from "../../src/protocol/exec-codec.js";
import { faultCodeAt, operationAt } from "../../src/protocol/exec-glance.js";
import { filters } from "../query/values.js";
import { must, refused } from "../results.js";

const plain = { noNullPrototype: true };
const position = fc.uint8Array({ maxLength: 40 });
const document = fc.uint8Array({ maxLength: 60 });
const count = fc.oneof(fc.nat(), fc.maxSafeNat());
const end = fc.option(position, { nil: undefined });
const filter = fc.option(filters, { nil: undefined });
const path = fc.array(fc.constantFrom("a", "b", "été", "0"), { minLength: 1, maxLength: 3 });
const read = fc.oneof(
  fc.constant({ level: "strong" as const }),
  fc.constant({ level: "any" as const }),
  fc.record({ level: fc.constant("bounded" as const), maxStaleMs: fc.nat() }, plain),
);
const step = fc.record(
  { act: fc.constantFrom("put", "insert", "update", "delete"), position, document, ifVersion: count },
  { ...plain, requiredKeys: ["act", "position", "document"] },
);
const limit = fc.integer({ min: 1, max: limits.watchChanges });
const op = fc.oneof(
  fc.record({ op: fc.constant("get" as const), position, read }, plain),
  fc.record(
    {
      op: fc.constant("write" as const),
      requestId: fc.string({ minLength: 1, maxLength: limits.requestIdLength, unit: "grapheme-ascii" }),
      steps: fc.array(step, { minLength: 1, maxLength: 3 }),
    },
    plain,
  ),
  fc.record(
    {
      op: fc.constant("scan" as const),
      from: position,
      to: end,
      reverse: fc.boolean(),
      limit,
      maxBytes: fc.integer({ min: 1, max: limits.replyBytes }),
      filter,
      fields: fc.option(fc.array(path, { maxLength: 3 }), { nil: undefined }),
      read,
    },
    plain,
  ),
  fc.record(
    {
      op: fc.constant("aggregate" as const),
      from: position,
      to: end,
      filter,
      groupBy: fc.array(path, { maxLength: 3 }),
      aggregates: fc.constantFrom(
        [{ fn: "count" as const, as: "n" }],
        [
          { fn: "sum" as const, field: ["a", "b"], as: "s" },
          { fn: "max" as const, field: ["a"], as: "m" },
        ],
      ),
      read,
    },
    plain,
  ),
  fc.record(
    {
      op: fc.constant("changes" as const),
      afterLsn: fc.integer({ min: -1 }),
      afterSeq: count,
      waitMs: fc.nat(limits.watchWaitMs),
      limit,
      filter,
    },
    plain,
  ),
);
const timeLeftMs = fc.double({ min: 0, max: limits.deadlineMs, noNaN: true }).map((time) => time + 0);
const part = { fragment: count, epoch: count, ops: fc.array(op, { maxLength: 4 }) };
const requests: fc.Arbitrary<ExecRequest> = fc.oneof(
  fc.record({ timeLeftMs, parts: fc.array(fc.record(part, plain), { maxLength: 3 }) }, plain),
  fc.record(
    {
      timeLeftMs,
      parts: fc.array(fc.record({ ...part, group: fc.nat(1) }, plain), { maxLength: 3 }),
      groups: fc.constant(["shop", "Büro 7"]),
    },
    plain,
  ),
);

const codes = Object.keys(faultCodes) as FaultCode[];
const result = fc.oneof(
  fc.record(
    {
      op: fc.constant("get" as const),
      row: fc.option(fc.record({ version: count, document }, plain), { nil: undefined }),
    },
    plain,
  ),
  fc.record({ op: fc.constant("write" as const), versions: fc.array(count, { maxLength: 3 }) }, plain),
  fc.record(
    {
      op: fc.constant("scan" as const),
      rows: fc.array(fc.record({ position, version: count, document }, plain), { maxLength: 3 }),
      next: end,
    },
    plain,
  ),
  fc.record({ op: fc.constant("aggregate" as const), groups: document, rowsSeen: count }, plain),
  fc.record(
    {
      op: fc.constant("changes" as const),
      changes: fc.array(
        fc.record({ lsn: count, position, version: count, document: fc.option(document, { nil: undefined }) }, plain),
        { maxLength: 3 },
      ),
      lastLsn: count,
      lastSeq: count,
    },
    plain,
  ),
  fc.record(
    {
      op: fc.constant("fault" as const),
      fault: fc.record(
        {
          code: fc.constantFrom(...codes),
          message: fc.string(),
          detail: fc.constantFrom({ limit: 5 }, { a: ["x", null, [true]] }),
        },
        { ...plain, requiredKeys: ["code", "message"] },
      ),
    },
    plain,
  ),
);
const replies: fc.Arbitrary<ExecReply> = fc.record(
  {
    viewSeq: fc.array(count, { maxLength: 3 }),
    results: fc.array(fc.array(result, { maxLength: 3 }), { maxLength: 3 }),
  },
  plain,
);

/** Bytes come back as Buffers: compare them as bytes. */
function bare(value: unknown): unknown {
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (value instanceof Date) return value;
  if (Array.isArray(value)) return value.map(bare);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, bare(inner)]));
}

const travelled = (body: unknown) => must(unpack(pack(body)));

describe("exec codec", () => {
  it("brings requests over whole", () => {
    fc.assert(
      fc.property(requests, (request) => {
        assert.deepEqual(bare(must(decodeExec(travelled(encodeExec(request))))), bare(request));
      }),
      { numRuns: 1000 },
    );
  });

  it("brings replies over whole", () => {
    fc.assert(
      fc.property(replies, (reply) => {
        assert.deepEqual(bare(must(decodeExecReply(travelled(encodeExecReply(reply))))), bare(reply));
      }),
      { numRuns: 1000 },
    );
  });

  it("refuses anything else without throwing", () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withDate: true, withTypedArray: true }), (body) => {
        for (const decoded of [decodeExec(body), decodeExecReply(body)])
          if (!decoded.ok) assert.equal(decoded.fault.code, "UNDECODABLE");
      }),
      { numRuns: 1000 },
    );
    const bend = fc.tuple(fc.oneof(requests.map(encodeExec), replies.map(encodeExecReply)), fc.nat(), fc.nat(255));
    fc.assert(
      fc.property(bend, ([body, at, byte]) => {
        const bytes = pack(body).slice();
        bytes[at % bytes.length] = byte;
        const decoded = unpack(bytes);
        if (!decoded.ok) return;
        decodeExec(decoded.value);
        decodeExecReply(decoded.value);
      }),
      { numRuns: 3000 },
    );
  });

  it("shows each operation and its fault at a glance, and nothing where there is none", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const wire = travelled(encodeExec(request));
        for (const [part, { fragment, ops }] of request.parts.entries())
          for (const [index, { op }] of ops.entries())
            assert.deepEqual(operationAt(wire, [part, index]), { op, fragment });
        assert.equal(operationAt(wire, [request.parts.length, 0]), undefined);
      }),
    );
    fc.assert(
      fc.property(replies, (reply) => {
        const wire = travelled(encodeExecReply(reply));
        for (const [part, results] of reply.results.entries())
          for (const [index, one] of results.entries())
            assert.equal(faultCodeAt(wire, [part, index]), one.op === "fault" ? one.fault.code : undefined);
        assert.equal(faultCodeAt(wire, [0, reply.results[0]?.length ?? 0]), undefined);
      }),
    );
    fc.assert(
      fc.property(fc.anything(), fc.nat(3), fc.nat(3), (body, part, index) => {
        operationAt(body, [part, index]);
        faultCodeAt(body, [part, index]);
      }),
    );
  });

  it("refuses what lies beyond the limits", () => {
    const get = [0, new Uint8Array(4), 0];
    const one = (wire: unknown) => decodeExec([5, [[16, 1, [wire]]]]);
    must(one(get));
    const step = [0, new Uint8Array(4), new Uint8Array(1)];
    const wrong: unknown[] = [
      [0, new Uint8Array(2000), 0],
      [0, "position", 0],
      [0, new Uint8Array(4), 7],
      [0, new Uint8Array(4), [-1]],
      [0, new Uint8Array(4)],
      [1, "", [step]],
      [1, "x".repeat(65), [step]],
      [1, "r", []],
      [1, "r", Array.from({ length: limits.batchOps + 1 }, () => step)],
      [1, "r", [[9, new Uint8Array(4), new Uint8Array(1)]]],
      [1, "r", [[0, new Uint8Array(4), new Uint8Array(limits.documentBytes + 1)]]],
      [1, "r", [[...step, -1]]],
      [2, new Uint8Array(0), null, false, 0, 1, null, null, 0],
      [2, new Uint8Array(0), null, false, limits.scanLimit + 1, 1, null, null, 0],
      [2, new Uint8Array(0), null, false, 1, limits.replyBytes + 1, null, null, 0],
      [2, new Uint8Array(0), null, false, 1, 1, { a: { bad: 1 } }, null, 0],
      [2, new Uint8Array(0), null, false, 1, 1, null, ["a..b"], 0],
      [3, new Uint8Array(0), null, null, [], [{ fn: "sum" }], 0],
      [4, -2, 0, 0, 1, null],
      [4, 0, 0, limits.watchWaitMs + 1, 1, null],
      [5, "INTERNAL", "no request", null],
      [6],
      [],
    ];
    for (const wire of wrong) refused(one(wire), "UNDECODABLE");
    refused(decodeExec([-1, []]), "UNDECODABLE");
    refused(decodeExec([Number.NaN, []]), "UNDECODABLE");
    refused(decodeExec([5, [[16, 1, Array.from({ length: limits.nodeOps + 1 }, () => get)]]]), "TOO_LARGE", /20000/);
  });

  it("reads a fault of an unknown code as INTERNAL", () => {
    const reply = must(decodeExecReply([[1], [[[5, "FROM_THE_FUTURE", "words", null]]]]));
    assert.deepEqual(reply.results, [[{ op: "fault", fault: { code: "INTERNAL", message: "words" } }]]);
  });
});
