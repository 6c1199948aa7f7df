import assert from "node:assert/strict";
import fc from "fast-check";
import { chunkDigest, chunkWriter, readChunk } from "../../src/fragment/chunk.js";
import { joinBytes, sameBytes } from "../../src/kernel/bytes.js";
import { testHash } from "../hash.js";
import { must } from "../results.js";

const entry = fc.record({
  room: fc.nat(1),
  key: fc.uint8Array({ minLength: 0, maxLength: 40 }),
  value: fc.uint8Array({ minLength: 0, maxLength: 300 }),
});

describe("chunk", () => {
  it("gives back what was put in, in order, however small the first buffer was", () => {
    fc.assert(
      fc.property(fc.array(entry), fc.integer({ min: 1, max: 500 }), (entries, expected) => {
        const writer = chunkWriter(expected);
        for (const { room, key, value } of entries) writer.add(room, key, value);
        assert.equal(writer.count, entries.length);
        const read = must(readChunk(writer.block()));
        assert.deepEqual(
          read.map(({ key, value }) => [[...key], [...value]]),
          entries.map(({ room, key, value }) => [[...joinBytes(Uint8Array.of(room), key)], [...value]]),
        );
      }),
    );
  });

  it("B1: a block that was cut is a fault, and one bent byte changes the digest", () => {
    const writer = chunkWriter(64);
    for (let n = 0; n < 5; n++) writer.add(0, Uint8Array.of(n, n), Uint8Array.of(n, 1, 2, 3));
    const block = writer.block();
    const whole = block.length / 5;
    for (let length = 1; length < block.length; length++)
      assert.equal(readChunk(block.subarray(0, length)).ok, length % whole === 0, `cut at ${length}`);
    const digest = chunkDigest(block, testHash);
    for (let at = 0; at < block.length; at++) {
      const bent = block.slice();
      bent[at] = (bent[at] ?? 0) ^ 1;
      assert.ok(!sameBytes(digest, chunkDigest(bent, testHash)));
    }
  });
});
