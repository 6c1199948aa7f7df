import assert from "node:assert/strict";
import fc from "fast-check";
import { limits } from "../../src/config/limits.js";
import { createWindow, decodeWindowEntry, encodeWindowEntry } from "../../src/fragment/window.js";

const one = (lsn: number, stampMs: number, ...ids: string[]) => ({
  lsn,
  stampMs,
  requests: ids.map((requestId, first) => ({ requestId, first, count: 1 })),
});

describe("the request window", () => {
  it("finds what was added and says at which LSN", () => {
    const window = createWindow();
    window.add(one(1, 1000, "a", "b"));
    assert.deepEqual(window.find("b"), { lsn: 1, first: 1, count: 1 });
    assert.equal(window.find("c"), undefined);
  });

  it("forgets by age of the stamps, never by a clock", () => {
    const window = createWindow();
    window.add(one(1, 1000, "old"));
    assert.deepEqual(window.add(one(2, 1000 + limits.requestWindowMs, "young")), []);
    assert.deepEqual(window.add(one(3, 1001 + limits.requestWindowMs, "younger")), [1]);
    assert.equal(window.find("old"), undefined);
    assert.equal(window.find("young")?.lsn, 2);
  });

  it("holds at most its limit of ids", () => {
    const window = createWindow();
    const each = 512;
    for (let lsn = 1; lsn <= limits.requestWindow / each + 4; lsn++) {
      window.add(one(lsn, 0, ...Array.from({ length: each }, (_, index) => `${lsn}/${index}`)));
      assert.ok(window.size <= limits.requestWindow);
    }
    assert.equal(window.find("1/0"), undefined);
  });

  it("is the same window on every replica that saw the same records", () => {
    const record = fc.tuple(fc.integer({ min: 0, max: 400_000 }), fc.array(fc.nat(50), { maxLength: 4 }));
    fc.assert(
      fc.property(fc.array(record, { maxLength: 60 }), fc.nat(60), (records, restart) => {
        const first = createWindow();
        let second = createWindow();
        const stored = new Map<number, Uint8Array>();
        records.forEach(([stampMs, ids], index) => {
          const next = one(index + 1, stampMs, ...new Set(ids.map(String)));
          first.add(next);
          if (next.requests.length > 0) stored.set(next.lsn, encodeWindowEntry(next.stampMs, next.requests));
          for (const lsn of second.add(next)) stored.delete(lsn);
          if (index === restart) second = reload(stored);
        });
        for (let id = 0; id <= 50; id++) assert.deepEqual(second.find(String(id)), first.find(String(id)));
      }),
    );
  });
  it("is the same in the stores of a primary and of a copy that was made piece by piece meanwhile", () => {
    const record = fc.tuple(fc.integer({ min: 0, max: 60_000 }), fc.array(fc.nat(500), { maxLength: 3 }));
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 4, maxLength: 60 }),
        fc.integer({ min: 1, max: 5 }),
        (steps, pieces) => {
          const primary = createWindow();
          const stored = new Map<number, ReturnType<typeof one>>();
          const copy = createWindow();
          const copied = new Map<number, ReturnType<typeof one>>();
          const begun = Math.floor(steps.length / 2);
          const replayed: ReturnType<typeof one>[] = [];
          let stampMs = 0;
          let cursor = 0;
          steps.forEach(([afterMs, ids], index) => {
            stampMs += afterMs;
            const next = one(index + 1, stampMs, ...new Set(ids.map((id) => `${index}/${id}`)));
            const forgotten = primary.add(next);
            if (next.requests.length > 0) stored.set(next.lsn, next);
            for (const lsn of forgotten) stored.delete(lsn);
            if (index > begun) replayed.push(next);
            if (index < begun) return;
            // A piece of what the primary's store holds now, behind the last one; at last all that is left.
            const left = [...stored.keys()].filter((lsn) => lsn > cursor).sort((a, b) => a - b);
            for (const lsn of index === steps.length - 1 ? left : left.slice(0, pieces)) {
              cursor = lsn;
              copied.set(lsn, stored.get(lsn) ?? next);
              copy.restore(stored.get(lsn) ?? next);
            }
          });
          for (const next of replayed) {
            if (next.requests.length > 0) copied.set(next.lsn, next);
            for (const lsn of copy.add(next)) copied.delete(lsn);
          }
          assert.deepEqual(
            [...copied.keys()].sort((a, b) => a - b),
            [...stored.keys()].sort((a, b) => a - b),
          );
        },
      ),
    );
  });
});

/** What a restart does: the window is rebuilt from the stored entries, in LSN order. */
function reload(stored: ReadonlyMap<number, Uint8Array>): ReturnType<typeof createWindow> {
  const window = createWindow();
  for (const lsn of [...stored.keys()].sort((a, b) => a - b)) {
    const entry = decodeWindowEntry(stored.get(lsn) as Uint8Array);
    assert.ok(entry);
    window.restore({ lsn, ...entry });
  }
  return window;
}
