// Placement: balanced counts in the ring's order, different nodes and zones, promotion by reports and balance, repair without haste.

import assert from "node:assert/strict";
import fc from "fast-check";
import type { LedgerEvent } from "../../src/ledger/event.js";
import { emptyView, fold } from "../../src/ledger/fold.js";
import type { ClusterView } from "../../src/ledger/view.js";
import { boundOf, type Counts, countsOf } from "../../src/placement/load.js";
import { placeFragments, placeReplica } from "../../src/placement/place.js";
import { balancePrimaries, choosePrimary } from "../../src/placement/promote.js";
import { rebalance } from "../../src/placement/rebalance.js";
import { repair } from "../../src/placement/repair.js";
import { createRing, preferenceList, type RingNode } from "../../src/ring/ring.js";
import { testHash } from "../hash.js";

const ringNodes = fc.uniqueArray(
  fc.record({
    id: fc.constantFrom("n1", "n2", "n3", "n4", "n5", "n6"),
    weight: fc.constantFrom(1, 2),
    zone: fc.constant(""),
  }),
  { minLength: 1, maxLength: 6, selector: ({ id }) => id },
);
const ids = (count: number): number[] => Array.from({ length: count }, (_, at) => at * 16);

/** A view of `nodes` nodes, all up, with one table of `fragments` fragments, activated. */
function viewOf(nodes: number, fragments: number, replicas: number): ClusterView {
  const view = emptyView(0);
  const names = Array.from({ length: nodes }, (_, at) => `n${at + 1}`);
  const ring = createRing(
    names.map((id) => ({ id, weight: 1, zone: "" })),
    testHash,
  );
  const placed = placeFragments(ring, ids(fragments), replicas, new Map());
  fold(view, 1, {
    term: 1,
    member: "c1",
    nonce: "",
    events: [
      ...names.flatMap((node) => [
        { kind: "nodeJoined" as const, node, zone: "", weight: 1, storeId: "d", bootCount: 1 },
        { kind: "nodeUp" as const, node, incarnation: "i", bootCount: 1 },
      ]),
      {
        kind: "tableCreated",
        table: { id: 1, name: "t", partitioning: "hash", key: { partition: "any" }, replicas },
        fragments: placed.map(({ fragment, nodes: on }) => ({
          id: fragment,
          from: Uint8Array.of(0, fragment / 16),
          to: undefined,
          group: 0,
          replicas: on,
        })),
      },
      { kind: "fragmentsActivated", activations: ids(fragments).map((fragment) => ({ fragment, epoch: 1, lsn: 1 })) },
    ],
  });
  return view;
}

function eligible(view: ClusterView): RingNode[] {
  return [...view.nodes.values()]
    .filter(({ state, draining }) => state === "up" && !draining)
    .map(({ id, weight, zone }) => ({ id, weight, zone }));
}

function rulesOf(view: ClusterView, lost: readonly string[] = []) {
  return {
    ring: createRing(eligible(view), testHash),
    lost: (node: string) => lost.includes(node),
    inFlight: 4,
    limit: 100,
  };
}

describe("placement of new fragments", () => {
  it("puts copies on different nodes, and no node over its bound of primaries", () => {
    fc.assert(
      fc.property(
        ringNodes,
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 1, max: 4 }),
        (nodes, count, replicas) => {
          const counts: Counts = new Map();
          const placed = placeFragments(createRing(nodes, testHash), ids(count), replicas, counts);
          assert.equal(placed.length, count);
          for (const { nodes: on } of placed) {
            assert.equal(on.length, Math.min(replicas, nodes.length));
            assert.equal(new Set(on).size, on.length);
          }
          if (replicas === 1) {
            const weights = nodes.reduce((sum, { weight }) => sum + weight, 0);
            for (const { id, weight } of nodes)
              assert.ok((counts.get(id)?.replicas ?? 0) <= boundOf(count, weight, weights), "over the bound");
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it("balances copies and primaries over equal nodes", () => {
    for (const nodes of [3, 4, 5]) {
      const counts = countsOf(viewOf(nodes, 60, 3));
      for (const { replicas, primaries } of counts.values()) {
        assert.ok(
          Math.abs(replicas - 180 / nodes) <= 0.15 * (180 / nodes) + 1,
          `${replicas} copies on one of ${nodes}`,
        );
        assert.ok(primaries <= boundOf(60, 1, nodes) + 1, `${primaries} primaries on one of ${nodes}`);
      }
    }
  });

  it("evens out what older tables left uneven", () => {
    const counts: Counts = new Map([["n1", { replicas: 20, primaries: 20 }]]);
    const nodes = ["n1", "n2"].map((id) => ({ id, weight: 1, zone: "" }));
    placeFragments(createRing(nodes, testHash), ids(20), 1, counts);
    assert.ok((counts.get("n2")?.replicas ?? 0) >= 18);
  });

  it("uses every zone", () => {
    const nodes = [1, 2, 3, 4, 5, 6].map((n) => ({
      id: `n${n}`,
      weight: 1,
      zone: n <= 3 ? "east" : n <= 5 ? "west" : "north",
    }));
    const zoneOf = new Map(nodes.map(({ id, zone }) => [id, zone]));
    for (const { nodes: on } of placeFragments(createRing(nodes, testHash), ids(40), 3, new Map()))
      assert.equal(new Set(on.map((id) => zoneOf.get(id))).size, 3);
    const more = placeReplica(createRing(nodes, testHash), 16, new Set(["n1", "n6"]), new Map(), () => true);
    assert.ok(more === "n4" || more === "n5", `${more} is in a zone that has a copy`);
  });
});

describe("promotion", () => {
  const view = viewOf(3, 1, 3);
  const fragment = [...view.fragments.values()][0];
  assert.ok(fragment !== undefined);
  const choose = (able: string[], lsn: Record<string, number> = {}, counts: Counts = new Map()) =>
    choosePrimary(view, fragment, counts, { able: (node) => able.includes(node), lsnOf: (node) => lsn[node] ?? 0 });

  it("takes only who is able and ready", () => {
    assert.equal(choose(["n2"]), "n2");
    assert.equal(choose([]), undefined);
  });

  it("prefers the furthest by far, and the least loaded among those close together", () => {
    assert.equal(choose(["n2", "n3"], { n2: 1000, n3: 100 }), "n2");
    const busy: Counts = new Map([["n2", { replicas: 9, primaries: 9 }]]);
    assert.equal(choose(["n2", "n3"], { n2: 1000, n3: 990 }, busy), "n3");
  });

  it("balances by moving from the fullest to the emptiest, and then stops", () => {
    const many = viewOf(3, 30, 3);
    for (const f of many.fragments.values()) f.primary = "n1";
    const counts = countsOf(many);
    const shifts = balancePrimaries(many, counts, 100, () => true);
    assert.equal(shifts.length, 20);
    assert.deepEqual(
      [...counts.values()].map(({ primaries }) => primaries),
      [10, 10, 10],
    );
    assert.equal(balancePrimaries(many, new Map(counts), 2, () => false).length, 0);
  });
});

describe("repair", () => {
  it("leaves a sound cluster alone", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 5 }),
        (nodes, fragments, replicas) => {
          const view = viewOf(nodes, fragments, replicas);
          assert.deepEqual(repair(view, countsOf(view), rulesOf(view)), { add: [], remove: [] });
        },
      ),
      { numRuns: 30 },
    );
  });

  it("replaces what is lost, bounded per node, and removes it only when replaced", () => {
    const view = viewOf(4, 40, 3);
    const node = view.nodes.get("n1");
    assert.ok(node !== undefined);
    node.state = "down";
    const first = repair(view, countsOf(view), rulesOf(view, ["n1"]));
    const lost = [...view.fragments.values()].filter((f) => f.replicas.some((r) => r.node === "n1"));
    assert.ok(first.add.length > 0 && first.add.length <= Math.min(12, lost.length));
    assert.deepEqual(first.remove, []);
    const perNode = new Map<string, number>();
    for (const { node: on } of first.add) perNode.set(on, (perNode.get(on) ?? 0) + 1);
    assert.ok([...perNode.values()].every((count) => count <= 4));
    assert.ok(!perNode.has("n1"));
  });

  it("does nothing about a node that may come back", () => {
    const view = viewOf(4, 40, 3);
    const node = view.nodes.get("n1");
    assert.ok(node !== undefined);
    node.state = "down";
    assert.deepEqual(repair(view, countsOf(view), rulesOf(view)), { add: [], remove: [] });
  });

  it("leaves a draining node's copies to moves, and lets them go where no other node could take them", () => {
    const drained = (nodes: number): ClusterView => {
      const view = viewOf(nodes, 40, 3);
      const node = view.nodes.get("n1");
      assert.ok(node !== undefined);
      node.draining = true;
      for (const f of view.fragments.values())
        if (f.primary === "n1") f.primary = f.replicas.find((r) => r.node !== "n1")?.node ?? "";
      return view;
    };
    const roomy = drained(4);
    assert.deepEqual(repair(roomy, countsOf(roomy), rulesOf(roomy)), { add: [], remove: [] });
    const narrow = drained(3);
    const { add, remove } = repair(narrow, countsOf(narrow), rulesOf(narrow));
    assert.deepEqual(add, []);
    assert.ok(remove.length > 0 && remove.every((replica) => replica.node === "n1"));
  });

  it("counts a move's source and destination as one copy, and takes neither away", () => {
    const view = viewOf(4, 8, 3);
    const fragment = [...view.fragments.values()][0];
    assert.ok(fragment !== undefined);
    const held = fragment.replicas.map(({ node }) => node);
    const to = ["n1", "n2", "n3", "n4"].find((id) => !held.includes(id)) ?? "";
    const from = held[1] ?? "";
    const move = { id: 1, fragment: fragment.id, from, to, role: false, by: "", why: "", startedMs: 0, deadlineMs: 0 };
    const events: LedgerEvent[] = [
      { kind: "moveStarted", move: { ...move, strategy: "log-shipping", cause: "operator" } },
      { kind: "replicasAdded", replicas: [{ fragment: fragment.id, node: to }], cause: "move" },
    ];
    const before = countsOf(view);
    fold(view, view.seq + 1, { term: 1, member: "c1", nonce: "", events });
    const after = countsOf(view);
    assert.equal(after.get(from)?.replicas, (before.get(from)?.replicas ?? 0) - 1);
    assert.equal(after.get(to)?.replicas, (before.get(to)?.replicas ?? 0) + 1);
    assert.deepEqual(repair(view, after, rulesOf(view)), { add: [], remove: [] });
  });

  it("reaches three ready copies beside a lost node, without ever having fewer than two", () => {
    const view = viewOf(4, 40, 3);
    const node = view.nodes.get("n1");
    assert.ok(node !== undefined);
    node.state = "down";
    for (const f of view.fragments.values())
      if (f.primary === "n1") f.primary = f.replicas.find((r) => r.node !== "n1")?.node ?? "";
    for (let round = 0; round < 100; round++) {
      const { add, remove } = repair(view, countsOf(view), rulesOf(view, ["n1"]));
      if (add.length + remove.length === 0) break;
      fold(view, view.seq + 1, {
        term: 1,
        member: "c1",
        nonce: "",
        events: [
          { kind: "replicasAdded", replicas: add, cause: "" },
          { kind: "replicasRemoved", replicas: remove, cause: "" },
          { kind: "replicasReady", replicas: add },
        ],
      });
      for (const { replicas } of view.fragments.values())
        assert.ok(replicas.filter(({ state }) => state === "ready").length >= 3);
    }
    for (const { replicas } of view.fragments.values()) {
      assert.equal(replicas.length, 3);
      assert.ok(replicas.every((replica) => replica.node !== "n1"));
    }
  });
});

describe("rebalancing", () => {
  /** The view after a node joined that holds nothing. */
  const joined = (nodes: number, fragments: number, replicas: number): ClusterView => {
    const view = viewOf(nodes, fragments, replicas);
    const event: LedgerEvent = { kind: "nodeJoined", node: "n9", zone: "", weight: 1, storeId: "d", bootCount: 1 };
    const up: LedgerEvent = { kind: "nodeUp", node: "n9", incarnation: "i", bootCount: 1 };
    fold(view, view.seq + 1, { term: 1, member: "c1", nonce: "", events: [event, up] });
    return view;
  };
  const rules = (view: ClusterView) => ({
    ring: createRing(eligible(view), testHash),
    limit: 1000,
    mayTake: () => true,
    mayGive: () => true,
    isFilling: () => false,
  });

  it("moves to a joined node no more than its fair share, and to no node that has enough", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 3 }),
        (nodes, fragments, replicas) => {
          const view = joined(nodes, fragments, replicas);
          const counts = countsOf(view);
          const total = [...counts.values()].reduce((sum, count) => sum + count.replicas, 0);
          const share = total / (nodes + 1);
          const held = countsOf(view);
          const heldBefore = (node: string): number => held.get(node)?.replicas ?? 0;
          const transfers = rebalance(view, counts, rules(view));
          for (const { to } of transfers)
            assert.ok(heldBefore(to) < share / 2, `${to} held ${heldBefore(to)} of ${share}`);
          const own = transfers.filter(({ to }) => to === "n9").length;
          assert.equal(own, Math.min(Math.floor(0.9 * share), fragments), `of ${share}`);
          for (const { fragment, from, to } of transfers) {
            assert.ok(fragment.replicas.some(({ node }) => node === from));
            assert.ok(!fragment.replicas.some(({ node }) => node === to));
          }
          assert.equal(new Set(transfers.map(({ fragment }) => fragment.id)).size, transfers.length);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("leaves a balanced cluster alone, and is done after one go", () => {
    for (const nodes of [3, 4, 5, 6]) {
      const view = viewOf(nodes, 60, 2);
      assert.deepEqual(rebalance(view, countsOf(view), rules(view)), []);
      const wider = joined(nodes, 60, 2);
      const counts = countsOf(wider);
      rebalance(wider, counts, rules(wider));
      assert.deepEqual(rebalance(wider, counts, rules(wider)), []);
    }
  });

  it("takes first what the ring gives to the joined node", () => {
    const view = joined(4, 60, 3);
    const ring = createRing(eligible(view), testHash);
    const transfers = rebalance(view, countsOf(view), rules(view));
    const preferred = transfers.filter(({ fragment, from }) => {
      const order = preferenceList(ring, fragment.id, 5).map(({ id }) => id);
      return order.indexOf("n9") < order.indexOf(from);
    });
    assert.ok(transfers.length > 20);
    assert.ok(preferred.length > 0.8 * transfers.length, `${preferred.length} of ${transfers.length}`);
  });

  it("keeps zones apart", () => {
    const view = joined(4, 40, 2);
    for (const [id, zone] of [
      ["n1", "a"],
      ["n2", "a"],
      ["n3", "b"],
      ["n4", "b"],
      ["n9", "b"],
    ] as const) {
      const node = view.nodes.get(id);
      assert.ok(node !== undefined);
      node.zone = zone;
    }
    const spread = [...view.fragments.values()].filter(({ replicas }) => zones(view, replicas) === 2);
    assert.ok(spread.length > 5);
    for (const { fragment, from, to } of rebalance(view, countsOf(view), rules(view))) {
      const after = [...fragment.replicas.filter(({ node }) => node !== from), { node: to }];
      assert.ok(zones(view, after) >= zones(view, fragment.replicas));
    }
  });
});

function zones(view: ClusterView, replicas: readonly { readonly node: string }[]): number {
  return new Set(replicas.map(({ node }) => view.nodes.get(node)?.zone)).size;
}
