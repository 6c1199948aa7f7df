import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { createBook, partsOfKey, rateIn, seriesKey } from "../../src/load/book.js";
import { mergeValues, shareOf, splitValues, widthOf } from "../../src/load/inherit.js";
import { noLoad, type Sample } from "../../src/load/sample.js";
import { hashRange } from "../../src/table/key.js";

function sample(interval: number, counts: Readonly<Record<string, number>>, more: Partial<Sample> = {}): Sample {
  return {
    node: "n1",
    incarnation: "i1",
    interval,
    intervalMs: 1000,
    spanMs: 1000,
    part: 0,
    parts: 1,
    load: noLoad,
    cells: Object.entries(counts).map(([group, count]) => ({
      fragment: 16,
      table: 1,
      group,
      ops: [{ kind: 0, count, bytes: 0, serviceMs: 0 }],
    })),
    ...more,
  };
}

const slotMs = 5000;
const start = 1_000_000;
const shop = seriesKey(16, "shop");

describe("load book", () => {
  it("turns samples into queries per second by slot, each slot once and in order", () => {
    const book = createBook(slotMs, 1000);
    book.close(start * 1000);
    for (let second = 0; second < 10; second++) book.take(sample(start + second, { shop: second < 5 ? 20 : 40 }));
    deepStrictEqual(book.close((start + 5) * 1000 + 999), []);
    const [first, ...none] = book.close((start + 6) * 1000);
    ok(first);
    deepStrictEqual(none, []);
    strictEqual(rateIn(first, slotMs, shop, ["n1"]), 20);
    const [second] = book.close((start + 11) * 1000);
    ok(second);
    strictEqual(rateIn(second, slotMs, shop, ["n1"]), 40);
    deepStrictEqual(book.close((start + 11) * 1000), []);
  });

  it("tells silence from no load, and makes up for a sample that is missing", () => {
    const book = createBook(slotMs, 0);
    book.close(start * 1000);
    for (let second = 0; second < 4; second++) book.take(sample(start + second, { shop: 20 }));
    book.take(sample(start, {}, { node: "n2" }));
    const [slot] = book.close((start + 5) * 1000);
    ok(slot);
    strictEqual(rateIn(slot, slotMs, shop, ["n1"]), 20);
    strictEqual(rateIn(slot, slotMs, seriesKey(16, "quiet"), ["n1", "n3"]), 0);
    // One second of five is not enough to say anything; a node that said nothing says nothing.
    strictEqual(rateIn(slot, slotMs, shop, ["n2"]), Number.NaN);
    strictEqual(rateIn(slot, slotMs, shop, ["n3"]), Number.NaN);
  });

  it("adds up what several nodes were asked of one fragment", () => {
    const book = createBook(slotMs, 0);
    book.close(start * 1000);
    for (let second = 0; second < 5; second++) {
      book.take(sample(start + second, { shop: 20 }));
      book.take(sample(start + second, { shop: 5 }, { node: "n2" }));
    }
    const [slot] = book.close((start + 5) * 1000);
    ok(slot);
    strictEqual(rateIn(slot, slotMs, shop, ["n1", "n2"]), 25);
  });

  it("knows copies, latecomers, and clocks that cannot be right", () => {
    const book = createBook(slotMs, 0);
    book.close(start * 1000);
    strictEqual(book.take(sample(start, { shop: 1 })).kind, "counted");
    strictEqual(book.take(sample(start, { shop: 1 })).kind, "duplicate");
    strictEqual(book.take(sample(start, { shop: 1 }, { part: 1, parts: 2 })).kind, "counted");
    strictEqual(book.take(sample(start, { shop: 1 }, { incarnation: "i2" })).kind, "counted");
    strictEqual(book.take(sample(start + 3600, { shop: 1 })).kind, "stray");
    strictEqual(book.take(sample(start - 3600, { shop: 1 })).kind, "stray");
    book.close((start + 5) * 1000);
    const late = book.take(sample(start + 1, { shop: 10 }));
    ok(late.kind === "late");
    strictEqual(late.slot.counts.get(shop), 13);
  });

  it("gives the same slots whatever the order and the copies of the samples", () => {
    const seconds = Array.from({ length: 15 }, (_, index) => index);
    fc.assert(
      fc.property(
        fc.shuffledSubarray(
          [...seconds, ...seconds].map((second, index) => [second, index] as const),
          {
            minLength: 30,
          },
        ),
        (order) => {
          const book = createBook(slotMs, 0);
          book.close(start * 1000);
          for (const [second] of order.filter(([second]) => second < 15))
            book.take(sample(start + second, { shop: second + 1 }));
          const rates = book.close((start + 15) * 1000).map((slot) => rateIn(slot, slotMs, shop, ["n1"]));
          deepStrictEqual(rates, [3, 8, 13]);
        },
      ),
      { numRuns: 20 },
    );
  });

  it("names a series by fragment and group, whatever the group is called", () => {
    deepStrictEqual(partsOfKey(seriesKey(32, "a/b")), { fragment: 32, group: "a/b" });
  });
});

describe("heirs of a fragment", () => {
  it("share what the parent had, by what was seen of them, else by the width of their ranges", () => {
    strictEqual(shareOf([30, 10], [0.5, 0.5], 0), 0.75);
    strictEqual(shareOf([0, 0], [0.25, 0.75], 1), 0.75);
    strictEqual(shareOf([0, 0], [0, 0], 1), 0.5);
    const value = fc.double({ min: 0, max: 1e6, noNaN: true });
    const values = fc.array(fc.oneof(value, fc.constant(Number.NaN)), { maxLength: 20 });
    fc.assert(
      fc.property(values, fc.array(value, { minLength: 1, maxLength: 5 }), (parent, observed) => {
        const heirs = observed.map((_, heir) =>
          splitValues(
            parent,
            shareOf(
              observed,
              observed.map(() => 1),
              heir,
            ),
          ),
        );
        const whole = mergeValues(heirs.map((heir) => ({ first: 7, values: heir })));
        strictEqual(parent.length === 0 || whole.first === 7, true);
        parent.forEach((was, at) => {
          const is = whole.values[at] ?? 0;
          ok(Number.isNaN(was) ? Number.isNaN(is) : Math.abs(is - was) <= 1e-3 + 1e-5 * was, `${is} was ${was}`);
        });
      }),
    );
  });

  it("add up over all slots that any part knows", () => {
    const merged = mergeValues([
      { first: 10, values: [1, 2, Number.NaN] },
      { first: 11, values: [10, Number.NaN, 30] },
    ]);
    strictEqual(merged.first, 10);
    deepStrictEqual([...merged.values], [1, 12, Number.NaN, 30]);
    deepStrictEqual(mergeValues([]).values.length, 0);
  });

  it("know how wide a range is", () => {
    const widths = hashRange(4).map(({ from, to }) => widthOf(from, to));
    for (const width of widths) ok(Math.abs(width - 0.25) < 1e-6, `${width}`);
    strictEqual(widthOf(new Uint8Array(0), undefined), 1);
  });
});
