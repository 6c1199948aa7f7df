import assert from "node:assert/strict";
import { createQuota } from "../../actors/router/quota.js";

describe("router: quota of one user", () => {
  it("one user cannot hold more than its part; the others are not touched", () => {
    const quota = createQuota({ underWay: 2 });
    assert.equal(quota.take("ann", 0), undefined);
    assert.equal(quota.take("ann", 0), undefined);
    assert.equal(quota.take("ann", 0)?.code, "OVERLOADED");
    assert.equal(quota.take("bob", 0), undefined);
    quota.free("ann");
    assert.equal(quota.take("ann", 0), undefined);
  });

  it("a rate lets a second's worth pass at once, then its pace", () => {
    const quota = createQuota({ underWay: 1e6, perSecond: 10 });
    const passed = (atMs: number, tries: number): number =>
      Array.from({ length: tries }, () => quota.take("ann", atMs)).filter((why) => why === undefined).length;
    assert.equal(passed(0, 50), 10);
    assert.equal(quota.take("ann", 0)?.detail?.retryAfterMs, 100);
    assert.equal(passed(500, 50), 5);
    assert.equal(passed(60_000, 50), 10);
  });

  it("who asks from inside is not limited", () => {
    const quota = createQuota({ underWay: 1, perSecond: 1 });
    for (let n = 0; n < 100; n++) assert.equal(quota.take("", 0), undefined);
  });
});
