// Mix. What a primary makes of its own counts: shares of the whole fragment's load, wherever that was served.

import assert from "node:assert/strict";
import fc from "fast-check";
import { createMixMeter } from "../../src/load/mix.js";

describe("mix of a fragment's load", () => {
  it("is of all its copies, seen from the primary alone", () => {
    const load = fc.record({
      strong: fc.integer({ min: 0, max: 1000 }),
      anyCopy: fc.integer({ min: 0, max: 1000 }),
      writes: fc.integer({ min: 0, max: 1000 }),
      copies: fc.integer({ min: 1, max: 5 }),
    });
    fc.assert(
      fc.property(load, ({ strong, anyCopy, writes, copies }) => {
        fc.pre(strong + anyCopy + writes >= 500);
        const meter = createMixMeter();
        const own = anyCopy / copies;
        for (let interval = 0; interval < 3; interval++)
          meter.note({ ops: strong + writes + own, anyCopy: own, writes }, copies);
        const mix = meter.mix();
        const total = strong + anyCopy + writes;
        assert.ok(mix !== undefined);
        assert.ok(Math.abs(mix.spread - anyCopy / total) < 1e-9, `${mix.spread}`);
        assert.ok(Math.abs(mix.writes - writes / total) < 1e-9, `${mix.writes}`);
      }),
    );
  });

  it("follows the load within a minute, and says nothing where next to nothing was asked", () => {
    const meter = createMixMeter();
    meter.note({ ops: 20, anyCopy: 10, writes: 0 }, 2);
    assert.equal(meter.mix(), undefined);
    for (let interval = 0; interval < 6; interval++) meter.note({ ops: 1000, anyCopy: 0, writes: 1000 }, 2);
    assert.ok((meter.mix()?.writes ?? 0) > 0.98);
    for (let interval = 0; interval < 6; interval++) meter.note({ ops: 1000, anyCopy: 1000, writes: 0 }, 2);
    const mix = meter.mix();
    assert.ok(mix !== undefined && mix.spread > 0.8 && mix.writes < 0.2);
  });
});
