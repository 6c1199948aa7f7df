import assert from "node:assert/strict";
import fc from "fast-check";
import { IdMap } from "../../src/kernel/id-map.js";

describe("an id map", () => {
  /** A step: begin the next id after a gap, or end, or write anew, the one that many places back among those under way. */
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("begin" as const), gap: fc.nat(3) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("end" as const), at: fc.nat(400) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("again" as const), at: fc.nat(400) }) },
  );

  it("holds what a Map holds, whatever stays long and whatever ends soon", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 600 }), fc.nat(2 ** 40), (steps, first) => {
        const ours = new IdMap<number>();
        const map = new Map<number, number>();
        let id = first;
        for (const [turn, one] of steps.entries()) {
          if (one.kind === "begin") id += 1 + one.gap;
          const held = one.kind === "begin" ? id : ([...map.keys()].at(one.at % (map.size + 1)) ?? id);
          if (one.kind === "end") assert.equal(ours.delete(held), map.delete(held));
          else {
            ours.set(held, turn);
            map.set(held, turn);
          }
          assert.equal(ours.size, map.size);
          assert.equal(ours.has(held), map.has(held));
          assert.equal(ours.get(held), map.get(held));
        }
        assert.deepEqual(
          ours.entries().sort(([a], [b]) => a - b),
          [...map].sort(([a], [b]) => a - b),
        );
        for (const [held, turn] of map) assert.equal(ours.get(held), turn);
      }),
      { numRuns: 300 },
    );
  });

  it("keeps one that takes long while a hundred thousand come and go, and more at once than its ring has places", () => {
    const map = new IdMap<string>();
    map.set(3, "long");
    for (let id = 4; id < 100_000; id++) {
      map.set(id, "short");
      assert.ok(map.delete(id));
    }
    assert.deepEqual(map.entries(), [[3, "long"]]);
    for (let id = 100_000; id < 300_000; id++) map.set(id, "many");
    assert.equal(map.size, 200_001);
    assert.equal(map.get(100_000), "many");
    for (let id = 100_000; id < 300_000; id++) assert.ok(map.delete(id));
    assert.equal(map.get(3), "long");
    assert.equal(map.size, 1);
  });

  it("knows nothing of what is no id, and of what was never there", () => {
    const map = new IdMap<number>();
    assert.equal(map.get(0), undefined);
    assert.equal(map.delete(0), false);
    map.set(0, 1);
    for (const id of [Number.NaN, -1, 0.5, 64, 2 ** 32]) {
      assert.equal(map.get(id), undefined, String(id));
      assert.ok(!map.has(id) && !map.delete(id), String(id));
    }
    assert.equal(map.size, 1);
  });
});
