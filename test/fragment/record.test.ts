import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeRecord, encodeRecord, type FragmentRecord, type RecordKind } from "../../src/fragment/record.js";
import { testHash } from "../hash.js";

const bytes = (max: number) => fc.uint8Array({ maxLength: max });
const ascii = fc.string({
  minLength: 1,
  maxLength: 64,
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
});

const record: fc.Arbitrary<Omit<FragmentRecord, "hash">> = fc.record({
  kind: fc.constantFrom<RecordKind>("data", "epoch", "checkpoint", "rebase", "verify"),
  fragment: fc.integer({ min: 0, max: 2 ** 40 }),
  epoch: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  lsn: fc.integer({ min: 0, max: 2 ** 41 }),
  stampMs: fc.integer({ min: 0, max: 2 ** 45 }),
  writer: ascii,
  previousHash: fc.uint8Array({ minLength: 8, maxLength: 8 }),
  rowsDelta: fc.integer({ min: -4096, max: 4096 }),
  bytesDelta: fc.integer({ min: -(2 ** 30), max: 2 ** 30 }),
  requests: fc.array(
    fc.record({ requestId: ascii, first: fc.integer({ min: 0, max: 4095 }), count: fc.integer({ min: 0, max: 4095 }) }),
    { maxLength: 5 },
  ),
  changes: fc.array(fc.record({ position: bytes(40), document: fc.option(bytes(200), { nil: undefined }) }), {
    maxLength: 8,
  }),
});

describe("a log record", () => {
  it("comes back from its bytes as it went in", () => {
    fc.assert(
      fc.property(record, (body) => {
        const encoded = encodeRecord(body, testHash);
        const decoded = decodeRecord(encoded.bytes, testHash);
        assert.ok(decoded.ok);
        assert.deepEqual(plain(decoded.value), plain({ ...body, hash: encoded.hash }));
      }),
    );
  });

  it("with any one bit flipped is refused", () => {
    fc.assert(
      fc.property(record, fc.nat(), (body, at) => {
        const flipped = encodeRecord(body, testHash).bytes.slice();
        const bit = at % (flipped.length * 8);
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
        assert.equal(decodeRecord(flipped, testHash).ok, false);
      }),
    );
  });

  it("cut short or made of anything else is refused and never throws", () => {
    fc.assert(
      fc.property(record, fc.nat(), bytes(300), (body, at, junk) => {
        const whole = encodeRecord(body, testHash).bytes;
        assert.equal(decodeRecord(whole.subarray(0, at % whole.length), testHash).ok, false);
        assert.equal(decodeRecord(junk, testHash).ok, false);
      }),
    );
  });
});

/** Byte arrays as hex, so that views and buffers compare by content. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, part) =>
      part instanceof Uint8Array ? `0x${Buffer.from(part).toString("hex")}` : part,
    ),
  );
}
