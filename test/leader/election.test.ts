// Elections: one leader at a time, terms that grow, deposed leaders that cannot append (I8), leases that do not overlap.

import assert from "node:assert/strict";
import { actingShare } from "../../actors/leader/lease.js";
import { decodeLeaseRecord } from "../../src/ledger/lease-record.js";
import { streams } from "../../src/protocol/subjects.js";
import { createTable, Sim, timing } from "./world.js";

describe("leader election", () => {
  it("elects one of two candidates on an empty ledger and records the cluster", () => {
    const sim = new Sim();
    sim.startMember("c1");
    sim.startMember("c2");
    const tookMs = sim.until("a leader", () => sim.elected().length > 0);
    assert.ok(tookMs < 500, `took ${tookMs} ms`);
    sim.pass(5000);
    assert.equal(sim.elected().length, 1);
    assert.equal(sim.ledgerEvents().filter(({ kind }) => kind === "clusterCreated").length, 1);
    assert.equal(sim.view().term, 1);
    assert.equal(sim.view().logGroups, 16);
  });

  for (const seed of [1, 2, 3, 4, 5]) {
    it(`replaces a silent leader only after its lease, with a higher term (seed ${seed})`, () => {
      const sim = new Sim({ seed });
      sim.startMember("c1");
      sim.startMember("c2");
      sim.until("a leader", () => sim.elected().length === 1);
      sim.pass(1000);
      const [first] = sim.elected();
      const held = sim.host(first ?? "");
      const lastRenewalMs = sim.nowMs - timing.leaderRenewMs;
      held.dead = true;
      sim.until("a second leader", () => sim.elected().length === 2);
      assert.notEqual(sim.elected()[1], first);
      assert.equal(sim.view().term, 2);
      assert.ok(sim.nowMs >= lastRenewalMs + timing.leaderLeaseMs, "took over before the lease could have run out");
      assert.ok(sim.nowMs <= lastRenewalMs + 2 * timing.leaderLeaseMs + timing.leaderRenewMs);
    });
  }

  it("takes over at once when the leader's exit was seen, and only of that process", () => {
    const sim = new Sim();
    const hosts = [sim.startMember("c1"), sim.startMember("c2")];
    sim.until("a leader", () => sim.elected().length === 1);
    sim.pass(500);
    const leader = hosts.find(({ member }) => member === sim.elected()[0]);
    assert.ok(leader !== undefined);
    sim.hostDied(leader.member, "another process");
    sim.pass(1000);
    assert.equal(sim.elected().length, 1);
    leader.dead = true;
    sim.hostDied(leader.member, leader.incarnation);
    const tookMs = sim.until("a second leader", () => sim.elected().length === 2);
    assert.ok(tookMs < timing.leaderLeaseMs / 2, `took ${tookMs} ms`);
  });

  it("gives the lease back on a graceful stop", () => {
    const sim = new Sim();
    sim.startMember("c1");
    sim.startMember("c2");
    sim.until("a leader", () => sim.elected().length === 1);
    sim.pass(500);
    sim.host(sim.elected()[0] ?? "").deliver({ kind: "stop" });
    const tookMs = sim.until("a second leader", () => sim.elected().length === 2);
    assert.ok(tookMs < timing.leaderLeaseMs / 2, `took ${tookMs} ms`);
    sim.pass(3000);
    assert.equal(sim.elected().length, 2);
  });

  it("refuses what a deposed leader appends (I8), and answers its clients honestly", () => {
    const sim = new Sim();
    sim.startMember("c1");
    sim.startMember("c2");
    sim.startNode("n1");
    sim.until("a node", () => sim.view().nodes.get("n1")?.state === "up");
    const [first] = sim.elected();
    const deposed = sim.host(first ?? "");
    // It stops in the middle of its work, with an order in its mailbox, and wakes when another leads.
    deposed.paused = true;
    const answers: { readonly member: string; readonly body: unknown }[] = [];
    sim.request("foreshard.control.0.admin", createTable("ghosts"), (body, member) => answers.push({ body, member }));
    sim.until("a second leader", () => sim.elected().length === 2);
    const before = sim.view().seq;
    deposed.resume();
    sim.pass(2000);
    assert.equal(sim.elected().length, 2);
    const written = sim.ledger().filter(({ seq, record }) => seq > before && record.member === deposed.member);
    assert.deepEqual(written, []);
    assert.ok(!answers.some(({ member }) => member === deposed.member), "a deposed leader said something was done");
  });

  it("fences an append that was on its way when the next leader was elected", () => {
    const sim = new Sim();
    sim.startMember("c1");
    sim.startMember("c2");
    sim.startNode("n1");
    sim.until("a node", () => sim.view().nodes.get("n1")?.state === "up");
    const ledger = sim.streams.at(streams.ledger(0));
    const stale = ledger.records.at(-1);
    assert.ok(stale !== undefined);
    sim.kill(sim.elected()[0] ?? "");
    sim.until("a second leader", () => sim.elected().length === 2);
    const late = sim.streams.append(streams.ledger(0), stale.subject, stale.bytes, stale.seq);
    assert.equal(late.kind, "refused");
  });

  it("steps down when it cannot renew, before anybody may follow", () => {
    const sim = new Sim();
    sim.startMember("c1");
    sim.startMember("c2");
    const node = sim.startNode("n1");
    sim.until("a lease", () => node.holdsLease());
    const leader = sim.host(sim.elected()[0] ?? "");
    leader.cut = true;
    const cutMs = sim.nowMs;
    sim.until("it steps down", () =>
      sim.lines.some(({ event, member }) => event === "leaderLeft" && member === leader.member),
    );
    assert.ok(sim.nowMs - cutMs <= timing.leaderLeaseMs * actingShare);
    sim.until("a second leader", () => sim.elected().length === 2);
    leader.cut = false;
    sim.pass(4000);
    assert.equal(sim.elected().length, 2, "the first came back and disturbed the second");
  });

  it("goes on under a new term when its own lease record lies there", () => {
    const sim = new Sim();
    const host = sim.startMember("c1");
    sim.until("a leader", () => sim.elected().length === 1);
    host.paused = true;
    sim.pass(4000);
    host.resume();
    sim.until("it leads again", () => sim.elected().length === 2, 1000);
    const lease = sim.streams.at(streams.lease).records.at(-1);
    const record = decodeLeaseRecord(lease?.bytes ?? new Uint8Array(0));
    assert.ok(record.ok && record.value.term === sim.view().term);
  });

  it("splits two partitions over two members", () => {
    const leaders = [0, 1].map((partition) => {
      const sim = new Sim({ partition, partitions: 2 });
      sim.startMember("c1");
      sim.startMember("c2");
      sim.until("a leader", () => sim.elected().length === 1);
      return sim.elected()[0];
    });
    assert.deepEqual(leaders, ["c2", "c1"]);
  });

  it("starts from a snapshot when the ledger before it is gone", () => {
    const sim = new Sim({ snapshotEvery: 5 });
    sim.startMember("c1");
    sim.startNode("n1");
    sim.until("a node", () => sim.view().nodes.get("n1")?.state === "up");
    assert.ok("done" in sim.admin(createTable()));
    sim.pass(2000);
    assert.ok(sim.streams.at(streams.snapshot(0)).records.length > 0);
    const ledger = sim.streams.at(streams.ledger(0));
    ledger.records = ledger.records.slice(-1);
    sim.kill("c1");
    sim.startMember("c2");
    sim.until("a leader", () => sim.elected().includes("c2"));
    const answer = sim.admin(createTable());
    assert.ok("fault" in answer && answer.fault.code === "TABLE_EXISTS");
  });

  it("goes on above a ledger that lost its end", () => {
    const sim = new Sim();
    sim.startMember("c1");
    sim.startMember("c2");
    sim.startNode("n1");
    sim.until("a node", () => sim.view().nodes.get("n1")?.state === "up");
    assert.ok("done" in sim.admin(createTable()));
    sim.pass(1000);
    const ledger = sim.streams.at(streams.ledger(0));
    const lostSeq = ledger.lastSeq;
    ledger.records = ledger.records.slice(0, 2);
    ledger.lastSeq = 2;
    const overtaken = sim.admin(createTable("more"));
    assert.ok("fault" in overtaken && overtaken.fault.code === "NOT_LEADER", JSON.stringify(overtaken));
    sim.until("the ledger goes on", () => (ledger.records.at(-1)?.seq ?? 0) > lostSeq);
    sim.pass(1000);
    const again = sim.admin(createTable());
    assert.ok("fault" in again && again.fault.code === "TABLE_EXISTS", JSON.stringify(again));
    // The other member, which knew the old end, follows: it can lead on.
    sim.kill(sim.elected().at(-1) ?? "");
    sim.until("the other leads", () => sim.lines.filter(({ event }) => event === "leaderElected").length >= 3);
    const later = sim.admin(createTable());
    assert.ok("fault" in later && later.fault.code === "TABLE_EXISTS", JSON.stringify(later));
  });

  it("goes on behind a record that nobody can read, and says so", () => {
    const sim = new Sim();
    sim.startMember("c1");
    sim.startNode("n1");
    sim.until("a node", () => sim.view().nodes.get("n1")?.state === "up");
    assert.ok("done" in sim.admin(createTable()));
    sim.pass(1000);
    const ledger = sim.streams.at(streams.ledger(0));
    const lost = ledger.records.find(({ seq }) => seq === 3);
    assert.ok(lost !== undefined && ledger.lastSeq > 4);
    ledger.records = ledger.records.filter((record) => record !== lost);
    sim.streams.at(streams.snapshot(0)).records = [];
    sim.kill("c1");
    sim.startMember("c2");
    sim.until("a leader", () => sim.elected().includes("c2"));
    sim.until("the loss is told", () =>
      sim.view().incidents.some(({ what, node }) => what === "logRegressed" && node === "c2"),
    );
    sim.until("a snapshot from beyond", () => sim.streams.at(streams.snapshot(0)).records.length > 0);
  });
});
