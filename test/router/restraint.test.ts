import assert from "node:assert/strict";
import { createRestraint } from "../../actors/router/restraint.js";
import { seededRandom } from "../../src/kernel/random.js";

describe("restraint of a router", () => {
  /** A node that takes `perSecond` of a group, asked `times` as much for `seconds`; what it heard and took in the last half. */
  function press(times: number, seconds: number, perSecond = 500, others: (nowMs: number) => void = () => undefined) {
    const restraint = createRestraint();
    const random = seededRandom(7);
    const counts = { asked: 0, heard: 0, taken: 0, again: 0 };
    let room = 0;
    for (let nowMs = 0; nowMs < seconds * 1000; nowMs++) {
      room = Math.min(room + perSecond / 1000, 5);
      const isCounted = nowMs >= seconds * 500;
      for (let due = (perSecond * times) / 1000; due > 0; due--) {
        if (due < 1 && random.next() >= due) break;
        if (isCounted) counts.asked++;
        if (restraint.refusal("n1", "g", nowMs, random) !== undefined) continue;
        if (isCounted) counts.heard++;
        if (room >= 1) {
          room--;
          restraint.took("n1", "g", nowMs);
          if (isCounted) counts.taken++;
        } else if (restraint.refused("n1", "g", 30, nowMs) && isCounted) counts.again++;
      }
      others(nowMs);
    }
    return { restraint, random, counts };
  }

  it("sends everything to a node that takes everything", () => {
    const { counts } = press(0.8, 20);
    assert.ok(counts.asked > 3000, `${counts.asked} asked`);
    assert.equal(counts.heard, counts.asked);
  });

  it("of ten times what a node takes it hears about four times, and takes as much as it can", () => {
    const { counts } = press(10, 20);
    const canTake = 500 * 10;
    assert.ok(counts.asked > canTake * 9, `${counts.asked} asked`);
    assert.ok(counts.taken > canTake * 0.95, `${counts.taken} of ${canTake} taken`);
    assert.ok(counts.heard < canTake * 4.4, `${counts.heard} heard`);
  });

  it("tries again only a fraction of what was taken, once its purse is empty", () => {
    const { counts } = press(10, 20);
    assert.ok(counts.again > 0 && counts.again <= counts.taken * 0.11, `${counts.again} again of ${counts.taken}`);
  });

  it("refuses with the time that the node said, nothing of another group or node, and nothing soon after the overload", () => {
    const { restraint, random } = press(10, 20);
    const tries = Array.from({ length: 400 }, (_, i) => i);
    const refusals = tries.flatMap(() => restraint.refusal("n1", "g", 20_000, random) ?? []);
    assert.ok(refusals.length > 200, `${refusals.length} refused`);
    assert.deepEqual([refusals[0]?.code, refusals[0]?.detail?.retryAfterMs], ["OVERLOADED", 30]);
    for (const [node, group] of [
      ["n1", "other"],
      ["n2", "g"],
    ] as const)
      assert.ok(tries.every(() => restraint.refusal(node, group, 20_000, random) === undefined));
    const laterMs = 20_000 + 9_000;
    assert.ok(tries.slice(0, 10).every(() => restraint.refusal("n1", "g", laterMs, random) === undefined));
  });
});
