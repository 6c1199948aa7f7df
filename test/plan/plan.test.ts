// Plan. What the planner does with loads that are foreseen, with loads that nobody foresaw, with absurd ones, and when nothing helps.

import { strict as assert } from "node:assert";
import fc from "fast-check";
import { createPathLoads } from "../../src/plan/loads.js";
import { createPlanner, pictureOf, planRound } from "../../src/plan/plan.js";
import { isAtRisk, mayExceed, riskOf } from "../../src/plan/risk.js";
import { gridOf, loadsOf, nodesOf, planFor, planFragment, policyOf, samples, type TownFragment, walk } from "./town.js";

const minuteMs = 60_000;
const three = nodesOf({ n1: 100, n2: 100, n3: 100 });

function steady(id: number, places: string[], load: number, more: Partial<TownFragment> = {}): TownFragment {
  return { id, places, load: () => load, ...more };
}

/** Rises to `peak` after `atMs`. */
function rising(id: number, places: string[], load: number, peak: number, atMs: number): TownFragment {
  return { id, places, load: (now) => (now >= atMs ? peak : load) };
}

describe("plan: predictive", () => {
  it("hands a primary over before its node is foreseen to be too full, and says why", () => {
    const fragments = [
      rising(1, ["n1", "n2"], 20, 70, 6 * minuteMs),
      rising(2, ["n1", "n3"], 20, 70, 6 * minuteMs),
      steady(3, ["n2", "n3"], 40),
    ];
    const plan = planFor(three, fragments, policyOf());
    const [action] = plan.actions;
    assert.equal(action?.kind, "handOver");
    assert.equal(action.from, "n1");
    assert.equal(action.to, "n3");
    assert.ok(action.startMs <= action.deadlineMs && action.deadlineMs > 0, "it begins before the ramp");
    assert.ok(action.riskBefore > 0.9 && action.riskAfter <= 0.025);
    assert.match(action.why, /n1 would exceed 100 .* with probability/);
    const [risk] = plan.risks;
    assert.equal(risk?.node, "n1");
    assert.ok(Math.max(...risk.before) > 0.9 && Math.max(...risk.after) <= 0.025);
  });

  it("moves a copy where no hand-over helps, and begins it so that it ends in time", () => {
    const fragments = [
      { ...rising(1, ["n1"], 20, 70, 8 * minuteMs), bytes: 10e6 },
      { ...rising(2, ["n1"], 20, 70, 8 * minuteMs), bytes: 10e6 },
      steady(3, ["n2"], 50),
    ];
    const plan = planFor(three, fragments, policyOf());
    const [action] = plan.actions;
    assert.equal(action?.kind, "moveReplica");
    assert.equal(action.to, "n3");
    assert.ok(action.startMs + action.lastsMs <= action.deadlineMs);
    assert.equal(action.isLate, false);
  });

  it("waits for the trough before the ramp", () => {
    const load = (now: number): number =>
      now < 3 * minuteMs ? 40 : now < 5 * minuteMs ? 10 : now < 9 * minuteMs ? 30 : 70;
    const fragments = [
      { id: 1, places: ["n1"], load },
      { id: 2, places: ["n1"], load },
    ];
    const [action] = planFor(three, fragments, policyOf()).actions;
    assert.equal(action?.kind, "moveReplica");
    assert.ok(action.startMs >= 2 * minuteMs && action.startMs < 5 * minuteMs, `not at ${action.startMs}`);
  });

  it("takes the role first and the rows after where a copy would be too late", () => {
    const fragments = [
      { ...steady(1, ["n1"], 70), bytes: 4e9 },
      { ...steady(2, ["n1"], 70), bytes: 4e9 },
    ];
    const policy = policyOf({ budget: { freeBytes: 2 ** 36 }, minimumGainPerGib: 0 });
    const [action] = planFor(three, fragments, policy).actions;
    assert.equal(action?.kind, "moveReplica");
    assert.equal(action.strategy, "copy-on-write");
  });

  it("splits a fragment that fits nowhere whole, and says of one key that it cannot", () => {
    const hot = rising(1, ["n1"], 20, 150, 5 * minuteMs);
    const plan = planFor(three, [hot], policyOf());
    assert.deepEqual(
      plan.actions.map(({ kind }) => kind),
      ["split"],
    );
    const single = planFor(three, [{ ...hot, isSplittable: false }], policyOf());
    assert.deepEqual(single.actions, []);
    assert.equal(single.findings.find(({ kind }) => kind === "cannotSplit")?.fragment, 1);
  });

  it("spreads the reads of one hot key over more copies", () => {
    const hot = { ...rising(1, ["n1"], 20, 150, 5 * minuteMs), isSplittable: false, spreadShare: 1 };
    const [action] = planFor(three, [hot], policyOf()).actions;
    assert.equal(action?.kind, "addReplica");
  });

  it("says that all nodes are overloaded, and moves nothing", () => {
    const fragments = [1, 2, 3, 4, 5, 6].map((id) => steady(id, [`n${1 + (id % 3)}`], 70));
    const plan = planFor(three, fragments, policyOf());
    assert.deepEqual(plan.actions, []);
    assert.ok(plan.findings.some(({ kind }) => kind === "allOverloaded"));
  });

  it("holds a node full below its capacity: the bursts of a moment need room", () => {
    const fragments = [steady(1, ["n1"], 41), steady(2, ["n1"], 41)];
    assert.equal(planFor(three, fragments, policyOf({ fullShare: 0.8 })).actions[0]?.from, "n1");
    assert.deepEqual(planFor(three, fragments, policyOf()).actions, []);
  });

  it("gives a fragment to a node that will need the room itself only when the fragment may move on", () => {
    const until = (now: number, from: number, to: number): boolean => now > from * minuteMs && now <= to * minuteMs;
    const hot = (now: number): number => (until(now, 10, 25) ? 70 : 30);
    const towns = (peakFrom: number): TownFragment[] => [
      { id: 1, places: ["n1"], load: hot },
      { id: 2, places: ["n1"], load: hot },
      { id: 3, places: ["n2"], load: (now) => (now > peakFrom * minuteMs ? 90 : 20) },
      steady(4, ["n3"], 80),
    ];
    const grid = gridOf(12, 5 * minuteMs);
    const plan = (from: number) => planFor(three, towns(from), policyOf({ splits: false }), 0, grid);
    const [action] = plan(40).actions;
    assert.deepEqual([action?.kind, action !== undefined && "to" in action && action.to], ["moveReplica", "n2"]);
    assert.deepEqual(plan(10).actions, []);
  });

  it("begins nothing much longer before it has to be begun than it then stays, however deep the trough", () => {
    const load = (now: number): number => (now < 5 * minuteMs ? 5 : now < 50 * minuteMs ? 40 : 70);
    const fragments = [1, 2].map((id): TownFragment => ({ id, places: ["n1"], load }));
    const [action] = planFor(three, fragments, policyOf(), 0, gridOf(12, 5 * minuteMs)).actions;
    assert.ok(action !== undefined && action.startMs >= 24 * minuteMs && action.startMs < 50 * minuteMs);
  });

  it("where no taker stays calm, takes the one that lessens the risk, and not one that only shifts it", () => {
    const fragments = [
      steady(1, ["n1"], 85),
      steady(2, ["n1"], 40, { spread: 0.5 }),
      steady(3, ["n2"], 55, { spread: 0.5 }),
      steady(4, ["n3"], 95),
    ];
    const policy = policyOf({ splits: false });
    const [action] = planFor(three, fragments, policy).actions;
    assert.equal(action?.fragment, 2);
    const { riskBefore, riskTo } = action;
    assert.ok(riskTo > policy.risk && riskTo <= riskBefore / 2, `${riskBefore} before, ${riskTo} at the taker`);
    const worse = fragments.map((one) => (one.id === 3 ? steady(3, ["n2"], 95, { spread: 0.5 }) : one));
    assert.deepEqual(planFor(three, worse, policy).actions, []);
  });

  it("reacts at once to a load that nobody foresaw", () => {
    const fragments = [1, 2, 3].map((id) => steady(id, ["n1", "n2"], 30, { isForecast: false }));
    const plan = planFor(three, fragments, policyOf());
    assert.ok(plan.actions.length > 0);
    assert.ok(plan.actions.every(({ startMs }) => startMs === 0));
  });

  it("keeps promises: a move under way counts as landed", () => {
    const fragments = [rising(1, ["n1", "n2"], 20, 70, minuteMs), rising(2, ["n1", "n3"], 20, 70, minuteMs)];
    const grid = gridOf(12, minuteMs);
    const loads = loadsOf(fragments, grid, 0);
    const moves = [{ fragment: 1, from: "n1", to: "n2", role: true, copies: false }];
    const plan = planRound(
      { nowMs: 0, grid, nodes: three, fragments: fragments.map(planFragment), moves, loads },
      policyOf(),
    );
    assert.deepEqual(plan.actions, []);
  });

  it("empties a node that the upper quantile does not need, if told to, and only then", () => {
    const fragments = [1, 2, 3, 4, 5, 6].map((id) => steady(id, [`n${1 + (id % 3)}`], 15));
    assert.deepEqual(planFor(three, fragments, policyOf()).actions, []);
    const { fragments: left } = walk(three, fragments, policyOf({ consolidation: { act: true } }), 8);
    assert.equal(new Set(left.flatMap(({ places }) => places)).size, 2);
  });

  it("where nodes are emptied, takes one empty node into use at a time", () => {
    const nodes = nodesOf({ n1: 100, n2: 100, n3: 100, n4: 100, n5: 100 });
    const fragments = Array.from({ length: 10 }, (_, at) => rising(at + 1, ["n1"], 8, 15, 6 * minuteMs));
    const used = (act: boolean): number => {
      const budget = { concurrentMoves: 16, concurrentMovesPerNode: 16 };
      const { actions } = planFor(nodes, fragments, policyOf({ consolidation: { act }, budget }));
      assert.ok(actions.length >= 4);
      return new Set(actions.map((action) => ("to" in action ? action.to : ""))).size;
    };
    assert.equal(used(true), 1);
    assert.ok(used(false) > 1);
  });
});

describe("plan: the other modes", () => {
  const uneven = [1, 2, 3, 4].map((id) => steady(id, ["n1", "n2"], 20));
  it("static moves nothing, whatever comes", () => {
    assert.deepEqual(planFor(three, uneven, policyOf({ mode: "static" })).actions, []);
  });
  it("reactive evens out what is uneven now, knows no future, and then rests", () => {
    const policy = policyOf({ mode: "reactive" });
    const { begun, fragments } = walk(three, uneven, policy, 20);
    assert.ok(begun.length > 0 && begun.every(({ atMs }) => atMs < 10 * policy.roundMs));
    assert.ok(fragments.filter(({ places }) => places[0] === "n1").length <= 2);
    const foreseen = [rising(1, ["n1", "n2"], 10, 90, 5 * minuteMs), rising(2, ["n1", "n2"], 10, 90, 5 * minuteMs)];
    assert.deepEqual(
      planFor(
        three,
        foreseen.map((one) => ({ ...one, movedMs: 0 })),
        policy,
      ).actions,
      [],
    );
  });
  it("shadow plans as predictive does", () => {
    const fragments = [rising(1, ["n1", "n2"], 20, 70, 6 * minuteMs), rising(2, ["n1", "n3"], 20, 70, 6 * minuteMs)];
    const [shadow, predictive] = ["shadow", "predictive"].map((mode) => planFor(three, fragments, policyOf({ mode })));
    assert.ok((shadow?.actions.length ?? 0) > 0);
    assert.deepEqual(shadow?.actions, predictive?.actions);
  });
});

describe("plan: bad input", () => {
  const absurd = [Number.NaN, Number.POSITIVE_INFINITY, -1, 1e300];
  it("absurd forecasts count as none", () => {
    const grid = gridOf(4, minuteMs);
    for (const value of absurd) {
      const loads = createPathLoads(4, samples);
      assert.equal(loads.set(0, 10, new Float32Array(4 * samples).fill(value)), false);
      assert.equal(loads.set(1, value, undefined), false);
      const fragments = [planFragment(steady(1, ["n1"], 0)), planFragment(steady(2, ["n1"], 0))];
      const plan = planRound({ nowMs: 0, grid, nodes: three, fragments, moves: [], loads }, policyOf());
      assert.deepEqual(plan.actions, []);
    }
    assert.equal(createPathLoads(4, samples).set(0, 1, new Float32Array(3)), false);
  });
  it("a node without capacity takes nothing, gives nothing, and is named", () => {
    for (const capacity of [0, -5, Number.NaN, Number.POSITIVE_INFINITY]) {
      const nodes = nodesOf({ n1: 100, n2: capacity, n3: 100 });
      const fragments = [steady(1, ["n1", "n2"], 90), steady(2, ["n1", "n2"], 90), steady(3, ["n2"], 500)];
      const plan = planFor(nodes, fragments, policyOf());
      assert.ok(plan.findings.some(({ kind, node }) => kind === "noCapacity" && node === "n2"));
      assert.ok(plan.actions.every((action) => !("to" in action) || action.to !== "n2"));
    }
  });
  it("no nodes, no fragments, unknown places: no plan, no crash", () => {
    assert.deepEqual(planFor([], [], policyOf()).actions, []);
    assert.deepEqual(planFor([], [steady(1, ["n9"], 1e6)], policyOf()).actions, []);
    assert.deepEqual(planFor(three, [steady(1, [], 1e6)], policyOf()).actions, []);
  });
});

const arbitraryTown = fc
  .record({
    nodes: fc.integer({ min: 2, max: 6 }),
    fragments: fc.array(
      fc.record({
        at: fc.nat(5),
        other: fc.nat(5),
        base: fc.integer({ min: 0, max: 60 }),
        peak: fc.integer({ min: 0, max: 120 }),
        atStep: fc.integer({ min: 0, max: 30 }),
        bytes: fc.integer({ min: 1e6, max: 5e8 }),
        spread: fc.double({ min: 0, max: 0.5, noNaN: true }),
      }),
      { minLength: 1, maxLength: 24 },
    ),
  })
  .map(({ nodes, fragments }) => ({
    nodes: nodesOf(Object.fromEntries(Array.from({ length: nodes }, (_, at) => [`n${at}`, 100]))),
    fragments: fragments.map(({ at, other, base, peak, atStep, bytes, spread }, id): TownFragment => {
      const places = [...new Set([`n${at % nodes}`, `n${other % nodes}`])];
      return { id, places, bytes, spread, load: (now) => (now >= atStep * minuteMs ? peak : base) };
    }),
  }));

describe("plan: properties", () => {
  it("the summary never calls a node calm whose risk is above the bound (PI1)", () => {
    fc.assert(
      fc.property(arbitraryTown, ({ nodes, fragments }) => {
        const grid = gridOf(12, minuteMs);
        const policy = policyOf();
        const loads = loadsOf(fragments, grid, 0);
        const picture = pictureOf(
          { nowMs: 0, grid, nodes, fragments: fragments.map(planFragment), moves: [], loads },
          policy,
        );
        nodes.forEach((_, node) => {
          if (!mayExceed(picture, node))
            assert.ok(Math.max(...riskOf(picture, node)) <= policy.risk * policy.calmShare + 1e-9);
        });
      }),
    );
  });

  it("a node is at risk at first sight where it is after a look at all of its samples", () => {
    let atRisk = 0;
    fc.assert(
      fc.property(arbitraryTown, ({ nodes, fragments }) => {
        const grid = gridOf(12, minuteMs);
        const policy = policyOf();
        const loads = loadsOf(fragments, grid, 0);
        const input = { nowMs: 0, grid, nodes, fragments: fragments.map(planFragment), moves: [], loads };
        const picture = pictureOf(input, policy);
        nodes.forEach((_, node) => {
          const expected = Math.max(...riskOf(picture, node)) > policy.risk;
          if (expected) atRisk++;
          assert.equal(isAtRisk(picture, node, policy.risk), expected);
        });
      }),
    );
    assert.ok(atRisk > 0, "there is something to judge");
  });

  it("a steady load moves nothing after settling; no fragment moves twice within its cool-down; a round moves at most 9 % of the data", () => {
    fc.assert(
      fc.property(arbitraryTown, fc.constantFrom("predictive", "reactive"), ({ nodes, fragments }, mode) => {
        const policy = policyOf({ mode, budget: { freeBytes: 0 }, splits: false, roundMs: minuteMs });
        const still = fragments.map((fragment) => ({ ...fragment, load: () => fragment.load(0) }));
        // Several cool-downs: what may move once in ten minutes takes a while to find its place.
        const rounds = 100;
        const { begun, rounds: bytes } = walk(nodes, still, policy, rounds);
        const total = fragments.reduce((sum, { bytes: size = 0, places }) => sum + size * places.length, 0);
        for (const spent of bytes) assert.ok(spent <= 0.09 * total + 1);
        assert.deepEqual(
          begun.filter(({ atMs }) => atMs > (rounds - 30) * policy.roundMs),
          [],
        );
        neverTwice(begun, policy.coolDownMs);
      }),
      { numRuns: 25 },
    );
  });

  it("under a load that changes no fragment moves twice within its cool-down, and no taker is brought above the bound unless more is averted elsewhere", () => {
    fc.assert(
      fc.property(arbitraryTown, ({ nodes, fragments }) => {
        const policy = policyOf({ roundMs: 30_000 });
        const { begun } = walk(nodes, fragments, policy, 40);
        neverTwice(begun, policy.coolDownMs);
        const plan = planFor(nodes, fragments, policy);
        for (const action of plan.actions)
          if (action.cause === "forecast" && action.kind !== "split")
            assert.ok(
              action.riskTo <= Math.max(policy.risk * policy.calmShare, action.riskBefore / 2) ||
                action.gain >= policy.minimumGain,
            );
      }),
      { numRuns: 15 },
    );
  });

  it("planning again on a kept picture is planning anew", () => {
    fc.assert(
      fc.property(arbitraryTown, fc.nat(23), fc.integer({ min: 0, max: 120 }), ({ nodes, fragments }, which, load) => {
        const grid = gridOf(12, minuteMs);
        const policy = policyOf();
        const at = which % fragments.length;
        const after = fragments.map((fragment, index) => (index === at ? { ...fragment, load: () => load } : fragment));
        const loads = loadsOf(fragments, grid, 0);
        const changed = loadsOf(after, grid, 0);
        const input = { nowMs: 0, grid, nodes, fragments: fragments.map(planFragment), moves: [] };
        const planner = createPlanner({ ...input, loads }, policy);
        planner.plan(0);
        planner.changing(at, () => {
          const paths = new Float32Array(12 * samples);
          changed.draw(at, paths);
          loads.set(at, changed.now(at), paths);
        });
        const anew = pictureOf({ ...input, loads: changed }, policy);
        const { held, places, mean, upper, now, totalBytes } = planner.picture;
        assert.deepEqual(
          { held, places, mean, upper, now, totalBytes },
          {
            held: anew.held,
            places: anew.places,
            mean: anew.mean,
            upper: anew.upper,
            now: anew.now,
            totalBytes: anew.totalBytes,
          },
        );
        const essence = ({ actions }: { actions: readonly { kind: string; fragment: number; from: string }[] }) =>
          actions.map(({ kind, fragment, from }) => `${kind} ${fragment} ${from}`);
        assert.deepEqual(essence(planner.plan(0)), essence(planRound({ ...input, loads: changed }, policy)));
      }),
      { numRuns: 60 },
    );
  });
});

function neverTwice(begun: readonly { atMs: number; fragment: number; kind: string }[], coolDownMs: number): void {
  const last = new Map<number, number>();
  for (const { atMs, fragment, kind } of begun) {
    if (kind === "split" || kind === "merge") continue;
    assert.ok(atMs - (last.get(fragment) ?? Number.NEGATIVE_INFINITY) >= coolDownMs, `fragment ${fragment} at ${atMs}`);
    last.set(fragment, atMs);
  }
}
