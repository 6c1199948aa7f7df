// Nodes: leases that never overlap (I7), failures and promotion, restarts, drain, rebuilding, balance, and orders of operators.

import assert from "node:assert/strict";
import type { ClusterView, FragmentView } from "../../src/ledger/view.js";
import { streams } from "../../src/protocol/subjects.js";
import { createTable, type ScriptedNode, Sim, timing } from "./world.js";

/** Two candidates and nodes n1…n`nodes`, all up, with one table. */
function cluster(nodes: number, options: { fragments?: number; replicas?: number; seed?: number } = {}): Sim {
  const sim = new Sim({ seed: options.seed ?? 1 });
  sim.startMember("c1");
  sim.startMember("c2");
  for (let number = 1; number <= nodes; number++) sim.startNode(`n${number}`);
  sim.until("all nodes", () => [...sim.view().nodes.values()].filter(({ state }) => state === "up").length === nodes);
  const answer = sim.admin(createTable("users", options.fragments ?? 8, options.replicas ?? 0));
  assert.ok("done" in answer, JSON.stringify(answer));
  sim.until("the table serves", () => serving(sim.view()));
  return sim;
}

function serving(view: ClusterView): boolean {
  const fragments = [...view.fragments.values()];
  return fragments.length > 0 && fragments.every(({ epoch, activatedEpoch }) => epoch === activatedEpoch);
}

function primariesOn(sim: Sim, node: string): FragmentView[] {
  return [...sim.view().fragments.values()].filter(({ primary }) => primary === node);
}

function node(sim: Sim, id: string): ScriptedNode {
  const found = sim.nodes.get(id);
  assert.ok(found !== undefined);
  return found;
}

function events<K extends string>(sim: Sim, kind: K) {
  return sim.ledgerEvents().filter((event) => event.kind === kind);
}

describe("leader and nodes", () => {
  it("spreads a new table evenly, three copies each on different nodes", () => {
    const sim = cluster(4, { fragments: 32 });
    for (const { replicas } of sim.view().fragments.values()) {
      assert.equal(new Set(replicas.map((replica) => replica.node)).size, 3);
    }
    for (const id of ["n1", "n2", "n3", "n4"]) {
      const count = primariesOn(sim, id).length;
      assert.ok(count >= 6 && count <= 10, `${id} is primary of ${count}`);
    }
  });

  it("grants a lease only to a recorded process", () => {
    const sim = cluster(1, { fragments: 1 });
    const first = node(sim, "n1");
    const second = sim.startNode("n1", { bootCount: 2 });
    sim.pass(3000);
    assert.ok(first.holdsLease(), "the first lost its lease to a second process of the same name");
    assert.equal(second.grants, 0);
    first.alive = false;
    sim.until("the second is up", () => second.holdsLease());
    const up = events(sim, "nodeUp").at(-1);
    assert.ok(up?.kind === "nodeUp" && up.incarnation === second.incarnation);
  });

  for (const seed of [1, 2, 3]) {
    it(`moves primaries only after the silent node's lease ran out (I7, seed ${seed})`, () => {
      const sim = cluster(3, { seed });
      const lost = node(sim, "n1");
      assert.ok(primariesOn(sim, "n1").length > 0);
      // It runs on and believes in its lease; nobody hears it.
      lost.mute = true;
      sim.until("its primaries move", () => primariesOn(sim, "n1").length === 0);
      assert.ok(!lost.holdsLease(), "a successor was made while the predecessor held a lease");
      const down = events(sim, "nodeDown");
      assert.equal(down.length, 1);
    });

    it(`holds that across a change of leader (I7, seed ${seed})`, () => {
      const sim = cluster(3, { seed });
      const lost = node(sim, "n1");
      sim.pass(200 * seed);
      lost.mute = true;
      sim.kill(sim.elected().at(-1) ?? "");
      sim.until("its primaries move", () => primariesOn(sim, "n1").length === 0);
      assert.ok(sim.elected().length === 2);
      assert.ok(!lost.holdsLease());
      assert.equal(events(sim, "nodeDown").length, 1, "a node that is well was declared down");
    });
  }

  it("waits for leases of a predecessor that was replaced at once (I7)", () => {
    const sim = cluster(3);
    const lost = node(sim, "n1");
    const leader = sim.host(sim.elected().at(-1) ?? "");
    sim.pass(1000);
    leader.dead = true;
    lost.mute = true;
    sim.hostDied(leader.member, leader.incarnation);
    sim.until("a leader", () => sim.elected().length === 2);
    assert.ok(lost.holdsLease(), "the lease is over already: nothing is shown");
    sim.until("its primaries move", () => primariesOn(sim, "n1").length === 0);
    assert.ok(!lost.holdsLease(), "a successor was made while the predecessor held a lease");
  });

  it("grants no lease while the record of the node's end is on its way (I7)", () => {
    const sim = cluster(3);
    sim.until("all log streams are known", () => sim.view().logStreams.size === 16);
    sim.pass(1000);
    const lost = node(sim, "n1");
    lost.mute = true;
    sim.appendMs = 300;
    const before = sim.appends.length;
    sim.until("the record is on its way", () => sim.appends.slice(before).includes(streams.ledger(0)));
    assert.equal(events(sim, "nodeDown").length, 0);
    lost.mute = false;
    sim.until("its primaries move", () => primariesOn(sim, "n1").length === 0);
    assert.ok(!lost.holdsLease(), "a lease was granted beside the record that ends it");
    sim.until("it is back", () => lost.holdsLease());
  });

  it("moves primaries at once when the process's end was seen", () => {
    const sim = cluster(3);
    const lost = node(sim, "n1");
    lost.alive = false;
    sim.hostDied("n1", "an older process");
    sim.pass(300);
    assert.ok(primariesOn(sim, "n1").length > 0, "believed in the end of another process");
    sim.hostDied("n1", lost.incarnation);
    const tookMs = sim.until("its primaries move", () => primariesOn(sim, "n1").length === 0);
    assert.ok(tookMs < 100, `took ${tookMs} ms`);
    sim.until("they serve", () => serving(sim.view()));
  });

  it("remembers an end that was seen while nobody led", () => {
    const sim = cluster(3);
    const lost = node(sim, "n1");
    sim.kill(sim.elected().at(-1) ?? "");
    lost.alive = false;
    sim.hostDied("n1", lost.incarnation);
    sim.until("a leader", () => sim.elected().length === 2);
    const tookMs = sim.until("its primaries move", () => primariesOn(sim, "n1").length === 0);
    assert.ok(tookMs < 100, `took ${tookMs} ms`);
  });

  it("gives a restarted lone node a new epoch", () => {
    const sim = cluster(1, { fragments: 4 });
    const before = node(sim, "n1");
    before.alive = false;
    sim.hostDied("n1", before.incarnation);
    const after = sim.startNode("n1", { bootCount: 2 });
    sim.until("it serves", () => after.holdsLease() && serving(sim.view()));
    for (const { epoch, primary } of sim.view().fragments.values()) {
      assert.equal(primary, "n1");
      assert.equal(epoch, 2);
    }
  });

  it("gives a restarted node primaries back, a few at a time", () => {
    const sim = cluster(3, { fragments: 24 });
    const before = node(sim, "n1");
    before.alive = false;
    sim.hostDied("n1", before.incarnation);
    sim.until("moved", () => primariesOn(sim, "n1").length === 0);
    sim.startNode("n1", { bootCount: 2 });
    sim.pass(timing.nodeLeaseMs + 2000);
    assert.ok(primariesOn(sim, "n1").length <= 8, "not gently");
    sim.until("balanced", () => primariesOn(sim, "n1").length >= 7);
    sim.pass(2000);
    const seqBefore = sim.view().seq;
    sim.pass(5000);
    assert.equal(sim.view().seq, seqBefore, "it never settles");
  });

  it("refills a node that came back with another disk, and reports it", () => {
    const sim = cluster(3);
    const before = node(sim, "n1");
    before.alive = false;
    sim.hostDied("n1", before.incarnation);
    const after = sim.startNode("n1", { storeId: "another", bootCount: 1 });
    for (const id of sim.view().fragments.keys()) after.odd.set(id, { state: "copying" });
    sim.until("it is up", () => after.holdsLease());
    for (const { replicas, primary } of sim.view().fragments.values()) {
      assert.equal(replicas.find((replica) => replica.node === "n1")?.state, "joining");
      assert.notEqual(primary, "n1");
    }
    const incident = sim.view().incidents.find(({ what }) => what === "storeReplaced");
    assert.equal(incident?.fragments.length, 8);
    after.odd.clear();
    sim.until("filled again", () =>
      [...sim.view().fragments.values()].every(({ replicas }) => replicas.every(({ state }) => state === "ready")),
    );
  });

  it("reports an older copy of a disk", () => {
    const sim = cluster(3);
    const before = node(sim, "n1");
    before.alive = false;
    sim.hostDied("n1", before.incarnation);
    sim.until("down", () => sim.view().nodes.get("n1")?.state === "down");
    const again = sim.startNode("n1", { bootCount: 5 });
    sim.until("up", () => again.holdsLease());
    again.alive = false;
    sim.hostDied("n1", again.incarnation);
    const old = sim.startNode("n1", { bootCount: 3 });
    sim.until("up", () => old.holdsLease());
    assert.equal(sim.view().incidents.filter(({ what }) => what === "storeRolledBack").length, 1);
  });

  it("rebuilds what was lost for long, a bounded number at a time, and nothing sooner", () => {
    const sim = cluster(4, { fragments: 32 });
    const lost = node(sim, "n1");
    lost.alive = false;
    const copying = [...sim.view().fragments.keys()];
    for (const id of ["n2", "n3", "n4"]) for (const fragment of copying) node(sim, id).odd.set(fragment, {});
    sim.hostDied("n1", lost.incarnation);
    sim.pass(timing.rebuildAfterMs - 500);
    assert.equal(events(sim, "replicasAdded").length, 0);
    let most = 0;
    sim.until("rebuilt", () => {
      const filling = new Map<string, number>();
      const fragments = [...sim.view().fragments.values()];
      for (const { replicas } of fragments)
        for (const replica of replicas)
          if (replica.state === "joining") filling.set(replica.node, (filling.get(replica.node) ?? 0) + 1);
      most = Math.max(most, ...filling.values());
      return fragments.every(
        ({ replicas }) => replicas.length === 3 && replicas.every((r) => r.node !== "n1" && r.state === "ready"),
      );
    });
    assert.ok(most > 0 && most <= 8, `${most} at once`);
  });

  it("keeps a lost node's copies when there is no other place, and uses them when it is back", () => {
    const sim = cluster(3);
    const lost = node(sim, "n1");
    lost.alive = false;
    sim.hostDied("n1", lost.incarnation);
    sim.pass(timing.rebuildAfterMs + 3000);
    for (const { replicas } of sim.view().fragments.values()) assert.equal(replicas.length, 3);
  });

  it("fills up a table made on too few nodes when more join", () => {
    const sim = cluster(1, { fragments: 4 });
    for (const { replicas } of sim.view().fragments.values()) assert.equal(replicas.length, 1);
    sim.startNode("n2");
    sim.startNode("n3");
    sim.until("three copies", () =>
      [...sim.view().fragments.values()].every(
        ({ replicas }) => replicas.filter(({ state }) => state === "ready").length === 3,
      ),
    );
  });

  it("drains a node: copies elsewhere first, then the primaries, then its replicas go", () => {
    const sim = cluster(4);
    const answer = sim.admin({ kind: "drainNode", node: "n1", draining: true });
    assert.ok("done" in answer);
    let fewest = 3;
    sim.until("drained", () => {
      const fragments = [...sim.view().fragments.values()];
      for (const { replicas } of fragments)
        fewest = Math.min(fewest, replicas.filter(({ state }) => state === "ready").length);
      return fragments.every(({ replicas }) => replicas.every((replica) => replica.node !== "n1"));
    });
    assert.equal(fewest, 3, "a copy was given up before its replacement was ready");
    assert.ok(sim.view().seq >= ("done" in answer ? answer.viewSeq : 0));
    const refused = sim.admin({ kind: "removeNode", node: "n1" });
    assert.ok("fault" in refused && refused.fault.code === "NOT_POSSIBLE");
    node(sim, "n1").alive = false;
    sim.until("down", () => sim.view().nodes.get("n1")?.state === "down");
    assert.ok("done" in sim.admin({ kind: "removeNode", node: "n1" }));
    assert.equal(sim.view().nodes.has("n1"), false);
  });

  it("keeps a live predecessor as a replica until its successor is activated (I7)", () => {
    const sim = cluster(4, { fragments: 16 });
    const [fragment] = primariesOn(sim, "n1");
    assert.ok(fragment !== undefined);
    for (const other of ["n2", "n3", "n4"]) node(sim, other).odd.set(fragment.id, { state: "following" });
    sim.admin({ kind: "drainNode", node: "n1", draining: true });
    sim.until("handed over", () => sim.view().fragments.get(fragment.id)?.primary !== "n1");
    sim.pass(3000);
    assert.ok(
      sim
        .view()
        .fragments.get(fragment.id)
        ?.replicas.some((replica) => replica.node === "n1"),
    );
    for (const other of ["n2", "n3", "n4"]) node(sim, other).odd.clear();
    sim.until(
      "gone",
      () =>
        sim
          .view()
          .fragments.get(fragment.id)
          ?.replicas.every((r) => r.node !== "n1") === true,
    );
  });

  it("lets a leaving node go once others serve what it served", () => {
    const sim = cluster(3);
    const leaving = node(sim, "n1");
    leaving.leaving = true;
    const tookMs = sim.until("drained", () => leaving.answer?.drained === true);
    assert.equal(primariesOn(sim, "n1").length, 0);
    assert.ok(serving(sim.view()));
    assert.ok(tookMs < 1500, `took ${tookMs} ms`);
    sim.pass(3000);
    assert.equal(primariesOn(sim, "n1").length, 0, "a leaving node got primaries");
  });

  it("lets all nodes go when all leave", () => {
    const sim = cluster(3);
    for (const one of sim.nodes.values()) one.leaving = true;
    sim.until("drained", () => [...sim.nodes.values()].every(({ answer }) => answer?.drained === true), 3000);
  });

  it("moves on from a primary whose replica is faulted", () => {
    const sim = cluster(3);
    const [fragment] = primariesOn(sim, "n1");
    assert.ok(fragment !== undefined);
    node(sim, "n1").odd.set(fragment.id, { state: "faulted" });
    sim.until("moved", () => sim.view().fragments.get(fragment.id)?.primary !== "n1");
  });

  it("raises an epoch that the log is ahead of", () => {
    const sim = cluster(3, { fragments: 1 });
    const [fragment] = [...sim.view().fragments.values()];
    assert.ok(fragment !== undefined);
    node(sim, fragment.primary).odd.set(fragment.id, { epoch: 7, state: "opening" });
    sim.until("raised", () => (sim.view().fragments.get(fragment.id)?.epoch ?? 0) > 7);
    node(sim, fragment.primary).odd.clear();
    sim.until("serves", () => serving(sim.view()));
  });

  it("answers orders that cannot be carried out with the reason", () => {
    const sim = cluster(2);
    const code = (request: Parameters<Sim["admin"]>[0]): string => {
      const answer = sim.admin(request);
      return "fault" in answer ? answer.fault.code : "done";
    };
    const table = createTable("more");
    assert.equal(code(createTable("users")), "TABLE_EXISTS");
    assert.equal(code(createTable("1st")), "BAD_NAME");
    assert.equal(code(createTable("more", 0)), "BAD_REQUEST");
    assert.equal(code(createTable("more", 4097)), "BAD_REQUEST");
    assert.equal(code(createTable("more", 4, 10)), "BAD_REQUEST");
    assert.equal(code({ ...table, splitAt: [["a"]] } as typeof table), "BAD_REQUEST");
    const range = { ...table, partitioning: "range", fragments: 0 } as typeof table;
    assert.equal(code({ ...range, splitAt: [["b"], ["a"]] } as typeof table), "BAD_KEY");
    assert.equal(code({ ...range, splitAt: [[1]] } as typeof table), "BAD_KEY");
    assert.equal(code({ ...range, fragments: 5, splitAt: [["a"]] } as typeof table), "BAD_REQUEST");
    assert.equal(code({ ...range, splitAt: [["a"], ["b"]] } as typeof table), "done");
    assert.equal(sim.view().fragments.size, 11);
    assert.equal(code({ kind: "dropTable", name: "none" }), "UNKNOWN_TABLE");
    assert.equal(code({ kind: "dropTable", name: "more" }), "done");
    assert.equal(sim.view().fragments.size, 8);
    assert.equal(code({ kind: "drainNode", node: "none", draining: true }), "UNKNOWN_NODE");
    assert.equal(code({ kind: "removeNode", node: "n1" }), "NOT_POSSIBLE");
    assert.equal(code({ kind: "drainNode", node: "n1", draining: false }), "done");
    assert.equal(code({ kind: "nonsense" } as never), "BAD_REQUEST");
  });

  it("makes a table of the most fragments there may be", () => {
    const sim = new Sim();
    sim.startMember("c1");
    for (const id of ["n1", "n2", "n3"]) sim.startNode(id).mute = false;
    sim.until("all nodes", () => [...sim.view().nodes.values()].filter(({ state }) => state === "up").length === 3);
    for (const one of sim.nodes.values()) one.alive = false;
    assert.ok("done" in sim.admin(createTable("wide", 4096)));
    assert.equal(sim.view().fragments.size, 4096);
  });

  it("carries orders out that came together in one record, each seeing the ones before", () => {
    const sim = cluster(3);
    const answers: unknown[] = [];
    const before = sim.view().seq;
    for (let n = 0; n < 3; n++)
      sim.request("foreshard.control.0.admin", createTable("same", 2), (body) => answers.push(body));
    sim.until("all answered", () => answers.length === 3);
    assert.equal(answers.filter((answer) => JSON.stringify(answer).includes("TABLE_EXISTS")).length, 2);
    assert.ok(sim.view().seq - before <= 2);
  });

  it("trims a log that is too long up to what every replica has, and never its last records", () => {
    const sim = new Sim({ logRetainBytes: 1000 });
    sim.startMember("c1");
    for (const id of ["n1", "n2", "n3"]) sim.startNode(id);
    sim.until("all nodes", () => [...sim.view().nodes.values()].filter(({ state }) => state === "up").length === 3);
    assert.ok("done" in sim.admin(createTable("users", 1)));
    sim.until("the table serves", () => serving(sim.view()));
    const [fragment] = [...sim.view().fragments.values()];
    assert.ok(fragment !== undefined);
    const stream = sim.streams.at(streams.log(fragment.group));
    stream.lastSeq = 10_000;
    stream.records = Array.from({ length: 10_000 }, (_, at) => ({
      seq: at + 1,
      subject: "x",
      bytes: new Uint8Array(0),
    }));
    stream.bytes = 2000;
    const at = (id: string, durableSeq: number): void => void node(sim, id).odd.set(fragment.id, { durableSeq });
    at("n1", 4000);
    at("n2", 9000);
    at("n3", 3000);
    const trimmed = (): number =>
      Math.max(0, ...sim.streams.trims.filter((t) => t.stream === streams.log(fragment.group)).map((t) => t.belowSeq));
    sim.until("trimmed", () => trimmed() > 0);
    sim.pass(5000);
    assert.equal(trimmed(), 3000);
    assert.ok([...sim.nodes.values()].some(({ answer }) => answer !== undefined));
    for (const id of ["n1", "n2", "n3"]) at(id, 10_000);
    stream.bytes = 1_000_000_000;
    sim.until("trimmed further", () => trimmed() > 3000);
    sim.pass(5000);
    assert.equal(trimmed(), 9000);
  });

  it("asks an idle fragment for a checkpoint when its last record holds the log back", () => {
    const sim = cluster(3, { fragments: 1 });
    const [fragment] = [...sim.view().fragments.values()];
    assert.ok(fragment !== undefined);
    const stream = sim.streams.at(streams.log(fragment.group));
    stream.lastSeq = 10_000;
    stream.records = Array.from({ length: 10_000 }, (_, at) => ({
      seq: at + 1,
      subject: "x",
      bytes: new Uint8Array(0),
    }));
    stream.bytes = 4e9;
    const primary = node(sim, fragment.primary);
    sim.until("asked", () => primary.answer?.checkpoint.includes(fragment.id) === true);
  });

  it("reports a log stream that was deleted and made again", () => {
    const sim = cluster(1);
    sim.until("seen", () => sim.view().logStreams.size === 16);
    sim.streams.at(streams.log(3)).created = "second";
    sim.until("reported", () => sim.view().incidents.some(({ what }) => what === "logRecreated"));
    assert.equal(sim.view().logStreams.get(3), "second");
  });
});
