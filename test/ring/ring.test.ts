// The ring: every key has an owner; joins and leaves move little, and only where they must; weights and zones count.

import assert from "node:assert/strict";
import fc from "fast-check";
import { createRing, preferenceList, type Ring, type RingNode } from "../../src/ring/ring.js";
import { testHash } from "../hash.js";

const keys = Array.from({ length: 400 }, (_, key) => key * 16);
const ringOf = (nodes: readonly RingNode[]): Ring => createRing(nodes, testHash);
const ownerOf = (ring: Ring, key: number): string | undefined => preferenceList(ring, key, 1)[0]?.id;
const plain = (count: number): RingNode[] =>
  Array.from({ length: count }, (_, at) => ({ id: `node${at}`, weight: 1, zone: "" }));

const nodes = fc
  .uniqueArray(
    fc.record({
      id: fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/),
      weight: fc.constantFrom(0.5, 1, 2),
      zone: fc.constantFrom("", "east", "west", "north"),
    }),
    { minLength: 1, maxLength: 8, selector: ({ id }) => id },
  )
  .filter((list) => list.length > 0);

describe("ring", () => {
  it("gives every key an owner, and lists each node once", () => {
    fc.assert(
      fc.property(nodes, fc.nat(), fc.integer({ min: 1, max: 10 }), (list, key, count) => {
        const preferred = preferenceList(ringOf(list), key, count);
        assert.equal(preferred.length, Math.min(count, list.length));
        assert.equal(new Set(preferred.map(({ id }) => id)).size, preferred.length);
      }),
      { numRuns: 50 },
    );
    assert.deepEqual(preferenceList(ringOf([]), 1, 3), []);
  });

  it("is the same whatever the order of the nodes", () => {
    fc.assert(
      fc.property(nodes, fc.nat(), (list, key) => {
        const other = ringOf([...list].reverse());
        assert.deepEqual(preferenceList(ringOf(list), key, 8), preferenceList(other, key, 8));
      }),
      { numRuns: 50 },
    );
  });

  it("moves owners only to a joiner, and back only from a leaver", () => {
    fc.assert(
      fc.property(nodes, (list) => {
        const joiner: RingNode = { id: "Joiner", weight: 1, zone: "" };
        const [without, joined] = [ringOf(list), ringOf([...list, joiner])];
        for (const key of keys) {
          const after = ownerOf(joined, key);
          if (after !== joiner.id) assert.equal(after, ownerOf(without, key));
        }
      }),
      { numRuns: 20 },
    );
  });

  it("moves little more than the joiner's fair share", () => {
    for (let count = 1; count <= 8; count++) {
      const before = ringOf(plain(count));
      const after = ringOf(plain(count + 1));
      const moved = keys.filter((key) => ownerOf(before, key) !== ownerOf(after, key)).length;
      const fair = keys.length / (count + 1);
      assert.ok(moved > fair * 0.5 && moved < fair * 1.5, `${moved} moved of ${keys.length} to one of ${count + 1}`);
    }
  });

  it("gives a node of twice the weight about twice the keys", () => {
    const ring = ringOf([...plain(3), { id: "Heavy", weight: 2, zone: "" }]);
    const many = Array.from({ length: 4000 }, (_, key) => key);
    const heavy = many.filter((key) => ownerOf(ring, key) === "Heavy").length;
    assert.ok(heavy > 1600 * 0.8 && heavy < 1600 * 1.2, `${heavy} of 4000, where 1600 are due`);
  });

  it("takes one node of each zone before a second of any", () => {
    fc.assert(
      fc.property(nodes, fc.nat(), (list, key) => {
        const zones = new Set(list.map(({ id, zone }) => (zone === "" ? `#${id}` : zone))).size;
        const preferred = preferenceList(ringOf(list), key, zones);
        assert.equal(new Set(preferred.map(({ id, zone }) => (zone === "" ? `#${id}` : zone))).size, zones);
      }),
      { numRuns: 50 },
    );
  });
});
