import assert from "node:assert/strict";
import { type FalseLog, type Node, put, servingAlone } from "./replica-world.js";

type World = { log: FalseLog; n1: Node; n2: Node; n3: Node };

/** Three whole copies with four rows each; `n1` is primary. */
function three(): World {
  const world = servingAlone();
  const { n1, n2, n3 } = world;
  for (const key of ["a", "b", "c", "d"]) n1.exec(put(key, 1));
  n1.assign(1, "n1", ["n2", "n3"]);
  n2.assign(1, "n1", ["n1", "n3"]);
  n3.assign(1, "n1", ["n1", "n2"]);
  for (const backup of [n2, n3]) backup.tail();
  assert.deepEqual([n1.lsn, n2.lsn, n3.lsn], [5, 5, 5]);
  return world;
}

/** The primary asks for a comparison, everybody applies the record and computes. */
function compare({ log, n1, n2, n3 }: World): void {
  n1.tell({ kind: "verify" });
  const lastSeq = log.records.at(-1)?.seq ?? 0;
  for (const node of [n1, n2, n3]) {
    if (node !== n1) node.tail(lastSeq);
    node.digests();
  }
  for (let round = 0; round < 20 && (n1.letAnswer(n2) > 0 || n1.letAnswer(n3) > 0); round++) n1.settle();
}

/** What a copy asks of the primary while it is replaced. */
function refill(node: Node, source: Node): void {
  for (let round = 0; round < 20; round++) {
    node.letAnswer(source);
    node.pass(400);
  }
}

describe("shard: comparing the copies", () => {
  it("appends a record for it, and tells who agrees when all do", () => {
    const world = three();
    compare(world);
    assert.equal(world.log.story.at(-1), "lsn 6 epoch 1 verify");
    assert.deepEqual(world.n1.verified, { lsn: 6, agree: ["n1", "n2", "n3"], differ: [] });
    assert.ok(world.n1.reports.includes("verifyDone"));
    assert.deepEqual(world.n1.incidents, []);
  });

  it("goes before writes that wait, so that constant load cannot put it off", () => {
    const { log, n1 } = three();
    n1.fates.push("held");
    n1.exec(put("e", 1));
    n1.exec(put("f", 1));
    n1.tell({ kind: "verify" });
    n1.release();
    assert.deepEqual(log.story.slice(-3), ["lsn 6 epoch 1 1 change", "lsn 7 epoch 1 verify", "lsn 8 epoch 1 1 change"]);
  });

  it("names a copy that differs and the keys between which it does, and has it replaced", () => {
    const world = three();
    const { n1, n2, n3 } = world;
    n3.spoil("c");
    compare(world);
    const verified = n1.verified as { agree: string[]; differ: { node: string; from: string; to: string }[] };
    assert.deepEqual(verified.agree, ["n1", "n2"]);
    assert.deepEqual(
      verified.differ.map(({ node }) => node),
      ["n3"],
    );
    assert.deepEqual(n1.incidents, ["replicaDiverged noticed"]);
    assert.equal(n3.state, "copying");
    refill(n3, n1);
    assert.equal(n3.state, "following");
    assert.deepEqual(n3.incidents, ["replicaRepaired healed"]);
    compare(world);
    assert.deepEqual(n1.verified, { lsn: 7, agree: ["n1", "n2", "n3"], differ: [] });
    assert.equal(n2.state, "following");
  });

  it("takes the other copies' word against its own, and replaces its copy once it is no primary any more", () => {
    const world = three();
    const { n1, n2 } = world;
    n1.spoil("b");
    compare(world);
    const verified = n1.verified as { agree: string[]; differ: { node: string }[] };
    assert.deepEqual([verified.agree, verified.differ.map(({ node }) => node)], [["n2", "n3"], ["n1"]]);
    assert.equal(n1.state, "serving", "until the leader has found another primary");
    n1.assign(2, "n2", ["n2", "n3"]);
    assert.equal(n1.state, "copying");
    n2.assign(2, "n2", []);
    assert.equal(n2.state, "serving");
    refill(n1, n2);
    n1.tail();
    assert.equal(n1.state, "following");
    assert.deepEqual(n1.incidents, ["replicaDiverged noticed", "replicaRepaired healed"]);
  });

  it("repairs nothing without a majority, and says that somebody has to", () => {
    const world = three();
    const { n1, n2, n3 } = world;
    n2.spoil("a");
    n3.spoil("d");
    compare(world);
    assert.deepEqual(n1.incidents, ["replicaDiverged refused", "replicaDiverged refused"]);
    assert.deepEqual([n2.state, n3.state], ["following", "following"]);
    assert.deepEqual((n1.verified as { agree: string[] }).agree, ["n1"]);
  });

  it("does not count a copy that is silent: two of three are a majority, one of two that answer is none", () => {
    const quiet = three();
    quiet.n1.tell({ kind: "verify" });
    quiet.n1.digests();
    quiet.n2.tail();
    quiet.n2.digests();
    for (let seconds = 0; seconds < 20; seconds++) {
      quiet.n1.letAnswer(quiet.n2);
      quiet.n1.timeOut();
      quiet.n1.pass(1000);
    }
    assert.deepEqual(quiet.n1.verified, { lsn: 6, agree: ["n1", "n2"], differ: [] });
    const split = three();
    split.n2.spoil("a");
    split.n1.tell({ kind: "verify" });
    split.n1.digests();
    split.n2.tail(6);
    split.n2.digests();
    for (let seconds = 0; seconds < 20; seconds++) {
      split.n1.letAnswer(split.n2);
      split.n1.timeOut();
      split.n1.pass(1000);
    }
    assert.deepEqual(split.n1.incidents, ["replicaDiverged refused"]);
    assert.equal(split.n2.state, "following");
  });

  it("ends with the office: the node hears of it, and goes on with the next fragment", () => {
    const { n1 } = three();
    n1.tell({ kind: "verify" });
    n1.assign(2, "n2", ["n2", "n3"]);
    assert.equal(n1.reports.filter((kind) => kind === "verifyDone").length, 1);
    n1.assign(3, "n1", ["n2", "n3"]);
    assert.equal(n1.reports.filter((kind) => kind === "verifyDone").length, 1);
  });

  it("ends when its own digests never come, and the next one is taken up", () => {
    const world = three();
    world.n1.tell({ kind: "verify" });
    world.n1.pass(30_000);
    assert.ok(world.n1.reports.includes("verifyDone"));
    assert.equal(world.n1.verified, undefined);
    world.n1.tell({ kind: "verify" });
    assert.equal(world.log.story.at(-1), "lsn 7 epoch 1 verify");
  });

  it("replaces no copy on the word of a comparison of other contents than it computed last", () => {
    const { n3 } = three();
    const request = { kind: "mend", fragment: 16, lsn: 4, damage: { ranges: [], whole: true, where: "" } } as const;
    n3.tell({ kind: "peer", request, from: { reply: 999 } });
    assert.equal(n3.state, "following");
  });
});
