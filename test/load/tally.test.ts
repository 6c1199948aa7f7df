import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { loadKinds } from "../../src/load/kinds.js";
import { decodeSample, encodeSample, noLoad, type Sample } from "../../src/load/sample.js";
import { createTallies, endings, noteIn, serviceBoundsMs } from "../../src/load/tally.js";
import { pack } from "../../src/protocol/codec.js";

const sample = (tallies: Sample["tallies"]): Sample => ({
  node: "n1",
  incarnation: "i1",
  interval: 7,
  intervalMs: 1000,
  spanMs: 1000,
  part: 0,
  parts: 1,
  load: noLoad,
  cells: [],
  ...(tallies === undefined ? {} : { tallies }),
});

describe("tallies", () => {
  it("count every operation once, by ending and by class of time, and arrive as they were counted", () => {
    const noted = fc.record({
      table: fc.nat(3),
      kind: fc.nat(loadKinds.length - 1),
      ending: fc.constantFrom(...endings),
      micros: fc.nat(4_000_000),
    });
    fc.assert(
      fc.property(fc.array(noted, { minLength: 1, maxLength: 50 }), (all) => {
        const tallies = createTallies();
        for (const { table, kind, ending, micros } of all) noteIn(tallies.of(2, table), kind, ending, micros / 1000);
        const decoded = decodeSample(pack(encodeSample(sample(tallies.take()))));
        ok(decoded.ok);
        const lines = decoded.value.tallies ?? [];
        for (const line of lines) {
          const own = all.filter(({ table, kind }) => table === line.table && kind === line.kind);
          strictEqual(line.partition, 2);
          deepStrictEqual(
            line.ended,
            endings.map((ending) => own.filter((one) => one.ending === ending).length),
          );
          const timed = own.filter(({ ending }) => ending !== "again");
          ok(Math.abs(line.serviceMs - timed.reduce((sum, { micros }) => sum + micros / 1000, 0)) < 0.01);
          serviceBoundsMs.forEach((bound, at) => {
            const below = line.byTime.slice(0, at + 1).reduce((sum, count) => sum + count, 0);
            strictEqual(below, timed.filter(({ micros }) => micros / 1000 <= bound).length);
          });
        }
        const counted = lines.reduce((sum, { ended }) => sum + ended.reduce((a, b) => a + b, 0), 0);
        strictEqual(counted, all.length);
        deepStrictEqual(tallies.take(), []);
      }),
    );
  });

  it("are absent in samples of earlier versions, and refused in another form", () => {
    const earlier = encodeSample(sample(undefined));
    ok(Array.isArray(earlier));
    const old = decodeSample(pack(earlier.slice(0, -1)));
    ok(old.ok);
    deepStrictEqual(old.value.tallies, []);
    ok(!decodeSample(pack([...earlier.slice(0, -1), [[1, 2, 3]]])).ok);
    ok(!decodeSample(pack([...earlier.slice(0, -1), 5])).ok);
  });
});
