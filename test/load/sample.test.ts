import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { loadKinds } from "../../src/load/kinds.js";
import { decodeSample, encodeSample, noLoad, packSample, type Sample } from "../../src/load/sample.js";
import { pack } from "../../src/protocol/codec.js";

const plain = { noNullPrototype: true } as const;
const amount = fc.integer({ min: 0, max: 1e9 });
const load = fc.record(
  {
    threadCpuMs: amount,
    processCpuMs: amount,
    residentBytes: amount,
    heapBytes: amount,
    readBytes: amount,
    writtenBytes: amount,
    loopDelayMs: amount,
    loopDelayMaxMs: amount,
    refused: amount,
    lostSamples: amount,
  },
  plain,
);
const op = fc.record(
  {
    kind: fc.integer({ min: 0, max: loadKinds.length - 1 }),
    count: amount,
    bytes: amount,
    serviceMs: amount,
  },
  plain,
);
const cell = fc.record(
  {
    fragment: amount,
    table: amount,
    group: fc.constantFrom("shop", "Büro 7", "x".repeat(64), "other"),
    ops: fc.uniqueArray(op, { selector: ({ kind }) => kind, maxLength: 9 }),
  },
  plain,
);
const sample: fc.Arbitrary<Sample> = fc.record(
  {
    node: fc.constantFrom("n1", "node_2"),
    incarnation: fc.constant("a1b2"),
    interval: amount,
    intervalMs: fc.integer({ min: 1, max: 60_000 }),
    spanMs: amount,
    part: fc.constant(0),
    parts: fc.integer({ min: 1, max: 4 }),
    load,
    cells: fc.array(cell, { maxLength: 8 }),
    tallies: fc.constant([]),
  },
  plain,
);

const empty: Sample = {
  node: "n1",
  incarnation: "a1",
  interval: 7,
  intervalMs: 1000,
  spanMs: 1000,
  part: 0,
  parts: 1,
  load: noLoad,
  cells: [],
};

describe("load samples on the wire", () => {
  it("come out as they went in", () => {
    fc.assert(
      fc.property(sample, (given) => {
        const decoded = decodeSample(packSample(given));
        deepStrictEqual(decoded.ok && decoded.value, given);
      }),
    );
  });

  it("stay small: about twenty bytes for a group of a fragment that was asked for one kind", () => {
    const cells = Array.from({ length: 1000 }, (_, index) => ({
      fragment: index * 16,
      table: 3,
      group: `group${index % 16}`,
      ops: [{ kind: 0, count: 120, bytes: 48_000, serviceMs: 31.5 }],
    }));
    const bytes = packSample({ ...empty, cells }).length;
    strictEqual(bytes < 24_000, true, `${bytes} bytes`);
  });

  it("refuse whatever is no sample, and never throw", () => {
    const wire = encodeSample(empty) as unknown[];
    const bent = (at: number, value: unknown) => wire.map((old, index) => (index === at ? value : old));
    const foreign = [
      "hello",
      {},
      [],
      bent(0, 99),
      bent(1, "no name!"),
      bent(3, -1),
      bent(4, 0),
      bent(6, 5),
      bent(9, [""]),
      bent(10, [[1, 2]]),
      bent(10, [[1, 2, 0, 0, 1]]),
      bent(10, [["a", 1, 0]]),
      [...wire, "more"],
    ];
    for (const body of foreign) strictEqual(decodeSample(pack(body)).ok, false, JSON.stringify(body));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        decodeSample(bytes);
      }),
    );
  });
});
