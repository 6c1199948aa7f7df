import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { addAnyCopy, addTo, createCounter } from "../../src/load/counter.js";
import { groupOf, otherGroup, unnamedGroup } from "../../src/load/group.js";
import { loadKinds } from "../../src/load/kinds.js";

describe("counting load", () => {
  it("gives back each operation once, by fragment, group and kind", () => {
    const counter = createCounter();
    const cell = counter.cell(16, 1, "shop");
    addTo(cell, 0, 100, 2);
    addTo(cell, 0, 50, 1);
    addTo(cell, 8, 10, 3);
    addAnyCopy(cell);
    addTo(counter.cell(32, 1, "shop"), 1, 5, 1);
    deepStrictEqual(counter.take(), [
      {
        fragment: 16,
        table: 1,
        group: "shop",
        ops: [
          { kind: 0, count: 2, bytes: 150, serviceMs: 3 },
          { kind: 8, count: 1, bytes: 10, serviceMs: 3 },
        ],
        anyCopy: 1,
      },
      { fragment: 32, table: 1, group: "shop", ops: [{ kind: 1, count: 1, bytes: 5, serviceMs: 1 }], anyCopy: 0 },
    ]);
    deepStrictEqual(counter.take(), []);
    // An operation that was under way at the sample is counted in the next one.
    addTo(cell, 0, 1, 1);
    strictEqual(counter.take()[0]?.ops[0]?.count, 1);
  });

  it("loses no operation however many groups there are, and names no more than it may", () => {
    const asked = fc.array(
      fc.record({ group: fc.integer({ min: 0, max: 40 }), kind: fc.integer({ min: 0, max: loadKinds.length - 1 }) }),
      { maxLength: 300 },
    );
    fc.assert(
      fc.property(fc.array(asked, { minLength: 1, maxLength: 5 }), (intervals) => {
        const counter = createCounter({ named: 4, counted: 9 });
        for (const ops of intervals) {
          for (const { group, kind } of ops) addTo(counter.cell(16, 1, `g${group}`), kind, 1, 1);
          const cells = counter.take();
          strictEqual(
            cells.flatMap((cell) => cell.ops).reduce((sum, { count }) => sum + count, 0),
            ops.length,
          );
          strictEqual(cells.filter(({ group }) => group !== otherGroup).length <= 4, true);
          strictEqual(new Set(cells.map(({ group }) => group)).size, cells.length);
        }
      }),
    );
  });

  it("names the largest groups and keeps them named while others are about as large", () => {
    const counter = createCounter({ named: 2, counted: 8 });
    const ask = (group: string, times: number) => {
      for (let at = 0; at < times; at++) addTo(counter.cell(16, 1, group), 0, 1, 1);
    };
    const named = () =>
      counter
        .take()
        .map(({ group }) => group)
        .sort();
    ask("a", 100);
    ask("b", 90);
    ask("c", 10);
    deepStrictEqual(named(), ["a", "b", otherGroup]);
    ask("a", 100);
    ask("b", 90);
    ask("c", 120);
    deepStrictEqual(named(), ["a", "b", otherGroup]);
    for (let round = 0; round < 10; round++) {
      ask("a", 100);
      ask("b", 10);
      ask("c", 120);
      counter.take();
    }
    ask("a", 1);
    ask("b", 1);
    ask("c", 1);
    deepStrictEqual(named(), ["a", "c", otherGroup]);
  });

  it("takes the group from the configuration, else the user, else says that it has no name", () => {
    strictEqual(groupOf("ada", { ada: "research" }), "research");
    strictEqual(groupOf("bob", { ada: "research" }), "bob");
    strictEqual(groupOf("constructor", {}), "constructor");
    strictEqual(groupOf("", {}), unnamedGroup);
    strictEqual(groupOf("x".repeat(500), {}).length, 64);
  });
});
