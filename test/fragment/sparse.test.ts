import assert from "node:assert/strict";
import fc from "fast-check";
import { bookkeepingKey, markKey, markRange, rowKey, rowRange } from "../../src/fragment/layout.js";
import { contains, within, withoutRange } from "../../src/fragment/range.js";
import { type FragmentRecord, noChanges, zeroHash } from "../../src/fragment/record.js";
import {
  applyRecord,
  bookkeeping,
  emptyReplica,
  isSettled,
  isWhole,
  type Replica,
  readBookkeeping,
} from "../../src/fragment/replica.js";
import { around, isMissing, type Missing, mergePulled, nextMissing, type Pulled } from "../../src/fragment/sparse.js";
import { compareBytes, toHex } from "../../src/kernel/bytes.js";
import type { StoreClear, StoreWrite } from "../../src/kernel/effect.js";
import type { Position, PositionRange } from "../../src/table/table.js";

const keys = 8;
const at = (n: number): Position => Uint8Array.of(n);
const everything: PositionRange = { from: new Uint8Array(0), to: undefined };
const range = (from: number, to: number): PositionRange => ({ from: at(from), to: to > keys ? undefined : at(to) });

/** One key, one byte: a document, or none for a deletion. */
interface Change {
  readonly key: number;
  readonly value: number | undefined;
}
type Rows = ReadonlyMap<number, string>;

class Store {
  readonly entries = new Map<string, Uint8Array>();
  commit(writes: readonly StoreWrite[], clears: readonly StoreClear[] = []): void {
    for (const { from, to } of clears)
      for (const key of [...this.entries.keys()]) if (key >= toHex(from) && key < toHex(to)) this.entries.delete(key);
    for (const { key, value } of writes)
      if (value === undefined) this.entries.delete(toHex(key));
      else this.entries.set(toHex(key), value);
  }
  has(key: Uint8Array): boolean {
    return this.entries.has(toHex(key));
  }
  get(key: Uint8Array): Uint8Array | undefined {
    return this.entries.get(toHex(key));
  }
  count({ from, to }: { from: Uint8Array; to: Uint8Array }): number {
    return [...this.entries.keys()].filter((key) => key >= toHex(from) && key < toHex(to)).length;
  }
}

const fragment = 16;
const shelf = 3;

function record(lsn: number, changes: readonly Change[]): FragmentRecord {
  return {
    ...{ kind: "data", fragment, epoch: 1, lsn, stampMs: lsn, writer: "n/1", previousHash: zeroHash, ...noChanges },
    changes: changes.map(({ key, value }) => ({
      position: at(key),
      document: value === undefined ? undefined : Uint8Array.of(value),
    })),
    hash: zeroHash,
  };
}

/** A replica with its store; whole from the start, or sparse. */
class Copy {
  readonly store = new Store();
  replica: Replica = emptyReplica(fragment, shelf, everything);
  apply(one: FragmentRecord): void {
    this.store.commit(applyRecord(this.replica, one, one.lsn, []));
  }
  /** The process ends: only what is stored counts. */
  restart(): void {
    const kept = this.store.get(bookkeepingKey(fragment));
    const back = kept === undefined ? undefined : readBookkeeping(fragment, kept);
    assert.ok(back !== undefined);
    this.replica = back;
  }
  knows(key: number): boolean {
    return !isMissing(this.replica.missing, at(key)) || this.store.has(markKey(shelf, at(key)));
  }
  row(key: number): string | undefined {
    const value = this.store.get(rowKey(shelf, at(key)));
    return value === undefined ? undefined : toHex(value);
  }
  get rows(): Rows {
    const rows = new Map<number, string>();
    for (let key = 0; key < keys; key++) {
      const row = this.row(key);
      if (row !== undefined) rows.set(key, row);
    }
    return rows;
  }
}

function pull(from: Copy, to: Copy, single: readonly number[], covered: PositionRange | undefined): void {
  const value = (key: number): Pulled => [at(key), from.store.get(rowKey(shelf, at(key)))];
  const rows = Array.from({ length: keys }, (_, key) => value(key)).filter(
    ([position, row]) => row !== undefined && covered !== undefined && contains(covered, position),
  );
  const merged = mergePulled(
    shelf,
    to.replica.missing,
    { single: single.map(value), rows, ...(covered === undefined ? {} : { covered }) },
    (position) => to.store.has(markKey(shelf, position)),
  );
  to.replica.missing = merged.missing;
  to.replica.wholeLsn = Math.max(to.replica.wholeLsn, from.replica.lsn);
  to.store.commit([...merged.writes, bookkeeping(to.replica)], merged.clears);
}

function attach(to: Copy, from: Copy): void {
  const { lsn, seq, epoch, hash, stampMs, rows, bytes } = from.replica;
  Object.assign(to.replica, { lsn, seq, epoch, hash, stampMs, rows, bytes, missing: [everything], baseLsn: lsn });
  to.store.commit([bookkeeping(to.replica)]);
}

type Step =
  | { readonly kind: "apply" }
  | { readonly kind: "restart" }
  | {
      readonly kind: "pull";
      readonly ahead: number;
      readonly single: readonly number[];
      readonly cover: readonly [number, number] | undefined;
    };

const change: fc.Arbitrary<Change> = fc.record({
  key: fc.nat(keys - 1),
  value: fc.option(fc.nat(255), { nil: undefined }),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Step>({ kind: "apply" }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: "restart" }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("pull" as const),
      ahead: fc.integer({ min: -4, max: 4 }),
      single: fc.array(fc.nat(keys - 1), { maxLength: 3 }),
      cover: fc.option(fc.tuple(fc.nat(keys), fc.integer({ min: 1, max: keys + 1 })), { nil: undefined }),
    }),
  },
);

describe("a sparse replica", () => {
  it("holds the rows of a whole one, whatever it pulls from whom and when (SP1, SP2, SP3)", () => {
    let ahead = 0;
    let resurrections = 0;
    fc.assert(
      fc.property(
        fc.array(fc.array(change, { minLength: 1, maxLength: 3 }), { minLength: 2, maxLength: 12 }),
        fc.nat(6),
        fc.array(step, { maxLength: 24 }),
        (batches, base, steps) => {
          const records = batches.map((changes, index) => record(index + 1, changes));
          // Whole copies at every LSN: what a source may hold.
          const whole = [new Copy()];
          for (const one of records) {
            const next = new Copy();
            for (const before of records.slice(0, one.lsn)) next.apply(before);
            whole.push(next);
          }
          const baseLsn = Math.min(base, records.length);
          const sparse = new Copy();
          attach(sparse, whole[baseLsn] as Copy);
          const judge = (): void => {
            const { lsn } = sparse.replica;
            if (!isSettled(sparse.replica)) return;
            for (let key = 0; key < keys; key++)
              if (sparse.knows(key)) assert.equal(sparse.row(key), whole[lsn]?.row(key), `key ${key} at LSN ${lsn}`);
          };
          for (const one of steps) {
            const { lsn } = sparse.replica;
            if (one.kind === "apply" && lsn < records.length) sparse.apply(records[lsn] as FragmentRecord);
            if (one.kind === "restart") sparse.restart();
            if (one.kind === "pull") {
              const from = whole[Math.max(baseLsn, Math.min(records.length, lsn + one.ahead))] as Copy;
              if (from.replica.lsn > lsn) ahead++;
              for (const key of one.single) if (sparse.knows(key) && sparse.row(key) === undefined) resurrections++;
              const [a, b] = one.cover ?? [0, 0];
              pull(from, sparse, one.single, b > a ? range(a, b) : undefined);
            }
            judge();
          }
          while (sparse.replica.lsn < records.length) sparse.apply(records[sparse.replica.lsn] as FragmentRecord);
          sparse.restart();
          judge();
          pull(whole[records.length] as Copy, sparse, [], everything);
          assert.ok(isWhole(sparse.replica));
          assert.deepEqual(sparse.rows, whole[records.length]?.rows);
          assert.equal(sparse.store.count(markRange(shelf, everything)), 0, "no marks are left");
          assert.equal(sparse.store.count(rowRange(shelf, everything)), sparse.rows.size);
        },
      ),
      { numRuns: 600 },
    );
    assert.ok(ahead > 100 && resurrections > 20, `sources ahead ${ahead}, deletions asked for ${resurrections}`);
  });

  it("keeps what is missing sorted, disjoint and exact (SP4)", () => {
    const cut = fc.tuple(fc.nat(keys), fc.nat(keys)).map(([a, b]) => range(Math.min(a, b), Math.max(a, b) + 1));
    fc.assert(
      fc.property(fc.array(cut, { maxLength: 6 }), cut, fc.boolean(), (cuts, look, reverse) => {
        let missing: Missing = [everything];
        for (const one of cuts) missing = withoutRange(missing, one);
        for (let key = 0; key < keys; key++)
          assert.equal(isMissing(missing, at(key)), !cuts.some((one) => contains(one, at(key))));
        missing.forEach(({ from, to }, index) => {
          if (to !== undefined) assert.ok(compareBytes(from, to) < 0, "not empty");
          const next = missing[index + 1];
          if (next !== undefined) assert.ok(to !== undefined && compareBytes(to, next.from) < 0, "apart");
        });
        const part = nextMissing(missing, look, reverse);
        const inside = Array.from({ length: keys + 1 }, (_, key) => at(key)).filter(
          (position) => contains(look, position) && isMissing(missing, position),
        );
        const first = reverse ? inside.at(-1) : inside[0];
        if (first !== undefined) assert.ok(part !== undefined && contains(part, first));
        if (part !== undefined) assert.ok(missing.includes(around(missing, part)));
        const kept = within(missing, look);
        for (let key = 0; key < keys; key++)
          assert.equal(isMissing(kept, at(key)), contains(look, at(key)) && isMissing(missing, at(key)));
      }),
      { numRuns: 500 },
    );
  });

  it("remembers what it lacks across a restart; bookkeeping of before knows nothing of it and is whole", () => {
    const copy = new Copy();
    attach(copy, new Copy());
    pull(new Copy(), copy, [], range(2, 4));
    const { missing, baseLsn } = copy.replica;
    assert.equal(missing.length, 2);
    copy.restart();
    assert.deepEqual([copy.replica.missing, copy.replica.baseLsn], [missing, baseLsn]);
    assert.equal(isWhole(copy.replica), false);
    copy.replica.missing = [];
    copy.store.commit([bookkeeping(copy.replica)]);
    copy.restart();
    assert.equal(isWhole(copy.replica), true);
  });
});
