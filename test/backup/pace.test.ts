// Pace of backups and restores, on a clock that is made here.

import assert from "node:assert/strict";
import fc from "fast-check";
import { createPace, leastWaitMs, type PaceClock, savedMs } from "../../scripts/backup/pace.js";
import { pageRows, rowsFor } from "../../scripts/backup/take.js";

interface MadeClock extends PaceClock {
  pass(ms: number): void;
  readonly waits: number[];
}

function madeClock(): MadeClock {
  let atMs = 5000;
  const waits: number[] = [];
  return {
    waits,
    nowMs: () => atMs,
    async wait(ms) {
      waits.push(ms);
      atMs += ms;
    },
    pass(ms) {
      atMs += ms;
    },
  };
}

describe("pace of a backup or a restore", () => {
  it("takes the time that its rate asks for", async () => {
    const clock = madeClock();
    const pace = createPace(1000, clock);
    for (let at = 0; at < 100; at++) await pace.spend(50);
    assert.equal(clock.nowMs() - 5000, 5000);
    assert.equal(clock.waits.length, 100);
  });

  it("waits for nothing that is slower by itself, and never for less than a timer is worth", async () => {
    const clock = madeClock();
    const pace = createPace(1000, clock);
    for (let at = 0; at < 50; at++) {
      await pace.spend(90);
      clock.pass(100);
    }
    assert.deepEqual(clock.waits.slice(1), []);
    const small = createPace(1_000_000, clock);
    clock.waits.length = 0;
    for (let at = 0; at < 1000; at++) await small.spend(100);
    assert(clock.waits.length > 0 && clock.waits.every((ms) => ms >= leastWaitMs), String(clock.waits));
  });

  it("goes on at its rate after a stall, and not faster to make up for it", async () => {
    const clock = madeClock();
    const pace = createPace(1000, clock);
    await pace.spend(1000);
    clock.pass(60_000);
    const beganMs = clock.nowMs();
    for (let at = 0; at < 20; at++) await pace.spend(100);
    assert.equal(clock.nowMs() - beganMs, 2000 - savedMs);
  });

  it("stays within its rate over every stretch of time, whatever comes when", async () => {
    const arrivals = fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 500 }), ms: fc.nat(400) }), {
      minLength: 1,
    });
    await fc.assert(
      fc.asyncProperty(arrivals, fc.integer({ min: 100, max: 5000 }), async (given, rate) => {
        const clock = madeClock();
        const pace = createPace(rate, clock);
        const done: { readonly atMs: number; readonly bytes: number }[] = [];
        for (const { bytes, ms } of given) {
          clock.pass(ms);
          await pace.spend(bytes);
          done.push({ atMs: clock.nowMs(), bytes });
        }
        for (const [from, first] of done.entries()) {
          let sum = 0;
          // What comes after `first`, as it was waited for before.
          for (const { atMs, bytes } of done.slice(from + 1)) {
            sum += bytes;
            const mostBytes = ((atMs - first.atMs + savedMs + leastWaitMs) * rate) / 1000;
            assert(sum <= mostBytes + 1e-6, `${sum} bytes in ${atMs - first.atMs} ms at ${rate} per second`);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe("pages of a backup", () => {
  it("come to weigh about 64 KiB, grow at most twofold, and have at least one row and at most a thousand", () => {
    const settled = (rowBytes: number): number => {
      let limit = 16;
      for (let page = 0; page < 12; page++) {
        const next = rowsFor(limit, limit * rowBytes, limit);
        assert.ok(next <= 2 * limit);
        limit = next;
      }
      return limit;
    };
    assert.equal(settled(8192), 8);
    assert.equal(settled(200_000), 1);
    assert.equal(settled(10), pageRows);
    assert.equal(rowsFor(0, 0, 40), 40, "an empty page says nothing");
  });
});
