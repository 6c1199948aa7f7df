// Moves: each strategy as a transcript of its ledger events; failures of source, destination and leader at every phase; cancel, rollback, refusals.

import assert from "node:assert/strict";
import type { MovePhase, Strategy } from "../../src/ledger/move.js";
import type { FragmentView } from "../../src/ledger/view.js";
import type { AdminAnswer, AdminRequest, MoveLine, ReplicaStatus } from "../../src/protocol/control.js";
import { createTable, type ScriptedNode, Sim, timing } from "./world.js";

interface Stage {
  readonly sim: Sim;
  readonly id: number;
  /** Primary of the fragment, a node without a replica, and the other replica. */
  readonly from: string;
  readonly to: string;
  readonly other: string;
}

function stage(nodes = 3, replicas = 2, zone = ""): Stage {
  const sim = new Sim();
  sim.startMember("c1");
  sim.startMember("c2");
  for (let number = 1; number <= nodes; number++) sim.startNode(`n${number}`, { zone });
  sim.until("all nodes", () => [...sim.view().nodes.values()].filter(({ state }) => state === "up").length === nodes);
  assert.ok("done" in sim.admin(createTable("users", 1, replicas)));
  sim.until("the table serves", () => [...sim.view().fragments.values()].every((f) => f.activatedEpoch === f.epoch));
  const fragment = [...sim.view().fragments.values()][0];
  assert.ok(fragment !== undefined);
  const held = fragment.replicas.map(({ node }) => node);
  const to = [...sim.nodes.keys()].find((node) => !held.includes(node)) ?? "";
  const other = held.find((node) => node !== fragment.primary) ?? "";
  return { sim, id: fragment.id, from: fragment.primary, to, other };
}

function order({ id, to }: Stage, what: Partial<Extract<AdminRequest, { kind: "moveFragment" }>> = {}): AdminRequest {
  const plain = { from: "", strategy: "", role: false, withinMs: 0, by: "tester", why: "a test" } as const;
  return { kind: "moveFragment", table: "users", fragment: id, to, ...plain, ...what };
}

function start(at: Stage, what: Parameters<typeof order>[1] = {}): number {
  const answer = at.sim.admin(order(at, what));
  assert.ok("done" in answer && answer.move !== undefined, JSON.stringify(answer));
  return answer.move;
}

function fragmentOf({ sim, id }: Stage): FragmentView {
  const fragment = sim.view().fragments.get(id);
  assert.ok(fragment !== undefined);
  return fragment;
}

function replicasOf(at: Stage): string[] {
  return fragmentOf(at)
    .replicas.map(({ node, state }) => (state === "ready" ? node : `${node}?`))
    .sort();
}

function node({ sim }: Stage, id: string): ScriptedNode {
  const found = sim.nodes.get(id);
  assert.ok(found !== undefined);
  return found;
}

function phaseOf({ sim }: Stage): MovePhase | undefined {
  return [...sim.view().moves.values()][0]?.phase;
}

/** Holds a move in `phase`: what it waits for does not come. Returns what lets it go on. */
function hold(at: Stage, phase: MovePhase, strategy: Strategy = "log-shipping"): () => void {
  const { sim, id } = at;
  const all = [...sim.nodes.values()];
  const lacks = { sparse: strategy === "copy-on-write" };
  const away: Partial<Record<MovePhase, () => void>> = {
    copying: () => node(at, at.to).odd.set(id, { state: "copying", ...lacks }),
    verifying: () => {
      for (const one of all) one.compare = () => undefined;
    },
    handingOver: () =>
      node(at, at.to).odd.set(id, strategy === "copy-on-write" ? { ...lacks, state: "attached" } : { markerLsn: 0 }),
    pulling: () => node(at, at.to).odd.set(id, lacks),
    verifyingAgain: () => {
      for (const one of all) {
        const { compare } = one;
        one.compare = (fragment, lsn) => (fragment.primary === at.to ? undefined : compare(fragment, lsn));
      }
    },
  };
  const agree = node(at, at.to).compare;
  away[phase]?.();
  return () => {
    for (const one of sim.nodes.values()) {
      one.odd.delete(id);
      one.compare = agree;
    }
  };
}

function ended({ sim }: Stage, limitMs = 20_000): { outcome: string; end: string; phases: string[] } {
  sim.until("the move ended", () => sim.view().pastMoves.length > 0 && sim.view().moves.size === 0, limitMs);
  const past = sim.view().pastMoves.at(-1);
  assert.ok(past !== undefined);
  return { outcome: past.outcome, end: past.end, phases: past.phases.map(({ phase }) => phase) };
}

const shippingPhases: readonly MovePhase[] = [
  "copying",
  "verifying",
  "handingOver",
  "verifyingAgain",
  "decommissioning",
];
const writingPhases: readonly MovePhase[] = ["copying", "handingOver", "pulling", "verifying", "decommissioning"];

describe("moves", () => {
  it("ships a fragment with its primary role: every phase is in the ledger, the source goes last", () => {
    const at = stage();
    const { sim, from, to, other } = at;
    assert.equal(start(at), 1);
    let fewest = 2;
    sim.until("ended", () => {
      fewest = Math.min(fewest, fragmentOf(at).replicas.filter(({ state }) => state === "ready").length);
      return sim.view().pastMoves.length === 1;
    });
    assert.equal(fewest, 2, "a copy was given up before its successor was there");
    const { outcome, phases } = ended(at);
    assert.equal(outcome, "done");
    assert.deepEqual(phases, shippingPhases);
    assert.deepEqual(replicasOf(at), [other, to].sort());
    assert.equal(fragmentOf(at).primary, to);
    assert.notEqual(from, to);
    const [past] = sim.view().pastMoves;
    assert.equal(past?.by, "tester");
    const notes = past?.phases.map(({ note }) => note) ?? [];
    assert.match(notes[2] ?? "", /digests agree at LSN \d+/);
    assert.match(notes[4] ?? "", /digests agree at LSN \d+/);
    const told = sim.published.map(({ body }) => (body as { kind: string }).kind);
    assert.deepEqual(told, ["moveStarted", ...Array(4).fill("moveAdvanced"), "moveEnded"]);
    sim.pass(5000);
    assert.deepEqual(replicasOf(at), [other, to].sort(), "repair or balance undid the move");
  });

  it("fails where the destination's disk fills up meanwhile, says so, and leaves everything as it was", () => {
    const at = stage();
    const before = replicasOf(at);
    hold(at, "copying");
    start(at);
    at.sim.until("copying", () => phaseOf(at) === "copying");
    node(at, at.to).freeBytes = 10 * 1024 * 1024;
    node(at, at.to).odd.set(at.id, { state: "faulted" });
    const { outcome, end } = ended(at);
    assert.equal(outcome, "failed");
    assert.equal(end, `the disk of ${at.to} filled up, 10 MiB are free: make room there, or choose another node`);
    assert.deepEqual([replicasOf(at), fragmentOf(at).primary, fragmentOf(at).epoch], [before, at.from, 1]);
  });

  it("moves a backup without touching the role", () => {
    const at = stage();
    start(at, { from: at.other });
    const { outcome, phases } = ended(at);
    assert.equal(outcome, "done");
    assert.deepEqual(phases, ["copying", "verifying", "decommissioning"]);
    assert.equal(fragmentOf(at).primary, at.from);
    assert.equal(fragmentOf(at).epoch, 1);
    assert.deepEqual(replicasOf(at), [at.from, at.to].sort());
  });

  it("moves the role alone to a ready replica, and both stay", () => {
    const at = stage();
    start(at, { to: at.other });
    const { outcome, phases } = ended(at);
    assert.equal(outcome, "done");
    assert.deepEqual(phases, ["handingOver"]);
    assert.equal(fragmentOf(at).primary, at.other);
    assert.deepEqual(replicasOf(at), [at.from, at.other].sort());
  });

  it("waits for a verification that does not come, and says so", () => {
    const at = stage();
    const release = hold(at, "verifying");
    start(at);
    at.sim.until("verifying", () => phaseOf(at) === "verifying");
    at.sim.pass(30_000);
    assert.equal(phaseOf(at), "verifying");
    assert.equal(fragmentOf(at).primary, at.from);
    assert.match(lines(at)[0]?.waitsFor ?? "", /to compare the digests/);
    release();
    assert.equal(ended(at).outcome, "done");
  });

  it("does not take a comparison from before the phase for one of it", () => {
    const at = stage();
    const primary = node(at, at.from);
    const stale = { lsn: 50, agree: [at.from, at.to], differ: [] };
    primary.compare = () => stale;
    start(at);
    at.sim.until("verifying", () => phaseOf(at) === "verifying");
    at.sim.pass(10_000);
    assert.equal(phaseOf(at), "verifying");
  });

  it("stops at a mismatch before the hand-over: the source stays, the range is named", () => {
    const at = stage();
    for (const one of at.sim.nodes.values())
      one.compare = (_fragment, lsn) => ({
        lsn,
        agree: [at.from, at.other],
        differ: [{ node: at.to, from: "k", to: "m" }],
      });
    start(at);
    const { outcome, end } = ended(at);
    assert.equal(outcome, "failed");
    assert.match(end, new RegExp(`${at.to} differs in keys from k to m`));
    assert.equal(fragmentOf(at).primary, at.from);
    assert.deepEqual(replicasOf(at), [at.from, at.other].sort());
    assert.ok(
      at.sim.view().incidents.some(({ what, note }) => what === "replicaDiverged" && note.includes("from k to m")),
    );
  });

  it("goes back at a mismatch after the hand-over", () => {
    const at = stage();
    for (const one of at.sim.nodes.values()) {
      const { compare } = one;
      one.compare = (fragment, lsn) =>
        fragment.primary === at.to
          ? { lsn, agree: [at.from, at.other], differ: [{ node: at.to, from: "", to: "" }] }
          : compare(fragment, lsn);
    }
    start(at);
    const { outcome, end, phases } = ended(at);
    assert.equal(outcome, "rolledBack");
    assert.deepEqual(phases.slice(-2), ["verifyingAgain", "rollingBack"]);
    assert.match(end, /differs/);
    assert.equal(fragmentOf(at).primary, at.from);
    assert.deepEqual(replicasOf(at), [at.from, at.other].sort());
  });

  it("keeps the role where most agree when it is the source that is damaged", () => {
    const at = stage();
    for (const one of at.sim.nodes.values()) {
      const { compare } = one;
      one.compare = (fragment, lsn) =>
        fragment.primary === at.to
          ? { lsn, agree: [at.to, at.other], differ: [{ node: at.from, from: "a", to: "b" }] }
          : compare(fragment, lsn);
    }
    start(at);
    assert.equal(ended(at).outcome, "failed");
    assert.equal(fragmentOf(at).primary, at.to);
  });
});

const phasesOf: Readonly<Record<string, readonly MovePhase[]>> = {
  "log-shipping": shippingPhases,
  "copy-on-write": writingPhases,
};

describe("moves by copy-on-write", () => {
  const strategy = "copy-on-write";

  it("gives the role to a destination that only follows the log; it counts as a copy once it has the rows", () => {
    const at = stage();
    const release = hold(at, "pulling", strategy);
    start(at, { strategy });
    at.sim.until("pulling", () => phaseOf(at) === "pulling");
    at.sim.pass(30_000);
    assert.equal(phaseOf(at), "pulling");
    assert.equal(fragmentOf(at).primary, at.to);
    assert.deepEqual(replicasOf(at), [at.from, at.other, `${at.to}?`].sort());
    assert.match(lines(at)[0]?.waitsFor ?? "", /to pull what it lacks/);
    release();
    const { outcome, phases } = ended(at);
    assert.equal(outcome, "done");
    assert.deepEqual(phases, writingPhases);
    assert.deepEqual([replicasOf(at), fragmentOf(at).primary], [[at.other, at.to].sort(), at.to]);
  });

  it("hands over again when the role was lost to a whole replica", () => {
    const at = stage();
    hold(at, "pulling", strategy);
    start(at, { strategy });
    at.sim.until("pulling", () => phaseOf(at) === "pulling");
    restart(at, at.to, { sparse: true });
    const times = (phase: MovePhase): number =>
      [...at.sim.view().moves.values()].flatMap(({ phases }) => phases).filter((entry) => entry.phase === phase).length;
    at.sim.until("handed over again", () => times("pulling") === 2);
    assert.equal(fragmentOf(at).primary, at.to);
    node(at, at.to).odd.delete(at.id);
    const { outcome, phases } = ended(at);
    assert.equal(outcome, "done");
    assert.deepEqual(phases, [
      "copying",
      "handingOver",
      "pulling",
      "handingOver",
      "pulling",
      "verifying",
      "decommissioning",
    ]);
  });

  it("is rolled back while rows are missing at the destination, and refuses to be cancelled by then", () => {
    const at = stage();
    hold(at, "pulling", strategy);
    const move = start(at, { strategy });
    at.sim.until("pulling", () => phaseOf(at) === "pulling");
    assert.match(said(at.sim.admin({ kind: "cancelMove", move, by: "tester" })), /NOT_POSSIBLE.*use rollback/);
    assert.ok("done" in at.sim.admin({ kind: "rollbackMove", move, by: "tester" }));
    assert.equal(ended(at).outcome, "rolledBack");
    assert.deepEqual([replicasOf(at), fragmentOf(at).primary], [[at.from, at.other].sort(), at.from]);
  });

  it("goes back when the digests differ once all rows are there", () => {
    const at = stage();
    for (const one of at.sim.nodes.values())
      one.compare = (_fragment, lsn) => ({
        lsn,
        agree: [at.from, at.other],
        differ: [{ node: at.to, from: "k", to: "m" }],
      });
    start(at, { strategy });
    const { outcome, end } = ended(at);
    assert.equal(outcome, "rolledBack");
    assert.match(end, /differs in keys from k to m/);
    assert.deepEqual([replicasOf(at), fragmentOf(at).primary], [[at.from, at.other].sort(), at.from]);
  });

  it("gives a destination up that cannot open without what others hold", () => {
    const at = stage();
    hold(at, "handingOver", strategy);
    start(at, { strategy });
    at.sim.until("handingOver", () => phaseOf(at) === "handingOver");
    node(at, at.to).odd.set(at.id, { state: "faulted", sparse: true });
    assert.equal(ended(at).outcome, "failed");
    assert.deepEqual(replicasOf(at), [at.from, at.other].sort());
  });

  it("relieves the primary only", () => {
    const at = stage();
    const refused = said(at.sim.admin(order(at, { strategy, from: at.other })));
    assert.match(refused, /NOT_POSSIBLE.*relieves the primary, which is n\d/);
  });
});

describe("moves under failures", () => {
  for (const strategy of ["log-shipping", "copy-on-write"] as const) failEverywhere(strategy, phasesOf[strategy] ?? []);

  it("lets nothing go while the source of a finished move is down, and is done without it", () => {
    const at = stage();
    const release = hold(at, "verifyingAgain");
    start(at);
    at.sim.until("verifyingAgain", () => phaseOf(at) === "verifyingAgain");
    release();
    at.sim.until("decommissioning", () => phaseOf(at) === "decommissioning" || at.sim.view().moves.size === 0);
    assert.equal(ended(at).outcome, "done");
  });
});

function failEverywhere(strategy: Strategy, expected: readonly MovePhase[]): void {
  for (const phase of expected) {
    it(`goes on under the next leader: ${strategy}, ${phase}`, () => {
      const at = stage();
      const release = hold(at, phase, strategy);
      start(at, { strategy });
      at.sim.until(
        phase,
        () => phaseOf(at) === phase || (phase === "decommissioning" && at.sim.view().moves.size === 0),
      );
      at.sim.kill(at.sim.elected().at(-1) ?? "");
      at.sim.until("another leader", () => at.sim.elected().length === 2);
      release();
      const { outcome, phases } = ended(at);
      assert.equal(outcome, "done");
      assert.deepEqual(phases, expected);
      assert.deepEqual(replicasOf(at), [at.other, at.to].sort());
    });
  }

  for (const phase of expected.slice(0, 4)) {
    it(`leaves the fragment whole when the destination dies for good: ${strategy}, ${phase}`, () => {
      const at = stage();
      hold(at, phase, strategy);
      start(at, { strategy });
      at.sim.until(phase, () => phaseOf(at) === phase);
      const lost = node(at, at.to);
      lost.alive = false;
      at.sim.hostDied(at.to, lost.incarnation);
      const { outcome } = ended(at, timing.rebuildAfterMs + 10_000);
      assert.equal(outcome, "failed");
      assert.deepEqual(replicasOf(at), [at.from, at.other].sort());
      at.sim.until("it serves", () => fragmentOf(at).activatedEpoch === fragmentOf(at).epoch);
    });

    it(`ends well when the destination comes back soon: ${strategy}, ${phase}`, () => {
      const at = stage();
      const release = hold(at, phase, strategy);
      start(at, { strategy });
      at.sim.until(phase, () => phaseOf(at) === phase);
      restart(at, at.to);
      release();
      assert.equal(ended(at).outcome, "done");
      assert.deepEqual(replicasOf(at), [at.other, at.to].sort());
      assert.equal(fragmentOf(at).primary, at.to);
    });

    it(`goes on without the source: ${strategy}, ${phase}`, () => {
      const at = stage();
      const release = hold(at, phase, strategy);
      start(at, { strategy });
      at.sim.until(phase, () => phaseOf(at) === phase);
      const lost = node(at, at.from);
      lost.alive = false;
      at.sim.hostDied(at.from, lost.incarnation);
      at.sim.pass(1000);
      release();
      const { outcome } = ended(at, timing.rebuildAfterMs + 20_000);
      assert.equal(outcome, "done");
      assert.ok(replicasOf(at).includes(at.to) && replicasOf(at).includes(at.other), replicasOf(at).join());
      assert.ok(!replicasOf(at).includes(at.from));
    });

    it(`ends well when the source comes back soon: ${strategy}, ${phase}`, () => {
      const at = stage();
      const release = hold(at, phase, strategy);
      start(at, { strategy });
      at.sim.until(phase, () => phaseOf(at) === phase);
      restart(at, at.from);
      release();
      assert.equal(ended(at).outcome, "done");
      assert.deepEqual(replicasOf(at), [at.other, at.to].sort());
    });
  }
}

function restart(at: Stage, id: string, odd?: Partial<ReplicaStatus>): void {
  const before = node(at, id);
  before.alive = false;
  at.sim.hostDied(id, before.incarnation);
  at.sim.until("down", () => at.sim.view().nodes.get(id)?.state === "down");
  const again = at.sim.startNode(id, { bootCount: before.shape.bootCount + 1 });
  again.compare = before.compare;
  if (odd !== undefined) again.odd.set(at.id, odd);
  at.sim.until("up", () => again.holdsLease());
}

function lines({ sim }: Stage, history = false): readonly MoveLine[] {
  const answer = sim.admin({ kind: "listMoves", history });
  assert.ok("done" in answer && answer.moves !== undefined);
  return answer.moves;
}

describe("orders about moves", () => {
  it("cancels before the hand-over, and the cluster is as before", () => {
    for (const phase of ["copying", "verifying"] as const) {
      const at = stage();
      hold(at, phase);
      const move = start(at);
      at.sim.until(phase, () => phaseOf(at) === phase);
      assert.match(said(at.sim.admin({ kind: "rollbackMove", move, by: "tester" })), /NOT_POSSIBLE.*use cancel/);
      assert.ok("done" in at.sim.admin({ kind: "cancelMove", move, by: "tester" }));
      assert.equal(ended(at).outcome, "cancelled");
      assert.deepEqual(replicasOf(at), [at.from, at.other].sort());
      assert.equal(fragmentOf(at).epoch, 1);
      assert.match(said(at.sim.admin({ kind: "cancelMove", move, by: "tester" })), /NOT_POSSIBLE.*was cancelled/);
    }
  });

  it("rolls back until the second verification, and refuses to cancel by then", () => {
    const at = stage();
    hold(at, "verifyingAgain");
    const move = start(at);
    at.sim.until("handed over", () => phaseOf(at) === "verifyingAgain");
    assert.match(said(at.sim.admin({ kind: "cancelMove", move, by: "tester" })), /NOT_POSSIBLE.*use rollback/);
    assert.ok("done" in at.sim.admin({ kind: "rollbackMove", move, by: "tester" }));
    assert.equal(ended(at).outcome, "rolledBack");
    assert.equal(fragmentOf(at).primary, at.from);
    assert.deepEqual(replicasOf(at), [at.from, at.other].sort());
    assert.match(said(at.sim.admin({ kind: "rollbackMove", move, by: "tester" })), /NOT_POSSIBLE.*rolled back/);
  });

  it("refuses what cannot be, says what could, and changes nothing", () => {
    const at = stage(4);
    const [spare] = [...at.sim.nodes.keys()].filter((one) => one !== at.to && one !== at.from && one !== at.other);
    assert.ok(spare !== undefined);
    const asked = (what: Parameters<typeof order>[1]): string => said(at.sim.admin(order(at, what)));
    const before = at.sim.view().fragments.get(at.id);
    assert.match(asked({ to: "nowhere" }), /UNKNOWN_NODE.*nodes that can: n1, n2, n3, n4/);
    assert.match(asked({ table: "none" }), /UNKNOWN_TABLE/);
    assert.match(asked({ fragment: 4711 }), /UNKNOWN_FRAGMENT.*it has 0/);
    assert.match(asked({ to: at.from }), /NOT_POSSIBLE.*primary of fragment 0 already/);
    assert.match(asked({ to: at.other, strategy: "log-shipping" }), /NOT_POSSIBLE.*holds a replica.*leader-only/);
    assert.match(asked({ strategy: "leader-only" }), /NOT_POSSIBLE.*no ready replica.*ready replicas: n\d/);
    assert.match(asked({ from: spare }), /NOT_POSSIBLE.*holds no replica.*replicas are on/);
    node(at, at.to).freeBytes = 1000;
    at.sim.pass(1000);
    assert.match(asked({}), /NOT_POSSIBLE.*is full/);
    node(at, at.to).freeBytes = undefined;
    at.sim.pass(1000);
    assert.ok("done" in at.sim.admin({ kind: "drainNode", node: spare, draining: true }));
    assert.match(asked({ to: spare }), /NOT_POSSIBLE.*being drained/);
    const gone = node(at, spare);
    gone.alive = false;
    at.sim.hostDied(spare, gone.incarnation);
    at.sim.until("down", () => at.sim.view().nodes.get(spare)?.state === "down");
    assert.match(asked({ to: spare }), /NOT_POSSIBLE.*is down/);
    assert.match(said(at.sim.admin({ kind: "cancelMove", move: 9, by: "" })), /NOT_FOUND/);
    assert.match(said(at.sim.admin({ kind: "rollbackMove", move: 9, by: "" })), /NOT_FOUND/);
    assert.deepEqual(at.sim.view().fragments.get(at.id), before);
    assert.equal(at.sim.view().moves.size + at.sim.view().pastMoves.length, 0);
    hold(at, "copying");
    const move = start(at);
    assert.match(asked({}), new RegExp(`NOT_POSSIBLE.*moving already.*move ${move}`));
  });

  it("keeps zones apart", () => {
    const sim = new Sim();
    sim.startMember("c1");
    for (const [id, zone] of [
      ["n1", "a"],
      ["n2", "b"],
      ["n3", "a"],
      ["n4", "b"],
    ] as const)
      sim.startNode(id, { zone });
    sim.until("all nodes", () => sim.view().nodes.size === 4);
    assert.ok("done" in sim.admin(createTable("users", 1, 2)));
    sim.until("it serves", () => [...sim.view().fragments.values()].every((f) => f.activatedEpoch === f.epoch));
    const [fragment] = [...sim.view().fragments.values()];
    assert.ok(fragment !== undefined);
    const zoneOf = (id: string): string => sim.view().nodes.get(id)?.zone ?? "";
    const held = fragment.replicas.map((replica) => replica.node);
    const wrong = [...sim.nodes.keys()].find((id) => !held.includes(id) && zoneOf(id) !== zoneOf(fragment.primary));
    const right = [...sim.nodes.keys()].find((id) => !held.includes(id) && zoneOf(id) === zoneOf(fragment.primary));
    const at: Stage = { sim, id: fragment.id, from: fragment.primary, to: right ?? "", other: "" };
    assert.match(said(sim.admin(order(at, { to: wrong ?? "" }))), /NOT_POSSIBLE.*choose a node of another zone/);
    start(at);
    assert.equal(ended(at).outcome, "done");
    const more = { kind: "setReplicas", table: "users", fragment: fragment.id } as const;
    assert.match(said(sim.admin({ ...more, count: 3 })), /NOT_POSSIBLE.*3 zones/);
  });

  it("adds read replicas where all nodes stand in one zone, as those do that were given none", () => {
    const at = stage(3, 2, "zone1");
    assert.ok("done" in at.sim.admin({ kind: "setReplicas", table: "users", fragment: at.id, count: 3 }));
    at.sim.until("three copies", () => replicasOf(at).join() === "n1,n2,n3");
  });

  it("adds and removes read replicas", () => {
    const at = stage(4);
    const wish = { kind: "setReplicas", table: "users", fragment: at.id } as const;
    assert.match(said(at.sim.admin({ ...wish, count: 5 })), /NOT_POSSIBLE.*5 nodes; 4 are up/);
    assert.match(said(at.sim.admin({ ...wish, count: 10 })), /BAD_REQUEST/);
    assert.match(said(at.sim.admin({ ...wish, fragment: 1, count: 2 })), /UNKNOWN_FRAGMENT/);
    const ready = (count: number): boolean => {
      const replicas = replicasOf(at);
      return replicas.length === count && replicas.every((one) => !one.endsWith("?"));
    };
    assert.ok("done" in at.sim.admin({ ...wish, count: 4 }));
    at.sim.until("four copies", () => ready(4));
    assert.ok("done" in at.sim.admin({ ...wish, count: 1 }));
    at.sim.until("one copy", () => ready(1));
    assert.ok("done" in at.sim.admin({ ...wish, count: 0 }));
    at.sim.until("as the table says", () => ready(2));
  });

  it("tells moves under way and past ones", () => {
    const at = stage();
    const release = hold(at, "copying");
    const move = start(at, { why: "to see it" });
    at.sim.until("copying", () => phaseOf(at) === "copying");
    const progress = { rows: 10, bytes: 1000, totalRows: 40, totalBytes: 4000, lagLsn: 3, bytesPerSecond: 500 };
    node(at, at.to).odd.set(at.id, { state: "copying", progress });
    at.sim.pass(1000);
    const [line] = lines(at);
    assert.deepEqual(line?.progress, progress);
    const { table, fragment, from, to, by, why, strategy } = line;
    const wanted = { table: "users", fragment: at.id, from: at.from, to: at.to, by: "tester", why: "to see it" };
    assert.deepEqual({ table, fragment, from, to, by, why }, wanted);
    assert.equal(strategy, "log-shipping" satisfies Strategy);
    release();
    assert.equal(ended(at).outcome, "done");
    const [past] = lines(at, true);
    assert.equal(past?.move, move);
    assert.equal(past?.outcome, "done");
    assert.deepEqual(lines(at), []);
  });
});

describe("moves that nobody asked for", () => {
  const cluster = (nodes: number, fragments: number, replicas: number): Sim => {
    const sim = new Sim();
    sim.startMember("c1");
    for (let number = 1; number <= nodes; number++) sim.startNode(`n${number}`);
    sim.until("all nodes", () => [...sim.view().nodes.values()].filter(({ state }) => state === "up").length === nodes);
    assert.ok("done" in sim.admin(createTable("users", fragments, replicas)));
    sim.until("the table serves", () => [...sim.view().fragments.values()].every((f) => f.activatedEpoch === f.epoch));
    return sim;
  };
  const heldBy = (sim: Sim, id: string): number =>
    [...sim.view().fragments.values()].filter(({ replicas }) => replicas.some(({ node }) => node === id)).length;
  /** The most moves at once, in all and on one node, until `wanted`. */
  const busiest = (sim: Sim, wanted: () => boolean): { all: number; one: number } => {
    const most = { all: 0, one: 0 };
    sim.until("it is done", () => {
      const moves = [...sim.view().moves.values()];
      most.all = Math.max(most.all, moves.length);
      for (const id of sim.nodes.keys())
        most.one = Math.max(most.one, moves.filter(({ from, to }) => from === id || to === id).length);
      return wanted();
    });
    return most;
  };

  it("drains a node by moves, a few at a time, with every copy replaced before it goes", () => {
    const sim = cluster(4, 16, 3);
    const before = heldBy(sim, "n1");
    assert.ok(before > 4);
    assert.ok("done" in sim.admin({ kind: "drainNode", node: "n1", draining: true }));
    let fewest = 3;
    const { all, one } = busiest(sim, () => {
      for (const { replicas } of sim.view().fragments.values())
        fewest = Math.min(fewest, replicas.filter(({ state }) => state === "ready").length);
      return heldBy(sim, "n1") === 0 && sim.view().moves.size === 0;
    });
    assert.equal(fewest, 3);
    assert.ok(all > 1 && all <= 16 && one <= 4, `${all} at once, ${one} on one node`);
    const past = sim.view().pastMoves;
    assert.equal(past.length, before);
    assert.ok(past.every(({ cause, outcome, from }) => cause === "drain" && outcome === "done" && from === "n1"));
    sim.pass(5000);
    assert.equal(heldBy(sim, "n1"), 0, "a drained node was given something");
  });

  it("drains a node that holds the only copies", () => {
    const sim = cluster(3, 6, 1);
    assert.ok("done" in sim.admin({ kind: "drainNode", node: "n1", draining: true }));
    sim.until("drained", () => heldBy(sim, "n1") === 0 && sim.view().moves.size === 0);
    for (const { replicas, primary } of sim.view().fragments.values()) {
      assert.equal(replicas.length, 1);
      assert.notEqual(primary, "n1");
    }
  });

  it("moves a joined node its fair share, a few at a time, and not more", () => {
    const sim = cluster(3, 16, 3);
    sim.startNode("n4");
    const share = (16 * 3) / 4;
    const { all, one } = busiest(
      sim,
      () => heldBy(sim, "n4") >= Math.floor(share * 0.9) && sim.view().moves.size === 0,
    );
    assert.ok(all <= 16 && one <= 4, `${all} at once, ${one} on one node`);
    sim.pass(10_000);
    assert.ok(heldBy(sim, "n4") <= Math.ceil(share));
    const past = sim.view().pastMoves;
    assert.ok(past.every(({ cause, outcome, to }) => cause === "join" && outcome === "done" && to === "n4"));
    assert.ok(past.length <= Math.ceil(share), `${past.length} moves`);
    for (const { replicas } of sim.view().fragments.values()) assert.equal(replicas.length, 3);
  });

  it("gives nothing to a full node", () => {
    const sim = cluster(3, 16, 3);
    const full = sim.startNode("n4");
    full.freeBytes = 1000;
    sim.pass(15_000);
    assert.equal(heldBy(sim, "n4"), 0);
    full.freeBytes = 1e12;
    sim.until("it got its share", () => heldBy(sim, "n4") >= 10);
  });

  it("says who drains, and that the leader fills", () => {
    const sim = cluster(4, 16, 3);
    assert.ok("done" in sim.admin({ kind: "drainNode", node: "n1", draining: true, by: "ann" }));
    sim.until("some moved", () => sim.view().pastMoves.length > 0);
    assert.deepEqual([sim.view().pastMoves[0]?.cause, sim.view().pastMoves[0]?.by], ["drain", "ann"]);
    const other = cluster(3, 16, 3);
    other.startNode("n4");
    other.until("some moved", () => other.view().pastMoves.length > 0);
    assert.deepEqual([other.view().pastMoves[0]?.cause, other.view().pastMoves[0]?.by], ["join", "c1"]);
  });

  it("goes on under the next leader, and stops when the drain is taken back", () => {
    const sim = cluster(4, 16, 3);
    sim.startMember("c2");
    sim.pass(1000);
    assert.ok("done" in sim.admin({ kind: "drainNode", node: "n1", draining: true }));
    sim.until("some moved", () => sim.view().pastMoves.length > 0);
    sim.kill(sim.elected().at(-1) ?? "");
    sim.until("another leader", () => sim.elected().length === 2);
    assert.ok("done" in sim.admin({ kind: "drainNode", node: "n1", draining: false }));
    sim.until("no move is left", () => sim.view().moves.size === 0);
    const left = heldBy(sim, "n1");
    assert.ok(left > 0, "drained on");
    for (const { replicas } of sim.view().fragments.values()) assert.equal(replicas.length, 3);
  });
});

function said(answer: AdminAnswer): string {
  return "fault" in answer ? `${answer.fault.code}: ${answer.fault.message}` : "done";
}
