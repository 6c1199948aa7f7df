// Aggregates: exact sums, and answers that do not depend on order or on how rows were split.

import assert from "node:assert/strict";
import fc from "fast-check";
import { limits } from "../../src/config/limits.js";
import { pack } from "../../src/protocol/codec.js";
import {
  addRow,
  createGroups,
  encodeGroups,
  finishGroups,
  type Groups,
  mergeGroups,
} from "../../src/query/aggregate.js";
import { addToSum, createSum, mergeSum, roundedMean, roundedSum } from "../../src/query/exact-sum.js";
import type { Aggregate, Document, FieldPath } from "../../src/query/query.js";
import { must, refused } from "../results.js";
import { smallDocuments } from "./values.js";

const doubles = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.double({ noNaN: true, min: -1e6, max: 1e6 }),
  fc.constantFrom(
    0.1,
    0.2,
    0.3,
    1e16,
    1,
    -1e16,
    Number.MAX_VALUE,
    -Number.MAX_VALUE,
    5e-324,
    2 ** 960,
    2 ** -1022,
    2 ** 53,
    1e308,
  ),
);

/** Whole units of 2^-1074, read off the binary digits: nothing shared with the code under test. */
function units(value: number): bigint {
  const [whole = "0", fraction = ""] = Math.abs(value).toString(2).split(".");
  const size = BigInt(`0b${whole}${fraction.padEnd(1074, "0")}`);
  return value < 0 ? -size : size;
}

const maxUnits = units(Number.MAX_VALUE);
const halfUlpAtMax = 1n << BigInt(970 + 1074);

/** True when no double lies nearer to `exact / count`, and of two equally near ones the even was taken. */
function isNearest(result: number, exact: bigint, count: bigint): boolean {
  if (!Number.isFinite(result)) return abs(exact) >= (maxUnits + halfUlpAtMax) * count;
  const distance = (candidate: number) => abs(units(candidate) * count - exact);
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, result);
  const bits = view.getBigInt64(0);
  const even = (bits & 1n) === 0n;
  return neighbours(result).every((other) => {
    const difference = distance(other) - distance(result);
    return difference > 0n || (difference === 0n && even);
  });
}

function neighbours(value: number): number[] {
  if (value === 0) return [5e-324, -5e-324];
  const view = new DataView(new ArrayBuffer(8));
  return [1n, -1n]
    .map((step) => {
      view.setFloat64(0, value);
      view.setBigInt64(0, view.getBigInt64(0) + step);
      return view.getFloat64(0);
    })
    .filter(Number.isFinite);
}

function abs(value: bigint): bigint {
  return value < 0n ? -value : value;
}

describe("exact sums", () => {
  it("are the nearest doubles to the sum and the mean", () => {
    let huge = 0;
    fc.assert(
      fc.property(fc.array(doubles, { maxLength: 30 }), (numbers) => {
        const sum = createSum();
        for (const number of numbers) addToSum(sum, number);
        const exact = numbers.reduce((total, number) => total + units(number), 0n);
        if (sum.high.length > 0) huge++;
        assert.ok(isNearest(roundedSum(sum), exact, 1n), `sum ${roundedSum(sum)}`);
        if (numbers.length > 0)
          assert.ok(
            isNearest(roundedMean(sum, numbers.length), exact, BigInt(numbers.length)),
            `mean ${roundedMean(sum, numbers.length)}`,
          );
      }),
      { numRuns: 2000 },
    );
    assert.ok(huge > 100, `only ${huge} sums held huge numbers`);
  });

  it("do not depend on order or split", () => {
    fc.assert(
      fc.property(fc.array(doubles, { maxLength: 30 }), fc.nat(30), fc.boolean(), (numbers, cut, swap) => {
        const plain = createSum();
        for (const number of numbers) addToSum(plain, number);
        const [left, right] = [createSum(), createSum()];
        for (const number of numbers.slice(cut).reverse()) addToSum(left, number);
        for (const number of numbers.slice(0, cut)) addToSum(right, number);
        mergeSum(swap ? left : right, swap ? right : left);
        assert.equal(roundedSum(swap ? left : right), roundedSum(plain));
      }),
      { numRuns: 2000 },
    );
  });

  it("lose nothing that plain addition loses", () => {
    const sum = createSum();
    for (const number of [1e16, 1, -1e16, 0.1, 1e308, 1e308, -1e308, -1e308]) addToSum(sum, number);
    assert.equal(roundedSum(sum), 1.1);
    const tenths = createSum();
    for (let i = 0; i < 10; i++) addToSum(tenths, 0.1);
    assert.equal(roundedSum(tenths), 1);
    assert.equal(roundedSum(createSum()), 0);
  });
});

const path = (text: string): FieldPath => text.split(".");
const all: readonly Aggregate[] = [
  { fn: "count", as: "rows" },
  { fn: "count", field: path("a"), as: "as" },
  { fn: "sum", field: path("n"), as: "sum" },
  { fn: "avg", field: path("n"), as: "avg" },
  { fn: "min", field: path("a"), as: "min" },
  { fn: "max", field: path("a"), as: "max" },
];

function groupsOf(documents: readonly Document[], groupBy: readonly FieldPath[] = [["b"]], aggregates = all): Groups {
  const groups = createGroups(groupBy, aggregates);
  for (const document of documents) must(addRow(groups, document));
  return groups;
}

describe("aggregates", () => {
  it("count, add and compare by group; absent fields and nulls count for nothing", () => {
    const rows: Document[] = [
      { b: "x", n: 1, a: 5 },
      { b: "x", n: 2.5, a: "z" },
      { b: "x", n: "no number", a: null },
      { b: "y" },
      { n: 4, a: new Date(0) },
      { b: null, n: -0 },
    ];
    assert.deepEqual(must(finishGroups(groupsOf(rows))), [
      { group: {}, rows: 1, as: 1, sum: 4, avg: 4, min: new Date(0), max: new Date(0) },
      { group: { b: null }, rows: 1, as: 0, sum: 0, avg: 0, min: null, max: null },
      { group: { b: "x" }, rows: 3, as: 2, sum: 3.5, avg: 1.75, min: 5, max: "z" },
      { group: { b: "y" }, rows: 1, as: 0, sum: 0, avg: null, min: null, max: null },
    ]);
    assert.deepEqual(must(finishGroups(createGroups([], all))), [
      { group: {}, rows: 0, as: 0, sum: 0, avg: null, min: null, max: null },
    ]);
    assert.deepEqual(must(finishGroups(createGroups([["b"]], all))), []);
  });

  it("give the same answer to the bit however rows are ordered and split", () => {
    const rows = fc.array(
      fc.tuple(smallDocuments, doubles).map(([document, n]): Document => ({ ...document, n })),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(rows, fc.array(fc.nat(20), { maxLength: 4 }), (documents, cuts) => {
        const whole = finishGroups(groupsOf(documents));
        const merged = createGroups([["b"]], all);
        const edges = [
          0,
          ...cuts.map((cut) => Math.min(cut, documents.length)).sort((a, b) => a - b),
          documents.length,
        ];
        const parts = edges.slice(1).map((edge, index) => documents.slice(edges[index], edge).reverse());
        for (const part of parts.reverse()) must(mergeGroups(merged, encodeGroups(groupsOf(part))));
        const answer = finishGroups(merged);
        assert.equal(answer.ok, whole.ok);
        if (answer.ok && whole.ok) assert.deepEqual(pack(answer.value), pack(whole.value));
      }),
      { numRuns: 1000 },
    );
  });

  it("have bounds in number and in bytes", () => {
    const count: readonly Aggregate[] = [{ fn: "count", as: "n" }];
    const groups = createGroups([["b"]], count);
    for (let i = 0; i < limits.groups; i++) must(addRow(groups, { b: i }));
    must(addRow(groups, { b: 5 }));
    assert.ok(encodeGroups(groups).length <= groups.bytes, "the estimate is never too small");
    refused(addRow(groups, { b: -1 }), "TOO_MANY_GROUPS", /10000 groups/);
    const long = createGroups([["b"]], count);
    const add = (index: number) => addRow(long, { b: `${index}${"x".repeat(50_000)}` });
    refused(
      Array.from({ length: 20 }, (_, index) => add(index)).find(({ ok }) => !ok) ?? add(0),
      "TOO_MANY_GROUPS",
      /bytes of groups/,
    );
    const half = (from: number) =>
      encodeGroups(
        groupsOf(
          Array.from({ length: 6000 }, (_, index) => ({ b: from + index })),
          [["b"]],
          count,
        ),
      );
    const target = createGroups([["b"]], count);
    must(mergeGroups(target, half(0)));
    refused(mergeGroups(target, half(6000)), "TOO_MANY_GROUPS");
  });

  it("estimate their size without falling short", () => {
    fc.assert(
      fc.property(fc.array(smallDocuments, { maxLength: 20 }), (documents) => {
        const groups = groupsOf(documents.map((document, index) => ({ ...document, n: 1 / (index + 1) })));
        assert.ok(encodeGroups(groups).length <= groups.bytes);
      }),
    );
  });

  it("say when a sum is no number, but keep a mean that is", () => {
    const rows = [{ n: Number.MAX_VALUE }, { n: Number.MAX_VALUE }];
    refused(
      finishGroups(groupsOf(rows, [], [{ fn: "sum", field: ["n"], as: "total" }])),
      "TOO_LARGE",
      /total is beyond/,
    );
    assert.deepEqual(must(finishGroups(groupsOf(rows, [], [{ fn: "avg", field: ["n"], as: "mean" }]))), [
      { group: {}, mean: Number.MAX_VALUE },
    ]);
  });

  it("refuse parts that are none, and never throw", () => {
    const fresh = () => createGroups([["b"]], all);
    const wrong: unknown[] = [
      5,
      [5],
      [[[], []]],
      [[[[1, 2]], []]],
      [[[[1]], all.map(() => [-1, [], []])]],
      [[[[1]], all.map(() => [1, ["x"], []])]],
      [[[[1]], all.map(() => [1, [2n ** 63n], []])]],
    ];
    for (const part of wrong) refused(mergeGroups(fresh(), pack(part)), "UNDECODABLE");
    refused(mergeGroups(fresh(), Uint8Array.of(0xc1)), "UNDECODABLE");
    const sample = encodeGroups(
      groupsOf([
        { b: 1, n: 0.1, a: 2 },
        { b: "x", n: 1e300 },
      ]),
    );
    fc.assert(
      fc.property(fc.nat(), fc.nat(255), (at, byte) => {
        const bent = sample.slice();
        bent[at % bent.length] = byte;
        const groups = fresh();
        if (mergeGroups(groups, bent).ok) finishGroups(groups);
      }),
      { numRuns: 3000 },
    );
  });
});
