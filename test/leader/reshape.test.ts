// Splits and merges as the leader takes part in them: what may begin, and what the ledger says once the primaries have reported.

import assert from "node:assert/strict";
import type { AdminAnswer } from "../../src/protocol/control.js";
import { createTable, Sim } from "./world.js";

const hash = new Uint8Array(8).fill(7);
const at = Uint8Array.of(0x40, 0, 0, 0);
const by = "tester";

/** A table of as many fragments, all served. */
function cluster(fragments: number, nodes = 3, replicas = 2): { sim: Sim; ids: number[] } {
  const sim = new Sim();
  sim.startMember("c1");
  for (let number = 1; number <= nodes; number++) sim.startNode(`n${number}`);
  sim.until("all nodes", () => [...sim.view().nodes.values()].filter(({ state }) => state === "up").length === nodes);
  assert.ok("done" in sim.admin(createTable("users", fragments, replicas)));
  sim.until("the table serves", () => [...sim.view().fragments.values()].every((f) => f.activatedEpoch === f.epoch));
  return { sim, ids: [...sim.view().fragments.keys()] };
}

const split = (fragment: number, who = by) => ({ kind: "splitFragment", table: "users", fragment, by: who }) as const;
const merge = (left: number, right: number) => ({ kind: "mergeFragments", table: "users", left, right, by }) as const;

/** The primary of `fragment` found a cut, and the record is in its log. */
function report(sim: Sim, fragment: number, status: object): void {
  const primary = sim.view().fragments.get(fragment)?.primary ?? "";
  sim.nodes.get(primary)?.odd.set(fragment, status);
}

function splitDone(sim: Sim, fragment: number, where = at): number {
  const child = sim.view().splits.get(fragment)?.child ?? -1;
  report(sim, fragment, { cut: { child, at: where, lsn: 9, hash } });
  sim.until("the split is recorded", () => !sim.view().splits.has(fragment));
  return child;
}

/** What the ledger says of splits and merges, in order. */
function told(sim: Sim): string[] {
  return sim.ledgerEvents().flatMap((event) => {
    switch (event.kind) {
      case "splitStarted":
        return [`split ${event.fragment} into ${event.child} begins`];
      case "fragmentSplit":
        return [`${event.fragment} is split: ${event.child} begins behind LSN ${event.baseLsn}`];
      case "splitCancelled":
        return [`split of ${event.fragment} is off: ${event.why}`];
      case "mergeStarted":
        return [`merge of ${event.right} into ${event.left} begins`];
      case "fragmentsMerged":
        return [`${event.left} took ${event.right} over at LSN ${event.lsn}`];
      default:
        return [];
    }
  });
}

function refusal(answer: AdminAnswer): string {
  assert.ok("fault" in answer, JSON.stringify(answer));
  return `${answer.fault.code}: ${answer.fault.message}`;
}

describe("leader: splits and merges", () => {
  it("a split is done when its record is in the log: the child has the same nodes, primary and log group", () => {
    const { sim, ids } = cluster(1);
    const [id = -1] = ids;
    assert.ok("done" in sim.admin(split(id)));
    const child = splitDone(sim, id);
    assert.deepEqual(told(sim), [`split ${id} into ${child} begins`, `${id} is split: ${child} begins behind LSN 9`]);
    const { fragments } = sim.view();
    const [left, right] = [fragments.get(id), fragments.get(child)];
    assert.deepEqual(
      right?.replicas.map(({ node }) => node),
      left?.replicas.map(({ node }) => node),
    );
    assert.deepEqual([right?.primary, right?.group, right?.epoch], [left?.primary, left?.group, 1]);
    assert.deepEqual([left?.to, right?.from], [at, at]);
  });

  it("asked again without a key while it is under way, or right after, the same split is meant", () => {
    const { sim, ids } = cluster(1);
    const [id = -1] = ids;
    assert.ok("done" in sim.admin(split(id)));
    assert.ok("done" in sim.admin(split(id)));
    splitDone(sim, id);
    assert.ok("done" in sim.admin(split(id)));
    sim.pass(500);
    assert.equal(sim.view().fragments.size, 2);
    assert.equal(told(sim).length, 2);
  });

  it("somebody else's split, or a later one, is another", () => {
    const { sim, ids } = cluster(1);
    const [id = -1] = ids;
    sim.admin(split(id));
    splitDone(sim, id);
    assert.ok("done" in sim.admin(split(id, "another")));
    assert.ok(sim.view().splits.has(id));
    splitDone(sim, id, Uint8Array.of(0x20, 0, 0, 0));
    sim.pass(6000);
    assert.ok("done" in sim.admin(split(id)));
    assert.ok(sim.view().splits.has(id));
  });

  it("a split that cannot be is off, with the primary's reason", () => {
    const { sim, ids } = cluster(1);
    const [id = -1] = ids;
    sim.admin(split(id));
    const child = sim.view().splits.get(id)?.child ?? -1;
    report(sim, id, { refused: { child, why: "it holds too few keys" } });
    sim.until("it is off", () => sim.view().splits.size === 0);
    assert.equal(told(sim).at(-1), `split of ${id} is off: it holds too few keys`);
    assert.equal(sim.view().fragments.size, 1);
  });

  it("a merge is done when the left one's log has taken the right one over", () => {
    const { sim, ids } = cluster(1);
    const [left = -1] = ids;
    sim.admin(split(left));
    const right = splitDone(sim, left);
    sim.nodes.get(sim.view().fragments.get(left)?.primary ?? "")?.odd.delete(left);
    sim.pass(1000);
    assert.ok("done" in sim.admin(merge(left, right)));
    assert.ok("done" in sim.admin(merge(left, right)), "the same again");
    report(sim, left, { joined: { right, lsn: 12, rightLsn: 11, changedLsn: 8 } });
    sim.until("it is recorded", () => sim.view().merges.size === 0);
    assert.deepEqual(told(sim).slice(2), [
      `merge of ${right} into ${left} begins`,
      `${left} took ${right} over at LSN 12`,
    ]);
    assert.deepEqual([...sim.view().fragments.keys()], [left]);
    assert.equal(sim.view().fragments.get(left)?.to, undefined);
    assert.ok("done" in sim.admin(split(left)));
    assert.ok(sim.view().splits.has(left), "what was merged is split anew, however soon");
  });

  it("a merge of neighbours on other nodes is refused, and the moves that bring them together are named", () => {
    const { sim, ids } = cluster(8);
    const sets = ids.map(
      (id) =>
        sim
          .view()
          .fragments.get(id)
          ?.replicas.map(({ node }) => node) ?? [],
    );
    const first = sets.findIndex(
      (set, n) => n + 1 < sets.length && [...set].sort().join() !== [...(sets[n + 1] ?? [])].sort().join(),
    );
    const [left, right] = [ids[first] ?? -1, ids[first + 1] ?? -1];
    const [a = [], b = []] = [sets[first], sets[first + 1]];
    const from = b.find((node) => !a.includes(node));
    const to = a.find((node) => !b.includes(node));
    const words = refusal(sim.admin(merge(left, right)));
    assert.match(words, /^NOT_POSSIBLE/);
    assert.ok(
      words.endsWith(`bring them together first: foreshard move users/${right} --from ${from} --to ${to}`),
      words,
    );
  });

  it("refuses what cannot be: unknown, of another order, not neighbours, moving or reshaping already", () => {
    const { sim, ids } = cluster(4);
    const [a = -1, b = -1, c = -1] = ids;
    assert.match(refusal(sim.admin(split(9999))), /^UNKNOWN_FRAGMENT: .*it has/);
    assert.match(refusal(sim.admin(merge(a, 9999))), /^UNKNOWN_FRAGMENT: .*list them/);
    assert.match(refusal(sim.admin(merge(b, a))), /^NOT_POSSIBLE: .*name the left one first/);
    assert.match(refusal(sim.admin(merge(a, c))), /^NOT_POSSIBLE: .*not neighbours/);
    sim.admin(split(a));
    assert.match(refusal(sim.admin(merge(a, b))), /^NOT_POSSIBLE: .*split or merged already/);
    assert.deepEqual(sim.view().merges.size, 0);
  });
});
