import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { type AdmissionShape, createAdmission, type Verdict } from "../../src/load/admission.js";

const shape: AdmissionShape = { perSecond: 1000, burstMs: 25, waitMs: 40, mostWaiting: 50 };

interface Asked {
  readonly group: string;
  readonly atMs: number;
  readonly price: number;
}
interface Told {
  readonly asked: Asked;
  readonly atMs: number;
  readonly kind: Verdict<Asked>["kind"];
  readonly retryAfterMs: number;
}

/** Plays arrivals, in order of time, with the timer as a node would arm it. */
function play(
  arrivals: readonly Asked[],
  given: AdmissionShape,
): { readonly told: Told[]; readonly mostWaiting: number } {
  const admission = createAdmission<Asked>(given);
  const told: Told[] = [];
  let mostWaiting = 0;
  let nowMs = 0;
  const hear = (verdicts: readonly Verdict<Asked>[]): void => {
    for (const verdict of verdicts)
      told.push({
        asked: verdict.item,
        atMs: nowMs,
        kind: verdict.kind,
        retryAfterMs: verdict.kind === "refused" ? verdict.retryAfterMs : 0,
      });
    mostWaiting = Math.max(mostWaiting, admission.waiting());
  };
  const passUntil = (endMs: number): void => {
    for (let looks = 0; looks < 100_000; looks++) {
      const nextMs = admission.nextMs(nowMs);
      if (nextMs === undefined || nowMs + Math.max(1, Math.ceil(nextMs)) > endMs) return;
      nowMs += Math.max(1, Math.ceil(nextMs));
      hear(admission.pump(nowMs));
    }
    ok(false, "the timer spins");
  };
  for (const asked of arrivals) {
    passUntil(asked.atMs);
    nowMs = Math.max(nowMs, asked.atMs);
    hear(admission.offer(asked.group, asked.price, asked, nowMs));
  }
  passUntil(nowMs + 60_000);
  strictEqual(admission.waiting(), 0);
  return { told, mostWaiting };
}

const arrivals = fc
  .array(
    fc.record({
      group: fc.constantFrom("a", "b", "c", "d"),
      atMs: fc.integer({ min: 0, max: 400 }),
      price: fc.constantFrom(1, 1, 1, 3, 20),
    }),
    { minLength: 1, maxLength: 600 },
  )
  .map((all) => all.sort((one, other) => one.atMs - other.atMs));

describe("admission", () => {
  it("lets in or refuses each operation exactly once, none after more than its time, with a bounded line", () => {
    fc.assert(
      fc.property(arrivals, (all) => {
        const { told, mostWaiting } = play(all, shape);
        strictEqual(told.length, all.length);
        strictEqual(new Set(told.map(({ asked }) => asked)).size, all.length);
        ok(mostWaiting <= shape.mostWaiting, `${mostWaiting} waited`);
        for (const { asked, atMs, kind, retryAfterMs } of told) {
          ok(atMs - asked.atMs <= shape.waitMs + 2, `waited ${atMs - asked.atMs} ms`);
          if (kind === "refused") ok(retryAfterMs >= 5 && retryAfterMs <= 1000);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("never lets in more than its budget, a burst and one operation, in any stretch of time", () => {
    fc.assert(
      fc.property(arrivals, (all) => {
        const admitted = play(all, shape).told.filter(({ kind }) => kind === "admitted");
        for (let from = 0; from < admitted.length; from += 7) {
          let sum = 0;
          const startMs = admitted[from]?.atMs ?? 0;
          for (const { asked, atMs } of admitted.slice(from)) {
            sum += asked.price;
            const most = (shape.perSecond * (atMs - startMs + shape.burstMs)) / 1000 + 20;
            ok(sum <= most + 1e-6, `${sum} within ${atMs - startMs} ms`);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it("a group that asks for less than its share is never refused, however much another floods", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 3, max: 30 }), (flood, everyMs) => {
        const all: Asked[] = [];
        for (let atMs = 0; atMs < 1000; atMs++) {
          for (let n = 0; n < flood; n++) all.push({ group: "flood", atMs, price: 1 });
          if (atMs % everyMs === 0) all.push({ group: "modest", atMs, price: 1 });
        }
        const modest = play(all, shape).told.filter(({ asked }) => asked.group === "modest");
        strictEqual(modest.length, Math.ceil(1000 / everyMs));
        for (const { kind, asked, atMs } of modest) {
          strictEqual(kind, "admitted");
          ok(atMs - asked.atMs <= 5, `waited ${atMs - asked.atMs} ms behind the flood`);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("groups that all ask for too much get the same, by price and not by count", () => {
    const all: Asked[] = [];
    for (let atMs = 0; atMs < 2000; atMs++)
      for (let n = 0; n < 3; n++) {
        all.push({ group: "small", atMs, price: 1 });
        all.push({ group: "large", atMs, price: 4 });
      }
    const got = { small: 0, large: 0 };
    for (const { asked, kind } of play(all, { ...shape, mostWaiting: 2000 }).told)
      if (kind === "admitted") got[asked.group === "small" ? "small" : "large"] += asked.price;
    ok(got.small + got.large > 1900 && got.small + got.large < 2100, JSON.stringify(got));
    ok(got.small / got.large > 0.85 && got.small / got.large < 1.18, JSON.stringify(got));
  });

  it("with room in the budget nobody waits", () => {
    const admission = createAdmission<number>(shape);
    for (let n = 0; n < 100; n++) deepStrictEqual(admission.offer("a", 1, n, n * 2), [{ kind: "admitted", item: n }]);
    strictEqual(admission.nextMs(200), undefined);
  });
});
