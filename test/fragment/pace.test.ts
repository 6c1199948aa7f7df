import assert from "node:assert/strict";
import fc from "fast-check";
import { adjustPace, chunkBytesOf, createPace, entriesWithin, rateOf, spend, waitMs } from "../../src/fragment/pace.js";

const mib = 1024 * 1024;
const limits = { floorBytesPerS: 2 * mib, ceilingBytesPerS: 100 * mib, chunkBytes: mib / 4 };

/** What is sent within `ms` when chunks go as soon as they may. */
function sentWithin(ms: number, chunkBytes: number, lateMs: (nowMs: number) => number, neededBytesPerS = 0): number {
  const pace = createPace(limits, 0);
  pace.neededBytesPerS = neededBytesPerS;
  let bytes = 0;
  for (let nowMs = 0; nowMs < ms; nowMs++) {
    while (waitMs(pace, nowMs) <= 0) {
      spend(pace, chunkBytes);
      bytes += chunkBytes;
    }
    adjustPace(pace, lateMs(nowMs), nowMs);
  }
  return bytes;
}

describe("pace", () => {
  it("PA1: whatever is measured and needed, it stays between floor and ceiling", () => {
    const measured = fc.array(fc.record({ lateMs: fc.nat(200), needed: fc.nat(1e9), afterMs: fc.nat(200) }));
    fc.assert(
      fc.property(measured, (steps) => {
        const pace = createPace(limits, 0);
        let nowMs = 0;
        for (const { lateMs, needed, afterMs } of steps) {
          nowMs += afterMs;
          pace.neededBytesPerS = needed;
          adjustPace(pace, lateMs, nowMs);
          assert.ok(rateOf(pace) >= limits.floorBytesPerS && rateOf(pace) <= limits.ceilingBytesPerS);
        }
      }),
    );
  });

  it("goes up to its ceiling while nothing suffers, and sends as much as that allows, not more", () => {
    const bytes = sentWithin(10_000, 256 * 1024, () => 0);
    assert.ok(bytes > 80 * 10 * mib && bytes <= 101 * 10 * mib, `${bytes / mib} MiB in 10 s`);
  });

  it("goes down to its floor while timers are late, and no further", () => {
    const bytes = sentWithin(20_000, 256 * 1024, () => 50);
    assert.ok(bytes >= 2 * 20 * mib && bytes < 2 * 40 * mib, `${bytes / mib} MiB in 20 s`);
  });

  it("keeps a deadline although timers are late", () => {
    const bytes = sentWithin(10_000, 256 * 1024, () => 50, 20 * mib);
    assert.ok(bytes >= 195 * mib && bytes < 240 * mib, `${bytes / mib} MiB in 10 s`);
  });

  it("PA3: a slow copy takes small chunks, a fast one large ones, never beyond what it was told", () => {
    const pace = createPace(limits, 0);
    for (let nowMs = 0; nowMs < 2000; nowMs += 50) adjustPace(pace, 50, nowMs);
    const slow = chunkBytesOf(pace);
    for (let nowMs = 2000; nowMs < 6000; nowMs += 50) adjustPace(pace, 0, nowMs);
    assert.ok(slow <= 64 * 1024, `${slow} bytes at the floor`);
    assert.equal(chunkBytesOf(pace), limits.chunkBytes);
    assert.ok(entriesWithin(slow) <= 300 && entriesWithin(limits.chunkBytes) === 1024);
    assert.equal(chunkBytesOf(createPace({ ...limits, chunkBytes: 256 }, 0)), 256);
  });

  it("saves nothing up over a pause", () => {
    const pace = createPace(limits, 0);
    waitMs(pace, 60_000);
    spend(pace, 10 * mib);
    assert.ok(waitMs(pace, 60_000) > 0);
  });
});
