import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type DigestTree,
  digestTree,
  mostDifferences,
  narrow,
  partsOf,
  startSearch,
} from "../../src/fragment/digest.js";
import { rowKey, rowValue, windowKey } from "../../src/fragment/layout.js";
import { contains } from "../../src/fragment/range.js";
import { bookkeeping, emptyReplica, type Replica } from "../../src/fragment/replica.js";
import { compareBytes } from "../../src/kernel/bytes.js";
import type { Position, PositionRange } from "../../src/table/table.js";
import { testHash } from "../hash.js";
import { must } from "../results.js";
import { SimStore } from "../sim/store.js";

const fragment = 16;
const everything: PositionRange = { from: new Uint8Array(0), to: undefined };
const utf8 = new TextEncoder();

interface Row {
  readonly position: Position;
  readonly version: number;
  readonly document: Uint8Array;
}
interface Wish {
  readonly shelf?: number;
  readonly lsn?: number;
  readonly window?: readonly string[];
  readonly rows?: number;
}

/** A store with the rows on a shelf, and with others' rows before and behind them. */
function storeWith(rows: readonly Row[], wish: Wish = {}): SimStore {
  const { shelf = 3, lsn = 9, window = ["a"] } = wish;
  const store = new SimStore("disk");
  const replica: Replica = { ...emptyReplica(fragment, shelf, everything), lsn, rows: wish.rows ?? rows.length };
  const foreign = [shelf - 1, shelf + 1].map((other) => ({
    key: rowKey(other, utf8.encode("x")),
    value: rowValue(other, utf8.encode("y")),
  }));
  const own = rows.map(({ position, version, document }) => ({
    key: rowKey(shelf, position),
    value: rowValue(version, document),
  }));
  const ids = window.map((text, at) => ({ key: windowKey(fragment, at + 1), value: utf8.encode(text) }));
  store.commit([...own, ...foreign, ...ids, bookkeeping(replica)], [], undefined);
  return store;
}
const treeOf = (rows: readonly Row[], wish: Wish = {}): DigestTree =>
  must(digestTree(storeWith(rows, wish), { fragment, lsn: wish.lsn ?? 9 }, testHash));

/** What a primary does with questions to a peer, without the questions. */
function locate(own: DigestTree, other: DigestTree): { found: PositionRange[]; asked: number } {
  const search = startSearch(everything);
  let asked = 0;
  for (; search.next !== undefined && asked < 10_000; asked++)
    narrow(search, own, partsOf(other, search.next, testHash), testHash);
  assert.equal(search.next, undefined, "the search comes to an end");
  return { found: search.found, asked };
}

const numbered = (count: number): Row[] =>
  Array.from({ length: count }, (_, n) => ({
    position: utf8.encode(`row ${String(n).padStart(6, "0")}`),
    version: n + 1,
    document: utf8.encode(`document ${n}`),
  }));

const rowsArbitrary = fc
  .uniqueArray(
    fc.record({
      position: fc.uint8Array({ minLength: 1, maxLength: 6 }),
      version: fc.nat(),
      document: fc.uint8Array({ maxLength: 40 }),
    }),
    {
      selector: ({ position }) => Buffer.from(position).toString("hex"),
      maxLength: 200,
    },
  )
  .map((rows): Row[] => rows);

/** One change of one row, so that copies differ there and nowhere else. */
function changed(
  rows: readonly Row[],
  at: number,
  how: "document" | "version" | "missing" | "extra",
): { rows: Row[]; where: Position } {
  const row = rows[at] ?? { position: utf8.encode("?"), version: 1, document: utf8.encode("?") };
  const others = rows.filter((other) => other !== row);
  switch (how) {
    case "document":
      return { rows: [...others, { ...row, document: Uint8Array.of(...row.document, 1) }], where: row.position };
    case "version":
      return { rows: [...others, { ...row, version: row.version + 1 }], where: row.position };
    case "missing":
      return { rows: others, where: row.position };
    case "extra": {
      const position = Uint8Array.of(...row.position, 7, 7, 7, 7, 7, 7, 7);
      return { rows: [...rows, { ...row, position }], where: position };
    }
  }
}

describe("fragment: digest", () => {
  it("is equal for equal rows, whatever the order they came in and the shelf they lie on", () => {
    fc.assert(
      fc.property(rowsArbitrary, fc.nat(1000), (rows, shelf) => {
        const shuffled = [...rows].sort((a, b) => testHash.h32(a.position) - testHash.h32(b.position));
        assert.deepEqual(treeOf(shuffled, { shelf: shelf + 1 }), treeOf(rows));
      }),
    );
  });

  it("differs when a row, a version, a remembered request id or a count does", () => {
    fc.assert(
      fc.property(
        rowsArbitrary,
        fc.nat(),
        fc.constantFrom("document", "version", "missing", "extra"),
        (rows, pick, how) => {
          fc.pre(rows.length > 0);
          const other = changed(rows, pick % rows.length, how);
          assert.notEqual(treeOf(other.rows, { rows: rows.length }).root, treeOf(rows).root);
        },
      ),
    );
    const rows = numbered(20);
    assert.notEqual(treeOf(rows, { window: ["b"] }).root, treeOf(rows).root);
    assert.notEqual(treeOf(rows, { rows: 21 }).root, treeOf(rows).root);
  });

  it("locates one changed, missing or extra row of 20,000 within a few leaves, in few questions", function () {
    this.timeout(20_000);
    const rows = numbered(20_000);
    const own = treeOf(rows);
    for (const how of ["document", "version", "missing", "extra"] as const)
      for (const at of [0, 777, 19_999]) {
        const other = changed(rows, at, how);
        const { found, asked } = locate(own, treeOf(other.rows, { rows: rows.length }));
        assert.equal(found.length, 1, `${how} ${at}`);
        assert.ok(contains(found[0] as PositionRange, other.where));
        const inside = rows.filter(({ position }) => contains(found[0] as PositionRange, position)).length;
        assert.ok(inside < 400, `${inside} rows for ${how} ${at}`);
        assert.ok(asked <= 4, `${asked} questions for ${how} ${at}`);
      }
  });

  it("finds ranges that hold every difference and no equal copy", () => {
    const edits = fc.array(
      fc.tuple(
        fc.nat(),
        fc.constantFrom("document" as const, "version" as const, "missing" as const, "extra" as const),
      ),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(rowsArbitrary, edits, (rows, wanted) => {
        fc.pre(rows.length > 0);
        let other = rows;
        const touched: Position[] = [];
        for (const [pick, how] of wanted) {
          if (other.length === 0) break;
          const next = changed(other, pick % other.length, how);
          other = next.rows;
          touched.push(next.where);
        }
        const { found } = locate(treeOf(rows), treeOf(other, { rows: rows.length }));
        const same = new Set(rows.map(textOf));
        const different = [
          ...other.filter((row) => !same.has(textOf(row))),
          ...rows.filter((row) => !other.some((one) => textOf(one) === textOf(row))),
        ];
        for (const { position } of different) assert.ok(found.some((range) => contains(range, position)));
        if (different.length === 0) assert.deepEqual(found, []);
        for (let at = 1; at < found.length; at++)
          assert.ok(compareBytes(found[at - 1]?.to ?? Uint8Array.of(255), found[at]?.from ?? new Uint8Array(0)) <= 0);
      }),
    );
  });

  it("comes to an end when the copies have nothing in common, or the other side answers nonsense", () => {
    const own = treeOf(numbered(5000));
    const strange = treeOf(numbered(5000).map((row) => ({ ...row, document: utf8.encode("other") })));
    assert.ok(locate(own, strange).found.length <= mostDifferences + 1 + 32);
    const search = startSearch(everything);
    for (let asked = 0; search.next !== undefined; asked++) {
      assert.ok(asked < 5);
      narrow(search, own, [{ from: search.next.from, digest: "nonsense", leaf: false }], testHash);
    }
  });

  it("is refused where the copy stands elsewhere, is not whole, or is not there", () => {
    const code = (store: SimStore, lsn: number): string => {
      const result = digestTree(store, { fragment, lsn }, testHash);
      return result.ok ? "done" : result.fault.code;
    };
    const store = storeWith(numbered(3));
    assert.equal(code(store, 9), "done");
    assert.equal(code(store, 8), "UNAVAILABLE");
    assert.equal(code(new SimStore("empty"), 9), "UNAVAILABLE");
    store.commit([bookkeeping({ ...emptyReplica(fragment, 3, everything), lsn: 9, copying: true })], [], undefined);
    assert.equal(code(store, 9), "UNAVAILABLE");
  });
});

function textOf({ position, version, document }: Row): string {
  return `${Buffer.from(position).toString("hex")} ${version} ${Buffer.from(document).toString("hex")}`;
}
