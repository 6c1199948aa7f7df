import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { catalogue, faultWords, kindsOf, needsOf, usualFaults } from "../../scripts/chaos/catalogue.js";
import type { FaultKind } from "../../scripts/chaos/fault.js";
import { createFaultPlan, type PlannedBlow } from "../../scripts/chaos/plan.js";
import { seededRandom } from "../../src/kernel/random.js";

function kinds(text: string): readonly FaultKind[] {
  const found = kindsOf(text);
  ok(!("unknown" in found));
  return found;
}

function blows(seed: number, count: number): PlannedBlow[] {
  const plan = createFaultPlan(seededRandom(seed), catalogue);
  return Array.from({ length: count }, () => plan.next());
}

describe("chaos: catalogue", () => {
  it("knows kinds by name and by group, and says what it does not know", () => {
    deepStrictEqual(kinds("all"), catalogue);
    deepStrictEqual(
      kinds(usualFaults).map(({ name }) => name),
      usualFaults.split(","),
    );
    strictEqual(needsOf(kinds(usualFaults)).size, 0);
    deepStrictEqual(
      kinds("oldFolder,disk").map(({ name }) => name),
      ["nodeOld", "storeOld", "disk"],
    );
    deepStrictEqual(kindsOf("disk,flood"), { unknown: "flood" });
    strictEqual(new Set(faultWords).size, faultWords.length);
  });
});

describe("chaos: plan", () => {
  const names = (list: readonly PlannedBlow[]): string[] =>
    list.flatMap(({ faults }) => faults.map(({ kind }) => kind.name));

  it("is the same for the same seed, and another for another", () => {
    const told = (seed: number) =>
      blows(seed, 50).map(({ afterMs, faults }) => [afterMs, ...faults.map(({ kind, draw }) => [kind.name, draw])]);
    deepStrictEqual(told(7), told(7));
    ok(JSON.stringify(told(7)) !== JSON.stringify(told(8)));
  });

  it("has every kind once before any comes again, and joins only what may be joined", () => {
    for (let seed = 0; seed < 50; seed++) {
      const list = blows(seed, catalogue.length);
      deepStrictEqual(new Set(names(list).slice(0, catalogue.length)).size, catalogue.length);
      for (const { faults } of list) {
        ok(faults.length === 1 || faults.every(({ kind }) => kind.joins));
        for (const { kind, draw } of faults) {
          const [least, most] = kind.lastsMs;
          ok(draw.lastsMs >= least && draw.lastsMs <= most);
        }
      }
    }
    ok(blows(1, 200).some(({ faults }) => faults.length === 2));
  });

  it("comes back to what hit nobody", () => {
    const plan = createFaultPlan(seededRandom(3), catalogue.slice(0, 3));
    const [missed] = plan.next().faults;
    ok(missed !== undefined);
    plan.putBack(missed.kind);
    const later = [plan.next(), plan.next(), plan.next()];
    ok(names(later).includes(missed.kind.name));
  });
});
