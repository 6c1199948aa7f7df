// Policy. What a page of policy may say, and what is answered to one that cannot be.

import { strict as assert } from "node:assert";
import { decodePolicy, defaultPolicy } from "../../src/plan/policy.js";

function refusal(given: unknown): string {
  const result = decodePolicy(given);
  assert.ok(!result.ok, `${JSON.stringify(given)} was taken`);
  assert.equal(result.fault.code, "BAD_POLICY");
  return result.fault.message;
}

describe("policy", () => {
  it("has a default that is predictive, and takes changes field by field", () => {
    assert.equal(defaultPolicy.mode, "predictive");
    assert.equal(defaultPolicy.risk, 0.05);
    const changed = decodePolicy({ mode: "reactive", budget: { concurrentMoves: 7 } });
    assert.ok(changed.ok);
    assert.equal(changed.value.budget.concurrentMoves, 7);
    assert.equal(changed.value.budget.dataShare, defaultPolicy.budget.dataShare);
    const again = decodePolicy({ risk: 0.1 }, changed.value);
    assert.ok(again.ok);
    assert.equal(again.value.mode, "reactive");
  });
  it("refuses names nobody knows, and says which there are", () => {
    assert.match(refusal({ riks: 0.1 }), /no field "riks".*mode, risk/);
    assert.match(refusal({ budget: { share: 1 } }), /no field "share" in budget.*dataShare/);
  });
  it("refuses values that cannot be, naming them", () => {
    for (const given of [
      { risk: 0 },
      { risk: 2 },
      { risk: "low" },
      { risk: Number.NaN },
      { roundMs: -1 },
      { mode: "magic" },
    ])
      assert.match(refusal(given), new RegExp(`^${Object.keys(given)[0]}: `));
    assert.match(refusal({ budget: { dataShare: 0.5 } }), /^budget\.dataShare: .*0\.09/);
    assert.match(refusal({ reactive: { calmExcess: 0.2 } }), /calmExcess must be below reactive.hotExcess \(0.1\)/);
    assert.match(refusal({ reactive: { floorShare: 0.9 } }), /floorShare must be below/);
    for (const given of [null, 7, "predictive", [], undefined]) assert.match(refusal(given), /a policy is an object/);
  });
});
