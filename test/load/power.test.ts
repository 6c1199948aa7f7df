import { ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { fitCosts, priorCosts, type WorkDone } from "../../src/load/costs.js";
import { loadKinds } from "../../src/load/kinds.js";
import { createPowerMeter, headroom, powerOf } from "../../src/load/power.js";

const truth = [0.08, 0.3, 0.3, 0.34, 0.3, 1.2, 2.5, 4, 0.1];
const idleMsPerS = 6;

function worked(counts: readonly number[], noise = 0): WorkDone {
  const whole = loadKinds.map((_, kind) => counts[kind] ?? 0);
  const cpuMs = idleMsPerS * 10 + whole.reduce((sum, count, kind) => sum + count * (truth[kind] ?? 0), 0);
  return { spanMs: 10_000, cpuMs: cpuMs * (1 + noise), counts: whole };
}

function near(actual: number | undefined, expected: number, share: number, what: string): void {
  ok(Math.abs((actual ?? 0) - expected) <= share * expected, `${what}: ${actual}, should be near ${expected}`);
}

describe("costs and power", () => {
  it("finds what each kind costs from intervals with different mixes, noise included", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.integer({ min: 0, max: 5000 }),
            fc.integer({ min: 0, max: 2000 }),
            fc.integer({ min: 0, max: 300 }),
            fc.double({ min: -0.02, max: 0.02, noNaN: true }),
          ),
          { minLength: 60, maxLength: 100 },
        ),
        (rows) => {
          const works = rows.map(([gets, puts, scans, noise]) => worked([gets, puts, 0, 0, 0, 0, scans], noise));
          const { perOpMs } = fitCosts(works);
          near(perOpMs[0], 0.08, 0.3, "get");
          near(perOpMs[1], 0.3, 0.3, "put");
          near(perOpMs[6], 2.5, 0.3, "scan");
        },
      ),
      { numRuns: 40 },
    );
  });

  it("never says less than nothing, whatever the samples are", () => {
    const any = fc.record({
      spanMs: fc.double({ min: 1, max: 1e6, noNaN: true }),
      cpuMs: fc.double({ min: 0.001, max: 1e6, noNaN: true }),
      counts: fc.array(fc.integer({ min: 0, max: 100_000 }), { minLength: 9, maxLength: 9 }),
    });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 30 }), (works) => {
        const { perOpMs, idleMsPerS: idle } = fitCosts(works);
        for (const ms of [...perOpMs, idle]) ok(Number.isFinite(ms) && ms >= 0, `${ms}`);
        const power = powerOf(
          { perOpMs, idleMsPerS: idle, intervals: works.length },
          works[0]?.counts ?? [],
          1,
          undefined,
        );
        ok(Number.isFinite(power.capacityQps) && power.capacityQps > 0);
      }),
      { numRuns: 200 },
    );
  });

  it("kinds that always come in one proportion: their sum is right, and the prior divides it", () => {
    const works = Array.from({ length: 40 }, (_, n) => worked([100 * (n + 1), 50 * (n + 1)]));
    const { perOpMs } = fitCosts(works);
    near(2 * (perOpMs[0] ?? 0) + (perOpMs[1] ?? 0), 2 * 0.08 + 0.3, 0.05, "two gets and a put");
    ok((perOpMs[0] ?? 0) > 0 && (perOpMs[1] ?? 0) > (perOpMs[0] ?? 0));
  });

  it("one interval is enough for the size, none gives the prior", () => {
    strictEqual(fitCosts([]).perOpMs, priorCosts.perOpMs);
    near(
      fitCosts([worked([1000, 1000])])
        .perOpMs.slice(0, 2)
        .reduce((sum, ms) => sum + ms, 0),
      0.38,
      0.2,
      "get and put",
    );
  });

  it("a node's capacity follows its mix, and a configured ceiling is what it says", () => {
    const meter = createPowerMeter(undefined);
    strictEqual(meter.power.basis, "assumed");
    for (let n = 0; n < 30; n++) meter.note(worked([1000 + 37 * n, 500 - 11 * n]));
    strictEqual(meter.power.basis, "learned");
    const share = (1000 + 37 * 29) / (1000 + 37 * 29 + 500 - 11 * 29);
    const cost = share * 0.08 + (1 - share) * 0.3;
    near(meter.power.capacityQps, (headroom * 1000 - idleMsPerS) / cost, 0.2, "capacity");
    near(meter.power.qps, (1500 + 26 * 29) / 10, 0.01, "load");
    const fixed = createPowerMeter({ kind: "queries", perSecond: 300 });
    fixed.note(worked([500]));
    strictEqual(fixed.power.capacityQps, 300);
    const half = createPowerMeter({ kind: "cpu", share: 0.5 });
    for (let n = 0; n < 100; n++) half.note(worked([100 + 50 * n]));
    near(half.power.capacityQps, 500 / 0.08, 0.2, "half a core of gets");
  });
});
