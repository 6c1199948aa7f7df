import { deepStrictEqual, match, strictEqual } from "node:assert";
import type { Healed } from "../../scripts/chaos/blows.js";
import { failings, type Outcome } from "../../scripts/chaos/report.js";
import type { ReceiptCount } from "../../scripts/live/receipts.js";

const receipts: ReceiptCount = { acknowledged: 5, failed: 0, unknown: 0, lost: 0, strange: 0, examples: [] };
const healed: Healed = { kinds: ["node"], lastedMs: 0, recoveredMs: 900, unheard: [] };
const good: Outcome = {
  seed: 1,
  history: [],
  receipts,
  flood: { ...receipts, acknowledged: 0 },
  verdicts: [{ checker: "linearizable", unit: "operations", judged: 10, needed: 5, violations: [] }],
  lost: [],
  asked: ["node"],
  impossible: new Map(),
  healed: [healed],
  incidents: [],
};

describe("chaos: report", () => {
  it("passes a run that had something to judge and nothing to complain about", () => {
    deepStrictEqual(failings(good), []);
  });

  it("fails a run in which a fault that was asked for never struck, unless it cannot be made here", () => {
    const asked = ["node", "disk"];
    match(failings({ ...good, asked }).join(), /disk was asked for and never struck/);
    deepStrictEqual(failings({ ...good, asked, impossible: new Map([["disk", "no root"]]) }), []);
  });

  const wrong: readonly (readonly [string, Partial<Outcome>, RegExp])[] = [
    ["a lost row", { lost: ["k: gone"] }, /1 rows lost or strange/],
    ["a lost receipt", { receipts: { ...receipts, lost: 2 } }, /2 rows lost/],
    ["a row of an overload that nobody wrote", { flood: { ...receipts, strange: 1 } }, /1 rows lost or strange/],
    ["nothing written", { receipts: { ...receipts, acknowledged: 0 } }, /nothing was written/],
    ["no recovery", { healed: [{ ...healed, recoveredMs: undefined }] }, /no recovery: node/],
    ["an alarm that was not heard", { healed: [{ ...healed, unheard: ["storeRolledBack"] }] }, /not reported: store/],
    [
      "too little to judge",
      { verdicts: [{ checker: "linearizable", unit: "operations", judged: 1, needed: 5, violations: [] }] },
      /only 1 operations/,
    ],
  ];
  for (const [name, change, words] of wrong)
    it(`fails a run with ${name}`, () => {
      const found = failings({ ...good, ...change });
      strictEqual(found.length, 1);
      match(found.join(), words);
    });
});
