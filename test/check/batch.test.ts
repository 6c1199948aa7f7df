import assert from "node:assert/strict";
import { findBinary } from "../../cluster/engine/binary.js";
import { BareServers } from "../../scripts/check/batch/bare-servers.js";
import { BatchLog } from "../../scripts/check/batch/batch-log.js";
import { powerLost } from "../../scripts/check/batch/power.js";
import { type Ground, judge, killed, races, rightAndWrong } from "../../scripts/check/batch/trials.js";
import { Bench, unwrap } from "../engine/support.js";

/** What ARCHITECTURE.md says of atomic batches: whoever finds one of these red may think again about writes across fragments. */
describe("atomic batches of nats-server on one log stream", () => {
  const bench = new Bench();
  let ground: Ground;

  before(async function () {
    this.timeout(60_000);
    const binary = unwrap(await findBinary(undefined));
    const folder = await bench.folder();
    const servers = await BareServers.start(binary.path, folder, 1);
    bench.last(() => servers.stop());
    const log = await BatchLog.open(servers.addresses);
    bench.last(() => log.close());
    ground = { servers, log, replicas: 1, seed: 1 };
  });
  beforeEach(() => ground.log.make(1));
  after(() => bench.close());

  it("are refused where the stream does not allow them, as on the streams of the product", async () => {
    await ground.log.make(1, false);
    const outcome = await ground.log.batch(
      [1, 2].map((fragment) => ({ fragment, expectedSeq: 0 })),
      "unasked",
    );
    assert.equal(outcome.kind, "refused");
    assert.deepEqual(await ground.log.all(), []);
  });

  it("are whole behind the right fences, and not there at all behind a wrong one", async () => {
    const found = await rightAndWrong(ground);
    assert.deepEqual([found.batches, found.whole, found.none], [40, 10, 30], found.note);
    assert.deepEqual([found.part, found.lies], [0, 0], found.note);
  });

  it("beside others that want the same fences: one of them gets in, whole", async () => {
    const found = await races(ground);
    assert.deepEqual([found.batches, found.whole, found.part, found.lies], [240, 60, 0, 0], found.note);
  });

  it("are whole or not there when the server is killed", async function () {
    this.timeout(60_000);
    const found = await killed(4)(ground);
    assert.deepEqual([found.batches, found.part, found.lies], [4, 0, 0], found.note);
  });

  it("are torn when the power goes in the middle of the commit: the parts are synced one by one, and what would complete them is not", async function () {
    this.timeout(120_000);
    let torn = 0;
    for (let tries = 0; torn === 0 && tries < 6; tries++) {
      await ground.log.make(1);
      const found = await powerLost(4)({ ...ground, seed: tries });
      assert.equal(found.lies, 0, found.note);
      torn += found.part;
    }
    assert.ok(torn > 0, "no batch was torn any more: this server keeps what it needs to complete one");
  });

  it("a trial calls what is there in part by its name, also when it was refused or lies apart", () => {
    const stored = [1, 2, 4].map((seq) => ({ seq, fragment: seq, name: "a" }));
    const outcome = { kind: "refused", errCode: 1, words: "" } as const;
    const of = (size: number, upTo: number) => judge("", [{ name: "a", size, outcome }], stored.slice(0, upTo), "");
    assert.deepEqual([of(3, 2).part, of(3, 2).lies], [1, 1]);
    assert.equal(of(3, 3).part, 1, "another record lies between its parts");
    assert.deepEqual([of(2, 2).whole, of(2, 0).none, of(2, 0).lies], [1, 1, 0]);
  });
});
